"""Files of ConfigMaps, Secrets and projected volumes that a process keeps open or mapped.

Kubelet puts them into a folder named by the time of its making (`..2026_11_24_18_22_42.828903391`),
which another pod's volume does not have: CRIU then finds no such file at the target. Reads /proc.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

_FOLDER = re.compile(r"/\.\.\d{4}(_\d\d){5}\.\d+(/|$)")


def is_one(path: str) -> bool:
    """Whether a path, as /proc shows it, leads through a folder of kubelet's making."""
    return _FOLDER.search(path) is not None


def mapped(folder: Path) -> str:
    """The first such file that a process (its folder in /proc) has mapped, empty if none."""
    with contextlib.suppress(OSError), (folder / "maps").open(errors="replace") as lines:
        for line in lines:
            if "/.." in line and is_one(line.rstrip("\n")):
                return line.rstrip("\n").split(maxsplit=5)[-1]
    return ""


def words(pid: int, path: str, how: str) -> str:
    """Why it stands against a move, and what to do."""
    return (
        f"process {pid} has {path} {how}, a file of a ConfigMap, Secret or projected volume: the"
        " volume of the pod at the target has it in a folder of another name; close it once it is"
        " read"
    )
