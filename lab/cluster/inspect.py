"""Looking into a running lab: status, logs, commands in nodes, images.

Changes nothing but the nodes' images.
"""

from __future__ import annotations

import contextlib
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from podferry.lab.cluster import box, components, machine, model
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.lifecycle import ready_nodes
from podferry.lab.cluster.model import CONTROL, CONTROL_COMPONENTS, NODE_COMPONENTS, Lab
from podferry.lab.cluster.proc import run
from podferry.lab.cluster.state import State, node_named, running


def kubeconfig(lab: Lab) -> Path:
    """Path of the running lab's administrator kubeconfig."""
    running(lab)
    return lab.kubeconfig


def kubectl_argv(lab: Lab, args: Sequence[str]) -> list[str]:
    """The kubectl command line for this lab."""
    state = running(lab)
    return [f"{state.bin_dir}/kubectl", f"--kubeconfig={lab.kubeconfig}", *args]


def exec_argv(lab: Lab, node: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` inside a node, or inside the box `control`."""
    machine.check_root()
    state = running(lab)
    if node != CONTROL:
        node_named(model.nodes(state.node_count), node)
    pid = box.init_pid(state.processes[node])
    path = f"{components.BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    enter = ["nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
    return [*enter, "/usr/bin/env", f"PATH={path}", "HOME=/root", *argv]


def log_file(lab: Lab, component: str) -> Path:
    """The log of `etcd`, `apiserver`, ... or of `kubelet@NODE`, ...

    Raises:
        LabError: no such component or node, with those that exist.
    """
    state = running(lab)
    name, _, node = component.partition("@")
    allowed = NODE_COMPONENTS if node else CONTROL_COMPONENTS
    if node:
        node_named(model.nodes(state.node_count), node)
    if name not in allowed:
        known = [*CONTROL_COMPONENTS, *(f"{c}@NODE" for c in NODE_COMPONENTS)]
        raise LabError(f"no component {component!r}; there are {', '.join(known)}")
    return lab.logs(node or CONTROL) / f"{name}.log"


def load_image(lab: Lab, tar: str, progress: Callable[[str], None]) -> list[str]:
    """Import an image archive into every node; returns the names it holds.

    Raises:
        LabError: not a file, not an image archive, or a node refused it.
    """
    machine.check_root()
    state = running(lab)
    names = image_names(Path(tar))
    for node in model.nodes(state.node_count):
        progress(f"loading {tar} into {node.name}")
        # on the node's disk: /tmp is memory there
        file = "/var/lib/image-being-loaded.tar"
        script = f"cat > {file} && sh {components.CONF}/load-image.sh {file}; r=$?; rm -f {file}"
        command = exec_argv(lab, node.name, ["sh", "-c", f"{script}; exit $r"])
        run(command, stdin=Path(tar))
    return names


def image_names(path: Path) -> list[str]:
    """Names in a docker-archive or OCI layout tar; LabError where it is neither."""
    try:
        with tarfile.open(path) as archive:
            members = {m.name.removeprefix("./") for m in archive.getmembers()}
            if "manifest.json" in members:
                manifest = json.load(_member(archive, "manifest.json"))
                return [tag for entry in manifest for tag in entry.get("RepoTags") or []]
            if "index.json" in members:
                index = json.load(_member(archive, "index.json"))
                found = [m.get("annotations", {}) for m in index["manifests"]]
                key = "org.opencontainers.image.ref.name"
                return [a.get("io.containerd.image.name", a.get(key, "?")) for a in found]
    except FileNotFoundError:
        raise LabError(f"no file {path}") from None
    except (tarfile.TarError, OSError, ValueError, KeyError) as error:
        raise LabError(f"{path} is not an image archive: {error}") from None
    raise LabError(f"{path} has neither manifest.json (docker-archive) nor index.json (OCI layout)")


def _member(archive: tarfile.TarFile, name: str) -> Any:
    for candidate in (name, f"./{name}"):
        with contextlib.suppress(KeyError):
            file = archive.extractfile(candidate)
            if file is not None:
                return file
    raise KeyError(name)


def status(lab: Lab) -> dict[str, Any]:
    """Everything about a lab as plain data; `phase` is `absent` where there is none."""
    state = State.load(lab)
    if state is None:
        return {"name": lab.name, "phase": "absent", "nodes": [], "components": [], "versions": {}}
    nodes = model.nodes(state.node_count)
    ready = ready_nodes(lab, state)
    rows = []
    for name in (CONTROL, *(n.name for n in nodes)):
        rows += _components(lab, state, name)
    return {
        "name": lab.name,
        "phase": state.phase,
        "kubeconfig": str(lab.kubeconfig),
        "home": str(lab.home),
        "nodeMemoryBytes": state.node_memory,
        "nodes": [
            {"name": n.name, "ip": n.ip, "podCIDR": n.pod_cidr, "ready": n.name in ready}
            for n in nodes
        ],
        "components": rows,
        "versions": versions(lab, state) if state.phase == "up" else state.versions,
    }


def _components(lab: Lab, state: State, name: str) -> list[dict[str, Any]]:
    outer = state.processes.get(name)
    alive = outer is not None and outer.alive()
    try:
        rows = json.loads((lab.logs(name) / "services.json").read_text())
    except (OSError, ValueError):
        rows = []
    return [
        {
            "component": row["name"] if name == CONTROL else f"{row['name']}@{name}",
            "running": alive and bool(row["pid"]),
            "starts": row["starts"],
        }
        for row in rows
        if row["name"] in (*CONTROL_COMPONENTS, *NODE_COMPONENTS)
    ]


ASK = """
v() { printf '%s\\t%s\\n' "$1" "$(eval "$2" 2>/dev/null | head -n 1)"; }
v kube-apiserver 'kube-apiserver --version'
v kube-controller-manager 'kube-controller-manager --version'
v kube-scheduler 'kube-scheduler --version'
v kubelet 'kubelet --version'
v kube-proxy 'kube-proxy --version'
v etcd 'etcd --version'
v containerd 'containerd --version'
v runc 'RUNC --version'
v criu 'criu --version'
v cni-plugins 'CNI/ptp --version 2>&1'
v nftables 'nft --version'
v python3 'python3 --version'
v debian 'cat /etc/debian_version'
v kernel 'uname -r'
"""


def versions(lab: Lab, state: State) -> dict[str, str]:
    """What the programs in the first node say about themselves."""
    runc, cni = box.tools(Path(state.node_root), Path(state.bin_dir))
    script = ASK.replace("RUNC", runc).replace("CNI", cni)
    first = model.nodes(state.node_count)[0].name
    text = run(exec_argv(lab, first, ["sh", "-c", script]), check=False)
    told = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    return {**state.versions, **{k: v for k, v in told.items() if v}}


def as_text(found: dict[str, Any]) -> str:
    """The status for a person."""
    if found["phase"] == "absent":
        return f"lab {found['name']!r}: not running; start it: podferry lab up"
    lines = [f"lab {found['name']!r}: {found['phase']}  kubeconfig {found['kubeconfig']}", ""]
    for node in found["nodes"]:
        word = "Ready" if node["ready"] else "NotReady"
        lines.append(f"{node['name']:<10} {word:<9} {node['ip']:<13} pods {node['podCIDR']}")
    lines.append("")
    for row in found["components"]:
        word = "running" if row["running"] else "down"
        lines.append(f"{row['component']:<24} {word:<8} started {row['starts']}x")
    lines.append("")
    lines += [f"{name:<24} {version}" for name, version in found["versions"].items()]
    return "\n".join(lines)
