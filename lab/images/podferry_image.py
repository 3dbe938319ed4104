"""The image of podferry's controller and agent, made of debootstrap, pip and a tar writer.

Two layers: Debian with the locked dependencies, kept in the cache, and podferry's own code, which
is written anew each time in about a second. Never uses Docker.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import podferry
from podferry.lab.images.archive import Layer, write_image, write_layer
from podferry.lab.parts import debian
from podferry.lab.parts.errors import PartsError
from podferry.lab.parts.python import pip
from podferry.lab.parts.steps import run
from podferry.lab.parts.store import Progress, build_once, key, locked, part_path

NAME = "registry.lab/podferry:dev"
SUITE = "trixie"
PACKAGES = (
    "ca-certificates",
    "iproute2",
    "nftables",
    "python3",
    "tar",
    "util-linux",
)
_LIB = "opt/podferry/lib"
_APP = "opt/podferry/app"
_FORM = "1"
"""Raise it when the base layer is to be made differently from the same inputs."""
# documentation, translations and caches: nobody reads them in a container
_LEFT_OUT = re.compile(
    r"usr/share/(doc|man|info|locale|lintian)/.+|var/cache/.+|var/lib/apt/lists/.+|var/log/.+"
    r"|(dev|proc|sys|run|tmp)/.+"
)


def build_podferry_image(*, out: Path, progress: Progress, name: str = NAME) -> None:
    """Write the image to `out` as an archive, with base and dependencies from the cache.

    Args:
        out: the archive; replaced in one step.
        progress: gets a line a step, with seconds.
        name: image name with its tag.

    Raises:
        PartsError: not root, no lock file, no mirror, or a step failed.
    """
    package = Path(podferry.__file__).parent
    lock = package.parent / "requirements.lock"
    if not lock.is_file():
        raise PartsError(f"{lock} is missing: build the image from a checkout of podferry")
    base = _base(lock, progress)
    start = time.monotonic()
    out.parent.mkdir(parents=True, exist_ok=True)
    code_path = out.with_name(f".{out.name}.code")
    try:
        code = write_layer(
            code_path, [(package, f"{_APP}/podferry")], dereference=True, keep=_is_code
        )
        digest = write_image(
            name=name,
            layers=[base, code],
            out=out,
            entrypoint=["/usr/bin/python3", "-m", "podferry.cli.main"],
            env={
                "PYTHONPATH": f"/{_APP}:/{_LIB}",
                "PYTHONUNBUFFERED": "1",
                "LANG": "C.UTF-8",
            },
        )
    finally:
        code_path.unlink(missing_ok=True)
    progress(
        f"image {name}: {out}, {out.stat().st_size / (1 << 20):.0f} MiB, {digest}, "
        f"code layer and archive in {time.monotonic() - start:.1f} s"
    )


def _is_code(path: str) -> bool:
    return not path.endswith("/__pycache__")


def _base(lock: Path, progress: Progress) -> Layer:
    """The lower layer; built under the cache's lock where it is not there yet."""
    base_key = key(_FORM, lock.read_bytes(), SUITE, *PACKAGES, _LEFT_OUT.pattern)
    path = part_path("podferry-base", base_key)
    if not path.is_dir():
        with locked(progress):
            build_once("podferry-base", base_key, lambda work: _build_base(work, lock, progress))
    about = json.loads((path / "layer.json").read_text())
    return Layer(path=path / "layer.tar", digest=about["digest"], size=about["size"])


def _build_base(work: Path, lock: Path, progress: Progress) -> None:
    root = work / "root"
    pristine = debian.pristine_root(
        suite=SUITE, packages=PACKAGES, what=f"image base (Debian {SUITE})", progress=progress
    )
    debian.linked_copy(pristine, root)
    _dependencies(root, lock, progress)
    start = time.monotonic()
    layer = write_layer(
        work / "layer.tar", [(root, "")], keep=lambda name: not _LEFT_OUT.fullmatch(name)
    )
    shutil.rmtree(root)
    about = {"digest": layer.digest, "size": layer.size}
    (work / "layer.json").write_text(json.dumps(about) + "\n")
    progress(
        f"image base: layer of {layer.size / (1 << 20):.0f} MiB in {time.monotonic() - start:.1f} s"
    )


def _dependencies(root: Path, lock: Path, progress: Progress) -> None:
    version = _chroot(root, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    argv = [*pip(progress), "install", "-q", "--require-hashes", "-r", str(lock)]
    # wheels only: nothing is compiled for a Python that is not the one of this machine
    argv += ["--only-binary=:all:", "--python-version", version, "--implementation", "cp"]
    argv += ["--no-compile", "--target", str(root / _LIB)]
    run(argv, what=f"image dependencies (Python {version})", progress=progress)
    # unchecked hashes: the layer's files have no times that a check could compare
    _chroot(root, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", f"/{_LIB}")


def _chroot(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["chroot", str(root), "/usr/bin/python3", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise PartsError(
            f"image base: python3 {' '.join(arguments[:3])} failed in {root}: {words[-1]}; "
            "run the same command again, and report it if it fails again"
        )
    return done.stdout
