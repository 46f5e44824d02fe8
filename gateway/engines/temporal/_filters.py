"""Temporal's list filter language, as far as a caller may use it.

A caller's filter is parsed by a grammar of our own and written anew, so that nothing of its text reaches the server but
what was understood: it stands in parentheses beside the scope, cannot end them, and holds no quotes, escapes, comments
or functions. What would change which executions the server looks at at all is not in the grammar::

    filter      = term { "OR" term }
    term        = factor { "AND" factor }
    factor      = [ "NOT" ] ( "(" filter ")" | comparison )
    comparison  = name ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) value
                | name [ "NOT" ] ( "IN" "(" value { "," value } ")" | "BETWEEN" value "AND" value | "STARTS_WITH" text )
                | name "IS" [ "NOT" ] "NULL"
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.engines._operations import InvalidFilter
from gateway.engines.temporal._attributes import ATTRIBUTES, CALLER_NAMESPACE, CALLER_TENANT, REQUEST_ID, keyword

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model import Tenant

_LONGEST: Final = 2000
_DEEPEST: Final = 20
_MOST_COMPARISONS: Final = 50
_SYSTEM_NAMES: Final = frozenset(
    {
        "CloseTime",
        "ExecutionDuration",
        "ExecutionStatus",
        "ExecutionTime",
        "HistoryLength",
        "HistorySizeBytes",
        "RunId",
        "StartTime",
        "StateTransitionCount",
        "WorkflowId",
        "WorkflowType",
    }
)
_RESERVED_PREFIXES: Final = ("temporal", "nexus", "buildid", "parent", "root", "batcher", "taskqueue", "visibility")
_NOT_ASKED: Final = frozenset({CALLER_TENANT, REQUEST_ID})
_WORDS: Final = frozenset({"AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "STARTS_WITH"})
_OPERATORS: Final = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<punctuation> [(),] | <= | >= | <> | != | [=<>] )
      | '(?P<single> [^'"`\\\x00-\x1f\x7f-\x9f\ud800-\udfff]* )'(?!')
      | "(?P<double> [^'"`\\\x00-\x1f\x7f-\x9f\ud800-\udfff]* )"(?!")
      | (?P<number> -?[0-9]{1,18}(?:\.[0-9]{1,9})? )(?![A-Za-z0-9_.])
      | (?P<name> [A-Za-z_][A-Za-z0-9_]{0,63} )
    )\s*""",
    re.VERBOSE | re.ASCII,
)


class _Token(NamedTuple):
    kind: str
    text: str


def checked_filter(text: str, tenant: Tenant | None) -> str:
    """A caller's filter, written anew so that it stays within the parentheses around it.

    It may name the namespace of callers as far as that is the ``tenant``'s own; with None any, where the caller may see
    the operations of every tenant.

    Raises:
        InvalidFilter: it is not of this grammar, or names what is not the caller's to name.
    """
    if len(text) > _LONGEST:
        raise InvalidFilter(f"longer than {_LONGEST} characters")
    return _Parser(_tokens(text), tenant).parse()


