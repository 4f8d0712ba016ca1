"""Logs, commands and ports, asked of the API in this process; time is moved by hand."""

import asyncio
import base64
import json
from urllib.parse import quote

import pytest

from fakekube.agents.node_server import spdy
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import CONFIG_MAPS, PODS, SECRETS
from fakekube.machinery.wire import Request

CONTAINERS = [
    {"name": "c", "image": "x", "ports": [{"containerPort": 7000}], "env": [{"name": "A", "value": "1"}]}
]


class Socket:
    """The client's end of a conversation."""

    def __init__(self, subprotocol=""):
        self.subprotocol = subprotocol
        self.came, self.sent, self.closed = asyncio.Queue(), [], asyncio.Event()
        self._more = asyncio.Event()

    async def receive(self):
        return await self.came.get()

    async def send(self, data):
        self.sent.append(data)
        self._more.set()

    async def close(self, code=1000):
        self.closed.set()
        self.came.put_nowait(None)

    def channel(self, number):
        return b"".join(one[1:] for one in self.sent if one[0] == number)

    async def said(self, number, data):
        """Return when this has been sent on a channel."""
        await self._until(lambda: self.channel(number) == data)

    async def told(self, number, data):
        """The same, among other things."""
        await self._until(lambda: data in self.channel(number))

    async def _until(self, holds):
        while not holds():
            await asyncio.wait_for(self._more.wait(), 30)
            self._more.clear()


class Pod:
    def __init__(self, cluster, name="p"):
        self.cluster, self.client, self.name = cluster, cluster.client(), name

    def path(self, subresource):
        return PODS.path("default", self.name, subresource)

    async def make(self, **meta):
        command = {"command": meta.pop("command")} if "command" in meta else {}
        containers = [{**one, **command} for one in CONTAINERS]
        spec = {"containers": containers, "restartPolicy": meta.pop("restartPolicy", "Always")}
        meta = {"name": self.name, "namespace": "default", **meta}
        await self.client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        await self.cluster.advance(1)
        return self

    async def log(self, query=""):
        return (await self.client.request("GET", self.path("log"), query=query)).body.decode()

    async def open(self, subresource, query="", upgrade="websocket", **headers):
        answer = await self.client.request(
            "GET", self.path(subresource), query=query, headers={"upgrade": upgrade, **headers}
        )
        return answer.upgrade

    async def run(self, *words, query="", subresource="exec", typed=(), protocol="v5.channel.k8s.io"):
        """Run a command over channels; the socket when it has ended."""
        asked = "&".join(["stdout=true", "stderr=true", *(f"command={word}" for word in words), query])
        upgrade = await self.open(subresource, asked, **{"sec-websocket-protocol": protocol})
        socket = Socket(protocol)
        for data in typed:
            socket.came.put_nowait(data)
        await asyncio.wait_for(upgrade.serve(socket), 30)
        return socket


@pytest.fixture
async def cluster():
    async with Cluster(only=["kubernetes"], without=["workloads"], clock=ManualClock(), seed=1) as cluster:
        yield cluster


@pytest.fixture
async def pod(cluster):
    return await Pod(cluster).make()


async def test_logs(pod):
    """A container's log follows from the pod, and is cut and stamped as asked."""
    assert await pod.log() == "c: started x\nc: listening on port 7000\n"
    assert await pod.log("tailLines=1") == "c: listening on port 7000\n"
    assert await pod.log("tailLines=0") == ""
    assert await pod.log("limitBytes=5") == "c: st"
    assert (await pod.log("timestamps=true")).startswith("2026-01-01T00:00:00.000000000Z c: started")
    await pod.cluster.advance(60)
    assert await pod.log("sinceSeconds=30") == ""
    with pytest.raises(ApiError, match='previous terminated container "c" in pod "p" not found'):
        await pod.log("previous=true")


async def test_a_log_of_ones_own(cluster):
    """An annotation says what a container has written."""
    pod = await Pod(cluster).make(annotations={"log.fakekube.io/c": "one\ntwo\nthree"})
    assert await pod.log("tailLines=2") == "two\nthree\n"


async def test_the_log_of_a_container_that_waits_to_run_again(cluster):
    """A container in CrashLoopBackOff shows what its last run has written, and so does the run before."""
    pod = await Pod(cluster).make(annotations={"fakekube.io/fate": "fail-to-start"})
    said = "c: started x\nc: failed with exit code 1\n"
    assert (await pod.log(), await pod.log("previous=true")) == (said, said)


