"""Files that were not open travel by the image, so its digest is part of what is moved."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.migration import Endpoint
from podferry.controller.core import pods
from podferry.controller.webhooks import mutate
from tests.unit.controller.webhooks.pods import migration, pod, status

DIGEST = "example.org/web@sha256:" + "a" * 64
UNNAMED = "sha256:" + "a" * 64
SOURCE = Endpoint(node="node-a", pod="web-old", uid="pod-1", container="web", image=DIGEST)


def image(raw: dict[str, Any]) -> str:
    return str(raw["spec"]["containers"][0]["image"])


@pytest.mark.parametrize(("said", "wanted"), [(DIGEST, DIGEST), (UNNAMED, "web:1"), ("", "web:1")])
def test_a_replacement_is_made_of_it(said: str, wanted: str) -> None:
    raw = pod()
    move = migration(status(source=Endpoint(pod="web-old", container="web", image=said)))
    plan = mutate.judge(raw, [move], by_controller=False)
    assert image(mutate.patched(raw, plan, "token")) == wanted


def test_rehearsal_and_final_pod_are_made_of_it() -> None:
    source = pod(metadata={"name": "web-old"})
    proof = pods.rehearsal(source, SOURCE, uid="m", attempt=1, node="node-b")
    final = pods.final(proof, uid="m", attempt=1, node="node-b")
    assert (image(proof), image(final)) == (DIGEST, DIGEST)
    assert image(source) == "web:1"
