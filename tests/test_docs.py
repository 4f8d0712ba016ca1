"""The documentation cannot rot: its examples run, its links lead somewhere, its options are the command's."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KUBECTL = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")


def examples(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}-{number}", text)
        for page in PAGES
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text()), 1)
        if kind == language
    ]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    # Examples say `.venv/bin/fakekube`; here it is the interpreter of these tests that runs it.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=os.environ | {"PATH": path} | environment,
        check=False,
    )


@pytest.mark.parametrize(("place", "code"), examples("python"), ids=lambda value: value[:40])
def test_python_examples(place: str, code: str) -> None:
    """Every Python example runs as it stands."""
    done = run([sys.executable, "-W", "error", "-c", code])
    assert done.returncode == 0, f"{place}\n{done.stderr}"


@KUBECTL
@pytest.mark.parametrize("place", ["docs/how-to.md"])
def test_how_to(place: str) -> None:
    """Every command of the how-to works as it stands."""
    for name, script in examples("sh"):
        if name.startswith(place):
            done = run(["bash", "-euo", "pipefail", "-c", script.replace(".venv/bin/fakekube", "fakekube")])
            assert done.returncode == 0, f"{name}\n{script}\n{done.stderr}"


@KUBECTL
def test_tutorial(tmp_path: Path) -> None:
    """The tutorial's commands, one after the other against one server, all work."""
    script = "\n".join(text for name, text in examples("sh") if name.startswith("docs/tutorial.md"))
    (tmp_path / "tutorial.sh").write_text(f"set -euo pipefail\n{script}")
    done = run(["fakekube", "run", "--nodes", "3", "--", "bash", str(tmp_path / "tutorial.sh")])
    assert done.returncode == 0, done.stderr
    assert "Created VM default/vm-pool-cirros-0" in done.stdout
    last = done.stdout.rstrip().splitlines()[-1]
    assert last.startswith("vm-pool-cirros-0 "), "only the detached machine is left"


@KUBECTL
def test_readme_command() -> None:
    """The README's one-liner does what it says."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"^ {4}(\.venv/bin/fakekube run .*)$", text, re.MULTILINE)
    assert found is not None
    done = run(["bash", "-c", found.group(1).replace(".venv/bin/fakekube", "fakekube")])
    assert "condition met" in done.stdout, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    """Every relative link leads to something that exists."""
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("command", ["up", "run"])
def test_options_are_documented(command: str) -> None:
    """The reference names every option of the command, and no other."""
    helped = set(
        re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", run(["fakekube", command, "--help"]).stdout, re.MULTILINE)
    )
    documented = set(re.findall(r"^\| `(--[a-z-]+)`", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE))
    assert helped == documented


def test_make_explains_itself() -> None:
    """`make` alone lists every target with what it does."""
    if shutil.which("make") is None:
        pytest.skip("no make on PATH")
    listed = run(["make"]).stdout
    targets = re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "check", "bench", "e2e", "fmt", "clean"} <= set(targets)
    for target in targets:
        assert re.search(rf"^  {target}\s+\S", listed, re.MULTILINE), target


def test_demo() -> None:
    """The demonstration plays to its end without a terminal."""
    done = run([sys.executable, "-W", "error", "examples/demo.py"])
    assert done.returncode == 0, done.stdout + done.stderr
    first, *steps = done.stdout.split("\n* ")[1:]
    assert len(steps) == 3
    assert re.match(r"a pool of 3 VMs comes up\n +VMPool +SuccessfulCreate", first), (
        "it tells of nothing else"
    )
    assert "All of it came about" in done.stdout


def test_the_fakes_own_paths_are_what_the_pages_say() -> None:
    """Every path below /fakekube/ that a page names is described by the server."""
    from fakekube import admin

    named = {
        (page.name, path)
        for page in PAGES
        for path in re.findall(r"(?<!\.\.)/fakekube/([a-z][a-z0-9/-]*(?:\.json)?)", page.read_text())
        + re.findall(r'control\((?:t, |&url, )?"([a-z/-]+)"', page.read_text())
    }
    assert len(named) > 10
    assert {one for one in named if admin.PREFIX + one[1] not in admin._document()["paths"]} == set()
