"""What a node must already have. Owns the list, the least versions and what to install instead.

Never does: change anything; it runs before the first byte is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podferry.agent.installer import containerd
from podferry.agent.installer.containerd import Containerd
from podferry.agent.ops.host import Host


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the report. `state`: ok, installed, removed, kept, missing or refused."""

    name: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Tool:
    name: str
    package: str
    least: tuple[int, ...] = ()


_TOOLS = (
    _Tool("criu", "criu", (4, 0)),
    _Tool("python3", "python3", (3, 9)),
    _Tool("nft", "nftables"),
    _Tool("ss", "iproute2"),
    _Tool("nsenter", "util-linux"),
    _Tool("setsid", "util-linux"),
)


def tools(host: Host) -> list[Item]:
    """Programs of the node, each with its path and version or with what to install."""
    found = [_tool(host, tool) for tool in _TOOLS]
    if all(item.state == "ok" for item in found) and not _has_tls(host):
        detail = "cannot `import ssl`; install the distribution's whole python3, not a minimal one"
        found.append(Item("python3-ssl", "missing", detail))
    return found


def _has_tls(host: Host) -> bool:
    """Whether the node's Python can carry pages (`page_sender.py`, `page_receiver.py`)."""
    return host.run(["python3", "-I", "-S", "-c", "import ssl"]).returncode == 0


def service(containerd_: Containerd) -> Item:
    """Whether containerd runs where we look for it."""
    pid = containerd_.pid()
    if not pid:
        return Item("containerd", "missing", "no containerd runs on this node; start it, try again")
    if not containerd_.answers():
        detail = (
            f"process {pid} does not serve {containerd.SOCKET}; podferry needs a containerd that is"
            " a service of its own, not the one within k3s, RKE2 or MicroK8s"
        )
        return Item("containerd", "missing", detail)
    return Item("containerd", "ok", f"process {pid}, {containerd_.config_path()}")


def runc(host: Host, dump: Mapping[str, Any]) -> Item:
    """The runc that our front calls, by its absolute path."""
    wanted = containerd.real_runc(dump) or "runc"
    place = find(host, wanted)
    if not place:
        return Item("runc", "missing", f"{wanted} is not on this node; install the package runc")
    return Item("runc", "ok", place)


def find(host: Host, name: str) -> str:
    """Absolute path of a program of the node in its PATH, empty when there is none."""
    return host.run(["sh", "-c", 'command -v "$0"', name]).stdout.strip()


def _tool(host: Host, tool: _Tool) -> Item:
    place = find(host, tool.name)
    if not place:
        detail = f"install the package {tool.package}{_at_least(tool)} on this node, then try again"
        return Item(tool.name, "missing", detail)
    if not tool.least:
        return Item(tool.name, "ok", place)
    done = host.run([tool.name, "--version"])
    found = re.search(r"\d+(?:\.\d+)+", done.stdout or done.stderr)
    version = found[0] if found else "of no known version"
    if not found or tuple(int(part) for part in version.split(".")) < tool.least:
        return Item(
            tool.name, "missing", f"{place} is {version}; install {tool.package}{_at_least(tool)}"
        )
    return Item(tool.name, "ok", f"{place} {version}")


def _at_least(tool: _Tool) -> str:
    return f" >= {'.'.join(str(part) for part in tool.least)}" if tool.least else ""
