"""A small world for the pure core: one API server, two agents, one owner, in virtual time.

It owns what is true (who runs, who is frozen), lets a test lose the controller after any write or
action, and keeps the ledger that the invariants are judged by. Never imports the runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from podferry.api.migration import (
    Claim,
    ConditionStatus,
    Decision,
    Endpoint,
    Migration,
    MigrationSpec,
    MigrationStatus,
    OwnerRef,
    WorkloadKind,
    WorkloadRef,
)
from podferry.controller.core import actions as act
from podferry.controller.core.advance import advance
from podferry.controller.core.status import TERMINAL_VALUES, stamp
from podferry.controller.core.view import NodeView, View
from podferry.wire.names import READINESS_GATE
from podferry.wire.stages import Observed, Order, Progress, Role, SourceStage, TargetStage, Verdict

from . import service

UID = "00000000-0000-4000-8000-00000000000a"
START = datetime(2026, 1, 1, tzinfo=UTC)
AFTER_COMMIT, HELD = ("Redirected", "Released"), ("Prepared", "Frozen", "Sealed", "Redirected")


class Crash(Exception):
    """The controller died here."""


@dataclass
class Copy:
    """One copy of the workload's memory."""

    alive: bool = True
    frozen: bool = False
    complete: bool = True

    @property
    def runs(self) -> bool:
        return self.alive and not self.frozen


