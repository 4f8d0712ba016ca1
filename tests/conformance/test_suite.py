"""The conformance suite as a part of this project: its always-on part passes, its coverage is written down."""

import ast
import contextlib
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import orjson
from msgspec import Struct

from conformance import coverage, mutants
from conformance.conftest import BARE, FULL
from conformance.implementations import DEVIATIONS
from conformance.mutations import MUTANTS, SAFETY, UNSEEN
from conformance.statements import load
from controller.__main__ import PATIENCE
from fakekube.client import own_kubeconfig

ROOT = Path(__file__).parents[2]
FAKEKUBE = [sys.executable, "-m", "fakekube", "conformance"]


def run(*arguments):
    """As from a shell: clusters of a suite that runs in this process are none of its business."""
    environment = {name: value for name, value in os.environ.items() if name not in (FULL, BARE)}
    return subprocess.run(
        [*FAKEKUBE, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_our_controller_passes(tmp_path):
    """The smoke tests, some of every section, pass on a fakekube with our controller, and are reported."""
    outcome = run("--smoke", "--jobs", "4", "--report", str(tmp_path))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    report = orjson.loads((tmp_path / "report.json").read_bytes())
    sections = {one["section"] for one in report["results"] if one["verdict"] == "passed"}
    assert sections == {one.section for one in load("pool")}
    page = (tmp_path / "report.html").read_text()
    assert all(one["id"] in page for one in report["results"])
    assert "<svg" in page
    writes = [one for result in report["results"] for one in result["requests"]]
    assert any(
        one[1].startswith("virtualmachinepool") and one[2].startswith("create virtualmachines")
        for one in writes
    )
    assert "create virtualmachines" in page
    assert not {"src=", "href=", "url("} & set(re.findall(r"src=|href=|url\(", page)), (
        "it needs nothing from elsewhere"
    )
    assert (tmp_path / "junit.xml").is_file()


def test_a_controller_of_another_process_passes(tmp_path):
    """So does it where KubeVirt and the controller are a socket apart, and each acts on what the other did a moment ago:
    what VMs keep, lose and leave behind."""
    config = tmp_path / "kubeconfig"
    with (
        process(
            "fakekube", "up", "--port", "0", "--without", "pool-controller", "--kubeconfig", config
        ) as server,
        process("controller", "--kubeconfig", config, "--metrics-port", "0") as controller,
    ):
        chosen = ",".join(f"P-{number}" for number in range(105, 119))
        # The longest that anything may take by itself: a request that nobody answers is given up and sent again after a minute.
        patience = str(PATIENCE + 15)
        where = ("--kubeconfig", str(config), "--controller", "none", "--patience", patience)
        outcome = run(*where, "--select", chosen, "--jobs", "4")
        alive = (server.process.poll(), controller.process.poll())
        told = "\n".join((outcome.stdout, outcome.stderr, *server.said, *controller.said))
        assert (alive, outcome.returncode) == ((None, None), 0), told


class Child(Struct):
    """A process, and the lines it has said."""

    process: subprocess.Popen
    said: list[str]


@contextlib.contextmanager
def process(module, *arguments):
    """`python -m module …`, from its first line of output on. It is listened to: a full pipe would bring it to a stand."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as started:
        assert started.stdout is not None
        first = started.stdout.readline()
        assert first, f"{module} ended at once"
        child = Child(started, [first])
        listener = threading.Thread(target=child.said.extend, args=(started.stdout,))
        listener.start()
        try:
            yield child
        finally:
            started.terminate()
            started.wait(timeout=30)
            listener.join()


def test_who_says_much_is_not_stopped_by_it():
    """A child that fills a pipe goes on, and all it said is there for whoever wonders why it failed."""
    with process("timeit", "-n1", "-r1", "print('first', flush=True); print('x' * 1_000_000)") as child:
        assert child.process.wait(timeout=60) == 0
    assert any(len(line) > 1_000_000 for line in child.said)


def test_without_a_controller_it_fails(tmp_path):
    """The suite is no rubber stamp: where nobody looks after pools, what needs a controller fails, the rest passes.

    What could not be tried is reported with the reason; who waited for the controller says whether it has written.
    """
    chosen = ("--select", "P-001,P-036,P-044,P-069,P-178", "--report", str(tmp_path))
    outcome = run("--controller", "none", *chosen, "--patience", "2", "--jobs", "3")
    assert outcome.returncode == 1
    assert "4 failed, 1 passed, 1 skipped" in outcome.stdout
    assert "Asked again, the server says: it was not written" in outcome.stdout
    results = orjson.loads((tmp_path / "report.json").read_bytes())["results"]
    assert [(one["id"], one["verdict"]) for one in results] == [
        ("P-001", "passed"),
        ("P-036", "skipped"),
        ("P-044", "failed"),
        ("P-069", "failed"),
        ("P-069", "failed"),
        ("P-178", "failed"),
    ]
    assert results[1]["why"] == "needs a cluster without a VM controller (--bare-kubeconfig)"
    assert "<code>p-0</code>" in (tmp_path / "report.html").read_text()


def test_mistakes_are_one_sentence():
    """A kubeconfig that does not exist, ids that nothing has, or a pattern that is none, end with 2 and no traceback."""
    missing = run("--kubeconfig", "/nowhere/at/all")
    assert (missing.returncode, missing.stderr) == (2, "fakekube: /nowhere/at/all does not exist\n")
    folder = run("--kubeconfig", "/")
    assert (folder.returncode, folder.stderr) == (2, "fakekube: / is no file\n")
    nothing = run("--select", "X-9", "--jobs", "0")
    assert (nothing.returncode, nothing.stderr) == (
        2,
        "fakekube: no test is chosen by --select or --smoke; ids look like P-044, D-08, S-06\n",
    )
    unread = run("--select", "P-0[,]")
    assert (unread.returncode, unread.stderr) == (
        2,
        "fakekube: --select P-0[ is no pattern: unterminated character set at position 3\n",
    )
    assert run("--patience", "-1").returncode == 2
    unwritten = run("--report", "/dev/null/report")
    assert (unwritten.returncode, unwritten.stderr) == (
        2,
        "fakekube: cannot write a report to /dev/null/report: Not a directory\n",
    )


def test_clusters_that_cannot_be_judged_are_one_sentence(tmp_path):
    """A kubeconfig that leads nowhere, or that nobody can read, is told before any test runs."""
    config = tmp_path / "config"
    config.write_text("nonsense: [")
    unread = run("--kubeconfig", str(config), "--select", "P-044", "--jobs", "0")
    assert (unread.returncode, "Traceback" in unread.stdout + unread.stderr) == (2, False)
    assert f"{config} leads to no cluster" in unread.stderr
    config.write_text("clusters: one")
    odd = run("--kubeconfig", str(config), "--select", "P-044", "--jobs", "0")
    assert f"{config} leads to no cluster: it is no kubeconfig" in odd.stderr
    config = tmp_path / "away"
    own_kubeconfig.write(config, "http://127.0.0.1:9")
    config.write_text(config.read_text().replace(", user: fakekube", ""))  # nobody in particular
    away = run("--kubeconfig", str(config), "--select", "P-044", "--jobs", "0")
    assert (away.returncode, "Traceback" in away.stdout + away.stderr) == (2, False)
    assert f"{config} leads to no cluster: All connection attempts failed" in away.stderr


def test_the_coverage_is_up_to_date():
    """COVERAGE.md is what `python -m conformance.coverage` writes."""
    assert coverage.PAGE.read_text() == coverage.page(), "run python -m conformance.coverage"


def test_every_pool_statement_is_proven_or_explained():
    """Each P- and S-number has a test over the API alone, or a reason why not, and never both."""
    proven = coverage.tests("conformance")
    for one in (*load("pool"), *load("page")):
        assert (one.id in proven) != (one.id in coverage.EXPLAINED), one.id


def test_deviations_name_statements():
    """Every deviation belongs to a test that exists; defects of upstream are among its deviations."""
    proven = coverage.tests("conformance")
    for some in DEVIATIONS.values():
        assert set(some) <= set(proven)
    defects = {one.id for one in load("pool") if one.kind == "defect"}
    assert defects <= set(DEVIATIONS["kubevirt-1.9"])
    assert not defects & set(DEVIATIONS["ours"])


def test_every_mutant_finds_what_it_breaks():
    """The check of mutants, which is run seldom, follows changes of the controller."""
    sources = {path.stem: path.read_text() for path in (mutants.ROOT / "controller").glob("*.py")}
    lost = [one.old for one in MUTANTS + SAFETY if one.old not in sources[one.file]]
    assert lost == []


def test_every_rule_is_broken_once():
    """Each function of the controller that decides something has a mutant, or a reason why none could be noticed."""
    deciding = "building healing naming observe patches plan preservation revisions scaling selection semantics spec status updating"
    without = set()
    for module in deciding.split():
        source = (mutants.ROOT / "controller" / f"{module}.py").read_text()
        broken = [
            source[: source.index(one.old)].count("\n") + 1 for one in MUTANTS + SAFETY if one.file == module
        ]
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("__"):
                first, last = node.lineno, node.end_lineno
                if last - first >= 3 and not any(first <= line <= last for line in broken):
                    without.add(f"{module}.{node.name}")
    assert without == set(UNSEEN)


def test_mutants_are_counted():
    """Equivalent mutants count neither way and are told apart; one that a test notices after all is told as well."""
    real, said = (
        mutants.Mutant("plan", "a", "b", "P-001"),
        mutants.Mutant("plan", "a", "b", "P-001", "no matter"),
    )
    some = [mutants.verdict_of(one, seen=seen) for one, seen in ((real, True), (real, False), (said, False))]
    assert mutants.summary(some) == (
        "1 of 2 mutants noticed: 50.0%; apart from them, 1 that change nothing anybody could see"
    )
    wrong = mutants.verdict_of(said, seen=True)
    assert mutants.summary([wrong]) == "0 of 0 mutants noticed; 1 said to be equivalent are not"


def test_mutants_can_be_chosen():
    """Some of them by text, by the ids of the tests that should notice, and by lot, which a seed repeats."""
    assert mutants.choose(MUTANTS) == list(MUTANTS)
    assert {one.file for one in mutants.choose(MUTANTS, only="healing")} >= {"healing"}
    assert all("P-09" in one.hint for one in mutants.choose(MUTANTS, select="P-09."))
    tenth = mutants.choose(MUTANTS, sample=10, seed=1)
    assert len(tenth) == -(-len(MUTANTS) // 10)
    assert tenth == mutants.choose(MUTANTS, sample=10, seed=1) != mutants.choose(MUTANTS, sample=10, seed=2)
