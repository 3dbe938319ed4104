"""What `up` recorded about a lab, written before each thing is done, so that a killed `up` can be
cleaned: the file names what may exist, the cgroups and namespaces follow from the lab's name.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import Lab, Node
from podferry.lab.cluster.proc import Process


def boot_id() -> str:
    """This boot of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(slots=True)
class State:
    """A lab on this machine. `phase` is `starting` until every node was Ready once."""

    name: str
    phase: str
    node_count: int
    node_memory: int
    """Bytes."""
    port: int
    """TCP port on 127.0.0.1 that leads to the API server."""
    node_root: str
    bin_dir: str
    images_dir: str
    boot: str
    """Boot id of the machine: after a reboot no recorded process is ours."""
    versions: dict[str, str] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    """Box name, or `forward`, to the process that was started for it."""

    def save(self, lab: Lab) -> None:
        """Replace the lab's state file in one step."""
        lab.home.mkdir(parents=True, exist_ok=True)
        new = lab.state_file.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=1))
        os.replace(new, lab.state_file)

    @classmethod
    def load(cls, lab: Lab) -> State | None:
        """The recorded state; None where there is none or it was cut off while being written."""
        try:
            data: dict[str, Any] = json.loads(lab.state_file.read_text())
            same_boot = data["boot"] == boot_id()
            processes = data["processes"].items() if same_boot else ()
            data["processes"] = {k: Process(**v) for k, v in processes}
            return cls(**data)
        except (OSError, ValueError, TypeError, KeyError):
            return None


def running(lab: Lab) -> State:
    """State of a lab that is up; LabError says how to start it."""
    state = State.load(lab)
    if state is None or state.phase != "up":
        raise LabError(f"lab {lab.name!r} is not running; start it: podferry lab up{_name(lab)}")
    return state


def node_named(node_list: tuple[Node, ...], name: str) -> Node:
    """The node called `name`; LabError lists those that exist."""
    for node in node_list:
        if node.name == name:
            return node
    known = ", ".join(node.name for node in node_list)
    raise LabError(f"no node {name!r} in this lab; it has {known}")


def _name(lab: Lab) -> str:
    return "" if lab.name == "default" else f" --name {lab.name}"


@contextmanager
def locked(lab: Lab) -> Iterator[None]:
    """Keep a second `up` or `down` of the same lab out; LabError where one is at work."""
    lab.root.mkdir(parents=True, exist_ok=True)
    path = Path(lab.root, f".{lab.name}.lock")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LabError(
                f"another `up` or `down` of lab {lab.name!r} is at work; wait for it"
            ) from None
        try:
            yield
        finally:
            if not lab.home.exists():
                path.unlink(missing_ok=True)
                if not any(lab.root.iterdir()):
                    lab.root.rmdir()
