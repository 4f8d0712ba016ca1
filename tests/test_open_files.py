"""How many files a server may have open."""

import resource
import subprocess
import sys

import pytest

_CODE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from fakekube.cli.open_files import allow_many
print(allow_many(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard", "then"), [(256, 1_024, 1_024), (512, 512, 512)])
def test_the_soft_limit_is_raised(soft: int, hard: int, then: int) -> None:
    """As far as the hard limit allows, which stays."""
    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("even fewer files are allowed here")
    code = _CODE.format(soft=soft, hard=hard)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(then), str(then), str(hard)]
