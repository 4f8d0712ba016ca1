"""Threads for input and output."""

import pytest

from fakekube.virt.handler.domain_threads import threads


def vmi(policy=None, *, alone=(), together=(), cpu=None, **domain):
    disks = [{"name": one, "disk": {"bus": "virtio"}, "dedicatedIOThread": True} for one in alone]
    disks += [{"name": one, "disk": {"bus": "virtio"}} for one in together]
    disks.append({"name": "cd", "cdrom": {"bus": "sata"}})
    more = {"ioThreadsPolicy": policy} if policy else {}
    return {"spec": {"domain": {"devices": {"disks": disks}, "cpu": cpu or {"cores": 1}, **more, **domain}}}


def test_none():
    """Without a policy, and no disk that wants its own, there are none."""
    assert threads(vmi(together="a")).number == 0


def test_shared():
    """One for all, and one for each disk that wants its own."""
    found = threads(vmi("shared", together="ab"))
    assert (found.number, found.of) == (1, {"a": 1, "b": 1})
    found = threads(vmi("shared", together="ab", alone="c"))
    assert (found.number, found.of) == (2, {"a": 1, "b": 1, "c": 2})
    assert threads(vmi(together="a", alone="b")).of == {"a": 1, "b": 2}


@pytest.mark.parametrize(("cores", "number"), [(1, 3), (2, 4), (3, 6), (4, 6)])
def test_automatic(cores, number):
    """Two for each CPU at most, and one at least for the disks that have none of their own."""
    found = threads(vmi("auto", alone="ab", together="cdef", cpu={"cores": cores}))
    assert found.number == number
    assert set(found.of) == set("abcdef")
    assert max(found.of.values()) == number
    assert found.of["a"] != found.of["b"]


def test_beside_the_emulator():
    """One only, where the emulator has a CPU to share with it."""
    cpu = {"cores": 4, "dedicatedCpuPlacement": True, "isolateEmulatorThread": True}
    assert threads(vmi("auto", together="abcd", cpu=cpu)).number == 1
    assert threads(vmi("auto", together="abc", alone="d", cpu=cpu)).number == 2


def test_pools():
    """As many as are asked for, which all disks use."""
    found = threads(vmi("supplementalPool", together="a", ioThreads={"supplementalPoolThreadCount": 4}))
    assert (found.number, found.of) == (4, {})
