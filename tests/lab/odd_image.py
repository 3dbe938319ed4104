"""An image with what the plain workload lacks: files to change, a program that CRIU cannot dump.

`/counter` is the lab's own workload; `/holder`, `/family`, `/writer`, `/beside` and `/step` are in
`src`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from podferry.lab.images import static, write_docker_archive

NAME = "registry.lab/odd:1"
FILES = {
    "etc/overwritten": "as in the image\n",
    "etc/deleted": "is to go\n",
    "etc/becomes-a-link": "is to go\n",
    "opt/kept/file": "stays\n",
    "opt/gone/file": "goes with its folder\n",
    "opt/anew/old": "its folder is made anew\n",
}
_WORKLOAD = Path(static.__file__).parent / "src"
_SOURCES = {
    "holder": Path(__file__).parent / "src" / "holder.c",
    "family": Path(__file__).parent / "src" / "family.c",
    "writer": Path(__file__).parent / "src" / "writer.c",
    "beside": Path(__file__).parent / "src" / "beside.c",
    "step": Path(__file__).parent / "src" / "step.c",
}


def write(path: Path, work: Path) -> None:
    """Write the docker-archive tar; `work` is an empty folder to build in."""
    for name in ("tmp", "var", "data"):
        (work / name).mkdir()
    for name, text in FILES.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    workload = [_WORKLOAD / "counter.c", _WORKLOAD / "curve.c"]
    for program, sources in {"counter": workload, **{k: [v] for k, v in _SOURCES.items()}}.items():
        argv = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"]
        subprocess.run([*argv, "-o", str(work / program), *map(str, sources)], check=True)
    write_docker_archive(name=NAME, root=work, out=path, entrypoint=["/counter"], env={})
