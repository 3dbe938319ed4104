"""The containers of a source's pod that are not moved: frozen and woken with the one that is.

They share its network, its volumes and its end. Frozen they write nothing to a volume that is being
copied, and do not act for a workload that runs elsewhere. Owns finding them by the pod's group and
their freezers. Never dumps one, and never decides when.
"""

from __future__ import annotations

import contextlib
import re

from podferry.agent import containers
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host

_ID = re.compile(r"[0-9a-f]{64}")
"""In the name of a container's group, whichever driver made it."""
_TYPE = "io.kubernetes.cri.container-type"


def find(host: Host, moved: containers.Container) -> list[containers.Container]:
    """The other containers of a pod that have tasks now, without its sandbox."""
    found = []
    group = containers.cgroup_of(host, moved.id)
    for identity in _siblings(group):
        if identity == moved.id:
            continue
        with contextlib.suppress(AgentError):  # it ended meanwhile
            one = containers.find(host, identity)
            kind = (one.bundle.config.get("annotations") or {}).get(_TYPE)
            same = one.bundle.pod_uid == moved.bundle.pod_uid
            if kind == "container" and same and containers.cgroup_of(host, identity).pids():
                found.append(one)
    return found


def _siblings(group: Cgroup) -> list[str]:
    with contextlib.suppress(OSError):
        names = sorted(item.name for item in group.folder.parent.iterdir() if item.is_dir())
        return [match[0] for name in names if (match := _ID.search(name))]
    return []


def of(side: Side) -> list[str]:
    """IDs of those that were found right before the freeze."""
    return [str(one) for one in side.facts.get("beside") or []]


def everyone(side: Side) -> list[str]:
    """The moved container and those beside it."""
    return [str(side.facts["containerID"]), *of(side)]


def groups(host: Host, side: Side) -> list[Cgroup]:
    """The freezers of those beside the moved container that exist still."""
    found = [containers.cgroup_of(host, one) for one in of(side)]
    return [group for group in found if group.exists()]


def freeze(host: Host, side: Side) -> None:
    """Freeze them; before the moved one, which then finds nobody new. Raises AgentError."""
    for group in groups(host, side):
        if not group.freeze() and group.exists():
            raise AgentError(
                "DumpFailed",
                f"container {_id_of(group)[:12]} of the pod, which does not travel, did not freeze"
                " within 5 s; a task hangs in the kernel (state D, often network storage); try"
                " again when it is idle",
            )


def thaw(host: Host, side: Side) -> None:
    """Wake them and read it back. Raises AgentError; the order is tried again."""
    for group in groups(host, side):
        if not group.thaw() and group.exists():
            raise AgentError(
                "ThawFailed",
                f"container {_id_of(group)[:12]} of the pod, which was frozen beside the one that"
                " was to be moved, stays frozen after 5 s of thaw",
            )


def kill(host: Host, side: Side) -> None:
    """End every one of them. Raises AgentError."""
    for group in groups(host, side):
        if not group.kill():
            raise AgentError(
                "KillFailed", f"container {_id_of(group)[:12]} still has tasks after 5 s"
            )


def _id_of(group: Cgroup) -> str:
    match = _ID.search(group.folder.name)
    return match[0] if match else group.folder.name
