"""Where importers get their images from, and where nobody is."""

import pytest

from fakekube.virt.cdi import reaching
from fakekube.virt.cdi.reaching import Endpoint, Service


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"http": {"url": "http://example/disk.img"}}, ""),
        (
            {"http": {"url": "http://[::1]:8080/x"}},
            'Get "http://[::1]:8080/x": dial tcp [::1]:8080: connect: connection refused',
        ),
        ({"http": {"url": "https://a.invalid/x"}}, "dial tcp: lookup a.invalid: no such host"),
        (
            {"registry": {"url": "docker://127.0.0.1/x:1"}},
            "error pinging container registry 127.0.0.1: dial tcp 127.0.0.1:443: connect",
        ),
        (
            {"registry": {"url": "docker://localhost:5000/x"}},
            "registry localhost:5000: dial tcp 127.0.0.1:5000: connect",
        ),
        ({"registry": {"url": "docker://quay.io/x"}}, ""),
        ({"blank": {}}, ""),
    ],
)
def test_where_no_importer_gets_anything(source, message):
    """On its own loopback nothing listens, and names under `.invalid` never resolve."""
    told = reaching.failure(reaching.endpoint_of({"spec": {"source": source}}))
    assert message in told
    assert bool(told) is bool(message)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://files.cdi/x", Service("files", "cdi", surely=False)),
        ("http://files.cdi.svc:8080/x", Service("files", "cdi", surely=True)),
        ("docker://files.cdi.svc.cluster.local/x", Service("files", "cdi", surely=True)),
        ("http://files/x", None),
        ("http://files.example.com/x", None),
        ("http://10.0.0.1/x", None),
        ("http://[::1]/x", None),
        ("http://files.cdi:port/x", None),
    ],
)
def test_names_of_services(url, wanted):
    """A name of two words may be a Service of a namespace; with `svc` behind them it is."""
    assert reaching.service_of(Endpoint("http", url)) == wanted


def test_a_service_that_is_not_there():
    """Its name does not resolve."""
    told = reaching.failure(Endpoint("http", "http://files.cdi/x"), nobody=True)
    assert told == (
        'Unable to connect to http data source: Get "http://files.cdi/x": dial tcp: lookup files.cdi: no such host'
    )


@pytest.mark.parametrize(("times", "seconds"), [(1, 10.0), (5, 160.0), (6, 300.0), (10**9, 300.0)])
def test_how_long_restarts_wait(times, seconds):
    """Ever longer, up to five minutes; what somebody says of their number costs nothing."""
    assert reaching.restarts_after(times) == seconds
