"""Between raw objects of the API server and the frozen values of `podferry.api`.

Owns the naming rule (YAML is the camelCase of the Python name) and every message about a value that
does not fit its type. It checks shapes, never meaning: whether a known value can be served is
decided by the controller. Maps are user data (labels), so their keys are never renamed. No I/O.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from podferry.api.errors import PreconditionError
from podferry.api.migration import Migration, MigrationSpec, MigrationStatus
from podferry.api.reasons import Reason
from podferry.api.rescue_policy import RescuePolicy, RescuePolicySpec, RescuePolicyStatus

LABEL_RESCUE_POLICY = "podferry.dev/rescue-policy"
LABEL_REQUESTED_BY = "podferry.dev/requested-by"
"""As in `wire/names.py`; neither package imports the other, so a test keeps them equal."""
T = TypeVar("T")
_KINDS: dict[type, str] = {str: "a text", int: "a whole number", float: "a number", bool: "a bool"}


def camel(name: str) -> str:
    """Return the YAML name of a Python field: `target_node` -> `targetNode`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


@lru_cache(maxsize=64)
def hints(cls: type) -> dict[str, Any]:
    """Return the resolved type of each field of a dataclass, by Python name."""
    return get_type_hints(cls)


def optional(hint: Any) -> tuple[Any, bool]:
    """Split `X | None` into (X, True); any other hint is (hint, False)."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [item for item in get_args(hint) if item is not type(None)]
        if len(inner) != 1:
            raise TypeError(f"{hint} is a union of several types; fields of the API may not be")
        return inner[0], True
    return hint, False


def to_dict(value: Any) -> Any:
    """Return a dataclass as plain JSON values: camelCase, enums by value, what is not set left out.

    Not set is None, and an empty text where that is the default: whoever waits for a field such as
    `completedAt` waits for it to exist. Empty tuples and empty maps are kept, because "none" and
    "not said" differ in a merge patch.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {camel(field.name): to_dict(item) for field, item in pairs if _is_set(field, item)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_dict(item) for item in value]
    if isinstance(value, dict):
        return dict(value)
    return value


def from_dict(cls: type[T], raw: Any, *, path: str = "") -> T:
    """Build a dataclass of the API from plain JSON values; fields we do not know are left out.

    Args:
        cls: the dataclass.
        raw: what the API server sent for it.
        path: where it stands, such as `spec`, for messages.

    Raises:
        PreconditionError: InvalidSpec, with the field, its value and what would be valid.
    """
    if not isinstance(raw, dict):
        raise _invalid(path or cls.__name__, raw, "it must be a map of fields")
    values: dict[str, Any] = {}
    kinds = hints(cast(Any, cls))
    for field in dataclasses.fields(cast(Any, cls)):
        name = camel(field.name)
        where = f"{path}.{name}" if path else name
        item = raw.get(name)
        if item is not None:
            values[field.name] = _convert(kinds[field.name], item, where)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise PreconditionError(
                Reason.INVALID_SPEC, f"{where} is missing: set it, it has no default"
            )
    return cls(**values)


def parse_migration(raw: dict[str, Any]) -> Migration:
    """Build a Migration from what the API server sent.

    Raises:
        PreconditionError: InvalidSpec, naming the field, its value and the known values.
    """
    meta = _part(raw, "metadata")
    finalizers = meta.get("finalizers") or ()
    if not isinstance(finalizers, (list, tuple)):
        raise _invalid("metadata.finalizers", finalizers, "it must be a list")
    return Migration(
        namespace=str(meta.get("namespace") or ""),
        name=str(meta.get("name") or ""),
        uid=str(meta.get("uid") or ""),
        generation=_plain(int, meta.get("generation") or 0, "metadata.generation"),
        resource_version=str(meta.get("resourceVersion") or ""),
        deletion_requested=bool(meta.get("deletionTimestamp")),
        finalizers=tuple(str(item) for item in finalizers),
        created_at=str(meta.get("creationTimestamp") or ""),
        spec=from_dict(MigrationSpec, _part(raw, "spec"), path="spec"),
        status=status_from_dict(_part(raw, "status")),
        rescue_policy=_label(meta, LABEL_RESCUE_POLICY),
        requested_by=_label(meta, LABEL_REQUESTED_BY),
    )


def _label(meta: dict[str, Any], name: str) -> str:
    labels = meta.get("labels")
    return str(labels.get(name) or "") if isinstance(labels, dict) else ""


def parse_rescue_policy(raw: dict[str, Any]) -> RescuePolicy:
    """Build a RescuePolicy from what the API server sent.

    Raises:
        PreconditionError: InvalidSpec, naming the field, its value and the known values.
    """
    meta = _part(raw, "metadata")
    return RescuePolicy(
        name=str(meta.get("name") or ""),
        uid=str(meta.get("uid") or ""),
        generation=_plain(int, meta.get("generation") or 0, "metadata.generation"),
        resource_version=str(meta.get("resourceVersion") or ""),
        created_at=str(meta.get("creationTimestamp") or ""),
        spec=from_dict(RescuePolicySpec, _part(raw, "spec"), path="spec"),
        status=from_dict(RescuePolicyStatus, _part(raw, "status"), path="status"),
    )


def _part(raw: dict[str, Any], name: str) -> dict[str, Any]:
    """A map of the object; one that is not there is empty, one of another type is nonsense."""
    found = raw.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _invalid(name, found, "it must be a map of fields")
    return found


def status_to_dict(status: MigrationStatus) -> dict[str, Any]:
    """Return a status as the API server stores it."""
    return cast(dict[str, Any], to_dict(status))


def status_from_dict(raw: dict[str, Any]) -> MigrationStatus:
    """Build a status from what the API server stores; an empty one has the defaults.

    Raises:
        PreconditionError: InvalidSpec. An unknown decision is an error and never "undecided".
    """
    return from_dict(MigrationStatus, raw, path="status")


def _is_set(field: dataclasses.Field[Any], item: Any) -> bool:
    return item is not None and not (item == "" and field.default == "")


def _convert(hint: Any, value: Any, where: str) -> Any:
    hint, _ = optional(hint)
    origin = get_origin(hint)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise _invalid(where, value, "it must be a list")
        inner = get_args(hint)[0]
        return tuple(_convert(inner, item, f"{where}[{at}]") for at, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _invalid(where, value, "it must be a map of text to text")
        if get_args(hint)[1] is Any:
            return {str(key): item for key, item in value.items()}
        return {str(key): _convert(str, item, f"{where}[{key}]") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_dict(cast(type, hint), value, path=where)
    if issubclass(hint, Enum):
        return _enum(hint, value, where)
    return _plain(hint, value, where)


def _enum(kind: type[Enum], value: Any, where: str) -> Enum:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(item.value) for item in kind)
        raise _invalid(where, value, f"it is not known; known: {known}") from None


def _plain(kind: type, value: Any, where: str) -> Any:
    """Text, numbers and bools; a bool is no number, and 2.0 is a whole number."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and not (isinstance(value, float) and not math.isfinite(value)):
        if kind is float and abs(value) <= sys.float_info.max:
            return float(value)
        if kind is int and value == int(value):
            return int(value)
    if kind in (str, bool) and isinstance(value, kind):
        return value
    raise _invalid(where, value, f"it must be {_KINDS[kind]}")


def _invalid(where: str, value: Any, why: str) -> PreconditionError:
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    return PreconditionError(
        Reason.INVALID_SPEC, f"{where} is {shown[:200]}: {why}; correct it and create it again"
    )
