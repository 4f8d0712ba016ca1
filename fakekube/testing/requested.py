"""What a test has asked for, by marker, command line and ini file, and which clusters it got. For the plugin."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fakekube.cluster import Cluster
    from fakekube.testing.kit import Fakekube
    from fakekube.testing.options import ClockKind, Options
    from fakekube.testing.templates import Fork
    from fakekube.testing.threaded import Server

INI = {
    "fakekube_only": ("args", "actors to run, by name or group"),
    "fakekube_without": ("args", "actors not to run"),
    "fakekube_manifests": ("args", "files and folders to apply before each test"),
    "fakekube_stages": ("args", "files and folders of stages, beside and in place of the standard ones"),
    "fakekube_snapshot": ("string", "a saved cluster, or a real one's dump, to begin with"),
    "fakekube_pace": ("string", "instant, fast, realistic or chaos"),
    "fakekube_clock": ("string", "manual, flowing or real"),
    "fakekube_nodes": ("string", "how many nodes"),
    "fakekube_kubernetes": ("string", "the version of Kubernetes to show"),
    "fakekube_kubevirt": ("string", "the version of KubeVirt to show"),
    "fakekube_seed": ("string", "the seed of names, uids and jitter, or `random`"),
}


KITS = pytest.StashKey[list[tuple["Fakekube", "Server | None"]]]()


def remember(item: pytest.Item, kit: "Fakekube", server: "Server | None" = None) -> None:
    """Let hooks find the clusters of a test."""
    item.stash.setdefault(KITS, []).append((kit, server))


def refused(why: str) -> BaseException:
    """The end of a test that asked for nonsense: one sentence, no traceback."""
    return pytest.fail.Exception(why, pytrace=False)


def origin(request: pytest.FixtureRequest) -> "Fork | None":
    """How the cluster of this test is forked from the session's, where the test asks for that one."""
    if "fakekube_session" not in request.fixturenames:
        return None
    session: Server = request.getfixturevalue("fakekube_session")
    if options(request).parts != session.options.parts:
        raise refused(
            "only, without, nodes, snapshot and versions cannot differ from fakekube_session's; change them in the ini file, or do without it"
        )
    from fakekube.testing.templates import fork  # noqa: PLC0415

    def forked(chosen: "Options", clock: "ClockKind") -> "Cluster":
        session.settle()
        return session.thread.do(lambda: fork(session.kit.cluster, chosen, clock))

    return forked


def options(request: pytest.FixtureRequest) -> "Options":
    """Marker before command line before ini file. Raises UsageError."""
    from fakekube.testing.options import BadOption  # noqa: PLC0415

    chosen = configured(request.config)
    for marker in reversed(list(request.node.iter_markers("fakekube"))):
        if marker.args:
            raise refused("@pytest.mark.fakekube takes named arguments: only=…, without=…, pace=…")
        try:
            chosen = chosen.with_(**marker.kwargs)
        except BadOption as error:
            raise refused(f"@pytest.mark.fakekube: {error}") from None
    return chosen


def configured(config: pytest.Config) -> "Options":
    from fakekube.testing.options import BadOption, Options  # noqa: PLC0415

    given: dict[str, Any] = {}
    for name in INI:
        if (value := config.getini(name)) not in (None, [], ""):
            given[name.removeprefix("fakekube_")] = value
    for name in ("seed", "pace"):
        if (value := config.getoption(f"--fakekube-{name}")) is not None:
            given[name] = value
    try:
        for name in ("seed", "nodes"):
            if name in given:
                given[name] = _number(config, name, given[name])
        return Options().with_(**given)
    except BadOption as error:
        raise refused(f"fakekube: {error}") from None


_RANDOM_SEED = pytest.StashKey[int]()


def _number(config: pytest.Config, name: str, text: str) -> int:
    if name == "seed" and text == "random":
        if _RANDOM_SEED not in config.stash:
            from fakekube.ids import Ids  # noqa: PLC0415

            config.stash[_RANDOM_SEED] = Ids().random.randrange(1_000_000)
        return config.stash[_RANDOM_SEED]
    if not str(text).isdecimal():
        raise refused(f"fakekube: {name}={text!r}: a whole number from 0 on is expected")
    return int(text)
