"""Addresses, understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.api.request_info import parse


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/namespaces/ns/pods/p", ("get", "", "v1", "pods", "ns", "p", "")),
        ("GET", "/api/v1/namespaces/ns/pods", ("list", "", "v1", "pods", "ns", "", "")),
        ("GET", "/api/v1/pods", ("list", "", "v1", "pods", "", "", "")),
        ("DELETE", "/api/v1/namespaces/ns/pods", ("deletecollection", "", "v1", "pods", "ns", "", "")),
        (
            "POST",
            "/apis/apps/v1/namespaces/ns/deployments",
            ("create", "apps", "v1", "deployments", "ns", "", ""),
        ),
        (
            "PUT",
            "/apis/apps/v1/namespaces/ns/deployments/d/scale",
            ("update", "apps", "v1", "deployments", "ns", "d", "scale"),
        ),
        ("GET", "/api/v1/namespaces", ("list", "", "v1", "namespaces", "", "", "")),
        ("GET", "/api/v1/namespaces/ns", ("get", "", "v1", "namespaces", "ns", "ns", "")),
        ("PUT", "/api/v1/namespaces/ns/finalize", ("update", "", "v1", "namespaces", "ns", "ns", "finalize")),
        ("PATCH", "/api/v1/nodes/n/status", ("patch", "", "v1", "nodes", "", "n", "status")),
    ],
)
def test_reads_addresses(method: str, path: str, expected: tuple[str, ...]) -> None:
    """Method and path give verb, group, version, resource, namespace, name and subresource."""
    info = parse(method, path)
    assert (
        info.verb, info.group, info.version, info.resource, info.namespace, info.name, info.subresource
    ) == expected  # fmt: skip


def test_old_watch_paths() -> None:
    """`/watch/` before the namespace asks for a watch of what follows."""
    info = parse("GET", "/api/v1/watch/namespaces/ns/pods")
    assert info.watch
    assert (info.resource, info.namespace) == ("pods", "ns")


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis/apps", "/healthz", "/apis/apps/v1", "/api/v1//pods", "/api/v1/namespaces/"]
)
def test_other_paths_name_no_resource(path: str) -> None:
    """Discovery, health and broken paths come back without a resource, or as the namespace list."""
    assert parse("GET", path).resource in ("", "namespaces")


@given(st.text(max_size=80))
def test_never_fails(path: str) -> None:
    """Any text at all can be parsed."""
    assert parse("GET", "/" + path).path == "/" + path


def test_escapes_are_decoded_before_the_path_is_cut() -> None:
    """An escaped slash parts segments, as any other does."""
    info = parse("GET", "/api/v1/namespaces/ns/pods/a%2Fb%20c")
    assert (info.name, info.subresource) == ("a", "b c")
