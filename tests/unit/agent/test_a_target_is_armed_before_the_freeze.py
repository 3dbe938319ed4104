"""Shield and options of the restore need the held container only, so they cost no freeze."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from podferry.agent import containers, draining
from podferry.wire.stages import Role
from tests.unit.agent.roles import CID, World, target


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def announcement(size: int) -> io.BytesIO:
    text = json.dumps({"bytes": size}).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|") as tar:
        info = tarfile.TarInfo("expect.json")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    out.seek(0)
    return out


def test_the_announcement_of_the_source_raises_the_shield(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = world.side(Role.TARGET, "Prepared", "Prepared")
    (Path(side.ram) / "images").mkdir(parents=True, exist_ok=True)
    world.claim(side)
    bundle = type("B", (), {"network_namespace": "/proc/1/ns/net", "path": "/b"})()
    monkeypatch.setattr(containers, "read_bundle", lambda _host, _path: bundle)
    target(world).upload(side, "images", "expect")(announcement(0))
    assert "raise_shield" in world.calls
    assert (Path(side.folder) / "criu.conf").exists()
    assert draining.keeps(side)  # from here on it waits for the streams of a frozen workload
    assert (side.facts["armed"], side.facts["podIP"]) == (CID, "192.0.2.9")
