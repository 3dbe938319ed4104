"""Whether the memory images that a page server wrote are whole. Reads CRIU's pagemap images.

Owns: the sum of pages each pagemap promises against the bytes of its pages file, for a stream that
broke must not be found out by a running container. Never changes an image.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from podferry.agent.errors import AgentError

_PAGEMAP = re.compile(r"pagemap(-shmem)?-\d+\.img")
_HEADER = 8
_PAGE = 4096
_PRESENT = 4


def check(folder: str) -> int:
    """Compare every pagemap in a folder with its pages file.

    Returns:
        Bytes of memory in all of them.

    Raises:
        AgentError: TransferIncomplete with both sizes, or BadImage.
    """
    promised: dict[int, int] = {}
    for path in sorted(Path(folder).iterdir()):
        if _PAGEMAP.fullmatch(path.name):
            pages_id, size = read(path)
            promised[pages_id] = promised.get(pages_id, 0) + size
    if not promised:
        raise AgentError("TransferIncomplete", "no pagemap image arrived; the dump sent no memory")
    for pages_id, size in promised.items():
        path = Path(folder) / f"pages-{pages_id}.img"
        found = os.path.getsize(path) if path.exists() else 0
        if found != size:
            raise AgentError(
                "TransferIncomplete",
                f"{path.name} holds {found} bytes of memory, its pagemaps promise {size}",
            )
    return sum(promised.values())


def read(path: Path) -> tuple[int, int]:
    """(id of the pages file, bytes that this pagemap places there). Raises AgentError."""
    try:
        messages = [dict(_fields(message)) for message in _messages(path.read_bytes())]
        pages_id = messages[0][1]
        present = [item for item in messages[1:] if item.get(4, _PRESENT) & _PRESENT]
        # Field 5 is the 64-bit count of newer versions, field 2 the one before.
        pages = sum(item.get(5) or item.get(2, 0) for item in present)
        return pages_id, pages * _PAGE
    except (IndexError, KeyError, ValueError) as error:
        raise AgentError("BadImage", f"{path.name} is no pagemap image: {error}") from error


def _messages(data: bytes) -> Iterator[bytes]:
    position = _HEADER
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        position += 4
        if position + size > len(data):
            raise ValueError("it is cut off")
        yield data[position : position + size]
        position += size


def _fields(message: bytes) -> Iterator[tuple[int, int]]:
    """Varint fields of a protobuf message; a pagemap has no others."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        if key & 7:
            raise ValueError(f"field {key >> 3} is not a varint")
        value, position = _varint(message, position)
        yield key >> 3, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if shift > 63:
            raise ValueError("a number has more than 64 bits")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
