"""What this node can do for a migration: versions, kernel features, problems. Reads only."""

from __future__ import annotations

import os
import re
from typing import Any

from podferry import __version__
from podferry.agent.node import Node
from podferry.agent.ops.host import Host
from podferry.wire import names, versions

_OURS = versions.ours(__version__)
BUILD: dict[str, Any] = {
    "agentVersion": _OURS.version,
    "protocol": _OURS.protocol,
    "protocolOldest": _OURS.oldest,
}
"""What this build is and speaks: in the node's facts and in those of every side."""
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")


def collect(node: Node, node_name: str) -> dict[str, Any]:
    """Node facts as in `wire.agent_api`; `problems` says what to do about what is missing."""
    host = node.host
    criu = _version(host, ["criu", "--version"])
    runc = _version(host, ["runc", "--version"])
    containerd = _version(host, ["containerd", "--version"])
    handler = os.path.exists(node.local(f"{names.INSTALL_DIR}/bin/podferry-runc"))
    facts: dict[str, Any] = {
        "node": node_name,
        "bootID": node.boot_id(),
        **BUILD,
        "criuVersion": criu,
        "runcVersion": runc,
        "containerdVersion": containerd,
        "kernel": os.uname().release,
        "cgroup": _cgroup(node),
        "cpuFeatures": _cpu_features(),
        "softDirty": _criu_check(host, "mem_dirty_track"),
        "userfaultfd": _criu_check(host, "uffd-noncoop"),
        "timeNamespaces": os.path.exists("/proc/self/ns/time"),
        "criuTLS": _criu_tls(host),
        "freezeInRestore": True,
        "handlerInstalled": handler,
        "pagePorts": [names.PAGE_PORT_FIRST, names.PAGE_PORT_LAST],
    }
    facts["problems"] = _problems(facts)
    return facts


def _version(host: Host, argv: list[str]) -> str:
    try:
        done = host.run(argv)
    except OSError:
        return ""
    match = _VERSION.search(str(done.stdout)) if done.returncode == 0 else None
    return match[0] if match else ""


def _criu_check(host: Host, feature: str) -> bool:
    try:
        return bool(host.run(["criu", "check", "--feature", feature]).returncode == 0)
    except OSError:
        return False


def _criu_tls(host: Host) -> bool:
    """A criu without gnutls refuses --tls before it looks at anything else."""
    try:
        done = host.run(["criu", "--help"])
    except OSError:
        return False
    return "--tls-cacert" in str(done.stdout)


def _cgroup(node: Node) -> str:
    with open(node.local("/proc/1/mounts"), encoding="utf-8") as table:
        kinds = {tuple(line.split()[1:3]) for line in table}
    return "v2" if ("/sys/fs/cgroup", "cgroup2") in kinds else "v1"


def _cpu_features() -> list[str]:
    with open("/proc/cpuinfo", encoding="utf-8") as source:
        for line in source:
            name, _, value = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return sorted(value.split())
    return []


def _problems(facts: dict[str, Any]) -> list[str]:
    problems = []
    for key, tool in (("criuVersion", "criu"), ("runcVersion", "runc")):
        if not facts[key]:
            problems.append(f"{tool} was not found on this node; install it")
    if facts["criuVersion"] and tuple(map(int, facts["criuVersion"].split("."))) < (4, 0):
        problems.append(f"criu {facts['criuVersion']} is older than 4.0; install a newer one")
    if not facts["criuTLS"]:
        problems.append("criu was built without gnutls: pages could only travel in the clear")
    if not facts["handlerInstalled"]:
        problems.append(
            f"{names.INSTALL_DIR}/bin/podferry-runc is missing; run the installer on this node"
        )
    return problems
