"""FATE: the one file that says whether a frozen source was sealed or thawed. First writer wins."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

SEALED = "sealed"
THAWED = "thawed"


def claim_fate(folder: str, wanted: str) -> str:
    """Try to write FATE, durably. Returns what it says then: ours, or the earlier winner's.

    The text is linked into place whole, so a reader never sees an empty FATE.
    """
    place = Path(folder) / "FATE"
    draft = Path(folder) / f".FATE.{wanted}.{os.getpid()}"
    with open(draft, "w", encoding="ascii") as out:
        out.write(wanted)
        out.flush()
        os.fsync(out.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, place)
    draft.unlink()
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return read_fate(folder)


def read_fate(folder: str) -> str:
    """What FATE says, empty before anybody wrote it."""
    with contextlib.suppress(FileNotFoundError):
        return (Path(folder) / "FATE").read_text(encoding="ascii").strip()
    return ""
