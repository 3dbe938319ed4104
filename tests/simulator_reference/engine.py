"""Runs the slow simulator: the policy looks at every period, whatever the nodes hold."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor

from podferry.policies import vocabulary as words
from podferry.policies.decide import cordons, decide
from podferry.policies.gates.seed import Blocking
from podferry.policies.history import history_needed
from podferry.simulator.cost import cost_of
from podferry.simulator.engine import Lots, draw_at
from podferry.simulator.model import Result, Scenario
from tests.simulator_reference.machine import Machine
from tests.simulator_reference.parts import Move, Node, Pod, draws, pods_of


def run(scenario: Scenario, seed: int) -> Result:
    return _Run(scenario, seed).finish()


class _Run:
    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        ties, phases, self.deviates = draws(scenario, seed)
        streams = scenario.moves.streams_per_link
        nodes = [Node(n, phase, streams=streams) for n, phase in enumerate(phases)]
        self.machine = Machine(scenario, pods_of(scenario, ties), nodes)
        self.lots = Lots(seed, scenario.moves)
        self.told: list[words.Move] = []
        self.no_room = 0
        self.sums: list[float] = []
        self.peak = 0.0
        window = scenario.window
        if scenario.policy is not None:
            window = max(window, history_needed(scenario.policy, scenario.sampling))
        self.window = int(window // scenario.sampling) + 1

    def finish(self) -> Result:
        machine, scenario = self.machine, self.scenario
        end = max(pod.arrival + pod.lifetime for pod in scenario.trace.pods)
        horizon = ceil(scenario.horizon) if scenario.horizon > 0 else 2 * ceil(end) + 3600
        for tick in range(horizon + 1):
            machine.tick = tick
            machine.second()
            if tick % int(scenario.sampling) == 0:
                self._sample()
            if scenario.policy is not None and tick % int(scenario.policy.period) == 0:
                self._look(scenario.policy)
            if all(pod.state == "ended" for pod in machine.pods):
                break
            machine.pass_time()
        return self._result()

    # samples

    def _noisy(self, value: float, who: int, index: int) -> float:
        if not self.scenario.noise:
            return value
        z = float(self.deviates[(who * 7919 + index * 104729) % len(self.deviates)])
        return max(0.0, floor(value * (1.0 + self.scenario.noise * z) + 0.5))

    def _sample(self) -> None:
        machine = self.machine
        index = machine.tick // int(self.scenario.sampling)
        for pod in machine.pods:
            if pod.state in ("running", "frozen"):
                pod.samples[index] = self._noisy(machine.holds(pod), pod.index, index)
        for node in machine.nodes:
            used = machine.used(node)
            self.sums.append(used)
            self.peak = max(self.peak, used)
            node.samples.append(self._noisy(used, len(machine.pods) + node.index, index))

    # the policy

    def _look(self, policy: words.Policy) -> None:
        snapshot = self._snapshot()
        now = snapshot.now
        moves = tuple(self.told)
        probe = words.Command("", "", "", 0.0, now, "")
        blocking = [gate for gate in policy.gates if isinstance(gate, Blocking)]
        if any(not gate.check(probe, moves, snapshot).allowed for gate in blocking):
            decision = words.Decision(cordons=cordons(policy, snapshot))
        else:
            decision = decide(policy, snapshot, moves, draw_at(self.seed, self.machine.tick))
        self._obey(decision)

    def _snapshot(self) -> words.Snapshot:
        for move in self.machine.moves:
            if move.over and self.told[move.number].ended is None:
                assert move.ended is not None
                self.told[move.number] = replace(
                    self.told[move.number],
                    ended=float(move.ended),
                    succeeded=move.state == "moved",
                )
        nodes = tuple(self._node(node) for node in self.machine.nodes)
        return words.Snapshot(float(self.machine.tick), nodes)

    def _node(self, node: Node) -> words.Node:
        cluster = self.scenario.cluster
        sampled_at = (len(node.samples) - 1) * int(self.scenario.sampling)
        incoming = outgoing = 0.0
        for move in self.machine.moves:
            gone = move.over and not (move.state == "moved" and move.ended > sampled_at)  # type: ignore[operator]
            if gone:
                continue
            if move.source is node:
                outgoing += move.booked
            if move.target is node and (move.copying is None or move.copying > sampled_at):
                incoming += move.booked
        there = [
            self._pod(pod)
            for pod in self.machine.pods
            if pod.home == node.index and pod.state in ("running", "frozen", "down")
        ]
        last = list(enumerate(node.samples))[-self.window :]
        step = int(self.scenario.sampling)
        return words.Node(
            name=f"node-{node.index}",
            capacity=cluster.node_memory,
            used=node.samples[-1],
            history=words.Series(
                tuple(float(k * step) for k, _ in last), tuple(value for _, value in last)
            ),
            pods=tuple(there),
            eviction=cluster.eviction,
            allocatable=float(int(cluster.node_memory - cluster.reserved - cluster.eviction)),
            cpu=cluster.node_cpu,
            pod_slots=cluster.pod_slots,
            schedulable=not node.cordoned,
            incoming=incoming,
            outgoing=outgoing,
        )

    def _pod(self, pod: Pod) -> words.Pod:
        newest = len(self.machine.nodes[0].samples) - 1
        kept = {k: v for k, v in sorted(pod.samples.items()) if k > newest - self.window}
        memory = kept.get(newest, 0.0)
        under_way = any(move.pod is pod and not move.over for move in self.machine.moves)
        blocked = "is being moved" if under_way else ""
        if pod.state == "down":
            blocked = "is starting anew"
        step = int(self.scenario.sampling)
        return words.Pod(
            key=pod.spec.name,
            memory=memory,
            history=words.Series(tuple(float(k * step) for k in kept), tuple(kept.values())),
            request=pod.request,
            limit=pod.spec.limit,
            priority=pod.spec.priority,
            started=float(self.machine.tick - pod.progress),
            cost=cost_of(self.scenario.moves, self.scenario.restart_delay, memory),
            moves=pod.moves,
            cpu=pod.spec.cpu,
            blocked=blocked,
        )

    def _obey(self, decision: words.Decision) -> None:
        machine = self.machine
        by_name = {pod.spec.name: pod for pod in machine.pods}
        for key, placement in decision.placements.items():
            if not placement.node:
                self.no_room += 1
                machine.note("no-room", by_name[key], None)
        for command in decision.commands:
            factor, fails = self.lots.next()
            move = Move(
                len(machine.moves),
                by_name[command.pod],
                machine.nodes[int(command.source.removeprefix("node-"))],
                machine.nodes[int(command.target.removeprefix("node-"))],
                max(machine.tick + 1, ceil(command.start)),
                factor,
                fails,
                command.memory,
            )
            move.next = move.start
            machine.moves.append(move)
            cost = cost_of(self.scenario.moves, self.scenario.restart_delay, command.memory)
            self.told.append(
                words.Move(
                    command.pod,
                    command.source,
                    command.target,
                    command.start,
                    expected_end=command.start + cost.total,
                )
            )
        for name, cordoned in decision.cordons.items():
            node = machine.nodes[int(name.removeprefix("node-"))]
            node.cordoned = cordoned
            machine.note("cordoned" if cordoned else "uncordoned", None, node)

    def _result(self) -> Result:
        machine, cluster = self.machine, self.scenario.cluster
        counts = machine.counts
        looks = max(1, len(machine.nodes[0].samples))
        return Result(
            seed=self.seed,
            evictions=counts.evictions,
            oom_kills=counts.oom_kills,
            over_capacity=counts.over_capacity,
            migrations=counts.migrations,
            failed_migrations=counts.failed_migrations,
            freeze_seconds=counts.freeze,
            lost_pod_seconds=float(counts.lost),
            queued_pod_seconds=float(counts.waited),
            no_room=self.no_room,
            mean_utilisation=sum(self.sums) / looks / (cluster.nodes * cluster.node_memory),
            peak_utilisation=self.peak / cluster.node_memory,
            end=float(machine.tick),
            unfinished=sum(1 for pod in machine.pods if pod.state != "ended"),
            events=tuple(machine.events),
        )
