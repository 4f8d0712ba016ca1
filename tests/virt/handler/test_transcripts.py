"""What guests have said at their consoles."""

from datetime import UTC, datetime, timedelta

from fakekube.virt.handler.transcripts import Transcripts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_lines():
    """A line is kept when it is whole, with the moment it became so; nothing is known of who was not listened to."""
    said = Transcripts({}, {})
    assert said.of("a") is None
    said.add("a", b"one\r\nvm login: ", NOW)
    assert [line.text for line in said.of("a")] == ["one"]
    said.add("a", b"root\r\n", NOW + timedelta(seconds=1))
    assert [(line.text, line.moment.second) for line in said.of("a")] == [("one", 0), ("vm login: root", 1)]
    said.forget("a")
    assert said.of("a") is None


def test_who_waits_for_more():
    """Everybody who waited hears of a whole line, whoever comes afterwards of the next one."""
    said = Transcripts({}, {})
    first, other = said.more("a"), said.more("b")
    said.add("a", b"half", NOW)
    assert not first.is_set()
    said.add("a", b" a line\n", NOW)
    assert (first.is_set(), other.is_set(), said.more("a").is_set()) == (True, False, False)


def test_only_the_last_lines_are_kept():
    """A guest may say a lot."""
    said = Transcripts({}, {})
    for number in range(3000):
        said.add("a", b"%d\n" % number, NOW)
    assert (len(said.of("a")), said.of("a")[-1].text) == (2000, "2999")
