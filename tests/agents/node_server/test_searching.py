"""`grep`: what it finds and tells, and which patterns it refuses; measured of GNU grep 3.8."""

import pytest

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import Container

FILES = {"/f": "one\ntwo words\nTwo a*b\n", "/d/g": "two\n", "/d/e/.": "", "/d/e/h": "no end"}
AT = Container("p", {}, FILES)


@pytest.mark.parametrize(
    ("line", "out", "code"),
    [
        ("grep two /f", "two words\n", 0),
        ("grep -in two /f", "2:two words\n3:Two a*b\n", 0),
        ("grep -c o /f /d/g", "/f:3\n/d/g:1\n", 0),
        ("grep -hc o /f /d/g; grep -Hc o /f", "3\n1\n/f:3\n", 0),
        ("grep -l two /f /d/g /d/e/h", "/f\n/d/g\n", 0),
        ("grep -rn two /d", "/d/g:1:two\n", 0),
        ("cd /d; grep -r o; grep -R end .", "e/h:no end\ng:two\n./e/h:no end\n", 0),
        ("grep -w wo /f; grep -w words /f", "two words\n", 0),
        ("grep -x 'two.*' /f; grep -F -x -e two /d/g", "two words\ntwo\n", 0),
        ("grep -v -m 1 two /f; grep -m0 o /f", "one\n", 1),
        ("grep -oE 'w|wo|[a-z]+s' /f", "wo\nwords\nwo\n", 0),
        ("grep -o '' /f; grep -vo one /f", "", 0),
        ("grep -oe 'a*b' /f; grep -oF 'a*b' /f; grep -oE 'a\\*b' /f", "b\na*b\na*b\n", 0),
        ("echo 'a+b (c)' | grep -o 'a+b (c)'; echo aab | grep -o 'a\\+'", "a+b (c)\naa\n", 0),
        ("grep 'one\\|Two' /f; grep '^*' /f; grep -E '^(one|$)' /f", "one\nTwo a*b\none\n", 0),
        ("grep '[[:upper:]]' /f; grep '[^a-z ]' /f; grep '[]*]' /f", "Two a*b\n" * 3, 0),
        ("grep '\\<w' /f; grep 'o\\>' /d/g; grep -c '\\bo' /f; grep -c '\\Bo\\w' /f", "two words\ntwo\n1\n1\n", 0),
        ("grep -E 'o{1}' /d/g; grep -E 'x{0}two' /d/g; grep 'o\\{1,\\}$' /d/g", "two\ntwo\ntwo\n", 0),
        ("grep 'one\ntwo' /f; grep -q one /f /none", "one\ntwo words\n", 0),
        ("grep -E '{' /f; grep -E 'a{,1}b' /f", "Two a*b\n", 0),
        ("grep -s x /none; grep --count --ignore-case TWO /f; grep --regexp=one /f", "2\none\n", 0),
    ],
)  # fmt: skip
def test_what_is_found(line, out, code):
    """Lines, their parts, numbers and files are told as GNU's grep tells them."""
    done = shell.line(AT, line)
    assert (done.out, done.code) == (out, code)


def test_patterns_in_patterns():
    """Repetitions in one another without end are given up by whoever reads them."""
    repeated = "a" + "+*" * 2000
    assert shell.program(AT, ["grep", "-E", repeated, "/f"]).err == "grep: stack overflow\n"
    basic = repeated.replace("+", "\\+")
    assert shell.program(AT, ["find", "/", "-regex", basic]).err == "find: stack overflow\n"


@pytest.mark.parametrize(
    ("words", "err"),
    [
        (["["], "Invalid regular expression"),
        (["[a"], "Unmatched [, [^, [:, [., or [="),
        (["[[:alpha:"], "Unmatched [, [^, [:, [., or [="),
        (["[[:foo:]]"], "Invalid character class name"),
        (["[[.ab.]]"], "Invalid collation character"),
        (["[:space:]"], "character class syntax is [[:space:]], not [:space:]"),
        (["a[z-a]"], "Invalid range end"),
        (["[[:alpha:]-z]"], "Invalid range end"),
        (["\\(a"], "Unmatched ( or \\("),
        (["a\\)"], "Unmatched ) or \\)"),
        (["-E", "((a)"], "Unmatched ( or \\("),
        (["a\\{1"], "Unmatched \\{"),
        (["a\\{x\\}"], "Invalid content of \\{\\}"),
        (["-E", "a{2,1}"], "Invalid content of \\{\\}"),
        (["-E", "a{1,99999}"], "Regular expression too big"),
        (["-E", "((a{1000}){1000}){1000}"], "Regular expression too big"),
        (["a\\"], "Trailing backslash"),
        (["\\1"], "Invalid back reference"),
        (["\\(a\\)\\1"], "back references are not emulated"),
        (["-m", "x", "a"], "invalid max count"),
    ],
)
def test_refusals(words, err):
    """What is no pattern is refused in grep's words, and is not taken for one that is not found."""
    done = shell.program(AT, ["grep", *words, "/f"])
    assert (done.out, done.err, done.code) == ("", f"grep: {err}\n", 2)


def test_options_nobody_knows():
    """What would change what is told, and is not known, is refused; files that are not there are told of."""
    assert shell.line(AT, "grep -A 1 one /f").err.startswith("grep: invalid option -- 'A'\nUsage: grep")
    assert shell.line(AT, "grep").code == 2
    done = shell.line(AT, "grep one /f /none /d; echo $?; grep -q none /none")
    assert (done.out, done.code) == ("/f:one\n2\n", 2)
    assert done.err == "grep: /none: No such file or directory\ngrep: /d: Is a directory\ngrep: /none: No such file or directory\n"  # fmt: skip


@pytest.mark.parametrize("pattern", ["(a|a)*b", "((a*)*)*b", "a*a*a*a*a*a*b", "(a|aa)*b", ".*.*.*.*b"])
def test_hostile_patterns(pattern):
    """Patterns that can be matched in many ways take a time that grows with the text, and with nothing else."""
    at = Container("p", {}, {"/f": "a" * 5000, "/g": "a" * 5000 + "b"})
    assert shell.program(at, ["grep", "-cE", pattern, "/f"]).out == "0\n"
    assert len(shell.program(at, ["grep", "-oE", pattern, "/g"]).out) == 5002
    assert shell.program(at, ["find", "/", "-regex", pattern]).out == ""


TREE = Container("pod", files={"/d/x/y.txt": "1\n", "/d/z": "3\n1\n3\n", "/d/new/.": ""})


@pytest.mark.parametrize(
    ("line", "out", "err"),
    [
        ("find /d", "/d /d/new /d/x /d/x/y.txt /d/z", ""),
        ("find /d -type d", "/d /d/new /d/x", ""),
        ("find /d -type f -name *.txt", "/d/x/y.txt", ""),
        ("find /d -maxdepth 1", "/d /d/new /d/x /d/z", ""),
        ("find /d -maxdepth 0", "/d", ""),
        ("find /d/z /none", "/d/z", "find: /none: No such file or directory"),
        ("find -maxdepth 1 -name d", "./d", ""),
        ("find /var", "/var /var/run", ""),
        ("find /d -maxdepth x", "", "find: invalid number 'x'"),
        ("find /d -type l", "", "find: -type l is not emulated"),
    ],
)
def test_files_and_folders(line, out, err):
    """`find` tells the place it begins at, and what is in it."""
    program, *words = line.split()
    found = shell.program(TREE, [program, *words])
    assert (found.out.split(), found.err.strip(), found.code) == (out.split(), err, 1 if err else 0)
