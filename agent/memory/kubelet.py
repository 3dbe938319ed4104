"""The node's running kubelet: which process, its flags, its configuration files. Reads only.

A process that a workload calls `kubelet` is not believed: the node's own has the process namespace
of process 1 and its user. Files are read as that process sees them, through its root.
Owns finding and reading. Never does: say what the settings mean (thresholds.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from podferry.agent.memory import thresholds
from podferry.agent.memory.thresholds import Settings, Thresholds

_MOST_BYTES = 1 << 20
_MOST_LINKS = 40
_MAPS = ("eviction-hard", "eviction-soft")


@dataclass(frozen=True, slots=True)
class Kubelet:
    """A process; `began` is its start in clock ticks since the boot, so (pid, began) is unique."""

    pid: int
    began: int
    argv: tuple[str, ...]


class NotFound(Exception):
    """No process is surely the node's kubelet; the text says why."""


def find(proc: str) -> Kubelet:
    """The node's kubelet. Raises NotFound or OSError."""
    candidates = [int(name) for name in os.listdir(proc) if name.isdigit()]
    found = [each for each in (_kubelet(proc, pid) for pid in sorted(candidates)) if each]
    here = [each for each in found if _link(proc, each.pid, "mnt") == _link(proc, 1, "mnt")]
    best = here or found
    if not best:
        raise NotFound("no process of this node is called kubelet")
    if len(best) > 1:
        pids = ", ".join(str(each.pid) for each in best[:5])
        raise NotFound(f"{len(best)} processes of this node are called kubelet: {pids}")
    return best[0]


def still(proc: str, kubelet: Kubelet) -> bool:
    """Whether that process still lives: its settings are then as they were, it reads them once."""
    try:
        return _began(proc, kubelet.pid) == kubelet.began
    except (OSError, ValueError, IndexError):
        return False


def read(proc: str, kubelet: Kubelet, capacity: int) -> Thresholds:
    """Its thresholds; what cannot be read is `unknown` with the reason, never an error."""
    try:
        return thresholds.of(_settings(proc, kubelet), capacity)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        return thresholds.unknown(" ".join(str(error).split()), capacity)


def _kubelet(proc: str, pid: int) -> Kubelet | None:
    try:
        with open(f"{proc}/{pid}/cmdline", "rb") as source:
            argv = source.read(_MOST_BYTES).decode(errors="replace").rstrip("\0").split("\0")
        if os.path.basename(argv[0]) != "kubelet":
            return None
        if _link(proc, pid, "pid") != _link(proc, 1, "pid"):
            return None
        if os.stat(f"{proc}/{pid}").st_uid != os.stat(f"{proc}/1").st_uid:
            return None
        return Kubelet(pid, _began(proc, pid), tuple(argv[1:]))
    except (OSError, ValueError, IndexError):
        return None


def _link(proc: str, pid: int, kind: str) -> str:
    return os.readlink(f"{proc}/{pid}/ns/{kind}")


def _began(proc: str, pid: int) -> int:
    with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as source:
        return int(source.read().rpartition(")")[2].split()[19])


def _settings(proc: str, kubelet: Kubelet) -> Settings:
    flags = flag_values(kubelet.argv)
    process = f"{proc}/{kubelet.pid}"
    config, folder = flags.get("config"), flags.get("config-dir")
    drop_ins = _drop_ins(process, folder[-1]) if folder and folder[-1] else []
    return Settings(
        config=(config[-1], _load(process, config[-1])) if config and config[-1] else None,
        drop_ins=[(path, _load(process, path)) for path in drop_ins],
        flags={name: thresholds.flag_map(flags[name]) for name in _MAPS if name in flags},
    )


def flag_values(argv: Sequence[str]) -> dict[str, list[str]]:
    """Values of the flags that matter here; `_` in a name is `-`, as for kubelet itself."""
    found: dict[str, list[str]] = {}
    words = iter(argv)
    for word in words:
        if word == "--":
            break
        name, equals, value = word.removeprefix("--").partition("=")
        name = name.replace("_", "-")
        if word.startswith("--") and name in ("config", "config-dir", *_MAPS):
            found.setdefault(name, []).append(value if equals else next(words, ""))
    return found


def _drop_ins(process: str, folder: str) -> list[str]:
    """Files *.conf of a folder and those below, in kubelet's order."""
    found = []
    place = inside(process, folder)
    for name in sorted(os.listdir(place)):
        path = f"{folder.rstrip('/')}/{name}"
        if os.path.isdir(f"{place}/{name}") and not os.path.islink(f"{place}/{name}"):
            found += _drop_ins(process, path)
        elif os.path.splitext(name)[1] == ".conf":
            found.append(path)
    return found


def _load(process: str, path: str) -> Mapping[str, Any]:
    with open(inside(process, path), encoding="utf-8") as source:
        text = source.read(_MOST_BYTES)
    body = yaml.safe_load(text)
    if not isinstance(body, Mapping):
        raise ValueError(f"{path} is not a KubeletConfiguration")
    return body


def inside(process: str, path: str) -> str:
    """Our path of a path of that process: links are followed within its root, not within ours."""
    root = f"{process}/root"
    start = path if path.startswith("/") else f"{os.readlink(f'{process}/cwd')}/{path}"
    parts, done, links = start.split("/"), "", 0
    while parts:
        part = parts.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        try:
            target = os.readlink(f"{root}{done}/{part}")
        except OSError:
            done = f"{done}/{part}"
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(f"{path}: too many symbolic links")
        parts = target.split("/") + parts
        done = "" if target.startswith("/") else done
    return f"{root}{done}"
