"""What the agent remembers on disk: orders, observations, the highest attempt of a migration.

Owns: <state>/attempts/<uid>.<attempt>/<role>/{order,observed}.json and reserve; <state>/seen/<uid>.
Never does: decide whether an order is acceptable (`machine`) or work on one (`engine`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from podferry.agent import files
from podferry.agent.errors import Refused
from podferry.agent.machine import ENDS, WAY_BACK, SideState
from podferry.wire import layout
from podferry.wire.stages import Observed, Order, Progress, Role

RESERVE_BYTES = 1 << 18
"""Held by each side until an end or the way back is ordered: that must find room on a full disk."""
_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_FOLDER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]{0,63})\.([1-9][0-9]{0,8})")


def check_key(migration: str, attempt: int) -> None:
    """Refuse (400) what cannot be a folder name: these come from a URL."""
    if not _UID.fullmatch(migration) or not 1 <= attempt <= 999_999_999:
        raise Refused(
            "BadAttempt",
            f"{migration!r} attempt {attempt} is not a migration uid with an attempt from 1",
            status=400,
        )


def _reserve(path: str) -> None:
    """Take disk for `RESERVE_BYTES`. Raises OSError ENOSPC where there is none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
    finally:
        os.close(descriptor)


class Store:
    """Durable state under one folder; every write survives a power cut once it returned."""

    def __init__(self, state: str) -> None:
        self.state = state
        for folder in (f"{state}/attempts", f"{state}/seen"):
            os.makedirs(folder, mode=0o700, exist_ok=True)

    def folder(self, migration: str, attempt: int, role: Role) -> str:
        """Folder of one side; exists only once something was saved."""
        return layout.side_dir(migration, attempt, role.value, state=self.state)

    def save(self, side: SideState) -> None:
        """Make an accepted order and its observation durable, the order first. Raises OSError."""
        order = side.order
        folder = self.folder(order.migration, order.attempt, order.role)
        if not os.path.isdir(folder):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            files.sync_folder(os.path.dirname(folder))
            files.sync_folder(f"{self.state}/attempts")
        if order.stage in ENDS[order.role] or order.stage in WAY_BACK[order.role]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/reserve")
        elif not os.path.exists(f"{folder}/order.json"):
            _reserve(f"{folder}/reserve")
        if self.highest(order.migration) < order.attempt:
            files.write_text(f"{self.state}/seen/{order.migration}", str(order.attempt))
        files.write_json(f"{folder}/order.json", order.to_dict())
        self.save_observed(side.observed)

    def save_observed(self, observed: Observed) -> None:
        """Make an observation durable."""
        folder = self.folder(observed.migration, observed.attempt, observed.role)
        files.write_json(f"{folder}/observed.json", observed.to_dict())

    def highest(self, migration: str) -> int:
        """Highest attempt ever accepted for a migration, 0 for none."""
        try:
            return int(Path(f"{self.state}/seen/{migration}").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0

    def load(self) -> list[SideState]:
        """Every side on disk. An order that was saved without its observation is still to do."""
        sides = []
        for name in sorted(os.listdir(f"{self.state}/attempts")):
            match = _FOLDER.fullmatch(name)
            for role in Role if match else ():
                assert match is not None
                side = self._load_side(self.folder(match[1], int(match[2]), role))
                if side is not None:
                    sides.append(side)
        return sides

    def _load_side(self, folder: str) -> SideState | None:
        raw = files.read_json(f"{folder}/order.json")
        if raw is None:
            return None
        order = Order.from_dict(raw)
        seen = files.read_json(f"{folder}/observed.json")
        if seen is None:
            blank = Observed(
                order.migration, order.attempt, order.role, "", order.stage, Progress.WORKING
            )
            return SideState(order, blank)
        observed = Observed.from_dict(seen)
        if observed.wanted != order.stage:
            observed = Observed(
                observed.migration,
                observed.attempt,
                observed.role,
                observed.stage,
                order.stage,
                Progress.WORKING,
                facts=observed.facts,
            )
        return SideState(order, observed)

    def remove_ended(self, *, older_than_seconds: float, now: float | None = None) -> list[str]:
        """Remove folders of attempts all of whose sides ended long enough ago.

        RESUMED of a finished target stays: a container restart after a move is judged by it.

        Returns:
            Names of what was removed.
        """
        removed = []
        moment = time.time() if now is None else now
        for name in sorted(os.listdir(f"{self.state}/attempts")):
            match = _FOLDER.fullmatch(name)
            if not match:
                continue
            for role in Role:
                folder = self.folder(match[1], int(match[2]), role)
                if self._is_old_end(folder, role, moment - older_than_seconds):
                    self._remove_side(folder)
                    removed.append(f"{name}/{role.value}")
            if not any(os.scandir(f"{self.state}/attempts/{name}")):
                os.rmdir(f"{self.state}/attempts/{name}")
        return removed

    @staticmethod
    def _is_old_end(folder: str, role: Role, before: float) -> bool:
        try:
            seen = files.read_json(f"{folder}/observed.json")
            written = os.stat(f"{folder}/observed.json").st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return False
        if seen is None or written > before:
            return False
        return (
            seen.get("progress") == Progress.REACHED.value
            and seen.get("stage") in ENDS[role]
            and seen.get("wanted") == seen.get("stage")
        )

    def remove_markers(self, pod_exists: Callable[[str], bool]) -> list[str]:
        """Remove RESUMED of moves that are long over: its pod is gone, nothing restarts in it."""
        removed = []
        for name in sorted(os.listdir(f"{self.state}/attempts")):
            folder = f"{self.state}/attempts/{name}/{Role.TARGET.value}"
            if not _FOLDER.fullmatch(name) or os.path.exists(f"{folder}/order.json"):
                continue
            marker = files.read_json(f"{folder}/RESUMED")
            if marker is not None and not pod_exists(str(marker.get("podUID"))):
                shutil.rmtree(folder)
                removed.append(name)
                if not any(os.scandir(f"{self.state}/attempts/{name}")):
                    os.rmdir(f"{self.state}/attempts/{name}")
        return removed

    def remove_seen(self, *, older_than_seconds: float, now: float | None = None) -> list[str]:
        """Forget the highest attempt of migrations that have left nothing else and are old enough.

        It keeps a late order of an ended attempt from being taken for a new one; so the age must be
        above the longest deadline that a Migration may have.

        Returns:
            UIDs of the forgotten migrations.
        """
        before = (time.time() if now is None else now) - older_than_seconds
        matches = (_FOLDER.fullmatch(name) for name in os.listdir(f"{self.state}/attempts"))
        known = {match[1] for match in matches if match}
        removed = []
        for uid in sorted(set(os.listdir(f"{self.state}/seen")) - known):
            path = f"{self.state}/seen/{uid}"
            if os.stat(path).st_mtime < before:
                os.unlink(path)
                removed.append(uid)
        return removed

    @staticmethod
    def _remove_side(folder: str) -> None:
        """Remove a side but RESUMED, which says that a restart of the container is plain."""
        if not os.path.exists(f"{folder}/RESUMED"):
            shutil.rmtree(folder)
            return
        for entry in list(os.scandir(folder)):
            if entry.name == "RESUMED":
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
