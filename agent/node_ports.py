"""Ports that listen on this node, read from /proc. Owns choosing a page port; opens nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from podferry.agent.errors import AgentError
from podferry.wire import names

_LISTEN = "0A"


def listening(proc: str = "/proc/net") -> set[int]:
    """TCP ports in state LISTEN in the agent's network namespace, which is the node's."""
    ports = set()
    for name in ("tcp", "tcp6"):
        table = Path(f"{proc}/{name}")
        if not table.exists():
            continue
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def choose_page_port(taken: Iterable[int], *, proc: str = "/proc/net") -> int:
    """A free page port. Raises AgentError when all are in use."""
    busy = listening(proc) | set(taken)
    for port in range(names.PAGE_PORT_FIRST, names.PAGE_PORT_LAST + 1):
        if port not in busy:
            return port
    raise AgentError(
        "NoPagePort",
        f"all page ports {names.PAGE_PORT_FIRST}-{names.PAGE_PORT_LAST} of this node are in use;"
        " wait for other migrations to end",
    )
