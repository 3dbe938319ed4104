"""One run's world: a migration just accepted, two nodes, two replicas, an owner; and its judge.

Owns what must hold at every instant and at the end. The run starts with the Migration accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from podferry.api.migration import (
    ConditionStatus,
    CopyMode,
    Decision,
    Endpoint,
    Migration,
    MigrationSpec,
    MigrationStatus,
    OwnerRef,
    WorkloadKind,
    WorkloadRef,
)
from podferry.controller.core.status import TERMINAL_VALUES, stamp
from podferry.wire import names
from podferry.wire.stages import Role

from . import owners
from .agent import start_agent
from .api import EPOCH, Api
from .clock import Sim
from .kubelet import Kubelet
from .leader import Leader
from .node import Container, Memory, Node
from .source import Source
from .target import Target

UID = "00000000-0000-4000-8000-00000000000a"
OWNERS = {"Deployment": "ReplicaSet", "Job": "Job", "StatefulSet": "StatefulSet", "bare": ""}
HASH = "h1"


@dataclass
class Excuse:
    """Why a workload may rightfully be gone: the fault itself ended it."""

    why: str
    pod: str = ""
    """Only if this pod held the workload; empty: whatever held it."""
    beside: bool = True
    """Whether a fresh copy may run beside the workload: a user asked for one, or for its end."""


@dataclass
class World:
    """See the module."""

    kind: str
    copy: str
    seed: int
    first: bool = False
    """Whether the source freezes before the target is prepared."""
    trace: list[str] = field(default_factory=list)
    excuses: list[Excuse] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    orders: list[tuple[str, str, float]] = field(default_factory=list)
    longest_freeze: float = 0.0
    pending: list[tuple[Callable[[], bool], Callable[[], object], float]] = field(
        default_factory=list
    )

    def __post_init__(self) -> None:
        self.sim = Sim(self.seed)
        self.api = Api(self.sim, _migration(self.kind, self.copy, self.first))
        self.a, self.b = (Node(self.sim, name, log=self.say) for name in ("node-a", "node-b"))
        self.nodes = {"node-a": self.a, "node-b": self.b}
        self.paused_since: float | None = None
        self.last_holder: Container | None = None
        self._begin()

    def say(self, text: str) -> None:
        """Keep a line for a person who replays this seed."""
        self.trace.append(f"{self.sim.now:8.3f} {text}")

    def _begin(self) -> None:
        kind = OWNERS[self.kind]
        pod = _pod(kind)
        if kind:
            owner = {
                "kind": kind, "metadata": {"name": "owner", "uid": "o"},
                "spec": {"replicas": 1, "hash": HASH}, "status": {},
            }  # fmt: skip
            self.api.owners["owner"] = owner
            pod["metadata"]["ownerReferences"] = owners.reference(owner)
        self.api.pods["app"] = pod
        self.memory = Memory()
        self.source = self.a.new_container("u-source", self.memory, started=True)
        handlers = {
            Role.SOURCE: Source(self.a, self.b, self._linked),
            Role.TARGET: Target(self.b, self.a),
        }
        for node in self.nodes.values():
            start_agent(node, dict(handlers), self._note)
            node.service("kubelet", self._kubelet(node))
        self.leaders = {}
        for name in ("ctl-0", "ctl-1"):
            self.start_leader(name)
        self.sim.spawn("manager", owners.run(self.api))
        self.sim.after_event = self._judge

    def _kubelet(self, node: Node) -> Any:
        return lambda: Kubelet(node, self.api, self.settings, self.housekept).run()

    def start_leader(self, name: str) -> None:
        """A new process of that replica."""
        leader = Leader(name, self.api, self.nodes, self.settings)
        procs = [self.sim.spawn(name, leader.run()), self.sim.spawn(name, leader.renew())]
        self.leaders[name] = (leader, procs)

    def leading(self) -> str:
        """The replica that has the Lease."""
        return self.api.lease[0] or "ctl-0"

    def _linked(self) -> bool:
        return frozenset(("node-a", "node-b")) not in self.api.cut

    def _note(self, node: str, role: str, stage: str) -> None:
        self.orders.append((role, stage, self.sim.now))
        self.say(f"{node}: order {role} {stage}")

    # -- judging ---------------------------------------------------------------------------------
    @property
    def status(self) -> MigrationStatus | None:
        """Of the Migration while it exists."""
        return self.api.migration.status if self.api.migration else None

    def over(self) -> bool:
        """Whether the Migration ended and was let go."""
        migration = self.api.migration
        if migration is None:
            return True
        return migration.status.phase in TERMINAL_VALUES and not migration.finalizers

    def containers(self) -> list[Container]:
        """Every container of the workload on nodes."""
        return [item for node in self.nodes.values() for item in node.containers.values()]

    def violate(self, text: str) -> None:
        """Note a broken promise once."""
        if not any(text == known.partition(": ")[2] for known in self.violations):
            self.violations.append(f"{self.sim.now:.3f}: {text}")
            self.say(f"VIOLATION {text}")

    def when(self, condition: Callable[[], bool], act: Callable[[], object], delay: float) -> None:
        """Do something once, `delay` [s] after a condition first holds."""
        self.pending.append((condition, act, delay))

    def _judge(self) -> None:
        for item in [item for item in self.pending if item[0]()]:
            self.pending.remove(item)
            self.sim.later(item[2], item[1])
        self.holder()
        runs = [item for item in self.containers() if item.runs]
        carriers = [item for item in runs if item.memory is not None]
        if len(carriers) > 1:
            self.violate("I1 two copies with the memory run")
        fresh = [item for item in runs if item.memory is None and item.pod not in self._extra()]
        if carriers and fresh and not any(item.beside for item in self._excuses()):
            self.violate(f"I1 a fresh copy {fresh[0].pod} runs beside the workload")
        if self._living_copies() == 0 and not self._excused():
            self.violate("I2 no copy of the memory is left")
        for item in carriers:
            mine, theirs = item.memory, self.memory
            if mine is not None and mine is not theirs:
                if mine.turns <= theirs.turns and not self._excused():
                    self.violate("I2 a copy runs from a stale image")
                else:
                    self.memory = mine
        self._measure(bool(carriers))

    def _extra(self) -> set[str]:
        """Pods that a person asked for beside the workload: more replicas, a new revision."""
        extra: set[str] = self.settings.setdefault("extra", set())
        for owner in self.api.owners.values():
            more = int(owner["spec"]["replicas"]) > 1 or owner["metadata"]["uid"] != "o"
            if more:
                extra |= {
                    pod["metadata"]["uid"]
                    for pod in self.api.pods.values()
                    if owners.owned_by(pod, owner["metadata"]["uid"])
                }
        return extra

    def _living_copies(self) -> int:
        living = [item for item in self.containers() if item.alive and item.memory is not None]
        living = [item for item in living if item.memory and item.memory.whole]
        images = [
            node.disk.get(f"/var/lib/podferry/attempts/{UID}.1/target/images")
            for node in self.nodes.values()
        ]
        whole = [item for item in images if item is not None and item.complete and not item.spent]
        same = self.copy != CopyMode.POST_COPY.value
        return len(living) + (len(whole) if same else 0)

    def holder(self) -> str:
        """UID of the pod that rightfully has the workload now."""
        status = self.status
        if status is not None:
            moved = status.decision is Decision.COMMITTED
            self._last = (status.target.uid if status.target else "") if moved else "u-source"
        return str(getattr(self, "_last", "u-source"))

    def _excuses(self) -> list[Excuse]:
        return [item for item in self.excuses if not item.pod or item.pod == self.holder()]

    def housekept(self, uid: str) -> None:
        """A new kubelet ended the tasks of a pod that is no more: of one kind of move declared.

        PostCopy of a kept name, after the decision: the source has no object and pages to give.
        """
        kept = self.kind in ("StatefulSet", "bare") and self.copy == CopyMode.POST_COPY.value
        status = self.status
        decided = status is not None and status.decision is Decision.COMMITTED
        if kept and decided and uid == "u-source":
            why = "kubelet ended a source whose object is gone"
            self.excuses.append(Excuse(why, beside=False))

    def _excused(self) -> bool:
        return bool(self._excuses())

    def _measure(self, running: bool) -> None:
        now = self.sim.now
        if running:
            if self.paused_since is not None:
                self.longest_freeze = max(self.longest_freeze, now - self.paused_since)
            self.paused_since = None
        elif self.paused_since is None and not self._excused():
            self.paused_since = now


def _pod(kind: str) -> dict[str, Any]:
    labels = {"app": "app", names.LABEL_MIGRATABLE: "true"}
    if kind in owners.SELECTORS:
        labels[owners.SELECTORS[kind]] = HASH
    if kind == "Job":
        labels["batch.kubernetes.io/controller-uid"] = HASH
    return {
        "metadata": {"name": "app", "namespace": "ns", "uid": "u-source", "labels": labels,
                     "annotations": {}},
        "spec": {"nodeName": "node-a", "containers": [{"name": "c"}],
                 "restartPolicy": "Never" if kind == "Job" else "Always"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip


def _migration(kind: str, copy: str, first: bool) -> Migration:
    owner = OwnerRef(OWNERS[kind], "owner", "o") if OWNERS[kind] else None
    status = MigrationStatus(
        phase="PreparingTarget",
        conditions=(ConditionStatus("Accepted", "True", "ChecksPassed", "", stamp(EPOCH)),),
        copy=copy,
        owner=owner,
        source=Endpoint("node-a", "node-a", "app", "u-source", "c", "containerd://s", "10.0.0.9"),
        target=Endpoint("node-b", "node-b"),
        attempt=1,
        started_at=stamp(EPOCH),
    )
    spec = MigrationSpec(WorkloadRef(WorkloadKind.POD, "app"), freeze_first=first)
    return Migration("ns", "m", UID, 1, "1", False, ("f",), stamp(EPOCH), spec, status)
