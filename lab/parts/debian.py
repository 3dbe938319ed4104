"""Debian file systems made with debootstrap: the nodes' root and the base of the podferry image.

Never touches the machine's own packages except in `install_host_tools`, which adds missing ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from podferry.lab.parts import mirror
from podferry.lab.parts.errors import PartsError
from podferry.lab.parts.steps import run
from podferry.lab.parts.store import Progress, build_once, key

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NODE_SUITE = "sid"
"""The newest suite, because CRIU and etcd are not in the stable ones in the versions needed."""
NODE_PACKAGES = (
    "ca-certificates",
    "criu",
    "etcd-server",
    "iproute2",
    "iptables",
    "kmod",
    "libpython3-stdlib",
    "libseccomp2",
    "mount",
    "nftables",
    "procps",
    "python3-minimal",
    "util-linux",
)
RECORDED = ("criu", "etcd-server", "iptables", "nftables", "iproute2")
"""Packages whose version `Parts.versions` gives."""

# what has to be there -> the package that brings it
_HOST_TOOLS = {
    "debootstrap": "debootstrap",
    "gcc": "gcc",
    "ip": "iproute2",
    "make": "make",
    "mkfs.ext4": "e2fsprogs",
    "nft": "nftables",
    "nsenter": "util-linux",
    "pkg-config": "pkg-config",
    "setpriv": "util-linux",
    "tar": "tar",
    "unshare": "util-linux",
}
_HOST_FILES = {
    "/usr/include/seccomp.h": "libseccomp-dev",
    "/usr/include/stdio.h": "libc6-dev",
    str(KEYRING): "debian-archive-keyring",
}


def missing_host_packages() -> list[str]:
    """Debian packages that this machine lacks for building parts and running a lab."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {p for tool, p in _HOST_TOOLS.items() if shutil.which(tool, path=path) is None}
    missing |= {package for file, package in _HOST_FILES.items() if not Path(file).exists()}
    return sorted(missing)


def install_host_tools(progress: Progress) -> None:
    """Install the missing host packages with apt-get; nothing is done where none is missing.

    Raises:
        PartsError: not root, no apt-get, or apt-get failed.
    """
    missing = missing_host_packages()
    if not missing:
        return
    if os.geteuid() != 0:
        raise PartsError(f"missing packages: {' '.join(missing)}; run as root, or install them")
    if shutil.which("apt-get") is None:
        raise PartsError(f"missing packages: {' '.join(missing)}, and no apt-get to install them")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], what="package lists", progress=progress, env=env)
    run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
        what=f"installing {' '.join(missing)}",
        progress=progress,
        env=env,
    )


def debootstrap(
    *, suite: str, packages: Sequence[str], root: Path, what: str, progress: Progress
) -> None:
    """Make a minimal Debian in `root`, every package checked against Debian's own archive key.

    Raises:
        PartsError: no mirror known, no archive key, or debootstrap failed.
    """
    address = mirror.debian_mirror()
    if not KEYRING.exists():
        raise PartsError(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
    progress(f"{what}: from {address}, about a minute")
    argv = ["debootstrap", "--variant=minbase", f"--keyring={KEYRING}"]
    argv += [f"--include={','.join(packages)}", suite, str(root), address]
    # in namespaces of its own, so that its mounts and its children end with it when it is killed
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    env = os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    run([*namespaces, *argv], what=what, progress=progress, env=env)
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir(parents=True)


def root_key(suite: str, packages: Sequence[str]) -> str:
    """The cache key of `pristine_root`."""
    return key(suite, *packages)


def pristine_root(*, suite: str, packages: Sequence[str], what: str, progress: Progress) -> Path:
    """A minimal Debian from the cache; made first where there is none. Nothing may write to it.

    Call it under `store.locked`.
    """

    def build(work: Path) -> None:
        debootstrap(
            suite=suite, packages=packages, root=work / "root", what=what, progress=progress
        )

    return build_once("debian", root_key(suite, packages), build) / "root"


def linked_copy(root: Path, to: Path) -> None:
    """Copy a root by hard links: files may be added to the copy, those that exist not changed."""
    subprocess.run(["cp", "-al", str(root), str(to)], check=True)


def package_versions(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Versions of installed packages of a Debian root, from dpkg's own record."""
    found: dict[str, str] = {}
    for stanza in (root / "var/lib/dpkg/status").read_text(errors="replace").split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in stanza.splitlines()
            if line.startswith(("Package: ", "Version: "))
        )
        if fields.get("Package") in names:
            found[fields["Package"]] = fields["Version"]
    return found
