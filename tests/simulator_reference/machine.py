"""The cluster of the slow simulator: scheduler, kernel, kubelet and moves, second by second."""

from __future__ import annotations

from dataclasses import dataclass

from podferry.simulator.model import GIB, Scenario, Strategy
from tests.simulator_reference.parts import (
    Move,
    Node,
    Pod,
    at_least_one,
    copy_seconds,
)


@dataclass
class Counts:
    evictions: int = 0
    oom_kills: int = 0
    over_capacity: bool = False
    migrations: int = 0
    failed_migrations: int = 0
    freeze: float = 0.0
    lost: int = 0
    waited: int = 0


class Machine:
    def __init__(self, scenario: Scenario, pods: list[Pod], nodes: list[Node]) -> None:
        self.scenario = scenario
        self.cluster = scenario.cluster
        self.pods = pods
        self.nodes = nodes
        self.moves: list[Move] = []
        self.counts = Counts()
        self.events: list[tuple[float, str, str, str]] = []
        self.tick = 0
        self.delay = at_least_one(scenario.restart_delay) if scenario.restart_delay > 0 else 0

    # memory

    def holds(self, pod: Pod) -> float:
        return pod.memory(self.scenario.linear)

    def copy_holds(self, move: Move) -> float:
        if self.scenario.moves.strategy is Strategy.VIRTUAL_MACHINE:
            return self.holds(move.pod)
        return move.size

    def used(self, node: Node) -> float:
        total = self.cluster.reserved
        total += sum(self.holds(pod) for pod in self.on(node))
        for move in self.moves:
            if move.copies and move.target is node:
                total += self.copy_holds(move)
            if move.state == "trailing" and move.source is node:
                total += move.size
        return total

    def on(self, node: Node) -> list[Pod]:
        return [p for p in self.pods if p.home == node.index and p.state in ("running", "frozen")]

    # one second

    def second(self) -> None:
        for move in list(self.moves):
            while not move.over and not move.waits and move.next <= self.tick:
                self._step(move)
        for pod in self.pods:
            self._own(pod)
        self._schedule()
        for node in self.nodes:
            self._kernel(node)
        for node in self.nodes:
            if node.round == self.tick:
                self._kubelet(node)

    def pass_time(self) -> None:
        """Everything that runs is one second further."""
        for pod in self.pods:
            if pod.state == "running":
                pod.progress += 1

    def note(self, what: str, pod: Pod | None, node: Node | None) -> None:
        name = "" if pod is None else pod.spec.name
        self.events.append(
            (float(self.tick), what, name, "" if node is None else f"node-{node.index}")
        )

    # pods

    def _own(self, pod: Pod) -> None:
        limit = pod.spec.limit
        if pod.state == "absent" and pod.spec.arrival <= self.tick:
            self.note("arrived", pod, None)
            self._join(pod)
        elif pod.state == "running" and pod.progress >= at_least_one(pod.spec.lifetime):
            self.note("ended", pod, self.nodes[pod.home])
            self._abandon(pod)
            self.nodes[pod.home].booked.remove(pod)
            pod.state = "ended"
        elif pod.state == "running" and limit is not None and self.holds(pod) > limit:
            self._die(pod, "over-limit")
        elif pod.state == "down" and pod.restart_at <= self.tick and pod.home >= 0:
            self.note("restarted", pod, self.nodes[pod.home])
            self._start(pod)
        elif pod.state == "down" and pod.restart_at <= self.tick:
            self.note("recreated", pod, None)
            self._join(pod)

    def _join(self, pod: Pod) -> None:
        pod.state = "queued"
        pod.home = -1
        pod.joined = self.tick

    def _start(self, pod: Pod) -> None:
        pod.state = "running"
        pod.progress = 0

    def _lose(self, pod: Pod) -> None:
        self.counts.lost += pod.progress
        pod.state = "down"
        pod.restart_at = self.tick + self.delay
        pod.samples.clear()

    def _die(self, pod: Pod, what: str) -> None:
        self.note(what, pod, self.nodes[pod.home])
        self.counts.oom_kills += 1
        self._abandon(pod)
        self._lose(pod)

    # scheduler

    def admits(self, node: Node, pod: Pod) -> bool:
        room = int(self.cluster.node_memory - self.cluster.reserved - self.cluster.eviction)
        if sum(p.request for p in node.booked) + pod.request > room:
            return False
        if sum(p.millis for p in node.booked) + pod.millis > round(self.cluster.node_cpu * 1000):
            return False
        if len(node.booked) >= self.cluster.pod_slots:
            return False
        return not (pod.best_effort and self.tick < node.pressed_until)

    def points(self, node: Node, pod: Pod) -> int:
        room = int(self.cluster.node_memory - self.cluster.reserved - self.cluster.eviction)
        memory = sum(int(p.request) or 200 * 2**20 for p in (*node.booked, pod))
        cpu = sum(p.millis or 100 for p in (*node.booked, pod))
        total = 0
        for asked, there in ((memory, room), (cpu, round(self.cluster.node_cpu * 1000))):
            if there <= 0 or asked > there:
                continue
            total += (there - asked if self.cluster.spread else asked) * 100 // there
        return total // 2

    def _schedule(self) -> None:
        queue = [p for p in self.pods if p.state == "queued"]
        for pod in sorted(queue, key=lambda p: (-p.spec.priority, p.joined, p.index)):
            fits = [n for n in self.nodes if not n.cordoned and self.admits(n, pod)]
            if not fits:
                continue
            best = max(self.points(n, pod) for n in fits)
            equal = [n for n in fits if self.points(n, pod) == best]
            lot = (pod.tie + 0.6180339887498949 * pod.tries) % 1.0
            node = equal[int(lot * len(equal))]
            pod.tries += 1
            pod.home = node.index
            node.booked.append(pod)
            self.counts.waited += self.tick - pod.joined
            self._start(pod)
            self.note("bound", pod, node)

    # kernel and kubelet

    def _candidates(self, node: Node) -> list[tuple[Pod, Move | None, float]]:
        found: list[tuple[Pod, Move | None, float]] = [
            (pod, None, self.holds(pod)) for pod in self.on(node)
        ]
        found += [
            (move.pod, move, self.copy_holds(move))
            for move in self.moves
            if move.copies and move.target is node
        ]
        return found

    def _kernel(self, node: Node) -> None:
        capacity = self.cluster.node_memory
        while self.used(node) > capacity:
            self.counts.over_capacity = True
            found = self._candidates(node)
            if not found or not self.cluster.kills:
                return
            pod, move, _ = max(found, key=lambda c: c[2] + c[0].oom_adjust(capacity))
            if move is not None:
                self._fail(move)
            else:
                self._die(pod, "oom-killed")

    def _kubelet(self, node: Node) -> None:
        node.round += 10
        available = self.cluster.node_memory - self.used(node)
        if not self.cluster.kills or available >= self.cluster.eviction:
            return
        node.pressed_until = self.tick + 300
        found = self._candidates(node)
        if not found:
            return
        pod, move, _ = min(
            found,
            key=lambda c: (not c[2] > c[0].request, c[0].spec.priority, c[0].request - c[2]),
        )
        node.round = self.tick + 2
        if move is not None:
            self._fail(move)
            return
        self.note("evicted", pod, node)
        self.counts.evictions += 1
        self._abandon(pod)
        self._lose(pod)
        node.booked.remove(pod)
        pod.home = -1

    # moves

    def _step(self, move: Move) -> None:
        kind = self.scenario.moves.strategy
        if move.state == "pending":
            self._begin(move)
        elif move.state == "preparing":
            self._copy(move)
        elif move.state == "copying" and kind is Strategy.VIRTUAL_MACHINE:
            if copy_seconds(self.scenario, move.size) is None:
                self._fail(move)
                return
            downtime = self.scenario.moves.downtime
            self._freeze(move, downtime)
            move.state = "stopped"
            move.next = self.tick + at_least_one(downtime)
        elif move.state in ("copying", "stopped"):
            self._commit(move)
        else:
            self._over(move, "moved")

    def _begin(self, move: Move) -> None:
        pod, source, target = move.pod, move.source, move.target
        if pod.state != "running" or pod.home != source.index or pod.move not in (None, move):
            self.note("move-cancelled", pod, source)
            self._over(move, "cancelled")
            return
        if source.streams < 1 or target.streams < 1:
            move.waits = True
            return
        source.streams -= 1
        target.streams -= 1
        pod.move = move
        admitted = self.admits(target, pod)
        target.booked.append(pod)
        move.state = "preparing"
        prepare = self.scenario.moves.prepare
        move.next = self.tick + (at_least_one(prepare) if prepare > 0 else 0)
        if not admitted:
            self._fail(move)
            return
        self.note("move-began", pod, target)

    def _copy(self, move: Move) -> None:
        moves = self.scenario.moves
        move.size = self.holds(move.pod)
        if moves.strategy is Strategy.COLD_RESTART:
            if move.fails:
                self._fail(move)
                return
            self._lose(move.pod)
            move.pod.home = move.target.index
            move.source.booked.remove(move.pod)
            self._over(move, "moved")
            return
        move.state = "copying"
        move.copying = self.tick
        lasts = copy_seconds(self.scenario, move.size)
        if moves.strategy is Strategy.CONTAINER:
            assert lasts is not None
            seconds = (moves.seconds if moves.post_copy else lasts) * move.factor
            self._freeze(move, seconds)
        elif lasts is None:
            once = moves.seconds + moves.per_gib * move.size / GIB
            seconds = once * move.factor + moves.progress_timeout
        else:
            seconds = lasts * move.factor
        move.next = self.tick + at_least_one(seconds)

    def _freeze(self, move: Move, seconds: float) -> None:
        move.pod.state = "frozen"
        self.counts.freeze += seconds
        self.note("frozen", move.pod, move.source)

    def _commit(self, move: Move) -> None:
        if move.fails:
            self._fail(move)
            return
        move.pod.home = move.target.index
        move.source.booked.remove(move.pod)
        move.pod.state = "running"
        moves = self.scenario.moves
        if moves.strategy is Strategy.CONTAINER and moves.post_copy:
            whole = copy_seconds(self.scenario, move.size)
            assert whole is not None
            assert move.copying is not None
            move.state = "trailing"
            move.next = move.copying + at_least_one(whole * move.factor)
            if move.next > self.tick:
                return
        self._over(move, "moved")

    def _fail(self, move: Move) -> None:
        self.note("move-failed", move.pod, move.target)
        self.counts.failed_migrations += 1
        move.target.booked.remove(move.pod)
        if move.pod.state == "frozen":
            move.pod.state = "running"
        self._over(move, "failed")

    def _abandon(self, pod: Pod) -> None:
        move = pod.move
        if move is None:
            return
        self.note("move-cancelled", pod, move.target)
        if move.state != "trailing":
            move.target.booked.remove(pod)
        self._over(move, "cancelled")

    def _over(self, move: Move, how: str) -> None:
        if move.pod.move is move:
            move.pod.move = None
            move.source.streams += 1
            move.target.streams += 1
        move.state = how
        move.ended = self.tick
        if how == "moved":
            self.counts.migrations += 1
            move.pod.moves += 1
            self.note("moved", move.pod, move.target)
        for other in self.moves:
            if other.waits:
                other.waits = False
                other.next = self.tick + 1
