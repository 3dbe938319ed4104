"""An exec hook is passed over at the target by its command, which nothing else may have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podferry.api.reasons import Reason
from podferry.strategies.container import hook_checks, preflight
from tests.unit.strategies.container.samples import pod, with_container

COMMAND = ["sh", "-c", "echo $HOME > /x"]
HOOK = {"postStart": {"exec": {"command": COMMAND}}}


def run(*words: str) -> dict[str, Any]:
    return {"exec": {"command": list(words)}}


def refusals(**container: Any) -> list[str]:
    found = preflight.check_pod(with_container(**container))
    assert {finding.reason for finding in found} <= {Reason.LIFECYCLE_HOOK}
    return [finding.message for finding in found]


@pytest.mark.parametrize(
    "lifecycle",
    [HOOK, {"postStart": {"sleep": {"seconds": 3}}}, {"preStop": {"httpGet": {"port": 80}}}, None],
    ids=["exec", "sleep", "preStop", "none"],
)
def test_one_that_the_wrapper_answers_or_that_touches_nothing_may_move(lifecycle: Any) -> None:
    assert refusals(lifecycle=lifecycle, livenessProbe=run("true")) == []


@pytest.mark.parametrize("kind", ["httpGet", "tcpSocket"])
def test_one_that_kubelet_sends_itself_is_refused_with_its_kind(kind: str) -> None:
    (message,) = refusals(lifecycle={"postStart": {kind: {"port": 80}}})
    assert f"of the kind {kind}" in message
    assert "make it an exec hook" in message


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_a_probe_with_the_same_command_is_refused(probe: str) -> None:
    (message,) = refusals(lifecycle=HOOK, **{probe: run(*COMMAND)})
    assert f"as its {probe} too (sh -c echo" in message
    assert "another argument" in message


def test_a_pre_stop_hook_with_the_same_command_is_refused() -> None:
    (message,) = refusals(lifecycle={**HOOK, "preStop": HOOK["postStart"]})
    assert "preStop hook" in message


@pytest.mark.parametrize(
    ("word", "wanted", "may_be"),
    [
        ("$(NAME)", "hot", True),
        ("a$(NAME)c", "abc", True),
        ("a$(NAME)c", "abd", False),
        ("$$(NAME)", "$(NAME)", True),
        ("$$(NAME)", "x", False),
        ("a.c", "abc", False),
    ],
)
def test_a_probe_s_word_is_compared_as_kubelet_expands_it(
    word: str, wanted: str, may_be: bool
) -> None:
    hook = {"postStart": run("warm", wanted)}
    assert bool(refusals(lifecycle=hook, livenessProbe=run("warm", word))) == may_be


def test_the_note_for_the_wrapper_has_the_exec_hooks_by_container() -> None:
    spec = pod(
        containers=[{"name": "app", "lifecycle": HOOK}, {"name": "b"}],
        initContainers=[
            {"name": "proxy", "restartPolicy": "Always", "lifecycle": {"postStart": run("w")}}
        ],
    )["spec"]
    assert json.loads(hook_checks.restore_note(spec)) == {"app": COMMAND, "proxy": ["w"]}
    assert hook_checks.restore_note(pod()["spec"]) == ""
