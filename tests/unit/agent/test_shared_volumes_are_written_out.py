"""A volume that the target mounts too is found, looked at for what cannot follow, written out."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from podferry.agent import shared_volumes
from podferry.agent.containers import Bundle
from podferry.agent.errors import AgentError
from podferry.agent.ops.host import Host

HERE = Host("", enter=False)


def bundle(*sources: str) -> Bundle:
    mounts = [{"destination": f"/m{n}", "source": source} for n, source in enumerate(sources)]
    return Bundle("/b", {"mounts": mounts})


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "pods/u1/volumes/kubernetes.io~local-volume/data"
    folder.mkdir(parents=True)
    return folder


def test_only_volumes_that_do_not_travel_are_shared() -> None:
    kubelet = "/var/lib/kubelet/pods/u1"
    found = shared_volumes.of_bundle(
        bundle(
            f"{kubelet}/volumes/kubernetes.io~empty-dir/a",
            f"{kubelet}/volumes/kubernetes.io~secret/a",
            f"{kubelet}/volumes/kubernetes.io~nfs/a",
            f"{kubelet}/volumes/kubernetes.io~csi/a/mount",
            f"{kubelet}/etc-hosts",
            "proc",
        )
    )
    assert [one.destination for one in found] == ["/m2", "/m3"]


def said(*sources: str) -> str:
    """What is said of this process; the test runner has deleted files of its own open."""
    found = shared_volumes.blockers(HERE, bundle(*sources), [os.getpid()], most=99)
    return "\n".join(one["message"] for one in found)


def test_a_lock_on_a_shared_file_is_a_blocker(volume: Path) -> None:
    with (volume / "file").open("w") as file:
        assert "lock" not in said(str(volume))
        fcntl.flock(file, fcntl.LOCK_EX)
        assert f"process {os.getpid()} holds a lock (FLOCK) on a file of the volume at /m0" in said(
            str(volume)
        )
        assert said() == ""


@pytest.mark.parametrize("name", ["deleted", ".nfs0001"])
def test_a_deleted_file_that_is_still_open_is_a_blocker(volume: Path, name: str) -> None:
    with (volume / name).open("w") as file:
        if name == "deleted":
            assert f"(fd {file.fileno()})" not in said(str(volume))
            (volume / name).unlink()
        assert f"(fd {file.fileno()})" in said(str(volume))


def test_a_volume_that_cannot_be_written_out_ends_the_attempt(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(shared_volumes, "_syncfs", lambda handle: asked.append(handle) or 0)
    shared_volumes.write_out(HERE, bundle(str(volume)))
    assert len(asked) == 1
    monkeypatch.setattr(shared_volumes, "_syncfs", lambda _handle: -1)
    with pytest.raises(AgentError, match="volume at /m0 was not written out"):
        shared_volumes.write_out(HERE, bundle(str(volume)))
    with pytest.raises(AgentError, match="volume at /m0"):
        shared_volumes.write_out(HERE, bundle(str(volume) + "-gone"))
