"""Installing, checking and undoing, item by item. Owns the list of files and their order.

Never does: write anything while something is missing, or restart containerd for nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import podferry.runtime_wrapper as wrapper_package
from podferry.agent.installer import containerd, leavings, preflight
from podferry.agent.installer.containerd import Containerd
from podferry.agent.installer.placing import Part, Placing
from podferry.agent.installer.preflight import Item
from podferry.agent.ops.host import Host
from podferry.wire import names

_BUNDLES = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
_HANDLER = f"handler {names.RUNTIME_CLASS}"


class Installer:
    """podferry's parts on one node."""

    def __init__(self, host: Host, service: Containerd | None = None) -> None:
        self._host = host
        self._service = service or Containerd(host)
        self._placing = Placing(host)

    def check(self) -> list[Item]:
        """What is there; touches nothing. Raises ConfigRefused when containerd cannot say."""
        items, dump = self._preflight()
        if dump is None:
            return items
        for part in [*self._parts(dump), *self._configuration(dump)]:
            same = self._placing.same(part)
            detail = part.path if same else f"{part.path}; run the installer"
            items.append(Item(part.name, "ok" if same else "missing", detail))
        if self._placing.restart_due():
            items.append(Item("restart", "missing", "containerd was not restarted yet"))
        elif not containerd.handler(dump):
            items.append(Item("handler", "missing", f"containerd knows no {_HANDLER}"))
        return items

    def install(self) -> list[Item]:
        """Bring the node to where it should be. Raises ConfigRefused after taking back its files.

        Nothing is written while something that it needs is missing.
        """
        items, dump = self._preflight()
        if dump is None or any(item.state == "missing" for item in items):
            return items
        parts, configuration = self._parts(dump), self._configuration(dump)
        with self._placing.all_or_nothing([part.path for part in [*parts, *configuration]]):
            items += [self._put(part) for part in parts]
            changed = [self._put(part, restart=True) for part in configuration]
            if any(item.state != "ok" for item in changed):
                containerd.check_change(dump, self._service.dump())
        items += changed
        if self._placing.restart_due():
            items.append(Item("restart", "installed", f"{_HANDLER}; {self._restart()}"))
        else:
            items.append(Item("restart", "ok", "not needed"))
        return items

    def undo(self, *, force: bool = False) -> list[Item]:
        """Take everything of ours away. Refuses while containers still need the wrapper."""
        users = self._users()
        if users and not force:
            listed = ", ".join(item[:12] for item in users[:5])
            return [
                Item(
                    "wrapper",
                    "refused",
                    f"{len(users)} container(s) of the {_HANDLER} still run ({listed}); end them"
                    " first, or use --force",
                )
            ]
        files = self._placing.files()
        items = self._take_back(files) if files else []
        swept = leavings.sweep(self._host)
        items += swept
        if any(item.state == "refused" for item in swept):
            return items
        if files:
            self._placing.forget()
        items += leavings.remove_empty(self._host)
        return items or [Item("wrapper", "ok", "nothing of podferry is installed")]

    def absent(self) -> bool:
        """Whether nothing of podferry is on this node."""
        places = (names.INSTALL_DIR, names.STATE_DIR, names.RUN_DIR, containerd.DROP_IN)
        return not any(Path(self._host.path(place)).exists() for place in places)

    def _take_back(self, files: Collection[str]) -> list[Item]:
        configuration = [path for path in files if path.startswith("/etc/")]
        due = self._placing.restart_due()
        self._placing.set_restart(True)
        items = [self._placing.take_back(path) for path in configuration]
        if due or any(item.state in ("removed", "restored") for item in items):
            items.append(Item("restart", "removed", f"{_HANDLER}; {self._restart()}"))
        return items + [
            self._placing.take_back(path) for path in files if path not in configuration
        ]

    def _preflight(self) -> tuple[list[Item], dict[str, Any] | None]:
        items = [preflight.service(self._service), *preflight.tools(self._host)]
        if items[0].state == "missing":
            return items, None
        dump = self._service.dump()
        items.insert(1, preflight.runc(self._host, dump))
        return items, dump

    def _parts(self, dump: dict[str, Any]) -> list[Part]:
        source = Path(str(wrapper_package.__file__)).parent
        base = names.INSTALL_DIR
        wanted = (
            ("wrapper", "wrapper.py", "wrapper.py", 0o644),
            ("page-receiver", "page_receiver.py", "page_receiver.py", 0o644),
            ("page-sender", "page_sender.py", "page_sender.py", 0o644),
            ("skip-hook", "skip_hook.py", "skip_hook.py", 0o644),
            ("freeze-script", "podferry-freeze.sh", "bin/podferry-freeze", 0o755),
            # Last: once the front is there, what it calls is there too.
            ("front", "podferry-runc.sh", "bin/podferry-runc", 0o755),
        )
        runc = preflight.runc(self._host, dump).detail
        return [
            Part("runc-path", f"{base}/runc-path", f"{runc}\n", 0o644),
            *(
                Part(name, f"{base}/{place}", (source / file).read_text(), mode)
                for name, file, place, mode in wanted
            ),
        ]

    def _configuration(self, dump: dict[str, Any]) -> list[Part]:
        """The drop-in, and the main configuration if it does not import drop-ins yet.

        Raises ConfigRefused when that configuration cannot take them.
        """
        main = self._service.config_path()
        text = self._placing.read(main)
        if text is None:
            # containerd runs on its defaults, and those import nothing in most releases.
            version = int(dump.get("version", 3))
            text = ""
            importing = f"version = {version}\n{containerd.IMPORTS}\n"
        else:
            version, importing = containerd.schema(text), containerd.with_imports(text)
        parts = [Part("drop-in", containerd.DROP_IN, containerd.drop_in(version), 0o644)]
        if importing != text:
            parts.append(Part("imports", main, importing, 0o644))
        return parts

    def _put(self, part: Part, *, restart: bool = False) -> Item:
        if self._placing.same(part):
            return Item(part.name, "ok", part.path)
        self._placing.put(part, restart=restart)
        return Item(part.name, "installed", part.path)

    def _restart(self) -> str:
        way = self._service.restart()
        self._placing.set_restart(False)
        return way

    def _users(self) -> list[str]:
        """Containers whose shim calls our wrapper."""
        found = []
        for place in Path(self._host.path(_BUNDLES)).glob("*/options.json"):
            with contextlib.suppress(OSError):
                if b"podferry-runc" in place.read_bytes():
                    found.append(place.parent.name)
        return sorted(found)
