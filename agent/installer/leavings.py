"""What agent and wrapper leave on a node while they work, and taking it away for good.

Owns: the folders below the state and the run folder that podferry makes. Never does: remove
an entry there that it does not know; a folder that still holds one stays, and is named.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from podferry.agent.installer.preflight import Item
from podferry.agent.ops import ram
from podferry.agent.ops.host import Host
from podferry.wire import layout, names

_OURS = (
    (names.STATE_DIR, ("attempts", "blocked", "seen")),
    (names.RUN_DIR, ("hold", "restored", "hook", "criu", "tls", "seals")),
    (names.INSTALL_DIR, ("__pycache__", "bin/__pycache__")),
)


def release_images(host: Host) -> list[str]:
    """End the file systems in memory of every attempt. Returns what could not be ended."""
    failed = []
    attempts = Path(host.path(f"{names.STATE_DIR}/attempts"))
    for place in attempts.glob(f"*/*/{layout.RAM}"):
        path = f"{names.STATE_DIR}/attempts/{place.relative_to(attempts)}"
        try:
            ram.release(host, path)
        except (OSError, ram.RamFailed) as error:
            failed.append(f"{path}: {error}")
    return failed


def sweep(host: Host) -> list[Item]:
    """Remove the folders that agent and wrapper made; nothing where there are none."""
    if failed := release_images(host):
        return [Item("images", "refused", f"{'; '.join(failed)}; unmount it, then undo again")]
    items = []
    for base, folders in _OURS:
        for folder in folders:
            path = f"{base}/{folder}"
            if not os.path.isdir(host.path(path)):
                continue
            shutil.rmtree(host.path(path))
            items.append(Item(folder, "removed", path))
    return items


def remove_empty(host: Host) -> list[Item]:
    """Remove our base folders; one that holds something of somebody else is kept and named."""
    items = []
    for base, _ in _OURS:
        local = host.path(base)
        with contextlib.suppress(OSError):
            os.rmdir(local)
        if os.path.isdir(local):
            found = ", ".join(sorted(os.listdir(local))[:5])
            items.append(Item("folder", "kept", f"{base} holds {found}, unknown to podferry"))
    return items
