"""How long a move would freeze a pod, by the model that the controller uses when it accepts one.

Owns which sizes are looked at: the resident memory is known to the node's agent only, so the pod's
own memory request and limit stand for it, or examples where it has none. Reads finished Migrations.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from podferry.api import serde
from podferry.api.errors import PodferryError
from podferry.api.migration import CopyMode, Migration, OwnerRef, Prediction, keeps_name
from podferry.cli import timeline
from podferry.controller.core.requests import quantity_bytes
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.strategies.container import companions
from podferry.strategies.container.estimate import predict
from podferry.strategies.container.init_cost import lengthen
from podferry.strategies.container.moves import MoveRecord, records

Object = dict[str, Any]
EXAMPLES = (256 << 20, 1 << 30)
"""Sizes that are shown for a pod without a memory request or limit [bytes]."""


async def history(client: ApiClient, namespace: str) -> tuple[MoveRecord, ...]:
    """Return the finished moves that may be read: of the cluster, else of the namespace, else none.

    Raises ApiError, but neither Forbidden nor NotFound.
    """
    for where in (None, namespace):
        try:
            items = (await client.list(paths.migrations(where)))["items"]
        except errors.Forbidden:
            continue
        except errors.NotFound:
            return ()
        return records(found for raw in items if (found := _parsed(raw)) is not None)
    return ()


def _parsed(raw: Object) -> Migration | None:
    try:
        return serde.parse_migration(raw)
    except PodferryError:
        return None


def foresee(
    pod: Object, moves: tuple[MoveRecord, ...], now: datetime
) -> tuple[tuple[str, CopyMode, Prediction], ...]:
    """Return for each size (with its name) and copy mode that the pod can use what is predicted."""
    owner = _owner(pod)
    same_name = keeps_name(owner)
    modes = [CopyMode.STOP_AND_COPY] + ([] if same_name else [CopyMode.POST_COPY])
    found = []
    for what, size in sizes(pod):
        for mode in modes:
            one = predict(
                copy=mode, resident_bytes=size, history=moves, now=now, same_name=same_name
            )
            found.append((what, mode, lengthen(one, pod) if same_name else one))
    return tuple(found)


def _owner(pod: Object) -> OwnerRef | None:
    for reference in pod["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return OwnerRef(str(reference.get("kind")), str(reference.get("name")), "")
    return None


def sizes(pod: Object) -> list[tuple[str, int]]:
    """Return the sizes to look at [bytes], each with what it is."""
    moved = companions.moved(pod)
    containers = [
        one for one in (pod.get("spec") or {}).get("containers") or [] if one.get("name") == moved
    ]
    found: dict[int, str] = {}
    for name, word in (("requests", "memory request"), ("limits", "memory limit")):
        size = sum(
            quantity_bytes(((one.get("resources") or {}).get(name) or {}).get("memory", 0))
            for one in containers
        )
        if size:
            found[size] = f"{found[size]} and limit" if size in found else word
    if not found:
        found = dict.fromkeys(EXAMPLES, "example, it has no memory request")
    return [(what, size) for size, what in sorted(found.items())]


def as_text(what: str, mode: CopyMode, found: Prediction) -> str:
    """One line for a person."""
    return (
        f"{timeline.size(found.bytes)} ({what}) by {mode.value}: freeze"
        f" {found.freeze_p50_seconds:.2f} s, 95 % below {found.freeze_p95_seconds:.2f} s,"
        f" {found.source}"
    )


def as_json(what: str, mode: CopyMode, found: Prediction) -> Object:
    """The same for a program."""
    return {"size": what, "copy": mode.value, **serde.to_dict(found)}
