"""Names, addresses and folders of a lab: pure values, computed, never looked up.

Two labs never share a network namespace, so every lab uses the same addresses.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from podferry.lab.cluster.errors import LabError

CONTROL = "control"
"""Name of the box that holds etcd and the control plane."""
CONTROL_IP = "10.222.0.1"
BRIDGE = "lab0"
API_PORT = 6443
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"
POD_CIDR = "10.244.0.0/16"
CGROUP_PREFIX = "podferry-lab-"
MAX_NODES = 9
MIB = 1 << 20
MIN_NODE_MEMORY = 512 * MIB
CONTROL_COMPONENTS = ("etcd", "apiserver", "controller-manager", "scheduler", "kube-proxy")
NODE_COMPONENTS = ("containerd", "kubelet", "kube-proxy")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")
_QUANTITY = re.compile(r"(\d+)(Ki|Mi|Gi|)")
_UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def check_name(name: str) -> str:
    """Return `name`, or raise LabError where it cannot name a lab."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"lab name {name!r}: use 1 to 20 of a-z, 0-9 and '-', starting and ending with a-z 0-9"
        )
    return name


def parse_memory(text: str) -> int:
    """Bytes of a quantity such as `3Gi`; LabError names the smallest allowed value."""
    match = _QUANTITY.fullmatch(text)
    size = int(match[1]) * _UNITS[match[2]] if match else 0
    if size < MIN_NODE_MEMORY:
        raise LabError(
            f"node memory {text!r}: give a quantity of at least {MIN_NODE_MEMORY // MIB}Mi, as 3Gi"
        )
    return size


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its name in Kubernetes and its place in the lab's network."""

    name: str
    index: int

    @property
    def ip(self) -> str:
        """Address on the lab's bridge, the node's InternalIP."""
        return f"10.222.0.{10 + self.index}"

    @property
    def pod_cidr(self) -> str:
        """The addresses of this node's pods."""
        return f"10.244.{self.index}.0/24"

    @property
    def link(self) -> str:
        """The bridge's end of the node's cable."""
        return f"v{self.index}"


def nodes(count: int) -> tuple[Node, ...]:
    """The nodes node-a, node-b, ...; LabError where `count` is not 1 to MAX_NODES."""
    if not 1 <= count <= MAX_NODES:
        raise LabError(f"--nodes {count}: a lab has 1 to {MAX_NODES} nodes")
    return tuple(Node(name=f"node-{'abcdefghi'[i]}", index=i + 1) for i in range(count))


def home_root() -> Path:
    """The folder that holds every lab's state folder."""
    return Path(os.environ.get("PODFERRY_LAB_HOME", "/var/lib/podferry-lab"))


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab's name and the names that follow from it."""

    name: str
    root: Path

    @classmethod
    def named(cls, name: str) -> Lab:
        """The lab called `name` on this machine, whether it exists or not."""
        return cls(name=check_name(name), root=home_root())

    @property
    def home(self) -> Path:
        """State folder; gone after `down`."""
        return self.root / self.name

    @property
    def state_file(self) -> Path:
        """What `up` recorded."""
        return self.home / "state.json"

    @property
    def kubeconfig(self) -> Path:
        """Cluster administrator, for tools on this machine."""
        return self.home / "kubeconfig"

    @property
    def cgroup(self) -> str:
        """Parent cgroup of the lab, without a leading slash."""
        return CGROUP_PREFIX + self.name

    def netns(self, box: str) -> str:
        """Name of a box's network namespace."""
        return f"pf-{self.name}-{box}"

    @property
    def netns_prefix(self) -> str:
        """What every network namespace of this lab starts with, followed by a box's name."""
        return f"pf-{self.name}-"

    def box_cgroup(self, box: str) -> str:
        """Cgroup of one box, without a leading slash."""
        return f"{self.cgroup}/{box}"

    def box_home(self, box: str) -> Path:
        """Folder of one box: disk image, configuration, logs."""
        return self.home / "boxes" / box

    def logs(self, box: str) -> Path:
        """A box's component logs (mounted in the box as /var/log/lab)."""
        return self.box_home(box) / "log"