@pytest.mark.parametrize(
    ("script", "policy", "phase", "said"),
    [
        ("echo hi; exit 3", "Never", "Failed", "hi\n"),
        ("echo hi", "Never", "Succeeded", "hi\n"),
        ("echo hi", "OnFailure", "Running", "c: started x\nc: listening on port 7000\n"),
        ("echo hi; sleep infinity", "Never", "Running", "c: started x\nc: listening on port 7000\n"),
        ("serve", "Never", "Running", "c: started x\nc: listening on port 7000\n"),
    ],
)
async def test_a_pod_on_its_own(cluster, script, policy, phase, said):
    """A pod nobody looks after ends as its script does, where that is known to end at once; others go on."""
    pod = await Pod(cluster).make(command=["sh", "-c", script], restartPolicy=policy)
    await cluster.advance(5)
    assert await pod.log() == said
    assert (await pod.client.get(PODS, "p", "default"))["status"]["phase"] == phase


async def test_following_a_log(pod):
    """A log that is followed goes on until its container ends."""
    answer = await pod.client.request("GET", pod.path("log"), query="follow=true&tailLines=1")
    stream = answer.stream
    assert await anext(stream) == b"c: listening on port 7000\n"
    rest = asyncio.ensure_future(anext(stream))
    await pod.cluster.advance(5)
    assert not rest.done()
    await pod.client.delete(PODS, "p", "default")
    await pod.cluster.advance(5)
    assert await rest == b"c: finished\n"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_flags(pod):
    """A flag is set unless it is `false` or `0`: Python's clients write `True`."""
    answer = await pod.client.request("GET", pod.path("log"), query="follow=True&tailLines=1")
    assert answer.stream is not None
    await answer.stream.aclose()
    assert (await pod.log("timestamps=True&follow=False")).startswith(
        "2026-01-01T00:00:00.000000000Z c: started"
    )
    with pytest.raises(ApiError, match='previous terminated container "c" in pod "p" not found'):
        await pod.log("previous=True")
    upgrade = await pod.open("exec", "command=cat&stdin=True&stdout=True&stderr=0")
    socket = Socket("v4.channel.k8s.io")
    talk = asyncio.ensure_future(upgrade.serve(socket))
    socket.came.put_nowait(b"\x00heard")
    await socket.said(1, b"heard")
    socket.came.put_nowait(None)
    await talk


async def test_commands(pod):
    """A command's output, errors and exit code come on their channels; input ends when it is closed."""
    done = await pod.run("sh", "-c", "echo+$A;echo+b>%262;exit+3")
    assert (done.channel(1), done.channel(2)) == (b"1\n", b"b\n")
    status = json.loads(done.channel(3))
    assert status["message"] == "command terminated with non-zero exit code: exit status 3"
    assert status["details"] == {"causes": [{"reason": "ExitCode", "message": "3"}]}
    done = await pod.run("cat", query="stdin=true", typed=[b"\x00ab", b"\x00c", b"\xff\x00"])
    assert done.channel(1) == b"abc"
    assert json.loads(done.channel(3)) == {"metadata": {}, "status": "Success"}


async def test_a_conversation_without_end_of_input(pod):
    """A shell carries out each line as it comes and `cat` says what it hears, for clients that cannot close their input."""
    upgrade = await pod.open("exec", "command=sh&stdin=true&stdout=true&stderr=true")
    socket = Socket()
    talk = asyncio.ensure_future(upgrade.serve(socket))
    socket.came.put_nowait(b"\x00echo a; echo b >")
    socket.came.put_nowait(b"\x00&2\necho c")
    await socket.said(2, b"b\n")
    assert socket.channel(1) == b"a\n"
    socket.came.put_nowait(b"\x00\nfalse\nexit\n")
    await talk
    assert (socket.channel(1), socket.channel(3)) == (
        b"a\nc\n",
        b"command terminated with non-zero exit code: exit status 1",
    )
    upgrade = await pod.open("exec", "command=cat&stdin=true&stdout=true")
    socket = Socket()
    talk = asyncio.ensure_future(upgrade.serve(socket))
    socket.came.put_nowait(b"\x00heard")
    await socket.said(1, b"heard")
    socket.came.put_nowait(None)
    await talk


