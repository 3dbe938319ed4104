"""What a container is made of on this node: runc's state, its bundle, its writable places.

Owns: reading `runc state`, the bundle's config.json and the mount table. Never changes anything.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podferry.agent import files
from podferry.agent.errors import AgentError
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host

RUNC_ROOT = "/run/containerd/runc/k8s.io"
_GONE = Cgroup(Path("/nonexistent/podferry"), v2=False)
_ID = re.compile(r"[a-f0-9]{16,128}")
_POD_FOLDER = re.compile(
    r"(/.*/pods/([^/]+))/(?:etc-hosts|containers|volumes|volume-subpaths)(?:/|$)"
)
_EMPTY_DIRS = "volumes/kubernetes.io~empty-dir"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's folder on the node and its parsed config.json."""

    path: str
    config: dict[str, Any]

    @property
    def network_namespace(self) -> str:
        """Path of the pod's network namespace, empty for the host's."""
        for namespace in self.config.get("linux", {}).get("namespaces", []):
            if namespace.get("type") == "network":
                return str(namespace.get("path", ""))
        return ""

    @property
    def cgroup_path(self) -> str:
        """`linux.cgroupsPath` as runc got it."""
        return str(self.config.get("linux", {}).get("cgroupsPath", ""))

    @property
    def shm(self) -> str:
        """Node path behind /dev/shm, empty if the container has a private one."""
        for mount in self.config.get("mounts", []):
            if mount.get("destination") == "/dev/shm":  # noqa: S108
                source = str(mount.get("source", ""))
                return source if source.startswith("/") else ""
        return ""

    @property
    def pod_uid(self) -> str:
        """UID of the pod that the container belongs to."""
        annotations = self.config.get("annotations") or {}
        return str(annotations.get("io.kubernetes.cri.sandbox-uid", ""))

    @property
    def pod_folder(self) -> str:
        """Kubelet's folder of the pod on the node, empty if no mount tells."""
        for mount in self.config.get("mounts", []):
            match = _POD_FOLDER.match(str(mount.get("source", "")))
            if match and match[2] == self.pod_uid:
                return match[1]
        return ""


@dataclass(frozen=True, slots=True)
class Container:
    """A container that runc knows."""

    id: str
    status: str
    pid: int
    bundle: Bundle


def plain_id(text: str) -> str:
    """`containerd://<id>` or `<id>` -> `<id>`. Raises AgentError for anything else."""
    found = text.rpartition("//")[2]
    if not _ID.fullmatch(found):
        raise AgentError("BadContainerID", f"{text!r} is not a container ID of containerd")
    return found


def read_bundle(host: Host, path: str) -> Bundle:
    """Read a bundle. Raises AgentError if it is not there."""
    config = files.read_json(host.path(f"{path}/config.json"))
    if config is None:
        raise AgentError("BundleMissing", f"{path}/config.json is gone; the container was removed")
    return Bundle(path, config)


def find(host: Host, container_id: str) -> Container:
    """Ask runc for a container. Raises AgentError ContainerNotFound."""
    identity = plain_id(container_id)
    state = state_of(host, identity)
    if state is None:
        raise AgentError(
            "ContainerNotFound",
            f"runc on this node knows no container {identity[:12]}; it ended or runs elsewhere",
        )
    return Container(
        identity,
        str(state["status"]),
        int(state.get("pid", 0)),
        read_bundle(host, str(state["bundle"])),
    )


def state_of(host: Host, identity: str) -> dict[str, Any] | None:
    """`runc state` as a dict, None if runc does not know the container."""
    done = host.run(["runc", "--root", RUNC_ROOT, "state", identity])
    if done.returncode:
        return None
    value = json.loads(done.stdout)
    return value if isinstance(value, dict) else None


def cgroup_of(host: Host, identity: str) -> Cgroup:
    """The freezer group that runc made for a container; one that does not exist if it is gone."""
    state = files.read_json(host.path(f"{RUNC_ROOT}/{identity}/state.json"))
    paths = dict((state or {}).get("cgroup_paths") or {})
    if "freezer" in paths:
        return Cgroup(Path(host.path(paths["freezer"])), v2=False)
    return Cgroup(Path(host.path(paths[""])), v2=True) if "" in paths else _GONE


def empty_dirs(host: Host, bundle: Bundle) -> dict[str, str]:
    """All emptyDir volumes of the pod, also those mounted by a subPath: name -> node path."""
    place = f"{bundle.pod_folder}/{_EMPTY_DIRS}"
    if not bundle.pod_folder or not os.path.isdir(host.path(place)):
        return {}
    return {name: f"{place}/{name}" for name in sorted(os.listdir(host.path(place)))}


def upper_dir(host: Host, bundle: Bundle) -> str:
    """Folder of the container's writable layer. Raises AgentError if it is not an overlay."""
    point = f"{bundle.path}/rootfs"
    with open(host.path("/proc/1/mounts"), encoding="utf-8") as table:
        for line in table:
            fields = line.split()
            if len(fields) > 3 and fields[1] == point and fields[2] == "overlay":
                for option in fields[3].split(","):
                    if option.startswith("upperdir="):
                        return option.removeprefix("upperdir=")
    raise AgentError(
        "NoOverlay",
        f"{point} is not an overlay mount with an upperdir; use containerd's overlayfs snapshotter",
    )
