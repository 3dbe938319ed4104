"""One dump of one workload, and a sampler beside it. Runs on the lab node, on the agent's `ops`.

Owns: the dump's folder, its page server, finding and ending its criu, reading the freezer often.
Never does: judge what was read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from podferry.agent.ops import deadman, dump, processes, restore_config, thaw
from podferry.agent.ops.host import Host
from tools.spikes.workload import Workload, states_of

HOST = Host("", enter=False)
_PORT = 27431


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the runs live, and the size of the workload [MiB]."""

    root: Path
    program: Path
    mebibytes: int
    tls: Path

    @contextlib.contextmanager
    def run(self, number: int, *, lazy: bool, tls: bool = False) -> Iterator[Run]:
        """A workload with a dump that was not started; everything is ended afterwards."""
        folder = self.root / f"attempt-{number}"
        for name in ("images", "work", "pages"):
            (folder / name).mkdir(parents=True)
        with Workload(self.root, self.program, f"spike-{number}", self.mebibytes) as source:
            config = folder / "tls.conf" if tls else None
            if config is not None:
                lines = restore_config.tls_lines(str(self.tls))
                config.write_text("\n".join(lines) + "\n")
            found = Run(source, folder, _PORT + number % 500, lazy, config)
            try:
                yield found
            finally:
                thaw.thaw(HOST, source.cgroup, str(folder))
                deadman.disarm(HOST, str(folder))
                found.end_page_server()
        shutil.rmtree(folder)


class Missed(RuntimeError):
    """The dump was over before the fault; the run says nothing."""


class Run:
    """One dump of one workload."""

    def __init__(
        self, source: Workload, folder: Path, port: int, lazy: bool, config: Path | None
    ) -> None:
        self.source, self.folder, self.port, self.lazy = source, folder, port, lazy
        self._config = str(config or "")
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def spec(self) -> dump.DumpSpec:
        """The dump as the agent would order it: pages to a page server, or served."""
        text = str(self.folder)
        server = ("page-server", "address 127.0.0.1", f"port {self.port}")
        return dump.DumpSpec(
            self.source.id,
            text,
            f"{text}/images",
            f"{text}/work",
            options=self._options() if self.lazy else (*self._options(), *server),
            serve=("127.0.0.1", self.port) if self.lazy else None,
        )

    def _options(self) -> tuple[str, ...]:
        return tuple(Path(self._config).read_text().splitlines()) if self._config else ()

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
            raise Missed("no criu was there to kill")
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if stop else signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not stop and any(processes.alive(pid) for pid in victims):
            if time.monotonic() > deadline:
                raise RuntimeError("criu did not die within 10 s")
            time.sleep(0.0005)

    def freezer(self) -> str:
        """What the freezer reads now."""
        return (self.source.cgroup.folder / "freezer.state").read_text().strip()

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
        tasks = self.source.task_files()  # the workload starts no others
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                moment = time.monotonic()  # before the read: a late stamp would date it too late
                word = path.read_text().strip()
                self.samples.append((moment, word, states_of(tasks)))
            self._stop.wait(0.001)

    def gap(self) -> float:
        """Median time between two samples [s]."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return statistics.median(b[0] - a[0] for a, b in pairs)

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


def _comm(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
