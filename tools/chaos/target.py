"""What the fake target agent does for each stage, with the page receiver and the lazy-pages daemon.

Mirrors `agent/target.py`, `agent/claims.py`, `agent/serving.py` and `agent/pages.py`: same markers
in the same order.
"""

from __future__ import annotations

from typing import Any

from podferry.agent.started import START_SECONDS
from podferry.wire import layout
from podferry.wire.stages import TargetStage, Verdict

from .agent import Handler, Side, StageFailed
from .clock import Proc, Work
from .node import Container, Node
from .source import PAGING_SECONDS

ROLES = ("replacement", "rehearsal", "final")


class Target(Handler):
    """See the module. `peer` is the source's node."""

    def __init__(self, node: Node, peer: Node) -> None:
        self.node, self.peer = node, peer

    def reach(self, side: Side, stage: str, previous: Proc | None) -> Work:
        """See `Handler`."""
        self.node.sim.kill(previous)
        work = {
            "Prepared": self._prepare, "Rehearsed": self._rehearse, "Resumed": self._resume,
            "Disarmed": self._disarm, "Aborted": self._abort, "Forgotten": self._forget,
        }  # fmt: skip
        yield from work[stage](side)

    # -- claims --------------------------------------------------------------------------------
    @staticmethod
    def role_of(side: Side) -> str:
        """Role whose container counts now."""
        if not side.params.get("sameName"):
            return "replacement"
        late = (TargetStage.RESUMED.value, TargetStage.FORGOTTEN.value)
        return "final" if side.order.stage in late else "rehearsal"

    def claim(self, side: Side, role: str = "") -> tuple[dict[str, Any] | None, bool]:
        """A role's claim, and whether it is held."""
        raw = side.read(f"claim-{role or self.role_of(side)}.json")
        if raw is None:
            return None, False
        here = raw["bootID"] == f"{self.node.name}-{self.node.boot}"
        return raw, bool(here and raw["wrapper"].alive)

    def restored(self, side: Side, claim: dict[str, Any]) -> bool:
        """Whether just that container was restored."""
        said = side.read(f"restored-{self.role_of(side)}.json")
        return bool(said and said["containerID"] == claim["containerID"])

    def claimed(self, side: Side) -> list[Container]:
        """The living containers that this attempt claimed last."""
        raws = [side.read(f"claim-{role}.json") for role in ROLES]
        found = [self.node.containers.get(raw["containerID"]) for raw in raws if raw]
        return [item for item in found if item is not None and item.alive]

    def live_facts(self, side: Side) -> dict[str, Any]:
        """As `claims.facts`."""
        claim, held = self.claim(side)
        identity = str(side.facts.get("containerID") or (claim or {}).get("containerID") or "")
        living = {item.id for item in self.claimed(side)}
        facts: dict[str, Any] = {
            "claimed": claim is not None and (held or self.restored(side, claim)),
            "neverRan": not side.has("RESUMING", "RESUMED") and not living,
            "alive": identity in living,
        }
        if claim is not None:
            facts |= {"claimPodUID": claim["podUID"], "containerID": claim["containerID"]}
        if side.lazy:
            facts["pagesDone"] = side.read("lazy.rc") == 0
            facts["pagesLost"] = self.lost(side)
            facts["mayHaveRun"] = side.has("RESUMING", "RESUMED")
        return facts

    # -- stages --------------------------------------------------------------------------------
    def _prepare(self, side: Side) -> Work:
        yield 0.02
        self._order_wrapper(side, "hold")
        if not side.lazy and not side.has("server.rc") and not self.node.lives("page-server"):
            self.node.start("page-server", self._serve())
        side.note(pagePort=9560)

    @staticmethod
    def _serve() -> Work:
        while True:
            yield 1e6

    def _order_wrapper(self, side: Side, action: str, container: str = "") -> None:
        plan = {"action": action, "roles": [self.role_of(side)], "lazy": side.lazy}
        plan["spend"] = not side.lazy and not side.params.get("sameName")
        if container:
            plan["containerID"] = container
        side.write("restore.json", plan)

    def _rehearse(self, side: Side) -> Work:
        if not side.lazy:
            yield from self.node.sim.wait(lambda: side.has("server.rc"), 10.0)
            if side.read("server.rc") != 0:
                raise StageFailed("PageServerFailed", "the page receiver did not end well")
        image = side.read("images")
        if image is None or not image.complete:
            raise StageFailed("Incomplete", "the manifest is missing")
        if side.lazy:
            yield from self._start_lazy(side)
        yield from self._restore(side)
        side.note(rehearsed=side.facts["containerID"])

    def _start_lazy(self, side: Side) -> Work:
        if not side.has("lazy.pid"):
            side.write("lazy.pid", True)
            side.note(lazyBoot=self.node.boot)
            self.node.start("lazy", self._fetch(side))
            yield 0.02

    def _fetch_again(self, side: Side) -> Work:
        """From the second serving, for the pod that keeps its name."""
        if not side.has("again"):
            self.node.kill("lazy")
            yield 0.002
            side.remove("lazy.pid", "lazy.rc")
            side.write("again", True)
        if side.read("lazy.rc"):
            raise StageFailed("PagesLost", "criu lazy-pages ended before the resume")
        yield from self._start_lazy(side)

    def _fetch(self, side: Side) -> Work:
        """criu lazy-pages: fetches once the target runs; ends badly with the page server."""
        folder, node = side.folder, self.node
        left = PAGING_SECONDS
        while left > 0:
            yield 0.05
            if not (self.peer.up and self.peer.lives("criu")):
                node.disk[f"{folder}/lazy.rc"] = 1
                return
            if f"{folder}/RESUMING" in node.disk:
                left -= 0.05
        node.disk[f"{folder}/lazy.rc"] = 0
        # The daemon outlives agents: what a restarted one noted is on the disk only.
        now = node.disk[f"{folder}/order"].observed.facts
        item = node.containers.get(str(now.get("containerID", "")))
        if item is not None and item.memory is not None:
            item.memory.whole = True

    def _restore(self, side: Side) -> Work:
        claim, held = self.claim(side)
        if claim is None or not (held or self.restored(side, claim)):
            raise StageFailed("NotClaimed", "no container of this role is held on this node")
        identity = claim["containerID"]
        if side.facts.get("restoring") != identity:
            yield 0.02
            self.node.run[f"shield/{claim['podUID']}"] = True
            side.note(containerID=identity, podIP="10.1.0.2", restoring=identity)
        self._order_wrapper(side, "restore", identity)
        failed = f"failed-{self.role_of(side)}.json"

        def answered() -> bool:
            now, held = self.claim(side)
            return (
                self.restored(side, claim)
                or (side.has(failed) and side.read(failed)["containerID"] == identity)
                or now is None
                or now["containerID"] != identity
                or not held
            )

        yield from self.node.sim.wait(answered, 100.0, poll=0.005)
        if not self.restored(side, claim):
            told = side.has(failed) and side.read(failed)["containerID"] == identity
            self._order_wrapper(side, "refuse" if told else "hold")
            raise StageFailed("RestoreFailed", "criu ended, or its wrapper was killed")
        item = self.node.containers.get(identity)
        if item is None or not item.frozen:
            raise StageFailed("NotFrozen", "the restored container is not frozen")
        yield from self._await_start(item)

    def _await_start(self, item: Container) -> Work:
        """The restored marker is gone once containerd has started the container."""
        marker = layout.restored_file(item.id)
        yield from self.node.sim.wait(
            lambda: marker not in self.node.run or not item.alive, START_SECONDS, poll=0.005
        )
        if marker in self.node.run:
            raise StageFailed("NotStarted", "containerd did not start what was restored")

    def _resume(self, side: Side) -> Work:
        assert side.order.verdict is Verdict.COMMITTED
        if side.has("ABORTED"):
            raise StageFailed("Aborted", "durably aborted")
        if self.lost(side) and not side.has("RESUMED"):
            raise StageFailed("PagesLost", "the rest of the memory cannot come any more")
        if not side.has("RESUMED"):
            if side.params.get("sameName"):
                yield from self._restore_final(side)
            yield from self._thaw(side)
        claim, _ = self.claim(side)
        if claim is not None:
            self.node.run.pop(f"shield/{claim['podUID']}", None)

    def _restore_final(self, side: Side) -> Work:
        if side.has("RESUMING"):
            return
        self._kill(side, ("rehearsal",))
        refused = (side.read("restore.json") or {}).get("action") == "refuse"
        if refused or side.facts.get("restoring") == side.facts.get("rehearsed"):
            self._order_wrapper(side, "hold")

        def there() -> bool:
            claim, held = self.claim(side, "final")
            wanted = side.params.get("finalPodUID")
            return bool(
                claim
                and wanted in (None, "", claim["podUID"])
                and (held or self.restored(side, claim))
            )

        yield from self.node.sim.wait(there, 1e6)
        if side.lazy:
            yield from self._fetch_again(side)
        yield from self._restore(side)

    def _thaw(self, side: Side) -> Work:
        claim, _ = self.claim(side)
        identity = str(side.facts.get("containerID", ""))
        if claim is None or claim["containerID"] != identity:
            raise StageFailed("ContainerChanged", "the claim names another container now")
        item = self.node.containers.get(identity)
        if item is None or not item.alive:
            raise StageFailed("TargetDead", "no task left to resume")
        if side.has("ABORTED"):
            raise StageFailed("Aborted", "disarmed meanwhile")
        mark = {"podUID": claim["podUID"], "containerID": identity}
        side.write("RESUMING", mark)
        yield 0.002
        self.node.thaw(identity)
        yield 0.001
        if not item.runs:
            raise StageFailed("ResumeFailed", "frozen or dead after the thaw")
        side.write("RESUMED", mark)
        side.note(resumedAt=self.node.sim.now + 1.0, resumedPodUID=claim["podUID"])

    def _kill(self, side: Side, roles: tuple[str, ...] = ROLES) -> None:
        for role in roles:
            raw = side.read(f"claim-{role}.json")
            if raw is not None:
                self.node.end(raw["containerID"], "the target's agent")

    def _disarm(self, side: Side) -> Work:
        yield 0.002
        lost = self.lost(side)
        if side.has("RESUMING", "RESUMED") and not lost:
            raise StageFailed("MayRun", "it was resumed; never destroyed by us")
        if side.order.verdict is Verdict.COMMITTED and self.claimed(side) and not lost:
            raise StageFailed("TasksLeft", "the committed target still has tasks")
        side.write("ABORTED", True)
        self._order_wrapper(side, "refuse")
        if lost:
            self._kill(side)
            yield from self._end_started_anew(side)

    def _end_started_anew(self, side: Side) -> Work:
        """See `agent/started_anew.py`."""
        noted = side.read("again.json")
        if noted is None or noted["bootID"] != f"{self.node.name}-{self.node.boot}":
            return
        identity = noted["containerID"]
        yield from self.node.sim.wait(lambda: not self.node.lives(f"create/{identity}"), 10.0)
        if self.node.lives(f"create/{identity}"):
            raise StageFailed("StillStarting", "its create does not end")
        self.node.end(identity, "the target's agent")

    def _abort(self, side: Side) -> Work:
        yield from self._disarm(side)
        self._kill(side)
        self._stop_daemons()
        claim, _ = self.claim(side)
        if claim is not None:
            self.node.run.pop(f"shield/{claim['podUID']}", None)
        side.remove("images", "pages")

    def _stop_daemons(self) -> None:
        self.node.kill("page-server")
        self.node.kill("lazy")

    def _forget(self, side: Side) -> Work:
        yield 0.002
        if side.lazy and not side.params.get("pagesGivenUp"):
            yield from self.node.sim.wait(lambda: side.has("lazy.rc"), 1e6)
            if side.read("lazy.rc") != 0:
                raise StageFailed("PagesLost", "criu lazy-pages ended early; nothing was removed")
        self._stop_daemons()
        side.remove("images", "pages")

    def lost(self, side: Side) -> bool:
        """Whether the rest of the memory cannot come any more."""
        counts = not side.params.get("sameName") or side.has("again")
        code, began = side.read("lazy.rc"), side.facts.get("lazyBoot")
        gone = code is not None or began not in (None, self.node.boot)
        return side.lazy and bool(counts) and code != 0 and gone

    def tend(self, side: Side) -> None:
        """Freeze a target whose pages stopped to arrive."""
        known = side.has("ABORTED") or side.facts.get("frozenForPages")
        if self.lost(side) and side.has("RESUMING") and not known:
            self.node.freeze(str(side.facts["containerID"]))
            side.note(frozenForPages=True)
