"""With which agents a move may begin, and whether now is a moment to freeze. Pure.

Controller and agents are replaced one after the other while moves are under way. So a move waits,
with the reason and with an end, while an agent speaks another protocol, is being replaced or is
away, and while this controller is about to end. Nothing here ever turns back what is frozen: from
the first freeze order on, any pair of builds goes on. See docs/decisions/0009.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from podferry import __version__
from podferry.api.errors import PreconditionError
from podferry.api.migration import Endpoint, Migration
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core.status import TERMINAL_VALUES, Draft, is_true, seconds_since
from podferry.controller.core.view import NodeView, Step, View
from podferry.wire import versions

OURS = versions.ours(__version__)
QUIET_SECONDS = 3.0
"""An agent whose last answer is older is away; freezing would only make a workload wait for it."""
START_WAIT_SECONDS = 600.0
"""So long a request waits for agents that it can move with; a roll goes from node to node [s]."""
POLL_SECONDS = 0.2
DO = "see `kubectl -n podferry-system get pods -o wide`"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a move waits."""

    reason: Reason
    message: str


_ENDING = Hold(
    Reason.CONTROLLER_ENDING,
    "this controller is being replaced and freezes nothing any more; the next leader does",
)


def before_start(source: NodeView, target: NodeView) -> Hold | None:
    """Why no move between these nodes may begin now; None: it may."""
    ends = {node.name: node.facts for node in (source, target) if node.facts is not None}
    return next(_not_now(ends), None)


def before_freeze(view: View) -> Hold | None:
    """Why an accepted move, prepared on both nodes, must not freeze now; None: it may."""
    status = view.migration.status
    if view.ending:
        return _ENDING
    ends: dict[str, Mapping[str, Any]] = {}
    for end, observed, age in (
        (status.source, view.source, view.source_age_seconds),
        (status.target, view.target, view.target_age_seconds),
    ):
        node = _node(end)
        if observed is None or age >= QUIET_SECONDS:
            return _silent(node)
        ends[node] = observed.facts
    return next(_not_now(ends), None)


def before_first_freeze(view: View) -> Hold | None:
    """The same for a move that freezes first: no agent has a part in it yet, so by their nodes."""
    status = view.migration.status
    if view.ending:
        return _ENDING
    ends: dict[str, Mapping[str, Any]] = {}
    for name in (_node(status.source), _node(status.target)):
        node = view.nodes.get(name)
        if node is None or node.facts is None:
            return _silent(name)
        ends[name] = node.facts
    return next(_not_now(ends), None)


def _silent(node: str) -> Hold:
    return Hold(
        Reason.AGENT_UNREACHABLE,
        f"the agent on {node} has not answered for {QUIET_SECONDS:.0f} s or more; nothing"
        f" is frozen before it does; {DO}",
    )


def in_the_middle(migration: Migration) -> bool:
    """Whether its workload may be frozen and wait for orders: no moment to change the leader."""
    status = migration.status
    over = status.phase in TERMINAL_VALUES or is_true(status, Condition.RESUMED)
    return status.freeze_epoch > 0 and not over


def unwilling(nodes: Mapping[str, NodeView], source: NodeView) -> frozenset[str]:
    """Nodes onto which a move from `source` would have to wait; another eligible one is better."""
    return frozenset(
        name for name, node in nodes.items() if name != source.name and before_start(source, node)
    )


def wait(view: View, hold: Hold, phase: Phase) -> Step:
    """Say why it waits; nothing is touched."""
    draft = Draft(view.migration, view.now).progress(phase, hold.reason, hold.message)
    return Step(draft.value, (), POLL_SECONDS)


def wait_to_start(view: View, hold: Hold) -> Step:
    """The same before anything began, up to an end. Raises PreconditionError then."""
    limit = min(START_WAIT_SECONDS, view.migration.spec.deadline_seconds)
    if seconds_since(view.migration.created_at, view.now) > limit:
        raise PreconditionError(
            hold.reason, f"{hold.message}; waited {limit:.0f} s, nothing was touched"
        )
    draft = Draft(view.migration, view.now).put(queued=None)
    draft.progress(Phase.PENDING, hold.reason, hold.message)
    return Step(draft.value, (), 1.0)


def _not_now(ends: Mapping[str, Mapping[str, Any]]) -> Iterator[Hold]:
    """Reasons of the agents themselves: with us, then with each other, then that one drains."""
    spoken = {node: versions.told(facts) for node, facts in ends.items()}
    for node, agent in spoken.items():
        if not OURS.understands(agent):
            older = agent.protocol < OURS.protocol
            yield _unspoken(
                f"the agent on {node} is {agent.words()}, this controller {OURS.words()}",
                f"the agent on {node}" if older else "the controller",
            )
    pair = list(spoken.items())
    if len(pair) == 2 and not pair[0][1].understands(pair[1][1]):
        (here, first), (there, second) = pair
        older_node = here if first.protocol < second.protocol else there
        yield _unspoken(
            f"the agent on {here} is {first.words()}, that on {there} {second.words()}",
            f"the agent on {older_node}",
        )
    for node, facts in ends.items():
        if facts.get("draining") is True:
            yield Hold(
                Reason.AGENT_DRAINING,
                f"the agent on {node} is being replaced; it goes on with the next one; {DO}",
            )


def _unspoken(who: str, what: str) -> Hold:
    return Hold(
        Reason.AGENT_VERSION,
        f"{who}: they do not understand each other. Let the upgrade of {what} finish (`kubectl -n"
        " podferry-system rollout status daemonset/podferry-agent`, or deployment/"
        "podferry-controller), or install one version on all with `podferry install`",
    )


def _node(end: Endpoint | None) -> str:
    return end.node if end is not None else "?"
