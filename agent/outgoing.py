"""What a frozen source sends besides its pages: writable layer, volumes, /dev/shm, CRIU's images.

Owns: the list of streams, sending them side by side, the manifest at the end. Never does: freeze
or thaw.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tarfile
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import IO, Any, cast

from podferry.agent import archive, containers, seal, tar_stream
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.agent.transfer import Peer


def is_lazy(side: Side) -> bool:
    """Whether the memory follows after the resume."""
    return side.params.get("copy") == "PostCopy"


async def announce(side: Side, peer: Peer, verdict: Mapping[str, Any]) -> None:
    """Let the target do what it can while the workload still runs: shield, options, room.

    `verdict`: a probe, with residentBytes and fileBytes. Raises AgentError: a peer without room, or
    one that cannot be reached, would not do in the freeze either.
    """
    size = 0 if is_lazy(side) else int(verdict.get("residentBytes") or 0)
    files = int(verdict.get("fileBytes") or 0)
    await peer.send_expected((side.order.migration, side.order.attempt), size, files)


async def send_all(
    node: Node,
    side: Side,
    found: containers.Container,
    peer: Peer,
    dumping: Callable[[], Coroutine[Any, Any, None]],
) -> dict[str, Any]:
    """Send files while `dumping` runs (nothing writes any more), then images and the manifest.

    Returns facts with seconds and bytes. Raises AgentError of the first part that failed.
    """
    key = (side.order.migration, side.order.attempt)
    secret = seal.key(node, side)
    streams = _streams(node, found)
    hashes: dict[str, str] = {}
    try:
        async with asyncio.TaskGroup() as group:
            dumped = group.create_task(dumping())
            tasks = [
                group.create_task(
                    peer.send(key, kind, name, _folder_writer(path, f"{kind}/{name}", hashes))
                )
                for kind, name, path in streams
            ]
            await dumped
            began = time.monotonic()
            images = image_sizes(f"{side.ram}/images")
            writer = _images_writer(f"{side.ram}/images", images)
            tasks.append(group.create_task(peer.send(key, "images", "dump", writer)))
            hashing = asyncio.to_thread(_image_entries, f"{side.ram}/images", images)
            entries = group.create_task(hashing)
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        if isinstance(first, archive.ArchiveError):
            raise AgentError("CannotCarry", str(first)) from first
        raise first from errors
    manifest = {
        "attempt": seal.attempt_of(side.order),
        "images": entries.result(),
        "streams": hashes,
    }
    await peer.send_manifest(key, seal.signed(secret, manifest))
    return {
        "imageBytes": sum(images.values()),
        "streamBytes": sum(task.result().wire_bytes for task in tasks),
        "transferSeconds": round(time.monotonic() - began, 4),
    }


def image_sizes(folder: str) -> dict[str, int]:
    """Name -> bytes of the images that the dump left on the source; logs stay."""
    with os.scandir(folder) as scan:
        return {
            item.name: item.stat().st_size
            for item in scan
            if item.is_file(follow_symlinks=False) and item.name.endswith((".img", ".json"))
        }


def _streams(node: Node, found: containers.Container) -> list[tuple[str, str, str]]:
    """(kind, name, folder as the agent sees it) of everything but memory and images."""
    bundle = found.bundle
    streams = [("rootfs", "upper", node.local(containers.upper_dir(node.host, bundle)))]
    if bundle.shm:
        streams.append(("shm", "shm", node.local(bundle.shm)))
    volumes = containers.empty_dirs(node.host, bundle)
    streams += [("volume", name, node.local(path)) for name, path in volumes.items()]
    return streams


def _image_entries(folder: str, sizes: dict[str, int]) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for name, size in sizes.items():
        with open(f"{folder}/{name}", "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        entries[name] = {"bytes": size, "sha256": digest}
    return entries


def _folder_writer(path: str, entry: str, hashes: dict[str, str]) -> Callable[[IO[bytes]], object]:
    """Packs a folder; afterwards `hashes` has the hash of what was sent as `entry`."""

    def write(out: IO[bytes]) -> None:
        counted = tar_stream.Hashed(out)
        archive.pack(path, cast(IO[bytes], counted), overlay=entry.startswith("rootfs/"))
        hashes[entry] = counted.hexdigest()

    return write


def _images_writer(folder: str, sizes: dict[str, int]) -> Callable[[IO[bytes]], object]:
    def write(out: IO[bytes]) -> None:
        with tarfile.open(fileobj=out, mode="w|", bufsize=1 << 20) as tar:
            for name in sizes:
                tar.add(f"{folder}/{name}", arcname=name, recursive=False)

    return write
