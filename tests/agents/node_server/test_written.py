"""What commands write in containers: kept while these run, shared where they share a volume, and not without end."""

from urllib.parse import quote

import pytest

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import ROOM, Container
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS, PODS
from tests import mentions
from tests.agents.node_server.test_server import Pod, Socket

MOUNTS = [{"name": "both", "mountPath": "/both"}, {"name": "cm", "mountPath": "/cm"}]
CONTAINERS = [
    {
        "name": "a",
        "image": "x",
        "volumeMounts": [
            *MOUNTS,
            {"name": "both", "mountPath": "/one", "subPath": "one"},
            {"name": "both", "mountPath": "/var/run/both"},
        ],
    },
    {
        "name": "b",
        "image": "x",
        "workingDir": "/work/deep",
        "volumeMounts": [{"name": "both", "mountPath": "/both", "readOnly": True}],
    },
    {"name": "c", "image": "x", "securityContext": {"readOnlyRootFilesystem": True}, "volumeMounts": MOUNTS},
]
VOLUMES = [{"name": "both", "emptyDir": {}}, {"name": "cm", "configMap": {"name": "cm"}}]


@pytest.fixture
async def cluster():
    async with Cluster(only=["kubernetes"], clock=ManualClock(), nodes=1, seed=1) as cluster:
        meta = {"name": "cm", "namespace": "default"}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"k": "v\n"}}
        await cluster.client().create(CONFIG_MAPS, obj)
        meta = {"name": "p", "namespace": "default"}
        spec = {"containers": CONTAINERS, "volumes": VOLUMES}
        await cluster.client().create(
            PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        )
        await cluster.advance(5)
        yield cluster


@pytest.fixture
def says(cluster):
    """What a command says in a container, on either channel."""

    async def run(container, command, **kwargs):
        done = await Pod(cluster).run("sh", "-c", quote(command), query=f"container={container}", **kwargs)
        return (done.channel(1) + done.channel(2)).decode()

    return run


async def test_what_is_written_stays(cluster, says):
    """One command finds what another has written into its container; other containers do not."""
    assert (
        await says("a", "mkdir /data; echo hi > /data/f; echo '#' >> /etc/hosts; rm /etc/resolv.conf") == ""
    )
    assert await says("a", "cat /data/f; tail -n 1 /etc/hosts; cat /etc/resolv.conf") == (
        "hi\n#\ncat: can't open '/etc/resolv.conf': No such file or directory\n"
    )
    assert await says("b", "cat /data/f; grep -c name /etc/resolv.conf") == (
        "1\ncat: can't open '/data/f': No such file or directory\n"
    )
    done = await Pod(cluster).run("rm", "/data/f", query="container=a")
    assert done.channel(2) == b""
    assert await says("a", "ls /data") == ""


async def test_shells_that_listen_find_it_too(cluster, says):
    """What is written at a terminal, or to a shell that reads lines, is there for others at once, and the other way round."""
    pod = Pod(cluster)
    await pod.run("sh", query="container=a&stdin=true&tty=true", typed=[b"\x00echo 1 > /f\r", b"\x00exit\r"])
    typed = [b"\x00cat /f; echo 2 >> /f\n", b"\x00echo 3 >> /f", b"\xff\x00"]
    done = await pod.run("sh", query="container=a&stdin=true", typed=typed)
    assert done.channel(1) == b"1\n"
    assert await says("a", "cat /f") == "1\n2\n3\n"


async def test_volumes_are_shared(says):
    """Containers of a pod find in a volume what others of it have written there, wherever they mount it, and whatever part."""
    assert await says("a", "ls -d /both && echo 1 > /both/f && echo 2 > /one/g") == "/both\n"
    assert await says("b", "cat /both/f /both/one/g") == "1\n2\n"
    assert await says("c", "rm /both/f; ls /both") == "one\n"
    assert (
        await says("a", "cat /both/f /one/g") == "2\ncat: can't open '/both/f': No such file or directory\n"
    )


