"""Reads a sweep file: YAML that names settings, policies and grids, into cells.

Owns the file's format (docs/how-to/choose-a-policy.md). A grid is every combination of its lists;
`policy.detector` and the like put one rule in the place of the policy's own. It runs nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from podferry.policies.presets import PRESETS
from podferry.simulator.errors import BadInput
from podferry.simulator.sweep import settings
from podferry.simulator.sweep.cells import Cell, PolicyMapping

NONE = "none"
PARTS = ("detector", "victim", "target", "gates", "cordon", "period", "movesAtOnce")
"""Parts of a policy that a grid may vary, as `policy.PART`."""
_TOP = ("seeds", "first-seed", "set", "policies", "grids")
_GRID = ("name", "seeds", "first-seed", "set", "grid")
MOST_CELLS = 10_000
MOST_SEEDS = 1_000_000
SEEDS = 200


def load(path: Path) -> list[Cell]:
    """Return the cells of a sweep file, in its order.

    Raises:
        BadInput: cannot be read, or makes no sense; with the place in the file.
    """
    document = _yaml(path)
    place = str(path)
    _known(place, document, _TOP)
    policies = {NONE: None, **PRESETS, **_policies(path, document.get("policies") or {})}
    grids = document.get("grids")
    if not isinstance(grids, list) or not grids:
        raise BadInput(f"{place}: grids: expected a list with at least one grid")
    cells: list[Cell] = []
    for at, grid in enumerate(grids):
        cells += _grid(f"{place}: grids[{at}]", grid, document, policies, path)
        if len(cells) > MOST_CELLS:
            raise BadInput(f"{place}: more than {MOST_CELLS:,} cells; split the file")
    return cells


def policy_file(path: Path) -> PolicyMapping:
    """Return what a policy file says; the registry judges it.

    Raises:
        BadInput: cannot be read, or no mapping.
    """
    return _yaml(path)


def seeds(count: Any, first: Any, place: str) -> range:
    """Return the seeds of a cell.

    Raises:
        BadInput: not a whole number, or none.
    """
    for name, value, least in (("seeds", count, 1), ("first-seed", first, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or not (
            least <= value <= MOST_SEEDS
        ):  # fmt: skip
            raise BadInput(
                f"{place}: {name}: {value!r} is not a whole number from {least} to {MOST_SEEDS:,}"
            )
    return range(first, first + count)


def _grid(
    place: str,
    grid: Any,
    document: Mapping[str, Any],
    policies: Mapping[str, PolicyMapping | None],
    path: Path,
) -> Iterator[Cell]:
    if not isinstance(grid, dict):
        raise BadInput(f"{place}: expected a mapping with name and grid")
    _known(place, grid, _GRID)
    name = grid.get("name")
    if not isinstance(name, str):
        raise BadInput(f"{place}: name is missing")
    place = f"{place} ({name})"
    wanted = seeds(
        grid.get("seeds", document.get("seeds", SEEDS)),
        grid.get("first-seed", document.get("first-seed", 0)),
        place,
    )
    fixed = {**_mapping(f"{path}: set", document.get("set")), **_mapping(place, grid.get("set"))}
    axes = {key: _list(f"{place}: grid", key, value) for key, value in _axes(place, grid)}
    for combination in itertools.product(*axes.values()):
        chosen = dict(zip(axes, combination, strict=True))
        yield cell(name, {**fixed, **chosen}, list(axes), wanted, policies, place)


def cell(
    group: str,
    chosen: Mapping[str, Any],
    varied: list[str],
    wanted: range,
    policies: Mapping[str, PolicyMapping | None],
    place: str,
) -> Cell:
    """Return the cell of some settings, the others as by default.

    Args:
        group: which grid.
        chosen: settings as a person wrote them, with `policy` and `policy.PART`.
        varied: those that tell it from its neighbours.
        wanted: seeds.
        policies: by name.
        place: for errors.

    Raises:
        BadInput: unknown setting, policy or part, or an impossible value.
    """
    values = settings.defaults()
    parts: dict[str, Any] = {}
    name = NONE
    for key, value in chosen.items():
        if key == "policy":
            name = NONE if value is None else str(value)
        elif key.startswith("policy."):
            parts[key.removeprefix("policy.")] = value
        else:
            values[key] = settings.read(key, value, place)
    if name not in policies:
        raise BadInput(f"{place}: policy: unknown policy {name!r}; known: {', '.join(policies)}")
    policy = policies[name]
    for part in parts:
        if part not in PARTS:
            raise BadInput(f"{place}: policy.{part}: unknown part; known: {', '.join(PARTS)}")
    if parts:
        if policy is None:
            raise BadInput(f"{place}: policy.{next(iter(parts))} needs a policy other than none")
        policy = {**policy, **parts}
    told = {key.removeprefix("policy."): text(chosen[key]) for key in varied}
    label = " / ".join([name, *(text(part) for part in parts.values())])
    return Cell(group, values, policy, label, wanted, told)


def text(value: Any) -> str:
    """Return a value as one short text: a rule with its arguments, or a plain value."""
    if isinstance(value, dict) and "name" in value:
        args = value.get("args") or {}
        inner = ", ".join(f"{key} {text(arg)}" for key, arg in args.items())
        return f"{value['name']}({inner})" if inner else str(value["name"])
    if isinstance(value, list):
        return " + ".join(text(each) for each in value)
    return str(value)


def _policies(path: Path, named: Any) -> dict[str, PolicyMapping]:
    found: dict[str, PolicyMapping] = {}
    for name, policy in _mapping(f"{path}: policies", named).items():
        if name == NONE:
            raise BadInput(f"{path}: policies: {NONE} always means that nothing is moved")
        if isinstance(policy, str):
            found[name] = policy_file(path.parent / policy)
        elif isinstance(policy, dict):
            found[name] = policy
        else:
            raise BadInput(f"{path}: policies: {name}: expected a policy, or the path of its file")
    return found


def _yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise BadInput(f"{path}: {at}not YAML: {problem}") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path}: expected a mapping, found {type(document).__name__}")
    return document


def _known(place: str, mapping: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in mapping:
        if key not in known:
            raise BadInput(f"{place}: unknown key {key!r}; known: {', '.join(known)}")


def _mapping(place: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BadInput(f"{place}: expected a mapping")
    return value


def _axes(place: str, grid: Mapping[str, Any]) -> list[tuple[str, Any]]:
    axes = _mapping(f"{place}: grid", grid.get("grid"))
    if not axes:
        raise BadInput(f"{place}: grid: expected at least one setting with its values")
    return list(axes.items())


def _list(place: str, key: str, value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise BadInput(f"{place}: {key}: the list is empty")
    return values
