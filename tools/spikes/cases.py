"""What kill_criu.py measures, one function a case. Runs on the lab node, on the agent's own `ops`.

Each case starts a workload, disturbs its dump, and returns one row: what was read, never a verdict.
Times are seconds of CLOCK_MONOTONIC. `ran_*` is true when the workload's threads ran.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podferry.agent.ops import deadman, dump, processes, thaw
from podferry.agent.ops.host import Host
from tools.spikes.pages import Client
from tools.spikes.workload import Workload

HOST = Host("", enter=False)
Row = dict[str, Any]
_WATCH_SECONDS = 1.0
_PORT = 27431


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the runs live, and the size of the workload [MiB]."""

    root: Path
    program: Path
    mebibytes: int

    @contextlib.contextmanager
    def run(self, number: int, *, lazy: bool) -> Iterator[Run]:
        """A frozen workload with a dump that was not started; everything is ended afterwards."""
        folder = self.root / f"attempt-{number}"
        for name in ("images", "work", "pages"):
            (folder / name).mkdir(parents=True)
        with Workload(self.root, self.program, f"spike-{number}", self.mebibytes) as source:
            found = Run(source, folder, _PORT + number % 500, lazy)
            try:
                yield found
            finally:
                thaw.thaw(HOST, source.cgroup, str(folder))
                deadman.disarm(HOST, str(folder))
                found.end_page_server()
        shutil.rmtree(folder)


class Run:
    """One dump of one workload."""

    def __init__(self, source: Workload, folder: Path, port: int, lazy: bool) -> None:
        self.source, self.folder, self.port, self.lazy = source, folder, port, lazy
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def spec(self) -> dump.DumpSpec:
        """The dump as the agent would order it: pages to a page server, or served."""
        text = str(self.folder)
        return dump.DumpSpec(
            self.source.id,
            text,
            f"{text}/images",
            f"{text}/work",
            ("127.0.0.1", self.port),
            lazy=self.lazy,
        )

    def start(self) -> None:
        """Freeze as the agent does, then start the dump."""
        if not self.lazy:
            self._serve()
        if not self.source.cgroup.freeze():
            raise RuntimeError("the workload did not freeze")
        self.frozen_at, self.source_beats = time.monotonic(), self.source.beats()
        dump.start(HOST, self.spec)

    def ready(self) -> None:
        """Wait for "ready" of a lazy dump, without the freezer write of the agent."""
        handle = os.open(self.folder / "status", os.O_RDONLY | os.O_NONBLOCK)
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with contextlib.suppress(BlockingIOError):
                    if os.read(handle, 1):
                        return
                time.sleep(0.0005)
        finally:
            os.close(handle)
        raise RuntimeError(f"criu was not ready: {dump.explain(HOST, self.spec, 1)}")

    def criu(self) -> list[int]:
        """The criu processes below this dump's runc, parents first."""
        runc = int((self.folder / "dump.pid").read_text())
        return [pid for pid in processes.children(runc) if _comm(pid).startswith("criu")]

    def kill(self, *, stop: bool = False) -> None:
        """SIGKILL (or SIGSTOP) criu, then wait until it is gone (or stopped)."""
        victims = self.criu()
        if not victims:
            raise RuntimeError("no criu was there to kill")
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if stop else signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not stop and any(processes.alive(pid) for pid in victims):
            if time.monotonic() > deadline:
                raise RuntimeError("criu did not die within 10 s")
            time.sleep(0.0005)

    def code(self) -> int | None:
        """Exit code of runc, None while it runs."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int((self.folder / "dump.rc").read_text())
        return None

    def wait_code(self, seconds: float = 30.0) -> int | None:
        """Wait for the end of runc."""
        deadline = time.monotonic() + seconds
        while self.code() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        return self.code()

    def _serve(self) -> None:
        argv = ["criu", "page-server", "--images-dir", str(self.folder / "pages")]
        argv += ["--address", "127.0.0.1", "--port", str(self.port)]
        self._server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        needle = f":{self.port:04X} 00000000:0000 0A"
        deadline = time.monotonic() + 5
        while needle not in Path("/proc/net/tcp").read_text():
            if time.monotonic() > deadline:
                raise RuntimeError("the page server does not listen")
            time.sleep(0.002)

    def end_page_server(self) -> None:
        """End the page server of a dump that did not end itself."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()


