from typing import Any

from fakekube.virt.api.in_order import InOrder
from fakekube.virt.causes import Cause
from fakekube.virt.config import ClusterConfig

_CONFIG = ClusterConfig(default_architecture="amd64")
_PATH = "spec"
_WRONG = [Cause("is wrong", _PATH)]


def _spec(uuid: str = "1", serial: str = "one", **more: Any) -> dict[str, Any]:
    return {"domain": {"firmware": {"uuid": uuid, "serial": serial}, "devices": {}}, **more}


class _Judge:
    """Counts how often it is asked."""

    def __init__(self, *found: Cause) -> None:
        self.asked = 0
        self._found = list(found)

    def __call__(self) -> list[Cause]:
        self.asked += 1
        return self._found


def test_what_was_found_in_order_is_not_judged_again_whoever_the_guest_is() -> None:
    """Two guests of one template differ in UUID and serial number, which no rule looks at, so one verdict does for both."""
    known, judge = InOrder(), _Judge()
    for spec in (_spec(), _spec("2", "two"), _spec("3", "three")):
        assert known.causes(_CONFIG, _PATH, spec, None, judge) == []
    assert judge.asked == 1


def test_what_is_wrong_is_judged_every_time() -> None:
    """A refusal says what is wrong with this very object, so it is not remembered."""
    known, judge = InOrder(), _Judge(*_WRONG)
    for _ in range(2):
        assert known.causes(_CONFIG, _PATH, _spec(), None, judge) == _WRONG
    assert judge.asked == 2


def test_everything_a_verdict_depends_on_makes_another_one() -> None:
    """Another spec, another place, another thing seen beside it or another configuration is judged anew."""
    known, judge = InOrder(), _Judge()
    for number, (config, path, spec, seen) in enumerate(
        (
            (_CONFIG, _PATH, _spec(), None),
            (_CONFIG, _PATH, _spec(hostname="a"), None),
            (_CONFIG, "spec.template.spec", _spec(), None),
            (_CONFIG, _PATH, _spec(), {"cpu": {"guest": 2}}),
            (ClusterConfig(default_architecture="arm64"), _PATH, _spec(), None),
            (_CONFIG, _PATH, _spec(), None),
        ),
        start=1,
    ):
        known.causes(config, path, spec, seen, judge)
        assert judge.asked == number


def test_a_serial_number_that_is_no_identity_is_judged() -> None:
    """The spelling of a serial number is a rule, so one that breaks it is not taken for a known one."""
    known, judge = InOrder(), _Judge()
    known.causes(_CONFIG, _PATH, _spec(), None, judge)
    known.causes(_CONFIG, _PATH, _spec(serial="not one!"), None, judge)
    assert judge.asked == 2


def test_only_so_many_verdicts_are_remembered() -> None:
    """Of more specs than it remembers, the oldest is judged again and the newest is not."""
    known, judge = InOrder(), _Judge()
    for number in range(600):
        known.causes(_CONFIG, _PATH, _spec(hostname=f"a{number}"), None, judge)
    known.causes(_CONFIG, _PATH, _spec(hostname="a599"), None, judge)
    assert judge.asked == 600
    known.causes(_CONFIG, _PATH, _spec(hostname="a0"), None, judge)
    assert judge.asked == 601
