import gzip
import io
import tarfile

import pytest
from msgspec.structs import replace

from fakekube.agents.node_server import parsing, shell
from fakekube.agents.node_server.place import ROOM, Container, Done

AT = Container("p", {"A": "1", "B": "two words"}, {"/etc/hostname": "p\n"})


@pytest.mark.parametrize(
    ("line", "out", "err", "code"),
    [
        ("echo a  'b  c' \"$A\"", "a b  c 1\n", "", 0),
        ("echo '$A' ${B}", "$A two words\n", "", 0),
        ("true && echo yes || echo no", "yes\n", "", 0),
        ("false && echo yes || echo no", "no\n", "", 0),
        ("false; echo $?", "1\n", "", 0),
        ("echo x >&2; exit 3; echo never", "", "x\n", 3),
        ("nope", "", "sh: nope: not found\n", 127),
        ("cat /etc/hostname /none", "p\n", "cat: can't open '/none': No such file or directory\n", 1),
        ("cat /etc - /etc/hostname", "p\n", "cat: read error: Is a directory\n", 1),
        ("md5sum /etc", "", "md5sum: can't read '/etc': Is a directory\n", 1),
        (
            "wc -c /etc /none",
            "0 total\n",
            "wc: /etc: Is a directory\nwc: /none: No such file or directory\n",
            1,
        ),
        ("echo a | md5sum", "60b725f10c9c85c70d97880dfe8191b3  -\n", "", 0),
        ("ls /etc", "hostname\n", "", 0),
        ("printenv A NONE", "1\n", "", 1),
        ("echo 'open", "", "sh: syntax error: unterminated quoted string\n", 2),
        ("cat < /etc/hostname", "", "sh: < is not emulated\n", 2),
        ("echo a > /f; echo b >> /f; cat /f | grep -c .", "2\n", "", 0),
        ("echo gone > /dev/null 2>&1", "", "", 0),
        ("echo a > /f && rm /f; test -f /f || echo none", "none\n", "", 0),
        ("echo a b | awk '{ printf $2 }'", "b", "", 0),
        ("ps | grep -v PID | awk '{print $4}' | head -n 1", "sh\n", "", 0),
        ("echo a,b,c | cut -d , -f 2", "b\n", "", 0),
        ("cat /etc/hostname | wc -l", "1\n", "", 0),
        ("pidof sh", "1\n", "", 0),
        ("echo $(cat /etc/hostname | wc -l) '$(x)' $(nope)b", "1 $(x) b\n", "sh: nope: not found\n", 0),
        ("echo a 1> /dev/null; echo b 1>/f; cat /f", "b\n", "", 0),
        ("mkdir -p /a/b && test -d /a && ls /a; ls -A /a/b /mnt; echo /a/b/*", "b\n/a/b/*\n", "", 0),
        ("find /etc -name '*name' | xargs cat; find /etc -regex '.*/x'", "p\n", "", 0),
        (
            "cat /none 2>/dev/null | wc -l; cat /none 2>&1 | grep -c open; cat /none &> /dev/null",
            "0\n1\n",
            "",
            1,
        ),
        ("grep -rs '^p' /etc; grep -r nope /etc", "/etc/hostname:p\n", "", 1),
        ("[[ ! -e /none ]] && echo no", "no\n", "", 0),
        ("[ ! -f /etc/hostname ]", "", "", 1),
        ("[ ! a b c d ]", "", "sh: test: is not emulated\n", 2),
        ("$(false) || echo no", "no\n", "", 0),
        ("$(true) && echo yes", "yes\n", "", 0),
        ('echo a > /f; X=$(cat /f); echo $X $(echo b >> /f) $(cat /f) "$(cat /f)"', "a a b a\nb\n", "", 0),
        ('echo $(echo $(echo a) "(") \'$(b)\' "$(echo "c  d")" \\$A', "a ( $(b) c  d $A\n", "", 0),
        ("X=$(false); echo $?; false; X=1; echo $?; export X=$(false); echo $?", "1\n0\n0\n", "", 0),
        (
            "cd /etc; cat hostname ./hostname ../etc//hostname; pwd; echo h*e *x; ls",
            "p\np\np\n/etc\nhostname *x\nhostname\n",
            "",
            0,
        ),
        (
            "cd /none; cd etc/hostname; pwd",
            "/\n",
            "sh: cd: can't cd to /none: No such file or directory\nsh: cd: can't cd to etc/hostname: Not a directory\n",
            0,
        ),
        (
            "cd /etc && test -f hostname && grep -r p . && find . -name 'h*' && wc -l hostname",
            "./hostname:p\n./hostname\n1 hostname\n",
            "",
            0,
        ),
        (
            "cd /tmp; touch a; echo b | tee b; mkdir -p c/d; rm a; ls; ls -d c; echo $(cd c; pwd) $PWD; sh -c 'cd c/d; pwd; pwd > e'; cat c/d/e",
            "b\nb\nc\nc\n/tmp/c /tmp\n/tmp/c/d\n/tmp/c/d\n",
            "",
            0,
        ),
        ("HOME=/tmp; cd; cd /etc; echo ~ ~/x '~'; cd -; cd ~; pwd", "/tmp /tmp/x ~\n/tmp\n/tmp\n", "", 0),
        (
            "mkdir a && rm -r a && ls a; ls /; rm -r a",
            "bin\ndev\netc\nhome\nmnt\nproc\nroot\nrun\nsys\ntmp\nusr\nvar\n",
            "ls: a: No such file or directory\nrm: can't remove 'a': No such file or directory\n",
            1,
        ),
        (
            "cd /tmp; echo a > f; cp f g; cp f /etc; mkdir d; cp f g d; cp -r d e; mv g h; mv e/f d/i; find . -type f && cat /etc/f",
            "./d/f\n./d/g\n./d/i\n./e/g\n./f\n./h\na\n",
            "",
            0,
        ),
        (
            "cd /tmp; echo a > f; mkdir d; cp d e; cp f f; mv none x; cp f; cp f d g",
            "",
            "cp: omitting directory 'd'\ncp: 'f' and '/tmp/f' are the same file\nmv: can't stat 'none': No such file or directory\ncp: missing file operand\ncp: target 'g' is not a directory\n",
            1,
        ),
        (
            "chmod +x /etc/hostname /tmp && chmod 644 /none",
            "",
            "chmod: /none: No such file or directory\n",
            1,
        ),
        (
            "printf '1\\n2\\n3\\n' > /f; tail -n +2 /f; head -c 2 /f; tail -c+5 /f; tail -c 2 /f; head -1 /f; tail -n 0 /f",
            "2\n3\n1\n3\n3\n1\n",
            "",
            0,
        ),
        (
            "echo a # no\n\n# nothing\necho 'b\nc' &&\n  echo d#e |\n cat; echo \\\nf; echo '#' \"#\"",
            "a\nb\nc\nd#e\nf\n# #\n",
            "",
            0,
        ),
        (
            'X=$(echo a b; echo c) Y=$(echo d e); echo "$X" $Y; export Z=$(echo f g); echo $Z',
            "a b\nc d e\nf g\n",
            "",
            0,
        ),
        ("set -e; echo a$(false; echo never); X=$(false); echo never", "a\n", "", 1),
        ("echo $(echo a", "", "sh: syntax error: unterminated quoted string\n", 2),
        ('F=/f; echo a > $F; cat /f; [ -n "" ] || echo none; echo \'/*\' "/*"', "a\nnone\n/* /*\n", "", 0),
        (
            "[ 3 -gt 2 ] && [ 2 -le 2 ] && [ 1 -ne 2 ] && [ -1 -lt 0 ] && [ 2 -ge 2 ] && echo pass",
            "pass\n",
            "",
            0,
        ),
        ("[ a -gt 2 ]", "", "sh: out of range\n", 2),
        ("echo 'a  b' | tr -s ' ' | tr ab xy | tr -d x; echo a | tr", " y\n", "tr: missing operand\n", 1),
        ("find /none", "", "find: /none: No such file or directory\n", 1),
        ("find -perm 1", "", "find: unrecognized: -perm\n", 1),
        ("echo a | xargs nope", "", "xargs: nope: No such file or directory\n", 127),
        ("ls /etc/host* && ls /none*", "/etc/hostname\n", "ls: /none*: No such file or directory\n", 1),
        ("cat /*/hostname | grep -c .; echo a*", "1\na*\n", "", 0),
        ("id -g qemu", "107\n", "", 0),
        ("id -u; id -un; id", "0\nroot\nuid=0(root) gid=0(root) groups=0(root)\n", "", 0),
        ("printf 'a\\na\\nb\\n' | uniq | tail -1", "b\n", "", 0),
        ("printf 'x a\\nx b\\n' | grep -m1 -E 'x[[:space:]]+'", "x a\n", "", 0),
        ("sleep 60 & [ 1 -eq 1 ] && echo $?", "0\n", "", 0),
        ("X=5; echo $X ${X}; X=6 printenv X; echo $X", "5 5\n6\n5\n", "", 0),
        ("export X='a b' Y; echo \"$X\"; X=1 | true; echo $X", "a b\na b\n", "", 0),
        ("A=; echo [$A]", "[]\n", "", 0),
        ("sh -c 'X=1; exit 3'; echo $? [$X]", "3 []\n", "", 0),
        ("set -e; false || true; false && true; echo a; false; echo never", "a\n", "", 1),
        ("set -e +e; false; set -o errexit; set +o errexit; false; echo a; env | grep -c =", "a\n2\n", "", 0),
        ("set -eu; sh -c 'false; echo a'; nope; echo never", "a\n", "sh: nope: not found\n", 127),
        ("for i in 1 2; do echo $i; done", "", "sh: for is not emulated\n", 2),
        (
            "if false; then echo a; elif true; then echo b; elif true; then echo c; else echo d; fi; echo $?",
            "b\n0\n",
            "",
            0,
        ),
        (
            "if false || true; then echo a\nif false\nthen echo b\nelse echo c; fi\nelse if true; then echo d; fi; fi",
            "a\nc\n",
            "",
            0,
        ),
        (
            "set -e; if false; then echo a; fi; echo $?; false && if true; then echo b; fi; if true; then false; fi; echo c",
            "0\n",
            "",
            1,
        ),
        ("if false; then echo a; else exit 3; fi; echo b", "", "", 3),
        ("echo a; if true; then echo b", "", "sh: syntax error: unexpected end of file\n", 2),
        ("echo a; fi", "", 'sh: syntax error: unexpected "fi"\n', 2),
        ("echo -e 'a\\tb'; echo -n c; printf '%s=%d%%\\n' a 1", "a\tb\nca=1%\n", "", 0),
        ("echo a | tee /f; echo b | tee -a /f | cat; cat /f", "a\nb\na\nb\n", "", 0),
        ("printf '%s, ' a b; printf %s; printf '-%%\\n' a b", "a, b, -%\n", "", 0),
        ("set -o pipefail; false | cat; echo $?; set +o pipefail; false | cat; echo $?", "1\n0\n", "", 0),
        ("set -eo pipefail; exit 3 | cat; echo a", "", "", 3),
        ("sleep 1m 1; sleep nan; sleep", "", "sleep: invalid number 'nan'\nsleep: missing operand\n", 1),
        ("[ ! ! a ] && [ ! ! ! '' ] && [ ² -eq 2 ]", "", "sh: out of range\n", 2),
        (
            "echo a | head -n ²; find / -regex '['",
            "",
            "find: failed to compile regular expression '[': Invalid regular expression\n",
            1,
        ),
        ("nope | echo b", "b\n", "sh: nope: not found\n", 0),
        ("", "", "", 0),
    ],
)
def test_lines(line, out, err, code):
    """What a line says, where it says it, and what it returns."""
    done = shell.line(AT, line)
    assert (done.out, done.err, done.code) == (out, err, code)


