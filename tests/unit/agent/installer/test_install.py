"""Putting podferry on a node, and finding it there."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import podferry.runtime_wrapper as wrapper_package
from podferry.agent.installer import run
from tests.unit.agent.installer.nodes import CONFIG, FakeHost, installer

SOURCE = Path(wrapper_package.__file__).parent


def states(host: FakeHost) -> dict[str, str]:
    return {item.name: item.state for item in installer(host).install()}


def test_a_fresh_node_gets_every_part_with_its_permissions_and_one_restart(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(installer(host), "install") == 0
    base = host.root / "opt/podferry"
    for source, place, mode in (
        ("podferry-runc.sh", "bin/podferry-runc", 0o755),
        ("podferry-freeze.sh", "bin/podferry-freeze", 0o755),
        ("wrapper.py", "wrapper.py", 0o644),
        ("page_receiver.py", "page_receiver.py", 0o644),
        ("page_sender.py", "page_sender.py", 0o644),
        ("skip_hook.py", "skip_hook.py", 0o644),
    ):
        assert (base / place).read_text() == (SOURCE / source).read_text()
        assert (base / place).stat().st_mode & 0o7777 == mode
    assert (base / "runc-path").read_text() == "/usr/sbin/runc\n"
    assert host.restarts == ["systemctl restart containerd"]
    lines = capsys.readouterr().out.splitlines()
    assert "front  installed  /opt/podferry/bin/podferry-runc" in lines
    assert lines[-1].startswith("result: install done, 9 changed")


def test_the_drop_in_registers_our_front_and_lets_our_annotations_through(host: FakeHost) -> None:
    installer(host).install()
    text = (host.root / "etc/containerd/conf.d/podferry.toml").read_text()
    cri = tomllib.loads(text)["plugins"]["io.containerd.cri.v1.runtime"]
    assert cri["containerd"]["runtimes"] == {
        "podferry": {
            "runtime_type": "io.containerd.runc.v2",
            "pod_annotations": ["podferry.dev/*"],
            "container_annotations": ["podferry.dev/*"],
            "options": {"BinaryName": "/opt/podferry/bin/podferry-runc"},
        }
    }


def test_a_configuration_of_version_2_gets_the_plugin_name_of_version_2(tmp_path: Path) -> None:
    old = CONFIG.replace("version = 3", "version = 2").replace(
        "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"
    )
    host = FakeHost(tmp_path / "node", systemd=True, config=old)
    installer(host).install()
    text = (host.root / "etc/containerd/conf.d/podferry.toml").read_text()
    found = tomllib.loads(text)
    assert found["version"] == 2
    assert "podferry" in found["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"]


def test_a_second_run_finds_all_in_order_and_restarts_nothing(host: FakeHost) -> None:
    installer(host).install()
    host.restarts.clear()
    before = host.files()
    assert set(states(host).values()) == {"ok"}
    assert host.restarts == []
    assert host.files() == before


def test_a_changed_wrapper_is_replaced_without_a_restart(host: FakeHost) -> None:
    installer(host).install()
    host.restarts.clear()
    (host.root / "opt/podferry/wrapper.py").write_text("# of an older version\n")
    found = states(host)
    assert (found["wrapper"], found["restart"], host.restarts) == ("installed", "ok", [])


def test_lost_permissions_are_given_back(host: FakeHost) -> None:
    installer(host).install()
    front = host.root / "opt/podferry/bin/podferry-runc"
    front.chmod(0o644)
    assert states(host)["front"] == "installed"
    assert front.stat().st_mode & 0o7777 == 0o755


def test_without_systemd_containerd_gets_a_sigterm_and_comes_back(tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "node", systemd=False)
    assert states(host)["restart"] == "installed"
    assert host.restarts == ["SIGTERM 100"]


def test_a_restart_that_was_cut_off_is_made_up_for(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off = installer(host)

    def killed() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(cut_off._service, "restart", killed)
    with pytest.raises(KeyboardInterrupt):
        cut_off.install()
    assert [item.name for item in installer(host).check() if item.state == "missing"] == ["restart"]
    assert states(host)["restart"] == "installed"
    assert host.restarts == ["systemctl restart containerd"]


def test_a_configuration_without_imports_gets_them_and_nothing_else(tmp_path: Path) -> None:
    text = CONFIG.replace('imports = ["/etc/containerd/conf.d/*.toml"]\n', "")
    host = FakeHost(tmp_path / "node", systemd=True, config=text)
    assert states(host)["imports"] == "installed"
    main = (host.root / "etc/containerd/config.toml").read_text()
    assert main == f'imports = ["/etc/containerd/conf.d/*.toml"]\n{text}'


def test_a_node_without_a_configuration_file_gets_one_that_only_imports(tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "node", systemd=True, config=None)
    assert states(host)["imports"] == "installed"
    main = tomllib.loads((host.root / "etc/containerd/config.toml").read_text())
    assert main == {"version": 3, "imports": ["/etc/containerd/conf.d/*.toml"]}


def test_check_changes_nothing_and_names_what_is_missing(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    before = host.files()
    assert run(installer(host), "check") == 1
    assert host.files() == before
    assert "drop-in  missing  /etc/containerd/conf.d/podferry.toml" in capsys.readouterr().out
    installer(host).install()
    assert run(installer(host), "check") == 0


def test_the_containerd_of_docker_is_not_taken_for_the_one_of_kubelet(host: FakeHost) -> None:
    host.process(50, ["containerd", "--config", "/var/run/docker/containerd/containerd.toml"])
    host.process(300, ["containerd", "--config", "/etc/containerd/config.toml"])
    assert installer(host)._service.pid() == 100
