"""Exit codes 2 and 3: nothing reaches the API server, and the line says what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from podferry.cli.main import cli
from tests.unit.cli.conftest import Cluster, kubeconfig

BAD = {
    "unknown kind": (["daemonset/web"], "unknown kind 'daemonset'; known: pod, deployment"),
    "no name": (["pod/"], "name of the pod ''"),
    "impossible name": (["pod/Web_1"], "name of the pod 'Web_1'"),
    "impossible node": (["pod/web", "--to", "node a"], "--to: name of the node 'node a'"),
    "empty node": (["pod/web", "--to", ""], "--to: name of the node ''"),
    "unknown strategy": (["pod/web", "--strategy", "Teleport"], "'Teleport' is not one of"),
    "unknown copy mode": (["pod/web", "--copy", "Twice"], "'Twice' is not one of"),
    "negative freeze": (["pod/web", "--max-freeze", "-1s"], '--max-freeze: duration "-1s" is neg'),
    "freeze of nothing": (["pod/web", "--max-freeze", "0s"], 'duration "0s" is 0 s; allowed'),
    "freeze without unit": (["pod/web", "--max-freeze", "500"], 'duration "500" has no unit'),
    "freeze of a year": (["pod/web", "--max-freeze", "9000h"], "is longer than 7 days"),
    "freeze of a day": (["pod/web", "--max-freeze", "24h"], "allowed: 0.001 s to 3600 s"),
    "not a number": (["pod/web", "--max-freeze", "nan"], 'duration "nan" cannot be read'),
    "negative deadline": (["pod/web", "--deadline", "-5m"], '--deadline: duration "-5m" is neg'),
    "deadline of two days": (["pod/web", "--deadline", "48h"], "allowed: 1 s to 86400 s"),
}


@pytest.mark.parametrize(("args", "said"), BAD.values(), ids=BAD.keys())
def test_a_request_that_makes_no_sense_is_refused(
    cluster: Cluster, args: list[str], said: str
) -> None:
    done = CliRunner().invoke(cli, ["migrate", *args, "--kubeconfig", str(cluster.kubeconfig)])
    assert done.exit_code == 2
    assert said in done.output
    assert cluster.server.requests == []


def test_a_cluster_that_does_not_answer_is_exit_code_3(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump(kubeconfig("http://127.0.0.1:9")))
    done = CliRunner().invoke(cli, ["migrate", "pod/web", "--kubeconfig", str(config)])
    assert done.exit_code == 3
    assert "http://127.0.0.1:9" in done.output


def test_a_missing_kubeconfig_is_exit_code_3_and_names_the_file(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    done = CliRunner().invoke(cli, ["list", "--kubeconfig", str(missing)])
    assert done.exit_code == 3
    assert str(missing) in done.output


def test_a_lab_and_a_kubeconfig_together_are_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["install", "--lab", "x", "--kubeconfig", str(tmp_path)])
    assert done.exit_code == 2


def test_an_unknown_lab_is_one_line_and_exit_code_1() -> None:
    done = CliRunner().invoke(cli, ["install", "--lab", "no-such-lab"])
    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1
