"""The command line as a user meets it: separate processes, real signals, exit codes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FAKEKUBE = [sys.executable, "-m", "fakekube"]
POD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


def fakekube(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FAKEKUBE, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=os.environ | environment,
        check=False,
    )


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*FAKEKUBE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | environment,
    )


def connection(process: subprocess.Popen[str]) -> tuple[str, Path]:
    """URL and kubeconfig, from the two lines `up` prints."""
    assert process.stdout is not None
    title, export = process.stdout.readline(), process.stdout.readline()
    found = re.search(r"at (http\S+);", title)
    if found is None:
        process.kill()
        raise AssertionError(process.communicate())
    return found.group(1), Path(export.strip().removeprefix("export KUBECONFIG="))


def ask(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        body: bytes = answer.read()
    return body


@pytest.fixture
def bare() -> Iterator[subprocess.Popen[str]]:
    """A bare server."""
    process = start("up", "--only", "api")
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_ends_at_once(bare: subprocess.Popen[str], number: signal.Signals) -> None:
    """`up` says how to connect, and ends at a signal: at once, cleanly, with an open watch, leaving no file behind."""
    url, kubeconfig = connection(bare)
    assert yaml.safe_load(kubeconfig.read_text())["current-context"] == "fakekube"
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as watch:
        watch.sendall(b"GET /api/v1/namespaces?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert watch.recv(1000).startswith(b"HTTP/1.1 200")
        bare.send_signal(number)
        out, complaints = bare.communicate(timeout=30)
        assert (bare.returncode, out, complaints) == (0, "", "")
        rest = b""
        while piece := watch.recv(65536):
            rest += piece
        assert rest.endswith(b"0\r\n\r\n"), "the watch was ended, not broken off"
    assert not kubeconfig.exists()


INTERRUPTED = """
import importlib.abc, os, runpy, signal, sys

class Early(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Early())
sys.argv = ["fakekube", "up", "--only", "api"]
runpy.run_module("fakekube", run_name="__main__")
"""


@pytest.mark.parametrize(("module", "code"), [("fakekube.cli", -2), ("uvloop", 130), ("fakekube.cluster", 0)])
def test_ctrl_c_while_it_starts(module: str, code: int) -> None:
    """Ctrl-C before there is a server is an end without a word, whatever is being imported."""
    if module == "uvloop":
        pytest.importorskip("uvloop")
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.replace("{module}", module)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (code, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    """Whoever closes a standard stream gets a server all the same: what it would say goes nowhere."""
    file = tmp_path / "kubeconfig"
    line = f"{' '.join(FAKEKUBE)} run --only api --kubeconfig {file} -- test -s {file} {closed}"
    assert subprocess.run(["sh", "-c", line], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_nowhere_to_write() -> None:
    """Who cannot say how to connect says so, in a sentence."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*FAKEKUBE, "up", "--only", "api"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            cwd=ROOT,
            check=False,
        )
    said = "fakekube: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["up", "--token"], r"option '--token' requires an argument; see 'fakekube up --help'"),
        (["up", "--port", "x"], r"invalid value for '--port': 'x' is not a whole number; see"),
        (["conformance", "--patience", "x"], r"invalid value for '--patience': 'x' is not a number; see"),
        (["up", "--bogus"], r"no such option '?--bogus'?.*; see 'fakekube up --help'"),
        (["up", "--pace", "slow"], "'slow' is not one of"),
        (["upp"], "no such command 'upp'"),
        (["run"], r"missing argument 'COMMAND\.\.\.'"),
        (["up", "--without", "schedular"], "there is no actor named 'schedular'; did you mean scheduler"),
        (["up", "--only", "xyzzy"], "there is no actor named 'xyzzy'; there are nodes"),
        (["up", "--apply", "/no/such/file"], "/no/such/file: No such file or directory"),
        (["up", "--only", "api", "--host", "203.0.113.9"], r"cannot listen on 203\.0\.113\.9:0"),
        (["run", "--only", "api", "--", "/no/such/command"], "cannot run /no/such/command: No such file"),
        (
            ["run", "--only", "api", "--kubeconfig", "Makefile", "--", "true"],
            "Makefile exists and was not written",
        ),
        (["up", "--only", "api", "--kubeconfig", "/tmp"], "/tmp: there is something else than a file"),
        (["up", "--only", "api", "--host", ""], "--host is empty"),
        (["up", "--only", "api", "--token", ""], "--token must be a word"),
        (["up", "--only", "api", "--apply", "-"], r"standard input:\d: "),
        (["up", "--stages", "Makefile"], r"Makefile:\d+: "),
        (["up", "--only", "api", "--guest-ports"], "--guest-ports needs the actor kubelet"),
    ],
)
def test_mistakes(arguments: list[str], complaint: str) -> None:
    """Each mistake is one sentence on stderr and exit code 2."""
    done = fakekube(*arguments, stdin="a: 1\nb: [")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert re.match(f"fakekube: .*{complaint}", done.stderr), done.stderr


