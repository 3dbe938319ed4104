"""Reads the persistent volume claims that pods mount, with their volumes. Never judges them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from podferry.controller.core.view import ClaimView
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.strategies.container.claim_checks import claim_names

Object = dict[str, Any]


async def read(client: ApiClient, namespace: str, pods: Iterable[Object]) -> dict[str, ClaimView]:
    """Return the claims of these pods by name; one that does not exist is left out.

    Raises ApiError.
    """
    wanted = sorted({name for pod in pods for name in claim_names(pod)})
    found = await asyncio.gather(*(_one(client, namespace, name) for name in wanted))
    return {name: view for name, view in zip(wanted, found, strict=True) if view is not None}


async def _one(client: ApiClient, namespace: str, name: str) -> ClaimView | None:
    claim = await _get(client, paths.claims(namespace, name))
    if claim is None:
        return None
    volume = str((claim.get("spec") or {}).get("volumeName") or "")
    return ClaimView(claim, await _get(client, paths.volumes(volume)) if volume else None)


async def _get(client: ApiClient, path: str) -> Object | None:
    try:
        return await client.get(path)
    except errors.NotFound:
        return None
