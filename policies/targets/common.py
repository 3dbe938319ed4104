"""What target rules share: who can take the pod at all, and what is said where nobody can."""

from __future__ import annotations

from podferry.policies import memory
from podferry.policies.vocabulary import Candidate, Node, Placement, Pod, Snapshot
from podferry.policies.words import gib


def unfit(node: Node, pod: Pod) -> str:
    """Return why a node cannot take the pod whatever its memory; empty where it can.

    What the scheduler would find: cordon, slots, cores, and requests against the allocatable.
    """
    if not node.known:
        return "its agent is silent"
    if not node.schedulable:
        return "cordoned or tainted"
    if len(node.pods) >= node.pod_slots:
        return f"all {node.pod_slots} pod slots are taken"
    cpu = sum(each.cpu for each in node.pods) if pod.cpu else 0.0
    if cpu + pod.cpu > node.cpu:
        return f"{cpu:g} of {node.cpu:g} cores are requested, the pod asks for {pod.cpu:g}"
    room = node.capacity if node.allocatable is None else node.allocatable
    if pod.request and node.requested + pod.request > room:
        return f"{gib(node.requested)} of {gib(room)} are requested, the pod asks for " + gib(
            pod.request
        )
    return ""


def eligible(pod: Pod, source: Node, snapshot: Snapshot) -> tuple[list[Node], list[Candidate]]:
    """Return the nodes that could take the pod if memory allows, and the others with the reason."""
    fit: list[Node] = []
    others: list[Candidate] = []
    for node in snapshot.nodes:
        if node.name == source.name:
            continue
        why = unfit(node, pod)
        if why:
            others.append(Candidate(node.name, None, why))
        else:
            fit.append(node)
    return fit, others


def free_after(node: Node, pod: Pod) -> float:
    """Return what is free on the node once the pod and all moves under way are there [%]."""
    return (memory.buffer(node) - pod.memory) / node.capacity * 100.0


def nowhere(pod: Pod, considered: list[Candidate], shortfall: float = 0.0) -> Placement:
    """Return the answer where no node can take the pod."""
    if not considered:
        return Placement("", "there is no other node", pod.memory)
    if shortfall:
        why = f"no node can take {gib(pod.memory)}; the best lacks {gib(shortfall)}"
    else:
        why = "no other node takes pods: " + "; ".join(
            f"{each.key}: {each.why}" for each in considered[:3]
        )
    return Placement("", why, shortfall or pod.memory, tuple(considered))
