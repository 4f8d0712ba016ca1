"""Without pytest's fixtures: plain context managers, in any framework."""

import threading
import unittest

import pytest

import fakekube

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}


class WithAServer(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(fakekube.Server(without=["kubevirt"]))

    def test_blocking_helpers_work(self):
        """Objects go in and come out, and time moves."""
        self.server.apply(CONFIG)
        assert self.server.get("cm/a")["metadata"]["name"] == "a"
        self.server.advance("1h")


class WithACluster(unittest.IsolatedAsyncioTestCase):
    async def test_a_cluster_is_an_async_context_manager(self):
        """In the test's own loop, with time that stands still."""
        async with fakekube.Cluster(clock=fakekube.ManualClock(), without=["kubevirt"]) as cluster:
            await cluster.apply([CONFIG])
            await cluster.settle()


def test_names_of_the_package_are_found_when_asked_for():
    """`import fakekube` offers what its `__all__` says, and says so about anything else."""
    assert all(getattr(fakekube, name) for name in fakekube.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Clutser'"):
        _ = fakekube.Clutser


def test_a_server_that_is_not_running_says_so():
    """Before `with`, and after it."""
    server = fakekube.Server(without=["kubevirt"])
    with pytest.raises(RuntimeError, match=r"with fakekube.Server\(\)"):
        server.get("cm/a")
    with server:
        server.settle()
    with pytest.raises(RuntimeError, match="not running"):
        server.settle()


def test_servers_leave_no_thread_behind():
    """Ten of them, one after the other."""
    before = threading.active_count()
    for _ in range(10):
        with fakekube.Server(without=["kubevirt"]) as server:
            server.apply(CONFIG)
    assert threading.active_count() == before
