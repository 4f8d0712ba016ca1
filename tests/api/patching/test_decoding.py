"""Bodies of patches: what is refused, and in which words."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.patching import decoding, go_syntax
from fakekube.machinery.errors import BadRequest, TooLarge


def refusal(read, body):
    with pytest.raises(BadRequest) as caught:
        read(body)
    return caught.value.message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{{", "invalid character '{' looking for beginning of object key string"),
        (b"[{", "unexpected end of JSON input"),
        (b"", "unexpected end of JSON input"),
        (b"data:\n  y: z\n", "invalid character 'd' looking for beginning of value"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"{}x", "invalid character 'x' after top-level value"),
        (b"trap", "invalid character 'a' in literal true (expecting 'u')"),
        (b"-x", "invalid character 'x' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1e+x", "invalid character 'x' in exponent of numeric literal"),
        (b"012", "invalid character '1' after top-level value"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b"'a'", "invalid character '\\'' looking for beginning of value"),
    ],
)
def test_broken_json_is_explained_as_the_real_decoder_does(body, text):
    """The first error and its place decide the text."""
    assert refusal(decoding.merge_object, body) == f"error decoding patch: {text}"
    assert refusal(decoding.strategic_object, body) == text


@pytest.mark.parametrize(
    ("read", "body", "text"),
    [
        (decoding.merge_object, b"null", "Invalid JSON Patch"),
        (
            decoding.merge_object,
            b"[]",
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (
            decoding.merge_object,
            b'"x"',
            "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}",
        ),
        (
            decoding.strategic_object,
            b"1",
            "json: cannot unmarshal number into Go value of type map[string]interface {}",
        ),
        (
            decoding.json_operations,
            b'{"op":"add"}',
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            decoding.json_operations,
            b"[1]",
            "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp",
        ),
        (
            decoding.json_operations,
            b'[{"op":true}]',
            "error decoding patch: json: cannot unmarshal bool into Go struct field jsonPatchOp.op of type string",
        ),
    ],
)
def test_json_of_the_wrong_kind_is_refused(read, body, text):
    """Each media type wants its kind of value."""
    assert refusal(read, body) == text


def test_null_says_nothing_in_json_and_strategic_patches():
    """There, a null body is an empty patch."""
    assert decoding.json_operations(b"null") == []
    assert decoding.strategic_object(b"null") == {}


def test_a_json_patch_has_at_most_ten_thousand_operations():
    """One more is too large."""
    operation = {"op": "test", "path": "/a"}
    assert len(decoding.json_operations(orjson.dumps([operation] * 10_000))) == 10_000
    with pytest.raises(TooLarge) as caught:
        decoding.json_operations(orjson.dumps([operation] * 10_001))
    assert caught.value.code == 413
    assert caught.value.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    )


@pytest.mark.parametrize("depth", [250, 5_000])
def test_bodies_nested_too_deep_are_refused(depth):
    """Both the fast parser's limit and the encoder's end in the same text."""
    body = b'{"a":' * depth + b"1" + b"}" * depth
    assert refusal(decoding.merge_object, body) == "error decoding patch: exceeded max depth"


@settings(deadline=None)
@given(st.text('{}[]":,0123456789.eE+-truefalsn \\\n', max_size=12))
def test_an_error_is_found_exactly_where_the_parser_finds_one(text):
    """The explanation never says nothing about broken text, nor something about sound text."""
    body = text.encode()
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        assert go_syntax.error_text(body)
    else:
        assert not go_syntax.error_text(body)
