"""Does what the core asked for: one method for each action, each safe to repeat.

Owns preconditions (uid, resourceVersion) and what counts as "already done". It never decides and
never retries: a failed action raises, the later ones of that step do not run, and the next
reconcile sees the world as it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import RetryableError
from podferry.controller.core import actions
from podferry.controller.runtime.agent_client import AgentClient
from podferry.controller.runtime.observe import Observations
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.kube.events import EventRecorder
from podferry.wire import names

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
HIGHEST_COST = "2147483647"
STRATEGIC = "application/strategic-merge-patch+json"
WRITER = {"fieldManager": names.FIELD_MANAGER}

_log = structlog.get_logger(__name__)


class ActionFailed(RetryableError):
    """An action could not be done now; later actions of the step must not run."""


@dataclass(slots=True)
class Subject:
    """The Migration that actions are about; `resource_version` follows our own writes."""

    namespace: str
    name: str
    uid: str
    attempt: int
    resource_version: str
    finalizers: tuple[str, ...]

    def reference(self) -> dict[str, Any]:
        """Return an object reference, for events."""
        return {
            "apiVersion": paths.GROUP_VERSION,
            "kind": "Migration",
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
        }


class Executor:
    """Runs actions; see the module."""

    def __init__(
        self,
        client: ApiClient,
        agents: AgentClient,
        observations: Observations,
        events: EventRecorder,
        clock: Clock,
    ) -> None:
        self._client, self._agents = client, agents
        self._observations, self._events, self._clock = observations, events, clock
        self._background: set[asyncio.Task[None]] = set()
        self._methods: dict[type, Callable[[Subject, Any], Awaitable[bool]]] = {
            actions.EnsureFinalizer: self._ensure_finalizer,
            actions.RemoveFinalizer: self._remove_finalizer,
            actions.OrderAgent: self._order_agent,
            actions.ProbeSource: self._probe_source,
            actions.DetachSource: self._detach_source,
            actions.ReattachSource: self._reattach_source,
            actions.CreatePod: self._create_pod,
            actions.DeletePod: self._delete_pod,
            actions.MarkPodRunning: self._mark_pod_running,
            actions.RecordEvent: self._record_event,
        }

    async def run(self, subject: Subject, action: actions.Action) -> bool:
        """Do one action; True if it brought news, so that the next reconcile should not wait.

        Raises:
            ApiError: the API server refused or did not answer.
            AgentUnreachable, AgentRefused: the agent did.
            ActionFailed: a precondition does not hold.
        """
        return await self._methods[type(action)](subject, action)

    async def drain(self) -> None:
        """Wait for events that are still being written."""
        if self._background:
            await asyncio.gather(*self._background, return_exceptions=True)

    async def _ensure_finalizer(self, subject: Subject, _action: actions.EnsureFinalizer) -> bool:
        if names.FINALIZER not in subject.finalizers:
            await self._write_finalizers(subject, (*subject.finalizers, names.FINALIZER))
        return False

    async def _remove_finalizer(self, subject: Subject, _action: actions.RemoveFinalizer) -> bool:
        # The last act: nobody will ask for these answers again.
        self._observations.forget(subject.uid)
        if names.FINALIZER in subject.finalizers:
            rest = tuple(name for name in subject.finalizers if name != names.FINALIZER)
            try:
                await self._write_finalizers(subject, rest)
            except errors.NotFound:
                return False  # gone, and with it the finalizer
        return False

    async def _write_finalizers(self, subject: Subject, wanted: tuple[str, ...]) -> None:
        body = {
            "metadata": {
                "uid": subject.uid,
                "resourceVersion": subject.resource_version,
                "finalizers": list(wanted),
            }
        }
        path = paths.migrations(subject.namespace, subject.name)
        answer = await self._client.merge_patch(path, body, params=WRITER)
        subject.resource_version = str(answer["metadata"]["resourceVersion"])
        subject.finalizers = wanted

    async def _order_agent(self, _subject: Subject, action: actions.OrderAgent) -> bool:
        order = action.order
        if action.after:
            role, stage = action.after
            last, _ = self._observations.side((order.migration, order.attempt, role.value))
            if last is None or not last.reached(stage):
                return False
        observed = await self._agents.order(action.address, order, wait_seconds=action.wait_seconds)
        return self._observations.put_side(observed)

    async def _probe_source(self, subject: Subject, action: actions.ProbeSource) -> bool:
        answer = await self._agents.probe(action.address, action.body)
        self._observations.put_probe(subject.uid, subject.attempt, answer)
        return True

    async def _detach_source(self, subject: Subject, action: actions.DetachSource) -> bool:
        pod = await self._exact_pod(action.namespace, action.pod, action.uid)
        labels = pod["metadata"].get("labels") or {}
        present = {name: labels[name] for name in action.labels if name in labels}
        if not present:
            return False
        annotations = pod["metadata"].get("annotations") or {}
        kept = {**json.loads(annotations.get(names.ANNOTATION_DETACHED) or "{}"), **present}
        body = {
            "metadata": {
                "uid": action.uid,
                "resourceVersion": pod["metadata"]["resourceVersion"],
                "labels": {name: None for name in present},
                "annotations": {
                    names.ANNOTATION_DETACHED: json.dumps(kept, sort_keys=True),
                    names.ANNOTATION_MIGRATION: subject.uid,
                },
            }
        }
        await self._client.merge_patch(
            paths.pods(action.namespace, action.pod), body, params=WRITER
        )
        return True

    async def _reattach_source(self, _subject: Subject, action: actions.ReattachSource) -> bool:
        pod = await self._exact_pod(action.namespace, action.pod, action.uid)
        labels = pod["metadata"].get("labels") or {}
        annotations = pod["metadata"].get("annotations") or {}
        there = all(labels.get(name) == value for name, value in action.labels.items())
        if there and names.ANNOTATION_DETACHED not in annotations:
            return False
        body = {
            "metadata": {
                "uid": action.uid,
                "resourceVersion": pod["metadata"]["resourceVersion"],
                "labels": dict(action.labels),
                "annotations": {
                    # For a moment there may be two of one: the owner must end the other one.
                    DELETION_COST: HIGHEST_COST,
                    names.ANNOTATION_DETACHED: None,
                    names.ANNOTATION_MIGRATION: None,
                },
            }
        }
        await self._client.merge_patch(
            paths.pods(action.namespace, action.pod), body, params=WRITER
        )
        return True

    async def _create_pod(self, subject: Subject, action: actions.CreatePod) -> bool:
        wanted = action.manifest["metadata"]
        namespace = str(wanted.get("namespace") or subject.namespace)
        try:
            await self._client.create(paths.pods(namespace), action.manifest, params=WRITER)
        except errors.AlreadyExists as error:
            there = await self._client.get(paths.pods(namespace, wanted["name"]))
            if _restore_of(there) == _restore_of(action.manifest):
                return False
            raise ActionFailed(
                error.reason,
                f"pod {namespace}/{wanted['name']} exists and is not ours "
                f"({names.ANNOTATION_RESTORE}: {_restore_of(there) or 'none'}, wanted "
                f"{_restore_of(action.manifest) or 'none'})",
            ) from error
        return True

    async def _delete_pod(self, _subject: Subject, action: actions.DeletePod) -> bool:
        path = paths.pods(action.namespace, action.pod)
        body: dict[str, Any] = {"preconditions": {"uid": action.uid}}
        if action.grace_seconds is not None:
            body["gracePeriodSeconds"] = action.grace_seconds
        try:
            await self._client.delete(path, body=body)
        except errors.NotFound:
            return False
        except errors.Conflict:
            try:
                there = await self._client.get(path)
            except errors.NotFound:
                return False
            if there["metadata"]["uid"] != action.uid:
                return False  # another pod has the name now; the one we meant is gone
            raise
        return True

    async def _mark_pod_running(self, _subject: Subject, action: actions.MarkPodRunning) -> bool:
        condition = {
            "type": names.READINESS_GATE,
            "status": "True",
            "reason": "Running",
            "lastTransitionTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        # Strategic: conditions merge by type, so kubelet's own stay as they are.
        body = {"metadata": {"uid": action.uid}, "status": {"conditions": [condition]}}
        path = paths.pods(action.namespace, action.pod, "status")
        try:
            await self._client.raw("PATCH", path, body=body, params=WRITER, content_type=STRATEGIC)
        except (errors.NotFound, errors.Conflict) as error:
            # Deleted meanwhile: what comes after (the release of the source) must not wait for it.
            _log.info("pod not marked", pod=f"{action.namespace}/{action.pod}", why=error.message)
        return False

    async def _record_event(self, subject: Subject, action: actions.RecordEvent) -> bool:
        """Write events beside the work: an event is never worth a longer freeze."""
        regarding = [subject.reference()]
        if action.pod:
            pod = {"apiVersion": "v1", "kind": "Pod", "name": action.pod}
            pod |= {"namespace": subject.namespace, "uid": action.pod_uid}
            regarding.append({name: value for name, value in pod.items() if value})
        for reference in regarding:
            task = asyncio.create_task(
                self._events.event(
                    reference,
                    type_=action.type,
                    reason=action.reason,
                    note=action.message,
                    action="Migrate",
                )
            )
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        return False

    async def _exact_pod(self, namespace: str, name: str, uid: str) -> dict[str, Any]:
        """Read a pod and check that it is the one that was meant. Raises ActionFailed."""
        try:
            pod = await self._client.get(paths.pods(namespace, name))
        except errors.NotFound as error:
            raise ActionFailed("SourceChanged", f"pod {namespace}/{name} is gone") from error
        if pod["metadata"]["uid"] != uid:
            raise ActionFailed(
                "SourceChanged",
                f"pod {namespace}/{name} is another one now (uid {pod['metadata']['uid']}, "
                f"wanted {uid})",
            )
        return pod


def _restore_of(pod: dict[str, Any]) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    return str(annotations.get(names.ANNOTATION_RESTORE, ""))
