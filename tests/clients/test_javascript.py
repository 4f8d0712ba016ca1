"""@kubernetes/client-node: the example of its page, as a user would run it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = Path(sys.prefix) / "node" / "node_modules"  # where `make setup` puts it
EXAMPLES = re.findall(
    r"^```javascript\n(.*?)^```", (ROOT / "docs/clients/javascript.md").read_text(), re.MULTILINE | re.DOTALL
)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on PATH")
@pytest.mark.skipif(
    not (MODULES / "@kubernetes").is_dir(), reason="no @kubernetes/client-node; make setup installs it"
)
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_of_the_page_runs(tmp_path: Path, example: str) -> None:
    """Objects, time and faults from JavaScript, with nothing set up but `fakekube run`."""
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / "example.mjs").write_text(example)
    done = subprocess.run(
        [sys.executable, "-m", "fakekube", "run", "--", "node", str(tmp_path / "example.mjs")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "all is well\n"), done.stderr
