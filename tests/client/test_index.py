"""Objects by what they say."""

from random import Random

import pytest

from fakekube.client.index import Index


@pytest.mark.parametrize("seed", range(20))
def test_an_index_knows_what_objects_say(seed):
    """However objects come, change and go: by a value those are found that say it, and nothing is kept of what has gone."""
    rng, index, said = Random(seed), Index(lambda obj: obj["says"]), {}
    for _ in range(200):
        key, says = rng.choice("abcd"), rng.sample(["", "x", "y", "z"], rng.choice((0, 1, 1, 2, 3)))
        if rng.random() < 0.3:
            index.remove(key)
            said.pop(key, None)
        else:
            index.put(key, {"says": says})
            said[key] = set(says)
        for value in ("", "x", "y", "z"):
            expected = {one for one, values in said.items() if value in values}
            assert set(index.get(value)) == expected
            assert index.count(value) == len(expected) == len(list(index.get(value)))
    for key in "abcd":
        index.remove(key)
    assert not index._keys
    assert not index._values
