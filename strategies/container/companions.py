"""Which container of a pod is moved, and which others start anew beside it. Pure.

Exactly one regular container travels with its memory. Every other one starts anew at the target:
regular ones only if the owner declared that they hold no progress; native sidecars (init containers
with restartPolicy Always) always, see docs/decisions/0012. Never looks at what runs in them.
"""

from __future__ import annotations

from collections.abc import Iterator

from podferry.api.reasons import Reason
from podferry.strategies.container.finding import (
    Finding,
    RawPod,
    app_containers,
    title,
)
from podferry.wire import names

_SHOWN = 5


def declared(pod: RawPod) -> list[str]:
    """Names in the pod's annotation `podferry.dev/restart-containers`, each once."""
    notes = (pod.get("metadata") or {}).get("annotations") or {}
    words = str(notes.get(names.ANNOTATION_RESTART_CONTAINERS) or "").split(",")
    return list(dict.fromkeys(word.strip() for word in words if word.strip()))


def moved(pod: RawPod) -> str:
    """Name of the container that is moved: the first regular one that is not declared.

    Of a pod that `check` passed it is the only one. Empty for a pod without containers.
    """
    regular, given = _regular(pod), declared(pod)
    left = [name for name in regular if name not in given]
    return next(iter([*left, *regular]), "")


def anew(pod: RawPod, container: str) -> list[str]:
    """Names of what runs beside `container`, in the pod's order."""
    return [name for one in app_containers(pod) if (name := str(one.get("name"))) != container]


def check(pod: RawPod) -> Iterator[Finding]:
    """What stands against moving one container and starting the others anew."""
    debug = [
        str(one.get("name")) for one in (pod.get("spec") or {}).get("ephemeralContainers") or []
    ]
    if debug:
        yield _finding(
            f"{title(pod)} has the debug container(s) {_list(debug)}, which would end with the"
            " move; they stay as long as the pod: re-create it"
        )
    yield from _check_names(pod)
    regular, given = _regular(pod), declared(pod)
    left = [name for name in regular if name not in given]
    if len(left) > 1:
        yield _finding(
            f"{title(pod)} has {len(regular)} containers and {len(left)} of them hold what would"
            f" have to travel ({_list(left)}), but only one container of a pod is moved with its"
            " memory. Declare those that may start anew at the target, because they hold no"
            f" progress: {names.ANNOTATION_RESTART_CONTAINERS}:"
            f' "{",".join([*given, *left[1:]])}" (for instance) in the annotations of the pod, and'
            " of its owner's template; or put the others in a pod of their own"
        )
    elif regular and not left:
        yield _finding(
            f"{title(pod)} declares all of its containers ({_list(regular)}) in"
            f" {names.ANNOTATION_RESTART_CONTAINERS}, so that nothing is left to move; take the one"
            " that is to be moved out of it"
        )


def _check_names(pod: RawPod) -> Iterator[Finding]:
    known = {str(one.get("name")) for one in app_containers(pod)}
    inits = {str(one.get("name")) for one in (pod.get("spec") or {}).get("initContainers") or []}
    for name in declared(pod):
        if name in known:
            continue
        what = (
            "is an init container that ends, which never runs again at the target"
            if name in inits
            else f"is none of its containers ({_list(sorted(known))})"
        )
        yield _finding(
            f"{names.ANNOTATION_RESTART_CONTAINERS} of {title(pod)} names {name}, which {what};"
            " correct the annotation"
        )


def _regular(pod: RawPod) -> list[str]:
    return [str(one.get("name")) for one in (pod.get("spec") or {}).get("containers") or []]


def _list(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _finding(message: str) -> Finding:
    return Finding(Reason.SEVERAL_CONTAINERS, message)
