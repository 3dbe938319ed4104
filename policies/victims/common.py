"""What victim rules share: pods until the need is covered, and who could not be looked at."""

from __future__ import annotations

from collections.abc import Iterable

from podferry.policies.vocabulary import Candidate, Node, Pod

NOTHING_TO_MOVE = "no pod of this node can be moved"


def unmovable(node: Node) -> list[Candidate]:
    """Return the pods that no rule may take, each with its reason."""
    return [
        Candidate(pod.key, None, pod.blocked or "holds no memory")
        for pod in node.pods
        if pod.blocked or pod.memory <= 0
    ]


def until_covered(ranked: Iterable[Pod], need: float) -> tuple[list[str], float]:
    """Return the first pods that free `need` bytes together (one where it is 0), and their sum."""
    keys: list[str] = []
    freed = 0.0
    for pod in ranked:
        if keys and freed >= need:
            break
        keys.append(pod.key)
        freed += pod.memory
    return keys, freed
