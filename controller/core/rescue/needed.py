"""Whether a move that a rescue asked for is still needed. Pure.

Asked at every look and right before the freeze: until then nothing was touched, and a workload is
never stopped for a pressure that has gone, nor while nothing is known of its node.
"""

from __future__ import annotations

from dataclasses import replace

from podferry.controller.core.rescue.cluster import Book, Known, snapshot
from podferry.controller.core.rescue.moves import Ledger
from podferry.controller.core.view import Need
from podferry.policies.memory import exhausted_in, growth
from podferry.policies.vocabulary import Policy
from podferry.policies.words import gib, seconds

GROWTH_SECONDS = 10.0
"""In which is read whether a node still grows [s]."""
SOON_SECONDS = 600.0
"""Such a node is still short if it is full within this time [s]."""


def still_needed(source: str, rules: Policy, known: Known, without: Ledger, book: Book) -> Need:
    """Say whether the node would be relieved if the decision were made now.

    Args:
        source: the node that is relieved.
        rules: of the policy that asked.
        known: the cluster now.
        without: the moves, without the one that is asked about: what it frees must not count.
        book: what is known of each pod.
    """
    view = known.nodes.get(source)
    if view is None:
        return Need(False, f"node {source} is gone")
    doubt = known.doubts.get(source) or ("" if source in known.believed else "it told nothing")
    if doubt:
        return Need(None, f"node {source} is unknown now: {doubt}")
    seen = snapshot(replace(known, nodes={source: view}), without, book)
    node = seen.node(source)
    overload = rules.detector.detect(node, seen)
    if overload is not None:
        return Need(True, overload.why)
    # A rule without a slack of its own falls silent and speaks again while a node grows past its
    # line: a move that is taken back in between begins anew a second later.
    left = exhausted_in(node, growth(node.history, GROWTH_SECONDS))
    if left is not None and left < SOON_SECONDS:
        return Need(True, f"{source} still grows and is full in {seconds(left)}")
    free = f"{gib(node.free)} of {gib(node.capacity)} are available"
    return Need(False, f"the pressure on {source} has gone: {free}")
