"""The console of a guest, without a socket: what is typed, what is shown, what is done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakekube.virt.handler import shell, systems
from fakekube.virt.handler.guest_programs import Machine

MACHINE = Machine(
    "vm",
    {"prettyName": "Fedora Linux 42", "kernelRelease": "6.14.0", "machine": "x86_64", "id": "fedora"},
    (("eth0", "02:00:00:00:00:01", "10.244.0.5"),),
    (("vda", "1Gi"), ("vdb", "")),
    topology=(2, 1),
    identity="b007",
)


def inside(user="fedora", machine=MACHINE):
    """A session somebody has logged in to."""
    return shell.fed(shell.booted(machine).session, f"{user}\rsecret\r".encode(), 0.0).session


def run(line, uptime=0.0, session=None):
    """(what is shown between the echo and the next prompt, the turn)."""
    turn = shell.fed(session or inside(), f"{line}\r".encode(), uptime)
    return turn.output.decode().removeprefix(f"{line}\r\n").rpartition("\r\n")[0], turn


def test_login():
    """Behind what the kernel says a getty greets and asks; the name is echoed, the password is not; then there is a prompt."""
    opened = shell.booted(MACHINE)
    assert opened.output.startswith(b"[    0.000000] Linux version 6.14.0\r\n")
    greeting = b"\r\nFedora Linux 42\r\nKernel 6.14.0 on an x86_64 (ttyS0)\r\n\r\nvm login: "
    assert opened.output.endswith(greeting)
    turn = shell.fed(opened.session, b"\r", 0.0)
    assert turn.output == b"\r\n" + greeting
    turn = shell.fed(turn.session, b"fedora\r", 0.0)
    assert turn.output == b"fedora\r\nPassword: "
    turn = shell.fed(turn.session, b"secret\r", 0.0)
    assert turn.output == b"\r\n[fedora@vm ~]$ "
    assert inside("root").stage == "shell"
    assert shell.fed(inside("root"), b"\r", 0.0).output == b"\r\n[root@vm ~]# "


def test_room():
    """All that is written in a guest has an end; a disk can be mounted that fills it, and what is removed makes room."""
    session = run(f"echo {'x' * 3000} > /a")[1].session
    for _ in range(7):
        session = run("cat /a /a > /b; cat /b > /a; rm /b", session=session)[1].session
    session = run("mkfs /dev/vdb; mount /dev/vdb /m; cat /a > /m/a; rm /a", session=session)[1].session
    session = run("cat /m/a > /m/b; umount /m", session=session)[1].session
    assert run("mount /dev/vdb /m && echo there", session=session)[0] == "there"
    session = run("mount /dev/vdb /m", session=session)[1].session
    assert run("cat /m/a > /c", session=session)[0] == "sh: can't create /c: No space left on device"
    session = run("rm /m/b; cat /m/a > /c", session=session)[1].session
    assert run("ls /c", session=session)[0] == "/c"


def test_folders():
    """A shell begins at home and goes where it is told to; the prompt says where that is, and root's shell begins there."""
    turn = shell.fed(inside(), b"echo 1 > f; cd /tmp; echo 2 > f\r", 0.0)
    assert turn.output.endswith(b"[fedora@vm tmp]$ ")
    turn = shell.fed(turn.session, b"cat f ~/f; cd; ls; dd if=f of=g; pwd\r", 0.0)
    assert turn.output.startswith(b"cat f ~/f; cd; ls; dd if=f of=g; pwd\r\n2\r\n1\r\nf\r\n")
    home = turn.session.variables["PWD"]
    assert turn.session.disks["vda"][f"{home}/g".removeprefix("/")] == "1\n"
    turn = shell.fed(turn.session, b"mkdir d; cd d; sudo su\r", 0.0)
    assert turn.output.endswith(b"[root@vm d]# ")


