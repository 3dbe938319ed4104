"""What the fake source agent does for each stage, with criu, the dead-man and the page stream.

Mirrors `agent/source.py`, `agent/serving.py` and `agent/operations.py`: same order of markers,
freezes and checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podferry.wire import layout
from podferry.wire.stages import SourceStage, Verdict

from .agent import Agent, Handler, Side, StageFailed
from .clock import Proc, Work
from .node import Image, Node

PROBE_SECONDS = 0.05
DUMP_SECONDS = 0.5
READY_SECONDS = 0.15
PAGING_SECONDS = 1.0
SEND_SECONDS = 0.05


class Source(Handler):
    """See the module. `peer` gives the target's node, `linked` whether the nodes reach it."""

    def __init__(self, node: Node, peer: Node, linked: Callable[[], bool]) -> None:
        self.node, self.peer, self.linked = node, peer, linked

    def reach(self, side: Side, stage: str, previous: Proc | None) -> Work:
        """See `Handler`."""
        if stage == SourceStage.THAWED.value:
            yield from self._thaw(side, previous)
            return
        work = {
            "Prepared": self._prepare, "Frozen": self._freeze, "Sealed": self._seal,
            "Redirected": self._redirect, "Released": self._release,
        }  # fmt: skip
        yield from work[stage](side)

    def live_facts(self, side: Side) -> dict[str, Any]:
        """frozen, alive, pagesDone."""
        item = self.node.containers.get(str(side.facts.get("containerID", "")))
        if item is None:
            return {} if not side.facts.get("containerID") else {"frozen": False, "alive": False}
        facts: dict[str, Any] = {"frozen": item.frozen, "alive": item.alive}
        if side.lazy:
            facts["pagesDone"] = side.read("dump.rc") == 0
        return facts

    def _prepare(self, side: Side) -> Work:
        yield PROBE_SECONDS
        item = self._container(side)
        if item is None:
            raise StageFailed("NotRunning", "the container does not run")
        side.write("images", "room")
        side.note(containerID=item, podUID=side.params["podUID"])
        if side.params.get("pauseFirst"):
            yield from self._pause_first(side, item)

    def _pause_first(self, side: Side, identity: str) -> Work:
        if side.has("FATE"):
            raise StageFailed("FateThawed", "the dead-man thawed this source; roll back")
        if not (side.facts.get("frozenAt") and self.node.containers[identity].frozen):
            yield from self._pause(side, identity)
        side.note(pausedFirst=True)

    def _pause(self, side: Side, identity: str) -> Work:
        """All that stands around a pause, and the pause."""
        node = self.node
        node.disk[layout.block_file(side.params["podUID"])] = side.order.migration
        if not node.lives("deadman"):
            node.start("deadman", self._dead_man(side, identity))
        node.run[f"shield/{side.params['podUID']}"] = True
        yield 0.005
        node.run[layout.hold_file(identity)] = ""
        side.note(frozenAt=node.sim.now + 1.0)
        node.freeze(identity)
        yield 0.003
        self._yield_to_dead_man(side, identity)

    def _container(self, side: Side) -> str | None:
        wanted = side.params["podUID"]
        living = [i.id for i in self.node.containers.values() if i.pod == wanted and i.memory]
        return living[0] if living else None

    def _peer_agent(self) -> Agent | None:
        agent = self.peer.run.get("agent")
        alive = self.peer.up and self.peer.lives("agent") and self.linked()
        return agent if alive else None

    def _need_peer(self) -> Agent:
        agent = self._peer_agent()
        if agent is None:
            raise StageFailed("PeerUnreachable", "the target's agent does not answer")
        return agent

    def _freeze(self, side: Side) -> Work:
        node, identity = self.node, str(side.facts["containerID"])
        if side.has("FATE"):
            raise StageFailed("FateThawed", "the dead-man thawed this source; roll back")
        if not side.has("dump.pid"):
            yield 0.01
            item = node.containers.get(identity)
            if item is None or not item.alive:
                raise StageFailed("NotRunning", "the container ended")
            self._need_peer()
            if not side.facts.get("pausedFirst"):
                yield from self._pause(side, identity)
            elif not item.frozen:
                raise StageFailed("NotFrozen", "it was frozen first and runs now")
            self._start_dump(side, identity)
        yield from self._await_dump(side, identity)
        yield from self._send(side)
        side.note(dumpSeconds=DUMP_SECONDS, pagesBytes=1 << 20)

    def _start_dump(self, side: Side, identity: str) -> None:
        node = self.node
        item = node.containers[identity]
        turns = item.memory.turns if item.memory else -1
        side.write("dump.pid", True)

        def stop_and_copy() -> Work:
            yield 0.02
            yield from node.sim.wait(lambda: not self._stream_stands(), DUMP_SECONDS)
            ok = self._stream_stands() and item.alive
            if ok:
                self.peer.disk[self._target(side, "pages")] = Image(turns, complete=True)
                self.peer.disk[self._target(side, "server.rc")] = 0
                self.peer.kill("page-server")
            side.write("dump.rc", 0 if ok else 1)

        def post_copy() -> Work:
            yield READY_SECONDS
            side.write("dump.ready", turns)
            again = side.has("again")

            def fetched() -> int | None:
                # The first daemon's end says nothing of a second serving.
                if again and self._target(side, "again") not in self.peer.disk:
                    return None
                code: int | None = self.peer.disk.get(self._target(side, "lazy.rc"))
                return code

            yield from node.sim.wait(lambda: fetched() is not None or not item.alive, 1e6, poll=0.1)
            side.write("dump.rc", 0 if fetched() == 0 else 1)

        node.start("criu", post_copy() if side.lazy else stop_and_copy())

    def _stream_stands(self) -> bool:
        return self.peer.up and self.linked() and self.peer.lives("page-server")

    @staticmethod
    def _target(side: Side, entry: str) -> str:
        order = side.order
        return f"{layout.side_dir(order.migration, order.attempt, 'target')}/{entry}"

    def _await_dump(self, side: Side, identity: str) -> Work:
        entry = "dump.ready" if side.lazy else "dump.rc"

        def over() -> bool:
            return side.has(entry) or not self.node.lives("criu")

        yield from self.node.sim.wait(over, 90.0, poll=0.005)
        if not side.has(entry) or side.read("dump.rc") not in (None, 0):
            raise StageFailed("DumpFailed", f"criu ended with {side.read('dump.rc')}")
        self.node.freeze(identity)
        self._yield_to_dead_man(side, identity)

    def _yield_to_dead_man(self, side: Side, identity: str) -> None:
        if side.read("FATE") == "thawed":
            self._end_dump(side)
            self.node.thaw(identity)
            raise StageFailed("FateThawed", "the dead-man thawed this source; roll back")

    def _send(self, side: Side) -> Work:
        """Files, then images and the manifest; the target takes them only while Prepared."""
        yield SEND_SECONDS
        agent = self._need_peer()
        other = agent.sides.get(type(side.order.role)("target"))
        observed = other.state.observed if other else None
        if observed is None or (observed.stage, observed.wanted) != ("Prepared", "Prepared"):
            raise StageFailed("NotReceiving", "the target takes no streams now")
        pages: Image | None = self.peer.disk.get(self._target(side, "pages"))
        turns = side.read("dump.ready") if side.lazy else None
        whole = side.lazy or (pages is not None and pages.complete)
        number = turns if turns is not None else (pages.turns if pages else -1)
        self.peer.disk[self._target(side, "images")] = Image(number, complete=whole)

    def _seal(self, side: Side) -> Work:
        node, identity = self.node, str(side.facts["containerID"])
        if side.lazy and side.params.get("sameName") and not side.has("FATE"):
            yield from self._serve_again(side, identity)
        if not side.lazy and node.lives("criu"):
            raise StageFailed("StillDumping", "criu of this attempt still runs")
        if side.lazy and not node.lives("criu") and side.read("dump.rc") != 0:
            raise StageFailed("PagesLost", "criu stopped serving pages before the seal")
        yield 0.002
        if side.node.disk.setdefault(f"{side.folder}/FATE", "sealed") != "sealed":
            raise StageFailed("FateThawed", "thawed first; roll back")
        item = node.containers.get(identity)
        if item is None or not item.frozen:
            raise StageFailed("NotFrozen", "read back as not frozen")
        node.kill("deadman")

    def _serve_again(self, side: Side, identity: str) -> Work:
        """A kept name is restored twice: end the first serving, dump the frozen tasks once more."""
        if not side.has("again"):
            self._end_dump(side)
            yield 0.005
            item = self.node.containers.get(identity)
            if item is None or not item.frozen:
                raise StageFailed("NotFrozen", "it did not stay frozen while its criu was ended")
            side.remove("dump.pid", "dump.rc", "dump.ready")
            side.write("again", True)
        if not side.has("dump.pid"):
            self._start_dump(side, identity)
        yield from self._await_dump(side, identity)

    def _redirect(self, side: Side) -> Work:
        assert side.order.verdict is Verdict.COMMITTED
        yield 0.003
        side.node.disk.setdefault(f"{side.folder}/FATE", "sealed")
        netns = self.node.up and side.params["podUID"] in self.known_pods()
        address = str(side.params.get("forwardTo") or "") if netns else ""
        side.note(forwardedTo=address, connectionsReset=1)

    def known_pods(self) -> set[str]:
        """Pods whose sandbox stands."""
        return {name.partition("/")[2] for name in self.node.run if name.startswith("known/")}

    def _release(self, side: Side) -> Work:
        assert side.order.verdict is Verdict.COMMITTED
        if side.lazy and not side.params.get("pagesDone"):
            yield from self.node.sim.wait(lambda: not self.node.lives("criu"), 1e6, poll=0.05)
            if side.read("dump.rc") != 0:
                raise StageFailed(
                    "PagesLost", "criu stopped serving pages; the source stays frozen"
                )
        yield 0.003
        identity = str(side.facts["containerID"])
        self.node.kill("deadman")
        self._end_dump(side)
        self.node.end(identity, "released")
        self._open(side, identity)
        side.remove("images")

    def _open(self, side: Side, identity: str) -> None:
        self.node.run.pop(f"shield/{side.params['podUID']}", None)
        self.node.run.pop(layout.hold_file(identity), None)

    def _end_dump(self, side: Side) -> None:
        if self.node.kill("criu"):
            side.write("dump.rc", 137)

    def _thaw(self, side: Side, previous: Proc | None) -> Work:
        sealed = side.state.observed.stage == SourceStage.SEALED.value
        if not sealed and self.node.disk.setdefault(f"{side.folder}/FATE", "thawed") != "thawed":
            sealed = side.order.verdict is Verdict.ROLLED_BACK
            if not sealed:
                raise StageFailed("Sealed", "it thaws only on verdict RolledBack")
        yield 0.01
        identity = str(side.facts.get("containerID") or "")
        if identity:
            yield from self._wake(side, identity)
        if previous is not None and previous.alive:
            yield from self.node.sim.wait(lambda: not previous.alive, 30.0)
            self.node.sim.kill(previous)
            if identity:
                yield from self._wake(side, identity)
        side.remove("images")

    def _wake(self, side: Side, identity: str) -> Work:
        self._end_dump(side)
        yield 0.005
        self.node.thaw(identity)
        self.node.kill("deadman")
        if self.node.run.get(layout.hold_file(identity)) == "swallowed":
            self.node.end(identity, "the TERM that it could not hear", 143)
        self.node.disk.pop(layout.block_file(side.params["podUID"]), None)
        self._open(side, identity)

    def _dead_man(self, side: Side, identity: str) -> Work:
        node = self.node
        yield from node.sim.wait(
            lambda: side.has("FATE"), float(side.params["deadManSeconds"]), poll=1.0
        )
        if node.disk.setdefault(f"{side.folder}/FATE", "thawed") != "thawed":
            return
        self._end_dump(side)
        yield 0.05
        node.thaw(identity)
        node.disk.pop(layout.block_file(side.params["podUID"]), None)
        self._open(side, identity)

    def criu_killed(self, side_folder: str) -> None:
        """What `kill -9` of criu leaves (decision 0001): in a dump the source runs at once."""
        order = self.node.disk.get(f"{side_folder}/order")
        if order is None:
            return
        facts = order.observed.facts
        in_dump = f"{side_folder}/dump.ready" not in self.node.disk
        if in_dump:
            self.node.thaw(str(facts.get("containerID", "")))
        self.node.disk.setdefault(f"{side_folder}/dump.rc", 137)
