"""The cache of built parts: where it is, how a part is named, how it appears whole or not at all.

A part is a folder `<cache>/parts/<name>-<key>`; the key is a hash of everything that went into it.
It is built in a folder beside it and renamed when done, so a builder may be killed at any instant.
Never decides what to build.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

Progress = Callable[[str], None]

_UNFINISHED = ".unfinished-"


def cache_dir() -> Path:
    """`PODFERRY_CACHE`, else `podferry` in the XDG cache folder; need not exist yet."""
    own = os.environ.get("PODFERRY_CACHE")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "podferry"


def key(*inputs: str | bytes) -> str:
    """16 hexadecimal digits that change when any input, or their order, changes."""
    digest = hashlib.sha256()
    for item in inputs:
        data = item.encode() if isinstance(item, str) else item
        # with the length first, ("ab", "c") and ("a", "bc") differ
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()[:16]


def part_path(name: str, part_key: str) -> Path:
    """Where the part is, or will be."""
    return cache_dir() / "parts" / f"{name}-{part_key}"


@contextlib.contextmanager
def locked(progress: Progress) -> Iterator[None]:
    """Keep other builders of the same cache out; clear what a killed one left behind.

    The lock belongs to the open file, so it ends with the process, however that ends.
    """
    folder = cache_dir() / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting: another process is building parts in {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        yield


def build_once(name: str, part_key: str, build: Callable[[Path], None]) -> Path:
    """Return the part's folder; have `build` fill it first where there is none.

    Call it under `locked`. `build` gets an empty folder whose content becomes the part.
    """
    path = part_path(name, part_key)
    if path.is_dir():
        return path
    work = path.with_name(f"{_UNFINISHED}{path.name}")
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    try:
        build(work)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    # a power cut must not leave a named folder with empty files in it
    os.sync()
    work.rename(path)
    return path


def write_atomic(path: Path, text: str) -> None:
    """Replace a file so that a reader sees the old text or the new one, never a half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)
