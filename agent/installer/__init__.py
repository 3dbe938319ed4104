"""Puts podferry's parts on a node, checks them, and takes them away again without a trace.

Owns: the command line and the report, one line an item: `item ok|installed|removed|missing
detail`. Never does: restart containerd when its configuration did not change, or leave a
configuration behind that containerd does not accept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from podferry.agent.installer.containerd import ConfigRefused
from podferry.agent.installer.steps import Installer, Item
from podferry.agent.ops.host import Host


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
    installer = Installer(Host(found.root))
    try:
        if found.action == "install":
            items = installer.install()
        elif found.action == "check":
            items = installer.check()
        else:
            items = installer.undo(force=found.force)
    except (ConfigRefused, OSError) as error:
        print(f"podferry agent {found.action}: {error}", file=sys.stderr)
        return 1
    return _report(items)


def _report(items: list[Item]) -> int:
    for item in items:
        print(f"{item.name} {item.state} {item.detail}".rstrip(), flush=True)
    return 1 if any(item.state == "missing" for item in items) else 0
