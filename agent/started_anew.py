"""A container that kubelet started anew, from its image, in a pod that was moved here. Ends it.

Owns: ending it for a move that a person takes back, also one whose `create` is still under way.
Never does: decide that a move is taken back; ABORTED is durable before anything here is called.
"""

from __future__ import annotations

import time
from pathlib import Path

from podferry.agent import files, operations
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node

CREATE_SECONDS = 10.0
"""A `runc create` takes a fraction of a second."""
_POLL = 0.01


def end(node: Node, side: Side) -> None:
    """Kill what the wrapper noted in `again.json`, and see that none is left. Raises AgentError.

    The wrapper notes its container first and looks for ABORTED then; we are called when ABORTED is
    there. So a start that we do not find here does not happen.
    """
    noted = files.read_json(f"{side.folder}/again.json")
    if noted is None or noted.get("bootID") != node.boot_id():
        return
    identity, pid = str(noted["containerID"]), int(noted["wrapperPID"])
    deadline = time.monotonic() + CREATE_SECONDS
    while _creates(node, pid, identity):
        if time.monotonic() > deadline:
            raise AgentError(
                "StillStarting",
                f"container {identity[:12]} is being started anew since {CREATE_SECONDS:.0f} s; the"
                " source is not thawed beside it. See containerd's log on this node",
            )
        time.sleep(_POLL)
    operations.kill_container(node.host, identity)


def _creates(node: Node, pid: int, identity: str) -> bool:
    """Whether the wrapper, which becomes runc, still works on that container."""
    try:
        line = Path(node.local(f"/proc/{pid}/cmdline")).read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return identity in line and node.alive(pid)
