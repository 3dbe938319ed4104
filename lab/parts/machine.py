"""Whether this machine can build the parts and run a lab, found out without changing anything."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from podferry.lab.parts.store import cache_dir

GIB = 1 << 30
LEAST_DISK = 8 * GIB
LEAST_MEMORY = 6 * GIB
# tool -> Debian package that has it
TOOLS = {
    "debootstrap": "debootstrap",
    "gcc": "gcc",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    "unshare": "util-linux",
}
_LOOP = Path("/dev/loop-control")


@dataclass(frozen=True, slots=True)
class Facts:
    """What matters about a machine; sizes in bytes."""

    root: bool
    loop: str
    cache: Path
    free_disk: int
    memory: int
    missing_tools: tuple[str, ...]


def check_machine() -> list[str]:
    """Problems of this machine, one line each with what to do; empty where a lab can run."""
    return problems(gather())


def problems(facts: Facts) -> list[str]:
    """The lines for these facts. `loop` is empty where loop devices can be had, else why not."""
    found: list[str] = []
    if not facts.root:
        found.append("not root: the lab makes namespaces and mounts; run the command with sudo")
    if facts.loop:
        found.append(
            f"no loop devices ({facts.loop}): each node's disk is one; run `modprobe loop`, or in "
            "a container give it /dev/loop-control and the loop devices"
        )
    if facts.free_disk < LEAST_DISK:
        found.append(
            f"{facts.cache}: {_gib(facts.free_disk)} free, {_gib(LEAST_DISK)} needed; make room, "
            "or set PODFERRY_CACHE to a folder on a larger disk"
        )
    if facts.memory < LEAST_MEMORY:
        found.append(
            f"memory: this machine has {_gib(facts.memory)}, {_gib(LEAST_MEMORY)} needed for the "
            "control plane and two nodes; use a larger machine"
        )
    if facts.missing_tools:
        packages = sorted({TOOLS[tool] for tool in facts.missing_tools})
        found.append(
            f"missing tools: {', '.join(facts.missing_tools)}; run `make setup` as root, or "
            f"apt-get install {' '.join(packages)}"
        )
    return found


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def gather() -> Facts:
    """The facts of this machine."""
    cache = cache_dir()
    existing = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    # /usr/sbin is not in everyone's PATH, but in that of the commands that we start as root
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return Facts(
        root=os.geteuid() == 0,
        loop=_loop_problem(),
        cache=cache,
        free_disk=shutil.disk_usage(existing).free,
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        missing_tools=tuple(tool for tool in TOOLS if shutil.which(tool, path=path) is None),
    )


def _loop_problem() -> str:
    try:
        os.close(os.open(_LOOP, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        # someone who is not root is told that first; it is a fact about the machine only for root
        return f"{_LOOP}: not permitted" if os.geteuid() == 0 else ""
    except OSError as error:
        return f"{_LOOP}: {error.strerror}"
    return ""
