"""What starts anew beside a restored container is created at once; its `start` is for later."""

from __future__ import annotations

import json

import pytest

from tests.unit.runtime_wrapper.conftest import ATTEMPT, POD, Sandbox

NAME = "io.kubernetes.cri.container-name"
CID = "c1"


def config(box: Sandbox, name: str, anew: str = "proxy,mesh") -> None:
    """A bundle of the container `name` of a pod in which `app` is restored."""
    box.config(restore=ATTEMPT, **{"restore-container": "app", "restore-anew": anew})
    place = box.bundle / "config.json"
    raw = json.loads(place.read_text())
    raw["annotations"][NAME] = name
    raw["process"]["args"] = ["/proxy"]
    place.write_text(json.dumps(raw))


def start(box: Sandbox, identity: str = CID) -> int:
    return box.call("--root", "/run/containerd/runc/k8s.io", "start", identity)[0]


@pytest.mark.parametrize("name", ["proxy", "mesh"])
@pytest.mark.parametrize("action", ["hold", "restore", "none"])
def test_it_is_created_with_its_own_program_whatever_becomes_of_the_other(
    box: Sandbox, name: str, action: str
) -> None:
    config(box, name)
    box.target()
    if action != "none":
        box.plan(action, "replacement", containerID="another")
    assert box.create() == (0, "")
    assert len(box.asked("create")) == 1
    raw = json.loads((box.bundle / "config.json").read_text())
    assert raw["process"]["args"] == ["/proxy"]
    assert not list(box.target().glob("claim-*"))


def test_its_start_is_swallowed_once_and_left_for_the_agent(box: Sandbox) -> None:
    config(box, "proxy")
    box.target()
    box.create()
    assert start(box) == 0
    assert box.asked("start") == []
    mark = json.loads((box.run_dir / "waiting" / CID).read_text())
    assert mark == {"attempt": ATTEMPT, "podUID": POD}
    assert start(box) == 0
    assert len(box.asked("start")) == 1


@pytest.mark.parametrize("started", [False, True])
def test_its_end_takes_its_marker_away(box: Sandbox, started: bool) -> None:
    config(box, "proxy")
    box.target()
    box.create()
    if started:
        start(box)
    marker = box.run_dir / ("waiting" if started else "deferred") / CID
    assert marker.exists()
    box.call("--root", "/run/containerd/runc/k8s.io", "delete", "--force", CID)
    assert not marker.exists()
    assert len(box.asked("delete")) == 1


def test_after_the_move_it_is_created_and_started_plainly(box: Sandbox) -> None:
    config(box, "proxy")
    box.write("RESUMED", podUID=POD, containerID="c0", at=1)
    assert box.create()[0] == 0
    assert start(box) == 0
    assert len(box.asked("start")) == 1


@pytest.mark.parametrize(
    ("marker", "pod", "made"),
    [("ABORTED", POD, 0), ("RESUMED", "another", 0), ("RESUMING", "another", 0),
     ("RESUMING", POD, 1)],
)  # fmt: skip
def test_it_is_made_only_where_its_workload_may_still_run(
    box: Sandbox, marker: str, pod: str, made: int
) -> None:
    config(box, "proxy")
    box.write(marker, podUID=pod, containerID="c0", at=1)
    code, errors = box.create()
    assert (code == 0, len(box.asked("create"))) == (made == 1, made)
    assert made or errors.startswith("podferry: ")


def test_nothing_of_it_is_made_for_an_attempt_that_this_node_does_not_know(box: Sandbox) -> None:
    config(box, "proxy")
    code, errors = box.create()
    assert code == 1
    assert "knows no attempt" in errors
