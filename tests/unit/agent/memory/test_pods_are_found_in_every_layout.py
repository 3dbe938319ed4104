"""Names of pod cgroups: both drivers, all QoS classes, static pods, kubelet below a root."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.wire.memory import Asked
from tests.unit.agent.memory.nodes import UID, FakeNode

STATIC = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
SYSTEMD = UID.replace("-", "_")


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    ("parent", "name", "uid"),
    [
        ("kubepods", f"pod{UID}", UID),
        ("kubepods/burstable", f"pod{UID}", UID),
        ("kubepods/besteffort", f"pod{UID}", UID),
        ("kubepods/burstable", f"pod{STATIC}", STATIC),
        ("kubepods.slice", f"kubepods-pod{SYSTEMD}.slice", UID),
        (
            "kubepods.slice/kubepods-burstable.slice",
            f"kubepods-burstable-pod{SYSTEMD}.slice",
            UID,
        ),
        (
            "kubepods.slice/kubepods-besteffort.slice",
            f"kubepods-besteffort-pod{STATIC}.slice",
            STATIC,
        ),
        ("kubelet/kubepods/burstable", f"pod{UID}", UID),
        (
            "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice",
            f"kubelet-kubepods-burstable-pod{SYSTEMD}.slice",
            UID,
        ),
    ],
)
async def test_a_pod_is_known_by_its_uid(
    tmp_path: Path, version: str, parent: str, name: str, uid: str
) -> None:
    node = FakeNode(tmp_path, version)
    if not parent.startswith("kubepods/") and parent != "kubepods":
        (node.top / "kubepods" / "burstable").rmdir()
        (node.top / "kubepods").rmdir()
    node.pod(parent=parent, name=name)
    node.sample()
    assert [pod.uid for pod in (await node.sampler.report(Asked())).pods] == [uid]


async def test_what_is_no_pod_is_none(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    for name in ("podx", f"pod{UID}x", f"crio-{UID}", "pod", f"pod{UID}.slice.d"):
        node.pod(name=name)
    node.sample()
    assert (await node.sampler.report(Asked())).pods == ()


async def test_pods_that_begin_later_are_found(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    (node.top / "kubepods" / "burstable").rmdir()
    (node.top / "kubepods").rmdir()
    node.sample()
    node.pod()
    node.sample()
    assert [pod.uid for pod in (await node.sampler.report(Asked())).pods] == [UID]
