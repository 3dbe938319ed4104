"""What of a running container cannot be moved, and how big it is. Reads /proc only.

Asked at request time and again right before the freeze, since a program may open things later.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podferry.agent.ops import guests, kubelet_files

_PLAIN_DEVICES = re.compile(
    r"^/dev/(null|zero|full|random|urandom|shm/.*|pts/ptmx|ptmx)( \(deleted\))?$"
)
_TERMINAL = re.compile(r"^/dev/(pts/\d+|tty.*|console)")
_NO_MPTCP = "turn it off (Go: GODEBUG=multipathtcp=0)"
_PAGE = 4096
GHOST_LIMIT_BYTES = 64 << 20
"""Largest deleted file whose content criu carries in the freeze; its own default is 1 MiB."""
_ESTABLISHED, _UNCONNECTED, _LISTEN = "01", "07", "0A"
_EVERYWHERE = ("00000000", "0" * 32, "0000000000000000FFFF000000000000")
_LOOPBACK = re.compile(r"(0{16}FFFF0000)?[0-9A-F]{6}7F|0{24}01000000")
"""127.0.0.0/8, plain or mapped, and ::1, in the byte order of /proc/net on x86 and ARM."""


_EXEC = "ExecSession"
GUESTS_LEAVE_SECONDS = 2.0
_POLL_SECONDS = 0.02


@dataclass(slots=True)
class _Seen:
    blockers: dict[str, str] = field(default_factory=dict)
    resident_bytes: int = 0
    shmem_bytes: int = 0
    open_files: int = 0
    sockets: set[str] = field(default_factory=set)

    def block(self, reason: str, message: str) -> None:
        self.blockers.setdefault(reason, message)


def probe(pids: list[int], *, proc: Path = Path("/proc"), shared: bool = False) -> dict[str, Any]:
    """The Probe of `wire/agent_api.py` for the processes of one container (node pids).

    `shared`: other containers use its network namespace, whose sockets do not travel.
    """
    seen = _Seen()
    for pid in pids:
        folder = proc / str(pid)
        with contextlib.suppress(OSError):
            _status(folder, pid, seen)
            _descriptors(folder, pid, seen)
            if path := kubelet_files.mapped(folder):
                seen.block("UnsupportedResource", kubelet_files.words(pid, path, "mapped"))
    strangers = guests.find(pids, proc=proc)
    if strangers:
        seen.block(_EXEC, guests.words(strangers))
    connections = 0
    if pids:
        net = proc / str(pids[0]) / "net"
        connections = _connections(net)
        if not shared:
            _protocols(net, seen)
        _bound(net, seen, only=seen.sockets if shared else None)
    return {
        "ok": not seen.blockers,
        "blockers": [
            {"reason": reason, "message": message} for reason, message in seen.blockers.items()
        ],
        "residentBytes": seen.resident_bytes,
        "shmemBytes": seen.shmem_bytes,
        "tcpConnections": connections,
        "processes": len(pids),
        "openFiles": seen.open_files,
    }


def settled(
    pids: Callable[[], list[int]],
    *,
    proc: Path = Path("/proc"),
    shared: bool = False,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Probe; while only exec'd processes are in the way, wait up to 2 s: most are kubelet's probes.

    Args:
        pids: reads the processes of the container.
        shared: see `probe`.
    """
    deadline = clock() + GUESTS_LEAVE_SECONDS
    while True:
        answer = probe(pids(), proc=proc, shared=shared)
        alone = {item["reason"] for item in answer["blockers"]} == {_EXEC}
        if not alone or clock() >= deadline:
            return answer
        pause(_POLL_SECONDS)


