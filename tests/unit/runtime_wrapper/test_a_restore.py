"""The one restore: its command line, what it leaves when it works and when it does not."""

from __future__ import annotations

import json
import os

import pytest

from tests.unit.runtime_wrapper.conftest import ATTEMPT, POD, Sandbox


@pytest.fixture
def ordered(box: Sandbox) -> Sandbox:
    """A create whose order to restore is there already."""
    box.config(restore=ATTEMPT)
    box.plan("restore", "replacement")
    box.frozen_group()
    return box


def test_runc_restores_with_the_globals_and_files_of_the_create(ordered: Sandbox) -> None:
    assert ordered.create("c1")[0] == 0
    [call] = ordered.calls()
    create = ordered.create_argv("c1")
    assert call[:6] == create[:6]
    assert call[6] == "restore"
    assert call[-1] == "c1"
    for flag, value in (
        ("--image-path", str(ordered.target() / "images")),
        ("--work-path", str(ordered.target() / "work")),
        ("--bundle", str(ordered.bundle)),
        ("--pid-file", str(ordered.bundle / "init.pid")),
    ):
        assert call[call.index(flag) + 1] == value
    assert "--lazy-pages" not in call


def test_success_is_told_to_the_agent_and_makes_start_a_no_op(ordered: Sandbox) -> None:
    assert ordered.create("c1")[0] == 0
    told = ordered.read("restored-replacement.json")
    assert (told["containerID"], told["podUID"], told["initPID"]) == ("c1", POD, os.getpid())
    assert ordered.call("start", "c1")[0] == 0
    assert ordered.asked("start") == []


def test_the_bundle_keeps_its_large_integers_and_names_a_criu_file_that_stays(
    ordered: Sandbox,
) -> None:
    ordered.create("c1")
    config = json.loads((ordered.bundle / "config.json").read_text())
    assert config["process"]["rlimits"] == [{"hard": 18446744073709551615}]
    place = config["annotations"]["org.criu.config"]
    assert not place.startswith(str(ordered.state))
    with open(place) as file:
        assert file.read() == "tcp-close\n"


def test_a_failed_restore_is_told_with_the_words_of_criu_and_forgotten_by_runc(
    ordered: Sandbox,
) -> None:
    ordered.env["PODFERRY_FAKE_FAIL"] = "1"
    (ordered.target() / "work/restore.log").write_text(
        "(00.1) Error (criu/cr-restore.c:1): Can't restore\n(00.2) fine\n"
    )
    code, errors = ordered.create("c1")
    assert code == 1
    told = ordered.read("failed-replacement.json")
    assert (told["reason"], told["message"]) == ("RestoreFailed", "criu: Can't restore")
    assert "restore failed: criu: Can't restore" in errors
    assert ordered.said()[-1]["msg"] == "podferry: restore failed: criu: Can't restore"
    assert [call[-3:] for call in ordered.calls()] == [["delete", "--force", "c1"]]
    assert not (ordered.run_dir / "restored/c1").exists()


@pytest.mark.parametrize(("asked", "state"), [("0", "FROZEN"), ("1", "THAWED")])
def test_a_restore_that_was_not_frozen_all_along_counts_as_failed(
    ordered: Sandbox, asked: str, state: str
) -> None:
    ordered.frozen_group(asked, state)
    assert ordered.create("c1")[0] == 1
    assert ordered.read("failed-replacement.json")["reason"] == "NotFrozen"
    assert len(ordered.asked("delete")) == 1
    assert not (ordered.target() / "restored-replacement.json").exists()


def test_a_plain_create_is_never_tried_after_a_failed_restore(ordered: Sandbox) -> None:
    ordered.env["PODFERRY_FAKE_FAIL"] = "1"
    for identity in ("c1", "c2"):
        assert ordered.create(identity)[0] == 1
    assert ordered.asked("create") == []
