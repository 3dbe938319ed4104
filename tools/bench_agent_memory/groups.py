"""Memory cgroups of pods that are not there: real ones of this kernel. Needs root."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
_CONTAINERS = ("sandbox", "main")


def is_v2() -> bool:
    """Whether the machine's memory controller is that of cgroup v2."""
    return (MOUNT / "cgroup.controllers").exists()


@contextlib.contextmanager
def pods(count: int) -> Iterator[str]:
    """A folder as /sys/fs/cgroup is, with `count` pods of two containers each; removed after."""
    above = MOUNT if is_v2() else MOUNT / "memory"
    top = above / f"podferry-bench-{os.getpid()}"
    made: list[Path] = []

    def make(path: Path) -> None:
        path.mkdir()
        made.append(path)

    try:
        for folder in ("", "kubepods", "kubepods/burstable"):
            make(top / folder)
        for _ in range(count):
            pod = top / "kubepods" / "burstable" / f"pod{uuid.uuid4()}"
            for path in (pod, *(pod / name for name in _CONTAINERS)):
                make(path)
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "memory").symlink_to(top)
            yield str(top) if is_v2() else scratch
    finally:
        for path in reversed(made):
            path.rmdir()