def test_what_has_no_end():
    """Commands that grow and grow, or are in one another without end, are given up."""
    doubled = "X=aaaaaaaa" + "; X=$X$X" * 40
    assert shell.line(AT, doubled).err == "sh: so long a command is not emulated\n"
    deep = f"echo {'$(echo ' * 5000}{')' * 5000}"
    assert shell.line(AT, deep).code == 2
    itself = AT.after({"/s": "sh /s\nsh /s"})
    assert shell.line(itself, "sh /s").err == "sh: a script that runs itself without end is not emulated\n"
    twice = AT.after({"/s": "echo $(sh /s) $(sh /s)"})
    assert shell.line(twice, "sh /s").err == "sh: a script that runs itself without end is not emulated\n"
    assert shell.program(itself, ["sh", "/s"]).code == 2
    assert shell.line(AT, "xargs " * 5000 + "echo a").out == "a\n"
    assert shell.line(AT, f"echo {'x' * (1 << 18)}").err == "sh: so long a line is not emulated\n"
    assert shell.line(AT.after({f"/{'a' * 200}": ""}), "echo /*a*a*a*a*a*a*a*a*b").out[:3] == "/*a"
    assert shell.line(AT, f"{'if ' * 40}true").err == "sh: so much in one another is not emulated\n"


