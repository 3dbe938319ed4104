"""Archives are recognised before a node sees them; errors are one line and a non-zero exit."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from podferry.lab.cli import lab
from podferry.lab.cluster import inspect
from podferry.lab.cluster.errors import LabError


def archive(path: Path, **members: object) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, value in members.items():
            data = json.dumps(value).encode()
            info = tarfile.TarInfo(f"{name}.json")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_docker_archive_tells_its_names(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", manifest=[{"RepoTags": ["r/x:1", "r/y:2"]}])
    assert inspect.image_names(path) == ["r/x:1", "r/y:2"]


def test_an_oci_layout_tells_its_names(tmp_path: Path) -> None:
    one = {"annotations": {"io.containerd.image.name": "r/x:1"}}
    path = archive(tmp_path / "a.tar", index={"manifests": [one]})
    assert inspect.image_names(path) == ["r/x:1"]


@pytest.mark.parametrize("data", [b"", b"not a tar at all", b"\0" * 10240])
def test_what_is_no_image_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(LabError, match=r"a\.tar"):
        inspect.image_names(tmp_path / "a.tar")


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no file"):
        inspect.image_names(tmp_path / "none.tar")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["up", "--name", "A/B"], "lab name"),
        (["up", "--nodes", "0"], "1 to 9 nodes"),
        (["up", "--node-memory", "3"], "at least 512Mi"),
        (["kubeconfig", "--name", "none"], "not running"),
        (["kubectl", "--name", "none", "--", "get", "pods"], "not running"),
        (["logs", "--name", "none", "etcd"], "not running"),
    ],
)
def test_a_wrong_command_is_one_line_on_standard_error(
    argv: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODFERRY_LAB_HOME", str(tmp_path / "labs"))
    result = CliRunner().invoke(lab, argv)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "labs").exists()


def test_the_status_of_no_lab_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODFERRY_LAB_HOME", str(tmp_path))
    result = CliRunner().invoke(lab, ["status", "-o", "json"])
    assert json.loads(result.stdout)["phase"] == "absent"


@pytest.mark.parametrize("argv", [["up"], ["down"]])
def test_without_root_nothing_is_done(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODFERRY_LAB_HOME", str(tmp_path / "labs"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = CliRunner().invoke(lab, argv)
    assert result.exit_code == 1
    assert "needs root" in result.stderr
    assert not (tmp_path / "labs").exists()
