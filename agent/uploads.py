"""What the target keeps of the source's streams, and whether it is complete.

Owns: images/, streams/*.tar and manifest.json of a target, all of them in memory (`Side.ram`, the
`folder` of these functions). Never does: unpack into a container.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from typing import IO, Any

from podferry.agent import archive, files, tar_stream
from podferry.agent.errors import AgentError
from podferry.agent.room import Expected
from podferry.agent.transfer import MANIFEST

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


def stream_path(folder: str, kind: str, name: str) -> str:
    """Where a tar stream is kept until the container is filled."""
    return f"{folder}/streams/{kind}.{name}.tar"


def reader(folder: str, kind: str, name: str) -> Callable[[IO[bytes]], object]:
    """What to do with the bytes of one upload."""
    if kind == "images" and name == MANIFEST:
        return lambda stream: _take_manifest(stream, folder)
    if kind == "images":
        return lambda stream: archive.unpack_flat(stream, f"{folder}/images")
    return lambda stream: _keep(stream, stream_path(folder, kind, name))


def _keep(stream: IO[bytes], path: str) -> None:
    with open(f"{path}.part", "wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)
    os.replace(f"{path}.part", path)


def _take_manifest(stream: IO[bytes], folder: str) -> None:
    value = _json(stream)
    images, streams = value.get("images", {}), value.get("streams", [])
    if not isinstance(images, dict) or not all(map(_NAME.fullmatch, images)):
        raise tar_stream.ArchiveError("the manifest's images are not a map of file names to sizes")
    if not isinstance(streams, list) or not all(map(_is_stream, streams)):
        raise tar_stream.ArchiveError("the manifest's streams are not a list of kind/name")
    files.write_json(f"{folder}/manifest.json", value)


def _is_stream(entry: object) -> bool:
    kind, _, name = str(entry).partition("/")
    return kind in ("rootfs", "volume", "shm") and bool(_NAME.fullmatch(name))


def expected(stream: IO[bytes]) -> Expected:
    """What the source announces before the freeze. Raises ArchiveError."""
    value = _json(stream)
    sizes = [value.get(key, 0) for key in ("bytes", "fileBytes")]
    for size in sizes:
        if type(size) is not int or not 0 <= size < 1 << 63:
            raise tar_stream.ArchiveError(f"{str(size)[:40]!r} is no number of bytes to expect")
    return Expected(*sizes)


def _json(stream: IO[bytes]) -> dict[str, Any]:
    """The one JSON object of a stream. Raises ArchiveError."""
    with tar_stream.refusing(), tar_stream.open_stream(stream) as tar:
        info = tar.next()
        content = tar.extractfile(info) if info is not None and info.isreg() else None
        if content is None or info is None or info.size > 1 << 24:
            raise tar_stream.ArchiveError("the stream holds no JSON file of at most 16 MiB")
        value = json.loads(content.read())
        if not isinstance(value, dict):
            raise tar_stream.ArchiveError(
                f"the stream holds {type(value).__name__}, no JSON object"
            )
        return value


def manifest(folder: str) -> dict[str, Any] | None:
    """The source's list of what it sent; None until it said that all was sent."""
    return files.read_json(f"{folder}/manifest.json")


def check_complete(folder: str) -> dict[str, Any]:
    """Compare what arrived with the manifest. Raises AgentError naming the first difference."""
    wanted = manifest(folder)
    if wanted is None:
        raise AgentError(
            "TransferIncomplete", "the source has not said that everything was sent; order it"
        )
    for name, size in wanted.get("images", {}).items():
        path = f"{folder}/images/{name}"
        found = os.path.getsize(path) if os.path.isfile(path) else -1
        if found != size:
            raise AgentError(
                "TransferIncomplete",
                f"image {name} has {max(found, 0)} bytes at the target, the source sent {size}",
            )
    for entry in wanted.get("streams", []):
        kind, _, name = str(entry).partition("/")
        if not os.path.isfile(stream_path(folder, kind, name)):
            raise AgentError("TransferIncomplete", f"stream {entry} is missing at the target")
    return wanted
