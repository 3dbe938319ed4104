"""`plan` and `top` without a leader, an installation or rights: exit code 1 and the next step."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from podferry.api.clock import FakeClock
from podferry.cli import insight as asking
from podferry.cli.insight import Asker
from podferry.cli.main import cli
from podferry.kube.client import ApiClient
from tests.fakes.apiserver import Recorded
from tests.fakes.insight import insight
from tests.fakes.model import Refused
from tests.unit.cli import leader
from tests.unit.cli.conftest import Cluster, kubeconfig

Object = dict[str, Any]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(asking, "PAUSE_SECONDS", 0.01)


def call(cluster: Cluster, command: str = "plan") -> Result:
    return CliRunner().invoke(cli, [command, "--kubeconfig", str(cluster.kubeconfig)])


def refused(code: int, reason: str) -> tuple[int, Object]:
    return code, {"reason": reason, "message": "in words", "code": code}


@pytest.mark.parametrize("command", ["plan", "top"])
def test_where_no_controller_ever_led(cluster: Cluster, command: str) -> None:
    done = call(cluster, command)
    assert done.exit_code == 1
    assert "podferry: no controller ever led here" in done.stderr
    assert "podferry install" in done.stderr


def test_where_the_installed_release_is_older(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    cluster.server.special["POST", leader.TOKENS] = lambda _seen: refused(404, "NotFound")
    done = call(cluster)
    assert done.exit_code == 1
    assert "there is no service account podferry-system/podferry-viewer" in done.stderr


@pytest.mark.parametrize(
    ("path", "right"),
    [
        (leader.LEASES, "get leases/podferry-controller"),
        (leader.TOKENS, "create serviceaccounts/token of podferry-viewer"),
        (leader.port()[1], "get pods/proxy"),
    ],
)
def test_a_right_that_is_missing_is_named_with_who_gives_it(
    cluster: Cluster, path: str, right: str
) -> None:
    leader.tell(cluster, insight())

    def refuse(seen: Recorded) -> Refused | None:
        return Refused(403, "Forbidden", "no") if seen.path.startswith(path) else None

    cluster.server.intercept = refuse
    done = call(cluster)
    assert done.exit_code == 1
    assert f"you lack the right `{right}` in namespace podferry-system" in done.stderr
    assert "create rolebinding podferry-insight --role=podferry-insight --user=YOU" in done.stderr


def test_credentials_that_are_not_valid_are_not_called_a_missing_right(cluster: Cluster) -> None:
    cluster.server.intercept = lambda _seen: Refused(401, "Unauthorized", "token has expired")
    done = call(cluster)
    assert done.exit_code == 1
    assert "token has expired" in done.stderr
    assert "rolebinding" not in done.stderr


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (421, "NotLeading", "no controller leads"),
        (503, "NoLeader", "no controller leads"),
        (503, "Starting", "has not looked at any node yet"),
        (503, "ServiceUnavailable", "the API server does not reach the leader's port 8081"),
        (404, "NotFound", "no controller leads"),
        (401, "BadToken", "the controller does not take our token"),
        (403, "NotViewer", "the controller does not take our token"),
    ],
)
def test_each_answer_of_the_leader_has_words_for_people(
    cluster: Cluster, code: int, reason: str, words: str
) -> None:
    leader.lead(cluster, lambda _seen: refused(code, reason))
    done = call(cluster)
    assert (done.exit_code, words in done.stderr) == (1, True), done.stderr


def test_a_lease_that_nobody_holds_is_no_leader(cluster: Cluster) -> None:
    leader.lead(cluster, lambda _seen: (200, insight()))
    cluster.server.patch(f"{leader.LEASES}/podferry-controller", {"spec": {"holderIdentity": None}})
    done = call(cluster)
    assert "no controller leads" in done.stderr
    assert "kubectl -n podferry-system get pods" in done.stderr


def test_a_server_that_is_away_has_its_own_exit_code(cluster: Cluster) -> None:
    cluster.kubeconfig.write_text(yaml.safe_dump(kubeconfig("http://127.0.0.1:9")))
    assert call(cluster).exit_code == 3


def test_the_new_leader_is_asked_once_the_lease_names_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 30.0)

    def hand_over(_seen: Recorded) -> tuple[int, Object]:
        cluster.server.special[leader.port("pod-2")] = lambda _seen: (200, insight())
        cluster.server.patch(
            f"{leader.LEASES}/podferry-controller", {"spec": {"holderIdentity": "pod-2"}}
        )
        return refused(421, "NotLeading")

    leader.lead(cluster, hand_over)
    done = call(cluster)
    assert done.exit_code == 0, done.stderr
    assert "would move  shop/web" in done.stdout


async def test_a_token_is_kept_until_it_is_almost_over(cluster: Cluster) -> None:
    leader.tell(cluster, insight())
    clock = FakeClock()
    async with ApiClient.for_url(cluster.server.url) as client:
        asker = Asker(client, clock)
        for _ in range(3):
            await asker.ask()
        clock.advance(asking.RENEW_SECONDS)
        await asker.ask()
    asked = [seen for seen in cluster.server.requests if seen.path == leader.TOKENS]
    assert len(asked) == 2
    spec = asked[0].body["spec"]
    assert spec == {"audiences": ["podferry.dev/insight"], "expirationSeconds": 600}
