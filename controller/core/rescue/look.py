"""One look of one RescuePolicy at the cluster, and what is to be done about it. Pure.

Owns the scope of a policy (which nodes it relieves, which pods it may move, which nodes can take a
pod at all) and what follows where no node has room or a move would come too late. The rules
themselves are those of `podferry.policies`, the same that the simulator runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from podferry.api.migration import StrategyName
from podferry.api.rescue_policy import Action, RescueMode, RescuePolicy
from podferry.controller.core.rescue.cluster import Book, Known, snapshot
from podferry.controller.core.rescue.moves import Ledger
from podferry.controller.core.rescue.raw_pods import RawPods
from podferry.controller.core.view import NodeView
from podferry.policies.decide import decide
from podferry.policies.memory import movable
from podferry.policies.vocabulary import (
    Candidate,
    Choice,
    Command,
    Decision,
    Detector,
    Draw,
    Node,
    Overload,
    Placement,
    Pod,
    Policy,
    Snapshot,
    Targets,
    Victims,
)
from podferry.policies.words import seconds
from podferry.strategies.container.finding import RawPod
from podferry.strategies.container.node_checks import check_target
from podferry.strategies.container.spread_checks import check_spread, that_matter

CHECKED_NODES = 100
"""So many nodes are all checked for a pod, so that a person sees what is against each."""
FAVOURITES = 5


@dataclass(frozen=True, slots=True)
class Scope:
    """What a policy is about."""

    nodes: frozenset[str]
    """Nodes it relieves."""
    contested: Mapping[str, str]
    """Nodes it selects too, but an older policy relieves: node -> that policy."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one look decided about one overloaded node."""

    node: str
    action: Action
    why: str
    pod: str = ""
    target: str = ""
    shortfall: float = 0.0
    too_late: str = ""
    """Why a move begun now would come too late; empty: it would not."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: the snapshot, the decision, and what of it is to be done."""

    snapshot: Snapshot
    ledger: Ledger
    decision: Decision
    outcomes: tuple[Outcome, ...]
    moves: tuple[Command, ...]
    """To be asked for now; empty in DryRun."""
    restarts: tuple[str, ...]
    """Pods to be evicted now, because the policy allows it where nothing else helps."""


def scopes(policies: tuple[RescuePolicy, ...], nodes: Mapping[str, NodeView]) -> dict[str, Scope]:
    """Return each policy's scope by its name; of two on one node the older one acts.

    Only valid policies are given here: one that cannot act contests nothing.
    """
    taken: dict[str, str] = {}
    found = {}
    for policy in sorted(policies, key=lambda one: (one.created_at, one.name)):
        selected = {
            name for name, view in nodes.items() if matches(view.labels, policy.spec.node_selector)
        }
        contested = {name: taken[name] for name in selected if name in taken}
        mine = selected - contested.keys()
        taken |= dict.fromkeys(mine, policy.name)
        found[policy.name] = Scope(frozenset(mine), contested)
    return found


def matches(labels: Mapping[str, str], selector: Mapping[str, str] | None) -> bool:
    """Whether all labels of the selector are there; an empty one takes everything."""
    return all(labels.get(key) == value for key, value in (selector or {}).items())


def look(
    policy: RescuePolicy,
    rules: Policy,
    scope: Scope,
    known: Known,
    ledger: Ledger,
    book: Book,
    draw: Draw,
) -> Look:
    """Return what the policy would do now, and what it does.

    Args:
        policy: the object.
        rules: its plug-ins, see `valid.policy_of`.
        scope: see `scopes`.
        known: the cluster.
        ledger: moves begun before, those of other policies included.
        book: what is known of each pod.
        draw: randomness for rules that ask for it.
    """
    return decided(policy, rules, scope, known, ledger, snapshot(known, ledger, book), draw)


