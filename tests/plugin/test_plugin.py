"""The plugin as a user's project meets it: each test here runs a small suite of its own."""

import subprocess
import sys
import textwrap

import pytest
import yaml  # noqa: F401 - C extensions mind being forgotten and imported again

import fakekube
import fakekube.testing.real
import fakekube.testing.with_asyncio
from fakekube.testing import errors, fixture, report  # noqa: F401 - see `warm`

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
pytest_plugins = ["pytester"]

POOL = """
POOL = '''
apiVersion: pool.kubevirt.io/v1beta1
kind: VirtualMachinePool
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  virtualMachineTemplate:
    metadata: {labels: {app: web}}
    spec:
      runStrategy: Always
      template:
        metadata: {labels: {app: web}}
        spec: {domain: {devices: {}, memory: {guest: 64Mi}}}
'''
READY = "jsonpath={.status.readyReplicas}=2"
"""
INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


@pytest.fixture(scope="module", autouse=True)
def warm():
    """Import everything once: pytester forgets what is first imported inside a suite, and C extensions mind that."""
    with fakekube.Server() as server:
        server.apply(CONFIG)
        server.settle()


@pytest.fixture
def suite(pytester, request):
    """Run a suite; its outcome."""
    known = [] if request.config.pluginmanager.hasplugin("fakekube") else ["-p", "fakekube.pytest_plugin"]

    def run(code, *arguments, ini=INI, files=None):
        pytester.makeini(ini)
        pytester.makepyfile(f"import pytest\n{POOL}\n{textwrap.dedent(code)}")
        for name, text in (files or {}).items():
            pytester.path.joinpath(name).write_text(text)
        return pytester.runpytest_inprocess(*known, "-p", "no:cacheprovider", *arguments)

    return run


def test_a_pool_becomes_ready_in_the_tests_own_loop(suite):
    """Five lines: apply, wait, look. Time stands still except while the test waits."""
    suite(
        """
        async def test_it(afakekube):
            pool = await afakekube.apply(POOL)
            await afakekube.wait(pool, READY)
            machines = await afakekube.list("vm")
            assert len(machines) == 2
            said = [one["reason"] for one in await afakekube.events(machines[0])]
            assert "SuccessfulCreate" in said
            assert afakekube.cluster.clock.monotonic() < 60
            states = await afakekube.history("vm/web-0")
            assert states[0]["metadata"]["name"] == "web-0" and len(states) > 3
            assert afakekube.requests(verb="create", kind="vmi", client="virt-controller")
        """
    ).assert_outcomes(passed=1)


def test_blocking_clients_get_a_server_of_their_own(suite):
    """The sync fixture serves on a port, from a thread; helpers block; the kubeconfig leads there."""
    suite(
        """
        import json, urllib.request
        def test_it(fakekube, kubeconfig):
            pool = fakekube.apply(POOL)
            fakekube.wait(pool, READY)
            url = fakekube.url + "/apis/kubevirt.io/v1/namespaces/default/virtualmachines"
            with urllib.request.urlopen(url) as answer:
                assert len(json.load(answer)["items"]) == 2
            assert fakekube.url in kubeconfig.read_text()
            fakekube.advance("1h")
            fakekube.delete("vmpool/web")
            fakekube.wait("vmpool/web", "delete")
            assert fakekube.get("ns", "default")["status"]["phase"] == "Active"
        """
    ).assert_outcomes(passed=1)


def test_kubectl_speaks_to_the_cluster_of_the_test(suite):
    """The fixture runs the real kubectl, or the test is skipped."""
    outcome = suite(
        """
        def test_it(fakekube, kubectl):
            fakekube.apply(POOL)
            assert "web" in kubectl("get vmpool")
            with pytest.raises(AssertionError, match="NotFound"):
                kubectl("get vmpool nothing")
        """
    ).parseoutcomes()
    assert outcome in ({"passed": 1}, {"skipped": 1})


def test_every_test_begins_anew(suite):
    """What one test makes, the next does not see; uids and names are the same for the same seed."""
    suite(
        """
        seen = []
        @pytest.mark.parametrize("run", [1, 2, 3])
        async def test_it(afakekube, run):
            assert not await afakekube.list("vmpool")
            await afakekube.apply(POOL)
            await afakekube.wait("vmpool/web", READY)
            seen.append([one["metadata"]["uid"] for one in await afakekube.list("vmi")])
            assert seen[0] == seen[-1]
        """
    ).assert_outcomes(passed=3)


