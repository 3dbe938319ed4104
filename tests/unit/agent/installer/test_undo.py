"""Taking podferry off a node again."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.installer import run
from tests.unit.agent.installer.nodes import CONFIG, FakeHost, installer


@pytest.mark.parametrize(
    "config", [CONFIG, CONFIG.replace("imports", "# imports"), None], ids=["imports", "none", "no"]
)
def test_undo_leaves_exactly_what_was(tmp_path: Path, config: str | None) -> None:
    host = FakeHost(tmp_path / "node", systemd=True, config=config)
    before = host.files()
    installer(host).install()
    assert host.files() != before
    assert run(installer(host), "undo") == 0
    assert host.files() == before
    assert host.restarts == ["systemctl restart containerd"] * 2


def test_undo_keeps_what_somebody_changed_since(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    installer(host).install()
    drop_in = host.root / "etc/containerd/conf.d/podferry.toml"
    drop_in.write_text(drop_in.read_text() + "# mine\n")
    assert run(installer(host), "undo") == 0
    assert drop_in.exists()
    assert "podferry.toml  kept  " in capsys.readouterr().out


def test_undo_gives_back_the_permissions_of_a_file_that_was_there(host: FakeHost) -> None:
    place = host.root / "opt/podferry/runc-path"
    place.parent.mkdir(parents=True)
    place.write_text("/mine\n")
    place.chmod(0o640)
    before = host.files()
    installer(host).install()
    installer(host).undo()
    assert host.files() == before


def test_undo_is_refused_while_a_container_still_calls_the_wrapper(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    installer(host).install()
    bundle = host.root / "run/containerd/io.containerd.runtime.v2.task/k8s.io/c0ffee"
    bundle.mkdir(parents=True)
    (bundle / "options.json").write_text('{"BinaryName":"/opt/podferry/bin/podferry-runc"}')
    before = host.files()
    assert run(installer(host), "undo") == 1
    assert host.files() == before
    assert "wrapper  refused  1 container(s)" in capsys.readouterr().out
    assert run(installer(host), "undo", force=True) == 0
    assert not (host.root / "opt/podferry").exists()


def test_undo_of_nothing_is_fine(host: FakeHost) -> None:
    before = host.files()
    assert run(installer(host), "undo") == 0
    assert (host.files(), host.restarts) == (before, [])


def test_undo_removes_what_moves_left_and_keeps_what_it_does_not_know(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    installer(host).install()
    state = host.root / "var/lib/podferry"
    for folder in ("attempts/u.1/source", "blocked", "seen"):
        (state / folder).mkdir(parents=True)
    (state / "mine").write_text("mine")
    for folder in ("tls", "seals", "hold", "restored", "hook", "criu"):
        (host.root / "run/podferry" / folder).mkdir(parents=True)
    (host.root / "run/podferry/tls/tls.key").write_text("secret")
    assert run(installer(host), "undo") == 0
    assert [place.name for place in state.iterdir()] == ["mine"]
    assert not (host.root / "run/podferry").exists()
    assert "folder  kept  /var/lib/podferry holds mine" in capsys.readouterr().out
