"""What a support bundle holds, what is missing in it and what was cut. In memory, bounded.

Owns names, sizes, the index and the page for people. Never reads a cluster, never writes a disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from podferry import __version__

Object = dict[str, Any]
KIB = 1024
TOTAL_BYTES = 64 << 20
"""All files of a bundle together, before they are compressed [bytes]."""
LEFT_OUT = (
    "Secrets, ConfigMaps other than podferry-nodes, memory images, logs of workloads",
    "env, commands and arguments of containers, commands and headers of probes",
    "annotations that are not podferry.dev's, values of labels that are not podferry.dev's",
    "what a workload's container wrote or its runtime said when it ended (state.*.message)",
)
"""What is never collected, in words."""


@dataclass(slots=True)
class Contents:
    """The files by name, and what a reader must know that they do not show."""

    namespace: str
    migration: str
    collected_at: str
    """RFC 3339, UTC."""
    room: int = field(default_factory=lambda: TOTAL_BYTES)
    """What may still be added [bytes]."""
    files: dict[str, bytes] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """What could not be read, each with why."""
    cut: dict[str, str] = field(default_factory=dict)
    """What is there in part only, each with how much."""
    gone: list[str] = field(default_factory=list)
    """Pods that a Migration names and that exist no more, as after a move."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many of what, in words."""

    def add(self, name: str, data: bytes) -> bool:
        """Add a file, or return False where there is no room for it."""
        if len(data) > self.room:
            return False
        self.room -= len(data)
        self.files[name] = data
        return True

    def add_json(self, name: str, value: object) -> bool:
        """Add a file of JSON, as `add`; says in `cut` where there is no room for it."""
        if self.add(name, as_json(value)):
            return True
        self.cut[name] = f"left out whole: {self.full()}"
        return False

    def add_objects(self, folder: str, what: str, objects: Iterable[Object]) -> None:
        """Add a file an object, the first first; says in `cut` how many found no room."""
        if folder in self.missing:
            return  # Not none: unknown.
        given = list(objects)
        held = [self.add(f"{folder}/{name_of(one)}.json", as_json(one)) for one in given]
        self.counts[what] = sum(held)
        if not all(held):
            lost = len(held) - sum(held)
            self.cut[folder] = f"{lost} of {len(held)} left out: {self.full()}"

    def full(self) -> str:
        """Why something found no room."""
        return f"a bundle holds {TOTAL_BYTES // KIB} KiB at most"

    def finished(self) -> dict[str, bytes]:
        """Every file with index and page, in the order of the archive."""
        ordered = {name: self.files[name] for name in sorted(self.files)}
        return {"README.txt": self._page(), "index.json": as_json(self._index()), **ordered}

    def _index(self) -> Object:
        return {
            "podferry": __version__,
            "collectedAt": self.collected_at,
            "namespace": self.namespace,
            "migration": self.migration or None,
            "files": [
                {"name": name, "bytes": len(data)} for name, data in sorted(self.files.items())
            ],
            "missing": [{"part": part, "why": why} for part, why in sorted(self.missing.items())],
            "cut": [{"part": part, "how": how} for part, how in sorted(self.cut.items())],
            "podsThatAreGone": sorted(self.gone),
            "neverCollected": list(LEFT_OUT),
        }

    def _page(self) -> bytes:
        about = f"Migration {self.migration}" if self.migration else "all Migrations"
        lines = [
            f"Support bundle of podferry {__version__}: {about} of namespace {self.namespace},",
            f"collected {self.collected_at} with the rights of the one who asked.",
            "It names pods, nodes, images and addresses, and has the logs of controller and agents",
            "as they were written: read them before you hand this on.",
            "",
            *_listed("Could not be read:", self.missing),
            *_listed("Cut:", self.cut),
            *_listed("Gone, as after a move:", dict.fromkeys(sorted(self.gone), "")),
            *_listed("Never collected:", dict.fromkeys(LEFT_OUT, "")),
        ]
        return "\n".join(lines).encode()


def _listed(title: str, rows: dict[str, str]) -> list[str]:
    if not rows:
        return []
    return [title, *(f"- {part}: {why}" if why else f"- {part}" for part, why in rows.items()), ""]


def as_json(value: object) -> bytes:
    """JSON with a stable order of keys."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def name_of(raw: Object) -> str:
    """The object's name, "" where it has none."""
    return str((raw.get("metadata") or {}).get("name") or "")
