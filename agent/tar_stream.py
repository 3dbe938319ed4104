"""Reading a tar stream that another node sent: bounded in memory, and only what `archive` writes.

Owns: the refusal of headers that tarfile would act on (huge, negative, sparse), and that whatever
such bytes cause is an ArchiveError. Never does: write to a disk.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import tarfile
from collections.abc import Iterator
from typing import IO, Any

MAX_HEADER = 1 << 20
"""Bytes of one extended header: names and attributes; it is held in memory whole."""
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_BY_INPUT = frozenset(
    {errno.ENAMETOOLONG, errno.EINVAL, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
    | {errno.EEXIST, errno.EPERM, errno.EMLINK, errno.E2BIG, errno.ERANGE, errno.EFBIG}
)
"""Errors of system calls that names and numbers in a stream can cause on a healthy disk."""


class ArchiveError(ValueError):
    """A stream or a folder that is refused; the message names the entry and the reason."""


class _Entry(tarfile.TarInfo):
    """A header of a stream; what `pack` never writes and tarfile would act on is refused first."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0 or (self.type in _HEADERS and self.size > MAX_HEADER):
            raise ArchiveError(
                f"a header or entry claims {self.size} bytes; a header has at most {MAX_HEADER}"
            )
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise ArchiveError(f"{self.name!r} is a sparse entry; holes are sent as zeros")
        parent: Any = super()
        found: tarfile.TarInfo = parent._proc_member(tar)
        # An extended header may have changed both.
        if found.size < 0 or getattr(found, "sparse", None) is not None:
            raise ArchiveError(f"{found.name!r} has a negative size or is a sparse entry")
        return found

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise ArchiveError("a sparse entry; holes are sent as zeros")


def open_stream(stream: IO[bytes]) -> tarfile.TarFile:
    """A tar stream from another node, read once from front to end; use it within `refusing`."""
    return tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20, tarinfo=_Entry)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Whatever the bytes of a stream cause is an ArchiveError; a full disk stays an OSError."""
    try:
        yield
    except ArchiveError:
        raise
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise ArchiveError(f"the stream is not a complete tar archive: {error}") from error
    except OSError as error:
        if error.errno not in _BY_INPUT:
            raise
        raise ArchiveError(f"an entry of the stream cannot be made: {error}") from error


def forget(tar: tarfile.TarFile) -> None:
    """Drop the list of entries read so far, which tarfile would keep to the end."""
    kept: Any = tar
    kept.members.clear()


class Hashed:
    """A file that is only written to; knows the sha256 of all that passed."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Write and count in."""
        self._digest.update(data)
        return self._out.write(data)

    def flush(self) -> None:
        """Flush the file below."""
        self._out.flush()

    def hexdigest(self) -> str:
        """Of everything written so far."""
        return self._digest.hexdigest()
