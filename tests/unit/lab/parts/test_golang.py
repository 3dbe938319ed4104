"""What is built from Go is pinned, and its cache key follows from sources and flags."""

from dataclasses import replace
from pathlib import Path

import pytest

from podferry.lab.parts import PartsError, golang
from podferry.lab.parts.golang import CNI, CONTAINERD, KUBERNETES, Module, parse_go_version

MODULES = [KUBERNETES, CONTAINERD, CNI, golang.KWOK, golang.runc()]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    monkeypatch.setattr(golang, "_FOLDER", tmp_path)
    folder = tmp_path / "thing"
    folder.mkdir()
    (folder / "go.mod").write_text("module x\n\nrequire example.org/thing v1.2.3\n")
    (folder / "go.sum").write_text("example.org/thing v1.2.3 h1:x\n")
    return Module(name="thing", main="example.org/thing", packages=("example.org/thing/cmd",))


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_every_module_is_pinned_with_checksums(module: Module) -> None:
    assert f"{module.main} v{module.version} h1:" in (module.folder / "go.sum").read_text()


def test_kubernetes_is_new_enough_and_tells_its_version() -> None:
    major, minor = (int(part) for part in KUBERNETES.version.split(".")[:2])
    assert (major, minor) >= (1, 36)
    assert f"gitVersion=v{KUBERNETES.version}" in KUBERNETES.ldflags()
    assert f"gitMinor={minor}" in KUBERNETES.ldflags()


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_the_key_changes_with_a_pinned_file(module: Module, name: str) -> None:
    before = module.key()
    path = module.folder / name
    path.write_text(path.read_text() + "\n")
    assert module.key() != before


def test_the_key_changes_with_every_flag(module: Module) -> None:
    variants = [
        module,
        replace(module, tags=("seccomp",)),
        replace(module, variables=("main.version={version}",)),
        replace(module, packages=(), cgo_packages=module.packages),
        replace(module, packages=(*module.packages, "example.org/thing/other")),
    ]
    assert len({variant.key() for variant in variants}) == len(variants)


def test_a_go_mod_without_the_pinned_module_is_named(module: Module) -> None:
    (module.folder / "go.mod").write_text("module x\n")
    with pytest.raises(PartsError, match=r"go\.mod does not require example\.org/thing"):
        _ = module.version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.30 linux/arm64", (1, 30, 0)),
        ("go version go1.27rc1 linux/amd64", (1, 27, 0)),
        ("gcc version 12", None),
        ("", None),
    ],
)
def test_the_version_of_go_is_read(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_go_version(text) == version


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_both_the_oldest_go_and_the_one_that_we_install_build_each_module(module: Module) -> None:
    text = (module.folder / "go.mod").read_text()
    asked = next(line.split()[1] for line in text.splitlines() if line.startswith("go "))
    wanted = parse_go_version(f"go{asked}")
    installed = parse_go_version("go" + golang._GO_PACKAGE.partition("==")[2])
    assert wanted is not None
    assert installed is not None
    assert wanted <= golang._OLDEST_GO <= installed
