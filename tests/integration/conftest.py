"""What the integration tests of several parts share: a real API server and its namespaces,
and a streamer for each process of the run."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
from media_kube.client import KubeClient

from tests.support.api_server import SKIP_REASON, ApiServer, running_api_server
from tests.support.streamer import Lender, Streamer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """etcd and kube-apiserver with this project's definitions; for all tests."""
    if SKIP_REASON:
        pytest.skip(SKIP_REASON)
    with running_api_server(tmp_path_factory.mktemp("api-server")) as server:
        yield server


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """A fresh, empty namespace."""
    name = f"test-{next(_numbers)}"
    api_server.must("create", "namespace", name)
    return name


@pytest.fixture
async def kube_client(api_server: ApiServer) -> AsyncIterator[KubeClient]:
    client = api_server.client()
    yield client
    await client.close()


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    """Lends one streamer to all modules of this process: what it starts with is what any program
    has. Of one that is more than that, a module makes its own."""
    lending = Lender(lambda: Streamer(tmp_path_factory.mktemp("streamer")))
    yield lending
    lending.close()
