"""Puts the parts of a lab together: what depends on what, and which versions came out.

Owns the list of parts; how each kind is built is in the modules beside this one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from podferry.lab.parts import debian, golang
from podferry.lab.parts.errors import PartsError
from podferry.lab.parts.golang import Module
from podferry.lab.parts.store import (
    Progress,
    build_once,
    cache_dir,
    key,
    locked,
    part_path,
    write_atomic,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a lab is made of, complete and read-only.

    `node_root` is the lower layer of every node's overlay; `bin_dir` has the Kubernetes programs;
    `images_dir` has docker-archives (pause.tar: registry.lab/pause:1, app.tar: registry.lab/app:1).
    """

    node_root: Path
    bin_dir: Path
    images_dir: Path
    versions: dict[str, str]


def ensure(*, progress: Progress) -> Parts:
    """Return the parts; build first what the cache lacks (cold about 12 minutes on 2 cores).

    May be killed at any instant and called again: finished parts are kept, unfinished ones begin
    anew. A second caller waits for the first.

    Raises:
        PartsError: a part cannot be built; says why and what to do.
    """
    start = time.monotonic()
    runc = golang.runc()
    images_key = _images_key()
    node_modules = (golang.CONTAINERD, runc, golang.CNI)
    node_key = key(
        debian.root_key(debian.NODE_SUITE, debian.NODE_PACKAGES),
        *(module.key() for module in node_modules),
    )
    wanted = (
        part_path("node", node_key),
        part_path("kubernetes", golang.KUBERNETES.key()),
        part_path("images", images_key),
    )
    if not all(path.is_dir() for path in wanted):
        with locked(progress):
            _go_part(golang.KUBERNETES, progress)
            build_once("images", images_key, lambda work: _images(work, progress))
            build_once("node", node_key, lambda work: _node(work, node_modules, progress))
        progress(f"parts: complete in {time.monotonic() - start:.0f} s, in {cache_dir()}")
    node, kubernetes, images = wanted
    parts = Parts(
        node_root=node / "root",
        bin_dir=kubernetes / "bin",
        images_dir=images,
        versions=_versions(node / "root", (golang.KUBERNETES, *node_modules)),
    )
    text = json.dumps(parts.versions, indent=1, sort_keys=True) + "\n"
    write_atomic(cache_dir() / "parts" / "versions.json", text)
    return parts


def program_folder(module: Module, *, progress: Progress) -> Path:
    """Return where the programs of a module are that is no part of a lab; build it if need be.

    Raises:
        PartsError: it cannot be built; says why and what to do.
    """
    path = part_path(module.name, module.key())
    if not path.is_dir():
        with locked(progress):
            _go_part(module, progress)
    return path / "bin"


def _go_part(module: Module, progress: Progress) -> Path:
    return build_once(
        module.name,
        module.key(),
        lambda work: golang.build(module, bin_dir=work / "bin", progress=progress),
    )


def _node(work: Path, modules: tuple[Module, ...], progress: Progress) -> None:
    pristine = debian.pristine_root(
        suite=debian.NODE_SUITE,
        packages=debian.NODE_PACKAGES,
        what=f"node root (Debian {debian.NODE_SUITE})",
        progress=progress,
    )
    # hard links: a new containerd costs neither a minute nor 400 MB
    debian.linked_copy(pristine, work / "root")
    for module in modules:
        built = _go_part(module, progress) / "bin"
        folder = work / "root" / ("usr/lib/cni" if module.name == "cni" else "usr/sbin")
        folder.mkdir(parents=True, exist_ok=True)
        for program in sorted(built.iterdir()):
            shutil.copy2(program, folder / program.name)
    _try_out(work / "root")


def _try_out(root: Path) -> None:
    """Run what was built elsewhere once inside the root: a missing library shows here."""
    for argv in (["containerd", "--version"], ["runc", "--version"], ["criu", "--version"]):
        done = subprocess.run(
            ["chroot", str(root), *argv],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        if done.returncode:
            raise PartsError(
                f"{argv[0]} does not run in the node root {root}: {done.stderr.strip()}; "
                "remove that program's folder from the cache and run the same command again"
            )


def _images_key() -> str:
    from podferry.lab.images import static  # images is built on this package

    return static.images_key()


def _images(work: Path, progress: Progress) -> None:
    from podferry.lab.images import static

    static.build_images(work, progress=progress)


def _versions(root: Path, modules: tuple[Module, ...]) -> dict[str, str]:
    found = {module.name: module.version for module in modules}
    found["debian"] = debian.NODE_SUITE
    found |= debian.package_versions(root, debian.RECORDED)
    found["etcd"] = found.pop("etcd-server", "unknown")
    return found