def test_a_session_is_loaded_once_and_forked(suite):
    """Tests that ask for the session's cluster begin with what it holds, and leave it as it was."""
    suite(
        """
        @pytest.fixture(scope="session")
        def loaded(fakekube_session):
            fakekube_session.apply(POOL)
            fakekube_session.wait("vmpool/web", READY)

        async def test_one(fakekube_session, loaded, afakekube):
            for machine in await afakekube.list("vm"):
                await afakekube.delete(machine)
            await afakekube.delete("vmpool/web")
            await afakekube.wait("vmpool/web", "delete")

        async def test_two(fakekube_session, loaded, afakekube):
            assert len(await afakekube.list("vmi")) == 2
            await afakekube.advance("10m")
            assert all(one["status"]["phase"] == "Running" for one in await afakekube.list("vmi"))

        def test_three(fakekube_session, loaded, fakekube):
            assert len(fakekube.list("vmi")) == 2
        """
    ).assert_outcomes(passed=3)


def test_the_marker_chooses_parts_pace_nodes_seed_and_manifests(suite, pytester):
    """Marker before command line before ini file."""
    suite(
        """
        @pytest.mark.fakekube(without=["kubevirt"], nodes=3, manifests=["config.yaml"], seed=5)
        async def test_it(afakekube):
            assert len(await afakekube.list("no")) == 3
            assert (await afakekube.get("cm/a"))["data"] == {"k": "v"}
            assert afakekube.seed == 5
            with pytest.raises(ValueError, match="the cluster serves no 'vm'"):
                await afakekube.list("vm")

        async def test_the_line(afakekube):
            assert afakekube.seed == 7
            assert len(await afakekube.list("node")) == 2
        """,
        "--fakekube-seed=7",
        ini=f"{INI}fakekube_nodes = 2\nfakekube_seed = 1\n",
        files={"config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"},
    ).assert_outcomes(passed=2)


def test_the_marker_brings_stages(suite):
    """Stages of the marker are played; a file that cannot be is refused with its place."""
    stage = """
        apiVersion: kwok.x-k8s.io/v1alpha1
        kind: Stage
        metadata: {name: seen}
        spec:
          resourceRef: {apiGroup: v1, kind: ConfigMap}
          once: true
          next: {patches: [{root: data, template: {seen: "here"}}]}
    """
    result = suite(
        """
        @pytest.mark.fakekube(stages="seen.yaml")
        async def test_it(afakekube):
            await afakekube.apply("apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: a}\\n")
            await afakekube.settle()
            assert (await afakekube.get("configmap/a"))["data"] == {"seen": "here"}

        @pytest.mark.fakekube(stages="none.yaml")
        async def test_refused(afakekube): pass
        """,
        files={"seen.yaml": textwrap.dedent(stage)},
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*none.yaml: cannot be read: No such file or directory*"])


@pytest.mark.parametrize(
    ("marker", "hint"),
    [
        ("wihtout=['kubevirt']", "there is no option 'wihtout'; did you mean 'without'?"),
        ("without=['kubevir']", "there is no actor named 'kubevir'; did you mean kubevirt?"),
        ("pace='instnat'", "pace='instnat' is unknown; did you mean 'instant'?"),
        ("clock='frozen'", "clock='frozen' is unknown; there are manual, flowing, real"),
        ("nodes=-1", "nodes=-1: a whole number from 0 on is expected"),
        ("'kubevirt'", "takes named arguments"),
    ],
)
def test_misspelt_options_are_refused_with_what_was_meant(suite, marker, hint):
    """Nobody tests something else than he believes; the refusal is a sentence, not a traceback."""
    result = suite(f"@pytest.mark.fakekube({marker})\ndef test_it(fakekube): pass\n")
    result.assert_outcomes(errors=1)
    assert hint in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_a_fault_that_never_fired_fails_the_test(suite):
    """A test of error handling that met no error has tested nothing."""
    result = suite(
        """
        def test_it(fakekube):
            fakekube.faults.add(verb="update", kind="vm", status=409)

        def test_optional(fakekube):
            fakekube.faults.add(verb="update", kind="vm", status=409, optional=True)

        async def test_fired(afakekube):
            fault = afakekube.faults.add(verb="create", kind="vmi", status=500)
            await afakekube.apply(POOL)
            await afakekube.wait("vmpool/web", READY)
            assert fault.fired == 1
        """
    )
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*a fault never fired: 409 on verb=update kind=vm*optional=True*"])


def test_a_failed_test_tells_what_happened(suite):
    """Requests in order with what they led to, refusals with the server's words, faults, seed and time."""
    result = suite(
        """
        def test_it(fakekube):
            fakekube.faults.add(verb="create", kind="pod", status=500)
            fakekube.apply(POOL)
            fakekube.wait("vmpool/web", READY)
            assert not "so"
        """,
        "--fakekube-seed=42",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- fakekube -*",
            "seed: 42",
            "cluster time: *",
            "fault: 500 on verb=create kind=pod: fitted 3, fired 1 times",
            "*s  virt-controller: create pods default → 500 etcdserver: leader changed [[]500 on *",
            "*VirtualMachinePool default/web: readyReplicas *2",
        ]
    )


