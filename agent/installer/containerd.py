"""containerd of a node: where its configuration is, what it makes of it, and restarting it.

Owns: the text of our drop-in, the comparison of two `containerd config dump`s, the restart.
Never does: write a file (steps.py does, and takes it back when the comparison fails).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from podferry.agent.ops.host import Host
from podferry.wire import names

DROP_IN = "/etc/containerd/conf.d/podferry.toml"
IMPORTS = 'imports = ["/etc/containerd/conf.d/*.toml"]'
SOCKET = "/run/containerd/containerd.sock"
_PLUGINS = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
_RESTART_SECONDS = 30.0
_POLL_SECONDS = 0.05


class ConfigRefused(Exception):
    """containerd does not take our configuration, or would change something else by it."""


def schema(text: str) -> int:
    """Schema version of a main configuration; a drop-in of another version is not merged."""
    return int(tomllib.loads(text).get("version", 1))


def drop_in(version: int) -> str:
    """Our drop-in for that schema. Raises ConfigRefused for one that we do not know."""
    if version not in _PLUGINS:
        raise ConfigRefused(
            f"containerd's configuration has version {version}; podferry knows 2 and 3. Migrate it"
            " with `containerd config migrate`, then try again"
        )
    table = f"plugins.'{_PLUGINS[version]}'.containerd.runtimes.{names.RUNTIME_CLASS}"
    return (
        f"# Written by podferry; `podferry agent undo` removes it.\nversion = {version}\n"
        f"[{table}]\n"
        '  runtime_type = "io.containerd.runc.v2"\n'
        f'  pod_annotations = ["{names.GROUP}/*"]\n'
        f'  container_annotations = ["{names.GROUP}/*"]\n'
        f"  [{table}.options]\n"
        f'    BinaryName = "{names.INSTALL_DIR}/bin/podferry-runc"\n'
    )


def with_imports(text: str) -> str:
    """The main configuration, importing conf.d; unchanged when it imports it already.

    Raises ConfigRefused when it has an import list of its own: whose order is not ours to choose.
    """
    imports = tomllib.loads(text).get("imports")
    if imports and any(str(item).startswith("/etc/containerd/conf.d/") for item in imports):
        return text
    if imports is not None:
        raise ConfigRefused(
            f"containerd imports {imports}; add /etc/containerd/conf.d/*.toml to that list"
        )
    # The first line is the one place where a key certainly belongs to no table.
    return f"{IMPORTS}\n{text}"


def handler(config: Mapping[str, Any]) -> dict[str, Any]:
    """Our runtime handler in a parsed dump, empty when it is not there."""
    for plugin in _PLUGINS.values():
        table = config.get("plugins", {}).get(plugin, {}).get("containerd", {}).get("runtimes", {})
        if names.RUNTIME_CLASS in table:
            return dict(table[names.RUNTIME_CLASS])
    return {}


def real_runc(config: Mapping[str, Any]) -> str:
    """BinaryName of the runtime `runc`, empty when containerd looks for `runc` in its PATH."""
    for plugin in _PLUGINS.values():
        table = config.get("plugins", {}).get(plugin, {}).get("containerd", {})
        options = table.get("runtimes", {}).get("runc", {}).get("options", {})
        if name := options.get("BinaryName"):
            return str(name)
    return ""


def check_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Our handler, as we wrote it, is the only difference. Raises ConfigRefused otherwise."""
    ours = handler(after)
    wanted = f"{names.INSTALL_DIR}/bin/podferry-runc"
    if ours.get("options", {}).get("BinaryName") != wanted:
        raise ConfigRefused(f"containerd does not see the handler of {DROP_IN}")
    if ours.get("pod_annotations") != [f"{names.GROUP}/*"]:
        raise ConfigRefused("containerd would not pass podferry's annotations to the runtime")
    different = _differences(_without_ours(before), _without_ours(after))
    if different:
        raise ConfigRefused(f"the drop-in would also change {', '.join(different[:5])}")


def _without_ours(config: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def walk(prefix: tuple[str, ...], value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                walk((*prefix, key), item)
        else:
            flat[" / ".join(prefix)] = value

    walk((), dict(config))
    own = f"runtimes / {names.RUNTIME_CLASS}"
    return {
        key: value
        for key, value in flat.items()
        if key != "imports" and not (key.endswith(own) or f"{own} /" in key)
    }


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _terminate(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


class Containerd:
    """The containerd that serves kubelet on this node.

    `proc` shows the node's processes; `terminate` ends one of them.
    """

    def __init__(
        self,
        host: Host,
        *,
        proc: Path = Path("/proc"),
        terminate: Callable[[int], None] = _terminate,
    ) -> None:
        self._host = host
        self._proc = proc
        self._terminate = terminate

    def pid(self) -> int:
        """Its process, 0 when it does not run.

        Of several, one in the mount namespace of process 1 that is not Docker's own; the oldest.
        """
        found: list[tuple[int, int]] = []
        for folder in self._proc.iterdir():
            if not folder.name.isdigit():
                continue
            with contextlib.suppress(OSError, IndexError):
                if (folder / "comm").read_text().strip() != "containerd":
                    continue
                if self._namespace(folder) != self._namespace(self._proc / "1"):
                    continue
                if b"/docker/" in (folder / "cmdline").read_bytes():
                    continue
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                found.append((int(fields[19]), int(folder.name)))
        return min(found)[1] if found else 0

    @staticmethod
    def _namespace(folder: Path) -> str:
        with contextlib.suppress(OSError):
            return os.readlink(folder / "ns/mnt")
        return ""

    def config_path(self) -> str:
        """Path on the node of its main configuration."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            raw = (self._proc / str(self.pid()) / "cmdline").read_bytes()
            words = raw.decode(errors="replace").split("\0")
            for index, word in enumerate(words):
                if word in ("--config", "-c"):
                    return words[index + 1]
                if word.startswith("--config="):
                    return word.partition("=")[2]
        return "/etc/containerd/config.toml"

    def dump(self) -> dict[str, Any]:
        """What it makes of its files now. Raises ConfigRefused with its own words."""
        done = self._host.run(["containerd", "--config", self.config_path(), "config", "dump"])
        if done.returncode:
            raise ConfigRefused(f"containerd config dump: {done.stderr.strip()[-400:]}")
        return tomllib.loads(done.stdout)

    def restart(self) -> str:
        """Restart it and wait until it answers again. Returns how. Raises ConfigRefused."""
        before = self.pid()
        if Path(self._host.path("/run/systemd/system")).is_dir():
            done = self._host.run(["systemctl", "restart", "containerd"], timeout=_RESTART_SECONDS)
            if done.returncode:
                raise ConfigRefused(f"systemctl restart containerd: {done.stderr.strip()}")
            way = "systemctl restart"
        else:
            if not before:
                raise ConfigRefused("containerd does not run on this node")
            self._terminate(before)
            way = "SIGTERM, its supervisor started it again"
        began = time.monotonic()
        while time.monotonic() - began < _RESTART_SECONDS:
            if self.pid() not in (0, before) and self.answers():
                return f"{way}, {time.monotonic() - began:.1f} s"
            time.sleep(_POLL_SECONDS)
        raise ConfigRefused(f"containerd was not back {_RESTART_SECONDS:.0f} s after its restart")

    def answers(self) -> bool:
        """Whether somebody serves the socket that kubelet uses on an ordinary node."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            try:
                probe.connect(self._host.path(SOCKET))
            except OSError:
                return False
        return True
