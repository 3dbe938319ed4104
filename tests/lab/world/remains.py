"""What a Migration may have left on the nodes and in the API server, by its uid."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.moves import Moves

_LEFT = """
ls -d /var/lib/podferry/attempts/{uid}.*/*/ram 2>/dev/null
ls /run/podferry/hold /run/podferry/hook 2>/dev/null | grep -v :
for p in $(pgrep -x criu); do echo "criu $p $(tr '\\0' ' ' </proc/$p/cmdline)"; done
for f in $(find /sys/fs/cgroup/freezer -name freezer.state 2>/dev/null); do
  [ "$(cat $f)" = THAWED ] || [ -z "$(cat $(dirname $f)/tasks)" ] || echo "frozen $f"
done
for n in $(ls /var/run/netns 2>/dev/null); do
  nsenter --net=/var/run/netns/$n nft list tables 2>/dev/null |
    grep -E 'podferry|CRIU' | sed "s/^/$n /"
done
true
"""


def left_over(moves: Moves, uid: str) -> list[str]:
    """What a finished Migration still holds on the nodes and in the API server."""
    found = left_on_nodes(moves, uid)
    migration = moves.get("migration", "m")
    if migration["metadata"].get("finalizers"):
        found.append(f"finalizers {migration['metadata']['finalizers']}")
    for pod in moves.get("pods")["items"]:
        notes = pod["metadata"].get("annotations") or {}
        if "podferry.dev/detached-labels" in notes:
            found.append(f"pod {pod['metadata']['name']} is detached: {json.dumps(notes)}")
    return found


def left_on_nodes(moves: Moves, uid: str) -> list[str]:
    """The nodes' part of it; the Migration itself may be gone."""
    found = []
    for node in ("node-a", "node-b"):
        said = moves.cluster.exec(node, ["sh", "-c", _LEFT.replace("{uid}", uid)])
        found += [f"{node}: {line}" for line in said.splitlines() if line.strip()]
    return found


def one_pod(moves: Moves, app: str) -> dict[str, Any]:
    """The one pod of the workload, once the others are gone."""
    for pod in moves.get("pods", "-l", f"app={app}")["items"]:
        if pod["metadata"].get("deletionTimestamp"):
            name = pod["metadata"]["name"]
            moves.kubectl("wait", "--for=delete", f"pod/{name}", "--timeout=90s", check=False)
    return moves.pod(app)