def test_port_in_use() -> None:
    """A taken port is told apart from other troubles."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = fakekube("up", "--only", "api", "--port", port)
    assert done.returncode == 2
    assert done.stderr == f"fakekube: cannot listen on 127.0.0.1:{port}: the address is already in use\n"


def test_refused_manifest(tmp_path: Path) -> None:
    """A manifest the server refuses is told with file, line and the server's words."""
    (tmp_path / "m.yaml").write_text(f"{POD % 'ok'}---\n{POD % 'No_Name'}")
    done = fakekube("up", "--only", "api", "--apply", str(tmp_path))
    assert done.returncode == 2
    assert re.fullmatch(r"fakekube: \S+/m\.yaml:5: configmap/No_Name was refused: .*\n", done.stderr), (
        done.stderr
    )


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("true", 0), ("kill -9 $$", 137)])
def test_run_returns_the_code(script: str, code: int) -> None:
    """`run` ends with the exit code of its command, as a shell would tell it."""
    done = fakekube("run", "--only", "api", "--", "sh", "-c", script)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("flags", [(), ("--merge",), ("--kubeconfig", "there")])
def test_a_full_disk(flags: tuple[str, ...], tmp_path: Path) -> None:
    """A disk that takes no more is one sentence, whichever file was to be written."""
    full = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh"]
    done = subprocess.run(
        [*full, *FAKEKUBE, "run", "--only", "api", *flags, "true"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=os.environ | {"KUBECONFIG": str(tmp_path / "k"), "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch("fakekube: cannot write (a|the) kubeconfig.*\n", done.stderr), done.stderr


def test_what_follows_the_command_is_its_own() -> None:
    """Options behind the command are the command's, so that nobody has to think of `--`."""
    done = fakekube("run", "--only", "api", "sh", "-c", 'test "$1" = --port', "sh", "--port")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_line_to_paste(tmp_path: Path) -> None:
    """A shell understands the printed line, whatever the file is called."""
    process = start("up", "--only", "api", "--kubeconfig", str(tmp_path / "my kc"))
    assert str(connection(process)[1]) == f"'{tmp_path / 'my kc'}'"
    process.terminate()
    process.communicate(timeout=30)


def test_run_sets_kubeconfig(tmp_path: Path) -> None:
    """The command finds the server through KUBECONFIG, with the manifests loaded; the file is gone afterwards."""
    (tmp_path / "a.yaml").write_text(POD % "a")
    script = "import os, yaml, urllib.request as u; f = os.environ['KUBECONFIG']; print(f); s = yaml.safe_load(open(f))['clusters'][0]['cluster']['server']; print(u.urlopen(s + '/api/v1/namespaces/default/configmaps/b').read().decode())"
    done = fakekube(
        "run",
        "--only",
        "api",
        "--apply",
        str(tmp_path),
        "--apply",
        "-",
        "--",
        sys.executable,
        "-c",
        script,
        stdin=POD % "b",
    )
    assert done.returncode == 0, done.stderr
    path, body = done.stdout.split("\n", 1)
    assert json.loads(body)["metadata"]["name"] == "b"
    assert not Path(path).exists()


def test_run_forwards_signals() -> None:
    """A signal reaches the command, which decides what to do with it."""
    script = "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    process = start("run", "--only", "api", "--", "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("told\n", 5)


def test_kubeconfig_is_kept(tmp_path: Path) -> None:
    """A kubeconfig the user has named stays, and is replaced the next time."""
    path = tmp_path / "here" / "config"
    for _ in range(2):
        done = fakekube("run", "--only", "api", "--kubeconfig", str(path), "--", "true")
        assert done.returncode == 0, done.stderr
        assert yaml.safe_load(path.read_text())["current-context"] == "fakekube"


def test_merge(tmp_path: Path) -> None:
    """--merge adds a context to the user's own file and takes it out again; nothing else is touched."""
    mine = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "mine",
        "contexts": [],
        "clusters": [],
        "users": [],
    }
    path = tmp_path / ".kube" / "config"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(mine))
    script = "cat $KUBECONFIG"
    done = fakekube(
        "run", "--only", "api", "--merge", "--", "sh", "-c", script, HOME=str(tmp_path), KUBECONFIG=""
    )
    assert yaml.safe_load(done.stdout)["current-context"] == "fakekube", done.stderr
    assert yaml.safe_load(path.read_text()) == mine


def test_tls(tmp_path: Path) -> None:
    """--tls serves https, and the kubeconfig trusts its authority."""
    process = start("up", "--only", "api", "--tls", FAKEKUBE_STATE=str(tmp_path))
    try:
        url, kubeconfig = connection(process)
        cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        assert url == cluster["server"]
        assert url.startswith("https://")
        assert cluster["certificate-authority-data"]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_repeatable() -> None:
    """With the same seed, the same things get the same uids."""
    script = "import os, yaml, json, urllib.request as u; s = yaml.safe_load(open(os.environ['KUBECONFIG']))['clusters'][0]['cluster']['server']; print(json.load(u.urlopen(s + '/api/v1/namespaces/default'))['metadata']['uid'])"
    runs = [
        fakekube("run", "--only", "api", "--seed", seed, "--", sys.executable, "-c", script).stdout
        for seed in ("1", "1", "2")
    ]
    assert runs[0] == runs[1] != runs[2]


def test_actors() -> None:
    """`actors` lists every name that --only and --without take."""
    lines = fakekube("actors").stdout.splitlines()
    listed = {line.split()[0] for line in lines[1:]}
    assert {"api", "scheduler", "kubelet", "virt-controller", "virt-handler", "pool-controller"} <= listed
    assert fakekube("run", *[f"--without={name}" for name in listed], "--", "true").returncode == 0


def test_version_and_help() -> None:
    """Version and help are answered quickly and without starting anything."""
    assert re.fullmatch(r"fakekube \d+\.\d+\.\d+\n", fakekube("--version").stdout)
    for arguments in (["--help"], ["up", "--help"], ["run", "-h"], []):
        done = fakekube(*arguments)
        assert done.returncode == 0
        assert done.stdout.startswith("Usage: ")


def test_bare_server_answers(bare: subprocess.Popen[str]) -> None:
    """`--only api` is the API alone: it answers, and nobody acts on what is written."""
    url, _ = connection(bare)
    assert json.loads(ask(f"{url}/version"))["gitVersion"].startswith("v1.36")
    assert json.loads(ask(f"{url}/api/v1/nodes"))["items"] == []


def test_the_state_is_saved_and_gone_back_to(tmp_path: Path) -> None:
    """`snapshot save`, `snapshot load`, and `run --snapshot`: what there was is there again."""
    saved, manifest = tmp_path / "saved.jsonl.gz", tmp_path / "a.yaml"
    manifest.write_text(POD % "a")
    server = start("up", "--only", "api", "--apply", str(manifest))
    try:
        url, kubeconfig = connection(server)
        there = f"{url}/api/v1/namespaces/default/configmaps"
        done = fakekube("snapshot", "save", str(saved), KUBECONFIG=str(kubeconfig))
        assert (done.returncode, done.stdout[: len(str(saved))]) == (0, str(saved)), done.stderr
        gone = urllib.request.Request(f"{there}/a", method="DELETE")
        urllib.request.urlopen(gone, timeout=30).close()
        assert json.loads(ask(there))["items"] == []
        done = fakekube("snapshot", "load", "--kubeconfig", str(kubeconfig), str(saved))
        assert done.returncode == 0, done.stderr
        assert [one["metadata"]["name"] for one in json.loads(ask(there))["items"]] == ["a"]
    finally:
        server.kill()
        server.communicate()
    asks = "import os,sys,yaml,urllib.request as u; s=yaml.safe_load(open(os.environ['KUBECONFIG']))['clusters'][0]['cluster']['server']; print(u.urlopen(s+'/api/v1/namespaces/default/configmaps/a').status)"
    done = fakekube("run", "--only", "api", "--snapshot", str(saved), "--", sys.executable, "-c", asks)
    assert (done.returncode, done.stdout.strip()) == (0, "200"), done.stderr
    dump = fakekube("run", "--only", "api", "--snapshot", str(manifest), "--", sys.executable, "-c", asks)
    assert (dump.returncode, dump.stdout.strip()) == (0, "200"), dump.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["snapshot", "save", "/nowhere/x"], "no kubeconfig found"),
        (["snapshot", "load", "README.md"], "README.md is no snapshot of fakekube"),
        (["snapshot", "load", "/nowhere/x"], "/nowhere/x: No such file"),
        (["run", "--only", "api", "--snapshot", "/nowhere/x", "--", "true"], "/nowhere/x: No such file"),
        (["run", "--only", "api", "--snapshot", "Makefile", "--", "true"], "Makefile"),
    ],
)
def test_what_is_no_snapshot_is_one_sentence(arguments: list[str], hint: str) -> None:
    """Exit code 2 and what is wrong, whatever the file is."""
    done = fakekube(*arguments, KUBECONFIG="/nowhere/kubeconfig")
    assert done.returncode == 2
    assert hint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("clock", "movable"), [("flowing", True), ("manual", True), ("real", False)])
def test_time_can_be_moved_unless_it_is_the_machines(clock: str, movable: bool) -> None:
    """By default time runs and can be pushed ahead, from any language."""
    server = start("up", "--only", "api", *(["--clock", clock] if clock != "flowing" else []))
    try:
        url, _ = connection(server)
        assert json.loads(ask(f"{url}/fakekube/clock"))["movable"] is movable
        push = urllib.request.Request(f"{url}/fakekube/clock/advance", b'{"span": "1h"}', method="POST")
        if movable:
            with urllib.request.urlopen(push, timeout=30) as answer:
                assert json.load(answer)["seconds"] >= 3600
        else:
            with pytest.raises(urllib.error.HTTPError, match="409"):
                urllib.request.urlopen(push, timeout=30)
    finally:
        server.kill()
        server.communicate()
