"""Where things are on this node, for both roles. Owns paths; decides nothing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from podferry.agent.engine import Side
from podferry.agent.ops.host import Host
from podferry.agent.tls import FILES
from podferry.wire import layout, names


@dataclass(frozen=True, slots=True)
class Node:
    """This node: its host, its folders as the node sees them, the certificates' folder."""

    host: Host
    state: str = names.STATE_DIR
    run: str = names.RUN_DIR
    tls_dir: str = "/etc/podferry/tls"

    def folder(self, side: Side) -> str:
        """Folder of a side as the node (wrapper, criu) sees it."""
        order = side.order
        return layout.side_dir(order.migration, order.attempt, order.role.value, state=self.state)

    def ram(self, side: Side) -> str:
        """`Side.ram` as the node sees it."""
        return f"{self.folder(side)}/{layout.RAM}"

    def local(self, path: str) -> str:
        """The agent's own path of a node path."""
        return self.host.path(path)

    def boot_id(self) -> str:
        """Identity of this boot of the node."""
        with open(self.local("/proc/sys/kernel/random/boot_id"), encoding="ascii") as source:
            return source.read().strip()

    def alive(self, pid: int) -> bool:
        """Whether a process of the node lives (a zombie does not)."""
        try:
            with open(self.local(f"/proc/{pid}/stat"), encoding="utf-8") as source:
                return source.read().rpartition(")")[2].split()[0] not in ("Z", "X")
        except (FileNotFoundError, ProcessLookupError, IndexError):
            return False

    def publish_tls(self) -> str:
        """Copy the agent's certificate where criu on the node reads it. Returns that folder."""
        folder = f"{self.run}/tls"
        os.makedirs(self.local(folder), mode=0o700, exist_ok=True)
        for name in FILES:
            target = self.local(f"{folder}/{name}")
            with (
                open(f"{self.tls_dir}/{name}", "rb") as source,
                open(f"{target}.tmp", "wb", opener=_private) as out,
            ):
                shutil.copyfileobj(source, out)
            os.replace(f"{target}.tmp", target)
        return folder


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
