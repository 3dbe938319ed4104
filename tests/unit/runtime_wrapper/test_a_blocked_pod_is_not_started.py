"""kubelet restarts what it sees dead: a source that was killed after its move must stay dead."""

from __future__ import annotations

from tests.unit.runtime_wrapper.conftest import POD, Sandbox


def _block(box: Sandbox, pod: str) -> None:
    folder = box.state / "blocked"
    folder.mkdir()
    (folder / pod).write_text("u.1")


def test_no_container_of_a_blocked_pod_is_created(box: Sandbox) -> None:
    box.config()
    _block(box, POD)
    code, errors = box.create()
    assert (code, box.calls()) == (1, [])
    assert "no second copy" in errors


def test_other_pods_are_created_as_ever(box: Sandbox) -> None:
    box.config()
    _block(box, "cccccccc-0000-0000-0000-000000000000")
    code, _ = box.create()
    assert code == 0
    assert len(box.calls()) == 1


def test_a_new_sandbox_is_no_copy_and_is_created(box: Sandbox) -> None:
    box.config("sandbox")
    _block(box, POD)
    assert box.create()[0] == 0
