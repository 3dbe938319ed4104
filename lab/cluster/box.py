"""A box: the folder, the disk image and the process of one node or of the control plane.

Writes a box's files below the lab's state folder and starts its first process. Never mounts
anything outside the box's own mount namespace.
"""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from podferry.lab.cluster import cgroups, components, model, pki
from podferry.lab.cluster.cgroups import Layout
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import CONTROL, Lab, Node
from podferry.lab.cluster.proc import Process, run
from podferry.lab.cluster.state import State

HERE = Path(__file__).parent
DISK = "20G"
"""Sparse size of a box's disk."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """Who signs in this lab."""

    cluster: pki.Authority
    front_proxy: pki.Authority


def b64(data: bytes) -> str:
    """Base64 text, as kubeconfigs want it."""
    return base64.b64encode(data).decode()


def client_config(ca: pki.Authority, server: str, user: str, groups: tuple[str, ...] = ()) -> str:
    """A kubeconfig with a fresh certificate for `user`."""
    pair = pki.issue(ca, user, groups=groups)
    return components.kubeconfig(
        server, user=user, ca=b64(ca.pem), cert=b64(pair.cert), key=b64(pair.key)
    )


def write_control(lab: Lab, authorities: Authorities, layout: Layout, first: Node) -> None:
    """Write the files of the control box."""
    files = _common(lab, CONTROL, layout)
    folder = files / "etc/kubernetes/pki"
    ca, front = authorities.cluster, authorities.front_proxy
    (folder / "ca.crt").write_bytes(ca.pem)
    pki.secret(folder / "ca.key", pki.key_pem(ca.key))
    (folder / "front-proxy-ca.crt").write_bytes(front.pem)
    hosts = [
        "127.0.0.1",
        model.CONTROL_IP,
        model.API_SERVICE_IP,
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
    pki.issue(ca, "kube-apiserver", hosts=hosts).write(folder, "apiserver")
    kubelet_client = pki.issue(ca, "kube-apiserver-kubelet-client", groups=("system:masters",))
    kubelet_client.write(folder, "apiserver-kubelet")
    pki.issue(front, "front-proxy-client").write(folder, "front-proxy-client")
    accounts = pki.new_key()
    pki.secret(folder / "sa.key", pki.key_pem(accounts))
    (folder / "sa.pub").write_bytes(pki.public_pem(accounts))
    server = f"https://127.0.0.1:{model.API_PORT}"
    for name, user in (
        ("controller-manager", "system:kube-controller-manager"),
        ("scheduler", "system:kube-scheduler"),
        ("kube-proxy", "system:kube-proxy"),
    ):
        config = client_config(ca, server, user).encode()
        pki.secret(files / f"etc/kubernetes/{name}.conf", config)
    (files / "etc/kubernetes/kube-proxy.yaml").write_text(components.kube_proxy_config())
    _services(files, components.control_services(first))


def write_node(
    lab: Lab, authorities: Authorities, layout: Layout, node: Node, *, state: State
) -> None:
    """Write the files of one node."""
    files = _common(lab, node.name, layout)
    ca = authorities.cluster
    folder = files / "etc/kubernetes"
    (folder / "pki/ca.crt").write_bytes(ca.pem)
    pki.issue(ca, node.name, hosts=[node.name, node.ip]).write(folder / "pki", "kubelet")
    server = f"https://{model.CONTROL_IP}:{model.API_PORT}"
    user = f"system:node:{node.name}"
    kubelet = client_config(ca, server, user, ("system:nodes",)).encode()
    pki.secret(folder / "kubelet.conf", kubelet)
    proxy = client_config(ca, server, "system:kube-proxy").encode()
    pki.secret(folder / "kube-proxy.conf", proxy)
    limited = not cgroups.has_sys_resource(Path("/proc/self/status").read_text())
    (folder / "kubelet.yaml").write_text(components.kubelet_config(user_namespace=limited))
    (folder / "kube-proxy.yaml").write_text(components.kube_proxy_config())
    (folder / "load-image.sh").write_text(components.LOAD_IMAGE)
    for sub in ("etc/containerd/conf.d", "etc/cni/net.d"):
        (files / sub).mkdir(parents=True)
    runc, cni = tools(Path(state.node_root), Path(state.bin_dir))
    config = components.containerd_config(runc=runc, cni=cni, restrict_oom=limited)
    (files / "etc/containerd/config.toml").write_text(config)
    (files / "etc/cni/net.d/10-lab.conflist").write_text(components.cni_config(node))
    images = sorted(p.name for p in Path(state.images_dir).glob("*.tar"))
    _services(files, components.node_services(node, images))


def tools(node_root: Path, bin_dir: Path) -> tuple[str, str]:
    """Where runc and the CNI plug-ins are, as a node sees them.

    Raises:
        LabError: a part is missing.
    """
    runc = f"{components.BIN}/runc" if (bin_dir / "runc").exists() else "/usr/sbin/runc"
    if (bin_dir / "cni").is_dir():
        cni = f"{components.BIN}/cni"
    elif (bin_dir / "host-local").exists():
        cni = components.BIN
    else:
        cni = "/usr/lib/cni"
    for path in (runc, f"{cni}/ptp"):
        inside = path.replace(components.BIN, str(bin_dir))
        if inside == path:
            inside = f"{node_root}{path}"
        if not Path(inside).exists():
            raise LabError(f"the node's parts lack {path}; build them again: podferry lab build")
    return runc, cni


def _common(lab: Lab, box: str, layout: Layout) -> Path:
    home = lab.box_home(box)
    files = home / "files"
    for sub in ("etc/kubernetes/pki", "etc/podferry-lab"):
        (files / sub).mkdir(parents=True)
    (home / "log").mkdir()
    ours = files / "etc/podferry-lab"
    (ours / "cgroups.sh").write_text("\n".join(cgroups.inside(layout)) + "\n")
    (ours / "supervisor.py").write_bytes((HERE / "supervisor.py").read_bytes())
    (files / "etc/hostname").write_text(box + "\n")
    (files / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {box}\n")
    (files / "etc/resolv.conf").write_text("# this lab has no name service\n")
    return files


def _services(files: Path, services: list[components.Service]) -> None:
    path = files / "etc/podferry-lab/services.json"
    path.write_text(components.services_json(services))


def make_disk(lab: Lab, box: str) -> None:
    """The sparse disk image of a box, without a journal: a lab does not survive a power cut."""
    image = lab.box_home(box) / "fs.img"
    run(["truncate", "-s", DISK, str(image)])
    options = "lazy_itable_init=1,nodiscard"
    run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", "-E", options, str(image)])


def make_groups(lab: Lab, box: str, layout: Layout, memory: int | None) -> None:
    """The cgroups of a box."""
    _apply(cgroups.create(layout, lab.box_cgroup(box), memory))


def _apply(ops: list[cgroups.Op]) -> None:
    for op in ops:
        try:
            if op.kind == "mkdir":
                os.makedirs(op.path, exist_ok=True)
            else:
                value = Path(op.value).read_text() if op.kind == "copy" else op.value
                Path(op.path).write_text(value)
        except OSError as error:
            if op.path.endswith("memory.swap.max"):
                continue  # a kernel without swap accounting has no such file
            raise LabError(
                f"cgroup {op.path}: {error.strerror}; is it writable for root here?"
            ) from None


def start(lab: Lab, box: str, layout: Layout, *, state: State) -> Process:
    """Start a box's first process; the caller records it."""
    home = lab.box_home(box)
    groups = cgroups.folders(layout, lab.box_cgroup(box))
    join = "".join(f"echo $$ > {shlex.quote(g)}/cgroup.procs; " for g in groups)
    memory = 0 if box == CONTROL else state.node_memory // 1024
    enter = ["nsenter", f"--net=/run/netns/{lab.netns(box)}"]
    enter += ["unshare", "-m", "-u", "-i", "-p", "-C", "-f", "/bin/sh", str(HERE / "enter.sh")]
    enter += [str(home), state.node_root, state.bin_dir, state.images_dir, str(memory)]
    with (home / "log/box.log").open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-ec", f"{join}exec {shlex.join(enter)}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    found = Process.of(process.pid)
    if found is None:
        raise LabError(f"box {box} ended at once; see {home}/log/box.log")
    if layout.version == 2:
        init_pid(found)
        _apply(cgroups.outer(layout, lab.box_cgroup(box), found.pid))
    return found


def init_pid(outer: Process) -> int:
    """Pid, on this machine, of PID 1 in the box whose outer process is `outer`.

    Raises:
        LabError: the box is gone.
    """
    deadline = time.monotonic() + 5
    while outer.alive() and time.monotonic() < deadline:
        text = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        if text:
            return int(text[0])
        time.sleep(0.02)
    raise LabError("the box is not running; see its box.log, then podferry lab down")
