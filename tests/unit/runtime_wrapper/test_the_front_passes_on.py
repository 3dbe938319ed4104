"""Every call that is none of our business reaches runc word for word."""

from __future__ import annotations

import pytest

from tests.unit.runtime_wrapper.conftest import ATTEMPT, Sandbox

GLOBALS = ["--root", "/run/containerd/runc/k8s.io", "--log", "/x/log.json", "--log-format", "json"]


@pytest.mark.parametrize(
    "argv",
    [
        ["--version"],
        [*GLOBALS, "--systemd-cgroup", "state", "c1"],
        [*GLOBALS, "kill", "--all", "c1", "9"],
        [*GLOBALS, "delete", "--force", "c1"],
        [*GLOBALS, "start", "c1"],
        [*GLOBALS, "exec", "--process", "/tmp/a b*?", "--detach", "c1"],
        ["--root", "kill", "state", "it's $HOME\\n"],
        ["events", "", "--stats"],
    ],
    ids=lambda argv: argv[-2] if len(argv) > 1 else argv[0],
)
def test_the_words_arrive_as_they_were(box: Sandbox, argv: list[str]) -> None:
    assert box.call(*argv)[0] == 0
    assert box.calls() == [argv]


def test_the_exit_code_is_that_of_runc(box: Sandbox) -> None:
    box.env["PODFERRY_FAKE_EXIT"] = "7"
    assert box.call("state", "c1")[0] == 7


def test_without_an_order_the_runc_of_the_install_is_called(box: Sandbox) -> None:
    (box.root / "runc-path").write_text(f"{box.runc}\n")
    assert box.call("state", "c1", check_runc=False)[0] == 0
    assert box.calls() == [["state", "c1"]]


def test_a_create_without_the_annotation_is_a_plain_create(box: Sandbox) -> None:
    box.config()
    assert box.create()[0] == 0
    assert box.calls() == [box.create_argv()]


def test_a_sandbox_of_a_pod_to_be_restored_is_a_plain_create(box: Sandbox) -> None:
    box.config("sandbox", restore=ATTEMPT)
    assert box.create()[0] == 0
    assert box.calls() == [box.create_argv()]


def test_a_mention_of_the_annotation_elsewhere_is_a_plain_create(box: Sandbox) -> None:
    box.config(note="see podferry.dev/restore")
    assert box.create()[0] == 0
    assert box.calls() == [box.create_argv()]


@pytest.mark.parametrize("flag", ["--bundle=", "-b"])
def test_every_way_to_name_the_bundle_is_understood(box: Sandbox, flag: str) -> None:
    box.config(restore=ATTEMPT)
    named = [f"{flag}{box.bundle}"] if flag.endswith("=") else [flag, str(box.bundle)]
    assert box.call("create", *named, "c1")[0] == 1
    assert box.calls() == []


def test_a_create_without_a_bundle_means_the_current_folder(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.config(restore=ATTEMPT)
    monkeypatch.chdir(box.bundle)
    assert box.call("create", "c1")[0] == 1
    assert box.calls() == []
