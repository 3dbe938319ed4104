"""Installing, checking and undoing, item by item. Owns the list of files and the state file.

The state file holds the hash of what we wrote and what was there before, so that an undo restores
exactly that, and leaves alone what somebody changed since.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import podferry.runtime_wrapper as wrapper_package
from podferry.agent.installer import containerd
from podferry.agent.installer.containerd import ConfigRefused, Containerd
from podferry.agent.ops.host import Host
from podferry.wire import names

STATE = f"{names.INSTALL_DIR}/installed.json"
_TOOLS = ("criu", "python3", "nft", "ss", "flock", "nsenter", "setsid")
_BUNDLES = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the report. `state`: ok, installed, removed, kept or missing."""

    name: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    path: str
    text: str
    mode: int


class Installer:
    """podferry's parts on one node."""

    def __init__(self, host: Host, service: Containerd | None = None) -> None:
        self._host = host
        self._service = service or Containerd(host)

    def check(self) -> list[Item]:
        """What is there; touches nothing."""
        items = self._tools()
        dump = self._service.dump()
        for part in self._parts(dump):
            same = self._read(part.path) == part.text
            items.append(Item(part.name, "ok" if same else "missing", part.path))
        known = bool(containerd.handler(dump)) and not self._state().get("restart")
        detail = f"runtime handler {names.RUNTIME_CLASS}"
        items.append(Item("containerd", "ok" if known else "missing", detail))
        return items

    def install(self) -> list[Item]:
        """Bring the node to where it should be. Raises ConfigRefused after taking back its files.

        Nothing is written while a tool is missing.
        """
        items = self._tools()
        if any(item.state == "missing" for item in items):
            return items
        before = self._service.dump()
        for part in self._parts(before):
            changed = self._put(part)
            items.append(Item(part.name, "installed" if changed else "ok", part.path))
        changed = self._configure(before)
        if changed or self._state().get("restart"):
            self._note(restart=True)
            way = self._service.restart()
            self._note(restart=False)
            items.append(Item("containerd", "installed", f"handler {names.RUNTIME_CLASS}; {way}"))
        else:
            items.append(Item("containerd", "ok", f"handler {names.RUNTIME_CLASS}; not restarted"))
        return items

    def undo(self, *, force: bool = False) -> list[Item]:
        """Take everything of ours away. Refuses while containers still need the wrapper."""
        users = self._users()
        if users and not force:
            listed = ", ".join(item[:12] for item in users[:5])
            detail = (
                f"{len(users)} container(s) of the handler still run ({listed}); move them first"
            )
            return [Item("wrapper", "missing", f"not removed: {detail}, or use --force")]
        state = self._state()
        if not state:
            return [Item("wrapper", "ok", "nothing of podferry is installed")]
        files: dict[str, dict[str, Any]] = state.get("files", {})
        configuration = [path for path in files if path.startswith("/etc/")]
        items = [self._take_back(path, files[path]) for path in configuration]
        if any(item.state == "removed" for item in items):
            self._note(restart=True)
            items.append(Item("containerd", "removed", self._service.restart()))
        items += [
            self._take_back(path, known)
            for path, known in files.items()
            if path not in configuration
        ]
        self._unlink(STATE)
        for folder in sorted(state.get("folders", []), key=len, reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(self._host.path(folder))
        return items

    def _tools(self) -> list[Item]:
        items = []
        for tool in _TOOLS:
            done = self._host.run(["sh", "-c", 'command -v "$0"', tool])
            place = done.stdout.strip()
            items.append(
                Item(f"tool-{tool}", "ok", place)
                if place
                else Item(f"tool-{tool}", "missing", f"install {tool} on this node, then try again")
            )
        return items

    def _parts(self, dump: dict[str, Any]) -> list[_Part]:
        source = Path(str(wrapper_package.__file__)).parent
        runc = containerd.real_runc(dump) or "runc"
        if "/" not in runc:
            runc = self._host.run(["sh", "-c", 'command -v "$0"', runc]).stdout.strip() or runc
        base = names.INSTALL_DIR
        return [
            _Part("runc-path", f"{base}/runc-path", f"{runc}\n", 0o644),
            _Part("wrapper", f"{base}/wrapper.py", (source / "wrapper.py").read_text(), 0o644),
            _Part(
                "freeze-script",
                f"{base}/bin/podferry-freeze",
                (source / "podferry-freeze.sh").read_text(),
                0o755,
            ),
            # Last: once the front is there, what it calls is there too.
            _Part(
                "front",
                f"{base}/bin/podferry-runc",
                (source / "podferry-runc.sh").read_text(),
                0o755,
            ),
        ]

    def _configure(self, before: dict[str, Any]) -> bool:
        """Write the drop-in (and the imports line); True when something changed."""
        main = self._service.config_path()
        text = self._read(main)
        wanted = [
            _Part("drop-in", containerd.DROP_IN, containerd.drop_in(self._schema(text)), 0o644)
        ]
        if text is not None:
            wanted.append(_Part("imports", main, containerd.with_imports(text), 0o644))
        written = [part for part in wanted if self._put(part)]
        if not written:
            return False
        try:
            containerd.check_change(before, self._service.dump())
        except ConfigRefused:
            files = self._state()["files"]
            for part in written:
                self._take_back(part.path, files[part.path])
            raise
        return True

    @staticmethod
    def _schema(text: str | None) -> int:
        return containerd.schema(text or "")

    def _put(self, part: _Part) -> bool:
        """Write one file atomically, noting what was there; True when it changed."""
        present = self._read(part.path)
        files = dict(self._state().get("files", {}))
        if present == part.text:
            return False
        previous = files[part.path]["previous"] if part.path in files else present
        files[part.path] = {"sha256": _hash(part.text), "previous": previous}
        self._make_folders(os.path.dirname(part.path))
        self._note(files=files)
        self._write(part.path, part.text, part.mode)
        return True

    def _take_back(self, path: str, known: dict[str, Any]) -> Item:
        present = self._read(path)
        name = os.path.basename(path)
        if present is None:
            return Item(name, "ok", f"{path} is gone already")
        if _hash(present) != known["sha256"]:
            return Item(name, "kept", f"{path} was changed by somebody else")
        if known["previous"] is None:
            self._unlink(path)
        else:
            self._write(path, known["previous"], 0o644)
        files = dict(self._state().get("files", {}))
        files.pop(path, None)
        self._note(files=files)
        return Item(name, "removed", path)

    def _users(self) -> list[str]:
        """Containers whose shim calls our wrapper."""
        found = []
        for place in Path(self._host.path(_BUNDLES)).glob("*/options.json"):
            with contextlib.suppress(OSError):
                if b"podferry-runc" in place.read_bytes():
                    found.append(place.parent.name)
        return sorted(found)

    def _make_folders(self, folder: str) -> None:
        missing = []
        while folder != "/" and not os.path.isdir(self._host.path(folder)):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for item in reversed(missing):
            os.mkdir(self._host.path(item), 0o755)
        if missing:
            self._note(folders=[*self._state().get("folders", []), *missing])

    def _state(self) -> dict[str, Any]:
        text = self._read(STATE)
        return dict(json.loads(text)) if text else {}

    def _note(self, **changes: Any) -> None:
        folder = self._host.path(names.INSTALL_DIR)
        created = not os.path.isdir(folder)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        state = {**self._state(), **changes}
        if created:
            state["folders"] = [*state.get("folders", []), names.INSTALL_DIR]
        self._write(STATE, json.dumps(state, indent=1) + "\n", 0o600)

    def _read(self, path: str) -> str | None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return Path(self._host.path(path)).read_text()
        return None

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

    def _unlink(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._host.path(path))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