@pytest.mark.parametrize(
    ("protocol", "said", "verdict"),
    [
        ("", [b"\x01", b"\x01hi\n"], b"\x03"),
        ("channel.k8s.io", [b"\x01", b"\x01hi\n"], b"\x03"),
        ("base64.channel.k8s.io", ["1", "1aGkK"], "3"),
        ("v4.base64.channel.k8s.io", ["1", "1aGkK"], "3"),
        ("v4.channel.k8s.io", [b"\x01", b"\x01hi\n"], b"\x03"),
    ],
)
async def test_subprotocols(pod, protocol, said, verdict):
    """Channels are numbered by a byte or by a digit before base64; the older versions tell of failures only, as text."""
    wait = ["0", "0"] if "base64" in protocol else [b"\x00", b"\x00"]
    done = await pod.run("echo", "hi", protocol=protocol, typed=wait)
    assert done.sent[:2] == said
    assert [one[:1] for one in done.sent[2:]] == ([verdict] if protocol.startswith("v4") else [])
    done = await pod.run("sh", "-c", "exit+3", protocol=protocol)
    told = done.sent[-1]
    text = base64.b64decode(told[1:]) if isinstance(told, str) else told[1:]
    plain = json.loads(text)["message"].encode() if protocol.startswith("v4") else text
    assert plain == b"command terminated with non-zero exit code: exit status 3"


async def test_input_in_base64(pod):
    """What is no base64 is not read."""
    typed = ["0ZWNobyBhCg==", "0?", "", "x", "0ZXhpdCA0Cg=="]
    done = await pod.run("sh", query="stdin=true", protocol="base64.channel.k8s.io", typed=typed)
    assert done.sent[1] == "1YQo="


async def test_unknown_subprotocols(pod):
    """A websocket of another kind is refused with 403, for commands and for ports."""
    for subresource, query in (("exec", "command=ls"), ("portforward", "ports=7000")):
        headers = {"upgrade": "websocket", "sec-websocket-protocol": "binary.k8s.io, x"}
        answer = await pod.client.handler(Request("GET", pod.path(subresource), query, headers))
        assert (answer.status, answer.body) == (403, b"")


