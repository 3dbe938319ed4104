"""What this machine has and what a lab has left on it.

Reads only, but for the notes in /run/podferry-lab that say where a lab keeps its state.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from podferry.lab.cluster import cgroups, model
from podferry.lab.cluster.cgroups import Layout
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import Lab

TOOLS = ("ip", "mount", "umount", "nsenter", "unshare", "mkfs.ext4", "losetup", "pivot_root")
CLAIMS = Path("/run/podferry-lab")
CONTROL_MEMORY = 1 << 30
"""Bytes that the control plane and the forwarder take, with room."""
MIN_DISK = 4 << 30
"""Bytes that a small lab writes: image layers, etcd, logs."""


def check_root() -> None:
    """LabError unless root."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root (namespaces, mounts, cgroups); run it with sudo")


def layout() -> Layout:
    """The machine's cgroups; LabError says what is missing."""
    try:
        return cgroups.detect(
            Path("/proc/self/mountinfo").read_text(), Path("/proc/cgroups").read_text()
        )
    except cgroups.NoCgroups as error:
        raise LabError(str(error)) from None


def check(lab: Lab, *, nodes: int, node_memory: int) -> None:
    """Refuse, before anything is changed, a machine that cannot hold the lab."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise LabError(
            f"tools missing: {', '.join(missing)}; install iproute2, util-linux, e2fsprogs, mount"
        )
    if not Path("/dev/loop-control").exists():
        raise LabError("no loop devices (/dev/loop-control is missing); try: modprobe loop")
    need = CONTROL_MEMORY + nodes * node_memory
    have = available_memory(Path("/proc/meminfo").read_text())
    if have < need:
        raise LabError(
            f"too little memory: {nodes} nodes of {node_memory // model.MIB} MiB and the control "
            f"plane need {need // model.MIB} MiB, {have // model.MIB} MiB are available; "
            "use fewer --nodes or a smaller --node-memory"
        )
    folder = lab.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < MIN_DISK:
        raise LabError(
            f"too little disk: {folder} has {free // model.MIB} MiB free, a lab needs "
            f"{MIN_DISK // model.MIB} MiB; set PODFERRY_LAB_HOME to a larger disk"
        )


def check_home(lab: Lab) -> None:
    """Refuse a lab of this name whose state is kept elsewhere: its namespaces are not ours."""
    try:
        other = Path((CLAIMS / lab.name).read_text())
    except OSError:
        return
    if other != lab.home and (other / "state.json").exists():
        raise LabError(
            f"a lab {lab.name!r} has its state in {other}; use another --name, or set "
            f"PODFERRY_LAB_HOME={other.parent}"
        )


def claim_home(lab: Lab) -> None:
    """Note where the lab of this name keeps its state, until the next boot or `down`."""
    CLAIMS.mkdir(exist_ok=True)
    (CLAIMS / lab.name).write_text(str(lab.home))


def release_home(lab: Lab) -> None:
    """Forget the note."""
    (CLAIMS / lab.name).unlink(missing_ok=True)
    if CLAIMS.is_dir() and not any(CLAIMS.iterdir()):
        CLAIMS.rmdir()


def available_memory(meminfo: str) -> int:
    """Bytes of MemAvailable in the text of /proc/meminfo."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def leftovers(lab: Lab) -> bool:
    """Whether anything of this lab exists outside its state folder."""
    groups = cgroups.folders(layout(), lab.cgroup)
    return bool(netns_of(lab)) or any(Path(group).exists() for group in groups)


def netns_of(lab: Lab) -> list[str]:
    """Names of the lab's network namespaces."""
    folder = Path("/run/netns")
    if not folder.is_dir():
        return []
    boxes = {model.CONTROL, *(node.name for node in model.nodes(model.MAX_NODES))}
    # by whole names: the prefix of lab `a` also begins the names of lab `a-node`
    return sorted(lab.netns(box) for box in boxes if (folder / lab.netns(box)).exists())


def mounts_below(folder: Path, mountinfo: str | None = None) -> list[str]:
    """Mount points below `folder` in this mount namespace, the deepest first."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    points = [line.split()[4] for line in text.splitlines() if line]
    return sorted((p for p in points if p.startswith(f"{folder}/")), key=len, reverse=True)


def loops_below(folder: Path) -> list[str]:
    """Loop devices whose backing file is (or was) below `folder`."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = path.read_text().strip()
        except OSError:
            continue
        if backing.startswith(f"{folder}/"):
            found.append(f"/dev/{path.parent.parent.name}")
    return found


def wait_gone(lab: Lab, seconds: float = 15.0) -> None:
    """The kernel ends mounts and loop devices of dead boxes a moment later: wait for it."""
    deadline = time.monotonic() + seconds
    while left := loops_below(lab.home):
        if time.monotonic() > deadline:
            raise LabError(f"still in use: {', '.join(left)}; see losetup -l")
        time.sleep(0.05)
