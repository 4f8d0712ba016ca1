"""Watches and logs over websockets, as dashboards in browsers follow them."""

import json

import aiohttp

from fakekube.cluster import Cluster
from fakekube.server import Server

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "annotations": {"log.fakekube.io/c": "one\ntwo"}},
    "spec": {"containers": [{"name": "c", "image": "x"}]},
}
PODS = "/api/v1/namespaces/default/pods"
BASE64 = ["base64.binary.k8s.io"]


async def test_a_dashboard_follows() -> None:
    """Events come a message each; a log comes whole, or goes on until the peer leaves."""
    async with (
        Cluster(without=["kubevirt"]) as cluster,
        Server(cluster) as server,
        aiohttp.ClientSession(server.url) as session,
        session.ws_connect(f"{PODS}?watch=1", protocols=BASE64) as watch,
    ):
        await cluster.apply([POD])
        while True:
            event = json.loads(await watch.receive_str(timeout=30))
            if event["object"]["status"].get("phase") == "Running":
                break
        async with session.ws_connect(f"{PODS}/a/log") as log:
            assert await log.receive_bytes(timeout=30) == b"one\ntwo\n"
            assert (await log.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
        async with session.ws_connect(f"{PODS}/a/log?follow=true", protocols=BASE64) as log:
            assert await log.receive_str(timeout=30) == "b25lCnR3bwo="
