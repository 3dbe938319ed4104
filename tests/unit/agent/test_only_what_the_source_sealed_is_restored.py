"""Images of another attempt, tampered, missing or extra ones are refused before a restore."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from podferry.agent import files, seal, uploads
from podferry.agent.archive import ArchiveError
from podferry.agent.errors import AgentError, Refused
from podferry.agent.node import Node
from podferry.agent.ops.host import Host
from podferry.wire.stages import Order, Role
from tests.unit.agent.roles import UID, World

KEY = bytes(range(32))
ATTEMPT = f"{UID}.2"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(**entries: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|") as archive:
        for name, data in entries.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return io.BytesIO(out.getvalue())


@pytest.fixture
def arrived(tmp_path: Path) -> Path:
    """A target's folder with everything of a whole, sealed attempt."""
    for name in ("images", "streams"):
        (tmp_path / name).mkdir()
    uploads.reader(str(tmp_path), "images", "dump")(tar(core_img=b"core", ids_img=b"ids"))
    uploads.reader(str(tmp_path), "rootfs", "upper")(io.BytesIO(b"a tar"))
    for name in ("pagemap-1.img", "pages-65537.img"):
        (tmp_path / "images" / name).touch()
    seal_it(tmp_path)
    return tmp_path


def seal_it(folder: Path, key: bytes = KEY, **changes: Any) -> None:
    images = {"core.img": b"core", "ids.img": b"ids"}
    manifest = {
        "attempt": ATTEMPT,
        "images": {
            name: {"bytes": len(data), "sha256": sha(data)} for name, data in images.items()
        },
        "streams": {"rootfs/upper": sha(b"a tar")},
        **changes,
    }
    files.write_json(f"{folder}/manifest.json", seal.signed(key, manifest))


def check(folder: Path) -> dict[str, Any]:
    return uploads.check_complete(str(folder), KEY, ATTEMPT)


def test_what_the_source_sealed_is_taken(arrived: Path) -> None:
    assert set(check(arrived)["images"]) == {"core.img", "ids.img"}


def test_a_tampered_image_of_the_same_size_is_named(arrived: Path) -> None:
    (arrived / "images/core.img").write_bytes(b"cord")
    with pytest.raises(AgentError, match=r"image core\.img is not what the source sealed"):
        check(arrived)


def test_a_missing_image_is_named(arrived: Path) -> None:
    (arrived / "images/ids.img").unlink()
    with pytest.raises(AgentError, match=r"image ids\.img has 0 bytes"):
        check(arrived)


def test_an_image_that_nobody_sealed_is_named(arrived: Path) -> None:
    uploads.reader(str(arrived), "images", "dump")(tar(mm_img=b"more"))
    with pytest.raises(AgentError, match=r"image mm\.img was not sealed"):
        check(arrived)


def test_a_replaced_stream_is_named(arrived: Path) -> None:
    uploads.reader(str(arrived), "rootfs", "upper")(io.BytesIO(b"another tar"))
    with pytest.raises(AgentError, match="stream rootfs/upper is not what the source sealed"):
        check(arrived)


def test_a_list_of_another_attempt_is_refused(arrived: Path) -> None:
    seal_it(arrived, attempt=f"{UID}.1")
    with pytest.raises(AgentError, match=rf"sealed for attempt {UID}\.1, this is {UID}\.2"):
        check(arrived)


@pytest.mark.parametrize("change", [{"images": {}}, {"streams": {}}, {"seal": "00" * 32}])
def test_a_changed_list_is_refused(arrived: Path, change: dict[str, Any]) -> None:
    path = f"{arrived}/manifest.json"
    files.write_json(path, {**(files.read_json(path) or {}), **change})
    with pytest.raises(AgentError) as refused:
        check(arrived)
    assert refused.value.reason == "SealBroken"


def test_a_list_sealed_with_another_key_is_refused(arrived: Path) -> None:
    seal_it(arrived, key=bytes(32))
    with pytest.raises(AgentError, match="not sealed by the source of this attempt"):
        check(arrived)


@pytest.mark.parametrize("name", ["pages-65537_img", "pagemap-1_img", "SPENT", "ready_tmp"])
def test_pages_are_taken_from_the_page_stream_only(arrived: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match="does not come with the small images"):
        uploads.reader(str(arrived), "images", "dump")(tar(**{name: b"foreign"}))
    assert not (arrived / "images.part").exists()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_the_first_key_of_an_attempt_stays_and_goes_with_it(world: World) -> None:
    side = world.side(Role.TARGET, "Prepared", "Prepared")
    with pytest.raises(AgentError, match="no key"):
        seal.key(world.node, side)
    for key in ("11" * 32, "22" * 32):
        seal.remember(world.node, side.order, key)
    assert seal.key(world.node, side) == b"\x11" * 32
    seal.forget(world.node, side)
    with pytest.raises(AgentError, match="no key"):
        seal.key(world.node, side)


@pytest.mark.parametrize("key", ["", "zz" * 32, "11" * 31, "../" * 20])
def test_a_key_of_nonsense_is_refused(tmp_path: Path, key: str) -> None:
    node = Node(Host(str(tmp_path), enter=False))
    with pytest.raises(Refused):
        seal.remember(node, Order(UID, 1, Role.TARGET, "Prepared"), key)