def test_a_wait_in_vain_shows_the_object(suite):
    """The refusal has the expression, why it ended, and the status there was instead."""
    result = suite(
        """
        async def test_it(afakekube):
            await afakekube.apply(POOL)
            await afakekube.wait("vmpool/web", "jsonpath={.status.readyReplicas}=3", timeout="5m")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Failed: virtualmachinepools/web: jsonpath={.status.readyReplicas}=3: not so *",
            '*"readyReplicas": 2*',
        ]
    )


def test_a_test_begins_when_nothing_is_left_to_do(suite):
    """What the cluster did to get there is no news: no write of it falls into the test, and none is told when it fails."""
    result = suite(
        """
        async def test_quiet(afakekube):
            await afakekube.settle()
            assert [str(one) for one in afakekube.requests(verb="write") if one.status < 400] == []

        async def test_told(afakekube):
            await afakekube.get("vm/a")
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    told = result.stdout.str().partition("after the start")[2]
    assert "no answer" not in told
    assert "endpoints" not in told
    assert "get virtualmachines default/a → 404" in told


def test_conditions_of_ones_own_may_find_nothing_yet(suite):
    """A function that misses what is still to come is asked again; in the end it is told what it missed."""
    result = suite(
        """
        import fakekube

        async def test_comes(afakekube):
            await afakekube.apply(fakekube.vm("a"))
            vm = await afakekube.wait("vm/a", lambda vm: vm["status"]["ready"])
            assert vm["status"]["printableStatus"] == "Running"

        async def test_never_comes(afakekube):
            await afakekube.apply(fakekube.vm("a"))
            await afakekube.wait("vm/a", lambda vm: vm["status"]["colour"], timeout=5)
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*not so within 5 s of the cluster's time*at last it raised KeyError('colour')*"]
    )


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("None", "None cannot be applied; give YAML, a path, an object or several"),
        ('{"kind": "ConfigMap", "metadata": {"name": "a"}}', "object: the object has no apiVersion"),
        ('[{"apiVersion": "v1", "kind": "ConfigMap"}]', "object: the ConfigMap has no metadata.name"),
    ],
)
def test_what_is_no_object_is_not_applied(suite, given, hint):
    """One sentence tells what is missing."""
    result = suite(f"async def test_it(afakekube): await afakekube.apply({given})")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*ManifestError: {hint}"])


def test_an_error_of_the_server_fails_the_test(suite):
    """With its traceback, even if the test itself was content."""
    result = suite(
        """
        async def test_it(afakekube):
            async def broken(*_, **__):
                raise ZeroDivisionError("broken on purpose")
            afakekube.cluster.api.registry.create = broken
            with pytest.raises(Exception):
                await afakekube.client.create(__import__("fakekube.machinery.resources").machinery.resources.CONFIG_MAPS,
                    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}})
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError: broken on purpose*"])


def test_strict_mode_and_plain_asyncio_fixtures(suite):
    """Users of pytest-asyncio's strict mode mark their tests and need nothing else."""
    suite(
        """
        @pytest.mark.asyncio
        async def test_it(afakekube):
            assert await afakekube.get("ns/default")
        """,
        ini=INI.replace("auto", "strict"),
    ).assert_outcomes(passed=1)


def test_anyio(suite):
    """Tests with anyio's mark have a cluster in asyncio's event loop, beside pytest-asyncio in strict mode."""
    pytest.importorskip("anyio")
    suite(
        """
        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_it(afakekube):
            await afakekube.apply(POOL)
            await afakekube.wait("vmpool/web", READY)
        """,
        ini=INI.replace("auto", "strict"),
    ).assert_outcomes(passed=1)


