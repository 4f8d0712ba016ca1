"""The pytest plugin: fixtures, options and the marker. Imports nothing of fakekube before a test asks for a cluster.

`fakekube` (blocking, behind a socket), `afakekube` (in the test's own loop), `fakekube_session` (loaded once, forked
for every test), `kubeconfig`, `kubectl`. What they are is `fakekube.testing`'s.
"""

from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from fakekube.testing import requested

if TYPE_CHECKING:
    from fakekube.testing.kit import Fakekube
    from fakekube.testing.threaded import Server

_MARKER = (
    "fakekube(only, without, pace, nodes, seed, clock, manifests, stages, snapshot, kubernetes, kubevirt): how this test wants its cluster. Actors by name or "
    "group, a pace (instant, fast, realistic, chaos), the number of nodes, a seed, a clock (manual, flowing, real), what to "
    "apply before the test begins, and stages of your own."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fakekube", "a Kubernetes API server with KubeVirt that is not a cluster")
    group.addoption("--fakekube-seed", metavar="N", help="seed of names, uids and jitter, or `random`")
    group.addoption("--fakekube-pace", metavar="PACE", help="instant, fast, realistic or chaos")
    group.addoption(
        "--fakekube-kubeconfig", metavar="FILE", help="run the tests on the real cluster this leads to"
    )
    for name, (kind, text) in requested.INI.items():
        parser.addini(name, text, type=kind, default=None)  # type: ignore[arg-type]  # checked above


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    # Asynchronous fixtures have to be made in the way of whoever runs asynchronous tests here.
    here = "fakekube.testing"
    with_asyncio = config.pluginmanager.hasplugin("asyncio")
    config.pluginmanager.register(
        import_module(f"{here}.{'with_asyncio' if with_asyncio else 'without_asyncio'}")
    )


# --- fixtures --------------------------------------------------------------------------------------------------


@pytest.fixture
def fakekube(request: pytest.FixtureRequest) -> Iterator["Server"]:
    """A cluster behind a socket, in a thread of its own; safe with clients that block."""
    with _server(request) as server:
        requested.remember(request.node, server.kit, server)
        yield server


@pytest.fixture(scope="session")
def fakekube_session(request: pytest.FixtureRequest) -> Iterator["Server"]:
    """A cluster to load once. `fakekube` and `afakekube` of a test that asks for it, too, begin as forks of it."""
    from fakekube.testing.threaded import Server  # noqa: PLC0415

    if request.config.getoption("--fakekube-kubeconfig"):
        pytest.skip("a real cluster cannot be forked")
    chosen = requested.configured(request.config)
    with Server(options=chosen, clock=chosen.clock or "manual") as server:
        yield server


@pytest.fixture
def kubeconfig(fakekube: "Server") -> Path:
    """The file that leads to this test's cluster."""
    return fakekube.kubeconfig


@pytest.fixture
def kubectl(fakekube: "Server") -> Callable[..., str]:
    """`kubectl("get vmpool")`: what it printed. The test is skipped where there is no kubectl."""
    from shutil import which  # noqa: PLC0415

    if which("kubectl") is None:
        pytest.skip("there is no kubectl on PATH")
    return fakekube.kubectl


def _server(request: pytest.FixtureRequest) -> "Server":
    from fakekube.testing.threaded import Server  # noqa: PLC0415

    real = request.config.getoption("--fakekube-kubeconfig")
    if not real:
        return Server(options=requested.options(request), fork=requested.origin(request))
    from fakekube.testing.real import on_real_cluster  # noqa: PLC0415

    return Server.around(lambda: on_real_cluster(real, request.node.name))


# --- failing, and telling why ----------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test whose faults never fired, or whose server broke."""
    if requested.KITS not in item.stash:
        return (yield)
    from fakekube.testing.errors import ServerErrors  # noqa: PLC0415
    from fakekube.testing.kit import OnlyHere  # noqa: PLC0415
    from fakekube.testing.report import problems  # noqa: PLC0415

    with ServerErrors() as errors:
        try:
            result = yield
        except OnlyHere as why:
            pytest.skip(str(why))
    found = list(errors.found)
    for kit, _ in item.stash[requested.KITS]:
        if kit.is_ours:
            found += problems(kit.cluster)
    if found:
        pytest.fail("\n".join(found), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Add to a failed test what happened in its clusters, and show its own lines only: `--full-trace` has ours as well."""
    if call.excinfo is not None and requested.KITS in item.stash and not item.config.getoption("fulltrace"):
        call.excinfo = _their_lines(call.excinfo)
    report = yield
    if report.when == "call" and report.failed:
        for kit, server in item.stash.get(requested.KITS, ()):
            if kit.is_ours:
                report.sections.append(("fakekube", _told(kit, server)))
    return report


def _their_lines(found: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """The same error, without the frames of ours and those between our threads; so with what led to it."""
    before = found.value.__cause__ or found.value.__context__
    while before is not None:
        before.__traceback__ = _lines_of_others(before.__traceback__)
        before = before.__cause__ or before.__context__
    shown = _lines_of_others(found.tb)
    return found if shown is None else pytest.ExceptionInfo.from_exc_info((found.type, found.value, shown))


def _lines_of_others(entry: TracebackType | None) -> TracebackType | None:
    theirs: list[TracebackType] = []
    while entry is not None:
        module = str(entry.tb_frame.f_globals.get("__name__"))
        if not module.startswith(("fakekube.", "concurrent.futures.")):
            theirs.append(entry)
        entry = entry.tb_next
    shown: TracebackType | None = None
    for one in reversed(theirs):
        shown = TracebackType(shown, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return shown


def _told(kit: "Fakekube", server: "Server | None") -> str:
    from fakekube.testing.report import timeline  # noqa: PLC0415

    told = timeline(kit.cluster)
    if server is not None:
        return f"seed: {server.options.seed}\n{server.thread(told)}"
    try:
        told.send(None)  # reads memory only: it never has to wait, and needs no loop
    except StopIteration as done:
        return f"seed: {kit.seed}\n{done.value}"
    return "the timeline could not be read"
