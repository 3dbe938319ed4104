"""Init containers did their work on the source: at the target they end at once with success."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtime_wrapper.conftest import ATTEMPT, POD, Sandbox

NAME = "io.kubernetes.cri.container-name"


def config(box: Sandbox, name: str, **annotations: str) -> None:
    """A bundle with a root file system; `name`: of its container."""
    box.config(restore=ATTEMPT, **{"restore-container": "app"}, **annotations)
    place = box.bundle / "config.json"
    raw = json.loads(place.read_text())
    raw["annotations"][NAME] = name
    raw["root"] = {"path": "rootfs"}
    raw["process"] |= {"args": ["/bin/work", "hard"], "cwd": "/work", "user": {"uid": 1000}}
    place.write_text(json.dumps(raw))
    (box.bundle / "rootfs").mkdir(exist_ok=True)


def process(box: Sandbox) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((box.bundle / "config.json").read_text())["process"]
    return found


def program(box: Sandbox) -> list[Path]:
    return list((box.bundle / "rootfs").iterdir())


def test_it_is_created_with_a_program_that_ends_with_success(box: Sandbox) -> None:
    config(box, "fetch")
    box.target()
    code, errors = box.create()
    assert (code, errors) == (0, "")
    assert len(box.asked("create")) == 1
    (made,) = program(box)
    now = process(box)
    assert now["args"] == [f"/{made.name}"]
    assert now["user"] == {"uid": 1000}
    assert made.stat().st_mode & 0o777 == 0o755
    assert subprocess.run([made], check=False, timeout=10).returncode == 0


def test_the_container_that_moves_is_held_as_ever(box: Sandbox) -> None:
    config(box, "app")
    box.target()
    code, _ = box.create()
    assert code == 1
    assert box.asked("create") == []
    assert program(box) == []


@pytest.mark.parametrize("name", ["ABORTED", "RESUMED"])
def test_nothing_of_a_target_that_was_given_up_or_overtaken_starts(box: Sandbox, name: str) -> None:
    config(box, "fetch")
    box.write(name, podUID="another pod", containerID="c0", at=1)
    code, errors = box.create()
    assert code == 1
    assert errors.startswith("podferry: ")
    assert box.asked("create") == []


def test_an_attempt_that_this_node_does_not_know_starts_nothing(box: Sandbox) -> None:
    config(box, "fetch")
    code, errors = box.create()
    assert code == 1
    assert "knows no attempt" in errors


def test_a_sandbox_that_is_made_anew_after_the_move_runs_them_for_real(box: Sandbox) -> None:
    config(box, "fetch")
    box.write("RESUMED", podUID=POD, containerID="c0", at=1)
    assert box.create()[0] == 0
    assert process(box)["args"] == ["/bin/work", "hard"]
