"""Which cgroup layout this machine has, and what a box needs in it.

Pure: reads the text of /proc files that it is given and returns operations (make a folder, write
a value, shell lines for the inside of a box). Others carry them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

V1_NEEDED = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
V2_NEEDED = ("cpu", "cpuset", "io", "memory", "pids")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted hierarchy; `controllers` is empty for cgroup v2 and named hierarchies."""

    path: str
    controllers: tuple[str, ...]
    name: str = ""
    v2: bool = False

    @property
    def options(self) -> str:
        """Mount options that give the same hierarchy again."""
        return f"none,name={self.name}" if self.name else ",".join(self.controllers)


@dataclass(frozen=True, slots=True)
class Layout:
    """The machine's hierarchies and whether the v1 or the v2 way is to be used."""

    version: Literal[1, 2]
    mounts: tuple[Mount, ...]


@dataclass(frozen=True, slots=True)
class Op:
    """`mkdir PATH`, `write VALUE to PATH`, or `copy` the file VALUE to PATH."""

    kind: Literal["mkdir", "write", "copy"]
    path: str
    value: str = ""


class NoCgroups(ValueError):
    """The machine lacks what a kubelet needs; the message says what."""


def detect(mountinfo: str, proc_cgroups: str) -> Layout:
    """Read /proc/self/mountinfo and /proc/cgroups.

    A controller belongs to v1 while /proc/cgroups gives it a hierarchy number other than 0.

    Raises:
        NoCgroups: neither layout offers the needed controllers.
    """
    found = [m for m in map(_parse_mount, mountinfo.splitlines()) if m is not None]
    on_v1 = {
        fields[0]
        for fields in (line.split() for line in proc_cgroups.splitlines())
        if len(fields) == 4 and not fields[0].startswith("#") and fields[1] != "0"
    }
    if "memory" in on_v1:
        mounted = {c for m in found for c in m.controllers}
        missing = [c for c in V1_NEEDED if c not in mounted]
        if missing:
            raise NoCgroups(f"cgroup v1 controllers not mounted: {', '.join(missing)}")
        keep = [m for m in found if m.v2 or m.name or any(c in V1_NEEDED for c in m.controllers)]
        return Layout(version=1, mounts=_unique(keep))
    unified = [m for m in found if m.v2]
    if not unified:
        raise NoCgroups("no cgroup file system is mounted; mount cgroup2 at /sys/fs/cgroup")
    return Layout(version=2, mounts=(unified[0],))


def _parse_mount(line: str) -> Mount | None:
    left, _, right = line.partition(" - ")
    fields, after = left.split(), right.split()
    if len(fields) < 6 or len(after) < 3 or after[0] not in ("cgroup", "cgroup2"):
        return None
    if fields[3] != "/":  # a part of a hierarchy, bind-mounted somewhere
        return None
    if after[0] == "cgroup2":
        return Mount(path=fields[4], controllers=(), v2=True)
    options = [o for o in after[2].split(",") if o not in ("rw", "ro", "xattr", "none")]
    name = next((o[5:] for o in options if o.startswith("name=")), "")
    known = [o for o in options if "=" not in o and o not in ("clone_children", "noprefix")]
    return Mount(path=fields[4], controllers=tuple(known), name=name)


def _unique(mounts: list[Mount]) -> tuple[Mount, ...]:
    seen: dict[tuple[object, ...], Mount] = {}
    for mount in mounts:
        seen.setdefault((mount.v2, mount.name, mount.controllers), mount)
    return tuple(seen.values())


def folders(layout: Layout, group: str) -> list[str]:
    """Every folder that `group` (no leading slash) has, one for each hierarchy."""
    return [f"{m.path}/{group}" for m in layout.mounts]


def create(layout: Layout, group: str, memory: int | None) -> list[Op]:
    """Operations that make `group` (`parent/box`) with an optional memory limit in bytes."""
    parent = group.rpartition("/")[0]
    ops: list[Op] = []
    for mount in layout.mounts:
        for level in (parent, group):
            folder = f"{mount.path}/{level}"
            ops.append(Op("mkdir", folder))
            if "cpuset" in mount.controllers:
                # an empty cpuset takes no process: inherit by hand
                for file in ("cpuset.cpus", "cpuset.mems"):
                    ops.append(Op("copy", f"{folder}/{file}", f"{mount.path}/{file}"))
        if layout.version == 2:
            enable = " ".join(f"+{c}" for c in V2_NEEDED)
            at = len(ops) - 1
            ops[at:at] = [
                Op("write", f"{mount.path}/cgroup.subtree_control", enable),
                Op("write", f"{mount.path}/{parent}/cgroup.subtree_control", enable),
            ]
        if memory is not None and "memory" in mount.controllers:
            limit = f"{mount.path}/{group}/memory.limit_in_bytes"
            ops.append(Op("write", limit, str(memory)))
        if memory is not None and layout.version == 2:
            ops.append(Op("write", f"{mount.path}/{group}/memory.max", str(memory)))
            ops.append(Op("write", f"{mount.path}/{group}/memory.swap.max", "0"))
    return ops


def outer(layout: Layout, group: str, pid: int) -> list[Op]:
    """Move the process that waits outside a box's pid namespace out of the way (v2 only).

    A v2 group that hands controllers down may not hold processes itself.
    """
    if layout.version == 1:
        return []
    folder = f"{layout.mounts[0].path}/{group}/outer"
    return [Op("mkdir", folder), Op("write", f"{folder}/cgroup.procs", str(pid))]


def inside(layout: Layout) -> list[str]:
    """Shell lines that mount the hierarchies afresh in a box (own cgroup namespace)."""
    if layout.version == 2:
        enable = " ".join(f"+{c}" for c in V2_NEEDED)
        return [
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
            # processes may not sit in a group that hands controllers down
            "mkdir -p /sys/fs/cgroup/init",
            "echo $$ > /sys/fs/cgroup/init/cgroup.procs",
            # the box's outer process leaves this group a moment later: see `outer`
            "n=0",
            f"until echo '{enable}' > /sys/fs/cgroup/cgroup.subtree_control 2> /dev/null; do",
            "  n=$((n + 1)); [ $n -lt 200 ] || exit 1; sleep 0.05",
            "done",
        ]
    lines = ["mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup"]
    for mount in layout.mounts:
        target = "/sys/fs/cgroup/" + (mount.name or ",".join(mount.controllers) or "unified")
        lines.append(f"mkdir -p {target}")
        if mount.v2:
            lines.append(f"mount -t cgroup2 cgroup2 {target}")
        else:
            lines.append(f"mount -t cgroup -o {mount.options} cgroup {target}")
    return lines


def has_sys_resource(proc_status: str) -> bool:
    """Whether CapEff of a /proc/PID/status holds CAP_SYS_RESOURCE (bit 24)."""
    for line in proc_status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> 24 & 1)
    return False
