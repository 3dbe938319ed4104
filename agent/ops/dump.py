"""Pausing and dumping a container with the node's runc and criu.

Owns: the command line, its detached process (pid and rc file), reading the frozen state back.
Never does: kill a container, or leave it running once the dump ended well.
What criu does to the freezer meanwhile, see docs/decisions/0001.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host
from podferry.agent.ops.probe import GHOST_LIMIT_BYTES

RUNC_ROOT = "/run/containerd/runc/k8s.io"
_FIXED = ("--tcp-established", "--ext-unix-sk", "--file-locks", "--manage-cgroups-mode", "ignore")
_GHOSTS = f"ghost-limit {GHOST_LIMIT_BYTES >> 20}M"
_POLL_SECONDS = 0.002
_ERROR = re.compile(r"Error \([^)]*\): (.*)")


@dataclass(frozen=True, slots=True)
class DumpSpec:
    """One dump. Folders and files are paths on the node.

    `options`: lines of criu's configuration for this dump (where pages go, TLS). `carrier`: a
    command that runs the dump and carries its pages (StopAndCopy). `serve`: address and port on
    which pages are served (PostCopy).
    """

    container_id: str
    folder: str
    images_dir: str
    work_dir: str
    options: tuple[str, ...] = ()
    carrier: tuple[str, ...] = ()
    serve: tuple[str, int] | None = None

    @property
    def lazy(self) -> bool:
        """Whether pages stay here and are served."""
        return self.serve is not None


@dataclass(frozen=True, slots=True)
class DumpResult:
    """Seconds of each part; `dump_seconds` ends, if lazy, when pages can be served."""

    pause_seconds: float
    dump_seconds: float


class DumpFailed(Exception):
    """runc or criu refused; the text holds criu's own error."""


def pause(host: Host, container_id: str, cgroup: Cgroup) -> float:
    """Freeze the container and read it back. Returns seconds. Raises DumpFailed.

    runc keeps no state of a pause beside the freezer itself, so one freezer write is the pause.
    """
    began = time.monotonic()
    if not cgroup.freeze():
        cgroup.thaw()
        raise DumpFailed(
            f"container {container_id[:12]} did not freeze within 5 s; a task hangs in the kernel"
            " (state D, often network storage); try again when it is idle"
        )
    return time.monotonic() - began


def command(spec: DumpSpec) -> list[str]:
    """The runc command line of a dump."""
    argv = ["runc", "--root", RUNC_ROOT, "checkpoint", "--leave-running", *_FIXED]
    if spec.serve is not None:
        address, port = spec.serve
        argv += ["--page-server", f"{address}:{port}", "--lazy-pages", "--status-fd", "7"]
    argv += ["--image-path", spec.images_dir, "--work-path", spec.work_dir, spec.container_id]
    if spec.lazy:
        fifo = f"{spec.folder}/status"
        return ["sh", "-c", 'exec 7>"$0"; exec "$@"', fifo, *argv]
    return [*spec.carrier, *argv]


def start(host: Host, spec: DumpSpec) -> int:
    """Start the dump detached; dump.pid and dump.rc in the folder tell of it. Returns the pid."""
    if spec.lazy:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(host.path(f"{spec.folder}/status"), 0o600)
    folder = spec.folder
    env = {"CRIU_CONFIG_FILE": _configure(host, spec)}
    return host.spawn_detached(
        command(spec), f"{folder}/dump.out", f"{folder}/dump.pid", f"{folder}/dump.rc", env=env
    )


def _configure(host: Host, spec: DumpSpec) -> str:
    """Write this dump's criu configuration; returns its path on the node.

    A container that was restored carries the path of its restore's configuration, which runc hands
    to criu again: this dump's lines go there too. `network-lock skip`: our shield is the lock, and
    a killed criu would leave its own behind (docs/decisions/0001).
    """
    text = "\n".join(["network-lock skip", _GHOSTS, *spec.options]) + "\n"
    places = [f"{spec.folder}/criu-dump.conf"]
    with contextlib.suppress(OSError, ValueError):
        state = json.loads(
            Path(host.path(f"{RUNC_ROOT}/{spec.container_id}/state.json")).read_text()
        )
        for label in state.get("config", {}).get("labels") or []:
            key, _, path = str(label).partition("=")
            if key == "org.criu.config" and path:
                places.append(path)
    for place in places:
        local = Path(host.path(place))
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(text)
    return places[0]


def wait(host: Host, spec: DumpSpec, cgroup: Cgroup, *, seconds: float) -> None:
    """Wait for the end of a dump (lazy: until it serves), then make sure it is frozen.

    Raises DumpFailed with criu's error, also when `seconds` are over (the dump still runs then).
    """
    deadline = time.monotonic() + seconds
    rc_file = Path(host.path(f"{spec.folder}/dump.rc"))
    ready = _Ready(host.path(f"{spec.folder}/status")) if spec.lazy else None
    try:
        while time.monotonic() < deadline:
            if rc_file.exists():
                code = int(rc_file.read_text() or "1")
                if code != 0:
                    raise DumpFailed(explain(host, spec, code))
                break
            if ready is not None and ready.signalled():
                break
            time.sleep(_POLL_SECONDS)
        else:
            raise DumpFailed(f"the dump did not end within {seconds:.0f} s")
    finally:
        if ready is not None:
            ready.close()
    # While it works criu writes THAWED and holds the tasks by ptrace; the freezer must say
    # FROZEN again before anything relies on it.
    if not cgroup.freeze():
        raise DumpFailed("the container was not frozen after its dump; its images are void")


def explain(host: Host, spec: DumpSpec, code: int) -> str:
    """Criu's own errors of a failed dump, or what runc said."""
    for name in (f"{spec.work_dir}/dump.log", f"{spec.folder}/dump.out"):
        with contextlib.suppress(OSError):
            text = Path(host.path(name)).read_text(errors="replace")
            errors = [line for line in _ERROR.findall(text) if "RLIMIT_NOFILE" not in line]
            if errors:
                return "criu: " + "; ".join(errors[:3])
            if text.strip() and name.endswith(".out"):
                return text.strip().splitlines()[-1]
    return f"runc checkpoint ended with {code} and left no log"


class _Ready:
    """Reader of the FIFO in which criu says that it can serve pages."""

    def __init__(self, path: str) -> None:
        self._handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def signalled(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self._handle, 1))
        return False

    def close(self) -> None:
        os.close(self._handle)
