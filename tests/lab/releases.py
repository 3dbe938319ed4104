"""Two releases of podferry for tests of an upgrade: this checkout, and a made-up later one.

The later one is a copy of this checkout with another version, the next protocol number (it still
speaks this one's) and an image of its own. It is installed by its own command line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from podferry.wire import agent_api
from tests.lab.cluster import Cluster, podferry_lab

ROOT = Path(__file__).resolve().parents[2]
LATER = "99.0.0"
TAG = "later"
_BUILD = (
    "import sys; from pathlib import Path;"
    " from podferry.lab.images import build_podferry_image as build;"
    f" build(out=Path(sys.argv[1]), progress=print, name='registry.lab/podferry:{TAG}')"
)


@dataclass(frozen=True)
class Release:
    """A checkout: its folder and its version."""

    folder: Path
    version: str

    def command(self, cluster: Cluster, *more: str) -> list[str]:
        """Its `podferry install` into this lab."""
        main = [sys.executable, "-m", "podferry.cli.main"]
        return [*main, "install", "--lab", cluster.name, *more]

    @property
    def env(self) -> dict[str, str]:
        """The environment in which that command is of this checkout."""
        return {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def begin(self, cluster: Cluster) -> subprocess.Popen[str]:
        """Begin its installation, over whatever is there."""
        return subprocess.Popen(
            self.command(cluster, "--force"),
            env=self.env,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


def this() -> Release:
    """This checkout; its image is in the lab."""
    from podferry import __version__

    return Release(ROOT, __version__)


def later(folder: Path, cluster: Cluster) -> Release:
    """Make the later one in an empty folder, and load its image into the lab."""
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "podferry", folder / "podferry", ignore=skipped)
    shutil.copytree(ROOT / "cluster-setup", folder / "cluster-setup")
    shutil.copy(ROOT / "requirements.lock", folder)
    number = agent_api.PROTOCOL + 1
    _edit(folder / "podferry/__init__.py", r'__version__ = ".*"', f'__version__ = "{LATER}"')
    wire = folder / "podferry/wire/agent_api.py"
    _edit(wire, r"\nPROTOCOL = \d+", f"\nPROTOCOL = {number}")
    _edit(wire, r"\nPROTOCOL_OLDEST = \d+", f"\nPROTOCOL_OLDEST = {agent_api.PROTOCOL}")
    namespace = folder / "cluster-setup/base/namespace.yaml"
    _edit(namespace, r"dev/version: .*", f'dev/version: "{LATER}"')
    _edit(namespace, r"dev/protocol: .*", f'dev/protocol: "{number}"')
    _edit(folder / "cluster-setup/overlays/lab/kustomization.yaml", "newTag: dev", f"newTag: {TAG}")
    made = Release(folder, LATER)
    image = folder / "image.tar"
    subprocess.run([sys.executable, "-c", _BUILD, str(image)], env=made.env, cwd=folder, check=True)
    podferry_lab("load-image", str(image), "--name", cluster.name)
    return made


def _edit(path: Path, pattern: str, text: str) -> None:
    changed, count = re.subn(pattern, text, path.read_text())
    assert count == 1, (path, pattern, count)
    path.write_text(changed)
