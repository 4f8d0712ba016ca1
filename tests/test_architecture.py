"""The architecture holds: contracts between packages, time and randomness from one place, nothing heavy at the start."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakekube.lifecycle import generate

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("fakekube/**/*.py"), *ROOT.glob("controller/**/*.py")])
# Whoever asks the machine for time or randomness, outside the two modules whose business it is.
FORBIDDEN = {
    "datetime.now",
    "datetime.utcnow",
    "time.time",
    "time.sleep",
    "time.monotonic",
    "asyncio.sleep",
    "uuid.uuid4",
    "uuid4",
    "random.random",
    "random.choice",
    "random.randint",
    "os.urandom",
}


def calls(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def test_contracts() -> None:
    """Every sentence of .importlinter is true."""
    tool = Path(sys.executable).with_name("lint-imports")
    if not tool.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run([tool, "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_time_and_randomness() -> None:
    """Only clock.py asks what time it is, only ids.py throws dice."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {call}"
        for path in SOURCES
        if path.name not in ("clock.py", "ids.py")
        for line, call in calls(path)
        if call in FORBIDDEN
    ]
    assert found == []


def test_modules_explain_themselves() -> None:
    """Every module opens with what it is for."""
    silent = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


@pytest.mark.parametrize(
    "heavy", ["pydantic", "jsonschema", "rich", "trustme", "cryptography", "hypothesis", "yaml"]
)
def test_start_up_is_light(heavy: str) -> None:
    """A started server, with all actors, has not imported what only few runs need."""
    code = f"""
import asyncio, sys
from fakekube.cluster import Cluster
from fakekube.server import Server
async def main():
    async with Cluster() as cluster, Server(cluster):
        pass
asyncio.run(main())
sys.exit({heavy!r} in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr or f"{heavy} was imported"


def test_no_leftovers() -> None:
    """No file of the project names a folder of somebody's machine."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout.split()
    needles = ("/home/", "/Users/")
    found = [
        name
        for name in listed
        if (ROOT / name).suffix in {".py", ".md", ".toml", ".yaml"}
        and (ROOT / name).exists()
        and name != "tests/test_architecture.py"
        and any(needle in (ROOT / name).read_text() for needle in needles)
    ]
    assert found == []


def test_what_servers_read_is_what_the_files_say() -> None:
    """The stages of the package are read from JSON: run `python -m fakekube.lifecycle.generate` after a change of their YAML."""
    wanted = generate.files()
    assert {path: path.read_bytes() for path in wanted} == wanted
    present = {path.with_suffix(".json") for path in generate.PACKAGE.glob("**/stages/*.yaml")}
    assert present == set(generate.PACKAGE.glob("**/stages/*.json"))