@dataclass
class World:
    kind: str  # ReplicaSet, Job, StatefulSet or Pod
    fail_at: str = ""  # a stage at which its agent fails
    now: datetime = START
    source: Copy = field(default_factory=Copy)
    target: Copy | None = None
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    stages: dict[Role, str] = field(default_factory=lambda: {Role.SOURCE: "", Role.TARGET: ""})
    answers: dict[Role, Observed] = field(default_factory=dict)
    claimed_by: str = ""
    owner_alive: bool = True
    finalizer: bool = True
    status: MigrationStatus = field(default_factory=MigrationStatus)
    cancel: bool = False
    crash_at: int = -1
    freeze_first: bool = False
    dies_after_rehearsal: bool = False
    target_ends_after_commit: bool = False
    thaw_failures: int = 0  # how often the source cannot be thawed at first
    died: bool = False
    ever_ready: bool = True  # whether kubelet ever calls the resumed target Ready
    knows_ip: bool = True
    pressure: bool = False  # the source's node is short of memory
    forwarded_to: str = ""
    released_at: datetime | None = None
    resumed_at: datetime | None = None
    tick: int = 0
    made: int = 0
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pods["app"] = self._pod("app", "u-source", "node-a", owned=True)
        accepted = ConditionStatus("Accepted", "True", "ChecksPassed", "", stamp(self.now))
        self.status = MigrationStatus(
            phase="PreparingTarget",
            conditions=(accepted,),
            copy="StopAndCopy",
            owner=None if self.kind == "Pod" else OwnerRef(self.kind, "owner", "o"),
            source=Endpoint("node-a", "10.0.0.1", "app", "u-source", "c", "containerd://src"),
            target=Endpoint("node-b", "10.0.0.2"),
            attempt=1,
            started_at=stamp(self.now),
        )

    def ask_agents(self) -> None:
        """A new controller asks both sides what they are at; it remembers nothing."""
        self.answers = {
            role: self._answer(role, stage) for role, stage in self.stages.items() if stage
        }

    # -- one life of the controller ------------------------------------------------------------
    def reconcile(self) -> bool:
        """One reconcile; True when the Migration ended and is released. Raises Crash."""
        step = advance(self.view())
        if step.status != self.status:
            if step.status.decision is not self.status.decision:
                allowed = {Decision.UNDECIDED: (Decision.COMMITTED, Decision.ROLLED_BACK),
                           Decision.COMMITTED: (Decision.REVERTED,)}  # fmt: skip
                assert step.status.decision in allowed[self.status.decision], "a second decision"
                assert step.decides
            self.status = step.status
            self._maybe_end_the_target()
        self._point()
        for action in step.actions:
            self._do(action)
            self._maybe_die()
            self._judge()
            self._point()
        self.now += timedelta(seconds=step.requeue_after_seconds or 0.05)
        self._world_moves()
        self._judge()
        return self.status.phase in TERMINAL_VALUES and not self.finalizer

    def view(self) -> View:
        migration = Migration(
            "ns", "m", UID, 1, "1", False, ("f",) if self.finalizer else (), stamp(START),
            MigrationSpec(WorkloadRef(WorkloadKind.POD, "app"), cancel=self.cancel,
                          freeze_first=self.freeze_first), self.status,
        )  # fmt: skip
        owner = {"metadata": {"uid": "o"}, "spec": {"replicas": 1}} if self.owner_alive else None
        ages = {role: 0.0 if role in self.answers else float("inf") for role in Role}
        return View(
            migration, self.now, dict(self.pods), self._nodes(), owner,
            source=self._fresh(Role.SOURCE), source_age_seconds=ages[Role.SOURCE],
            target=self._fresh(Role.TARGET), target_age_seconds=ages[Role.TARGET],
        )  # fmt: skip

    def _nodes(self) -> dict[str, NodeView]:
        taints = ({"key": "node.kubernetes.io/memory-pressure"},) if self.pressure else ()
        a = NodeView("node-a", "10.0.0.1", True, False, taints, {}, 0, 0, {})
        return {"node-a": a, "node-b": replace(a, name="node-b", taints=(), address="10.0.0.2")}

    def _fresh(self, role: Role) -> Observed | None:
        """An agent's last answer with its live facts as they are now."""
        last = self.answers.get(role)
        if last is None:
            return None
        if role is Role.SOURCE:
            facts = {"alive": self.source.alive, "frozen": self.source.frozen}
        else:
            alive = self.target is not None and self.target.alive
            ran = self.stages[Role.TARGET] in ("Resumed", "Forgotten")
            facts = {"claimed": bool(self.claimed_by), "claimPodUID": self.claimed_by,
                     "alive": alive, "neverRan": not ran and not alive}  # fmt: skip
        return replace(last, facts={**last.facts, **facts})

    def _maybe_die(self) -> None:
        """The source is killed by somebody else (OOM, a reboot) once its rehearsal is complete."""
        if self.dies_after_rehearsal and self.stages[Role.TARGET] == "Rehearsed" and not self.died:
            self.died, self.source.alive = True, False
            self.pods["app"]["status"]["phase"] = "Failed"

    def _maybe_end_the_target(self) -> None:
        """Kubelet or the OOM killer ends the target after the commit, before its resume."""
        committed = self.status.decision is Decision.COMMITTED
        rehearsed = self.stages[Role.TARGET] == "Rehearsed"
        if self.target_ends_after_commit and committed and rehearsed and self.target is not None:
            self.target.alive = False

    def _point(self) -> None:
        self.tick += 1
        if self.tick == self.crash_at:
            raise Crash

    # -- what actions do -----------------------------------------------------------------------
    def _do(self, action: act.Action) -> None:
        if isinstance(action, act.OrderAgent):
            role, stage = action.after or (Role.SOURCE, "")
            last = self.answers.get(role)
            if not action.after or (last is not None and last.reached(stage)):
                self.answers[action.order.role] = self._agent(action.order)
        elif isinstance(action, act.DetachSource):
            metadata = self.pods[action.pod]["metadata"]
            for name in action.labels:
                metadata["labels"].pop(name, None)
            metadata["annotations"]["podferry.dev/detached-labels"] = "{}"
        elif isinstance(action, act.ReattachSource):
            metadata = self.pods[action.pod]["metadata"]
            metadata["labels"].update(action.labels)
            metadata["annotations"].pop("podferry.dev/detached-labels", None)
        elif isinstance(action, act.CreatePod):
            self._create(action.manifest)
        elif isinstance(action, act.DeletePod):
            self._delete(action)
        elif isinstance(action, act.MarkPodRunning):
            self._mark(action)
        elif isinstance(action, act.RemoveFinalizer):
            self.finalizer = False

    def _mark(self, action: act.MarkPodRunning) -> None:
        pod = self.pods.get(action.pod)
        if pod is not None and pod["metadata"]["uid"] == action.uid:
            if self.target is None or not self.target.runs:
                self.violations.append("a target that does not run was marked as running")
            service.set_true(pod, READINESS_GATE)

    def _create(self, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        if name in self.pods:
            if self.pods[name]["metadata"]["annotations"].get("podferry.dev/restore"):
                return
            raise Crash  # the executor refuses: the source object is still there
        self.made += 1
        pod = self._pod(name, f"u-{self.made}", "node-b")
        pod["metadata"]["annotations"] = dict(manifest["metadata"]["annotations"])
        pod["spec"] = {**manifest["spec"], "nodeName": "node-b"}
        self.pods[name] = pod

    def _delete(self, action: act.DeletePod) -> None:
        pod = self.pods.get(action.pod)
        if pod is None or pod["metadata"]["uid"] != action.uid:
            return
        del self.pods[action.pod]
        if self.kind == "Job" and pod["metadata"].get("ownerReferences"):
            self.violations.append("the Job counts a failed pod")
        if self.target is not None and self.claimed_by == action.uid and self.target.runs:
            self.violations.append("the running target's pod was deleted")
        if self.claimed_by == action.uid:
            self.claimed_by = ""
        if action.uid == "u-source":
            service.judge_deletion(self)
        held = self.source.frozen and self.stages[Role.SOURCE] in HELD
        if action.uid == "u-source" and not held:
            self.source.alive = False  # kubelet ends what nobody holds

    def _agent(self, order: Order) -> Observed:
        role = order.role
        if order.stage == self.fail_at:
            error = {"reason": "Injected", "message": "injected failure"}
            stage = self.stages[role]
            return Observed(UID, 1, role, stage, order.stage, Progress.FAILED, error)
        done = self._source(order) if role is Role.SOURCE else self._target(order)
        if done:
            self.stages[role] = order.stage
        answer = self._answer(role, order.stage)
        return answer if done else replace(answer, progress=Progress.WORKING)

    def _answer(self, role: Role, wanted: str) -> Observed:
        facts: dict[str, Any] = {}
        if role is Role.SOURCE and self.stages[role] in ("Frozen", "Sealed", *AFTER_COMMIT):
            facts = {"frozenAt": START.timestamp()}
            if self.stages[role] in AFTER_COMMIT:
                facts["forwardedTo"] = self.forwarded_to
        elif role is Role.TARGET:
            facts = {"podIP": "10.1.0.2"} if self.knows_ip else {}
            if self.stages[role] in ("Resumed", "Forgotten"):
                facts |= {"resumedAt": START.timestamp() + 1, "resumedPodUID": self.claimed_by}
        stage = self.stages[role]
        return Observed(UID, 1, role, stage, wanted, Progress.REACHED, None, facts)

    def _source(self, order: Order) -> bool:
        stage, at = order.stage, self.stages[Role.SOURCE]
        if service.pauses(self, order, at):
            self.source.frozen = True
        elif stage == SourceStage.SEALED.value and at != "Sealed":
            assert self.source.frozen or not self.source.alive, "sealed a running source"
        elif stage == SourceStage.REDIRECTED.value:
            assert order.verdict is Verdict.COMMITTED
            assert at in ("Sealed", stage) or not self.source.alive, f"redirected at {at}"
            assert self.target is not None
            if not self.target.runs:
                self.violations.append("connections were handed over to a target that never ran")
            if at != stage:
                self.forwarded_to = str(order.params.get("forwardTo") or "")
        elif stage == SourceStage.RELEASED.value:
            assert order.verdict is Verdict.COMMITTED
            assert at in ("Redirected", stage), f"released at {at}"
            if at != stage:
                service.judge_release(self)
            self.source.alive = False
        elif stage == SourceStage.THAWED.value:
            assert at != "Sealed" or order.verdict is Verdict.ROLLED_BACK
            if self.target is not None and self.stages[Role.TARGET] not in ("Disarmed", "Aborted"):
                self.violations.append("the source was thawed while its target could be resumed")
            if self.thaw_failures > 0:
                self.thaw_failures -= 1
                return False
            self.source.frozen = False
        return True

    def _target(self, order: Order) -> bool:
        stage, at = order.stage, self.stages[Role.TARGET]
        if stage == TargetStage.REHEARSED.value and at != stage:
            self.target = Copy(frozen=True)
        elif stage == TargetStage.RESUMED.value and at != stage:
            assert order.verdict is Verdict.COMMITTED
            if order.params["sameName"]:
                wanted = order.params.get("finalPodUID")
                if not wanted:
                    return False
                self.claimed_by = wanted
            assert self.target is not None
            if not self.target.alive:
                return False
            self.target.frozen = False
        elif stage == TargetStage.DISARMED.value:
            assert at not in ("Resumed", "Forgotten", "Aborted")
            assert order.verdict is Verdict.ROLLED_BACK or not self.target or not self.target.alive
        elif stage == TargetStage.ABORTED.value:
            assert at not in ("Resumed", "Forgotten")
            if self.target is not None and self.target.alive and self.source.frozen:
                self.violations.append("a rehearsal was destroyed while its source was frozen")
            owned = [pod for pod in self.pods.values() if pod["metadata"].get("ownerReferences")]
            mine = any(pod["metadata"]["uid"] == self.claimed_by for pod in owned)
            if self.kind == "Job" and mine and self.target is not None:
                self.violations.append("the Job counts a failed pod")
            self.target = None
        return True

    # -- what the cluster does by itself -------------------------------------------------------
    def _world_moves(self) -> None:
        if self.kind in ("ReplicaSet", "Job") and self.owner_alive:
            self._owner_of_labels()
        if self.kind == "StatefulSet" and "app" not in self.pods and self.owner_alive:
            self._owner_makes("app", "final")
        service.kubelet_sees_ready(self)
        for pod in self.pods.values():
            role = pod["metadata"]["annotations"].get("podferry.dev/restore-role")
            early = role in ("replacement", "rehearsal") and not self.claimed_by
            if early and self.stages[Role.TARGET] == "Prepared":
                self.claimed_by = pod["metadata"]["uid"]

    def _owner_of_labels(self) -> None:
        selector = "pod-template-hash" if self.kind == "ReplicaSet" else "controller-uid"
        for pod in self.pods.values():
            own = selector in pod["metadata"]["labels"]
            pod["metadata"]["ownerReferences"] = self._reference() if own else []
        mine = [
            pod for pod in self.pods.values() if pod["metadata"].get("ownerReferences")
        ]  # fmt: skip
        if not mine and self.status.source_detached:
            self._owner_makes("app-2", "replacement")

    def _owner_makes(self, name: str, role: str) -> None:
        """The webhook lets exactly one claimed pod through and refuses every other."""
        same_name = role == "final"
        if self.status.decision is Decision.ROLLED_BACK:
            return
        if not same_name and (
            self.status.claim is not None or self.status.decision is not Decision.UNDECIDED
        ):
            return
        if same_name and self.status.decision is not Decision.COMMITTED:
            return
        self.made += 1
        pod = self._pod(name, f"u-{self.made}", "node-b", owned=True)
        pod["metadata"]["annotations"] = {
            "podferry.dev/restore": f"{UID}.1", "podferry.dev/restore-role": role,
        }  # fmt: skip
        self.pods[name] = pod
        self.status = replace(self.status, claim=Claim("t", 1, stamp(self.now)))

    def _pod(
        self, name: str, uid: str, node: str, *, labels: dict[str, str] | None = None,
        owned: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        metadata: dict[str, Any] = {
            "name": name, "namespace": "ns", "uid": uid, "annotations": {},
            "labels": dict(labels or {
                "app": "app", "pod-template-hash": "h", "controller-uid": "o",
                "batch.kubernetes.io/controller-uid": "o",
            }),
        }  # fmt: skip
        if owned and self.kind != "Pod":
            metadata["ownerReferences"] = self._reference()
        spec = {"nodeName": node, "containers": [{"name": "app"}]}
        return {"metadata": metadata, "spec": spec, "status": {"phase": "Running"}}

    def _reference(self) -> list[dict[str, Any]]:
        return [{"kind": self.kind, "name": "owner", "uid": "o", "controller": True}]

    # -- the invariants ------------------------------------------------------------------------
    def _judge(self) -> None:
        if self.source.runs and self.target is not None and self.target.runs:
            self.violations.append(f"two copies run at point {self.tick}")
        target_lives = self.target is not None and self.target.alive and self.target.complete
        if not self.source.alive and not target_lives:
            self.violations.append(f"no copy is left at point {self.tick}")
        early = not self.source.alive and not self.died
        if early and self.target is not None and not self.target.runs:
            self.violations.append(f"the source was destroyed before the target ran ({self.tick})")