LONG, MANY = {"/f": "ab" * 500_000}, {f"/d/{number}": "" for number in range(16_000)}


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({f"/s{at}": f"sh /s{at + 1}\n" * 2 for at in range(40)}, "sh /s0"),
        ({}, ":;" * 60_000),
        (LONG, f"cat{' /f' * 40_000}"),
        ({"/f": "/f " * 300_000}, "xargs cat < /dev/null; cat /f | xargs cat"),
        (LONG, f"{'echo a >> /f; ' * 9000}"),
        (LONG, f"cat /f{' | cat' * 20_000}"),
        (LONG, f"head -n 1 /f{'; head -n 1 /f' * 9000}"),
        (LONG, "cd /; tar cf t f; tar cf u t; tar cf v t u; tar cf w t u v; tar cf x t u v w"),
        (LONG, "grep -oE 'a.*c|b' /f"),
        (LONG, f"grep -r c{' /' * 40_000}"),
        ({"/f": "a{9000}\n" * 100}, 'grep -E "$(cat /f)" /f'),
        ({f"/{'d/' * 500}f": "a" * 10_000}, f"grep -Ho a /{'d/' * 500}f"),
        ({f"/{'d/' * 500}f": "\n" * 10_000}, f"grep -H '' /{'d/' * 500}f"),
        (LONG, f"md5sum{' /f' * 40_000}"),
        (MANY, f"cp -r /d /{'a' * 60_000}"),
        (MANY, f"find /d{'/.' * 60_000}"),
        (MANY, f"find{' /' * 9000}"),
        (MANY, f"ls{' /d' * 9000}"),
        (MANY, f"touch{' /d' * 40_000}"),
        (MANY, f"echo{' /d/*x' * 20_000}"),
        (MANY, "tar c /d"),
        ({"/s": "\n" * 1_000_000}, "sh /s"),
        ({}, f"printf {'a' * 60_000}%s{' a' * 30_000}"),
    ],
)
def test_what_is_too_much(files, line):
    """A line that runs, reads, says or passes by more than a line may is given up, whatever it is that grows."""
    done = shell.line(AT.after(files), line)
    assert done == Done(err="sh: a line that does so much is not emulated\n", code=2)


