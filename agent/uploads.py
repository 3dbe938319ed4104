"""What the target keeps of the source's streams, and whether it is complete.

Owns: images/, streams/*.tar and manifest.json of a target, all of them in memory (`Side.ram`, the
`folder` of these functions). Never does: unpack into a container.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from typing import IO, Any

from podferry.agent import archive, files, seal, tar_stream
from podferry.agent.errors import AgentError
from podferry.agent.room import Expected
from podferry.agent.transfer import MANIFEST

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


_RECEIVED = re.compile(r"pagemap.*|pages-.*|ready\.tmp|SPENT")
"""What only the page receiver, the agent or the wrapper writes in a StopAndCopy."""


def stream_path(folder: str, kind: str, name: str) -> str:
    """Where a tar stream is kept until the container is filled."""
    return f"{folder}/streams/{kind}.{name}.tar"


def reader(
    folder: str, kind: str, name: str, *, lazy: bool = False
) -> Callable[[IO[bytes]], object]:
    """What to do with the bytes of one upload. `lazy`: the source's page maps come this way."""
    if kind == "images" and name == MANIFEST:
        return lambda stream: _take_manifest(stream, folder)
    if kind == "images":
        kept = None if lazy else _RECEIVED
        return lambda stream: _take_images(stream, folder, kept)
    return lambda stream: _keep(stream, stream_path(folder, kind, name))


def _take_images(stream: IO[bytes], folder: str, kept: re.Pattern[str] | None) -> None:
    """Unpack aside, then move what is the sender's to write. Raises ArchiveError."""
    aside = f"{folder}/images.part"
    os.makedirs(aside, mode=0o700, exist_ok=True)
    try:
        for name in archive.unpack_flat(stream, aside):
            if kept is not None and kept.fullmatch(name):
                raise tar_stream.ArchiveError(f"{name!r} does not come with the small images")
            os.replace(f"{aside}/{name}", f"{folder}/images/{name}")
    finally:
        shutil.rmtree(aside)


def _keep(stream: IO[bytes], path: str) -> None:
    with open(f"{path}.part", "wb") as out:
        counted = tar_stream.Hashed(out)
        shutil.copyfileobj(stream, counted, 1 << 20)
    files.write_text(f"{path}.sha256", counted.hexdigest())
    os.replace(f"{path}.part", path)


def _take_manifest(stream: IO[bytes], folder: str) -> None:
    value = _json(stream)
    images, streams = value.get("images", {}), value.get("streams", {})
    if not isinstance(images, dict) or not all(map(_is_image, images.items())):
        raise tar_stream.ArchiveError("the manifest's images are not a map of names to files")
    if not isinstance(streams, dict) or not all(map(_is_stream, streams)):
        raise tar_stream.ArchiveError("the manifest's streams are not a map of kind/name")
    files.write_json(f"{folder}/manifest.json", value)


def _is_image(item: tuple[str, object]) -> bool:
    return bool(_NAME.fullmatch(item[0])) and isinstance(item[1], dict)


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


def check_complete(folder: str, secret: bytes, attempt: str) -> dict[str, Any]:
    """Compare what arrived with the manifest, whose seal is checked first.

    Raises AgentError: TransferIncomplete or SealBroken, with the first difference.
    """
    wanted = manifest(folder)
    if wanted is None:
        raise AgentError(
            "TransferIncomplete", "the source has not said that everything was sent; order it"
        )
    seal.check(secret, wanted, attempt)
    for name, entry in wanted.get("images", {}).items():
        _check_image(f"{folder}/images", name, entry)
    for name in sorted(set(os.listdir(f"{folder}/images")) - set(wanted.get("images", {}))):
        if not _RECEIVED.fullmatch(name):
            raise AgentError("SealBroken", f"image {name} was not sealed by the source")
    for entry, digest in wanted.get("streams", {}).items():
        kind, _, name = str(entry).partition("/")
        path = stream_path(folder, kind, name)
        if not os.path.isfile(path):
            raise AgentError("TransferIncomplete", f"stream {entry} is missing at the target")
        with open(f"{path}.sha256", encoding="ascii") as source:
            if source.read() != digest:
                raise AgentError(
                    "SealBroken", f"stream {entry} is not what the source sealed; nothing restored"
                )
    return wanted


def _check_image(folder: str, name: str, entry: dict[str, Any]) -> None:
    path, size = f"{folder}/{name}", entry.get("bytes")
    found = os.path.getsize(path) if os.path.isfile(path) else -1
    if found != size:
        raise AgentError(
            "TransferIncomplete",
            f"image {name} has {max(found, 0)} bytes at the target, the source sent {size}",
        )
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.get("sha256"):
            raise AgentError(
                "SealBroken", f"image {name} is not what the source sealed; nothing was restored"
            )
