"""Events that streamers deliver, as they are kept."""

import json
from types import SimpleNamespace
from typing import cast

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from media_central.rest import events
from media_central.rest.context import CONTEXT, Context
from media_central.store.kubernetes import KubernetesStore
from media_kube import client as kube
from media_kube.client import KubeClient

URL = "rtmp://10.0.0.9/app/KEY"


async def test_a_url_that_is_whole_in_a_secret_is_in_no_event() -> None:
    store = KubernetesStore(cast(KubeClient, None), namespace=None, home="media", cluster_key="")
    for name, item in (
        ("hidden", {"credentialsSecretRef": {"name": "cam"}}),
        ("open", {"url": URL}),
    ):
        meta = {"namespace": "media", "name": name, "resourceVersion": "1"}
        store.saw(kube.STREAM, {"metadata": meta, "spec": {"inputs": [item]}})
    kept: list[tuple[str, str]] = []
    history = SimpleNamespace(
        add_delivered=lambda _, item: kept.append((item["event"], item["url"]))
    )
    app = web.Application()
    app[CONTEXT] = cast(Context, SimpleNamespace(store=store, history=history))
    told = [
        {"event": "source_opened", "media": "hidden", "url": URL},
        {"event": "source_lost", "media": "hidden", "url": URL},
        {"event": "source_opened", "media": "open", "url": URL},
        {"event": "source_lost", "media": "gone", "url": f"{URL}: refused"},
        {"event": "disk_full", "url": URL},
    ]

    async def deliver() -> None:
        request = make_mocked_request("POST", "/events/collector", app=app)
        request._read_bytes = json.dumps(told).encode()
        await events.collect(request)

    await deliver()
    words = "as the Secret cam says"
    assert kept == [
        ("source_opened", words),
        ("source_lost", words),
        ("source_opened", URL),
        ("source_lost", "(a URL that no Stream names): refused"),
        ("disk_full", URL),
    ]
    # What an edit took away is told of when the edit is known here.
    assert store.named_secrets() == {("media", "cam")}
    meta = {"namespace": "media", "name": "hidden", "resourceVersion": "2"}
    plain = "tshttp://camera/1"
    store.saw(kube.STREAM, {"metadata": meta, "spec": {"inputs": [{"url": plain}]}})
    told[:] = [
        {"event": "source_closed", "media": "hidden", "url": URL},
        {"event": "source_opened", "media": "hidden", "url": plain},
    ]
    kept.clear()
    await deliver()
    assert kept == [
        ("source_closed", "(a URL that no Stream names)"),
        ("source_opened", plain),
    ]
