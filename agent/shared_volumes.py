"""Volumes that outlive the pod and that the target mounts too: what must be true of them.

Owns: finding them in the mounts of a container, what open files on them stand against a move, and
writing them out while the source is frozen. Never copies or changes their content.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from dataclasses import dataclass
from pathlib import Path

from podferry.agent.containers import Bundle
from podferry.agent.errors import AgentError
from podferry.agent.ops.host import Host

SYNC_SECONDS = 30.0
"""Longer, and storage that hangs would use up the freeze."""
_TRAVELS = ("empty-dir", "configmap", "secret", "projected", "downward-api")
_VOLUME = re.compile(r"/pods/[^/]+/(?:volumes/kubernetes\.io~([^/]+)|volume-subpaths)/")
_LOCK = re.compile(r"^\d+: (?:-> )?(\w+) +\w+ +\w+ (\d+) ([0-9a-f]+):([0-9a-f]+):\d+ ", re.M)


@dataclass(frozen=True, slots=True)
class Shared:
    """A mount of a persistent volume: path in the container, path on the node."""

    destination: str
    source: str


def of_bundle(bundle: Bundle) -> list[Shared]:
    """The mounts of a container that are persistent volumes."""
    found = []
    for mount in bundle.config.get("mounts", []):
        match = _VOLUME.search(str(mount.get("source", "")))
        if match and match[1] not in _TRAVELS:
            found.append(Shared(str(mount.get("destination")), str(mount["source"])))
    return found


def blockers(
    host: Host, bundle: Bundle, pids: list[int], *, most: int = 5, proc: Path = Path("/proc")
) -> list[dict[str, str]]:
    """What the processes hold on shared volumes that cannot be restored beside the source.

    At most `most` of them, as blockers of a probe.
    """
    volumes = {_device(host, one): one for one in of_bundle(bundle)}
    if not volumes:
        return []
    found = []
    for kind, pid, device in _locks(proc):
        if pid in pids and device in volumes:
            found.append(
                f"process {pid} holds a lock ({kind}) on a file of the volume at"
                f" {volumes[device].destination}: the frozen source would keep it from the target;"
                " move it when it holds none"
            )
    for pid in pids:
        for entry in _entries(proc / str(pid) / "fd"):
            with contextlib.suppress(OSError):
                name, status = os.readlink(entry), os.stat(entry)
                if status.st_dev in volumes and _is_deleted(name, status.st_nlink):
                    where = volumes[status.st_dev].destination
                    found.append(
                        f"process {pid} has a file open that was deleted from the volume at {where}"
                        f" (fd {entry.name}): the target cannot open it; move it when it is closed"
                    )
    return [{"reason": "UnsupportedResource", "message": text} for text in found[:most]]


def write_out_all(host: Host, bundles: list[Bundle]) -> None:
    """`write_out` of each of a pod's containers."""
    for bundle in bundles:
        write_out(host, bundle)


def write_out(host: Host, bundle: Bundle) -> None:
    """Write what the kernel holds back of the shared volumes; while the tasks are frozen.

    Raises AgentError: the target could read old content, so there is no going on.
    """
    for one in of_bundle(bundle):
        try:
            handle = os.open(host.path(one.source), os.O_RDONLY)
        except OSError as error:
            raise AgentError("SyncFailed", f"volume at {one.destination}: {error}") from error
        try:
            if _syncfs(handle) != 0:
                code = ctypes.get_errno()
                raise AgentError(
                    "SyncFailed",
                    f"volume at {one.destination} was not written out ({os.strerror(code)}); the"
                    " target could read old content. Look at its storage, then try again",
                )
        finally:
            os.close(handle)


def _syncfs(handle: int) -> int:
    """Release of the lock of the interpreter included: the call may take seconds."""
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syncfs(handle))


def _device(host: Host, one: Shared) -> int:
    with contextlib.suppress(OSError):
        return os.stat(host.path(one.source)).st_dev
    return -1


def _locks(proc: Path) -> list[tuple[str, int, int]]:
    """Kind, pid and device of every lock that the kernel shows."""
    with contextlib.suppress(OSError):
        return [
            (kind, int(pid), os.makedev(int(major, 16), int(minor, 16)))
            for kind, pid, major, minor in _LOCK.findall((proc / "locks").read_text())
        ]
    return []


def _entries(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _is_deleted(name: str, links: int) -> bool:
    """NFS keeps a deleted file that is open under another name."""
    return links == 0 or os.path.basename(name).startswith(".nfs")
