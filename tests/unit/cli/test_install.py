"""`install` and `uninstall` with a kubectl that only writes down what it was asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podferry.cli.main import cli

SCRIPT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
{cases}
esac
"""


HAS_CRD = {"get*crd*": "echo migrations.podferry.dev"}
NO_PODS = {"get*pods*": """echo '{"items": []}'"""}


class Kubectl:
    """Answers by shell patterns; `asked` is what was called, in order."""

    def __init__(self, folder: Path) -> None:
        self._log, self._program = folder / "log", folder / "kubectl"
        self.answer({})

    def answer(self, cases: dict[str, str]) -> None:
        lines = "\n".join(f"{pattern}) {action} ;;" for pattern, action in cases.items())
        self._program.write_text(SCRIPT.format(log=self._log, cases=lines or "never) ;;"))
        self._program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Kubectl(tmp_path)


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "setup"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text("resources: []\n")
    return folder


def call(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_install_applies_then_waits_for_controller_and_agents(
    kubectl: Kubectl, manifests: Path
) -> None:
    done = call("install", "--manifests", manifests, "--context", "prod")
    assert done.exit_code == 0, done.output
    asked = [line.removeprefix("--context=prod ") for line in kubectl.asked]
    assert [line.split()[0] for line in asked] == [
        "version", "get", "apply", "wait", "rollout", "rollout",
    ]  # fmt: skip
    assert f"-k {manifests}" in asked[2]
    assert "deployment/podferry-controller" in asked[4]
    assert "daemonset/podferry-agent" in asked[5]
    assert "controller and agents are ready" in done.output


def test_agents_that_do_not_come_up_are_shown_with_their_pods(
    kubectl: Kubectl, manifests: Path
) -> None:
    kubectl.answer(
        {
            "rollout*daemonset*": "echo 'timed out' >&2; exit 1",
            "get*pods*": "echo 'podferry-agent-x  Init:Error'",
        }
    )
    done = call("install", "--manifests", manifests)
    assert done.exit_code == 1
    assert "daemonset/podferry-agent is not ready" in done.output
    assert "podferry-agent-x  Init:Error" in done.output


def test_a_cluster_that_does_not_answer_is_found_before_anything_is_applied(
    kubectl: Kubectl, manifests: Path
) -> None:
    kubectl.answer({"version*": "echo 'connection refused' >&2; exit 1"})
    done = call("install", "--manifests", manifests)
    assert done.exit_code == 1
    assert "connection refused" in done.output
    assert len(kubectl.asked) == 1


def test_a_folder_without_a_kustomization_is_refused(kubectl: Kubectl, tmp_path: Path) -> None:
    done = call("install", "--manifests", tmp_path)
    assert done.exit_code == 1
    assert f"no kustomization in {tmp_path}" in done.output
    assert kubectl.asked == []


def test_without_kubectl_there_is_one_line_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = call("install")
    assert done.exit_code == 1
    assert done.output.startswith("podferry: no kubectl on PATH")


def test_uninstall_is_refused_while_something_is_being_moved(
    kubectl: Kubectl, manifests: Path
) -> None:
    going = {"metadata": {"name": "web-1", "namespace": "shop"}, "status": {"phase": "Freezing"}}
    over = {"metadata": {"name": "web-0", "namespace": "shop"}, "status": {"phase": "Succeeded"}}
    text = json.dumps({"items": [going, over]})
    kubectl.answer({**HAS_CRD, "get*migrations*": f"echo '{text}'", **NO_PODS})
    done = call("uninstall", "--manifests", manifests)
    assert done.exit_code == 1
    assert "1 migrations are going on (shop/web-1)" in done.output
    assert not any(line.startswith("delete") for line in kubectl.asked)


def test_uninstall_removes_migrations_before_the_controller_that_ends_them(
    kubectl: Kubectl, manifests: Path
) -> None:
    kubectl.answer({**HAS_CRD, "get*migrations*": """echo '{"items": []}'""", **NO_PODS})
    done = call("uninstall", "--manifests", manifests)
    assert done.exit_code == 0, done.output
    deleted = [line for line in kubectl.asked if line.startswith("delete")]
    assert deleted[0].startswith("delete migrations.podferry.dev -A --all")
    assert f"-k {manifests}" in deleted[-1]


@pytest.fixture
def in_use(kubectl: Kubectl) -> Kubectl:
    """A cluster with a pod of ours, one of ours that ended, and another one."""

    def pod(name: str, phase: str, runtime: str) -> dict[str, object]:
        metadata = {"namespace": "shop", "name": name}
        spec = {"runtimeClassName": runtime}
        return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}

    pods = [
        pod("web-1", "Running", "podferry"),
        pod("old-1", "Succeeded", "podferry"),
        pod("kata-1", "Running", "kata"),
    ]
    text = json.dumps({"items": pods})
    nothing = """echo '{"items": []}'"""
    kubectl.answer({"get*migrations*": nothing, "get*pods*": f"echo '{text}'"})
    return kubectl


def test_uninstall_lists_the_pods_that_use_it_before_anything_is_touched(
    in_use: Kubectl, manifests: Path
) -> None:
    done = call("uninstall", "--manifests", manifests)
    assert done.exit_code == 1
    assert "1 pods run under the RuntimeClass podferry:\n  shop/web-1\n" in done.output
    assert not any(line.startswith("delete") for line in in_use.asked)


def test_uninstall_by_force_lists_them_and_goes_on(in_use: Kubectl, manifests: Path) -> None:
    done = call("uninstall", "--manifests", manifests, "--force")
    assert done.exit_code == 0, done.output
    assert "shop/web-1" in done.output
    assert any(line.startswith("delete") for line in in_use.asked)
