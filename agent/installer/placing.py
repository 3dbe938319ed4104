"""Files on the node, each written at once and remembered, so that an undo restores what was.

Owns: the state file: hash and earlier content of every file, folders that we made, and whether
containerd still has to be restarted. Never does: overwrite on undo what somebody changed since.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podferry.agent.installer.preflight import Item
from podferry.agent.ops.host import Host
from podferry.wire import names

STATE = f"{names.STATE_DIR}/installer.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A file as it should be on the node; `path` is the node's."""

    name: str
    path: str
    text: str
    mode: int


class Placing:
    """The files of podferry on one node."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def read(self, path: str) -> str | None:
        """Text of a file of the node, None when it is not there."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return Path(self._host.path(path)).read_text()
        return None

    def same(self, part: Part) -> bool:
        """Whether the file is as it should be, content and permissions."""
        return self.read(part.path) == part.text and self._mode(part.path) == part.mode

    def put(self, part: Part, *, restart: bool = False) -> None:
        """Write one file. What was there, and the need to restart, is durable before it is."""
        files = self.files()
        earlier = files.get(part.path) or {
            "previous": self.read(part.path),
            "mode": self._mode(part.path),
        }
        files[part.path] = {**earlier, "sha256": _hash(part.text)}
        self._make_folders(os.path.dirname(STATE))
        self._make_folders(os.path.dirname(part.path))
        self._note(files=files, **({"restart": True} if restart else {}))
        self._write(part.path, part.text, part.mode)

    @contextlib.contextmanager
    def all_or_nothing(self, paths: Sequence[str]) -> Any:
        """Give these files and the state their earlier content back if the block raises."""
        earlier = {path: (self.read(path), self._mode(path)) for path in [*paths, STATE]}
        try:
            yield
        except BaseException:
            folders = self._state().get("folders", [])
            for path, (text, mode) in earlier.items():
                self._restore(path, text, mode)
            made = [item for item in folders if item not in self._state().get("folders", [])]
            self._remove_folders(made)
            raise

    def take_back(self, path: str) -> Item:
        """Give one file its earlier content back, unless somebody changed it since."""
        known = self.files()[path]
        present = self.read(path)
        name = os.path.basename(path)
        if present is None:
            return Item(name, "ok", f"{path} is gone already")
        if _hash(present) != known["sha256"]:
            return Item(name, "kept", f"{path} was changed by somebody else since")
        self._restore(path, known["previous"], known["mode"])
        return Item(name, "removed" if known["previous"] is None else "restored", path)

    def files(self) -> dict[str, dict[str, Any]]:
        """What the state file remembers, by path, in the order of writing."""
        return dict(self._state().get("files", {}))

    def restart_due(self) -> bool:
        """Whether containerd was not restarted yet after its configuration changed."""
        return bool(self._state().get("restart"))

    def set_restart(self, due: bool) -> None:
        """Remember it durably."""
        self._note(restart=due)

    def forget(self) -> None:
        """Remove the state file and the folders that we made, if they are empty."""
        folders = self._state().get("folders", [])
        self._restore(STATE, None, 0)
        self._remove_folders(folders)

    def _state(self) -> dict[str, Any]:
        text = self.read(STATE)
        return dict(json.loads(text)) if text else {}

    def _note(self, **changes: Any) -> None:
        self._write(STATE, json.dumps({**self._state(), **changes}, indent=1) + "\n", 0o600)

    def _make_folders(self, folder: str) -> None:
        missing = []
        while folder != "/" and not os.path.isdir(self._host.path(folder)):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for item in reversed(missing):
            # Images of memory will lie in the state folder.
            os.mkdir(self._host.path(item), 0o700 if item == names.STATE_DIR else 0o755)
        if missing:
            self._note(folders=[*self._state().get("folders", []), *missing])

    def _remove_folders(self, folders: list[str]) -> None:
        for folder in sorted(folders, key=len, reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(self._host.path(folder))

    def _mode(self, path: str) -> int:
        with contextlib.suppress(OSError):
            return os.stat(self._host.path(path)).st_mode & 0o7777
        return 0

    def _restore(self, path: str, text: str | None, mode: int) -> None:
        if text is not None:
            self._write(path, text, mode)
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._host.path(path))

    def _write(self, path: str, text: str, mode: int) -> None:
        place = Path(self._host.path(path))
        draft = place.with_name(f".{place.name}.podferry")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "w") as out:
            out.write(text)
            out.flush()
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        os.replace(draft, place)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