async def test_what_is_only_read(says):
    """Configuration, volumes mounted to be read, and file systems that are sealed take nothing."""
    assert (
        await says("a", "echo x > /cm/k; cat /cm/k") == "v\nsh: can't create /cm/k: Read-only file system\n"
    )
    assert await says("b", "touch /both/f") == "touch: /both/f: Read-only file system\n"
    assert await says("c", "mkdir /x; echo 1 > /both/f; cat /both/f") == (
        "1\nmkdir: /x: Read-only file system\n"
    )
    assert await says("b", "cat /both/f") == "1\n"


def test_room():
    """A container holds a megabyte of what is written, names of files among it; what was given takes no room."""
    given = {"/given": "x" * ROOM}
    at = Container("p", files={**given, "/full": "y" * (ROOM - 20)}, given=given)
    done = shell.line(at, "echo a > /f; cat /given > /g; tee /h < /dev/null; cat /f")
    assert done.out == "a\n"
    assert done.err == "sh: can't create /g: No space left on device\n"
    assert sorted(done.wrote) == ["/f", "/h"]
    over = Container("p", files={"/a": "y" * ROOM, "/b": "y" * ROOM}, given={})
    assert shell.line(over, "rm /a").err == ""
    assert shell.line(over, "touch /c").err == "touch: /c: No space left on device\n"


async def test_run(says):
    """`/var/run` is `/run`, for what is mounted, written and looked for there, too."""
    said = await says("a", "echo 1 > /run/both/f; cd /var/run/both; ls; cat /var/run/*/f; echo *; ls /run")
    assert said == "f\n1\nf\nboth\nsecrets\n"
    assert await says("a", "ls /var/run/both/f; echo /var/run/both/* /run/*/f; ls /var") == (
        "/var/run/both/f\n/var/run/both/f /run/both/f\nrun\n"
    )


async def test_too_much_comes_in(cluster):
    """Of what nobody has room for nothing is kept: the command is told so, and does not wait for the rest."""
    typed = [b"\x00" + bytes(1 << 20)] * 17
    done = await Pod(cluster).run("tar", "x", query="container=a&stdin=true", typed=typed)
    assert done.channel(2) == b"tar: No space left on device\n"
    typed = [b"\x00echo a\necho b", *typed[:2], b"\x00; echo c\necho d\n", b"\xff\x00"]
    done = await Pod(cluster).run("sh", query="container=a&stdin=true", typed=typed)
    assert (done.channel(1), done.channel(2)) == (b"a\n", b"sh: so long a line is not emulated\n")


async def test_folders_are_no_files(says):
    """What is written to a folder is refused, and no folder is removed that was not meant to be; touching one changes nothing."""
    assert await says("a", "touch /tmp /both; mkdir /d; echo 1 > /d; rm /d; rm /tmp; cd /d; tee .") == (
        "sh: can't create /d: Is a directory\nrm: '/d' is a directory\nrm: '/tmp' is a directory\ntee: /d: Is a directory\n"
    )
    assert await says("a", "ls /both /d; rm -r /d /none; rm -f /none; ls /d") == (
        "rm: can't remove '/none': No such file or directory\nls: /d: No such file or directory\n"
    )


@pytest.mark.parametrize("rbac", [False, True])
async def test_claims(rbac):
    """What is written to a claim is there for every pod that mounts it, one after the other, and goes with the claim."""
    async with Cluster(only=["kubernetes"], clock=ManualClock(), nodes=1, rbac=rbac) as cluster:
        client = cluster.client()
        meta = {"name": "c", "namespace": "default"}
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}
        await client.create(PERSISTENT_VOLUME_CLAIMS, claim)
        for name, mount, sealed in (("p", {"subPath": "deep"}, False), ("q", {}, False), ("r", {}, True)):
            source = {"claimName": "c", "readOnly": sealed}
            spec = {
                "containers": [
                    {"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v", **mount}]}
                ],
                "volumes": [{"name": "v", "persistentVolumeClaim": source}],
            }
            meta = {"name": name, "namespace": "default"}
            await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        await cluster.advance(5)

        async def says(name, command):
            done = await Pod(cluster, name).run("sh", "-c", quote(command))
            return (done.channel(1) + done.channel(2)).decode()

        assert await says("p", "echo 1 > /v/f; echo 2 > /v/g; rm /v/g") == ""
        await client.delete(PODS, "p", "default", grace_seconds=0)
        await cluster.settle()
        assert await says("q", "cat /v/deep/f; ls /v/deep; echo 3 > /v/h") == "1\nf\n"
        assert await says("r", "cat /v/h; touch /v/i") == "3\ntouch: /v/i: Read-only file system\n"
        assert [one.files for one in cluster.contents.state().values()] == [{"deep/f": "1\n", "h": "3\n"}]


