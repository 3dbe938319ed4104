"""A node of files: its own root, a fake /proc, and programs that answer what they are told to."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from podferry.agent.installer.containerd import Containerd
from podferry.agent.installer.steps import Installer
from podferry.agent.ops.host import Completed, Host

CONFIG = """\
version = 3
imports = ["/etc/containerd/conf.d/*.toml"]

[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = "runc"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    BinaryName = "/usr/sbin/runc"
"""


def merged(into: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two configurations as containerd merges them."""
    out = dict(into)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


def toml(table: dict[str, Any], prefix: str = "") -> str:
    """Enough TOML for a dump that is read back."""
    lines, tables = [], []
    for key, value in table.items():
        name = f"{prefix}'{key}'"
        if isinstance(value, dict):
            tables.append(f"[{name}]\n{toml(value, name + '.')}")
        else:
            text = str(value).lower() if isinstance(value, bool) else repr(value)
            lines.append(f"'{key}' = {text}")
    return "\n".join([*lines, *tables])


class FakeHost(Host):
    """A node whose files lie below `root`; nothing is ever entered."""

    def __init__(self, root: Path, *, systemd: bool, config: str | None = CONFIG) -> None:
        super().__init__(str(root), enter=False)
        self.root = root
        self.proc = root / "proc"
        self.programs = {
            name: f"/usr/sbin/{name}" for name in ("runc", "criu", "python3", "nft", "ss")
        } | {name: f"/usr/bin/{name}" for name in ("nsenter", "setsid")}
        self.versions = {"criu": "Version: 4.2.1\n", "python3": "Python 3.11.2\n"}
        self.restarts: list[str] = []
        self.also: dict[str, Any] = {}
        """What containerd makes of our drop-in besides our handler."""
        (root / "etc/containerd/conf.d").mkdir(parents=True)
        if config is not None:
            (root / "etc/containerd/config.toml").write_text(config)
        if systemd:
            (root / "run/systemd/system").mkdir(parents=True)
        self.start_containerd(100)

    def start_containerd(self, pid: int) -> None:
        """A containerd in /proc, started at tick `pid`; any other is gone."""
        for folder in [*self.proc.glob("[0-9]*")]:
            self.end(int(folder.name))
        self.process(pid, ["containerd", "--config", "/etc/containerd/config.toml"])

    def process(self, pid: int, argv: list[str]) -> None:
        """Add one process to the fake /proc."""
        folder = self.proc / str(pid)
        folder.mkdir(parents=True)
        (folder / "comm").write_text("containerd\n")
        (folder / "cmdline").write_bytes(b"\0".join(word.encode() for word in argv) + b"\0")
        (folder / "stat").write_text(f"{pid} (containerd) S " + "0 " * 18 + f"{pid} 0\n")

    def end(self, pid: int) -> None:
        """Take one process out of the fake /proc."""
        folder = self.proc / str(pid)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()

    def terminate(self, pid: int) -> None:
        """SIGTERM of containerd, whose supervisor starts it again."""
        self.restarts.append(f"SIGTERM {pid}")
        self.start_containerd(pid + 1)

    def run(
        self, argv: Sequence[str], *, timeout: float = 30.0, stdin: str | None = None
    ) -> Completed:
        """Answer as the node's programs would."""
        if list(argv[:2]) == ["sh", "-c"]:
            name = Path(argv[-1]).name
            return Completed(0, f"{self.programs[name]}\n" if name in self.programs else "", "")
        if argv[0] == "systemctl":
            self.restarts.append(" ".join(argv))
            self.start_containerd(int(next(self.proc.glob("[0-9]*")).name) + 1)
            return Completed(0, "", "")
        if argv[0] == "containerd":
            return self.dump(argv[2])
        return Completed(0, self.versions[argv[0]], "")

    def dump(self, config: str) -> Completed:
        """`containerd config dump`: the main file, and the drop-ins if it imports them."""
        place = self.root / config.lstrip("/")
        found: dict[str, Any] = tomllib.loads(place.read_text()) if place.exists() else {}
        for drop_in in sorted((self.root / "etc/containerd/conf.d").glob("*.toml")):
            if found.get("imports"):
                found = merged(merged(found, tomllib.loads(drop_in.read_text())), self.also)
        return Completed(0, toml({"version": 3, **found}), "")

    def files(self) -> dict[str, tuple[int, str]]:
        """Every file and folder outside /proc, with permissions and content."""
        return {
            str(place.relative_to(self.root)): (
                place.stat().st_mode,
                place.read_text() if place.is_file() else "",
            )
            for place in self.root.rglob("*")
            if not place.is_relative_to(self.proc) and not place.is_socket()
        }


class FakeContainerd(Containerd):
    """It answers as soon as its process is there, unless its socket is elsewhere."""

    elsewhere = False

    def answers(self) -> bool:
        return not self.elsewhere


def installer(host: FakeHost) -> Installer:
    """The installer on that node."""
    return Installer(host, FakeContainerd(host, proc=host.proc, terminate=host.terminate))
