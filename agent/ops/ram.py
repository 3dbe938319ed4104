"""A file system in memory for what a checkpoint consists of, so that no byte of it meets a disk.

Owns: one tmpfs a side of an attempt, mounted on the node (it outlives the agent, not a reboot), its
size, its end, and how much memory the node can spare. Never does: fall back to a disk.
Why not an encrypted disk: docs/decisions/0011.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from podferry.agent.ops.host import Host

# Before Linux 6.4 there is no noswap; then these pages may be swapped, as the workload's own may.
_MOUNT = 'for o in "noswap,$1" "$1"; do mount -t tmpfs -o "$o" podferry "$0" && exit; done 2>&1'
_KIB = 1024


class RamFailed(Exception):
    """The file system could not be mounted, resized or ended; the text holds mount's words."""


def hold(host: Host, path: str, size: int) -> None:
    """See that a file system in memory of at most `size` bytes is at the node's `path`.

    One that is there keeps its content and gets the size. Raises RamFailed.
    """
    if os.path.ismount(host.path(path)):
        argv = ["mount", "-o", f"remount,size={size}", path]
    else:
        os.makedirs(host.path(path), mode=0o700, exist_ok=True)
        argv = ["sh", "-c", _MOUNT, path, f"size={size},mode=0700,nosuid,nodev,noexec"]
    done = host.run(argv)
    if done.returncode != 0:
        raise RamFailed(f"{path}: {done.stderr.strip() or done.stdout.strip()}")


def release(host: Host, path: str) -> None:
    """Give the memory back at once, then take the mount away. Raises RamFailed."""
    local = host.path(path)
    if os.path.isdir(local):
        for entry in list(os.scandir(local)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)
    if os.path.ismount(local):
        # Lazily: a copy of the mount in another namespace, or a log that is still open, may linger.
        done = host.run(["umount", "-l", path])
        if done.returncode != 0:
            raise RamFailed(f"{path}: {done.stderr.strip()}")
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(local)


def available_bytes(host: Host, *, meminfo: str = "/proc/meminfo") -> int:
    """Memory that the node can spare, counted as kubelet does before it evicts [bytes].

    Free memory and the page cache that nobody used lately; where the node's own group has a limit
    (a node in a container), no more than that leaves.
    """
    with open(meminfo, encoding="ascii") as source:
        lines = dict(line.split(":", 1) for line in source)
    free = sum(int(lines[key].split()[0]) * _KIB for key in ("MemFree", "Inactive(file)"))
    limited = (
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
        ("memory.max", "memory.current", "memory.stat"),
    )
    for limit, usage, stat in limited:
        with contextlib.suppress(OSError, ValueError, KeyError):
            bound = int(_text(host, limit))
            used = int(_text(host, usage))
            counts = dict(line.split() for line in _text(host, stat).splitlines())
            inactive = counts.get("total_inactive_file") or counts["inactive_file"]
            free = min(free, bound - used + int(inactive))
    return max(0, free)


def _text(host: Host, name: str) -> str:
    with open(host.path(f"/sys/fs/cgroup/{name}"), encoding="ascii") as source:
        return source.read()
