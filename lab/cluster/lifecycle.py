"""`up` and `down` of a lab.

`up` records what it is about to do before it does it. `down` ends the recorded processes and
everything in the lab's own cgroups, then removes what the lab's name stands for; it never touches
anything else.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from podferry.lab.cluster import box, cgroups, machine, model, network, pki, proc, sysctls
from podferry.lab.cluster.cgroups import Layout
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import CONTROL, Lab, Node
from podferry.lab.cluster.proc import Process, run
from podferry.lab.cluster.state import State, boot_id, locked

Progress = Callable[[str], None]
READY_SECONDS = 120.0
FORWARD = "forward"


class Parts(Protocol):
    """What the lab is built from; made by podferry.lab.parts."""

    @property
    def node_root(self) -> Path:
        """Root folder of every node's read-only layer."""

    @property
    def bin_dir(self) -> Path:
        """Kubernetes binaries."""

    @property
    def images_dir(self) -> Path:
        """Image archives that every node gets."""

    @property
    def versions(self) -> dict[str, str]:
        """Name to version."""


def up(
    lab: Lab,
    *,
    node_count: int,
    node_memory: int,
    parts: Callable[[], Parts],
    progress: Progress,
) -> State:
    """Bring the lab up, or leave it as it is when it already runs with the same shape.

    Raises:
        LabError: refused before anything was changed, or failed and cleaned up again.
    """
    nodes = model.nodes(node_count)
    machine.check_root()
    with locked(lab):
        machine.check_home(lab)
        layout = machine.layout()
        state = State.load(lab)
        if state and state.phase == "up" and _boxes_alive(state):
            _same_shape(state, node_count, node_memory)
            _mend_forward(lab, state, layout, progress)
            progress(f"lab {lab.name!r} already runs")
            return state
        if lab.home.exists() or machine.leftovers(lab):
            progress(f"cleaning what an earlier lab {lab.name!r} left")
            _clean(lab, layout)
        machine.check(lab, nodes=node_count, node_memory=node_memory)
        made = parts()
        box.tools(Path(made.node_root), Path(made.bin_dir))
        state = _planned(lab, made, node_count=node_count, node_memory=node_memory)
        machine.claim_home(lab)
        state.save(lab)
        try:
            _build(lab, layout, nodes, state=state, progress=progress)
        except (LabError, OSError, KeyboardInterrupt):
            _keep_logs(lab)
            _clean(lab, layout)
            raise
        return state


def _planned(lab: Lab, made: Parts, *, node_count: int, node_memory: int) -> State:
    return State(
        name=lab.name,
        phase="starting",
        node_count=node_count,
        node_memory=node_memory,
        port=_free_port(),
        node_root=str(made.node_root),
        bin_dir=str(made.bin_dir),
        images_dir=str(made.images_dir),
        boot=boot_id(),
        versions=dict(made.versions),
    )


def down(lab: Lab, progress: Progress) -> bool:
    """Remove the lab and every trace of it; False where there was none."""
    machine.check_root()
    machine.check_home(lab)
    shutil.rmtree(_kept(lab), ignore_errors=True)
    if not lab.home.exists() and not machine.leftovers(lab):
        return False
    with locked(lab):
        progress(f"stopping lab {lab.name!r}")
        _clean(lab, machine.layout())
    return True


def _build(
    lab: Lab, layout: Layout, nodes: tuple[Node, ...], *, state: State, progress: Progress
) -> None:
    began = time.monotonic()
    sysctls.prepare(lab)
    authorities = box.Authorities(
        cluster=pki.authority("podferry-lab"), front_proxy=pki.authority("podferry-lab-front-proxy")
    )
    box.write_control(lab, authorities, layout, nodes[0])
    for node in nodes:
        box.write_node(lab, authorities, layout, node, state=state)
    server = f"https://127.0.0.1:{state.port}"
    admin = box.client_config(authorities.cluster, server, "lab-admin", ("system:masters",))
    pki.secret(lab.kubeconfig, admin.encode())
    progress("network, disks and certificates")
    for command in network.create(lab, nodes):
        run(command)
    for name in (CONTROL, *(node.name for node in nodes)):
        box.make_disk(lab, name)
        memory = None if name == CONTROL else state.node_memory
        box.make_groups(lab, name, layout, memory)
        state.processes[name] = box.start(lab, name, layout, state=state)
        state.save(lab)
    state.processes[FORWARD] = _forward(lab, state, layout)
    state.save(lab)
    progress("control plane and nodes started, waiting for them")
    _wait_ready(lab, state, nodes, progress)
    state.phase = "up"
    state.save(lab)
    progress(f"ready after {time.monotonic() - began:.0f} s")


def _forward(lab: Lab, state: State, layout: Layout) -> Process:
    netns = f"/run/netns/{lab.netns(CONTROL)}"
    script = str(box.HERE / "forward.py")
    command = [sys.executable, "-I", script, str(state.port), netns]
    command += [model.CONTROL_IP, str(model.API_PORT)]
    group = cgroups.folders(layout, lab.box_cgroup(FORWARD))
    box.make_groups(lab, FORWARD, layout, None)
    join = "".join(f"echo $$ > {g}/cgroup.procs; " for g in group)
    with (lab.home / "forward.log").open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-ec", f'{join}exec "$@"', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    found = Process.of(process.pid)
    if found is None:
        raise LabError(f"the forwarder ended at once; see {lab.home}/forward.log")
    return found


