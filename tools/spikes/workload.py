"""The container that kill_criu.py freezes, dumps and looks at. Runs on the lab node.

Owns: its bundle, its start and its end, when its two threads last ran, the check of its memory.
Never does: freeze, thaw or dump.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path
from types import TracebackType

from podferry.agent.ops.dump import RUNC_ROOT
from podferry.agent.ops.freezer import Cgroup

_NAMESPACES = ("pid", "network", "ipc", "uts", "mount")


class Workload:
    """One container with `mebibytes` of memory in a fixed pattern; a context manager."""

    def __init__(self, root: Path, program: Path, name: str, mebibytes: int) -> None:
        self.id = name
        self.bundle = root / name
        self.cgroup = Cgroup(Path(f"/sys/fs/cgroup/freezer/podferry-spike/{name}"), v2=False)
        self._write_bundle(program, mebibytes)

    def __enter__(self) -> Workload:
        log = self.bundle / "runc.log"
        argv = ["runc", "--root", RUNC_ROOT, "--log", str(log), "run", "-d"]
        null = subprocess.DEVNULL  # criu follows no other descriptor out of the container
        done = subprocess.run(
            [*argv, "--bundle", str(self.bundle), self.id], stdin=null, stdout=null, stderr=null
        )
        if done.returncode:
            raise RuntimeError(f"runc run {self.id}: {log.read_text().strip()}")
        deadline = time.monotonic() + 20
        while not self._words()[7]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.id} was not ready after 20 s")
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cgroup.kill()
        argv = ["runc", "--root", RUNC_ROOT, "delete", "--force", self.id]
        subprocess.run(argv, capture_output=True)
        self._state.close()
        shutil.rmtree(self.bundle, ignore_errors=True)

    def beats(self) -> tuple[int, int]:
        """How often each thread ran so far."""
        words = self._words()
        return words[1], words[2]

    def last_beat(self) -> float:
        """When the first thread ran last [s of CLOCK_MONOTONIC]."""
        return self._words()[0] / 1e9

    def runs(self, seconds: float) -> bool:
        """Whether both threads run within `seconds` from now."""
        before = self.beats()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            now = self.beats()
            if now[0] > before[0] and now[1] > before[1]:
                return True
            time.sleep(0.001)
        return False

    def wrong_words(self, seconds: float = 20.0) -> int | None:
        """Words of memory that changed; None when the workload does not answer in time."""
        question = self._words()[4] + 1
        self._state[24:32] = struct.pack("<Q", question)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            words = self._words()
            if words[4] == question:
                return words[5]
            time.sleep(0.005)
        return None

    def task_files(self) -> list[Path]:
        """/proc/PID/task/TID/stat of every thread."""
        found: list[Path] = []
        for pid in self.cgroup.pids():
            found += Path(f"/proc/{pid}/task").glob("*/stat")
        return found

    def task_states(self) -> str:
        """The state letter of every thread, sorted, as /proc says it."""
        return states_of(self.task_files())

    def _words(self) -> tuple[int, ...]:
        return struct.unpack("<8Q", self._state[:64])

    def _write_bundle(self, program: Path, mebibytes: int) -> None:
        rootfs = self.bundle / "rootfs"
        for folder in ("proc", "dev"):
            (rootfs / folder).mkdir(parents=True)
        shutil.copy(program, rootfs / "source")
        (rootfs / "state").write_bytes(bytes(4096))
        handle = os.open(rootfs / "state", os.O_RDWR)
        self._state = mmap.mmap(handle, 4096)
        os.close(handle)
        config = {
            "ociVersion": "1.2.0",
            "process": {
                "args": ["/source", str(mebibytes)],
                "cwd": "/",
                "env": [],
                "user": {"uid": 0, "gid": 0},
                "noNewPrivileges": True,
            },
            "root": {"path": "rootfs", "readonly": False},
            "hostname": "spike",
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            ],
            "linux": {
                "cgroupsPath": f"/podferry-spike/{self.id}",
                "namespaces": [{"type": kind} for kind in _NAMESPACES],
            },
        }
        (self.bundle / "config.json").write_text(json.dumps(config))


def states_of(files: list[Path]) -> str:
    """The state letters in these files, sorted; a thread that is gone has none."""
    found = []
    for stat in files:
        with contextlib.suppress(OSError):
            found.append(stat.read_text().rpartition(")")[2].split()[0])
    return "".join(sorted(found))
