"""What commands find in a launcher's `compute` container: without a cluster."""

import pytest

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import Container
from fakekube.virt.handler import launcher_programs

VMI = {
    "metadata": {"name": "vm", "namespace": "ns", "uid": "u"},
    "spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}},
    "status": {"volumeStatus": [{"name": "disk0", "target": "vda"}]},
}


def run(line, vmi=VMI, respawned=0):
    return shell.line(launcher_programs.compute(Container("p"), vmi, respawned), line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("virsh list --name", "ns_vm\n\n"),
        ("virsh -c qemu:///session -q list", " 1    ns_vm   running\n"),
        ("virsh domstate 1", "running\n"),
        ("virsh domname 1", "ns_vm\n"),
        ("virsh dominfo ns_vm | grep 'Used memory' | awk '{print $3}'", "65536\n"),
        ("virsh domblklist ns_vm | grep -c vda", "1\n"),
        ("virsh dumpxml ns_vm | head -n 1", "<domain type='kvm' id='1'>\n"),
        ("pidof qemu-kvm", "79\n"),
        ("pgrep virtqemud", "22\n"),
        ("cat /proc/79/comm", "qemu-kvm\n"),
    ],
)
def test_what_is_told(line, said):
    """virsh and the like tell of the guest that lives there."""
    assert run(line).out == said


def test_no_guest():
    """Before a guest has come, and after it has gone, there is no domain and no QEMU."""
    done = run("virsh dumpxml ns_vm", None)
    assert (done.code, done.err.partition("\n")[0]) == (1, "error: failed to get domain 'ns_vm'")
    assert run("virsh list --name", None).out == "\n"
    assert run("pidof qemu-kvm", None).code == 1
    assert run("virsh frobnicate").err == "error: unknown command: 'frobnicate'\n"


@pytest.mark.parametrize(
    ("line", "act", "code"),
    [
        ("killall -11 qemu-kvm", "crash", 0),
        ("kill -9 79", "crash", 0),
        ("kill -9 $(pidof none)", "", 1),
        ("kill -0 79", "", 0),
        ("pkill -9 virtqemud", "respawn", 0),
        ("pkill none", "", 1),
    ],
)
def test_killing(line, act, code):
    """QEMU's end is its guest's, virtqemud is started anew under another number."""
    done = run(line)
    assert (done.act, done.code) == (act, code)
    assert run("pidof virtqemud", respawned=1).out == "122\n"
