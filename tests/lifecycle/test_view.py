from fakekube.lifecycle.templates import Template, look_up
from fakekube.lifecycle.view import View


class _Counting(View):
    def __init__(self) -> None:
        self.asked = 0

    def count(self) -> int:
        self.asked += 1
        return self.asked


_Counting.computed = {"count": _Counting.count, "nothing": lambda _view: None}


def test_a_name_is_computed_once_however_many_stages_ask_for_it() -> None:
    """Selectors and templates of one moment see one and the same value, computed once."""
    view = _Counting()
    context = {"guest": view}
    assert [look_up(context, "guest.count"), Template("{guest.count}").render(context)] == [1, 1]
    assert view.asked == 1


def test_names_that_say_nothing_and_names_there_are_not_are_alike() -> None:
    """A name without a value, an unknown one, and a path through what is no mapping all say nothing."""
    context = {"guest": _Counting(), "text": "a", "items": [1]}
    for name in ("guest.nothing", "guest.unknown", "text.a", "items.0", "guest.count.a", "nobody"):
        assert look_up(context, name) is None
    assert Template("[{guest.nothing}]").render(context) == "[]"