@pytest.mark.parametrize(
    ("image", "user", "prompt"),
    [
        ("alpine-container-disk-demo", "root", b"\r\nWelcome to Alpine!\r\n\r\nvm:~# "),
        ("cirros", "cirros", b"$ "),
        ("ubuntu", "ubuntu", b"ubuntu@vm:~$ "),
        ("fedora", "fedora", b"[fedora@vm ~]$ "),
    ],
)
def test_systems(image, user, prompt):
    """Each system has its own prompt; root needs no password for Alpine."""
    vmi = {"spec": {"volumes": [{"name": "a", "containerDisk": {"image": f"quay.io/kubevirt/{image}"}}]}}
    opened = shell.booted(replace(MACHINE, system=systems.guest_os(vmi)))
    turn = shell.fed(opened.session, f"{user}\n".encode(), 0.0)
    if turn.session.stage == "password":
        turn = shell.fed(turn.session, b"x\n", 0.0)
    assert turn.output.endswith(prompt)


def test_the_disk_to_boot_from():
    """A guest is the system on the first disk in its boot order."""
    volumes = [{"name": one, "containerDisk": {"image": one}} for one in ("alpine", "cirros")]
    disks = [{"name": "alpine", "bootOrder": 2}, {"name": "cirros", "bootOrder": 1}]
    vmi = {"spec": {"volumes": volumes, "domain": {"devices": {"disks": disks}}}}
    assert systems.guest_os(vmi)["id"] == "cirros"


def test_becoming_root():
    """`sudo su` opens a shell in the same folder, `exit` leads out of it again."""
    turn = run("sudo su")[1]
    assert turn.output.endswith(b"[root@vm fedora]# ")
    turn = run("exit", session=turn.session)[1]
    assert turn.output.endswith(b"exit\r\n[fedora@vm ~]$ ")
    assert run("exit", session=turn.session)[1].output.endswith(b"vm login: ")


def test_commands():
    """Commands tell of the guest they run in."""
    assert run("uname")[0] == "Linux"
    assert run("uname -r -m")[0] == "6.14.0 x86_64"
    assert run("uname -a")[0].startswith("Linux vm 6.14.0")
    assert run("hostname")[0] == "vm"
    assert run("whoami")[0] == "fedora"
    assert run("sudo whoami")[0] == "root"
    assert "    inet 10.244.0.5/24 scope global eth0" in run("ip a")[0].split("\r\n")
    assert run("uptime", uptime=93784)[0].startswith(" up 1 days,  2:03,")
    assert run("cat /etc/os-release")[0] == 'ID=fedora\r\nPRETTY_NAME="Fedora Linux 42"'
    assert run("echo 'a  b' c")[0] == "a  b c"
    assert "poweroff" in run("help")[0].split()
    assert run("grep -c ^processor /proc/cpuinfo")[0] == run("nproc")[0] == "2"
    assert run("cat /proc/sys/kernel/random/boot_id")[0] == "b007"
    assert run("lsblk | wc -l")[0] == "3"
    assert run("[ -b /dev/vdb ] && echo there")[0] == "there"


def test_exit_codes():
    """`$?` is what the command before returned; an unknown one is 127, and said to be not found."""
    told, turn = run("frobnicate --now")
    assert told == "sh: frobnicate: not found"
    assert run("echo $?", session=turn.session)[0] == "127"
    assert run("echo $?", session=run("true")[1].session)[0] == "0"
    assert run("echo $?", session=run("cat /none")[1].session)[0] == "1"
    assert run("echo 'open")[0] == "sh: syntax error: unterminated quoted string"


def test_files():
    """What is written stays, also for whoever logs in later; what is on no disk, until the guest boots again."""
    turn = run("echo a message | sudo tee /var/test /tmp/test > /dev/null")[1]
    turn = run("exit", session=turn.session)[1]
    again = shell.fed(turn.session, b"root\rx\r", 0.0).session
    assert run("cat /var/test /tmp/test", session=again)[0] == "a message\r\na message"
    again = shell.fed(run("reboot", session=again)[1].session, b"root\rx\r", 0.0).session
    assert run("cat /var/test", session=again)[0] == "a message"
    assert "No such file" in run("cat /tmp/test", session=again)[0]


