"""Puts podferry's parts on a node, checks them, and takes them away again without a trace.

Owns: the command line and the report, one line an item (`item  ok|installed|missing  detail`) and
a last line `result: ...`. Never does: restart containerd when its configuration did not change, or
leave a configuration behind that containerd does not accept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from podferry.agent.installer.containerd import ConfigRefused
from podferry.agent.installer.preflight import Item
from podferry.agent.installer.steps import Installer
from podferry.agent.ops.host import Host

_BAD = ("missing", "refused")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `install`, `check` or `undo` on this node. Returns 0, or 1 when something is missing.

    Wrong arguments end with exit code 2 before anything is touched.
    """
    parser = argparse.ArgumentParser("podferry agent", description="podferry's parts on a node.")
    parser.add_argument("action", choices=("install", "check", "undo"))
    parser.add_argument("--root", default="/proc/1/root", help="the node's root as seen from here")
    parser.add_argument(
        "--force", action="store_true", help="undo although containers still use it"
    )
    found = parser.parse_args(sys.argv[1:] if argv is None else argv)
    return run(Installer(Host(found.root)), found.action, force=found.force)


def run(installer: Installer, action: str, *, force: bool = False) -> int:
    """Run one action and print its report. Returns the exit code."""
    try:
        if action == "install":
            items = installer.install()
        elif action == "check":
            items = installer.check()
        else:
            items = installer.undo(force=force)
    except (ConfigRefused, OSError, ValueError) as error:
        print(f"podferry agent {action}: {error}", file=sys.stderr)
        print(f"result: {action} failed: {error}", flush=True)
        return 1
    return _report(items, action, absent=action == "check" and installer.absent())


def _report(items: list[Item], action: str, *, absent: bool) -> int:
    for item in items:
        print(f"{item.name}  {item.state}  {item.detail}".rstrip())
    bad = [item.name for item in items if item.state in _BAD]
    if absent:
        print("result: absent, nothing of podferry is on this node", flush=True)
        return 1
    if bad:
        print(f"result: {action} incomplete, see {', '.join(bad)}", flush=True)
        return 1
    changed = sum(item.state in ("installed", "removed", "restored") for item in items)
    print(
        f"result: {action} done, {changed} changed, {len(items) - changed} as they were", flush=True
    )
    return 0
