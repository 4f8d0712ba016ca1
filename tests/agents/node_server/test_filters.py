"""Programs that read lines: of one file, of several, and of those that are not there."""

import pytest

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import Container

AT = Container("pod", files={"/a": "b 2\na 10\na 10\n", "/c": "x\n"})


@pytest.mark.parametrize(
    ("line", "out", "err", "code"),
    [
        (["wc", "-l", "/a"], "3 /a\n", "", 0),
        (["wc", "/a", "/c"], "3 6 14 /a\n1 1 2 /c\n4 7 16 total\n", "", 0),
        (["wc", "-l", "/a", "/no"], "3 /a\n3 total\n", "wc: /no: No such file or directory\n", 1),
        (["head", "-1", "/a"], "b 2\n", "", 0),
        (["head", "-n1", "/a", "/c"], "==> /a <==\nb 2\n\n==> /c <==\nx\n", "", 0),
        (["head", "-qn1", "/a", "/c"], "b 2\nx\n", "", 0),
        (
            ["tail", "-n", "+3", "/a", "/no"],
            "==> /a <==\na 10\n",
            "tail: /no: No such file or directory\n",
            1,
        ),
        (["tail", "-c", "2", "/a"], "0\n", "", 0),
        (["head", "/tmp"], "", "head: /tmp: Is a directory\n", 1),
        (["sort", "-u", "/a"], "a 10\nb 2\n", "", 0),
        (["sort", "-rn", "-"], "10\n9\nx\n-1\n", "", 0),
        (["sort", "/a", "/no"], "", "sort: /no: No such file or directory\n", 2),
        (["uniq", "-c", "/a"], "      1 b 2\n      2 a 10\n", "", 0),
        (["cut", "-d", " ", "-f2", "/no"], "", "cut: /no: No such file or directory\n", 1),
        (["awk", "{print $2}", "/c", "/no"], "\n", "awk: /no: No such file or directory\n", 1),
        (["hexdump", "/no"], "", "hexdump: /no: No such file or directory\n", 1),
    ],
)
def test_what_is_read(line, out, err, code):
    """Files are told by their names where there are several; what is missing is complained of, and the rest read."""
    done = shell.program(AT, line, "9\n10\n-1\nx\n")
    assert (done.out, done.err, done.code) == (out, err, code)
