"""The examples of docs/testing.md are tests, and pass."""

import re
from pathlib import Path

import pytest
import yaml  # noqa: F401 - C extensions mind being forgotten and imported again

import fakekube
import fakekube.testing.real
import fakekube.testing.with_asyncio
from fakekube.testing import errors, report  # noqa: F401 - imported before pytester looks, and so not forgotten

pytest_plugins = ["pytester"]
PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"


def test_the_examples_of_the_page_pass(pytester, request):
    """Each block is a module of its own, in which the pool of the first is known."""
    with fakekube.Server() as server:
        server.settle()
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    pool = re.match(r'POOL = """.*?"""\n', blocks[0], re.DOTALL)
    assert pool is not None
    for number, block in enumerate(blocks):
        pytester.makepyfile(**{f"test_example_{number}": pool.group() + block})
    pytester.makeini(INI)
    known = [] if request.config.pluginmanager.hasplugin("fakekube") else ["-p", "fakekube.pytest_plugin"]
    outcome = pytester.runpytest_inprocess(*known, "-p", "no:cacheprovider").parseoutcomes()
    assert outcome.keys() <= {"passed", "skipped"}
    assert sum(outcome.values()) == sum(block.count("def test_") for block in blocks)


@pytest.mark.parametrize(
    "word", ["--fakekube-seed", "fakekube_session", "after_commit", "/fakekube/clock/advance"]
)
def test_the_page_speaks_of_what_there_is(word):
    """The names users look for are on the page."""
    assert word in PAGE.read_text()
