"""Writes a support bundle: a .tar.gz that appears whole or not at all, readable by its owner only.

The same files and the same time give the same bytes.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = "podferry-support"
"""Everything in the archive is below it."""


def packed(files: Mapping[str, bytes], when: int) -> bytes:
    """Return the archive; `when` is the time of every file in it [s since 1970]. Pure."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=out, mode="wb", mtime=when) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, data in files.items():
            info = tarfile.TarInfo(f"{FOLDER}/{name}")
            info.size, info.mtime, info.mode = len(data), when, 0o600
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def write(path: Path, data: bytes, *, force: bool) -> None:
    """Put `data` at `path`, mode 0600.

    Raises:
        FileExistsError: something is there and `force` is not given.
        OSError: it cannot be written there; nothing is left.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if force:
            os.replace(name, path)
        else:
            # A link fails where a rename would overwrite what came there meanwhile.
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