def test_another_event_loop_is_told():
    """Where no loop of asyncio runs, as with anyio's other backend, the fixture says what to do."""
    with pytest.raises(pytest.fail.Exception, match="have the fixture `anyio_backend` return 'asyncio'"):
        fixture.afakekube(None).__anext__().send(None)


def test_a_loop_that_is_not_the_fixtures(suite):
    """A cluster that is asked from another loop than its own, where nothing would ever happen, says so at once."""
    result = suite(
        """
        @pytest.mark.asyncio(loop_scope="module")
        async def test_it(afakekube):
            await afakekube.settle()
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *WrongLoop: this cluster lives in another event loop than this code*"])


def test_a_project_without_configuration(suite):
    """Coroutines that ask for a cluster need no mark and no mode, directly or by a fixture; others are left alone."""
    run = suite(
        """
        @pytest.fixture
        def kit(afakekube):
            return afakekube

        async def test_directly(afakekube):
            assert await afakekube.list("ns")

        class TestIn:
            @pytest.mark.parametrize("kind", ["ns", "crd"])
            async def test_by_a_fixture(self, kit, kind):
                assert await kit.list(kind)

        def test_not_waiting(afakekube):
            assert afakekube.client

        @pytest.mark.xfail(reason="nobody runs it")
        async def test_without():
            pass
        """,
        ini=INI.replace("asyncio_mode = auto\n", ""),
    )
    run.assert_outcomes(passed=4, xfailed=1)


def test_a_mistake_is_shown_where_it_was_made(suite):
    """Lines of the test lead to its failure, and none of what it called; `--full-trace` has them all."""
    code = """
        def test_blocking(fakekube):
            fakekube.wait("ns/default", "phase=Active")

        async def test_not_blocking(afakekube):
            await afakekube.get("ns/nowhere")

        async def test_with_a_cause(afakekube):
            await afakekube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "A"}})
        """
    short = suite(code)
    short.assert_outcomes(failed=3)
    short.stdout.fnmatch_lines(
        [
            "*Unclear: cannot wait for 'phase=Active'*",
            '*NotFound: namespaces "nowhere" not found',
            "*The above exception was the direct cause of the following exception:",
            "*ManifestError: object: configmap/A was refused*",
        ]
    )
    short.stdout.no_fnmatch_line("*threaded.py*")
    short.stdout.no_fnmatch_line("*client.py*")
    suite(code, "--full-trace").stdout.fnmatch_lines(["*client.py*"])


def test_the_same_tests_run_on_another_cluster(suite):
    """`--fakekube-kubeconfig` leads them to a cluster over HTTP, each in its own namespace; what needs our time is skipped."""
    with fakekube.Server(clock="flowing") as other:
        result = suite(
            """
            async def test_async(afakekube):
                await afakekube.apply(POOL)
                await afakekube.wait("vmpool/web", READY, timeout="1m")
                assert afakekube.namespace != "default"

            def test_sync(fakekube):
                fakekube.apply("apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: a}")
                assert fakekube.get("cm/a")["metadata"]["namespace"] == fakekube.namespace

            async def test_time(afakekube):
                await afakekube.advance("10m")
            """,
            f"--fakekube-kubeconfig={other.kubeconfig}",
        )
        result.assert_outcomes(passed=2, skipped=1)
        assert not other.list("vmpool", namespace="default")
        names = [one["metadata"]["name"] for one in other.list("ns")]
        assert any(name.startswith("test-async-") for name in names) or "default" in names


def test_suites_run_in_parallel(suite):
    """Under xdist every worker has clusters of its own."""
    pytest.importorskip("xdist")
    suite(
        """
        @pytest.mark.parametrize("run", range(6))
        def test_it(fakekube, run):
            fakekube.apply(POOL)
            fakekube.wait("vmpool/web", READY)
            assert len(fakekube.list("vm")) == 2
        """,
        "-n2",
    ).assert_outcomes(passed=6)


def test_importing_the_plugin_imports_no_server():
    """Suites that use none of the fixtures pay for none of it."""
    code = "import sys, fakekube.pytest_plugin; print([m for m in sys.modules if m.startswith(('aiohttp', 'orjson', 'fakekube.api', 'fakekube.cluster'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
