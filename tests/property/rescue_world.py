"""A cluster in virtual time with the real Rescuer: played agents, kubelets and mover, one clock.

Pods grow, agents tell of them through the real wire format, the stores are copies of the fake API
server's objects (old ones if `stale`), Migrations take their time and move memory. What a test
looks at is what the API server holds: `migrations`, `policy_status`, `events`, and `peaks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from podferry.api import serde
from podferry.api.clock import FakeClock
from podferry.api.rescue_policy import RescuePolicy
from podferry.controller.core.exclusions import reluctance
from podferry.controller.core.status import TERMINAL_VALUES, stamp
from podferry.controller.core.view import NodeView
from podferry.controller.runtime.node_view import node_view
from podferry.controller.runtime.rescue_memory import RescueMemory, Sources
from podferry.controller.runtime.rescue_metrics import RescueMetrics
from podferry.controller.runtime.rescuer import Rescuer
from podferry.controller.runtime.view_builder import BY_NODE
from podferry.kube import paths
from podferry.kube.events import EventRecorder
from podferry.kube.store import Store
from podferry.wire.memory import BadReport, Report
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.direct import DirectClient
from tests.unit.strategies.container import samples

GIB = 2.0**30
Object = dict[str, Any]
ACCEPT, PREDICT, FREEZE, DONE = 1.0, 2.0, 4.0, 8.0
"""Ages of a Migration at which the played mover goes on [s]."""


class Clock(FakeClock):
    """Its wall can be set back and forth."""

    offset = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.offset


@dataclass
class Workload:
    """What a pod really uses."""

    name: str
    node: str
    size: float
    grows: float = 0.0  # bytes/s
    until: float = float("inf")


@dataclass
class Agent:
    """Tells of one node; `spoil` may change what is sent, None is silence."""

    boot: str = "boot-1"
    started: float = 1000.0
    seq: int = 0
    samples: list[tuple[float, float]] = field(default_factory=list)
    pod_samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    spoil: Callable[[Object], Object | None] = lambda raw: raw


class World:
    """See the module."""

    def __init__(self, nodes: int = 3, *, capacity: float = 4 * GIB) -> None:
        self.clock = Clock()
        self.server = FakeApiServer()
        self.client = DirectClient(self.server)
        self.capacity, self.others = capacity, 0.25 * GIB
        self.workloads: dict[str, Workload] = {}
        self.agents: dict[str, Agent] = {}
        self.leads = True
        self.stale = False
        self.mover_starts_after = 0.0  # so long nobody looks at a new Migration [s]
        self.grace = 0.0  # what kubelet gives a pod to end [s]
        self._fresh = True
        self.frozen: list[str] = []
        self.ended_by: list[tuple[str, str]] = []
        self.peaks: Counter[str] = Counter()
        self._done_at: dict[str, float] = {}
        self.server.seed(paths.namespaces(None), {"metadata": {"name": "shop"}})
        for number in range(nodes):
            self.add_node(f"node-{number:02}")
        self.lead()

    # -- what there is -------------------------------------------------------------------------
    def add_node(self, name: str, **labels: str) -> None:
        self.agents[name] = Agent()
        memory = str(int(self.capacity))
        self.server.seed(paths.nodes(), {
            "metadata": {"name": name, "labels": {"kubernetes.io/arch": "amd64", **labels}},
            "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": "True"}],
                       "capacity": {"memory": memory}, "allocatable": {"memory": memory}},
        })  # fmt: skip

    def add_pod(
        self, name: str, node: str, gib: float, *, grows: float = 0.0, request: str = "16Mi",
        **metadata: Any,
    ) -> Workload:  # fmt: skip
        raw = samples.with_meta(name=name, uid=f"{name}-uid-{self.clock.monotonic():.0f}")
        raw["metadata"].update(metadata)
        raw["spec"]["nodeName"] = node
        raw["spec"]["containers"][0]["resources"]["requests"]["memory"] = request
        self.server.seed(paths.pods("shop"), raw)
        self.workloads[name] = Workload(name, node, gib * GIB, grows)
        return self.workloads[name]

    def add_policy(self, name: str = "default", **spec: Any) -> None:
        self.server.seed(paths.rescue_policies(), {
            "metadata": {"name": name, "creationTimestamp": stamp(self.clock.now())},
            "spec": {
                "mode": "Act", "periodSeconds": 1,
                "detector": {"name": "threshold", "args": {"freePercent": 20}},
                "victim": {"name": "largest"}, "target": {"name": "best-fit"}, **spec,
            },
        })  # fmt: skip

    def lead(self) -> None:
        """A new leader, which knows nothing yet."""
        self.stores = {kind: Store() for kind in ("nodes", "migrations", "policies", "namespaces")}
        self.stores["pods"] = Store(
            indexers={BY_NODE: lambda pod: [str(pod["spec"].get("nodeName") or "")]}
        )
        self.registry = CollectorRegistry()
        metrics = RescueMetrics(self.registry)
        self.memory = RescueMemory(
            Sources(
                views=self._views, parse=serde.parse_migration, reluctant=reluctance,
                count=lambda outcome: metrics.reports.labels(outcome).inc(), **self.stores,
            ),
            self.clock,
        )  # fmt: skip
        self.synced = self._fresh = True
        self.rescuer = Rescuer(
            self.client,  # type: ignore[arg-type]
            self.memory,
            EventRecorder(self.client, "controller", self.clock),  # type: ignore[arg-type]
            clock=self.clock, draw=lambda: 0.5, metrics=metrics, identity="me",
            is_leader=lambda: self.leads, is_synced=lambda: self.synced,
        )  # fmt: skip

    def _views(self) -> dict[str, NodeView]:
        found = {}
        for raw in self.stores["nodes"].list():
            name = raw["metadata"]["name"]
            found[name] = node_view(raw, requested={}, facts=samples.facts())
        return found

    # -- what happens --------------------------------------------------------------------------
    async def run(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            await self.tick()

    async def tick(self) -> None:
        self.clock.advance(1.0)
        now = self.clock.monotonic()
        for one in self.workloads.values():
            if now < one.until:
                one.size += one.grows
        self._kubelets()
        pods: dict[str, list[Object]] = {name: [] for name in self.agents}
        for raw in self.server.objects(paths.pods(None)):
            pods[raw["spec"]["nodeName"]].append(raw)
        for name in sorted(self.agents):
            self._tell(name, pods[name])
        self._fresh = self.memory.asked() is None
        if not self.stale:
            self.sync()
        await self.rescuer.once()
        for raw in self.server.objects(paths.migrations(None)):
            self._move(raw)
        self._count()

    def sync(self) -> None:
        """The watches bring what changed."""
        sources = {"nodes": paths.nodes(), "pods": paths.pods(None),
                   "migrations": paths.migrations(None), "policies": paths.rescue_policies(),
                   "namespaces": paths.namespaces(None)}  # fmt: skip
        for kind, path in sources.items():
            self.stores[kind].replace(self.server.objects(path))

    def used(self, node: str) -> float:
        return self.others + sum(one.size for one in self.workloads.values() if one.node == node)

    def _kubelets(self) -> None:
        for raw in self.server.objects(paths.pods(None)):
            if not raw["metadata"].get("deletionTimestamp"):
                continue
            # The fake server stamps it by the real clock.
            name, now = raw["metadata"]["name"], self.clock.monotonic()
            until = self._done_at.setdefault(f"end of {name}", now + self.grace)
            ends = stamp(self.clock.now() + timedelta(seconds=until - now))
            self.server.patch(paths.pods("shop", name), {"metadata": {"deletionTimestamp": ends}})
            if now >= until:
                self.end_pod(name)

    def end_pod(self, name: str) -> None:
        """It ends by itself, or kubelet is done with it."""
        self.workloads.pop(name, None)
        self.server.remove(paths.pods("shop", name))

    def report(self, name: str, pods: list[Object]) -> Object:
        """What an honest agent sends now: the newest samples, or all where it is asked anew."""
        agent, now = self.agents[name], self.clock.monotonic()
        agent.seq += 1
        agent.samples = [*agent.samples[-120:], (now, self.used(name))]
        told, first = [], -120 if self._fresh else -2
        for raw in pods:
            uid, one = raw["metadata"]["uid"], self.workloads[raw["metadata"]["name"]]
            track = agent.pod_samples.setdefault(uid, [])
            track.append((now, one.size))
            told.append({
                "uid": uid, "workingSet": one.size, "rss": one.size, "slope": one.grows,
                "age": 60.0, "pressure": None,
                "samples": [[now - at, size] for at, size in track[first:]],
            })  # fmt: skip
        return {
            "node": name, "bootID": agent.boot, "seq": agent.seq, "started": agent.started,
            "age": 0.0, "interval": 1.0, "capacity": self.capacity,
            "available": self.capacity - self.used(name), "eviction": 0.1 * GIB,
            "evictionSource": "/configz", "evictionSoft": None, "urgent": True, "why": "asked",
            "slope": 0.0, "pressure": None, "pods": told,
            "samples": [[now - at, size] for at, size in agent.samples[first:]],
        }  # fmt: skip

    def _tell(self, name: str, pods: list[Object]) -> None:
        sent = self.agents[name].spoil(self.report(name, pods))
        now = self.clock.monotonic()
        if self.memory.asked() is None:
            return
        if sent is None:
            self.memory.on_silence(name, f"agent of {name}: no answer")
            return
        try:
            self.memory.on_report(name, Report.from_dict(sent), now)
        except BadReport as error:
            self.memory.on_silence(name, str(error))

    # -- the mover -----------------------------------------------------------------------------
    def _move(self, raw: Object) -> None:
        one = serde.parse_migration(raw)
        key, status = f"{one.namespace}/{one.name}", dict(raw.get("status") or {})
        if one.status.phase in TERMINAL_VALUES:
            return
        now = self.clock.monotonic()
        age = now - self._done_at.setdefault(key, now + self.mover_starts_after)
        pod = self.server.object(paths.pods(one.namespace, one.spec.workload_ref.name))
        if one.spec.cancel:
            return self._end(key, status, "RolledBack", "Cancelled")
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return self._end(key, status, "RolledBack", "SourceEnded")
        name = pod["metadata"]["name"]
        if age >= ACCEPT and "source" not in status:
            status["phase"] = "Pending"
            status["source"] = {"node": pod["spec"]["nodeName"], "pod": name,
                                "uid": pod["metadata"]["uid"]}  # fmt: skip
            status["target"] = {"node": one.spec.target_node}
        if age >= PREDICT:
            status["phase"] = "PreparingTarget"
            status.setdefault("prediction", {
                "freezeP50Seconds": 1.0, "freezeP95Seconds": 2.0, "totalSeconds": 4.0,
                "bytes": int(self.workloads[name].size), "source": "prior",
            })  # fmt: skip
        if age >= FREEZE and not status.get("freezeEpoch"):
            need = self.rescuer.needed(serde.parse_migration({**raw, "status": status}))
            if need is not None and need.needed is False:
                return self._end(key, status, "RolledBack", "PressureGone")
            if need is not None and need.needed is None:
                self._done_at[key] += 1.0  # held
            else:
                status["freezeEpoch"] = 1
                self.frozen.append(name)
        if age >= DONE and status.get("freezeEpoch"):
            return self._arrive(key, status, pod)
        self._write(key, status)

    def _arrive(self, key: str, status: Object, pod: Object) -> None:
        name, target = pod["metadata"]["name"], status["target"]["node"]
        self.server.remove(paths.pods("shop", name))
        self.workloads[name].node = target
        fresh = {**pod["metadata"], "uid": f"{name}-moved-{self.clock.monotonic():.0f}"}
        fresh.pop("resourceVersion")
        self.server.seed(
            paths.pods("shop"), {**pod, "metadata": fresh, "spec": {**pod["spec"],
                                                                     "nodeName": target}},
        )  # fmt: skip
        status["target"].update(pod=name, uid=fresh["uid"])
        status.update(decision="Committed", resumedAt=stamp(self.clock.now()))
        self._end(key, status, "Succeeded", "Decided")

    def _end(self, key: str, status: Object, phase: str, reason: str) -> None:
        status.update(phase=phase, decisionReason=reason, completedAt=stamp(self.clock.now()))
        if phase == "RolledBack":
            status["decision"] = "RolledBack"
        self.ended_by.append((key, reason))
        self._write(key, status)

    def _write(self, key: str, status: Object) -> None:
        self.server.patch(paths.migrations(*key.split("/")), {"status": status})

    # -- what is looked at ---------------------------------------------------------------------
    def migrations(self) -> list[Object]:
        return self.server.objects(paths.migrations(None))

    def active(self) -> list[Object]:
        over = TERMINAL_VALUES
        return [o for o in self.migrations() if (o.get("status") or {}).get("phase") not in over]

    def _count(self) -> None:
        where = {key: one.node for key, one in self.workloads.items()}
        active = self.active()
        now = Counter({"cluster": len(active)})
        now.update(f"from {where.get(one['spec']['workloadRef']['name'])}" for one in active)
        now.update(f"to {one['spec']['targetNode']}" for one in active)
        for name, count in now.items():
            self.peaks[name] = max(self.peaks[name], count)

    def policy(self, name: str = "default") -> RescuePolicy:
        raw = self.server.object(paths.rescue_policies(name))
        assert raw is not None
        return serde.parse_rescue_policy(raw)

    def condition(self, kind: str, name: str = "default") -> tuple[str, str, str]:
        """Status, reason and message."""
        found = [one for one in self.policy(name).status.conditions if one.type == kind]
        return (found[0].status, found[0].reason, found[0].message) if found else ("", "", "")

    def state(self, node: str, name: str = "default") -> str:
        found = [one.state.value for one in self.policy(name).status.nodes if one.name == node]
        return found[0] if found else "Fine"

    def action(self, node: str, name: str = "default") -> str:
        for one in self.policy(name).status.nodes:
            if one.name == node and one.last_decision:
                return one.last_decision.action.value
        return ""

    def events(self, reason: str) -> list[str]:
        found = self.server.objects(paths.events(None))
        return [one["note"] for one in found if one["reason"] == reason]
