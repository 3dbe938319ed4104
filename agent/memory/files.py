"""One small file of the kernel that is read again and again. Owns its descriptor; parses numbers.

A descriptor that stays open costs one system call a reading instead of three. Of a cgroup that was
removed it answers ENODEV, of a path it is ENOENT: both mean that its subject is gone.
"""

from __future__ import annotations

import contextlib
import errno
import os

_MOST_BYTES = 16384
"""memory.stat has some 1.5 KiB; what is longer is not such a file."""
KEPT_MOST = 768
"""Descriptors that stay open at once; further files are opened for each reading. A container is
often allowed 1024, and moves need some."""


class Gone(Exception):
    """What the file tells of does not exist (any more)."""


class Garbage(ValueError):
    """The file has no such number; the text names the file."""


class KernelFile:
    """A file by path. `read` raises Gone, or OSError for anything else."""

    kept = 0

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1

    def read(self) -> bytes:
        """The whole text as it is now."""
        try:
            if self._fd >= 0:
                return os.pread(self._fd, _MOST_BYTES, 0)
            return self._read_anew()
        except OSError as error:
            self.close()
            if error.errno in (errno.ENODEV, errno.ENOENT):
                raise Gone(self.path) from error
            raise

    def _read_anew(self) -> bytes:
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        if KernelFile.kept < KEPT_MOST:
            KernelFile.kept += 1
            self._fd = fd
            return os.pread(fd, _MOST_BYTES, 0)
        try:
            return os.pread(fd, _MOST_BYTES, 0)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Give the descriptor back; a later `read` opens anew."""
        if self._fd >= 0:
            KernelFile.kept -= 1
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1


def number(text: bytes, path: str) -> int:
    """The text as one whole number from 0. Raises Garbage."""
    raw = text.strip()
    if not raw.isdigit() or len(raw) > 19:
        raise Garbage(f"{path}: {raw[:40]!r} is not a number of bytes")
    return int(raw)


def field(text: bytes, name: bytes, path: str) -> int:
    """The number after `name` and a blank at the start of a line. Raises Garbage."""
    start = 0 if text.startswith(name + b" ") else text.find(b"\n" + name + b" ") + 1
    if start == 0 and not text.startswith(name + b" "):
        raise Garbage(f"{path}: there is no line {name.decode()!r}")
    begin = start + len(name) + 1
    end = text.find(b"\n", begin)
    return number(text[begin : len(text) if end < 0 else end], f"{path}: {name.decode()}")


def pressure(text: bytes, path: str) -> tuple[float, float]:
    """avg10 and avg60 of the line `some` of a PSI file [%]. Raises Garbage."""
    words = text.split(b"\n", 1)[0].split()
    try:
        if words[0] != b"some":
            raise ValueError
        found = dict(word.split(b"=", 1) for word in words[1:])
        ten, sixty = float(found[b"avg10"]), float(found[b"avg60"])
    except (ValueError, IndexError, KeyError) as error:
        raise Garbage(f"{path}: {text[:60]!r} is not a pressure") from error
    if not (0 <= ten <= 100 and 0 <= sixty <= 100):
        raise Garbage(f"{path}: {ten:g} and {sixty:g} are not percent")
    return ten, sixty
