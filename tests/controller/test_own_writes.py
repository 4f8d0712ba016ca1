import pytest

from controller.own_writes import LIFETIME, OwnWrites
from fakekube.clock import ManualClock
from fakekube.machinery.resources import VIRTUAL_MACHINES


class Cache:
    """What OwnWrites needs of an informer."""

    resource = VIRTUAL_MACHINES

    def __init__(self, version, *cached):
        self.resource_version = str(version)
        self.cached = {f"ns/{one['metadata']['name']}": one for one in cached}

    def get(self, key):
        return self.cached.get(key)


def vm(name="p-0", version=1, uid="u", **meta):
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version), **meta}
    }


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def own(clock):
    return OwnWrites(clock)


def over(own, cache):
    return own.over("ns/p", cache, list(cache.cached.values()), lambda _: True)


def test_a_creation_is_seen_before_the_cache_shows_it(own):
    """P-085, D10: what was created counts from the moment the server said so."""
    made = vm(version=5)
    own.wrote("ns/p", VIRTUAL_MACHINES, vm(), made)
    assert over(own, Cache(4)) == [made]


def test_a_write_is_dropped_once_the_cache_has_come_so_far(own):
    """From its version on the cache is right, whatever it shows: also that the object has gone again."""
    own.wrote("ns/p", VIRTUAL_MACHINES, vm(), vm(version=5))
    assert over(own, Cache(5)) == []
    assert len(own) == 0


def test_a_deletion_is_seen_before_the_cache_shows_it(own):
    """P-207: a VM whose DELETE was answered is terminating, or gone, at once."""
    dying = vm(version=5, deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x"])
    own.wrote("ns/p", VIRTUAL_MACHINES, vm(), dying)
    assert over(own, Cache(4, vm())) == [dying]
    assert own.latest("ns/p", Cache(4, vm()))("ns/p-0") == dying
    own.wrote("ns/p", VIRTUAL_MACHINES, vm(), {"kind": "Status"})
    assert over(own, Cache(4, vm())) == []
    assert own.latest("ns/p", Cache(4, vm()))("ns/p-0") is None


def test_the_last_state_of_an_object_is_its_end(own):
    """A patch that takes the last finalizer off answers with the object it has just removed."""
    last = vm(version=5, deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=0)
    assert own.wrote("ns/p", VIRTUAL_MACHINES, vm(), last) is None
    assert over(own, Cache(4, vm())) == []


def test_only_the_same_object_is_gone(own):
    """A VM of the same name with another uid is another VM."""
    own.gone("ns/p", VIRTUAL_MACHINES, vm(uid="old"))
    fresh = vm(uid="new", version=9)
    assert over(own, Cache(9, fresh)) == [fresh]
    own.gone("ns/p", VIRTUAL_MACHINES, vm(uid="old"))
    assert own.latest("ns/p", Cache(9, fresh))("ns/p-0") == fresh


def test_what_does_not_belong_any_more_is_left_out(own):
    """A search by criterion does not find what was changed so that it no longer fits, nor keep what the cache has."""
    own.wrote("ns/p", VIRTUAL_MACHINES, vm(), vm(version=5))
    assert own.over("ns/p", Cache(4, vm()), [vm()], lambda _: False) == []


def test_nothing_is_believed_for_ever(own, clock):
    """Should versions ever go back, own writes are forgotten after five minutes."""
    own.wrote("ns/p", VIRTUAL_MACHINES, vm(), vm(version=500))
    own.condemn("ns/p", vm())
    assert over(own, Cache(4)) != []
    assert own.condemned("ns/p") == {"u"}
    clock.advance(LIFETIME)
    assert over(own, Cache(4)) == []
    assert own.condemned("ns/p") == set()


def test_pools_do_not_share_writes(own):
    """P-208: what was written for one pool says nothing to another, and goes with its pool."""
    own.wrote("ns/p", VIRTUAL_MACHINES, vm(), vm(version=5))
    assert own.over("ns/q", Cache(4), [], lambda _: True) == []
    own.forget("ns/p")
    assert len(own) == 0


def test_writes_do_not_outlive_the_versions_they_were_counted_in(own):
    """Where a server begins anew, or from a backup, what it answered before says nothing about the objects it has now."""
    over(own, Cache(4, vm()))
    own.wrote("ns/p", VIRTUAL_MACHINES, vm(), vm(version=900))
    own.wrote("ns/q", VIRTUAL_MACHINES, vm("q-0"), vm("q-0", version=901))
    again = vm(version=2, uid="another")
    assert over(own, Cache(3, again)) == [again]
    assert own.latest("ns/p", Cache(3, again))("ns/p-0") == again
    assert len(own) == 0
