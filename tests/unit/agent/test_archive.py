"""What is packed comes out alike, and a hostile stream stays inside its folder."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from podferry.agent import archive


def stream(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    return out


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", **more: int
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.uid, info.gid, info.mode = os.getuid(), os.getgid(), more.get("mode", 0o644)
    info.devmajor, info.devminor = more.get("major", 0), more.get("minor", 0)
    return info


def moved(source: Path, target: Path, *, overlay: bool = False) -> None:
    out = io.BytesIO()
    archive.pack(str(source), out, overlay=overlay)
    out.seek(0)
    archive.unpack(out, str(target), overlay=overlay)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    return source, target


def test_files_folders_links_and_fifos_come_out_alike(folders: tuple[Path, Path]) -> None:
    source, target = folders
    (source / "folder").mkdir()
    (source / "folder" / "file").write_bytes(b"content")
    os.link(source / "folder" / "file", source / "second")
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "fifo", 0o640)
    moved(source, target)
    assert (target / "folder" / "file").read_bytes() == b"content"
    assert (target / "second").stat().st_ino == (target / "folder" / "file").stat().st_ino
    assert os.readlink(target / "link") == "/etc/passwd"
    assert stat.S_ISFIFO((target / "fifo").stat().st_mode)


@pytest.mark.parametrize("mode", [0o4755, 0o2750, 0o1777, 0o000])
def test_setuid_setgid_and_sticky_bits_survive_the_change_of_owner(
    folders: tuple[Path, Path], mode: int
) -> None:
    source, target = folders
    (source / "file").write_bytes(b"x")
    (source / "folder").mkdir()
    if os.getuid() == 0:
        os.chown(source / "file", 1234, 5678)
    (source / "file").chmod(mode)
    (source / "folder").chmod(mode | 0o700)
    moved(source, target)
    found = (target / "file").stat()
    assert stat.S_IMODE(found.st_mode) == mode
    assert stat.S_IMODE((target / "folder").stat().st_mode) == mode | 0o700
    if os.getuid() == 0:
        assert (found.st_uid, found.st_gid) == (1234, 5678)


def test_a_file_of_zeros_takes_no_blocks(folders: tuple[Path, Path]) -> None:
    source, target = folders
    with open(source / "sparse", "wb") as out:
        out.truncate(1 << 22)
        out.seek(1 << 21)
        out.write(b"data")
    moved(source, target)
    assert (target / "sparse").read_bytes() == (source / "sparse").read_bytes()
    assert (target / "sparse").stat().st_blocks * 512 < 1 << 20


def test_what_was_at_the_target_is_replaced_not_followed(folders: tuple[Path, Path]) -> None:
    source, target = folders
    outside = target.parent / "outside"
    outside.write_bytes(b"untouched")
    (source / "file").write_bytes(b"new")
    (source / "folder").mkdir()
    (target / "file").symlink_to(outside)
    (target / "folder").symlink_to(target.parent)
    moved(source, target)
    assert outside.read_bytes() == b"untouched"
    assert (target / "file").read_bytes() == b"new"
    assert not (target / "folder").is_symlink()


@pytest.mark.skipif(os.getuid() != 0, reason="whiteouts are device nodes: root only")
def test_whiteouts_delete_and_opaque_folders_are_emptied(folders: tuple[Path, Path]) -> None:
    source, target = folders
    (target / "gone").mkdir()
    (target / "gone" / "inner").write_bytes(b"x")
    (target / "opaque").mkdir()
    (target / "opaque" / "old").write_bytes(b"x")
    (target / "kept").write_bytes(b"x")
    os.mknod(source / "gone", stat.S_IFCHR, os.makedev(0, 0))
    (source / "opaque").mkdir()
    try:
        os.setxattr(source / "opaque", "trusted.overlay.opaque", b"y")
    except OSError as error:
        pytest.skip(f"this file system keeps no trusted attributes: {error}")
    (source / "opaque" / "new").write_bytes(b"x")
    moved(source, target, overlay=True)
    assert sorted(os.listdir(target)) == ["kept", "opaque"]
    assert os.listdir(target / "opaque") == ["new"]


@pytest.mark.parametrize(
    "name", ["../escape", "/etc/escape", "a/../../escape", "..", "a/..", ".", "//x/../y"]
)
def test_a_name_that_leaves_the_folder_is_refused(folders: tuple[Path, Path], name: str) -> None:
    _, target = folders
    with pytest.raises(archive.ArchiveError):
        archive.unpack(stream((member(name), b"x")), str(target))
    assert sorted(os.listdir(target.parent)) == ["source", "target"]


def test_a_file_below_a_link_of_the_same_stream_is_refused(folders: tuple[Path, Path]) -> None:
    source, target = folders
    hostile = stream(
        (member("door", tarfile.SYMTYPE, str(source)), b""), (member("door/planted"), b"x")
    )
    with pytest.raises(archive.ArchiveError, match="link"):
        archive.unpack(hostile, str(target))
    assert os.listdir(source) == []


def test_a_hard_link_to_the_outside_is_refused(folders: tuple[Path, Path]) -> None:
    source, target = folders
    (source / "secret").write_bytes(b"secret")
    for link in (f"{source}/secret", "../source/secret"):
        with pytest.raises(archive.ArchiveError):
            archive.unpack(stream((member("x", tarfile.LNKTYPE, link), b"")), str(target))
    (target / "door").symlink_to(source)
    hostile = stream((member("x", tarfile.LNKTYPE, "door/secret"), b""))
    with pytest.raises(archive.ArchiveError):
        archive.unpack(hostile, str(target))


@pytest.mark.parametrize(
    ("kind", "major", "minor"),
    [(tarfile.CHRTYPE, 1, 3), (tarfile.BLKTYPE, 8, 0), (tarfile.CHRTYPE, 0, 0)],
)
def test_a_device_node_is_refused_outside_an_overlay(
    folders: tuple[Path, Path], kind: bytes, major: int, minor: int
) -> None:
    _, target = folders
    with pytest.raises(archive.ArchiveError, match="device"):
        archive.unpack(stream((member("d", kind, major=major, minor=minor), b"")), str(target))


def test_a_trusted_attribute_is_not_set_from_a_stream(folders: tuple[Path, Path]) -> None:
    _, target = folders
    info = member("file")
    info.pax_headers = {archive.XATTR + "trusted.overlay.redirect": "eA=="}
    with pytest.raises(archive.ArchiveError, match="attribute"):
        archive.unpack(stream((info, b"x")), str(target))


def test_a_stream_that_breaks_off_is_refused(folders: tuple[Path, Path]) -> None:
    _, target = folders
    whole = stream((member("file"), b"x" * 100_000)).getvalue()
    with pytest.raises(archive.ArchiveError):
        archive.unpack(io.BytesIO(whole[:50_000]), str(target))


@pytest.mark.parametrize("name", ["sub/core-1.img", "../core-1.img"])
def test_images_are_plain_files_at_the_top(folders: tuple[Path, Path], name: str) -> None:
    _, target = folders
    with pytest.raises(archive.ArchiveError):
        archive.unpack_flat(stream((member(name), b"x")), str(target))


def test_an_image_that_is_a_link_is_refused(folders: tuple[Path, Path]) -> None:
    _, target = folders
    hostile = stream((member("core-1.img", tarfile.SYMTYPE, "/etc/passwd"), b""))
    with pytest.raises(archive.ArchiveError):
        archive.unpack_flat(hostile, str(target))


def test_the_folder_itself_keeps_mode_owner_and_time(folders: tuple[Path, Path]) -> None:
    source, target = folders
    source.chmod(0o2750)
    os.utime(source, ns=(5 * 10**9, 5 * 10**9))
    moved(source, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o2750
    assert target.stat().st_mtime_ns == 5 * 10**9


def test_links_and_fifos_keep_their_time(folders: tuple[Path, Path]) -> None:
    source, target = folders
    (source / "link").symlink_to("nowhere")
    os.mkfifo(source / "fifo")
    for name in ("link", "fifo"):
        os.utime(source / name, ns=(7 * 10**9, 7 * 10**9), follow_symlinks=False)
    moved(source, target)
    for name in ("link", "fifo"):
        assert (target / name).lstat().st_mtime_ns == 7 * 10**9