def test_deeds():
    """What acts on the guest is told to whoever holds it; nothing is answered afterwards."""
    for line, deed in {
        "poweroff": "poweroff",
        "sudo reboot": "reboot",
        "panic": "panic",
        "echo c > /proc/sysrq-trigger": "panic",
    }.items():
        turn = run(line, uptime=12.5)[1]
        assert turn.deed == deed
        assert b"12.500000]" in turn.output
        assert shell.fed(turn.session, b"x", 0.0).output == (b"x" if deed == "reboot" else b"")
    assert run("logout")[1].output.endswith(b"vm login: ")
    assert run("logout")[1].deed == ""


def test_line_editing():
    """Backspace, ^U and ^C take back what was typed; CR LF is one return."""
    assert run("hosx\x7ftname")[1].output.startswith(b"hosx\x08 \x08tname\r\nvm\r\n")
    assert shell.fed(inside(), b"rubbish\x15true\r", 0.0).session.code == 0
    interrupted = shell.fed(inside(), b"poweroff\x03\r", 0.0)
    assert (interrupted.deed, interrupted.session.code) == ("", 130)
    assert shell.fed(inside(), b"true\r\n", 0.0).output.count(b"$ ") == 1


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes(pieces):
    """Whatever is typed is taken, and however it is cut makes no difference."""
    session, shown = inside(), b""
    for piece in pieces:
        turn = shell.fed(session, piece, 0.0)
        session, shown = turn.session, shown + turn.output
    whole = shell.fed(inside(), b"".join(pieces), 0.0)
    assert (whole.session, whole.output) == (session, shown)


def test_what_a_command_reads():
    """Lines up to a word are what a command in front of it reads; ^C gives up."""
    turn = shell.fed(inside(), b"cat > /f <<'EOL' && echo done\rone\r\r two\rEOL\r", 0.0)
    assert turn.output.decode().endswith("> one\r\n> \r\n>  two\r\n> EOL\r\ndone\r\n[fedora@vm ~]$ ")
    assert turn.session.disks["vda"]["f"] == "one\n\n two\n"
    turn = shell.fed(inside(), b"cat <<EOL\rone\r\x03echo two\r", 0.0)
    assert turn.output.decode().endswith("echo two\r\ntwo\r\n[fedora@vm ~]$ ")


def test_what_a_shell_is_told_holds():
    """Variables and options hold until the user leaves, and a shell within the shell ends alone."""
    _, turn = run("X=5; set -e")
    assert run("echo $X", session=turn.session)[0] == "5"
    _, left = run("false", session=turn.session)
    assert (left.session.stage, left.session.variables) == ("login", {})
    _, turn = run("sudo sh -c 'exit 3'")
    assert (turn.session.stage, turn.session.code) == ("shell", 3)


def test_who_listens():
    """Servers in a guest are known by their ports; what else a user writes beside them is no port."""
    script = f"nc -lp 8080 -c 'echo hi'; nc -l --vsock 007; touch /run/listening/web /run/vsock/{'9' * 30} /run/vsock/²"
    _, turn = run(script)
    assert list(shell.listening(turn.session)) == [8080]
    assert shell.echoing(turn.session) == {7: "plain"}


@pytest.mark.parametrize(
    "command", ["umount /d", "sudo true", "dd of=/tmp/f", "nc -l 80 -c 'nc -l 81 -c true'"]
)
def test_what_is_too_much(command):
    """A guest's own programs are counted as all others are, whatever starts them: a line ends where it has done too much."""
    many = replace(inside(), files={f"/tmp/{number}": "" for number in range(15_000)})
    shown, _ = run(f"{command}; " * (4000 // (len(command) + 2)), session=many)
    assert shown == "sh: a line that does so much is not emulated"
