"""Everything on a machine that a lab could leave behind, as comparable sets."""

from __future__ import annotations

import os
from pathlib import Path


def snapshot(name: str) -> dict[str, set[str]]:
    """What exists now that belongs to the lab `name`, or to the whole machine where it is shared.

    Processes are told by their command line or cgroup holding the lab's name: other labs and
    other programs may come and go meanwhile.
    """
    return {
        "processes": _processes(name),
        "mounts": _mounts(),
        "loops": _loops(name),
        "cgroups": _cgroups(name),
        "netns": {p.name for p in Path("/run/netns").glob("pf-*") if f"pf-{name}-" in p.name},
        "interfaces": set(os.listdir("/sys/class/net")),
        "folders": {str(p) for p in Path("/var/lib/podferry-lab").glob(f"*{name}*")},
        "claims": {str(p) for p in Path("/run/podferry-lab").glob(name)},
    }


def _processes(name: str) -> set[str]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            groups = (folder / "cgroup").read_text()
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"podferry-lab-{name}/" in groups or f"podferry-lab/{name}/" in command:
            found.add(folder.name)
    return found


def _mounts() -> set[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # the folder of named network namespaces stays while another lab has some
    return {p for p in (line.split()[4] for line in lines) if "/run/netns" not in p}


def _loops(name: str) -> set[str]:
    found = set()
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if f"podferry-lab/{name}/" in (backing := path.read_text()):
                found.add(backing)
        except OSError:
            continue
    return found


def _cgroups(name: str) -> set[str]:
    roots = Path("/sys/fs/cgroup")
    return {
        str(p) for depth in ("*", "*/*") for p in roots.glob(f"{depth}/podferry-lab-{name}")
    } | {str(p) for p in roots.glob(f"podferry-lab-{name}")}
