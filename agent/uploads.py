"""What the target keeps of the source's streams, and whether it is complete.

Owns: images/, streams/*.tar and manifest.json of a target. Never does: unpack into a container.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from typing import IO, Any

from podferry.agent import archive, files
from podferry.agent.errors import AgentError
from podferry.agent.transfer import MANIFEST


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
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        info = tar.next()
        content = tar.extractfile(info) if info is not None and info.isreg() else None
        if content is None or info is None or info.size > 1 << 24:
            raise archive.ArchiveError("the manifest stream holds no file of at most 16 MiB")
        files.write_text(f"{folder}/manifest.json", content.read().decode())


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
