"""How long a guest's memory is copied, and what is done when that takes too long."""

import pytest

from fakekube.virt.handler import copying


def vmi(bandwidth, memory="1Gi", mode="PreCopy", **settings):
    configuration = {"bandwidthPerMigration": bandwidth, "completionTimeoutPerGiB": 20, **settings}
    return {
        "spec": {"domain": {"memory": {"guest": memory}}},
        "status": {"migrationState": {"mode": mode, "migrationConfiguration": configuration}},
    }


@pytest.mark.parametrize(
    ("guest", "seconds", "end"),
    [
        (vmi("0"), None, ""),
        (vmi("1Gi"), 1.0, ""),
        (vmi("1Mi"), 40.0, "abort"),
        (vmi("1Mi", "500M"), 20.0, "abort"),
        (vmi("1Mi", allowPostCopy=True, allowWorkloadDisruption=True), 40.0, "PostCopy"),
        (vmi("1Mi", allowWorkloadDisruption=True), 40.0, "Paused"),
        (vmi("1Mi", mode="Paused", allowWorkloadDisruption=True), None, ""),
    ],
)
def test_copying(guest, seconds, end):
    """By the bandwidth, for so many seconds per begun gigabyte at most; hastened once, if that is allowed."""
    assert (copying.seconds(guest), copying.too_long(guest)) == (seconds, end)