def _wait_listening(lab: Lab, state: State, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and state.processes[FORWARD].alive():
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", state.port), timeout=1),
        ):
            return
        time.sleep(0.05)
    raise LabError(f"nothing listens at 127.0.0.1:{state.port}; see {lab.home}/forward.log")


def _wait_ready(lab: Lab, state: State, nodes: tuple[Node, ...], progress: Progress) -> None:
    deadline = time.monotonic() + READY_SECONDS
    waiting = {node.name for node in nodes}
    while waiting:
        for name, process in state.processes.items():
            if not process.alive():
                raise LabError(f"{name} ended while starting; its last words: {_words(lab, name)}")
        if time.monotonic() > deadline:
            raise LabError(
                f"not Ready after {READY_SECONDS:.0f} s: {', '.join(sorted(waiting))}"
                f"{_failing(lab, state)}; logs are kept in {_kept(lab)}"
            )
        for name in ready_nodes(lab, state) & waiting:
            waiting.discard(name)
            progress(f"{name} Ready")
        time.sleep(0.2)


def _failing(lab: Lab, state: State) -> str:
    """Which services end again and again, as the end of a sentence."""
    found = []
    for name in state.processes:
        with contextlib.suppress(OSError, ValueError):
            rows = json.loads((lab.logs(name) / "services.json").read_text())
            found += [f"{row['name']}@{name}" for row in rows if row["starts"] > 3]
    return f"; ends again and again: {', '.join(found)}" if found else ""


def ready_nodes(lab: Lab, state: State) -> set[str]:
    """Names of the nodes whose Ready condition is True now; empty while nothing answers."""
    kubectl = f"{state.bin_dir}/kubectl"
    asked = ["--request-timeout=5s", "get", "nodes", "-o", "json"]
    text = run([kubectl, f"--kubeconfig={lab.kubeconfig}", *asked], check=False)
    try:
        items = json.loads(text)["items"]
    except (ValueError, KeyError):
        return set()
    return {
        item["metadata"]["name"]
        for item in items
        for condition in item.get("status", {}).get("conditions", [])
        if condition["type"] == "Ready" and condition["status"] == "True"
    }


def _boxes_alive(state: State) -> bool:
    names = [CONTROL, *(node.name for node in model.nodes(state.node_count))]
    return all(name in state.processes and state.processes[name].alive() for name in names)


def _mend_forward(lab: Lab, state: State, layout: Layout, progress: Progress) -> None:
    """Start the forwarder again where it died: no reason to lose a cluster."""
    if FORWARD in state.processes and state.processes[FORWARD].alive():
        return
    progress(f"starting the forwarder at 127.0.0.1:{state.port} again")
    state.processes[FORWARD] = _forward(lab, state, layout)
    state.save(lab)
    _wait_listening(lab, state)


def _same_shape(state: State, node_count: int, node_memory: int) -> None:
    if (state.node_count, state.node_memory) != (node_count, node_memory):
        raise LabError(
            f"lab {state.name!r} runs with {state.node_count} nodes of "
            f"{state.node_memory // model.MIB} MiB; take it down first to change that"
        )


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _kept(lab: Lab) -> Path:
    return lab.root / f"{lab.name}-failed-logs"


def _keep_logs(lab: Lab) -> None:
    """Keep the logs of a lab that did not come up, in place of the last such lab's."""
    shutil.rmtree(_kept(lab), ignore_errors=True)
    for folder in (lab.home / "boxes").glob("*/log"):
        with contextlib.suppress(OSError):
            shutil.copytree(folder, _kept(lab) / folder.parent.name)


def _words(lab: Lab, name: str) -> str:
    path = lab.home / "forward.log" if name == FORWARD else lab.logs(name) / "box.log"
    with contextlib.suppress(OSError, IndexError):
        return path.read_text(errors="replace").strip().splitlines()[-1]
    return "none"


def _clean(lab: Lab, layout: Layout) -> None:
    """Remove everything that the lab's name stands for; safe at any point of an `up`."""
    state = State.load(lab)
    groups = cgroups.folders(layout, lab.cgroup)
    for process in state.processes.values() if state else ():
        process.kill()
    proc.end_groups(groups)
    for mount in machine.mounts_below(lab.home):
        run(["umount", "-l", mount])
    for device in machine.loops_below(lab.home):
        run(["losetup", "-d", device], check=False)
    for name in machine.netns_of(lab):
        run(["ip", "netns", "del", name])
    proc.remove_groups(groups)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(lab.home)
    machine.wait_gone(lab)
    machine.release_home(lab)
    sysctls.restore(lab)
    _tidy_netns_folder()


def _tidy_netns_folder() -> None:
    """Undo what the first `ip netns add` of a machine does, once no namespace is left."""
    folder = Path("/run/netns")
    if folder.is_dir() and not any(folder.iterdir()):
        run(["umount", str(folder)], check=False)
        with contextlib.suppress(OSError):
            os.rmdir(folder)
