"""Tar streams of a writable layer, a volume, a /dev/shm or a folder of CRIU images.

Owns: packing a folder with overlay whiteouts, opaque marks, extended attributes and modes, and
unpacking such a stream below one folder. Never does: follow a symbolic link of the destination,
leave the folder it was given, or create a device node.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from podferry.agent.tar_stream import ArchiveError as ArchiveError
from podferry.agent.tar_stream import forget, open_stream, refusing

XATTR = "PODFERRY.xattr."
OPAQUE = "PODFERRY.opaque"
MAX_MEMBERS = 2_000_000
MAX_IMAGES = 100_000
MAX_PATH = 4096
_OPAQUE_XATTRS = ("trusted.overlay.opaque", "user.overlay.opaque")
_REFUSED_XATTRS = ("trusted.overlay.redirect", "trusted.overlay.metacopy")
_BLOCK = 65536
_SELF = "."
_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Packed:
    """What `pack` wrote: number of entries and bytes of file content."""

    entries: int
    content_bytes: int


def pack(root: str, out: IO[bytes], *, overlay: bool = False) -> Packed:
    """Write everything below `root` as a pax tar stream.

    Args:
        root: folder that is packed; its own mode, owner and time come first, under the name ".".
        out: writable binary stream, not closed here.
        overlay: `root` is an overlay upperdir: whiteouts and opaque folders are kept as marks.

    Returns:
        Entries and content bytes. Sockets are left out: they cannot be carried.

    Raises:
        ArchiveError: a device node, or an overlay feature that a copy would lose silently.
    """
    entries = size = 0
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as tar:
        tar.addfile(_own(tar, root))
        for path, name in _walk(root):
            info = tar.gettarinfo(path, arcname=name)
            if info is None:  # a socket
                continue
            info.uname = info.gname = ""
            _mark(path, info, overlay=overlay)
            entries += 1
            if info.isreg():
                size += info.size
                with open(path, "rb", opener=_open_nofollow) as content:
                    tar.addfile(info, content)
            else:
                tar.addfile(info)
    return Packed(entries, size)


def _own(tar: tarfile.TarFile, root: str) -> tarfile.TarInfo:
    """The packed folder itself: a program may have closed its volume to others (mode 0700)."""
    info = tar.gettarinfo(root, arcname=_SELF)
    info.uname = info.gname = ""
    _mark(root, info, overlay=False)
    return info


def _open_nofollow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _walk(root: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    with os.scandir(root) as scan:
        children = sorted(scan, key=lambda item: item.name)
    for child in children:
        name = f"{prefix}{child.name}"
        yield child.path, name
        if child.is_dir(follow_symlinks=False):
            yield from _walk(child.path, f"{name}/")


def tree_bytes(root: str) -> int:
    """Bytes of regular files below a folder; what vanishes meanwhile is not counted."""
    total = 0
    for path, _ in _walk(root):
        with contextlib.suppress(FileNotFoundError):
            info = os.lstat(path)
            total += info.st_size if stat.S_ISREG(info.st_mode) else 0
    return total


def _mark(path: str, info: tarfile.TarInfo, *, overlay: bool) -> None:
    """Carry extended attributes and overlay marks in pax headers."""
    whiteout = info.ischr() and info.devmajor == 0 and info.devminor == 0
    if (info.ischr() or info.isblk()) and not (whiteout and overlay):
        raise ArchiveError(
            f"{info.name} is a device node ({info.devmajor}:{info.devminor}); device nodes are not"
            " carried to another node: remove it from the container and try again"
        )
    if info.issym():
        return
    headers: dict[str, str] = {}
    for name in _list_xattrs(path):
        if overlay and name in _OPAQUE_XATTRS:
            headers[OPAQUE] = "y"
        elif name in _REFUSED_XATTRS:
            raise ArchiveError(
                f"{info.name} carries {name}: the overlay renamed a folder of the image without"
                " copying it, which a copy of the writable layer would lose; mount the layers"
                " with redirect_dir=off"
            )
        elif name.startswith("user.") or name == "security.capability":
            value = os.getxattr(path, name, follow_symlinks=False)
            headers[XATTR + name] = base64.b64encode(value).decode()
    info.pax_headers = headers


def _list_xattrs(path: str) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            return []
        raise


def unpack(stream: IO[bytes], root: str, *, overlay: bool = False) -> Packed:
    """Unpack a stream of `pack` below `root`, replacing what is there entry by entry.

    Args:
        stream: readable binary stream.
        root: existing folder; nothing outside it is touched, whatever the stream says.
        overlay: whiteouts delete, opaque folders are emptied first (`root` is a merged view).

    Raises:
        ArchiveError: an entry that leaves `root`, crosses a link, or is a device node.
    """
    target = _Target(root, overlay=overlay)
    try:
        with refusing():
            return target.consume(stream)
    finally:
        target.close()


def unpack_flat(stream: IO[bytes], folder: str) -> dict[str, int]:
    """Unpack regular files without any folder (CRIU images). Returns name -> bytes."""
    sizes: dict[str, int] = {}
    directory = os.open(folder, _DIR_FLAGS)
    try:
        with refusing(), open_stream(stream) as tar:
            for info in tar:
                forget(tar)
                parts = _parts(info.name)
                if not info.isreg() or len(parts) != 1:
                    raise ArchiveError(f"{info.name!r} is not a plain file at the top level")
                if len(sizes) >= MAX_IMAGES:
                    raise ArchiveError(f"more than {MAX_IMAGES} images")
                # "a/." has one part too, and would pass through a link called "a".
                name = parts[0]
                _remove(directory, name)
                descriptor = os.open(name, _NEW_FLAGS, 0o600, dir_fd=directory)
                with os.fdopen(descriptor, "wb") as out:
                    _copy_sparse(tar, info, out)
                sizes[name] = info.size
        return sizes
    finally:
        os.close(directory)


def _parts(name: str) -> list[str]:
    """Path components of an entry. Raises ArchiveError for one that could leave the folder."""
    if name.startswith("/") or "\0" in name:
        raise ArchiveError(f"{name!r} is an absolute path or holds a NUL byte")
    if len(name) > MAX_PATH:
        raise ArchiveError(f"a name of {len(name)} characters; the longest is {MAX_PATH}")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise ArchiveError(f"{name!r} leaves the folder it is unpacked into")
    return parts


def _remove(directory: int, name: str) -> None:
    """Remove whatever is called `name`, never following a link."""
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(name, dir_fd=directory)
        return
    _empty(directory, name)
    os.rmdir(name, dir_fd=directory)


def _empty(directory: int, name: str) -> None:
    inner = os.open(name, _DIR_FLAGS, dir_fd=directory)
    try:
        for child in os.listdir(inner):
            if stat.S_ISDIR(os.stat(child, dir_fd=inner, follow_symlinks=False).st_mode):
                shutil.rmtree(child, dir_fd=inner)
            else:
                os.unlink(child, dir_fd=inner)
    finally:
        os.close(inner)


def _copy_sparse(tar: tarfile.TarFile, info: tarfile.TarInfo, out: IO[bytes]) -> None:
    """Copy content; whole blocks of zeros become holes."""
    content = tar.extractfile(info)
    if content is None:
        raise ArchiveError(f"{info.name!r} has no content")
    left = info.size
    zeros = bytes(_BLOCK)
    while left:
        block = content.read(min(_BLOCK, left))
        if not block:
            raise ArchiveError(f"{info.name!r} ends {left} bytes early")
        left -= len(block)
        if block == zeros[: len(block)]:
            out.seek(len(block), os.SEEK_CUR)
        else:
            out.write(block)
    out.truncate(info.size)


class _Target:
    """The folder being filled; every access goes through descriptors below its own."""

    def __init__(self, root: str, *, overlay: bool) -> None:
        self._root = os.open(root, _DIR_FLAGS)
        self._overlay = overlay
        self._folders: list[tuple[list[str], tarfile.TarInfo]] = []

    def close(self) -> None:
        """Close the root descriptor."""
        os.close(self._root)

    def consume(self, stream: IO[bytes]) -> Packed:
        """Unpack all entries, then give folders their owner, mode and time."""
        entries = size = 0
        own: tarfile.TarInfo | None = None
        with open_stream(stream) as tar:
            for info in tar:
                forget(tar)
                if info.name == _SELF and info.isdir():
                    own = info
                    continue
                entries += 1
                if entries > MAX_MEMBERS:
                    raise ArchiveError(f"more than {MAX_MEMBERS} entries")
                self._entry(tar, info)
                size += info.size if info.isreg() else 0
        for parts, info in reversed(self._folders):
            parent = self._open_parent(parts)
            try:
                folder = os.open(parts[-1], _DIR_FLAGS, dir_fd=parent)
                try:
                    self._finish(folder, info)
                finally:
                    os.close(folder)
            finally:
                os.close(parent)
        if own is not None:
            self._finish(self._root, own)
        return Packed(entries, size)

    def _open_parent(self, parts: list[str]) -> int:
        """Descriptor of the entry's folder; a missing one is made, a link is refused."""
        current = os.dup(self._root)
        try:
            for part in parts[:-1]:
                try:
                    following = os.open(part, _DIR_FLAGS, dir_fd=current)
                except FileNotFoundError:
                    os.mkdir(part, 0o755, dir_fd=current)
                    following = os.open(part, _DIR_FLAGS, dir_fd=current)
                os.close(current)
                current = following
            return current
        except OSError as error:
            os.close(current)
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                name = "/".join(parts)
                raise ArchiveError(f"{name!r} would pass through a link or a file") from error
            raise

    def _entry(self, tar: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        parts = _parts(info.name)
        parent = self._open_parent(parts)
        name = parts[-1]
        try:
            if info.isdir():
                self._folder(parent, name, info)
                self._folders.append((parts, info))
                return
            if info.isblk() or (info.ischr() and not self._is_whiteout(info)):
                raise ArchiveError(f"{info.name!r} is a device node")
            _remove(parent, name)
            if info.ischr():  # a whiteout: the entry is gone in the merged view
                return
            self._create(tar, info, parent, name)
        finally:
            os.close(parent)

    def _is_whiteout(self, info: tarfile.TarInfo) -> bool:
        return self._overlay and info.devmajor == 0 and info.devminor == 0

    def _folder(self, parent: int, name: str, info: tarfile.TarInfo) -> None:
        try:
            mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        except FileNotFoundError:
            os.mkdir(name, 0o700, dir_fd=parent)
            return
        if not stat.S_ISDIR(mode):
            os.unlink(name, dir_fd=parent)
            os.mkdir(name, 0o700, dir_fd=parent)
        elif self._overlay and OPAQUE in info.pax_headers:
            _empty(parent, name)

    def _create(self, tar: tarfile.TarFile, info: tarfile.TarInfo, parent: int, name: str) -> None:
        if info.isreg():
            descriptor = os.open(name, _NEW_FLAGS, 0o600, dir_fd=parent)
            with os.fdopen(descriptor, "wb") as out:
                _copy_sparse(tar, info, out)
                out.flush()
                self._finish(out.fileno(), info)
        elif info.issym():
            os.symlink(info.linkname, name, dir_fd=parent)
            self._finish_name(info, parent, name)
        elif info.islnk():
            self._hard_link(info, parent, name)
        elif info.isfifo():
            os.mkfifo(name, 0o600, dir_fd=parent)
            self._finish_name(info, parent, name)
            os.chmod(name, info.mode & 0o7777, dir_fd=parent)
        else:
            raise ArchiveError(f"{info.name!r} has the unknown type {info.type!r}")

    def _hard_link(self, info: tarfile.TarInfo, parent: int, name: str) -> None:
        source = _parts(info.linkname)
        folder = self._open_parent(source)
        try:
            os.link(source[-1], name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError as error:
            raise ArchiveError(
                f"{info.name!r} links to {info.linkname!r}, which is not there"
            ) from error
        finally:
            os.close(folder)

    @staticmethod
    def _finish_name(info: tarfile.TarInfo, parent: int, name: str) -> None:
        """Owner and time of what cannot be opened without following or waiting."""
        os.chown(name, info.uid, info.gid, dir_fd=parent, follow_symlinks=False)
        os.utime(name, ns=_times(info), dir_fd=parent, follow_symlinks=False)

    @staticmethod
    def _finish(descriptor: int, info: tarfile.TarInfo) -> None:
        """Owner first, then mode: chown clears setuid, and a mode says who may be that user."""
        os.fchown(descriptor, info.uid, info.gid)
        os.fchmod(descriptor, info.mode & 0o7777)
        for key, value in info.pax_headers.items():
            if key.startswith(XATTR):
                _set_xattr(descriptor, key.removeprefix(XATTR), value)
        os.utime(descriptor, ns=_times(info))


def _times(info: tarfile.TarInfo) -> tuple[int, int]:
    """Access and change time [ns]; the stream has the latter only."""
    nanoseconds = int(float(info.mtime) * 1e9)
    return nanoseconds, nanoseconds


def _set_xattr(descriptor: int, name: str, value: Any) -> None:
    if not (name.startswith("user.") or name == "security.capability"):
        raise ArchiveError(f"extended attribute {name!r} may not be set from a stream")
    try:
        os.setxattr(descriptor, name, base64.b64decode(value, validate=True))
    except OSError as error:
        if error.errno != errno.ENOTSUP:  # a tmpfs of an old kernel keeps no user attributes
            raise
