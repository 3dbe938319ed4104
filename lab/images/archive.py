"""Writes container images as tar archives, without Docker and the same bytes for the same content.

An archive is a docker-archive (manifest.json) and an OCI image layout (index.json) at once, over
the same blobs: an importer that reads either gets the same image with the same digest.
Never runs anything and never reads the clock.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_OCI = "application/vnd.oci.image"


@dataclass(frozen=True, slots=True)
class Layer:
    """An uncompressed layer on disk; `digest` is the hexadecimal sha256 of the file."""

    path: Path
    digest: str
    size: int


class _Hashing(io.RawIOBase):
    """A file to write to that knows the digest of what went through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha.update(data)
        self.size += len(data)
        return self._file.write(data)


def write_layer(
    out: Path,
    trees: Iterable[tuple[Path, str]],
    *,
    dereference: bool = False,
    keep: Callable[[str], bool] = lambda name: True,
) -> Layer:
    """Write a layer of folder trees, sorted, owned by who owns them, with all times zero.

    Args:
        out: the tar file to make.
        trees: pairs of a folder and where its content is in the image ("" is the root).
        dereference: whether symbolic links become what they point to, owned by root.
        keep: asked for each path in the image, without a leading slash; False leaves it out with
            all that is below it.
    """
    with out.open("wb") as raw:
        hashing = _Hashing(raw)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            tar.dereference = dereference
            for folder, prefix in trees:
                _add_parents(tar, prefix)
                _add_tree(tar, folder, prefix, keep)
        return Layer(path=out, digest=hashing.sha.hexdigest(), size=hashing.size)


def _add_parents(tar: tarfile.TarFile, prefix: str) -> None:
    parts = Path(prefix).parts
    for i in range(len(parts)):
        info = tarfile.TarInfo("/".join(parts[: i + 1]))
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)


def _add_tree(tar: tarfile.TarFile, folder: Path, prefix: str, keep: Callable[[str], bool]) -> None:
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        name = f"{prefix}/{entry.name}" if prefix else entry.name
        if not keep(name):
            continue
        info = tar.gettarinfo(entry.path, arcname=name)
        if info is None:  # a socket: cannot be in an archive
            continue
        info.mtime = 0
        info.uname = info.gname = ""
        if tar.dereference:
            # sources of a checkout: who owns them there means nothing in the image
            info.uid = info.gid = 0
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        if info.isreg():
            with open(entry.path, "rb") as file:
                tar.addfile(info, file)
        else:
            tar.addfile(info)
        if info.isdir():
            _add_tree(tar, Path(entry.path), name, keep)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _config(
    layers: Sequence[Layer], entrypoint: list[str], env: dict[str, str], labels: dict[str, str]
) -> bytes:
    machine = platform.machine()
    return _json(
        {
            "architecture": _ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Entrypoint": entrypoint,
                "Env": [f"{name}={value}" for name, value in ({"PATH": _PATH} | env).items()],
                "WorkingDir": "/",
                "Labels": labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{x.digest}" for x in layers]},
            "history": [{"created_by": "podferry.lab.images"} for _ in layers],
        }
    )


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": f"sha256:{digest}", "size": size}


class _Archive:
    """The tar file of an image, blob by blob."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def file(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def blob(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.file(f"blobs/sha256/{digest}", data)
        return digest

    def layer(self, layer: Layer) -> None:
        info = tarfile.TarInfo(f"blobs/sha256/{layer.digest}")
        info.size = layer.size
        with layer.path.open("rb") as file:
            self._tar.addfile(info, file)


def write_image(
    *,
    name: str,
    layers: Sequence[Layer],
    out: Path,
    entrypoint: list[str],
    env: dict[str, str],
    labels: dict[str, str] | None = None,
) -> str:
    """Write an image of these layers, lowest first; return the manifest's digest ("sha256:...").

    Args:
        name: with a tag, as registry.lab/app:1.
        layers: lowest first.
        out: replaced in one step.
        entrypoint: program and arguments.
        env: added to a default PATH.
        labels: of the image's configuration.
    """
    config = _config(layers, entrypoint, env, labels or {})
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _descriptor(
                "config.v1+json", hashlib.sha256(config).hexdigest(), len(config)
            ),
            "layers": [_descriptor("layer.v1.tar", x.digest, x.size) for x in layers],
        }
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
            archive = _Archive(tar)
            # a layer that occurs twice is stored once
            for layer in {x.digest: x for x in layers}.values():
                archive.layer(layer)
            config_digest = archive.blob(config)
            digest = archive.blob(manifest)
            entry = _descriptor("manifest.v1+json", digest, len(manifest))
            entry["annotations"] = {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name.rpartition(":")[2],
            }
            archive.file("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            archive.file("index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
            docker = {
                "Config": f"blobs/sha256/{config_digest}",
                "RepoTags": [name],
                "Layers": [f"blobs/sha256/{x.digest}" for x in layers],
            }
            archive.file("manifest.json", _json([docker]))
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return f"sha256:{digest}"


def write_docker_archive(
    *, name: str, root: Path, out: Path, entrypoint: list[str], env: dict[str, str]
) -> None:
    """Write the folder `root` as an image with one layer; `archive_digest` tells its digest."""
    layer_path = out.with_name(f".{out.name}.layer.{os.getpid()}")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        layer = write_layer(layer_path, [(root, "")])
        write_image(name=name, layers=[layer], out=out, entrypoint=entrypoint, env=env)
    finally:
        layer_path.unlink(missing_ok=True)


def archive_digest(path: Path) -> str:
    """The manifest digest ("sha256:...") by which a cluster names the image of this archive."""
    with tarfile.open(path) as tar:
        file = tar.extractfile("index.json")
        assert file is not None, f"{path} was not written by this module"
        digest: str = json.load(file)["manifests"][0]["digest"]
        return digest
