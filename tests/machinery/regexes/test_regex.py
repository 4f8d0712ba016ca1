"""RE2 patterns on two engines."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.machinery.regexes import regex
from fakekube.machinery.regexes.automaton import Automaton


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


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab()[]{}*+?|^$.\\-,:1dwxpQE<>=!iP", max_size=12), st.text("ab1", max_size=4))
def test_any_text_is_a_pattern_or_refused(pattern: str, text: str) -> None:
    """A pattern either works or is refused as no pattern; nothing else escapes."""
    try:
        search = regex.searcher(pattern)
    except regex.RegexError:
        return
    assert bool(search(text)) in (True, False)
