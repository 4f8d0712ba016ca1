"""Text → syntax tree, with macros expanded. A hand-written precedence climber; refusals look like cel-go's.

cel-spec: doc/langdef.md (Syntax); cel-go: parser/{parser,macro}.go
"""

import re
from typing import Any, NoReturn

from fakekube.api.schema.cel import literals
from fakekube.api.schema.cel.syntax import (
    Bind,
    Call,
    Fold,
    Ident,
    Index,
    ListOf,
    Literal,
    MapOf,
    Node,
    Select,
    StructOf,
    dotted,
)
from fakekube.api.schema.cel.values import INT_MAX, INT_MIN, UINT_MAX, CompileError, UInt

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\f]+|//[^\n]*)
    |(?P<float>(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?))
    |(?P<int>(?:0x[0-9a-fA-F]+|\d+)[uU]?)
    |(?P<string>[rRbB]{0,2}(?:\"{3}(?:\\.|(?!\"{3}).)*\"{3}|'{3}(?:\\.|(?!'{3}).)*'{3}|"(?:\\.|[^"\\\n\r])*"|'(?:\\.|[^'\\\n\r])*'))
    |(?P<ident>[_a-zA-Z][_a-zA-Z0-9]*)
    |(?P<quoted>`[a-zA-Z0-9_.\-/ ]+`)
    |(?P<op>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_LEVELS: list[dict[str, str]] = [
    {"||": "_||_"},
    {"&&": "_&&_"},
    {"==": "_==_", "!=": "_!=_", "<": "_<_", "<=": "_<=_", ">": "_>_", ">=": "_>=_", "in": "@in"},
    {"+": "_+_", "-": "_-_"},
    {"*": "_*_", "/": "_/_", "%": "_%_"},
]
RESERVED = frozenset(
    {
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "namespace",
    }
    | {"package", "return", "var", "void", "while"}
)
_EXPECTED = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
_DEEPEST = 250


def failure(source: str, at: int, text: str) -> CompileError:
    """An error that points at a place in the source, drawn as cel-go draws it."""
    line_start = source.rfind("\n", 0, at) + 1
    line = source[line_start:].split("\n", 1)[0]
    row, column = source.count("\n", 0, at) + 1, at - line_start
    return CompileError(f"ERROR: <input>:{row}:{column + 1}: {text}\n | {line}\n | {'.' * column}^")


class _Token:
    __slots__ = ("at", "kind", "text")

    def __init__(self, kind: str, text: str, at: int) -> None:
        self.kind, self.text, self.at = kind, text, at


def _tokens(source: str) -> list[_Token]:
    found = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise failure(source, at, f"Syntax error: token recognition error at: '{source[at]}'")
        if match.lastgroup != "space":
            found.append(_Token(str(match.lastgroup), match[0], at))
        at = match.end()
    found.append(_Token("end", "<EOF>", len(source)))
    return found


def parse(source: str) -> Node:
    """The tree of an expression. Raises CompileError."""
    parser = _Parser(source)
    node = parser.expression()
    if parser.token.kind != "end":
        parser.refuse(f"mismatched input '{parser.token.text}' expecting <EOF>")
    return node


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = _tokens(source)
        self.index = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    def refuse(self, why: str, at: int | None = None) -> NoReturn:
        raise failure(self.source, self.token.at if at is None else at, f"Syntax error: {why}")

    def next(self) -> _Token:
        token = self.token
        self.index += 1
        return token

    def take(self, text: str) -> _Token | None:
        if self.token.kind in ("op", "ident") and self.token.text == text:
            return self.next()
        return None

    def expect(self, text: str) -> _Token:
        found = self.take(text)
        if found is None:
            if self.token.kind == "end":
                self.refuse(f"missing '{text}' at '<EOF>'")
            self.refuse(f"mismatched input '{self.token.text}' expecting '{text}'")
        return found

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.refuse(f"expression recursion limit exceeded: {_DEEPEST}")
        condition = self.binary(0)
        question = self.take("?")
        if question is not None:
            yes = self.binary(0)
            self.expect(":")
            no = self.expression()
            condition = Call(question.at, "_?_:_", None, (condition, yes, no))
        self.depth -= 1
        return condition

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        operators = _LEVELS[level]
        left = self.binary(level + 1)
        while self.token.text in operators and self.token.kind in ("op", "ident"):
            operator = self.next()
            left = Call(operator.at, operators[operator.text], None, (left, self.binary(level + 1)))
        return left

    def unary(self) -> Node:
        for text, name in (("!", "!_"), ("-", "-_")):
            operator = self.take(text)
            if operator is None:
                continue
            if text == "-" and self.token.kind in ("int", "float") and self.token.at == operator.at + 1:
                return self.member(self.number(self.next(), negative=True, at=operator.at))
            return Call(operator.at, name, None, (self.unary(),))
        return self.member(self.primary())

    def member(self, node: Node) -> Node:
        while True:
            if (dot := self.take(".")) is not None:
                node = self.selection(node, dot)
            elif (bracket := self.take("[")) is not None:
                optional = self.take("?") is not None
                index = self.expression()
                self.expect("]")
                node = Index(bracket.at, node, index, optional)
            elif (name := dotted(node)) and (brace := self.take("{")) is not None:
                node = self.struct_of(brace.at, name)
            else:
                return node

    def selection(self, node: Node, dot: _Token) -> Node:
        optional = self.take("?") is not None
        token = self.token
        if token.kind not in ("ident", "quoted"):
            if token.kind == "end":
                self.refuse("no viable alternative at input '.'")
            self.refuse(f"no viable alternative at input '.{token.text}'")
        self.next()
        name = token.text.strip("`")
        opening = None if optional else self.take("(")
        if opening is None:
            return Select(dot.at, node, name, optional=optional)
        args = self.arguments(")")
        return self.macro(opening.at, name, node, args) or Call(opening.at, name, node, tuple(args))

    def arguments(self, closing: str) -> list[Node]:
        args: list[Node] = []
        if self.take(closing):
            return args
        while True:
            args.append(self.expression())
            if self.take(closing):
                return args
            self.expect(",")
            if closing != ")" and self.take(closing):
                return args

    def primary(self) -> Node:
        token = self.next()
        if token.kind in ("int", "float"):
            return self.number(token)
        if token.kind == "string":
            return Literal(token.at, self.text(token))
        if token.kind == "ident":
            return self.identifier(token)
        if token.kind == "op" and token.text == "(":
            node = self.expression()
            self.expect(")")
            return node
        if token.kind == "op" and token.text == "[":
            return self.list_of(token.at)
        if token.kind == "op" and token.text == "{":
            return self.map_of(token.at)
        if token.kind == "op" and token.text == "." and self.token.kind == "ident":
            return self.identifier(self.next())
        self.index -= 1
        what = "mismatched" if token.kind == "end" else "extraneous"
        return self.refuse(f"{what} input '{token.text}' expecting {_EXPECTED}", token.at)

    def identifier(self, token: _Token) -> Node:
        constants: dict[str, Any] = {"true": True, "false": False, "null": None}
        if token.text in constants:
            return Literal(token.at, constants[token.text])
        if token.text == "in":
            self.refuse(f"extraneous input 'in' expecting {_EXPECTED}", token.at)
        if token.text in RESERVED:
            raise failure(self.source, token.at, f"reserved identifier: {token.text}")
        opening = self.take("(")
        if opening is None:
            return Ident(token.at, token.text)
        args = self.arguments(")")
        if token.text == "has":
            return self.has(opening.at, args)
        return Call(opening.at, token.text, None, tuple(args))

    def has(self, at: int, args: list[Node]) -> Node:
        if len(args) == 1 and isinstance(args[0], Select):
            return Select(at, args[0].operand, args[0].field, test=True)
        raise failure(self.source, at, "invalid argument to has() macro")

    def list_of(self, at: int) -> Node:
        items: list[Node] = []
        optional: list[bool] = []
        while not self.take("]"):
            optional.append(self.take("?") is not None)
            items.append(self.expression())
            if self.token.text != "]":
                self.expect(",")
        return ListOf(at, tuple(items), tuple(optional))

    def map_of(self, at: int) -> Node:
        entries: list[tuple[Node, Node]] = []
        optional: list[bool] = []
        while not self.take("}"):
            optional.append(self.take("?") is not None)
            key = self.binary(0)
            self.expect(":")
            entries.append((key, self.expression()))
            if self.token.text != "}":
                self.expect(",")
        return MapOf(at, tuple(entries), tuple(optional))

    def struct_of(self, at: int, name: str) -> Node:
        fields: list[tuple[str, Node]] = []
        optional: list[bool] = []
        while not self.take("}"):
            optional.append(self.take("?") is not None)
            token = self.token
            if token.kind not in ("ident", "quoted"):
                self.refuse(f"extraneous input '{token.text}' expecting {{'}}', ',', '?', IDENTIFIER}}")
            self.next()
            self.expect(":")
            fields.append((token.text.strip("`"), self.expression()))
            if self.token.text != "}":
                self.expect(",")
        return StructOf(at, name, tuple(fields), tuple(optional))

    def number(self, token: _Token, *, negative: bool = False, at: int | None = None) -> Node:
        at = token.at if at is None else at
        sign = -1 if negative else 1
        if token.kind == "float":
            return Literal(at, sign * float(token.text))
        text = token.text.rstrip("uU")
        try:
            value = sign * int(text, 16 if text.startswith("0x") else 10)
        except ValueError:  # Python reads none of thousands of digits
            value = sign * (UINT_MAX + 1)
        if text != token.text:
            if not 0 <= value <= UINT_MAX:
                raise failure(self.source, at, "invalid uint literal")
            return Literal(at, UInt(value))
        if not INT_MIN <= value <= INT_MAX:
            raise failure(self.source, at, "invalid int literal")
        return Literal(at, value)

    def text(self, token: _Token) -> str | bytes:
        try:
            return literals.text(token.text)
        except ValueError as error:
            raise failure(self.source, token.at, f"invalid string literal: {error}") from None

    def macro(self, at: int, name: str, target: Node, args: list[Node]) -> Node | None:
        """The expansion of a macro call, or None when it is an ordinary call."""
        if isinstance(target, Ident) and target.name == "cel" and name == "bind" and len(args) == 3:
            return Bind(at, self.variable(args[0]), args[1], args[2])
        if name in ("optMap", "optFlatMap") and len(args) == 2:
            return Bind(at, self.variable(args[0]), target, args[1], name)
        name = "exists_one" if name == "existsOne" else name
        if name in ("all", "exists", "exists_one", "filter") and len(args) == 2:
            return Fold(at, name, target, (self.variable(args[0]),), args[1])
        if name == "map" and len(args) in (2, 3):
            predicate = args[1] if len(args) == 3 else None
            return Fold(at, name, target, (self.variable(args[0]),), predicate, args[-1])
        if name in ("all", "exists", "exists_one") and len(args) == 3:
            return Fold(at, name, target, (self.variable(args[0]), self.variable(args[1])), args[2])
        if name in ("transformList", "transformMap", "transformMapEntry") and len(args) in (3, 4):
            predicate = args[2] if len(args) == 4 else None
            names = (self.variable(args[0]), self.variable(args[1]))
            return Fold(at, name, target, names, predicate, args[-1])
        return None

    def variable(self, node: Node) -> str:
        if not isinstance(node, Ident):
            raise failure(self.source, node.at, "argument must be a simple name")
        return node.name
