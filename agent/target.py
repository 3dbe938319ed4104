"""The target of an attempt: prepare, rehearse (restore, keep frozen), resume, or disarm and abort.

Owns: the page server of an attempt, restore.json, RESUMING, RESUMED and ABORTED. Never does:
resume without verdict Committed or after ABORTED, or destroy after RESUMING.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import IO, Any

import structlog

from podferry.agent import (
    archive,
    claims,
    containers,
    deferred,
    draining,
    files,
    operations,
    pagemap,
    pages,
    room,
    seal,
    serving,
    started_anew,
    uploads,
)
from podferry.agent.claims import Claim
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError, Refused
from podferry.agent.node import Node
from podferry.agent.ops import redirect, signals
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.started import wait_started
from podferry.agent.transfer import EXPECT
from podferry.wire.stages import TargetStage, Verdict

log = structlog.get_logger("podferry.agent.target")
RESTORE_SECONDS = 100.0
_POLL = 0.005


class Target:
    """Handler of the target role."""

    def __init__(self, node: Node, taken_ports: Callable[[], set[int]]) -> None:
        self._node = node
        self._taken_ports = taken_ports
        # RESUMING and ABORTED exclude each other; a cancelled thaw may still be in its thread.
        self._fate = threading.Lock()

    async def reach(self, side: Side, stage: str, previous: asyncio.Task[None] | None) -> None:
        """See `engine.Handler`."""
        if previous is not None:
            previous.cancel()  # nothing of a rehearsal must go on once the way back is ordered
            await asyncio.wait([previous])
        work = {
            TargetStage.PREPARED.value: self._prepare,
            TargetStage.REHEARSED.value: self._rehearse,
            TargetStage.RESUMED.value: self._resume,
            TargetStage.DISARMED.value: self._disarm,
            TargetStage.ABORTED.value: self._abort,
            TargetStage.FORGOTTEN.value: self._forget,
        }
        await work[TargetStage(stage).value](side)

    async def live_facts(self, side: Side) -> dict[str, Any]:
        """Claim, neverRan and alive, read now."""
        facts = await asyncio.to_thread(claims.facts, self._node, side)
        if pages.is_lazy(side):
            facts["pagesDone"] = pages.lazy_done(side)
            facts["pagesLost"] = pages.lost(self._node, side)
            facts["mayHaveRun"] = side.has("RESUMING", "RESUMED")
        return facts

    def upload(self, side: Side, kind: str, name: str) -> Callable[[IO[bytes]], object]:
        """Reader of one stream of the source. Raises Refused once the rehearsal was ordered."""
        observed = side.state.observed
        prepared = TargetStage.PREPARED.value
        if (observed.stage, observed.wanted) != (prepared, prepared):
            raise Refused(
                "NotReceiving",
                f"the target is at {observed.stage or 'the beginning'}, ordered to"
                f" {observed.wanted}; streams are taken only while it is Prepared",
            )
        if (kind, name) != ("images", EXPECT):
            return uploads.reader(side.ram, kind, name, lazy=pages.is_lazy(side))

        def announced(stream: IO[bytes]) -> None:
            room.make(self._node, side, uploads.expected(stream))
            side.note(**{draining.ANNOUNCED: True})
            claim = claims.read(self._node, side)
            if claim is not None and claim.held:
                self._arm(side, claim, containers.read_bundle(self._node.host, claim.bundle))

        return announced

    async def _prepare(self, side: Side) -> None:
        await asyncio.to_thread(room.hold, self._node, side)
        self._order_wrapper(side, "hold", lazy=pages.is_lazy(side))
        if not pages.is_lazy(side):
            await pages.start_server(self._node, side, self._taken_ports())

    def _order_wrapper(self, side: Side, action: str, *, lazy: bool, container: str = "") -> None:
        ram = self._node.ram(side)
        files.write_json(
            f"{side.folder}/restore.json",
            {
                "action": action,
                "roles": [claims.role_of(side)],
                "containerID": container,
                "imagePath": f"{ram}/images",
                "workPath": f"{ram}/work",
                "criuConfig": f"{self._node.folder(side)}/criu.conf",
                "lazy": lazy,
                # A kept name is restored twice, and lazy images hold no pages.
                "spend": not lazy and not side.params.get("sameName"),
            },
        )

    async def _rehearse(self, side: Side) -> None:
        began = time.monotonic()
        if not pages.is_lazy(side):
            await pages.server_finished(side, seconds=10)
        secret, attempt = seal.key(self._node, side), seal.attempt_of(side.order)
        await asyncio.to_thread(uploads.check_complete, side.ram, secret, attempt)
        if not pages.is_lazy(side):
            size = await asyncio.to_thread(pagemap.check, f"{side.ram}/images")
            side.note(pagesBytes=size)
        if pages.is_lazy(side):
            await pages.start_lazy(self._node, side)
        await self._restore(side)
        side.note(
            rehearsed=side.facts["containerID"],
            rehearseSeconds=round(time.monotonic() - began, 4),
        )

    async def _restore(self, side: Side) -> None:
        """Fill the held container and let the wrapper restore it; frozen when this returns."""
        claim = claims.read(self._node, side)
        if claim is None or not self._is_there(side, claim):
            raise AgentError(
                "NotClaimed",
                f"no container of role {claims.role_of(side)} is held on this node; the target"
                " pod was not created, or kubelet gave up waiting",
            )
        # The wrapper may be restoring already, for an agent that restarted: fill nothing then.
        if side.facts.get("restoring") != claim.container_id:
            await self._ready(side, claim)
        self._order_wrapper(side, "restore", lazy=pages.is_lazy(side), container=claim.container_id)
        restored = await self._wait_restored(side, claim)
        if not operations.cgroup_of(self._node.host, claim.container_id).is_frozen():
            raise AgentError(
                "NotFrozen",
                "the restored container is not frozen; it may have run and must be destroyed",
            )
        await wait_started(self._node, claim)
        side.note(restoreSeconds=restored.get("seconds"), initPID=restored.get("initPID"))

    @staticmethod
    def _is_there(side: Side, claim: Claim) -> bool:
        done = claims.restored(side, claim, claims.role_of(side)) is not None
        return claim.held or done

    async def _ready(self, side: Side, claim: Claim) -> None:
        """Everything that must stand before the wrapper restores."""
        bundle = containers.read_bundle(self._node.host, claim.bundle)
        if side.facts.get("armed") != claim.container_id:
            await asyncio.to_thread(self._arm, side, claim, bundle)
        await asyncio.to_thread(self._fill, side, bundle)
        side.note(restoring=claim.container_id)

    def _arm(self, side: Side, claim: Claim, bundle: containers.Bundle) -> None:
        """What needs the held container only, so that it can be done before the freeze."""
        netns = bundle.network_namespace
        side.note(containerID=claim.container_id, netns=netns)
        operations.raise_shield(self._node.host, netns)
        operations.write_restore_config(f"{side.folder}/criu.conf", self._tls(side))
        address = redirect.address_of(self._node.host, netns)
        side.note(podIP=address, armed=claim.container_id)

    def _tls(self, side: Side) -> str:
        return self._node.publish_tls() if pages.is_lazy(side) else ""

    def _fill(self, side: Side, bundle: containers.Bundle) -> None:
        """Unpack the writable layer, volumes and /dev/shm into the held container."""
        volumes = containers.empty_dirs(self._node.host, bundle)
        for entry in (uploads.manifest(side.ram) or {}).get("streams", []):
            kind, _, name = str(entry).partition("/")
            if kind == "rootfs":
                place = f"{bundle.path}/rootfs"
            else:
                place = bundle.shm if kind == "shm" else volumes.get(name, "")
            if not place:
                raise AgentError(
                    "VolumeMissing",
                    f"the target container mounts no {kind} {name}; its pod must be the source's",
                )
            with open(uploads.stream_path(side.ram, kind, name), "rb") as stream:
                archive.unpack(stream, self._node.local(place), overlay=kind == "rootfs")

    async def _wait_restored(self, side: Side, claim: Claim) -> dict[str, Any]:
        """The wrapper's answer for the claimed container."""
        role = claims.role_of(side)
        deadline = time.monotonic() + RESTORE_SECONDS
        while time.monotonic() < deadline:
            now = claims.read(self._node, side)  # first: a wrapper answers before it ends
            restored = claims.restored(side, claim, role)
            if restored is not None:
                return restored
            failed = claims.answer(side, "failed", role)
            if failed is not None and failed.get("containerID") == claim.container_id:
                self._order_wrapper(side, "refuse", lazy=False)
                raise AgentError(str(failed.get("reason")), str(failed.get("message")))
            if now is None or not now.held or now.container_id != claim.container_id:
                # Its images may be spent, and the files of another container were not filled.
                self._order_wrapper(side, "hold", lazy=False)
                raise AgentError(
                    "RestoreInterrupted",
                    f"the runtime of container {claim.container_id[:12]} was killed in its restore;"
                    " nothing of it runs, and the images are not used a second time",
                )
            await asyncio.sleep(_POLL)
        self._order_wrapper(side, "refuse", lazy=False)
        raise AgentError(
            "RestoreTimeout", f"the container was not restored within {RESTORE_SECONDS:.0f} s"
        )

    async def _resume(self, side: Side) -> None:
        if side.order.verdict is not Verdict.COMMITTED:
            raise AgentError("VerdictMissing", "only verdict Committed resumes a target")
        if side.has("ABORTED"):
            raise AgentError("Aborted", "this target was durably aborted and cannot be resumed")
        resumed = files.read_json(f"{side.folder}/RESUMED")
        if pages.lost(self._node, side) and resumed is None:
            raise AgentError(
                "PagesLost", "the rest of the memory cannot come any more; it is not resumed"
            )
        if resumed is None:
            if side.params.get("sameName"):
                await self._restore_final(side)
            await asyncio.to_thread(self._thaw, side)
        netns = str(side.facts.get("netns", ""))
        await asyncio.to_thread(operations.lower_shield, self._node.host, netns)

    async def _restore_final(self, side: Side) -> None:
        """Replace the rehearsal by the same-named pod's container, once it is held."""
        if side.has("RESUMING"):
            return
        await self._kill(side, ("rehearsal",))
        plan = files.read_json(f"{side.folder}/restore.json") or {}
        first = side.facts.get("restoring") == side.facts.get("rehearsed")
        if first or plan.get("action") == "refuse":
            # Not first: a restore failed. The images are whole, so the next container may try.
            self._order_wrapper(side, "hold", lazy=False)
        while True:
            claim = claims.read(self._node, side, "final")
            wanted = side.params.get("finalPodUID")
            if claim and wanted in (None, "", claim.pod_uid) and self._is_there(side, claim):
                break
            await asyncio.sleep(0.02)
        if pages.is_lazy(side):
            await serving.fetch_again(self._node, side)
        await self._restore(side)

    def _thaw(self, side: Side) -> None:
        """RESUMING, thaw, look again, RESUMED: each durable before the next."""
        claim = claims.read(self._node, side)
        identity = str(side.facts.get("containerID", ""))
        if claim is None or claim.container_id != identity:
            raise AgentError(
                "ContainerChanged",
                f"the rehearsed container is {identity[:12]}, the claim now names"
                f" {claim.container_id[:12] if claim else 'none'}; nothing was resumed",
            )
        host = self._node.host
        cgroup = operations.cgroup_of(host, identity)
        if not cgroup.pids():
            raise AgentError("TargetDead", f"container {identity[:12]} has no task left to resume")
        if not side.has("RESUMING"):
            self._end_if_given_up(identity, cgroup)
        mark = {"podUID": claim.pod_uid, "containerID": identity, "at": time.time()}
        with self._fate:
            if side.has("ABORTED"):
                raise AgentError(
                    "Aborted", "this target was disarmed meanwhile; nothing was resumed"
                )
            files.write_json(f"{side.folder}/RESUMING", mark)
        operations.thaw_cgroup(host, identity)
        at = time.time()
        if cgroup.is_frozen() or not cgroup.pids():
            raise AgentError(
                "ResumeFailed", f"container {identity[:12]} is frozen or dead after the thaw"
            )
        files.write_json(f"{side.folder}/RESUMED", {**mark, "at": at})
        side.note(resumedAt=at, resumedPodUID=claim.pod_uid)

    @staticmethod
    def _end_if_given_up(identity: str, cgroup: Cgroup) -> None:
        """One that kubelet told to end while it was frozen would die of it once it is thawed.

        It is ended before it runs, so that the workload can go on at its source. Raises AgentError.
        """
        signal = signals.told_to_end(cgroup.pids())
        if not signal:
            return
        cgroup.kill()
        raise AgentError(
            "TargetGivenUp",
            f"container {identity[:12]} was told to end ({signal}) while it was frozen, as kubelet"
            " does after a failed liveness probe; it was ended before it ran",
        )

    async def _kill(self, side: Side, roles: tuple[str, ...] = claims.ROLES) -> None:
        """Kill every container that this attempt restored, and see that it is gone."""
        for identity in claims.container_ids(side, roles):
            await asyncio.to_thread(operations.kill_container, self._node.host, identity)

    async def _disarm(self, side: Side) -> None:
        """Make it unresumable for good; nothing is destroyed. After a commit: attest."""
        await asyncio.to_thread(self._write_aborted, side)
        self._order_wrapper(side, "refuse", lazy=False)
        if pages.lost(self._node, side):
            # Worth nothing without its pages; one that ran is frozen and never thawed again.
            await self._kill(side)
            await asyncio.to_thread(started_anew.end, self._node, side)

    def _write_aborted(self, side: Side) -> None:
        with self._fate:
            lost = pages.lost(self._node, side)
            if side.has("RESUMING", "RESUMED") and not lost:
                raise AgentError("MayRun", "this target was resumed; it is never destroyed by us")
            left = claims.tasks(self._node, side)
            if side.order.verdict is Verdict.COMMITTED and left and not lost:
                raise AgentError(
                    "TasksLeft",
                    f"the committed target still has {left} tasks, so it can be resumed; only one"
                    " without tasks is attested as never run",
                )
            if not side.has("ABORTED"):
                os.makedirs(side.folder, exist_ok=True)
                identity = side.facts.get("containerID", "")
                mark = {"podUID": "", "containerID": identity, "at": time.time()}
                files.write_json(f"{side.folder}/ABORTED", mark)

    async def _abort(self, side: Side) -> None:
        await self._disarm(side)
        await self._kill(side)
        await pages.stop(self._node, side)
        with contextlib.suppress(AgentError):  # the pod and its namespace may be gone already
            await asyncio.to_thread(
                operations.lower_shield, self._node.host, str(side.facts.get("netns", ""))
            )
        await asyncio.to_thread(room.release, self._node, side)

    async def _forget(self, side: Side) -> None:
        side.note(
            forwardedReset=await asyncio.to_thread(operations.reset_forwarded, self._node, side)
        )
        if pages.is_lazy(side) and not side.params.get("pagesGivenUp"):
            await pages.lazy_finished(side)
        await pages.stop(self._node, side)
        await asyncio.to_thread(room.release, self._node, side)

    async def tend(self, sides: list[Side]) -> None:
        """Start what waited for a resume; freeze targets that miss pages: they would read zeros."""
        await asyncio.to_thread(deferred.start_due, self._node)
        for side in sides:
            known = side.has("ABORTED") or side.facts.get("frozenForPages")
            if pages.lost(self._node, side) and side.has("RESUMING") and not known:
                log.error("pages lost, target frozen", migration=side.order.migration)
                group = operations.cgroup_of(self._node.host, str(side.facts["containerID"]))
                await asyncio.to_thread(group.freeze)
                side.note(frozenForPages=True)
