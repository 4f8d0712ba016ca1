"""Benchmarks say what they mean: goals, growth, and a page that needs nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.records import Record, exponent

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("power", "sizes"), [(1.0, (10, 100, 1000)), (2.0, (3, 5, 8)), (0.0, (1, 10))])
def test_growth_is_fitted(power, sizes):
    """The exponent of times that follow a power is that power."""
    assert exponent({size: 0.5 * size**power for size in sizes}) == pytest.approx(power)


def test_goals_are_met_from_their_own_side():
    """Times and memory are to be low, rates high; without a goal there is no verdict."""
    assert Record("time", 1, "s", 2).met
    assert not Record("rate", 1, "/s", 2, most=False).met
    assert Record("figure", 1, "").met is None


def test_the_page_has_a_table_and_curves_and_needs_nothing_else():
    """Figures whose names differ in a size become a curve; text is escaped; nothing is fetched."""
    some = [Record(f"pool ready, {size:,} VMs", size / 100, "s", 5) for size in (100, 1_000)]
    some.append(Record("<b> & co", 1234.5, "/s", 1000, most=False, remark="a < b"))
    text = page.html("a machine", {"machines": some}, {"<b> & co": 100.0})
    assert page.series(some) == {"pool ready, n VMs (s)": {100: 1.0, 1_000: 10.0}}
    assert text.count("<svg") == 1
    assert "&lt;b&gt; &amp; co" in text
    assert "12.35×" in text or "12.34×" in text
    assert "class='n missed'" in text
    assert "http" not in text


def test_parts_can_be_listed_and_misspelt():
    """`--list` names them; a wrong name is one sentence."""
    run = [sys.executable, "-m", "benchmarks"]
    listed = subprocess.run([*run, "--list"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"requests", "machines", "fixtures", "fairness", "events", "soak", "leaks"} <= set(
        listed.stdout.split()
    )
    wrong = subprocess.run(
        [*run, "--only", "nonsense"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "there is no part 'nonsense'" in wrong.stderr


def test_a_part_is_written_as_json_and_as_a_page(tmp_path):
    """The quickest part, run as a user would."""
    command = [sys.executable, "-m", "benchmarks", "--only", "import", "--report", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    written = json.loads((tmp_path / "bench.json").read_text())
    assert [one["unit"] for one in written["parts"]["import"]] == ["s", "s", "s"]
    assert "<table>" in (tmp_path / "bench.html").read_text()
