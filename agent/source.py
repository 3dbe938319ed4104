"""The source of an attempt: check again, freeze and send, seal, then redirect and release, or thaw.

Owns: the order of those steps and the facts they leave. Never does: thaw a sealed source without
verdict RolledBack, or release one without verdict Committed.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any

import structlog

from podferry.agent import (
    companions,
    containers,
    first_pause,
    node_ports,
    operations,
    outgoing,
    room,
    serving,
    shared_volumes,
)
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.agent.operations import Freeze
from podferry.agent.transfer import Peer
from podferry.wire import names
from podferry.wire.stages import SourceStage, Verdict

log = structlog.get_logger("podferry.agent.source")
PEER_SECONDS = 30.0
"""How long a freeze waits, before it begins, for the target's agent to come back [s]."""
RETRY_SECONDS = 1.0


class Source:
    """Handler of the source role."""

    def __init__(
        self,
        node: Node,
        client_tls: ssl.SSLContext,
        taken_ports: Callable[[], set[int]],
        *,
        peer_port: int = names.AGENT_PORT,
    ) -> None:
        self._node = node
        self._tls = client_tls
        self._peer_port = peer_port
        self._taken_ports = taken_ports

    async def reach(self, side: Side, stage: str, previous: asyncio.Task[None] | None) -> None:
        """See `engine.Handler`."""
        if stage == SourceStage.THAWED.value:
            await self._thaw(side, previous)
            return
        work = {
            SourceStage.PREPARED.value: self._prepare,
            SourceStage.FROZEN.value: self._freeze,
            SourceStage.SEALED.value: self._seal,
            SourceStage.REDIRECTED.value: self._redirect,
            SourceStage.RELEASED.value: self._release,
        }
        await work[SourceStage(stage)](side)

    async def live_facts(self, side: Side) -> dict[str, Any]:
        """frozen, alive and swallowedKills, read now."""
        return await asyncio.to_thread(self._read_facts, side)

    def _read_facts(self, side: Side) -> dict[str, Any]:
        identity = str(side.facts.get("containerID", ""))
        if not identity:
            return {}
        host = self._node.host
        facts: dict[str, Any] = {
            "frozen": operations.cgroup_of(host, identity).is_frozen(),
            "alive": bool(operations.cgroup_of(host, identity).pids()),
            "swallowedKills": max(
                len(operations.swallowed(self._node, identity)),
                int(side.facts.get("swallowedKills", 0)),
            ),
        }
        if outgoing.is_lazy(side):
            facts["pagesDone"] = operations.dump_code(side) == 0
        return facts

    async def _prepare(self, side: Side) -> None:
        await asyncio.to_thread(room.hold, self._node, side)
        found = await asyncio.to_thread(
            containers.find, self._node.host, str(side.params.get("containerID", ""))
        )
        if not first_pause.begun(side):
            await self._prepare_running(side, found)
        if first_pause.is_wanted(side):
            await asyncio.to_thread(first_pause.pause, self._node, side, found)

    async def _prepare_running(self, side: Side, found: containers.Container) -> None:
        if found.status != "running":
            raise AgentError(
                "NotRunning", f"container {found.id[:12]} is {found.status}, expected running"
            )
        wanted = str(side.params.get("podUID") or found.bundle.pod_uid)
        if found.bundle.pod_uid != wanted:
            raise AgentError(
                "PodChanged",
                f"container {found.id[:12]} belongs to pod {found.bundle.pod_uid}, not {wanted}",
            )
        verdict = await self._check(found, files_too=False)
        if outgoing.is_lazy(side):
            side.note(pagePort=node_ports.choose_page_port(self._taken_ports()))
        sizes = ("residentBytes", "shmemBytes", "tcpConnections", "processes")
        side.note(
            containerID=found.id,
            podUID=found.bundle.pod_uid,
            netns=found.bundle.network_namespace,
            initPID=found.pid,
            **{name: verdict[name] for name in sizes if name in verdict},
        )

    async def _check(self, found: containers.Container, *, files_too: bool) -> dict[str, Any]:
        """Probe; blockers end the attempt before anything was touched."""
        verdict = await asyncio.to_thread(
            operations.probe, self._node.host, found, files_too=files_too
        )
        blockers = verdict.get("blockers") or []
        if blockers:
            raise AgentError(
                str(blockers[0]["reason"]), "; ".join(str(item["message"]) for item in blockers)
            )
        return verdict

    async def _freeze(self, side: Side) -> None:
        """The freeze as a whole; what a failure leaves is undone by the order Thawed.

        Entered again after a restart of the agent: a dump in flight is waited for.
        """
        if operations.read_fate(side):
            raise AgentError(
                "FateThawed", "the dead-man thawed this source while the agent was away; roll back"
            )
        found = await asyncio.to_thread(
            containers.find, self._node.host, str(side.facts["containerID"])
        )
        freeze = self._plan(side, found)
        if not side.has("dump.pid"):
            verdict = await self._announce(side, found)
            if first_pause.is_done(side):
                await asyncio.to_thread(first_pause.check, self._node, side)
            else:
                await asyncio.to_thread(operations.before_freeze, self._node, side, freeze)
                side.note(frozenAt=time.time())
            side.note(tcpConnections=verdict.get("tcpConnections", 0), pagePort=freeze.page_port)
        if not first_pause.is_done(side):
            seconds = await asyncio.to_thread(operations.pause, self._node, side, freeze)
            side.note(pauseSeconds=seconds)

        async def dumping() -> None:
            seconds, _ = await asyncio.gather(
                asyncio.to_thread(operations.dump_paused, self._node, side, freeze),
                self._write_out(side, found),
            )
            side.note(dumpSeconds=seconds)

        async with self._peer(side) as peer:
            sent = await outgoing.send_all(self._node, side, found, peer, dumping)
        side.note(**sent, freezeSeconds=round(time.time() - float(side.facts["frozenAt"]), 4))

    async def _announce(self, side: Side, found: containers.Container) -> dict[str, Any]:
        """Check once more, tell the target what comes, and return the verdict.

        A target's agent that is away is being replaced, as a rule; nothing is frozen yet, so its
        successor is waited for. The check is made anew each time.
        """
        began = time.monotonic()
        while True:
            # The target makes room for the files too: it must be told how large they are now.
            verdict = await self._check(found, files_too=True)
            try:
                async with self._peer(side) as peer:
                    await outgoing.announce(side, peer, verdict)
            except AgentError as error:
                if error.reason != "TransferFailed" or time.monotonic() - began > PEER_SECONDS:
                    raise
                log.info("the target's agent is away, asked again", why=error.message)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return verdict

    async def _write_out(self, side: Side, found: containers.Container) -> None:
        """Shared volumes, before the target may read them; beside the dump."""
        bundles = [found.bundle]
        if companions.of(side):  # frozen too, and they may write to volumes of their own
            beside = await asyncio.to_thread(companions.find, self._node.host, found)
            bundles += [one.bundle for one in beside]
        bundles = [one for one in bundles if shared_volumes.of_bundle(one)]
        work = asyncio.to_thread(shared_volumes.write_out_all, self._node.host, bundles)
        try:
            await asyncio.wait_for(work, shared_volumes.SYNC_SECONDS)
        except TimeoutError as error:
            raise AgentError(
                "SyncFailed",
                f"the shared volumes were not written out within {shared_volumes.SYNC_SECONDS:.0f}"
                " s of the freeze; look at their storage, then try again",
            ) from error

    def _peer(self, side: Side) -> Peer:
        return Peer(str(side.params["targetAddress"]), self._tls, port=self._peer_port)

    def _plan(self, side: Side, found: containers.Container) -> Freeze:
        params = side.params
        lazy = outgoing.is_lazy(side)
        # PostCopy: this node serves the pages, so its own choice at Prepared is the port.
        port = side.facts.get("pagePort") if lazy else params.get("pagePort")
        if not params.get("targetAddress") or not port:
            raise AgentError("BadOrder", "stage Frozen needs params targetAddress and pagePort")
        return Freeze(
            container=found,
            page_address="0.0.0.0" if lazy else str(params["targetAddress"]),  # noqa: S104
            page_port=int(port),
            lazy=lazy,
            tls_dir=self._node.publish_tls(),
            dead_man_seconds=first_pause.dead_man_seconds(side),
        )

    async def _seal(self, side: Side) -> None:
        identity = str(side.facts["containerID"])
        host = self._node.host
        lazy = outgoing.is_lazy(side)
        if serving.is_due(side) and not operations.read_fate(side):
            found = await asyncio.to_thread(containers.find, host, identity)
            freeze = self._plan(side, found)
            seconds = await asyncio.to_thread(serving.serve_again, self._node, side, freeze)
            side.note(secondDumpSeconds=seconds)
        if not lazy and operations.dump_running(self._node, side):
            raise AgentError("StillDumping", "criu of this attempt still runs; not sealed")
        if lazy and not operations.dump_running(self._node, side) and operations.dump_code(side):
            raise AgentError(
                "PagesLost",
                "criu stopped serving pages before the seal; nobody can fetch the rest: roll back",
            )
        if not await asyncio.to_thread(operations.claim_fate, side, "sealed"):
            raise AgentError(
                "FateThawed", "the dead-man or a roll back thawed this source first; roll back"
            )
        if not operations.cgroup_of(host, identity).is_frozen():
            raise AgentError("NotFrozen", f"container {identity[:12]} was read back as not frozen")
        await asyncio.to_thread(operations.disarm, self._node, side)

    async def _redirect(self, side: Side) -> None:
        if side.order.verdict is not Verdict.COMMITTED:
            raise AgentError("VerdictMissing", "only verdict Committed redirects a source")
        # One that died before its seal: its dead-man would give its pod back to kubelet.
        await asyncio.to_thread(operations.claim_fate, side, "sealed")
        facts = await asyncio.to_thread(operations.hand_over_connections, self._node, side)
        if "forwardError" in facts:
            log.warning("not forwarded", migration=side.order.migration, why=facts["forwardError"])
        side.note(**facts)

    async def _release(self, side: Side) -> None:
        if side.order.verdict is not Verdict.COMMITTED:
            raise AgentError("VerdictMissing", "only verdict Committed releases a source")
        if outgoing.is_lazy(side) and not side.params.get("pagesDone"):
            await self._pages_fetched(side)
        await asyncio.to_thread(operations.release, self._node, side)
        await asyncio.to_thread(room.release, self._node, side)

    async def _pages_fetched(self, side: Side) -> None:
        """PostCopy, and nobody says that the target has every page: then by our criu's end.

        The target's word is the better one: our criu may be killed after it sent the last page.
        """
        while True:
            if not operations.dump_running(self._node, side):
                break
            await asyncio.sleep(0.05)
        code = operations.dump_code(side)
        if code != 0:
            raise AgentError(
                "PagesLost",
                f"criu stopped serving pages with {code} before the target had them all; the"
                " source stays frozen with its memory",
            )

    async def _thaw(self, side: Side, previous: asyncio.Task[None] | None) -> None:
        """Undo the freeze, also one that is going on: criu is ended first, by pid."""
        sealed = side.state.observed.stage == SourceStage.SEALED.value
        if not sealed and not await asyncio.to_thread(operations.claim_fate, side, "thawed"):
            sealed = operations.read_fate(side) == "sealed"
            if sealed and side.order.verdict is not Verdict.ROLLED_BACK:
                raise AgentError(
                    "Sealed", "this source is sealed; it thaws only on verdict RolledBack"
                )
        identity = side.facts.get("containerID")
        if identity:
            side.note(swallowedKills=len(operations.swallowed(self._node, str(identity))))
            await asyncio.to_thread(operations.thaw_source, self._node, side)
        if previous is not None:
            await self._end_freeze(side, previous)
        await asyncio.to_thread(room.release, self._node, side)

    async def _end_freeze(self, side: Side, previous: asyncio.Task[None]) -> None:
        """See a freeze that is going on to its end; it may pause or dump again until then."""
        for _ in range(30):
            done, _ = await asyncio.wait([previous], timeout=1)
            if side.facts.get("containerID"):
                await asyncio.to_thread(operations.thaw_source, self._node, side)
            if done:
                return
        previous.cancel()  # by now only a transfer can hang, and that changes nothing here

    async def tend(self, sides: list[Side]) -> None:
        """Finish what a dead-man began, which knows nothing of the shield; end late holds."""
        for side in sides:
            await asyncio.to_thread(operations.end_hold, self._node, side)
            ordered = side.state.observed.wanted == SourceStage.THAWED.value
            fired = operations.read_fate(side) == "thawed" and not ordered
            if fired and side.facts.get("containerID") and not side.facts.get("deadManFired"):
                log.warning("the dead-man thawed this source", migration=side.order.migration)
                await asyncio.to_thread(operations.thaw_source, self._node, side)
                side.note(deadManFired=True)
