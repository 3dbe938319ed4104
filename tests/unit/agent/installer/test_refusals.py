"""What keeps podferry off a node: each is said, and the node stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.installer import run
from tests.unit.agent.installer.nodes import CONFIG, FakeContainerd, FakeHost, installer


def refused(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> str:
    """Output of an install that must fail and leave every file as it was."""
    before = host.files()
    assert run(installer(host), "install") == 1
    assert host.files() == before
    assert host.restarts == []
    return capsys.readouterr().out


def test_without_criu_nothing_is_written(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    del host.programs["criu"]
    out = refused(host, capsys)
    assert "criu  missing  install the package criu >= 4.0 on this node" in out
    assert out.splitlines()[-1] == "result: install incomplete, see criu"


@pytest.mark.parametrize(
    ("tool", "answer", "wanted"),
    [
        ("criu", "Version: 3.17.1\n", "criu >= 4.0"),
        ("python3", "Python 3.8.10\n", "python3 >= 3.9"),
        ("criu", "what?\n", "criu >= 4.0"),
    ],
)
def test_a_program_that_is_too_old_is_as_good_as_missing(
    host: FakeHost, capsys: pytest.CaptureFixture[str], tool: str, answer: str, wanted: str
) -> None:
    host.versions[tool] = answer
    assert wanted in refused(host, capsys)


@pytest.mark.parametrize("tool", ["runc", "nft", "ss", "nsenter", "setsid"])
def test_every_program_of_the_node_is_looked_for(
    host: FakeHost, capsys: pytest.CaptureFixture[str], tool: str
) -> None:
    del host.programs[tool]
    assert f"{tool}  missing  " in refused(host, capsys)


def test_without_a_running_containerd_nothing_is_written(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    host.end(100)
    assert "containerd  missing  no containerd runs" in refused(host, capsys)


def test_a_containerd_with_another_socket_is_refused_before_anything_is_written(
    host: FakeHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeContainerd, "elsewhere", True)
    out = refused(host, capsys)
    assert "does not serve /run/containerd/containerd.sock" in out
    assert "k3s" in out


def test_a_drop_in_that_would_change_anything_else_is_rolled_back(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    host.also = {"plugins": {"io.containerd.cri.v1.runtime": {"enable_selinux": True}}}
    assert "would also change plugins / io.containerd.cri.v1.runtime / enable_selinux" in refused(
        host, capsys
    )


def test_a_drop_in_that_fails_on_an_upgrade_gives_the_older_one_back(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    installer(host).install()
    drop_in = host.root / "etc/containerd/conf.d/podferry.toml"
    drop_in.write_text(drop_in.read_text() + "# of an older version\n")
    host.restarts.clear()
    host.also = {"plugins": {"io.containerd.cri.v1.runtime": {"containerd": {"runtimes": {
        "podferry": {"options": {"BinaryName": "/elsewhere"}}}}}}}  # fmt: skip
    assert "containerd does not see the handler" in refused(host, capsys)


def test_a_configuration_with_imports_of_its_own_says_what_to_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIG.replace("/etc/containerd/conf.d/*.toml", "/etc/other.toml")
    host = FakeHost(tmp_path / "node", systemd=True, config=text)
    assert "add /etc/containerd/conf.d/*.toml to that list" in refused(host, capsys)


def test_a_configuration_of_version_1_says_how_to_migrate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = FakeHost(tmp_path / "node", systemd=True, config='root = "/var/lib/containerd"\n')
    assert "containerd config migrate" in refused(host, capsys)
