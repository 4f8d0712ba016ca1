"""The page on fates and the code agree, and every failure on it has a test that is named after it."""

import re
from pathlib import Path

from fakekube.agents import fates as pods
from fakekube.virt.cdi import fates as volumes
from fakekube.virt.handler import fates as guests

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/fates.md").read_text()
WORD = re.compile(r"`([a-z]+(?:-[a-z]+)*)(?:=[0-9a-z]+)?`")


def test_words():
    """Every word the code knows is on the page."""
    known = {
        *pods.WORDS,
        *guests._DURATIONS,
        *guests._FLAGS,
        "fail-to-boot",
        "unbound",
        "no-heartbeat",
        "never-ready",
    }
    assert (known | {"takes", *volumes.WORDS}) - set(WORD.findall(PAGE)) == set()


def test_numbers():
    """Every failure on the page is proven by a test that names it."""
    proven = set()
    for file in (ROOT / "tests/virt").rglob("test_*.py"):
        proven |= set(re.findall(r"F-\d\d", file.read_text()))
    listed = set(re.findall(r"^\| (F-\d\d) ", PAGE, re.MULTILINE))
    assert len(listed) > 30
    assert listed - proven == set()
