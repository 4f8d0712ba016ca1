from fakekube.client.expectations import TIMEOUT, Expectations


def test_creations_and_deletions_must_all_be_seen(clock):
    """A key is satisfied once each expected name and uid was observed."""
    expectations = Expectations(clock)
    assert expectations.satisfied("k")
    expectations.expect_creations("k", ["a", "b"])
    expectations.expect_deletions("k", ["u"])
    expectations.creation_observed("k", "a")
    expectations.deletion_observed("k", "u")
    assert not expectations.satisfied("k")
    expectations.creation_observed("k", "b")
    assert expectations.satisfied("k")


def test_other_events_fulfil_nothing(clock):
    """Seeing something else, or the same thing twice, does not count for what is missing."""
    expectations = Expectations(clock)
    expectations.expect_creations("k", ["a", "b"])
    for name in ("a", "a", "stranger"):
        expectations.creation_observed("k", name)
    expectations.deletion_observed("k", "b")
    expectations.creation_observed("other", "b")
    assert not expectations.satisfied("k")


def test_what_is_never_seen_is_given_up(clock):
    """After five minutes a lost event no longer blocks; a new expectation starts the time anew."""
    expectations = Expectations(clock)
    expectations.expect_creations("k", ["a"])
    clock.advance(TIMEOUT - 1)
    expectations.expect_creations("k", ["b"])
    clock.advance(TIMEOUT - 1)
    assert not expectations.satisfied("k")
    assert expectations.remaining("k") == 1
    clock.advance(1)
    assert expectations.satisfied("k")
    assert expectations.remaining("k") == 0


def test_a_forgotten_owner_expects_nothing(clock):
    """Forgetting a key drops its expectations."""
    expectations = Expectations(clock)
    expectations.expect_deletions("k", ["u"])
    expectations.forget("k")
    assert expectations.satisfied("k")