@pytest.mark.parametrize(
    ("files", "line", "err"),
    [
        ({"/f": "y" * 200_000}, f"X=$(cat /f); echo {'$X' * 40_000}", "sh: so long a command is not emulated\n"),
        ({"/f": "y" * 200_000}, f"HOME=$(cat /f); echo{' ~' * 40_000}", "sh: so long a command is not emulated\n"),
        (MANY, f"echo{' /d/*' * 9000}", "sh: so long a command is not emulated\n"),
        ({}, f"touch {' '.join(f'/{number}' for number in range(17_000))}", "touch: /16999: No space left on device\n"),
        ({}, f"grep -E '{'(' * 20_000}' /f", "grep: Regular expression too big\n"),
        ({}, f"mkdir {'/a' * 3000}", f"mkdir: {'/a' * 3000}: File name too long\n"),
        ({}, "cut -d '' -f 1", "cut: the delimiter must be a single character\n"),
        ({"/f": ""}, f"head -n {'9' * 5000} /f | cut -f {'9' * 5000}", "cut: only one field is emulated\n"),
    ],
)  # fmt: skip
def test_what_nobody_has_room_for(files, line, err):
    """Words, files and numbers that grow beyond what a container has room for are refused by whoever meets them."""
    at = AT.after({"/etc/x": ""})
    assert shell.line(replace(at, files={**at.files, **files}, given={}), line).err == err


