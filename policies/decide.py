"""One look at the cluster: detector, victims, targets, gates, in that order, with every reason.

Owns the order, and that what one command takes is booked before the next is judged. Pure: it reads
no clock, keeps no state, and never names a node that is not known.
"""

from __future__ import annotations

from dataclasses import replace

from podferry.policies.vocabulary import (
    Choice,
    Command,
    Decision,
    Draw,
    Move,
    Node,
    NodeGate,
    Overload,
    Placement,
    Pod,
    Policy,
    Snapshot,
    SourceGate,
    Verdict,
)


def decide(policy: Policy, snapshot: Snapshot, moves: tuple[Move, ...], draw: Draw) -> Decision:
    """Return what the policy would do now.

    Args:
        policy: one rule of each kind.
        snapshot: the cluster as it is known at `snapshot.now`.
        moves: moves that were begun, those under way included.
        draw: randomness for rules that ask for it.
    """
    overloads = [
        overload
        for node in snapshot.nodes
        if node.known and (overload := policy.detector.detect(node, snapshot)) is not None
    ]
    if not overloads:
        return Decision(cordons=cordons(policy, snapshot))
    work = _Work(policy, snapshot, moves)
    for overload in sorted(overloads, key=_urgency):
        work.relieve(overload, draw)
    return Decision(
        tuple(work.commands),
        tuple(overloads),
        work.choices,
        work.placements,
        tuple(work.refused),
        work.waiting,
        cordons(policy, snapshot),
    )


def cordons(policy: Policy, snapshot: Snapshot) -> dict[str, bool]:
    """Return the nodes whose cordon should change, and to what."""
    if policy.cordoner is None:
        return {}
    wanted = {node.name: policy.cordoner.cordon(node) for node in snapshot.nodes if node.known}
    return {
        node.name: wanted[node.name]
        for node in snapshot.nodes
        if node.known and wanted[node.name] == node.schedulable
    }


def _urgency(overload: Overload) -> tuple[float, float, str]:
    """The node that is exhausted first comes first; then the one that needs most."""
    soon = float("inf") if overload.exhausted_in is None else overload.exhausted_in
    return soon, -overload.need, overload.node


class _Work:
    """The commands of one decision; what they take is booked in the snapshot as they come."""

    def __init__(self, policy: Policy, snapshot: Snapshot, moves: tuple[Move, ...]) -> None:
        self._policy = policy
        self._snapshot = _without_moving(snapshot, moves)
        self._moves = moves
        self._early = [gate for gate in policy.gates if isinstance(gate, NodeGate)]
        self._placeless = [gate for gate in policy.gates if isinstance(gate, SourceGate)]
        self.commands: list[Command] = []
        self.refused: list[tuple[Command, Verdict]] = []
        self.choices: dict[str, Choice] = {}
        self.placements: dict[str, Placement] = {}
        self.waiting: dict[str, Verdict] = {}

    def relieve(self, overload: Overload, draw: Draw) -> None:
        """Add the commands for one node."""
        for gate in self._early:
            verdict = gate.holds(overload.node, self._moves, self._snapshot)
            if verdict is not None:
                self.waiting[overload.node] = verdict
                return
        node = self._snapshot.node(overload.node)
        choice = self._policy.victims.choose(node, overload, self._snapshot, draw)
        self.choices[node.name] = choice
        pods = {pod.key: pod for pod in node.pods}
        limit = self._policy.moves_at_once
        for key in choice.pods:
            if limit and len(self.commands) >= limit:
                return
            self._place(pods[key], node, overload)

    def _place(self, pod: Pod, node: Node, overload: Overload) -> None:
        now = self._snapshot.now
        for gate in self._placeless:
            verdict = gate.refuses(node.name, self._moves)
            if verdict is not None:
                # To look at every node for a pod that may not go is most of the work.
                asked = Command(pod.key, node.name, "", pod.memory, now, overload.why)
                self.refused.append((asked, verdict))
                return
        placement = self._policy.targets.place(pod, node, self._snapshot)
        self.placements[pod.key] = placement
        if not placement.node:
            return
        why = f"{overload.why}; {placement.why}"
        command = Command(pod.key, node.name, placement.node, pod.memory, now, why)
        for each in self._policy.gates:
            verdict = each.check(command, self._moves, self._snapshot)
            if not verdict.allowed:
                self.refused.append((command, verdict))
                return
            if verdict.start is not None:
                command = replace(command, start=max(command.start, verdict.start))
        self.commands.append(command)
        end = command.start + pod.cost.total
        move = Move(pod.key, node.name, placement.node, command.start, None, True, end, True)
        self._moves += (move,)
        self._book(command)

    def _book(self, command: Command) -> None:
        self._snapshot = replace(
            self._snapshot,
            nodes=tuple(_booked(node, command) for node in self._snapshot.nodes),
        )


def _without_moving(snapshot: Snapshot, moves: tuple[Move, ...]) -> Snapshot:
    """Block the pods that are being moved: no rule may choose them twice."""
    moving = {move.pod: move.target for move in moves if move.ended is None}
    if not moving:
        return snapshot
    nodes = tuple(
        replace(node, pods=tuple(_moving(pod, moving) for pod in node.pods))
        if any(pod.key in moving for pod in node.pods)
        else node
        for node in snapshot.nodes
    )
    return replace(snapshot, nodes=nodes)


def _moving(pod: Pod, moving: dict[str, str]) -> Pod:
    if pod.key not in moving or pod.blocked:
        return pod
    return replace(pod, blocked=f"is being moved to {moving[pod.key]}")


def _booked(node: Node, command: Command) -> Node:
    if node.name == command.target:
        return replace(node, incoming=node.incoming + command.memory)
    if node.name == command.source:
        return replace(node, outgoing=node.outgoing + command.memory)
    return node
