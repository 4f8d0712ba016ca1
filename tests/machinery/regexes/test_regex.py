"""RE2 patterns on two engines."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.machinery.regexes import regex
from fakekube.machinery.regexes.automaton import Automaton
from fakekube.machinery.regexes.re2 import Assertion, Choice, Node, Repeat, Sequence


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "missing closing ): `(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("((a{2}|b){10,}c){51}", "invalid repeat count: `{51}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        (r"\y", r"invalid escape sequence: `\y`"),
        (r"\x{110000}", r"invalid escape sequence: `\x{110000}`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        (r"\p{Xy}", r"invalid character class range: `\p{Xy}`"),
        ("a\\", "trailing backslash at end of expression: ``"),
    ],
)
def test_refusals(pattern: str, why: str) -> None:
    """A broken pattern is refused in the words of Go's regexp."""
    with pytest.raises(regex.RegexError) as refused:
        regex.parse(pattern)
    assert str(refused.value) == f"error parsing regexp: {why}"


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^a$", "a\n", False),
        ("(?m)^b$", "a\nb\n", True),
        ("(?i)abc", "xABCx", True),
        ("a(?i)b", "aB", True),
        ("(a(?i)b)c", "aBC", False),
        ("[[:upper:]]+$", "abC", True),
        (r"^\Qa.b\E$", "a.b", True),
        (r"^\Qa.b\E$", "axb", False),
        ("^a{,2}$", "a{,2}", True),
        (r"^\d+$", "٣", False),
        (r"^\x{41}\z", "A", True),
        ("a.b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
        ("^[^a]$", "b", True),
        ("^[]a]$", "]", True),
        ("^[-a]$", "-", True),
        (r"^[\w-]+$", "a-b_1", True),
        (r"^[a-z\p{Lu}]+$", "aÉ", True),
        (r"^[^\p{L}]$", "é", False),
        (r"^\PL\p{^L}[\P{L}]$", "1€ ", True),
        (r"^\p{Sc}\pN$", "€²", True),
    ],
)
def test_meaning(pattern: str, text: str, found: bool) -> None:
    """Where RE2 and Python disagree, RE2 is right."""
    assert bool(regex.searcher(pattern)(text)) is found
    assert Automaton(regex.parse(pattern)).search(text) is found


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^((a|a){16}){16}b$", "a*a*a*a*a*a*c", r"(a|a|\b)*c", "a*c", f"^{'(a|a)' * 40}c"]
)
def test_hostile_input_is_harmless(pattern: str) -> None:
    """What can be matched in many ways runs in linear time: on Python's own engine such input takes longer than the universe."""
    assert not regex.searcher(pattern)("a" * 200_000 + "b")


PATTERNS = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "[^a]", ".", "^", "$", r"\b", "(?m:^)", "(?m:$)"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,2}", "{2}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(PATTERNS, st.text("ab\n-", max_size=6))
def test_both_engines_agree(pattern: str, text: str) -> None:
    """The automaton finds exactly what Python's engine finds."""
    tree = regex.parse(pattern)
    assert Automaton(tree).search(text) is bool(re.search(regex.python_pattern(tree), text))


LAZY = PATTERNS.map(lambda text: text.replace("*)", "*?)").replace("+)", "+?)"))


@settings(max_examples=400, deadline=None)
@given(st.one_of(PATTERNS, LAZY), st.text("ab\n-", max_size=6), st.integers(0, 6))
def test_both_engines_find_the_same_place(pattern: str, text: str, start: int) -> None:
    """Of several matches the automaton finds the one that backtracking tries first."""
    tree = regex.parse(pattern)
    found = re.compile(regex.python_pattern(tree)).search(text, min(start, len(text)))
    own = Automaton(tree).first(text, min(start, len(text)))
    if found is None or own is None or not _turns_in_vain(tree):
        assert own == (found.span() if found else None)
    else:  # Go gives such loops up, Python goes on
        assert own[0] == found.start()


def _turns_in_vain(node: Node) -> bool:
    """Whether a loop has a body that may match nothing."""
    if isinstance(node, Repeat):
        return re.fullmatch(regex.python_pattern(node.body), "") is not None or _has_place(node.body)
    parts = node.parts if isinstance(node, Sequence) else node.options if isinstance(node, Choice) else ()
    return any(map(_turns_in_vain, parts))


def _has_place(node: Node) -> bool:
    if isinstance(node, Repeat):
        return True
    parts = node.parts if isinstance(node, Sequence) else node.options if isinstance(node, Choice) else ()
    return isinstance(node, Assertion) or any(map(_has_place, parts))


@pytest.mark.parametrize(
    ("pattern", "text", "span"),
    [
        ("a|ab", "ab", (0, 1)),
        ("ab|a", "ab", (0, 2)),
        ("a+?b?", "aab", (0, 1)),
        ("(a|b)+", "-aba-", (1, 4)),
        ("a{1,3}", "aaaa", (0, 3)),
        ("a{1,3}?a", "aaaa", (0, 2)),
        ("(|a)*", "aa", (0, 0)),
        ("(|a)+", "aa", (0, 0)),
        (r"\bb", "ab b", (3, 4)),
    ],
)
def test_the_first_match(pattern: str, text: str, span: tuple[int, int]) -> None:
    """As Go's regexp has it: the leftmost one, and of these the one that is tried first."""
    assert regex.finder(pattern)(text, 0) == Automaton(regex.parse(pattern)).first(text, 0) == span


def test_what_is_remembered_is_bounded() -> None:
    """An automaton with many states remembers fewer of the places it may be in."""
    automaton = Automaton(regex.parse("(a|b)*a(a|b){200}c"))
    rng = random.Random(1)
    automaton.search("".join(rng.choices("ab", k=3000)))
    assert sum(len(one.states) + len(one.steps) for one in automaton._places.values()) < 60_000


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab()[]{}*+?|^$.\\-,:1dwxpQE<>=!iP", max_size=12), st.text("ab1", max_size=4))
def test_any_text_is_a_pattern_or_refused(pattern: str, text: str) -> None:
    """A pattern either works or is refused as no pattern; nothing else escapes."""
    try:
        search = regex.searcher(pattern)
    except regex.RegexError:
        return
    assert bool(search(text)) in (True, False)
