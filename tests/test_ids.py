"""Identity that can be repeated: uids as Python's own library writes them."""

import random
import uuid

from fakekube.ids import Ids


def test_uids_are_random_uuids() -> None:
    """A uid is the text of the version 4 UUID that the source's next 128 bits make."""
    ids, same = Ids(seed=7), random.Random(7)
    for _ in range(100):
        assert ids.uid() == str(uuid.UUID(int=same.getrandbits(128), version=4))
