"""Durable small files: a reader sees the old text or the new one, also after a power cut.

Owns: tmp + rename + fsync of file and folder. Never does: decide anything from the content.
"""

from __future__ import annotations

import json
import os
from typing import Any


def sync_folder(folder: str) -> None:
    """Make created, renamed and removed names of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str, text: str, *, mode: int = 0o600) -> None:
    """Replace a file in one step and make it durable. Raises OSError."""
    temporary = f"{path}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, path)
    sync_folder(os.path.dirname(path))


def write_json(path: str, value: Any) -> None:
    """`write_text` of a JSON value."""
    write_text(path, json.dumps(value, sort_keys=True))


def read_json(path: str) -> dict[str, Any] | None:
    """The JSON object in a file; None if there is none. Raises ValueError on nonsense."""
    try:
        with open(path, encoding="utf-8") as source:
            value = json.load(source)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds {type(value).__name__}, expected a JSON object")
    return value
