"""The fake API server: one Migration, pods, owners, nodes; compare-and-swap and real admission.

Owns what is stored and who may reach it. Admission of pods is `controller.webhooks.mutate` itself.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from podferry.api.migration import Claim, Decision, Migration, MigrationStatus
from podferry.controller.core.status import stamp
from podferry.controller.webhooks import mutate
from podferry.wire import names

from .clock import Sim, Work

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
RawPod = dict[str, Any]
ALLOWED = {
    Decision.UNDECIDED: (Decision.COMMITTED, Decision.ROLLED_BACK),
    Decision.COMMITTED: (Decision.REVERTED,),
}


class ApiError(Exception):
    """A call that failed; the text says how. An outcome may be unknown."""


class Unavailable(ApiError):
    """No answer."""


class Conflict(ApiError):
    """The object changed, or is another one."""


class NotFound(ApiError):
    """No such object."""


class Forbidden(ApiError):
    """Refused by admission or quota."""


class Api:
    """See the module. `who` names the caller: partitions are between names."""

    def __init__(self, sim: Sim, migration: Migration) -> None:
        self.sim = sim
        self.migration: Migration | None = migration
        self.pods: dict[str, RawPod] = {}
        self.owners: dict[str, dict[str, Any]] = {}
        self.taints: dict[str, list[dict[str, str]]] = {}
        self.down = False
        self.cut: set[frozenset[str]] = set()
        self.quota_refuses = False
        self.namespace_ends = False
        self.lease: tuple[str, float] = ("", -100.0)
        self.version = 1
        self.made = 0
        self.decisions: list[Decision] = []
        self.violations: list[str] = []

    def time(self) -> datetime:
        """The true time."""
        return EPOCH + timedelta(seconds=self.sim.now)

    def call(self, who: str, act: Callable[[], Any]) -> Work:
        """One request; while the server is away its outcome may be unknown to the caller."""
        yield 0.004 + 0.006 * self.sim.rng.random()
        if not self.reachable(who):
            yield 0.5
            raise Unavailable("the API server does not answer")
        result = act()
        yield 0.002
        if not self.reachable(who):
            yield 0.5
            raise Unavailable("no answer; the write may have happened")
        return result

    def reachable(self, who: str) -> bool:
        """Whether this caller gets through."""
        return not self.down and frozenset((who, "api")) not in self.cut

    # -- the Migration -----------------------------------------------------------------------
    def read(self) -> Migration:
        """The Migration. Raises NotFound."""
        if self.migration is None:
            raise NotFound("the Migration is gone")
        return self.migration

    def write_status(self, version: str, status: MigrationStatus) -> Migration:
        """Compare-and-swap of the status. Raises Conflict, NotFound."""
        old = self.read()
        if old.resource_version != version:
            raise Conflict("the Migration changed")
        if status.decision is not old.status.decision:
            if status.decision not in ALLOWED.get(old.status.decision, ()):
                self.violations.append(f"I3: {old.status.decision} became {status.decision}")
            self.decisions.append(status.decision)
        return self._store(replace(old, status=status))

    def change(self, **fields: Any) -> Migration:
        """A user's change of the Migration (cancel, delete)."""
        return self._store(replace(self.read(), **fields))

    def remove_finalizer(self, version: str) -> None:
        """The last act. Raises Conflict."""
        if self.read().resource_version != version:
            raise Conflict("the Migration changed")
        old = self._store(replace(self.read(), finalizers=()))
        if old.deletion_requested:
            self.migration = None

    def _store(self, migration: Migration) -> Migration:
        self.version += 1
        self.migration = replace(migration, resource_version=str(self.version))
        return self.migration

    # -- pods ----------------------------------------------------------------------------------
    def create(self, pod: RawPod, *, own: bool) -> RawPod:
        """Admission, then the object. Raises Conflict when the name is taken, Forbidden."""
        name = pod["metadata"]["name"]
        if name in self.pods:
            raise Conflict(f"pod {name} exists")
        if self.namespace_ends:
            raise Forbidden("the namespace is being terminated")
        if self.quota_refuses:
            raise Forbidden("exceeded quota")
        found = [self.migration] if self.migration is not None and not own else []
        plan = mutate.judge(pod, found, by_controller=own)
        if not plan.allowed:
            raise Forbidden(plan.message)
        token = f"t{self.version}"
        if plan.claim is not None:
            claim = Claim(token, plan.claim.status.attempt, stamp(self.time()))
            self.write_status(plan.claim.resource_version, replace(plan.claim.status, claim=claim))
        made: RawPod = mutate.patched(pod, plan, token)
        self.made += 1
        made["metadata"].setdefault("uid", f"pod-{self.made}")
        made["spec"]["nodeName"] = _pinned(made) or "node-a"
        made.setdefault("status", {"phase": "Pending", "conditions": []})
        self.pods[name] = made
        self.touch()
        return copy.deepcopy(made)

    def delete(self, name: str, uid: str, *, now: bool) -> bool:
        """Ask for the end of a pod, or remove the object at once; False when it is not there."""
        pod = self.pods.get(name)
        if pod is None or pod["metadata"]["uid"] != uid:
            return False
        self.touch()
        if now:
            del self.pods[name]
        else:
            pod["metadata"].setdefault("deletionTimestamp", stamp(self.time()))
        return True

    def pod(self, name: str, uid: str) -> RawPod:
        """Exactly this pod. Raises NotFound."""
        pod = self.pods.get(name)
        if pod is None or pod["metadata"]["uid"] != uid:
            raise NotFound(f"pod {name} is gone")
        return pod

    def detach(self, name: str, uid: str, labels: tuple[str, ...], migration: str) -> None:
        """As the executor does it."""
        metadata = self.pod(name, uid)["metadata"]
        taken = {key: metadata["labels"].pop(key) for key in labels if key in metadata["labels"]}
        if taken:
            notes = metadata["annotations"]
            kept = json.loads(notes.get(names.ANNOTATION_DETACHED) or "{}")
            notes[names.ANNOTATION_DETACHED] = json.dumps({**kept, **taken})
            notes[names.ANNOTATION_MIGRATION] = migration
            self.touch()

    def reattach(self, name: str, uid: str, labels: dict[str, str]) -> None:
        """As the executor does it."""
        metadata = self.pod(name, uid)["metadata"]
        metadata["labels"].update(labels)
        metadata["annotations"].pop(names.ANNOTATION_DETACHED, None)
        metadata["annotations"].pop(names.ANNOTATION_MIGRATION, None)
        metadata["annotations"]["cost"] = "high"
        self.touch()

    def touch(self) -> None:
        """Something that a reflector reports has changed."""
        self.version += 1


def condition(pod: RawPod, kind: str) -> bool:
    """Whether a pod's condition is True."""
    return any(
        item["type"] == kind and item["status"] == "True"
        for item in pod["status"].get("conditions", [])
    )


def set_condition(pod: RawPod, kind: str, value: bool) -> bool:
    """Set a pod's condition; whether that changed anything."""
    if condition(pod, kind) == value:
        return False
    rest = [item for item in pod["status"].get("conditions", []) if item["type"] != kind]
    pod["status"]["conditions"] = [*rest, {"type": kind, "status": str(value)}]
    return True


def _pinned(pod: RawPod) -> str:
    """The node that a pod requires."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or []:
        for field in term.get("matchFields") or []:
            return str(field["values"][0])
    return ""
