from hypothesis import given
from hypothesis import strategies as st

from controller import naming


def test_gaps_are_filled_first():
    """P-045: beside p-1 and p-3, three more are p-0, p-2 and p-4."""
    assert naming.lowest_free(3, {1, 3}) == [0, 2, 4]


def test_names_go_on_where_they_end():
    """P-044, P-046: an empty pool starts at 0, a full row goes on."""
    assert naming.lowest_free(3, set()) == [0, 1, 2]
    assert naming.lowest_free(2, {0, 1, 2}) == [3, 4]


@given(st.integers(0, 50), st.sets(st.integers(0, 60)))
def test_new_ordinals_are_the_lowest_free_ones(count, taken):
    """P-044…P-047: as many as asked for, none taken, and nothing free below the highest is left out."""
    chosen = naming.lowest_free(count, taken)
    assert len(chosen) == count == len(set(chosen))
    assert not taken & set(chosen)
    assert not chosen or set(range(max(chosen) + 1)) <= taken | set(chosen)


def test_ordinals_are_read_behind_the_last_dash():
    """P-049: a pool called a-1 has VMs a-1-0, a-1-1, ..."""
    assert naming.vm_name("a-1", 0) == "a-1-0"
    assert naming.ordinal("a-1-10") == 10
    assert naming.family("a-1-0") == "a-1"


def test_names_that_are_no_ordinals():
    """A name without an integer at its end has no ordinal; one no pool would have made is of no family."""
    assert naming.ordinal("web") is None
    assert naming.ordinal("p-x") is None
    assert naming.ordinal("p-²") is None
    assert naming.family("p-007") is None
    assert naming.family("-0") is None


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True), st.integers(0, 10**6))
def test_a_vm_belongs_to_the_family_it_was_named_for(pool, ordinal):
    """P-050: pools `p` and `p-0` never mistake each other's names."""
    name = naming.vm_name(pool, ordinal)
    assert naming.family(name) == pool
    assert naming.ordinal(name) == ordinal
