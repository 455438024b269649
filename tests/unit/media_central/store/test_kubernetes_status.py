"""What the status of a Stream that names a Secret says, of objects that the test makes up."""

from types import SimpleNamespace
from typing import Any, cast

from media_central.store.kubernetes import KubernetesStore
from media_central.store.kubernetes.status import CREDENTIALS, Saying, StatusWriter
from media_central.store.port import Kind, Record
from media_kube import client as kube
from media_kube.client import KubeClient
from media_kube.election import Election

REF = {"credentialsSecretRef": {"name": "cam"}}
SECRET = ("media", "cam")
OLD = "srt://10.0.0.9:9000?streamid=old"


class Central:
    """Of one Stream, `s`."""

    def __init__(self, **status: Any) -> None:
        client = cast(KubeClient, None)
        self.store = KubernetesStore(client, namespace="media", home="media", cluster_key="")
        meta = {"namespace": "media", "name": "s", "uid": "1", "resourceVersion": "1"}
        self.live = {"metadata": meta, "spec": {"inputs": [REF]}, "status": status}
        self.store.saw(kube.STREAM, self.live)
        self._writer = StatusWriter(client, self.store, cast(Election, None))

    @property
    def record(self) -> Record:
        return self.store.all(Kind.STREAM)[0]

    def polled(self, stats: dict[str, Any]) -> None:
        link = cast(Any, SimpleNamespace(hostname="h"))
        told = self.store.shown(self.record, {"inputs": [{"url": OLD}], "stats": stats})
        self._writer._input_active("s", link, told, names_secrets=True)

    def swept(self) -> None:
        self._writer._judge_credentials(self.record)

    def said(self, type_: str) -> Saying | None:
        wanted = self._writer._wanted
        return next((saying for target, saying in wanted.items() if target[3] == type_), None)


def test_a_url_of_a_secret_that_was_not_read_is_in_no_status() -> None:
    central = Central(input=OLD)
    central.polled({"alive": True, "url": OLD})
    saying = central.said("InputActive")
    assert saying is not None
    assert saying.rest["input"] == "as the Secret cam says"


def test_a_url_that_a_status_has_is_taken_out_once_none_is_told() -> None:
    known = {"type": "InputActive", "status": "Unknown", "reason": "Waiting"}
    central = Central(input=OLD, conditions=[known])
    central.polled({"status": "waiting"})
    saying = central.said("InputActive")
    assert saying is not None
    assert "input" not in saying.applied_to(central.live, "InputActive")["status"]
    central = Central(conditions=[known])
    central.polled({"status": "waiting"})
    assert central.said("InputActive") is None, "it is not there"


def test_nothing_is_said_of_a_secret_before_it_was_read() -> None:
    """Central begins anew while the API server gives no Secrets."""
    known = {"type": CREDENTIALS, "status": "False", "reason": "SecretNotFound"}
    central = Central(conditions=[known])
    central.swept()
    assert central.said(CREDENTIALS) is None
    central.store.credentials._problems[SECRET] = ("SecretForbidden", "no right")
    central.swept()
    saying = central.said(CREDENTIALS)
    assert saying is not None
    assert (saying.state, saying.reason) == ("False", "SecretForbidden")