CONFIGURED = {
    "env": [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "a"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "b"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "none", "optional": True}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ],
    "envFrom": [{"prefix": "P_", "secretRef": {"name": "s"}}, {"configMapRef": {"name": "cm"}}],
    "volumeMounts": [
        {"name": "cm", "mountPath": "/cm/"},
        {"name": "cm", "mountPath": "/etc/one", "subPath": "a"},
        {"name": "some", "mountPath": "/some"},
        {"name": "all", "mountPath": "/all"},
        {"name": "missing", "mountPath": "/missing"},
    ],
}
VOLUMES = [
    {"name": "cm", "configMap": {"name": "cm"}},
    {"name": "some", "secret": {"secretName": "s", "items": [{"key": "b", "path": "deep/b"}]}},
    {"name": "unused", "secret": {"secretName": "s"}},
    {"name": "missing", "configMap": {"name": "none", "optional": True}},
    {
        "name": "all",
        "projected": {
            "sources": [
                {"secret": {"name": "s"}},
                {"configMap": {"name": "cm", "items": [{"key": "a", "path": "x"}]}},
                {"downwardAPI": {"items": [{"path": "marks", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            ]
        },
    },
]


@pytest.mark.parametrize("rbac", [False, True])
async def test_what_containers_are_configured_with(rbac):
    """Commands find mounted ConfigMaps, Secrets, fields and all that is projected, and variables that are keys of them."""
    async with Cluster(only=["kubernetes"], clock=ManualClock(), nodes=1, rbac=rbac) as cluster:
        client = cluster.client()
        for kind, name, data in (
            ("ConfigMap", "cm", {"data": {"a": "1"}, "binaryData": {"n": "Mg=="}}),
            ("Secret", "s", {"data": {"b": "Mw=="}}),
        ):
            meta = {"name": name, "namespace": "default"}
            obj = {"apiVersion": "v1", "kind": kind, "metadata": meta, **data}
            await client.create(CONFIG_MAPS if kind == "ConfigMap" else SECRETS, obj)
        pod = Pod(cluster)
        spec = {"containers": [{**CONTAINERS[0], **CONFIGURED}], "volumes": VOLUMES}
        meta = {"name": "p", "namespace": "default", "labels": {"l": "v", "k": "w"}}
        await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        await cluster.advance(1)

        async def says(command):
            done = await pod.run("sh", "-c", quote(command))
            return (done.channel(1) + done.channel(2)).decode()

        assert await says("echo $A$B$C $NAME $P_b $a") == "13 p 3 1\n"
        assert await says("cat /cm/a /cm/n /etc/one /some/deep/b") == "1213"
        assert await says("cat /all/b /all/x /all/marks") == '31k="w"\nl="v"'
        assert await says("ls /missing") == ""
        assert "No such file" in await says("cat /some/b")


async def test_a_terminal(pod):
    """A shell at a terminal answers as it is typed to, and knows the terminal's size."""
    typed = [b'\x04{"Width":80,"Height":24}', b"\x00echo $COLUMNS\r", b"\x00exit 2\r"]
    done = await pod.run("sh", query="stdin=true&tty=true", typed=typed)
    assert done.channel(1) == b"/ # echo $COLUMNS\r\n80\r\n/ # exit 2\r\n"
    assert json.loads(done.channel(3))["details"]["causes"][0]["message"] == "2"
    typed = [b"\x00echo \xc3", b"\x00\xa4\r", b"\x00: %b\r" % (b"x" * 5000), b"\x00exit\r"]
    done = await pod.run("sh", query="stdin=true&tty=true", typed=typed)
    first, said, long, *_ = done.channel(1).decode().split("\r\n")
    assert (first, said, len(long)) == ("/ # echo ä", "ä", len("/ # ") + 4096)


async def test_curl_among_other_commands(pod):
    """Scripts, shells that read lines and terminals fetch pages as `curl` alone does, and nothing is done twice meanwhile."""
    there = f"{(await pod.client.get(PODS, 'p', 'default'))['status']['podIP']}:7000"
    script = f"echo 1 >> /f; X=$(curl -s {there}); cd /tmp; curl -so page {there} && cat page; curl -s {there}/ | wc -l; cat /f"
    done = await pod.run("sh", "-c", quote(f'{script}; echo "<$X>"; curl 10.0.0.9 || echo none; exec'))
    assert done.channel(1) == b"Hello from p\n1\n1\n<Hello from p>\nnone\n"
    assert done.channel(2).startswith(b"curl: (7) Failed to connect to 10.0.0.9 port 80")
    script = (
        f"echo '{there.partition(':')[0]} me # x' >> /etc/hosts; curl -s me:7000; curl some.svc; curl a,b=c"
    )
    done = await pod.run("sh", "-c", quote(f"{script}; curl localhost:7001"))
    assert done.channel(1) == b"Hello from p\n"
    assert done.channel(2).decode().splitlines() == [
        "curl: (6) Could not resolve host: some.svc",
        "curl: (6) Could not resolve host: a,b=c",
        "curl: (7) Failed to connect to localhost port 7001: Connection refused",
    ]
    line = f"curl -s {there}; echo 2 >> /f; cat /f".encode()
    done = await pod.run("sh", query="stdin=true", typed=[b"\x00" + line + b"\n", b"\xff\x00"])
    assert done.channel(1) == b"Hello from p\n1\n2\n"
    done = await pod.run("sh", query="stdin=true&tty=true", typed=[b"\x00" + line + b"\r", b"\x00exit\r"])
    assert done.channel(1).split(b"\r\n")[1:5] == [b"Hello from p", b"1", b"2", b"2"]


async def test_a_client_that_goes_ends_its_command(pod):
    """Nobody waits for a command whose client has hung up."""
    done = await pod.run("sleep", "1000", typed=[None])
    assert done.sent == [b"\x01"]


async def test_attaching(pod):
    """Whoever attaches sees what comes until the container ends, and never how it ended."""
    upgrade = await pod.open("attach", "stdout=true")
    socket = Socket("v4.channel.k8s.io")
    talk = asyncio.ensure_future(upgrade.serve(socket))
    await pod.cluster.advance(5)
    await pod.client.delete(PODS, "p", "default")
    await pod.cluster.advance(5)
    await talk
    assert socket.channel(1) == b"c: finished\n"
    assert json.loads(socket.channel(3))["status"] == "Success"


async def test_a_shell_that_is_attached_to(cluster):
    """Whoever types into a container ends it with the shell: the pod ends with that exit code, which attachments do not tell, or starts again."""
    pod = await Pod(cluster).make(restartPolicy="Never")
    done = await pod.run(subresource="attach", query="stdin=true&tty=true", typed=[b"\x00exit 3\r"])
    assert json.loads(done.channel(3))["status"] == "Success"
    await cluster.advance(1)
    status = (await pod.client.get(PODS, "p", "default"))["status"]
    assert status["phase"] == "Failed"
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    pod = await Pod(cluster, "q").make()
    typed = [b"\x00X=hi\n", b"\x00echo $X\n", b"\xff\x00"]
    done = await pod.run(subresource="attach", query="stdin=true", typed=typed)
    assert done.channel(1) == b"hi\n"
    await cluster.advance(20)
    status = (await pod.client.get(PODS, "q", "default"))["status"]
    assert (status["phase"], status["containerStatuses"][0]["restartCount"]) == ("Running", 1)


async def test_a_terminal_with_a_size_keeps_what_it_was_told(pod):
    """Programs at a terminal know its size, and variables hold from line to line."""
    size = b'\x04{"Width":80,"Height":24}'
    typed = [size, b"\x00X=5\r", b"\x00echo $X $COLUMNS\r", b"\x00exit\r"]
    done = await pod.run("sh", query="stdin=true&tty=true", typed=typed)
    assert b"\r\n5 80\r\n" in done.channel(1)


async def test_a_container_that_says_what_it_hears(cluster):
    """Whoever types into `cat` is heard by it, and by no shell."""
    pod = await Pod(cluster).make(restartPolicy="Never", command=["cat"])
    done = await pod.run(subresource="attach", query="stdin=true", typed=[b"\x00hello\n", b"\xff\x00"])
    assert (done.channel(1), json.loads(done.channel(3))["status"]) == (b"hello\n", "Success")


async def test_an_ephemeral_container_that_is_attached_to(pod):
    """A debugger's shell ends the debugger, and nothing else."""
    added = {
        "spec": {"ephemeralContainers": [{"name": "look", "image": "busybox:1", "stdin": True, "tty": True}]}
    }
    await pod.client.patch(PODS, "p", "default", added, type="strategic", subresource="ephemeralcontainers")
    await pod.cluster.advance(1)
    done = await pod.run(
        subresource="attach", query="container=look&stdin=true&tty=true", typed=[b"\x00exit 3\r"]
    )
    assert json.loads(done.channel(3))["status"] == "Success"
    await pod.cluster.advance(1)
    status = (await pod.client.get(PODS, "p", "default"))["status"]
    assert status["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    assert (status["phase"], "running" in status["containerStatuses"][0]["state"]) == ("Running", True)


async def test_a_debugger_with_a_script(pod):
    """Whoever is attached to a debugger that was given a script hears what it says, and it ends with it."""
    script = {"command": ["sh", "-c"], "args": ["echo hi; exit 3"], "stdin": True}
    added = {"spec": {"ephemeralContainers": [{"name": "look", "image": "busybox:1", **script}]}}
    await pod.client.patch(PODS, "p", "default", added, type="strategic", subresource="ephemeralcontainers")
    await pod.cluster.advance(1)
    done = await pod.run(subresource="attach", query="container=look&stdin=true")
    assert done.channel(1) == b"hi\n"
    status = (await pod.client.get(PODS, "p", "default"))["status"]
    assert status["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


async def test_one_of_several_containers_ends(cluster):
    """The end of a container that was attached to is told without a word about the others."""
    two = [*CONTAINERS, {"name": "d", "image": "y"}]
    await cluster.client().create(
        PODS,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "two", "namespace": "default"},
            "spec": {"containers": two, "restartPolicy": "Never"},
        },
    )
    await cluster.advance(1)
    pod = Pod(cluster, "two")
    await pod.run(subresource="attach", query="container=d&stdin=true&tty=true", typed=[b"\x00exit 0\r"])
    states = (await pod.client.get(PODS, "two", "default"))["status"]["containerStatuses"]
    assert [(one["name"], *one["state"]) for one in states] == [("c", "running"), ("d", "terminated")]


async def test_refusals(cluster, pod):
    """Containers that are not there or do not run are refused in the real server's words."""
    with pytest.raises(ApiError, match="container d is not valid for pod p"):
        await pod.open("exec", "container=d&command=ls")
    with pytest.raises(ApiError, match="you must specify at least 1 command"):
        await pod.open("exec")
    await pod.client.patch(
        PODS, "p", "default", {"status": {"containerStatuses": []}}, type="merge", subresource="status"
    )
    with pytest.raises(ApiError, match=r'unable to upgrade connection: container not found \("c"\)'):
        await pod.open("exec", "command=ls")


async def forwarded(pod, port, said):
    """What comes back over a tunnelled port-forward: (data, error)."""
    upgrade = await pod.open("portforward", **{"sec-websocket-protocol": "SPDY/3.1+portforward.k8s.io"})
    assert upgrade.protocols == ("SPDY/3.1+portforward.k8s.io",)
    socket, codec = Socket(), spdy.Codec()
    for number, kind in ((1, "error"), (3, "data")):
        headers = {"streamtype": kind, "port": str(port), "requestid": "0"}
        socket.came.put_nowait(codec.with_headers(spdy.SYN_STREAM, number, headers))
    socket.came.put_nowait(spdy.Codec.data(3, said, spdy.FIN))
    talk = asyncio.ensure_future(upgrade.serve(socket))
    await pod.cluster.advance(0)
    socket.came.put_nowait(None)
    await talk
    frames = [one for one in codec.fed(b"".join(socket.sent)) if one.kind == 0]
    return tuple(b"".join(one.data for one in frames if one.stream == number) for number in (3, 1))


async def test_ports(pod):
    """What a container declares answers with the pod's name; nothing listens elsewhere, and that is told."""
    data, error = await forwarded(pod, 7000, b"GET / HTTP/1.0\r\n\r\n")
    assert data.endswith(b"Hello from p\n")
    assert error == b""
    data, error = await forwarded(pod, 7001, b"GET / HTTP/1.0\r\n\r\n")
    assert data == b""
    assert b"error forwarding port 7001 to pod" in error
    assert b"connection refused" in error


async def test_ports_over_channels(pod):
    """Ports named in the query have two channels each, which begin with the port's number; each tells what came of it."""
    upgrade = await pod.open(
        "portforward", "ports=7000,7001", **{"sec-websocket-protocol": "v4.channel.k8s.io"}
    )
    assert upgrade.protocols == ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")
    socket = Socket("v4.channel.k8s.io")
    socket.came.put_nowait(b"\x00GET / HTTP/1.0\r\n")
    socket.came.put_nowait(b"\x07nobody's\x00")
    socket.came.put_nowait(b"\x00\r\n")
    await asyncio.wait_for(upgrade.serve(socket), 30)
    assert socket.closed.is_set()
    assert socket.channel(0).startswith(b"\x58\x1bHTTP/1.1 200 OK")
    assert socket.channel(0).endswith(b"Hello from p\n")
    assert (socket.channel(1), socket.channel(2)) == (b"\x58\x1b", b"\x59\x1b")
    assert socket.channel(3).startswith(b"\x59\x1berror forwarding port 7001 to pod")


async def test_a_client_that_goes_ends_its_ports(pod):
    """A connection over channels lasts as long as its client."""
    upgrade = await pod.open("portforward", "ports=7000")
    socket = Socket()
    socket.came.put_nowait(None)
    await asyncio.wait_for(upgrade.serve(socket), 30)
    assert socket.channel(0) == b"\x58\x1b"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", 'query parameter "ports" is required'),
        ("ports=", 'query parameter "ports" cannot be empty'),
        ("ports=1,x", 'unable to parse "1,x" as a port: strconv.ParseUint: parsing "x": invalid syntax'),
        (
            "ports=70000",
            'unable to parse "70000" as a port: strconv.ParseUint: parsing "70000": value out of range',
        ),
        ("ports=0", 'port "0" must be > 0'),
    ],
)
async def test_ports_that_are_none(pod, query, why):
    """A websocket has to name ports; what is none is refused in the kubelet's words."""
    answer = await pod.client.handler(
        Request("GET", pod.path("portforward"), query, {"upgrade": "websocket"})
    )
    assert (answer.status, answer.body.decode()) == (400, why)


async def test_over_spdy(pod):
    """The same command over SPDY streams, as older clients ask for it."""
    upgrade = await pod.open(
        "exec",
        "command=echo&command=hi&stdout=true&stderr=true",
        upgrade="SPDY/3.1",
        **{"x-stream-protocol-version": "v4.channel.k8s.io, v3.channel.k8s.io"},
    )
    assert upgrade.raw == "SPDY/3.1"
    socket, codec = Socket(), spdy.Codec()
    for number, kind in ((1, "error"), (3, "stdout"), (5, "stderr")):
        socket.came.put_nowait(codec.with_headers(spdy.SYN_STREAM, number, {"streamtype": kind}))
    talk = asyncio.ensure_future(upgrade.serve(socket))
    await pod.cluster.advance(0)
    socket.came.put_nowait(None)
    await talk
    data = {one.stream: one.data for one in codec.fed(b"".join(socket.sent)) if one.kind == 0 and one.data}
    assert data[3] == b"hi\n"
    assert json.loads(data[1])["status"] == "Success"
