"""Arguments of plug-ins: declared beside their default, read from what a person wrote in YAML.

Owns names (camelCase outside, snake_case inside), types, ranges and units, and what is said when
one of them is wrong. It knows no plug-in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from podferry.api.errors import PreconditionError
from podferry.api.quantity import parse_bytes, parse_duration
from podferry.api.reasons import Reason

_PARSERS: Mapping[str, Callable[[str], float]] = {
    "s": parse_duration,
    "bytes": parse_bytes,
    "bytes/min": parse_bytes,
}


@dataclass(frozen=True, slots=True)
class Arg:
    """What an argument may be."""

    what: str
    unit: str = ""
    """`%`, `s`, `bytes`, `bytes/min`, or none; `s` and `bytes` may be text such as 5m or 64Mi."""
    low: float = 0.0
    high: float = math.inf
    whole: bool = False
    """Whole numbers only."""
    choices: tuple[str, ...] = ()
    """Text, one of these."""
    plug_in: str = ""
    """Another plug-in of this kind, as `{name, args}`; may be left out."""

    def range(self) -> str:
        """Return the range as people write it."""
        unit = f" {self.unit}" if self.unit else ""
        if math.isinf(self.high):
            return f"at least {self.low:g}{unit}"
        return f"{self.low:g} to {self.high:g}{unit}"


def number(what: str, default: float, unit: str = "", low: float = 0.0, high: float = 1e18) -> Any:
    """Declare a number with its unit and range (bounds included)."""
    return field(default=default, metadata={"arg": Arg(what, unit, low, high)})


def count(what: str, default: int, low: int = 0, high: int = 10**6) -> Any:
    """Declare a whole number."""
    return field(default=default, metadata={"arg": Arg(what, "", low, high, whole=True)})


def flag(what: str, default: bool) -> Any:
    """Declare yes or no."""
    return field(default=default, metadata={"arg": Arg(what)})


def one_of(what: str, default: str, *choices: str) -> Any:
    """Declare a choice between names."""
    return field(default=default, metadata={"arg": Arg(what, choices=choices)})


def plug_in(what: str, kind: str) -> dict[str, Arg]:
    """Return the metadata of a field that takes another plug-in."""
    return {"arg": Arg(what, plug_in=kind)}


def declared(plug: type) -> dict[str, tuple[Arg, Any]]:
    """Return the arguments of a plug-in: name as in YAML -> (what it may be, its default)."""
    found = {}
    for each in fields(plug):
        default = each.default
        if default is MISSING and each.default_factory is not MISSING:
            default = each.default_factory()
        found[camel(each.name)] = (each.metadata["arg"], default)
    return found


def camel(name: str) -> str:
    """`free_percent` -> `freePercent`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name: str) -> str:
    """`freePercent` -> `free_percent`."""
    return re.sub(r"([A-Z])", lambda match: "_" + match.group(1).lower(), name)


def refuse(message: str) -> PreconditionError:
    """Return the error for a policy that cannot be taken as it is written."""
    return PreconditionError(Reason.INVALID_SPEC, message)


def read(where: str, name: str, arg: Arg, default: Any, value: Any) -> Any:
    """Return an argument's value as the plug-in takes it; plug-ins are left to the registry.

    Raises:
        PreconditionError: wrong type, unit or range; says what to write.
    """
    place = f"{where}: {name}"
    if arg.choices:
        if value not in arg.choices:
            raise refuse(f"{place} is {value!r}; known are {', '.join(arg.choices)}")
        return value
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise refuse(f"{place} is {value!r}; write true or false")
        return value
    amount = _amount(place, arg, value)
    if not arg.low <= amount <= arg.high:
        unit = f" {arg.unit}" if arg.unit else ""
        raise refuse(f"{place} is {amount:g}{unit}; give {arg.range()}")
    if arg.whole:
        if amount != int(amount):
            raise refuse(f"{place} is {amount:g}; give a whole number, {arg.range()}")
        return int(amount)
    return amount


def _amount(place: str, arg: Arg, value: Any) -> float:
    if isinstance(value, str) and arg.unit in _PARSERS:
        try:
            return float(_PARSERS[arg.unit](value))
        except ValueError as error:
            raise refuse(f"{place}: {error}") from error
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        unit = f" [{arg.unit}]" if arg.unit else ""
        raise refuse(f"{place} is {value!r}; give a number{unit}, {arg.range()}")
    return float(value)
