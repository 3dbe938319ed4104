"""A container whose pod is to be restored never starts before, or against, the agent's word."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.runtime_wrapper.conftest import ATTEMPT, POD, Sandbox, until

OTHER = "bbbbbbbb-0000-0000-0000-000000000000"


def test_without_an_attempt_it_waits_refuses_and_never_creates(box: Sandbox) -> None:
    box.config(restore=ATTEMPT)
    code, errors = box.create()
    assert code == 1
    assert "the agent of this node knows no attempt" in errors
    assert box.calls() == []


def test_while_the_agent_says_hold_it_waits_and_then_refuses(box: Sandbox) -> None:
    box.config(restore=ATTEMPT)
    box.plan("hold", "replacement")
    code, errors = box.create()
    assert (code, box.calls()) == (1, [])
    assert "did not come within" in errors


def test_a_held_create_says_who_it_is(patient: Sandbox) -> None:
    patient.config(restore=ATTEMPT)
    patient.target()
    child = patient.start(*patient.create_argv("c7"))
    until((patient.target() / "claim-replacement.json").exists)
    claim = patient.read("claim-replacement.json")
    assert (claim["containerID"], claim["podUID"], claim["wrapperPID"]) == ("c7", POD, child.pid)
    assert claim["bundle"] == str(patient.bundle)
    assert claim["bootID"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert child.poll() is None


def test_the_order_to_restore_reaches_a_create_that_is_held(patient: Sandbox) -> None:
    patient.config(restore=ATTEMPT)
    patient.target()
    patient.frozen_group()
    child = patient.start(*patient.create_argv())
    until((patient.target() / "claim-replacement.json").exists)
    patient.plan("restore", "replacement")
    assert child.wait(10) == 0
    assert len(patient.asked("restore")) == 1


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("ABORTED", "rolled back"),
        ("RESUMED", "another pod was resumed"),
        ("RESUMING", "another pod was resumed"),
    ],
)
def test_an_attempt_that_ended_otherwise_refuses_even_with_an_order(
    patient: Sandbox, marker: str, words: str
) -> None:
    patient.config(restore=ATTEMPT)
    patient.plan("restore", "replacement")
    patient.write(marker, podUID=OTHER, containerID="c0", at=1)
    code, errors = patient.create()
    assert (code, patient.calls()) == (1, [])
    assert words in errors


@pytest.fixture
def moved() -> Iterator[subprocess.Popen[bytes]]:
    """The workload that was moved here."""
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


def earlier_container(box: Sandbox, pid: int) -> Path:
    """A container of an earlier claim with one task; returns its freezer group."""
    group = box.cgroups / "earlier"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text(f"{pid}\n")
    (group / "freezer.state").write_text("FROZEN\n")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    box.config(restore=ATTEMPT)
    box.write(
        "claim-replacement.json",
        **{"containerID": "c0", "podUID": OTHER, "bootID": boot, "cgroup": [str(group), False]},
    )
    return group


def test_a_second_pod_never_ends_the_container_that_was_resumed(
    patient: Sandbox, moved: subprocess.Popen[bytes]
) -> None:
    group = earlier_container(patient, moved.pid)
    claim = patient.read("claim-replacement.json")
    patient.write("RESUMED", podUID=OTHER, containerID="c0", at=1)
    assert patient.create()[0] == 1
    assert patient.read("claim-replacement.json") == claim
    assert (group / "freezer.state").read_text() == "FROZEN\n"
    assert moved.poll() is None


def test_an_earlier_container_that_was_never_resumed_ends_before_a_new_claim(
    patient: Sandbox, moved: subprocess.Popen[bytes]
) -> None:
    group = earlier_container(patient, moved.pid)
    child = patient.start(*patient.create_argv("c1"))
    assert moved.wait(10) == -signal.SIGKILL
    (group / "cgroup.procs").write_text("")
    until(lambda: patient.read("claim-replacement.json")["containerID"] == "c1")
    assert child.poll() is None


def test_an_earlier_container_whose_tasks_do_not_end_keeps_its_claim(box: Sandbox) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    earlier_container(box, gone.pid)
    code, errors = box.create()
    assert (code, box.calls()) == (1, [])
    assert "tasks of the earlier container c0 do not end" in errors
    assert box.read("claim-replacement.json")["containerID"] == "c0"


def test_the_agents_refusal_ends_it(patient: Sandbox) -> None:
    patient.config(restore=ATTEMPT)
    patient.plan("refuse")
    code, errors = patient.create()
    assert (code, patient.calls()) == (1, [])
    assert "the agent refuses" in errors


def test_a_container_of_a_pod_that_was_moved_here_restarts_plainly(patient: Sandbox) -> None:
    patient.config(restore=ATTEMPT)
    patient.write("RESUMING", podUID=POD, containerID="c0", at=1)
    patient.write("RESUMED", podUID=POD, containerID="c0", at=1)
    assert patient.create()[0] == 0
    assert patient.calls() == [patient.create_argv()]


def test_a_container_that_may_have_been_resumed_does_not_start_afresh(patient: Sandbox) -> None:
    patient.config(restore=ATTEMPT)
    patient.write("RESUMING", podUID=POD, containerID="c0", at=1)
    code, errors = patient.create()
    assert (code, patient.calls()) == (1, [])
    assert "its fate is not known" in errors


def test_an_order_for_another_role_is_not_for_us(box: Sandbox) -> None:
    box.config(**{"restore": ATTEMPT, "restore-role": "final"})
    box.plan("restore", "rehearsal")
    assert box.create()[0] == 1
    assert box.calls() == []


@pytest.mark.parametrize(
    "annotations",
    [
        {"restore": "../../etc.1"},
        {"restore": "nonsense"},
        {"restore": f"{ATTEMPT}x"},
        {"restore": ATTEMPT, "restore-role": "boss"},
    ],
    ids=["path", "nonsense", "number", "role"],
)
def test_nonsense_in_the_annotations_is_refused(
    patient: Sandbox, annotations: dict[str, str]
) -> None:
    patient.config(**annotations)
    code, errors = patient.create()
    assert (code, patient.calls()) == (1, [])
    assert "annotation podferry.dev/restore" in errors


def test_a_refusal_is_also_in_the_log_that_containerd_reads(box: Sandbox) -> None:
    box.config(restore=ATTEMPT)
    box.create()
    [line] = box.said()
    assert line["level"] == "error"
    assert line["msg"].startswith("podferry: the agent of this node knows no attempt")


def test_a_broken_plan_refuses_in_words_and_never_creates(patient: Sandbox) -> None:
    patient.config(restore=ATTEMPT)
    patient.write("restore.json", action="restore", roles=["replacement"])
    code, errors = patient.create()
    assert (code, patient.calls()) == (1, [])
    assert "Traceback" not in errors
    assert json.loads(patient.runc_log.read_text())["level"] == "error"


def test_an_order_to_restore_another_container_holds_this_one(box: Sandbox) -> None:
    box.config(restore=ATTEMPT)
    box.plan("restore", "replacement", containerID="c0")
    code, errors = box.create("c1")
    assert code == 1
    assert "did not come" in errors
    assert box.calls() == []


def test_a_container_that_was_resumed_and_then_given_up_is_not_started_again(
    patient: Sandbox,
) -> None:
    patient.config(restore=ATTEMPT)
    patient.plan("refuse", "replacement")
    patient.write("RESUMED", podUID=POD, containerID="c0", at=1)
    patient.write("ABORTED", podUID="", containerID="c0", at=2)
    code, errors = patient.create()
    assert (code, patient.calls()) == (1, [])
    assert "rolled back" in errors


@pytest.mark.parametrize(("lazy", "noted"), [(True, True), (False, False)])
def test_a_start_anew_while_pages_were_to_come_is_told_before_it_happens(
    box: Sandbox, lazy: bool, noted: bool
) -> None:
    box.config(restore=ATTEMPT)
    box.plan("restore", "replacement", lazy=lazy)
    box.write("RESUMED", podUID=POD, containerID="c0")
    assert box.create("c9")[0] == 0
    assert len(box.asked("create")) == 1
    assert (box.target() / "again.json").exists() is noted
    if noted:
        assert box.read("again.json")["containerID"] == "c9"