def _status(folder: Path, pid: int, seen: _Seen) -> None:
    for line in (folder / "status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key in ("RssAnon", "RssShmem"):
            size = int(value.split()[0]) * 1024
            seen.resident_bytes += size
            seen.shmem_bytes += size if key == "RssShmem" else 0
        elif key == "State" and value.strip().startswith("T"):
            seen.block(
                "UnsupportedResource",
                f"process {pid} is stopped by a signal; CRIU waits for ever on a stopped task of a"
                f" frozen container (kill -CONT {pid}, or end it)",
            )
        elif key == "TracerPid" and value.strip() != "0":
            seen.block(
                "UnsupportedResource",
                f"process {pid} is traced by process {value.strip()}; detach the debugger",
            )


def _descriptors(folder: Path, pid: int, seen: _Seen) -> None:
    for entry in (folder / "fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        seen.open_files += 1
        if target.startswith("socket:["):
            seen.sockets.add(target[8:-1])
        if target.endswith(" (deleted)") and not target.startswith("/memfd:"):
            _ghost(entry, pid, target, seen)
        if target.startswith("socket:") and _is_mptcp(entry):
            seen.block(
                "MPTCP",
                f"process {pid} has an MPTCP socket open (fd {entry.name}), which CRIU cannot dump;"
                f" {_NO_MPTCP}",
            )
        elif kubelet_files.is_one(target):
            seen.block("UnsupportedResource", kubelet_files.words(pid, target, "open"))
        elif "io_uring" in target:
            seen.block(
                "IOUring",
                f"process {pid} uses io_uring, which CRIU cannot dump; turn it off (Node.js:"
                " UV_USE_IO_URING=0, PostgreSQL: io_method=worker)",
            )
        elif _TERMINAL.match(target):
            seen.block("TerminalAttached", f"process {pid} has the terminal {target} open")
        elif target.startswith("/dev/") and not _PLAIN_DEVICES.match(target):
            seen.block(
                "Devices", f"process {pid} has the device {target} open, its state cannot travel"
            )
        elif target.startswith("anon_inode:") and any(
            kind in target for kind in ("bpf", "perf_event", "kvm", "userfaultfd", "fanotify")
        ):
            seen.block("UnsupportedResource", f"process {pid} has {target} open (fd {entry.name})")


def _ghost(entry: Path, pid: int, target: str, seen: _Seen) -> None:
    """A deleted file that is still open: nobody but criu can carry it."""
    with contextlib.suppress(OSError):
        status = os.stat(entry)
        size = status.st_blocks * 512
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 0 and size > GHOST_LIMIT_BYTES:
            seen.block(
                "UnsupportedResource",
                f"process {pid} has {target.removesuffix(' (deleted)')} open (fd {entry.name}),"
                f" which was deleted and holds {size / 2**20:.0f} MiB; criu carries up to"
                f" {GHOST_LIMIT_BYTES / 2**20:.0f} MiB of it in the freeze. Close it, or keep it as"
                " a file with a name",
            )


def _is_mptcp(entry: Path) -> bool:
    """Asked of the socket itself: `net/protocols` counts it only once it is bound or connected."""
    with contextlib.suppress(OSError):
        return os.getxattr(entry, "system.sockprotoname").startswith(b"MPTCP")
    return False


def _connections(net: Path) -> int:
    count = 0
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            lines = (net / name).read_text().splitlines()[1:]
            count += sum(1 for line in lines if line.split()[3] == _ESTABLISHED)
    return count


def _bound(net: Path, seen: _Seen, *, only: set[str] | None) -> None:
    """Servers that named the pod's address: at the target it is another one, and bind fails.

    `only`: the inodes of the sockets to look at; None: all of the namespace.
    """
    for name, state in (("tcp", _LISTEN), ("tcp6", _LISTEN), ("udp", _UNCONNECTED),
                        ("udp6", _UNCONNECTED)):  # fmt: skip
        with contextlib.suppress(OSError):
            for line in (net / name).read_text().splitlines()[1:]:
                fields = line.split()
                address, _, port = fields[1].partition(":")
                if fields[3] != state or address in _EVERYWHERE or _LOOPBACK.fullmatch(address):
                    continue
                if only is not None and fields[9] not in only:
                    continue
                seen.block(
                    "UnsupportedResource",
                    f"{name} port {int(port, 16)} is bound to an address of this pod, and the pod"
                    " at the target has another one; bind it to 0.0.0.0 or [::] instead",
                )


def _protocols(net: Path, seen: _Seen) -> None:
    """`sockets` per protocol: also those that belong to no process, which wait to be accepted."""
    with contextlib.suppress(OSError):
        for line in (net / "protocols").read_text().splitlines()[1:]:
            fields = line.split()
            if fields and fields[0].startswith("MPTCP") and int(fields[2]) > 0:
                seen.block(
                    "MPTCP",
                    f"{fields[2]} MPTCP socket(s) in use, which CRIU cannot dump; {_NO_MPTCP}",
                )