def decided(
    policy: RescuePolicy,
    rules: Policy,
    scope: Scope,
    known: Known,
    ledger: Ledger,
    everything: Snapshot,
    draw: Draw,
) -> Look:
    """Return the same as `look`, which is given the snapshot of `known` here.

    It shares nothing that changes, so it may run beside the event loop: with fifty nodes short of
    memory in a cluster of a thousand it takes longer than a lease may wait.
    """
    seen = _outside(everything, policy, known)
    raw = known.raw
    scoped = replace(
        rules,
        detector=_Selected(rules.detector, scope.nodes),
        victims=_Willing(rules.victims, raw, known.reluctant),
        targets=_Eligible(rules.targets, raw, known.nodes),
    )
    decision = decide(scoped, seen, ledger.moves, draw)
    act = policy.spec.mode is RescueMode.ACT
    restart = StrategyName.COLD_RESTART in policy.spec.fallback
    outcomes = []
    restarts = []
    for overload in decision.overloads:
        outcome = _outcome(overload, decision, seen, act=act, restart=restart)
        outcomes.append(outcome)
        if outcome.action is Action.COLD_RESTART:
            restarts.append(outcome.pod)
    due = tuple(
        command
        for command in decision.commands
        if command.start <= known.now and command.pod not in restarts
    )
    return Look(seen, ledger, decision, tuple(outcomes), due if act else (), tuple(restarts))


@dataclass(frozen=True, slots=True)
class _Selected:
    """A detector that looks at some nodes only."""

    detector: Detector
    nodes: frozenset[str]

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        return self.detector.detect(node, snapshot) if node.name in self.nodes else None