@dataclass
class Sampler:
    """Reads the freezer and the task states every millisecond until it is stopped."""

    source: Workload
    samples: list[tuple[float, str, str]] = field(default_factory=list)

    def __enter__(self) -> Sampler:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        path = self.source.cgroup.folder / "freezer.state"
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                word = path.read_text().strip()
                self.samples.append((time.monotonic(), word, self.source.task_states()))
            self._stop.wait(0.001)

    def words(self, since: float = 0.0) -> list[str]:
        """Which words the freezer read, in order, without repetitions."""
        found: list[str] = []
        for moment, word, _ in self.samples:
            if moment >= since and (not found or found[-1] != word):
                found.append(word)
        return found

    def seconds_of(self, word: str, since: float) -> float:
        """How long the freezer read `word`, to the next sample."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return sum(b[0] - a[0] for a, b in pairs if a[0] >= since and a[1] == word)

    def states_while(self, word: str, since: float) -> dict[str, int]:
        """How many samples showed each combination of task states while the freezer read `word`."""
        seen = (item for item in self.samples if item[0] >= since)
        return dict(Counter(states for _, read, states in seen if read == word))


def lazy_kill(bench: Bench, number: int, *, share: float, agent_writes: bool) -> Row:
    """Kill criu while it serves, after `share` of the pages went out."""
    with bench.run(number, lazy=True) as run, Sampler(run.source) as sampler:
        run.start()
        wrote = _wait_ready(run, agent_writes=agent_writes)
        client = Client(run.port, run.folder / "images")
        client.fetch(share)
        ran_before = run.source.beats() != run.source_beats
        before = _freezer(run)
        run.kill()
        killed = time.monotonic()
        run.wait_code()
        row = {**wrote, "pages": client.fetched, "of": client.total, "before": before}
        row |= {"ran_before_kill": ran_before, **_after(run, sampler, killed)}
        client.close()
        return row | _alive_again(run)


def lazy_end(bench: Bench, number: int, *, agent_writes: bool, share: float = 1.0) -> Row:
    """Let a lazy dump end by itself: as it should, or on a connection that breaks after `share`."""
    with bench.run(number, lazy=True) as run, Sampler(run.source) as sampler:
        run.start()
        wrote = _wait_ready(run, agent_writes=agent_writes)
        client = Client(run.port, run.folder / "images")
        client.fetch(share)
        before = _freezer(run)
        if share == 1.0:
            client.finish()
        else:
            client.close()
        code = run.wait_code()
        ended = time.monotonic()
        row = {**wrote, "pages": client.fetched, "of": client.total, "before": before, "rc": code}
        return row | _after(run, sampler, ended) | _alive_again(run)


def refreeze(bench: Bench, number: int, *, delay: float, lazy: bool) -> Row:
    """Kill criu `delay` seconds after it began to hold the tasks, then write FROZEN again."""
    with bench.run(number, lazy=lazy) as run, Sampler(run.source) as sampler:
        reader = _open_status(run) if lazy else None
        run.start()
        _until_thawed(run)
        time.sleep(delay)
        ran_before = run.source.beats() != run.source_beats
        before, states = _freezer(run), run.source.task_states()
        run.kill()
        killed = time.monotonic()
        row: Row = {"before": before, "states": states, "ran_before_kill": ran_before}
        row |= {"rc": run.wait_code(), "after_kill": _freezer(run)}
        row["ran_after_kill"] = run.source.runs(0.05)
        row["wrote"] = run.source.cgroup.freeze()
        wrote = time.monotonic()
        row["ran_until_write"] = round(wrote - killed, 4)
        row |= _after(run, sampler, wrote)
        if reader is not None:
            os.close(reader)
        return row | _alive_again(run)


def poll(bench: Bench, number: int, *, lazy: bool) -> Row:
    """Read the freezer every millisecond during a dump that nobody disturbs."""
    with bench.run(number, lazy=lazy) as run:
        with Sampler(run.source) as sampler:
            began = time.monotonic()
            run.start()
            if lazy:
                run.ready()
                ready = time.monotonic() - began
                client = Client(run.port, run.folder / "images")
                client.fetch(1.0)
                client.finish()
            code = run.wait_code()
            ended = time.monotonic()
        if code != 0:
            raise RuntimeError(f"the dump failed: {dump.explain(HOST, run.spec, 1)}")
        row: Row = {"rc": code, "dump": round(ended - began, 4), "samples": len(sampler.samples)}
        if lazy:
            row["ready"] = round(ready, 4)
        row |= {
            "thawed": round(sampler.seconds_of("THAWED", run.frozen_at), 4),
            "words": sampler.words(run.frozen_at),
            "states_thawed": sampler.states_while("THAWED", run.frozen_at),
            "states_frozen": sampler.states_while("FROZEN", run.frozen_at),
            "ran": run.source.beats() != run.source_beats,
        }
        return row | _alive_again(run)


def dead_man(bench: Bench, number: int, *, fault: str, delay: float, agent: bool) -> Row:
    """Let the dead-man (or the agent's thaw) act on a dump with a fault.

    `killed`: criu killed, FROZEN written again. `hanging`: criu stopped in the dump. `serving`:
    criu serves pages. `orphan`: the same, its runc killed.
    """
    with bench.run(number, lazy=fault in ("serving", "orphan")) as run:
        folder = str(run.folder)
        if not agent:
            deadman.arm(HOST, folder, run.source.cgroup, 2, f"{folder}/hold")
        with Sampler(run.source) as sampler:
            _break(run, fault, delay)
            before, early = _freezer(run), (run.folder / "FATE").exists()
            began = time.monotonic()
            if agent:
                acted: Any = thaw.thaw(HOST, run.source.cgroup, folder)
            else:
                acted = _wait_number(run.folder / "deadman.rc")
            done = time.monotonic()
            row: Row = {
                "before": before,
                "early": early,
                "acted": acted,
                "took": round(done - began, 4),
            }
            row["runs_at_once"] = run.source.runs(0.1)
            time.sleep(2.0)
            words = sampler.words(done)
        row |= {"words": words, "runs_2s_later": run.source.runs(0.1)}
        row["criu_left"] = sorted(thaw.tracers(run.source.cgroup))
        return row | {"wrong_words": run.source.wrong_words(), "threads": _threads(run)}


def _break(run: Run, fault: str, delay: float) -> None:
    run.start()
    if fault in ("serving", "orphan"):
        dump.wait(HOST, run.spec, run.source.cgroup, seconds=20)
        if fault == "orphan":
            runc = int((run.folder / "dump.pid").read_text())
            os.kill(runc, signal.SIGKILL)
            run.wait_code()
        return
    _until_thawed(run)
    time.sleep(delay)
    run.kill(stop=fault == "hanging")
    if fault == "killed":
        run.wait_code()
        run.source.cgroup.freeze()


def _wait_ready(run: Run, *, agent_writes: bool) -> Row:
    """Reach "ready" with the agent's own wait, which writes FROZEN, or without that write."""
    if not agent_writes:
        run.ready()
        return {"at_ready": _freezer(run), "states": run.source.task_states()}
    dump.wait(HOST, run.spec, run.source.cgroup, seconds=20)
    return {"at_ready": _freezer(run), "states": run.source.task_states()}


def _after(run: Run, sampler: Sampler, since: float) -> Row:
    """One second after `since`: the freezer's words and whether the workload ran."""
    time.sleep(0.02)
    first = run.source.beats()
    time.sleep(_WATCH_SECONDS)
    last = run.source.beats()
    return {
        "words": sampler.words(since),
        "states_after": run.source.task_states(),
        "ran_since_freeze": last != run.source_beats,
        "ran_after": last != first,
        "beats_in_1s": last[0] - first[0],
    }


def _alive_again(run: Run) -> Row:
    """Thaw as the agent does; whether the workload runs, and its memory."""
    thawed = thaw.thaw(HOST, run.source.cgroup, str(run.folder))
    return {
        "thaw": thawed,
        "runs_again": run.source.runs(1.0),
        "wrong_words": run.source.wrong_words(),
        "threads": _threads(run),
    }


def _until_thawed(run: Run) -> None:
    deadline = time.monotonic() + 20
    while _freezer(run) != "THAWED":
        if time.monotonic() > deadline:
            raise RuntimeError("criu never wrote THAWED")
        time.sleep(0.0005)


def _open_status(run: Run) -> int:
    """A reader of the status FIFO: without one the dump would wait before it begins."""
    path = run.folder / "status"
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def _wait_number(path: Path, seconds: float = 30.0) -> int | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(path.read_text())
        time.sleep(0.002)
    return None


def _freezer(run: Run) -> str:
    return (run.source.cgroup.folder / "freezer.state").read_text().strip()


def _threads(run: Run) -> int:
    return len(run.source.task_states())


def _comm(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
