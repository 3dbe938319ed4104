"""The admission server: the envelope, refusals, and certificates that change while serving."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from podferry.kube.admission import AdmissionServer, Response
from tests.fakes.certificates import write_pair


def review(**request: Any) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u1", **request},
    }


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[AdmissionServer]:
    cert_file, key_file = write_pair(folder, "first")
    server = AdmissionServer(
        cert_file=cert_file, key_file=key_file, host="127.0.0.1", port=0, reload_seconds=0.05
    )

    async def opt_in(request: dict[str, Any]) -> Response:
        if request.get("name") == "bug":
            raise ZeroDivisionError
        if request.get("name") == "no":
            return Response(allowed=False, message="memory 3 GiB is too much", code=422)
        patch = [{"op": "add", "path": "/spec/runtimeClassName", "value": "podferry"}]
        return Response(allowed=True, patch=patch, warnings=["careful"])

    server.register("/mutate", opt_in)
    server.register("/mutate/secret", opt_in)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def post(server: AdmissionServer, body: Any, path: str = "/mutate") -> tuple[int, Any]:
    url = f"https://127.0.0.1:{server.port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=json.dumps(body), ssl=False) as answer,
    ):
        text = await answer.text()
        return answer.status, json.loads(text) if answer.status == 200 else text


async def test_an_allowed_request_carries_its_patch_and_warnings(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        code, answer = await post(server, review(name="ok"))
        assert code == 200
        assert answer["kind"] == "AdmissionReview"
        response = answer["response"]
        assert (response["uid"], response["allowed"]) == ("u1", True)
        assert response["patchType"] == "JSONPatch"
        (operation,) = json.loads(base64.b64decode(response["patch"]))
        assert operation["value"] == "podferry"
        assert response["warnings"] == ["careful"]


async def test_a_refusal_says_why_and_carries_no_patch(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        _code, answer = await post(server, review(name="no"))
        assert answer["response"] == {
            "uid": "u1",
            "allowed": False,
            "status": {"message": "memory 3 GiB is too much", "code": 422},
        }


async def test_a_handler_that_fails_is_a_500_for_the_failure_policy(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert (await post(server, review(name="bug")))[0] == 500
        assert (await post(server, review(name="ok")))[0] == 200


async def test_the_log_of_a_failure_does_not_tell_a_secret_path(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        with capture_logs() as logs:
            assert (await post(server, review(name="bug"), "/mutate/secret"))[0] == 500
    (failed,) = [line for line in logs if line["event"] == "admission handler failed"]
    assert failed["path"] == "/mutate"


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Pod"},
        [],
        review() | {"apiVersion": "admission.k8s.io/v1beta1"},
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"},
    ],
)
async def test_what_is_no_admission_review_v1_is_refused(tmp_path: Path, body: Any) -> None:
    async with serving(tmp_path) as server:
        assert (await post(server, body))[0] == 400


async def test_an_unknown_path_is_a_404(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert (await post(server, review(), path="/other"))[0] == 404


async def served_name(server: AdmissionServer) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    names = x509.load_der_x509_certificate(der).subject
    return str(names.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


async def test_a_rotated_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert await served_name(server) == "first"
        write_pair(tmp_path, "second")
        async with asyncio.timeout(3):
            while server.reloads == 0:
                await asyncio.sleep(0.01)
        assert await served_name(server) == "second"


async def test_a_half_written_pair_leaves_the_old_certificate_in_use(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        (tmp_path / "tls.key").write_text("-----BEGIN PRIVATE KEY-----\n")
        await asyncio.sleep(0.2)
        assert server.reloads == 0
        assert await served_name(server) == "first"


async def test_a_server_that_ends_keeps_no_connection_open(tmp_path: Path) -> None:
    cert_file, key_file = write_pair(tmp_path, "first")
    ends: list[bool] = []
    server = AdmissionServer(
        cert_file=cert_file, key_file=key_file, host="127.0.0.1", port=0, ending=lambda: bool(ends)
    )

    async def allow(_request: dict[str, Any]) -> Response:
        return Response(allowed=True)

    server.register("/mutate", allow)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            url, said = f"https://127.0.0.1:{server.port}/mutate", []
            for _ in range(2):
                async with session.post(url, json=review(name="ok"), ssl=False) as answer:
                    assert (await answer.json())["response"]["allowed"] is True
                    said.append(answer.headers.get("Connection", "keep-alive"))
                ends.append(True)
        assert said == ["keep-alive", "close"]
    finally:
        await server.stop()
