"""The fixtures of the cluster tests: a Kubernetes, and a namespace in it.

`cluster` brings one up (the user's by KUBECONFIG, kind, or the local one of `local_cluster`),
and stops at the end what it started, unless KEEP_CLUSTER=1. Where no cluster can run, its tests
are skipped with the reason.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # `local_cluster` is a program of the tests, not a distribution

from appliance import Installation, installed  # noqa: E402
from local_cluster import (  # noqa: E402
    Cluster,
    ClusterError,
    LocalCluster,
    NotSupported,
    choose,
)

TEST_TIMEOUT_S = 300.0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Time the tests that use the cluster without its bring-up.

    The first bring-up on a machine builds Kubernetes (8 minutes); every wait in it has a limit
    of its own.
    """
    for item in items:
        if HERE not in item.path.parents or "cluster" not in getattr(item, "fixturenames", ()):
            continue
        own = item.get_closest_marker("timeout")
        limit = own.args[0] if own and own.args else TEST_TIMEOUT_S
        item.add_marker(pytest.mark.timeout(limit, func_only=True), append=False)


@contextlib.contextmanager
def _skipped_where_not_supported() -> Iterator[None]:
    try:
        yield
    except NotSupported as reason:
        pytest.skip(str(reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Skip a test of which a fixture asks a foreign cluster for what it cannot do."""
    with _skipped_where_not_supported():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip a test that itself asks for that."""
    with _skipped_where_not_supported():
        return (yield)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running Kubernetes; for what it can do see `local_cluster.Cluster`."""
    chosen = choose()
    obstacles = chosen.obstacles()
    if obstacles:
        pytest.skip("no Kubernetes: " + "; ".join(obstacles))
    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        # A first bring-up takes minutes: let it say what it does.
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            chosen.acquire()
        yield chosen
    finally:
        chosen.release()


@pytest.fixture(scope="session")
def local(cluster: Cluster) -> LocalCluster:
    """The local cluster; for tests of that itself."""
    if not isinstance(cluster, LocalCluster):
        pytest.skip("it tests the local cluster, not the product")
    return cluster


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> dict[str, str]:
    """`streamer`, `central`, and where not the manifest's is used `postgres` -> image."""
    return cluster.images()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a new namespace, deleted after the test."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        with contextlib.suppress(ClusterError):  # the test may have broken the cluster
            cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def installation(
    cluster: Cluster, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The whole appliance in a namespace of this module."""
    name = f"test-{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp("kustomization")
    with installed(cluster, images, name, folder) as installation:
        yield installation
