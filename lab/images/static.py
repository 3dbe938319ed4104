"""The two images that are one static C program each: the sandbox container and the workload."""

from __future__ import annotations

import tempfile
from pathlib import Path

from podferry.lab.images.archive import write_docker_archive
from podferry.lab.parts.steps import run
from podferry.lab.parts.store import Progress, key

PAUSE = "registry.lab/pause:1"
APP = "registry.lab/app:1"
_SOURCES = Path(__file__).parent / "src"
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s")
# archive -> image name, sources, program in the image
_IMAGES = {
    "pause.tar": (PAUSE, ("pause.c",), "pause"),
    "app.tar": (APP, ("counter.c", "curve.c"), "counter"),
}


def images_key() -> str:
    """Changes with the sources, the compiler's flags and the form of the archives."""
    sources = [path.read_bytes() for path in sorted(_SOURCES.glob("*.[ch]"))]
    form = (Path(__file__).parent / "archive.py").read_bytes()
    return key(form, str(_IMAGES), " ".join(_FLAGS), *sources)


def build_images(folder: Path, *, progress: Progress) -> None:
    """Write pause.tar and app.tar into `folder`; PartsError where the compiler fails."""
    for archive, (name, sources, program) in _IMAGES.items():
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            root = Path(temporary) / "root"
            # programs may expect /tmp, and records are written below a mounted folder
            for sub in ("tmp", "etc", "var"):
                (root / sub).mkdir(parents=True)
            (root / "tmp").chmod(0o1777)
            paths = [str(_SOURCES / source) for source in sources]
            argv = ["gcc", *_FLAGS, "-o", str(root / program), *paths]
            run(argv, what=f"image {name}", progress=progress)
            write_docker_archive(
                name=name, root=root, out=folder / archive, entrypoint=[f"/{program}"], env={}
            )