@dataclass(frozen=True, slots=True)
class _Willing:
    """A victim rule that takes reluctant pods only where no other one helps."""

    victims: Victims
    raw: RawPods
    reluctant: Callable[[RawPod], str]

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`."""
        spared = {}
        for pod in node.pods:
            raw = self.raw.get(pod.key)
            why = self.reluctant(raw) if raw is not None else ""
            if why and not pod.blocked:
                spared[pod.key] = why
        if not spared:
            return self.victims.choose(node, overload, snapshot, draw)
        others = replace(
            node,
            pods=tuple(
                replace(pod, blocked=spared[pod.key]) if pod.key in spared else pod
                for pod in node.pods
            ),
        )
        choice = self.victims.choose(others, overload, snapshot, draw)
        return choice if choice.pods else self.victims.choose(node, overload, snapshot, draw)


@dataclass(frozen=True, slots=True)
class _Eligible:
    """A target rule that is shown only nodes on which the pod could run."""

    targets: Targets
    raw: RawPods
    views: Mapping[str, NodeView]

    def place(self, pod: Pod, node: Node, snapshot: Snapshot) -> Placement:
        """See `Targets`."""
        source, raw = self.views.get(node.name), self.raw.get(pod.key)
        if source is None or raw is None:
            return Placement("", f"{pod.key} is gone", pod.memory)
        beside = self.raw.of_namespace(str(raw["metadata"].get("namespace")))
        beside = that_matter(raw, beside)
        others: list[Candidate] = []
        fit = snapshot.nodes
        # In a large cluster the rule is asked first and its choice checked: a few checks in place
        # of thousands. Where its favourites do not fit, and in a small one, all are checked.
        for _ in range(FAVOURITES if len(fit) > CHECKED_NODES else 0):
            placed = self.targets.place(pod, node, replace(snapshot, nodes=fit))
            why = self._against(raw, source, placed.node, beside) if placed.node else ""
            if not why:
                return replace(placed, considered=(*placed.considered, *others))
            others.append(Candidate(placed.node, None, why))
            fit = tuple(other for other in fit if other.name != placed.node)
        rest = []
        for other in fit:
            own = other.name == node.name
            why = "" if own else self._against(raw, source, other.name, beside)
            if why:
                others.append(Candidate(other.name, None, why))
            else:
                rest.append(other)
        placed = self.targets.place(pod, node, replace(snapshot, nodes=tuple(rest)))
        return replace(placed, considered=(*placed.considered, *others))

    def _against(
        self, raw: RawPod, source: NodeView, name: str, beside: Mapping[str, RawPod]
    ) -> str:
        view = self.views.get(name)
        if view is None:
            return "is gone"
        findings = [
            *check_target(raw, source, view, post_copy=False),
            *check_spread(raw, view, nodes=self.views, pods=beside, same_name=False),
        ]
        return findings[0].message if findings else ""


def _outside(seen: Snapshot, policy: RescuePolicy, known: Known) -> Snapshot:
    """Block the pods that the policy does not select."""
    spec = policy.spec
    if not spec.pod_selector and not spec.namespace_selector:
        return seen
    inside = set()
    for pods in known.pods.values():
        for pod in pods:
            metadata = pod["metadata"]
            namespace = known.namespaces.get(str(metadata.get("namespace"))) or {"metadata": {}}
            labels = namespace["metadata"].get("labels") or {}
            if matches(metadata.get("labels") or {}, spec.pod_selector) and matches(
                labels, spec.namespace_selector
            ):
                inside.add(_key(pod))
    why = f"not selected by RescuePolicy {policy.name}"
    nodes = tuple(
        replace(
            node,
            pods=tuple(
                pod if pod.blocked or pod.key in inside else replace(pod, blocked=why)
                for pod in node.pods
            ),
        )
        for node in seen.nodes
    )
    return replace(seen, nodes=nodes)


def _outcome(
    overload: Overload, decision: Decision, seen: Snapshot, *, act: bool, restart: bool
) -> Outcome:
    """What was decided about a node, the first thing that matters of it."""
    node = overload.node
    waiting = decision.waiting.get(node)
    if waiting is not None:
        return Outcome(node, Action.WAIT, waiting.why)
    choice = decision.choices.get(node)
    pods = {pod.key: pod for pod in seen.node(node).pods}
    if (choice is None or not choice.pods) and _is_being_relieved(seen.node(node)):
        return Outcome(node, Action.WAIT, "what could leave it is on its way already")
    if choice is None or not choice.pods:
        why = choice.why if choice else "no pod was looked at"
        quickest = min(movable(seen.node(node)), key=lambda pod: pod.cost.total, default=None)
        late = _too_late(overload, quickest) if quickest else ""
        return Outcome(node, Action.NO_VICTIM, why, too_late=late)
    late = _too_late(overload, pods[choice.pods[0]])
    commands = [command for command in decision.commands if command.source == node]
    if commands and not (late and restart):
        first = commands[0]
        if first.start > seen.now:
            wait = seconds(first.start - seen.now)
            return Outcome(node, Action.WAIT, f"in {wait}: {first.why}", first.pod, first.target)
        action = Action.MOVE if act else Action.WOULD_MOVE
        return Outcome(node, action, first.why, first.pod, first.target, too_late=late)
    refused = [each for each in decision.refused if each[0].source == node]
    if refused and not (late and restart):
        command, verdict = refused[0]
        target = command.target
        return Outcome(node, Action.WAIT, verdict.why, command.pod, target, too_late=late)
    placement = decision.placements.get(choice.pods[0])
    if placement is None:
        # Only a limit on the moves of one look keeps a rule from being asked.
        why = "this look has asked for as many moves as movesAtOnce allows"
        return Outcome(node, Action.WAIT, why, choice.pods[0], too_late=late)
    why = "there would be room" if placement.node else placement.why
    if restart:
        action = Action.COLD_RESTART if act else Action.WOULD_COLD_RESTART
        return Outcome(node, action, why, choice.pods[0], too_late=late)
    lacks = placement.shortfall
    return Outcome(node, Action.NO_ROOM, why, choice.pods[0], shortfall=lacks, too_late=late)


def _is_being_relieved(node: Node) -> bool:
    """Whether nobody is left to be moved, and somebody is being moved."""
    return node.outgoing > 0 and not movable(node)


def _too_late(overload: Overload, pod: Pod) -> str:
    left = overload.exhausted_in
    if left is None or left >= pod.cost.total:
        return ""
    return (
        f"{overload.node} is out of memory in {seconds(left)}, a move of {pod.key} takes up to"
        f" {seconds(pod.cost.total)}"
    )


def _key(pod: RawPod) -> str:
    return f"{pod['metadata'].get('namespace')}/{pod['metadata']['name']}"
