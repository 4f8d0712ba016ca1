"""Which memory dumps a look at a guest finds."""

import pytest

from fakekube.virt.handler.dumps import dumped


def guest(*entries):
    return {"metadata": {"namespace": "n", "name": "vm"}, "status": {"volumeStatus": list(entries)}}


def entry(phase, **told):
    return {
        "name": "d",
        "phase": phase,
        "memoryDumpVolume": {"claimName": "c", "targetFileName": "f", **told},
    }


BEGUN, OVER = entry("MemoryDumpInProgress"), entry("MemoryDumpCompleted")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (None, guest(OVER), ["n c vm f"]),
        (guest(entry("MountedToPod")), guest(BEGUN), ["n c vm f"]),
        (guest(OVER), guest(OVER, {"name": "disk"}), []),
        (guest(OVER), guest(entry("MemoryDumpCompleted", targetFileName="g h")), ["n c vm g h"]),
        (guest(), guest(entry("MemoryDumpFailed"), {"name": "x", "phase": "MemoryDumpCompleted"}), []),
        (guest(OVER), None, []),
    ],
)
def test_each_is_found_once(old, new, found):
    """Also when other volumes come and go: another guest's dump may lie on the claim by then."""
    assert dumped(old, new) == found
