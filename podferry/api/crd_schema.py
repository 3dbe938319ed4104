"""From frozen dataclasses to the structural schema and the manifest of a CustomResourceDefinition.

Owns how a Python type reads in OpenAPI, which defaults are written down, and the frame of the
manifest. Limits and texts are given by the caller; it knows no kind by name.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast, get_args, get_origin

from podferry.api.serde import camel, hints, optional, to_dict

GROUP, VERSION = "podferry.dev", "v1alpha1"
"""As in `wire/names.py`; neither package imports the other, so a test keeps them equal."""

Schema = dict[str, Any]
Column = tuple[str, str, str, int]
"""Title, type, JSON path, priority (0: always shown)."""
_PLAIN: dict[type, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What is said of a kind once."""

    kind: str
    plural: str
    short: str
    scope: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Writer:
    """Turns classes into schemas with these texts and limits, each by `Class.field`."""

    texts: Mapping[str, str]
    limits: Mapping[str, Schema]

    def of_class(self, cls: type, *, with_defaults: bool) -> Schema:
        """The schema of a dataclass; fields without a default are required."""
        properties, required = {}, []
        for field in dataclasses.fields(cast(Any, cls)):
            name = camel(field.name)
            key = f"{cls.__name__}.{field.name}"
            hint, _ = optional(hints(cls)[field.name])
            schema = self._of(hint, with_defaults=with_defaults)
            if key in self.texts:
                schema = {**schema, "description": self.texts[key]}
            schema |= self.limits.get(key, {})
            default = _default(field)
            if default is dataclasses.MISSING:
                required.append(name)
            elif with_defaults and _is_worth_writing(default):
                schema["default"] = to_dict(default)
            properties[name] = schema
        found: Schema = {"type": "object", "description": first_paragraph(cls)}
        if required:
            found["required"] = required
        return {**found, "properties": properties}

    def _of(self, hint: Any, *, with_defaults: bool) -> Schema:
        origin = get_origin(hint)
        if origin is tuple:
            items = self._of(get_args(hint)[0], with_defaults=with_defaults)
            return {"type": "array", "items": items, "x-kubernetes-list-type": "atomic"}
        if origin is dict and get_args(hint)[1] is Any:
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        if origin is dict:
            return {"type": "object", "additionalProperties": {"type": "string"}}
        if dataclasses.is_dataclass(hint):
            return self.of_class(cast(type, hint), with_defaults=with_defaults)
        if issubclass(hint, Enum):
            values = [item.value for item in hint]
            return {"type": "string", "description": first_paragraph(hint), "enum": values}
        return dict(_PLAIN[hint])


def manifest(kind: Kind, text: str, spec: Schema, status: Schema) -> dict[str, Any]:
    """Return the whole manifest as plain values; `text` describes the kind."""
    root = {
        "type": "object",
        "description": text,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short],
                "categories": ["podferry"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": root},
                }
            ],
        },
    }


def first_paragraph(cls: type) -> str:
    """What a class says of itself, on one line."""
    text = inspect.getdoc(cls) or cls.__name__
    return " ".join(text.split("\n\n")[0].split())


def _column(name: str, kind: str, path: str, priority: int) -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path}
    return {**column, "priority": priority} if priority else column


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _is_worth_writing(default: Any) -> bool:
    """Defaults that say something; empty ones mean "not asked" and stay absent."""
    return isinstance(default, (bool, Enum)) or bool(default)
