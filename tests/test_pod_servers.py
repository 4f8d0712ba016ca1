"""Pods that serve what is done elsewhere in the process."""

from fakekube.actors import pod_servers
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import PODS
from tests.agents.node_server.test_server import Socket


async def test_uploads_without_kubevirt():
    """CDI that is alone in a cluster has no certificate to show: whoever connects to its proxy is hung up on, and nothing breaks."""
    async with Cluster(only=["kubernetes", "cdi"], clock=ManualClock(), nodes=1, seed=1) as cluster:
        await cluster.advance(5)
        pods = await cluster.client().list(PODS, "cdi", label_selector="cdi.kubevirt.io=cdi-uploadproxy")
        serve = pod_servers.of_pod(pods.items[0], 8443, cluster._setting)
        assert serve is not None
        socket = Socket()
        await serve(socket)
        assert socket.closed.is_set()
        assert not socket.sent