def _tokens(text: str) -> Sequence[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise InvalidFilter(
                f"cannot be read at character {position + 1}; values stand in single quotes and hold no quotes or"
                " backslashes"
            )
        kind = "text" if found.lastgroup in ("single", "double") else found.lastgroup
        tokens.append(_token(kind, found[found.lastgroup]))
        position = found.end()
    return tokens


def _token(kind: str, text: str) -> _Token:
    if kind == "name" and text.upper() in _WORDS:
        return _Token("word", text.upper())
    return _Token(kind, text)


class _Parser:
    def __init__(self, tokens: Sequence[_Token], tenant: Tenant | None) -> None:
        self._tokens = tokens
        self._tenant = tenant
        self._position = 0
        self._comparisons = 0

    def parse(self) -> str:
        written = self._filter(0)
        if self._position < len(self._tokens):
            raise InvalidFilter(f"has {self._tokens[self._position].text!r} where AND, OR or its end was expected")
        return written

    def _filter(self, depth: int) -> str:
        if depth > _DEEPEST:
            raise InvalidFilter(f"is nested deeper than {_DEEPEST}")
        terms = [self._term(depth)]
        while self._take("word", "OR"):
            terms.append(self._term(depth))
        return " OR ".join(terms)

    def _term(self, depth: int) -> str:
        factors = [self._factor(depth)]
        while self._take("word", "AND"):
            factors.append(self._factor(depth))
        return " AND ".join(factors)

    def _factor(self, depth: int) -> str:
        negation = "NOT " if self._take("word", "NOT") else ""
        if self._take("punctuation", "("):
            inner = self._filter(depth + 1)
            self._expect("punctuation", ")")
            return f"{negation}({inner})"
        comparison = self._comparison(negated=bool(negation))
        return f"NOT ({comparison})" if negation else comparison

    def _comparison(self, *, negated: bool) -> str:
        self._comparisons += 1
        if self._comparisons > _MOST_COMPARISONS:
            raise InvalidFilter(f"has more than {_MOST_COMPARISONS} comparisons")
        name = self._expect("name").text
        self._check_name(name)
        following = self._next("a comparison")
        if following.text in _OPERATORS and following.kind == "punctuation":
            value = self._value()
            self._check_owner(name, following.text if not negated else "NOT", value)
            return f"{name} {following.text} {value}"
        self._check_owner(name, following.text, "")
        if following == _Token("word", "IS"):
            negation = "NOT " if self._take("word", "NOT") else ""
            self._expect("word", "NULL")
            return f"{name} IS {negation}NULL"
        negation = ""
        if following == _Token("word", "NOT"):
            negation, following = "NOT ", self._next("IN, BETWEEN or STARTS_WITH")
        return f"{name} {negation}{self._set(following)}"

    def _set(self, word: _Token) -> str:
        match word:
            case _Token("word", "IN"):
                return f"IN ({self._values()})"
            case _Token("word", "BETWEEN"):
                first = self._value()
                self._expect("word", "AND")
                return f"BETWEEN {first} AND {self._value()}"
            case _Token("word", "STARTS_WITH"):
                return f"STARTS_WITH {self._value()}"
            case _:
                raise InvalidFilter(f"has {word.text!r} where a comparison was expected")

    def _values(self) -> str:
        self._expect("punctuation", "(")
        values = [self._value()]
        while self._take("punctuation", ","):
            values.append(self._value())
        self._expect("punctuation", ")")
        return ", ".join(values)

    def _value(self) -> str:
        match self._next("a value"):
            case _Token("text", text):
                return f"'{text}'"
            case _Token("number", text):
                return text
            case _Token(_, text):
                raise InvalidFilter(f"has {text!r} where a value was expected; put text in single quotes")

    def _check_name(self, name: str) -> None:
        if name in _SYSTEM_NAMES or (name in ATTRIBUTES and name not in _NOT_ASKED):
            return
        # Whatever the server gives a meaning of its own to, in any spelling; what is left are a handler's attributes.
        if name.lower().startswith(_RESERVED_PREFIXES):
            raise InvalidFilter(f"{name} cannot be filtered by")

    def _check_owner(self, name: str, operator: str, value: str) -> None:
        """Whose an operation is is not asked, but given, unless the caller may see everybody's."""
        if name != CALLER_NAMESPACE or self._tenant is None:
            return
        if (operator, value) != ("=", f"'{keyword(self._tenant.namespace)}'"):
            raise InvalidFilter(f"{name} is always the caller's own; leave it out")

    def _next(self, wanted: str) -> _Token:
        if self._position >= len(self._tokens):
            raise InvalidFilter(f"ends where {wanted} was expected")
        self._position += 1
        return self._tokens[self._position - 1]

    def _take(self, kind: str, text: str) -> bool:
        if self._position < len(self._tokens) and self._tokens[self._position] == (kind, text):
            self._position += 1
            return True
        return False

    def _expect(self, kind: str, text: str | None = None) -> _Token:
        wanted = text or "a name"
        token = self._next(wanted)
        if token.kind != kind or text not in (None, token.text):
            raise InvalidFilter(f"has {token.text!r} where {wanted} was expected")
        return token