def test_much_that_is_not_too_much():
    """Thousands of commands, and a file as long as there is room, are no trouble."""
    assert shell.line(AT, "echo a;" * 4000).out == "a\n" * 4000
    at = AT.after(LONG)
    assert shell.line(at, "cat /f | grep -c b; wc -c /f").out == "1\n1000000 /f\n"
    assert shell.line(at, "cat /f | tr -s b | tail -c 4").out == "abab"


def test_programs():
    """Without a shell nothing is split or replaced; a shell runs its argument, or its input line by line."""
    assert shell.program(AT, ["echo", "$A;", "b"]).out == "$A; b\n"
    assert shell.program(AT, ["/bin/sh", "-c", "echo $A"]).out == "1\n"
    assert shell.program(AT, ["sh"], "echo a\necho b\nexit 4\necho c\n") == Done("a\nb\n", code=4)
    assert shell.program(AT, ["sh", "-e", "-s"], "echo a\nfor x\necho b\n").out == "a\n"
    assert shell.program(AT, ["bash", "-o", "errexit", "-c", "false; echo a"]) == Done(code=1)
    assert shell.program(AT, ["bash", "-euo", "pipefail", "-c", "echo $A"]).out == "1\n"
    assert shell.program(AT, ["bash", "--login", "-lc", "echo $A"]).out == "1\n"
    assert shell.program(AT, ["sh", "/etc/hostname"]).err == "sh: p: not found\n"
    assert shell.program(AT, ["sh", "/none"]).err == "sh: can't open '/none': No such file or directory\n"
    assert shell.program(AT, ["sh", "-c"]).code == 2
    assert shell.program(AT, ["sh", "-s", "x"], "echo a\n").out == "a\n"
    assert shell.program(AT, ["cat"], "in") == Done("in")
    assert shell.program(AT, ["sleep", "5"]).sleep == 5
    assert (
        shell.program(AT, ["sleep", "infinity"]).sleep == shell.program(AT, ["sleep", "1e300d"]).sleep == 1e9
    )
    with pytest.raises(shell.NotFound):
        shell.program(AT, ["vi"])


@pytest.mark.parametrize(
    ("words", "waits"),
    [
        (["cat"], True),
        (["cat", "/f"], False),
        (["/bin/tar", "-xmf", "-", "-C", "/x"], True),
        (["grep", "a"], True),
        (["grep", "a", "/f"], False),
        (["head", "-n", "5"], True),
        (["sh", "-c", "cat > /f"], True),
        (["sh", "-ec", "cd /x; X=1 tee f 2>/dev/null"], True),
        (["sh", "-c", "echo a | cat; cat /f"], False),
        (["sh", "-c", "echo 'open"], False),
        (["sh"], False),
    ],
)
def test_programs_that_read(words, waits):
    """A program that reads waits for all of its input; one that is given files, or reads what another says, does not."""
    assert parsing.reads(words) == waits