async def test_working_directories(cluster, says):
    """Commands begin where their container's spec says, shells go elsewhere, and prompts tell where they are."""
    assert await says("b", "pwd; ls; echo 1 > ../g; echo $PWD") == "/work/deep\n/work/deep\n"
    assert await says("b", "cd ..; cat g ./deep/../g; ls; cd; pwd; cd - ; cd deep && pwd") == (
        "1\n1\ndeep\ng\n/root\n/work\n/work/deep\n"
    )
    done = await Pod(cluster).run("cat", "../g", query="container=b")
    assert done.channel(1) == b"1\n"
    assert (await Pod(cluster).run("env", query="container=b")).channel(1).count(b"PWD") == 0
    typed = [b"\x00cd /work\r", b"\x00echo 2 > h; cd\r", b"\x00exit\r"]
    done = await Pod(cluster).run("sh", query="container=b&stdin=true&tty=true", typed=typed)
    assert done.channel(1).split(b"\r\n")[1:] == [b"/work # echo 2 > h; cd", b"~ # exit", b""]
    typed = [b"\x00cd ..\n", b"\x00cat h\n", b"\xff\x00"]
    done = await Pod(cluster).run("sh", query="container=b&stdin=true", typed=typed)
    assert done.channel(1) == b"2\n"


async def test_a_container_that_starts_again(cluster, says):
    """A container that is started again has lost what was its own, and finds its volumes as they were."""
    await says("a", "echo 1 > /f; echo 2 > /both/g; rm /etc/hosts")
    await Pod(cluster).run(
        subresource="attach", query="container=a&stdin=true", typed=[b"\x00exit 1\n", b"\xff\x00"]
    )
    await cluster.advance(30)
    assert await says("a", "cat /f; cat /both/g; grep -c local /etc/hosts") == (
        "2\n1\ncat: can't open '/f': No such file or directory\n"
    )


async def test_pods_that_have_gone(cluster, says):
    """Of a pod that has gone nothing is kept, not even what a command writes that is still under way."""
    await says("a", "echo mayfly > /f; echo mayfly > /both/f")
    assert mentions.found(cluster, lambda text: text == "mayfly\n", {})
    upgrade = await Pod(cluster).open(
        "exec", "container=a&command=sh&stdin=true", **{"sec-websocket-protocol": "v5.channel.k8s.io"}
    )
    await cluster.client().delete(PODS, "p", "default", grace_seconds=0)
    await cluster.settle()
    socket = Socket("v5.channel.k8s.io")
    socket.came.put_nowait(b"\x00echo mayfly > /g\n")
    socket.came.put_nowait(b"\xff\x00")
    await upgrade.serve(socket)
    assert mentions.found(cluster, lambda text: text == "mayfly\n", {}) == {}


async def test_forks_and_the_way_back(cluster, says, tmp_path):
    """A fork finds what is in containers and goes its own way; a reset brings back what they had at the beginning."""
    await says("a", "echo 1 > /f; echo 1 > /both/f; rm /etc/hosts")
    await cluster.keep()
    await says("a", "echo 2 > /f; echo 2 > /both/f; echo 2 > /g")
    await says("c", "echo 2 > /both/g")
    async with cluster.fork(seed=2) as twin:
        done = await Pod(twin).run("sh", "-c", quote("cat /f /both/f; echo 3 > /f"), query="container=a")
        assert done.channel(1) == b"2\n2\n"
    assert await says("a", "cat /f") == "2\n"
    await cluster.reset()
    assert await says("a", "cat /f /both/f; ls /g /both/g /etc/hosts") == (
        "1\n1\nls: /g: No such file or directory\nls: /both/g: No such file or directory\n"
        "ls: /etc/hosts: No such file or directory\n"
    )
    await cluster.save(tmp_path / "cluster.jsonl")
    await cluster.restore((tmp_path / "cluster.jsonl").read_bytes())
    assert await says("a", "ls /f /both") == "ls: /f: No such file or directory\n"
