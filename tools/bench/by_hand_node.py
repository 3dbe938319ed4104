"""Makes the lab's nodes ready for moves by hand: a containerd handler of its own, and its wrapper.

Only ever done in a lab that ends with the bench. Never touches podferry's own handler.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from podferry.agent.installer import containerd
from tools.bench import workload
from tools.bench.api import wait_for
from tools.bench.world import World, create

RUN = "/run/podferry-bench"
_WRAPPER = "/opt/podferry-bench/by-hand-runc"
_DROP_IN = "/etc/containerd/conf.d/podferry-bench.toml"
_TABLE = "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes"


def drop_in() -> str:
    """The handler's configuration, beside podferry's."""
    table = f"{_TABLE}.{workload.HANDLER}"
    return (
        f'version = 3\n[{table}]\n  runtime_type = "io.containerd.runc.v2"\n'
        f'  pod_annotations = ["{workload.RESTORE}"]\n'
        f'  container_annotations = ["{workload.RESTORE}"]\n'
        f'  [{table}.options]\n    BinaryName = "{_WRAPPER}"\n'
    )


def make_ready(world: World) -> None:
    """Handler and wrapper on both nodes, containerd restarted, RuntimeClass made."""
    script = Path(__file__).with_name("by_hand_runc.sh").read_text()
    for node in (workload.SOURCE, workload.TARGET):
        world.run(node, ["mkdir", "-p", RUN, str(Path(_WRAPPER).parent)])
        _place(world.path(node, _WRAPPER), script, 0o755)
        _place(world.path(node, f"{RUN}/criu.conf"), "leave-stopped\ntcp-close\n", 0o644)
        text = drop_in()
        if not world.path(node, _DROP_IN).exists():
            _place(world.path(node, _DROP_IN), text, 0o644)
            _restart_containerd(world, node)
    create(world.api, "/apis/node.k8s.io/v1/runtimeclasses", workload.runtime_class())


def _place(path: Path, text: str, mode: int) -> None:
    path.write_text(text)
    path.chmod(mode)


def _restart_containerd(world: World, node: str) -> None:
    """End it by pid; the node's supervisor starts it again."""
    before = world.run(node, ["pgrep", "-xo", "containerd"]).strip()
    world.run(node, ["kill", before])
    command = world.argv(node, ["ctr", "--address", containerd.SOCKET, "version"])

    def back() -> bool:
        found = subprocess.run(
            world.argv(node, ["pgrep", "-xo", "containerd"]), capture_output=True, text=True
        )
        other = found.stdout.strip() not in ("", before)
        return other and subprocess.run(command, capture_output=True).returncode == 0

    wait_for(f"containerd of {node} after its restart", back, seconds=30)
    wait_for(f"{node} to be Ready again", lambda: _is_ready(world, node), seconds=60)


def _is_ready(world: World, node: str) -> bool:
    status = world.api.call("GET", f"/api/v1/nodes/{node}")["status"]
    return any((c["type"], c["status"]) == ("Ready", "True") for c in status["conditions"])