def test_archives():
    """What one `tar` packs another unpacks, bytes, empty folders and all, also of a part, zipped, or in another folder."""
    at = AT.after({"/d/b": "\udcff\0\n", "/d/e/.": "", "/d/a/a/f": "1\n"})
    made = shell.line(
        at,
        "tar cvf /t.tar -C / d && tar -czf /t.gz /d; mkdir /x; cd /x; tar xf /t.tar; tar -xzf /t.gz -C /y d/a; find /x /y -type f",
    )
    assert made.out.splitlines()[:6] == ["d/", "d/a/", "d/a/a/", "d/a/a/f", "d/b", "d/e/"]
    assert made.out.splitlines()[6:] == ["/x/d/a/a/f", "/x/d/b", "/y/d/a/a/f"]
    assert (made.wrote["/x/d/b"], made.wrote["/x/d/e/."]) == ("\udcff\0\n", "")
    assert made.err == "tar: Removing leading `/' from member names\n"
    assert shell.line(at, "cd /d; tar c a | tar t; tar cf - . | tar xvf - -C /z").out == (
        "a/\na/a/\na/a/f\n./\n./a/\n./a/a/\n./a/a/f\n./b\n./e/\n"
    )
    assert shell.line(at, "tar c /d /none").code == 2
    for command, said in (
        ("tar c", "tar: Cowardly refusing to create an empty archive"),
        ("tar cf - /none", "tar: /none: Cannot stat: No such file or directory"),
        ("tar xf /none", "tar: /none: Cannot open: No such file or directory"),
        ("echo a | tar x", "tar: This does not look like a tar archive"),
        ("tar --nope", "tar: unrecognized option 'nope'"),
        ("tar v", "tar: You must specify one of the '-Acdtrux' options"),
    ):
        done = shell.line(at, command)
        assert (done.out, done.code, said in done.err) == ("", 2, True), command


def test_archives_from_elsewhere():
    """Links are told of and left out, no file leaves the folder, and none is larger than a container."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("../up", "kept"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "kept"
        archive.addfile(link)
    done = shell.program(AT, ["tar", "-xmf", "-", "-C", "/x"], made.getvalue().decode())
    assert (done.wrote, done.code) == ({"/x/kept": ""}, 2)
    assert done.err.splitlines()[:2] == [
        "tar: ../up: Member name contains '..'",
        "tar: link: links are not emulated",
    ]
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        large = tarfile.TarInfo("large")
        large.size = ROOM + 1
        archive.addfile(large, io.BytesIO(bytes(large.size)))
    done = shell.program(AT, ["tar", "x"], made.getvalue().decode())
    assert (done.err, done.code) == ("tar: large: Cannot write: No space left on device\n", 2)


def test_archives_that_are_none():
    """What is broken, or unpacks to more than anybody has room for, is told of, and nothing is written."""

    def unpacked(data):
        return shell.program(AT, ["tar", "xz"], data.decode(errors="surrogateescape"))

    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("./a//b/../b/./c"))
        one = tarfile.TarInfo("./a/./d/")
        one.type = tarfile.DIRTYPE
        archive.addfile(one)
        archive.addfile(tarfile.TarInfo("e/./f"))
    packed = gzip.compress(made.getvalue(), mtime=0)
    assert unpacked(packed).wrote == {"/a/d/.": "", "/e/f": ""}
    broken = bytearray(packed)
    broken[12:40] = bytes(28)
    for data in (bytes(broken), packed[:40], gzip.compress(bytes(range(256)) * 4), b"\x1f\x8b"):
        done = unpacked(data)
        assert (done.wrote, done.code, "not look like a tar archive" in done.err) == ({}, 2, True)
    assert unpacked(gzip.compress(bytes(17 << 20))).err == "tar: Cannot write: No space left on device\n"
