"""The real front and the real wrapper, with folders of their own and a runc that only notes."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import podferry.runtime_wrapper as package
from podferry.agent.ops.freezer import freezer_path
from podferry.runtime_wrapper import generate

SOURCE = Path(package.__file__).parent
UID = "11111111-2222-3333-4444-555555555555"
ATTEMPT = f"{UID}.1"
POD = "aaaaaaaa-0000-0000-0000-000000000000"

_RUNC = """\
#!/bin/sh
[ -n "$PODFERRY_FAKE_FAIL" ] && case "$*" in *" restore "*) exit 3 ;; esac
for word in "$@"; do printf '%s\\n' "$word"; done > "{log}.new"
echo . >> "{log}.new"
cat "{log}.new" >> "{log}"
previous=
for word in "$@"; do
  [ "$previous" = --pid-file ] && echo "$PODFERRY_FAKE_PID" > "$word"
  previous=$word
done
exit "${{PODFERRY_FAKE_EXIT:-0}}"
"""


class Sandbox:
    """Front, wrapper and fake runc below one folder."""

    def __init__(self, root: Path, *, hold: float, settle: float) -> None:
        self.root = root
        self.state = root / "state"
        self.run_dir = root / "run"
        self.bundle = root / "bundle"
        self.log = root / "runc.log"
        self.runc_log = root / "log.json"
        self.cgroups = root / "cgroups"
        self.env: dict[str, str] = {}
        self.started: list[subprocess.Popen[str]] = []
        for folder in (self.state, self.run_dir / "hold", self.run_dir / "restored", self.bundle):
            folder.mkdir(parents=True)
        self.runc = self._script("runc", _RUNC.format(log=self.log))
        front = (SOURCE / "podferry-runc.sh").read_text()
        front = front.replace("/run/podferry", str(self.run_dir))
        front = front.replace("/var/lib/podferry", str(self.state))
        self.front = self._script("front", front.replace("/opt/podferry", str(root)))
        wrapper = generate.render().replace("'/var/lib/podferry'", repr(str(self.state)))
        wrapper = wrapper.replace("'/run/podferry'", repr(str(self.run_dir)))
        wrapper = wrapper.replace('"/sys/fs/cgroup', f'"{self.cgroups}')
        wrapper = wrapper.replace(
            "CREATE_HOLD_SECONDS = 100", f"CREATE_HOLD_SECONDS = {hold}"
        ).replace("SETTLE_SECONDS = 5", f"SETTLE_SECONDS = {settle}")
        assert "/sys/fs/cgroup" not in wrapper
        (root / "wrapper.py").write_text(wrapper)
        (root / "skip_hook.py").write_text((SOURCE / "skip_hook.py").read_text())

    def _script(self, name: str, text: str) -> Path:
        place = self.root / name
        place.write_text(text)
        place.chmod(0o755)
        return place

    def config(self, kind: str = "container", **annotations: str) -> None:
        """The bundle's config.json; annotation names without their prefix."""
        self.bundle.joinpath("config.json").write_text(
            json.dumps(
                {
                    "annotations": {
                        "io.kubernetes.cri.container-type": kind,
                        "io.kubernetes.cri.sandbox-uid": POD,
                        **{f"podferry.dev/{key}": value for key, value in annotations.items()},
                    },
                    "process": {"rlimits": [{"hard": 18446744073709551615}]},
                }
            )
        )

    def start(self, *argv: str, check_runc: bool = True) -> subprocess.Popen[str]:
        """Call the front as containerd does."""
        env = {"PATH": os.environ["PATH"], **self.env}
        if check_runc:
            env["PODFERRY_RUNC"] = str(self.runc)
        child = subprocess.Popen(
            [str(self.front), *argv],
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.started.append(child)
        return child

    def call(self, *argv: str, check_runc: bool = True) -> tuple[int, str]:
        """Call it and wait. Returns exit code and stderr."""
        child = self.start(*argv, check_runc=check_runc)
        _, errors = child.communicate(timeout=20)
        return child.returncode, errors

    def create_argv(self, identity: str = "c1") -> list[str]:
        """The command line that containerd 2.x sends for a create."""
        return [
            *("--root", "/run/containerd/runc/k8s.io", "--log", str(self.runc_log)),
            *("--log-format", "json", "create", "--bundle", str(self.bundle)),
            *("--pid-file", str(self.bundle / "init.pid"), identity),
        ]

    def create(self, identity: str = "c1") -> tuple[int, str]:
        """A create, to its end."""
        return self.call(*self.create_argv(identity))

    def calls(self) -> list[list[str]]:
        """What the real runc was asked, in order."""
        if not self.log.exists():
            return []
        return [
            item.split("\n") for item in self.log.read_text().removesuffix("\n.\n").split("\n.\n")
        ]

    def asked(self, command: str) -> list[list[str]]:
        """The calls of one command."""
        return [call for call in self.calls() if command in call]

    def target(self) -> Path:
        """The target folder of the attempt, made."""
        folder = self.state / "attempts" / ATTEMPT / "target"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write(self, name: str, **value: Any) -> None:
        """A JSON file of the attempt, at once as the agent writes it."""
        draft = self.target() / f"{name}.draft"
        draft.write_text(json.dumps(value))
        draft.rename(self.target() / name)

    def plan(self, action: str, *roles: str, **more: Any) -> None:
        """The agent's restore.json."""
        work = self.target() / "work"
        work.mkdir(exist_ok=True)
        (self.target() / "criu.conf").write_text("tcp-close\n")
        self.write(
            "restore.json",
            action=action,
            roles=list(roles),
            imagePath=str(self.target() / "images"),
            workPath=str(work),
            criuConfig=str(self.target() / "criu.conf"),
            **{"containerID": "c1", "lazy": False, **more},
        )

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the attempt."""
        return dict(json.loads((self.target() / name).read_text()))

    def said(self) -> list[dict[str, Any]]:
        """Lines of runc's own --log."""
        return [json.loads(line) for line in self.runc_log.read_text().splitlines()]

    def frozen_group(self, asked: str = "1", state: str = "FROZEN") -> None:
        """A freezer group for this very process, as the restored init, in the fake hierarchy."""
        path, v2 = freezer_path(Path("/proc/self/cgroup").read_text())
        folder = Path(str(self.cgroups) + path.removeprefix("/sys/fs/cgroup"))
        folder.mkdir(parents=True, exist_ok=True)
        if v2:
            (folder / "cgroup.freeze").write_text(asked)
            (folder / "cgroup.events").write_text(f"frozen {int(state == 'FROZEN')}\n")
        else:
            (folder / "freezer.self_freezing").write_text(asked)
            (folder / "freezer.state").write_text(f"{state}\n")
        self.env["PODFERRY_FAKE_PID"] = str(os.getpid())


def until(condition: Callable[[], Any]) -> Any:
    """The condition's value once it is true; at most 10 s."""
    deadline = time.monotonic() + 10
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come true within 10 s"
        time.sleep(0.005)
    return value


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """Waits for a third of a second at most."""
    found = Sandbox(tmp_path, hold=0.3, settle=0.2)
    yield found
    _end(found)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Sandbox]:
    """Waits as long as a test may take."""
    found = Sandbox(tmp_path, hold=15, settle=10)
    yield found
    _end(found)


def _end(box: Sandbox) -> None:
    for child in box.started:
        if child.poll() is None:
            child.kill()
        child.communicate()
