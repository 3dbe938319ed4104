"""An image archive is valid for both kinds of importer, and the same bytes every time."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from podferry.lab.images import archive_digest, write_docker_archive
from podferry.lab.images.archive import write_image, write_layer

NAME = "registry.lab/thing:1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/thing").write_text("#!/bin/sh\n")
    (folder / "bin/thing").chmod(0o755)
    (folder / "bin/link").symlink_to("thing")
    os.link(folder / "bin/thing", folder / "bin/zhard")
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    return folder


def write(root: Path, out: Path) -> dict[str, bytes]:
    write_docker_archive(name=NAME, root=root, out=out, entrypoint=["/bin/thing"], env={"A": "b"})
    with tarfile.open(out) as tar:
        return {m.name: f.read() for m in tar if (f := tar.extractfile(m)) is not None}


def load(data: bytes) -> Any:
    return json.loads(data)


def test_every_blob_is_named_by_its_digest(root: Path, tmp_path: Path) -> None:
    files = write(root, tmp_path / "out.tar")
    blobs = {name: data for name, data in files.items() if name.startswith("blobs/sha256/")}
    assert len(blobs) == 3
    for name, data in blobs.items():
        assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]


def test_the_docker_manifest_leads_to_config_and_layers(root: Path, tmp_path: Path) -> None:
    files = write(root, tmp_path / "out.tar")
    (manifest,) = load(files["manifest.json"])
    assert manifest["RepoTags"] == [NAME]
    config = load(files[manifest["Config"]])
    assert config["config"]["Entrypoint"] == ["/bin/thing"]
    assert "A=b" in config["config"]["Env"]
    layers = [hashlib.sha256(files[layer]).hexdigest() for layer in manifest["Layers"]]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}" for digest in layers]


def test_the_oci_index_leads_to_the_same_image(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tar"
    files = write(root, out)
    (entry,) = load(files["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == NAME
    assert entry["digest"] == archive_digest(out)
    manifest = load(files["blobs/sha256/" + entry["digest"].removeprefix("sha256:")])
    for descriptor in (manifest["config"], *manifest["layers"]):
        data = files["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
        assert len(data) == descriptor["size"]
    (docker,) = load(files["manifest.json"])
    assert docker["Config"].rpartition("/")[2] == manifest["config"]["digest"][7:]


def test_the_layer_has_modes_and_links_as_in_the_folder(root: Path, tmp_path: Path) -> None:
    files = write(root, tmp_path / "out.tar")
    (manifest,) = load(files["manifest.json"])
    with tarfile.open(fileobj=io.BytesIO(files[manifest["Layers"][0]])) as tar:
        members = {m.name: m for m in tar}
    assert list(members) == ["bin", "bin/link", "bin/thing", "bin/zhard", "tmp"]
    assert members["bin/thing"].mode == 0o755
    assert members["bin/link"].linkname == "thing"
    assert members["bin/zhard"].islnk()
    assert members["bin/zhard"].linkname == "bin/thing"
    assert members["tmp"].mode == 0o1777
    assert {m.mtime for m in members.values()} == {0}


def test_the_same_content_gives_the_same_bytes_at_another_time(root: Path, tmp_path: Path) -> None:
    write(root, tmp_path / "one.tar")
    os.utime(root / "bin/thing", (1, 1))
    write(root, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_changed_file_gives_another_digest(root: Path, tmp_path: Path) -> None:
    write(root, tmp_path / "one.tar")
    (root / "bin/thing").write_text("#!/bin/sh -e\n")
    write(root, tmp_path / "two.tar")
    assert archive_digest(tmp_path / "one.tar") != archive_digest(tmp_path / "two.tar")


def test_nothing_is_left_beside_the_archive(root: Path, tmp_path: Path) -> None:
    write(root, tmp_path / "out/image.tar")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["image.tar"]


def test_symbolic_links_become_their_targets_where_asked(tmp_path: Path) -> None:
    (tmp_path / "real/__pycache__").mkdir(parents=True)
    (tmp_path / "real/a.py").write_text("x = 1\n")
    (tmp_path / "real/__pycache__/a.pyc").write_text("")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/sub").symlink_to("../real")
    layer = write_layer(
        tmp_path / "layer",
        [(tmp_path / "pkg", "opt/app/pkg")],
        dereference=True,
        keep=lambda name: not name.endswith("__pycache__"),
    )
    with tarfile.open(layer.path) as tar:
        members = {m.name: m for m in tar}
    assert list(members) == [
        "opt",
        "opt/app",
        "opt/app/pkg",
        "opt/app/pkg/sub",
        "opt/app/pkg/sub/a.py",
    ]
    assert members["opt/app/pkg/sub"].isdir()
    assert members["opt/app/pkg/sub/a.py"].uid == 0


def test_layers_are_listed_from_the_lowest(tmp_path: Path) -> None:
    layers = []
    for name in ("low", "high"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
        layers.append(write_layer(tmp_path / f"{name}.layer", [(tmp_path / name, "")]))
    out = tmp_path / "out.tar"
    write_image(name=NAME, layers=layers, out=out, entrypoint=["/x"], env={})
    with tarfile.open(out) as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        (manifest,) = json.load(file)
    assert [x.rpartition("/")[2] for x in manifest["Layers"]] == [x.digest for x in layers]
