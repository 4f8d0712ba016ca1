"""How the suite runs: against a kubeconfig, or a fakekube it starts; which tests; what an implementation may fail at."""

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from conformance import asked, following, launching, recording, reporting
from conformance import world as worlds
from conformance.implementations import DEVIATIONS
from conformance.kube import Kube, trouble
from conformance.statements import load

FULL, BARE = "CONFORMANCE_KUBECONFIG", "CONFORMANCE_BARE_KUBECONFIG"
_ID = re.compile(r"^test_([PDS])_(\d+)")
_STATEMENTS = {one.id: one for table in ("pool", "page") for one in load(table)}
_STARTED = pytest.StashKey[contextlib.ExitStack]()
_WORLD = pytest.StashKey[worlds.World]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--kubeconfig", default="", help="the cluster to judge; without, a fakekube is started")
    group.addoption(
        "--bare-kubeconfig", default="", help="a cluster of its kind without KubeVirt's controllers"
    )
    group.addoption(
        "--controller",
        choices=["ours", "none"],
        default="",
        help="whether this project's pool controller is to run (default: only without --kubeconfig)",
    )
    group.addoption(
        "--implementation", choices=sorted(DEVIATIONS), default="ours", help="whose controller is judged"
    )
    group.addoption(
        "--select", default="", metavar="IDS", help="comma-separated patterns of ids: P-04., P-1, D"
    )
    group.addoption(
        "--patience", type=float, default=30.0, metavar="SECONDS", help="for anything that is to come"
    )
    group.addoption(
        "--report", default="", metavar="DIR", help="write junit.xml, report.json and report.html there"
    )


def pytest_configure(config: pytest.Config) -> None:
    for kind in sorted({one.kind for one in _STATEMENTS.values()}):
        config.addinivalue_line("markers", f"{kind}: a statement of this kind")
    config.addinivalue_line("markers", "smoke: one or two of each section; what is always run")
    config.addinivalue_line(
        "markers", "needs_no_vm_controller: the test plays KubeVirt itself, on a bare fakekube"
    )
    folder = config.getoption("--report")
    if folder and not hasattr(config, "workerinput"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        config.option.xmlpath = config.option.xmlpath or str(Path(folder, "junit.xml"))
        config.pluginmanager.register(reporting.Collector(Path(folder), config.getoption("--implementation")))


def pytest_sessionstart(session: pytest.Session) -> None:
    """The first process starts what is needed; xdist's workers inherit where it is."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly or FULL in os.environ:
        return
    given, ours = config.getoption("--kubeconfig"), config.getoption("--controller")
    for kubeconfig in filter(None, (given, config.getoption("--bare-kubeconfig"))):
        if wrong := asyncio.run(trouble(kubeconfig)):
            raise pytest.UsageError(wrong)
    with contextlib.ExitStack() as stack:
        if given:
            bare = config.getoption("--bare-kubeconfig")
            os.environ |= {FULL: given} | ({BARE: bare} if bare else {})
            for kubeconfig in filter(None, (given, bare)) if ours == "ours" else ():
                stack.enter_context(launching.controller(kubeconfig))
        else:
            without = ("pool-controller",) if ours == "none" else ()
            os.environ[FULL] = stack.enter_context(launching.fakekube(*without))
            if ours != "none":
                os.environ[BARE] = stack.enter_context(launching.fakekube(*launching.NO_KUBEVIRT))
        for name in (FULL, BARE):
            stack.callback(os.environ.pop, name, None)
        config.stash[_STARTED] = stack.pop_all()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _STARTED in config.stash:
        config.stash[_STARTED].close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    patterns = [re.compile(one.strip()) for one in config.getoption("--select").split(",") if one.strip()]
    deviations = DEVIATIONS[config.getoption("--implementation")]
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        id_ = behaviour(item)
        if id_ is None:
            kept.append(item)
            continue
        (kept if not patterns or any(one.match(id_) for one in patterns) else dropped).append(item)
        if pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        if id_ in _STATEMENTS:
            item.add_marker(_STATEMENTS[id_].kind)
        if "bare" in getattr(item, "fixturenames", ()):
            item.add_marker("needs_no_vm_controller")
        if id_ in deviations:
            one = deviations[id_]
            item.add_marker(pytest.mark.xfail(reason=one.reason, run=one.run, strict=one.certain))
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the report of a test say what it proves and what happened meanwhile. xdist passes plain members on."""
    report = yield
    id_ = behaviour(item)
    if (
        isinstance(item, pytest.Function)
        and id_ is not None
        and (report.when == "call" or (report.when == "setup" and report.skipped))
    ):
        statement = _STATEMENTS.get(id_)
        more = vars(report)  # which a report keeps, and passes on from worker to worker
        more["behaviour"] = {
            "id": id_,
            "kind": statement.kind if statement else "sensible",
            "section": statement.section if statement else "In place of upstream's oddities",
            "statement": statement.text if statement else (item.obj.__doc__ or "").partition(": ")[2],
            "case": item.callspec.id if hasattr(item, "callspec") else "",
        }
        world = item.stash.get(_WORLD, None)
        if world is not None and report.failed and following.IN_VAIN not in report.longreprtext:
            report.sections.append(("How things stood", world.follower.describe()))
        if world is not None and item.config.getoption("--report"):
            more["timeline"] = recording.rows(world.follower)
            more["requests"] = asked.requests(world.kube.server, world.namespace, world.follower.clock())
    return report


def behaviour(item: pytest.Item) -> str | None:
    found = _ID.match(item.name)
    return f"{found[1]}-{found[2]}" if found else None


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def kube() -> AsyncIterator[Kube]:
    """The cluster that is judged."""
    async with Kube(os.environ[FULL]) as connection:
        yield connection


@pytest_asyncio.fixture(loop_scope="session")
async def world(request: pytest.FixtureRequest, kube: Kube) -> AsyncIterator[worlds.World]:
    """A namespace of the test's own."""
    async with _namespace(request, kube) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def bare(request: pytest.FixtureRequest) -> AsyncIterator[worlds.World]:
    """The same where nobody but the pool controller and the garbage collector works, so that tests can play KubeVirt."""
    if BARE not in os.environ:
        pytest.skip("needs a cluster without a VM controller (--bare-kubeconfig)")
    async with Kube(os.environ[BARE]) as connection, _namespace(request, connection) as found:
        yield found


@contextlib.asynccontextmanager
async def _namespace(request: pytest.FixtureRequest, connection: Kube) -> AsyncIterator[worlds.World]:
    name = f"{behaviour(request.node) or 'x'}-{secrets.token_hex(3)}".lower()
    async with worlds.world(connection, name, request.config.getoption("--patience")) as found:
        request.node.stash[_WORLD] = found
        yield found


@pytest.fixture
def implementation(request: pytest.FixtureRequest) -> str:
    """Whose controller is judged."""
    chosen: str = request.config.getoption("--implementation")
    return chosen
