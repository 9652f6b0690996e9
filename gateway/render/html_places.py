"""Where HTML may say a value: in running text, or in the quotes of an attribute that neither runs, styles nor fetches.

Escaping makes `<`, `>`, `&` and quotes harmless. It cannot help a value that stands in a tag without quotes, in a
style sheet, or where a link begins: `javascript:` needs none of these characters.
"""

from __future__ import annotations

import re

import jinja2

_TELLS = frozenset({"lang", "dir", "title", "alt", "aria-label"})
_LINKS = ("tel:", "mailto:", "https://", "http://")  # what follows cannot become code; lint refuses it in the last two
_RAW = frozenset({"style", "script"})  # their text is not HTML: escaping means nothing there
_PRINTS = frozenset({"variable_begin", "block_begin"})
_OPENS = re.compile(r"<(?:(?P<comment>!--)|(?P<name>[!/?]?[A-Za-z][^\s/>]*)|(?P<other>[!/?]))")
_ATTRIBUTE = re.compile(r"\s*(?P<name>[^\s=>\"']*)\s*(?P<value>=\s*)?")


def misplaced(env: jinja2.Environment, source: str, file: str) -> int | None:
    """The line of the first expression or block that stands where no escaping helps, or None."""
    reader, before = _Places(), ""
    for line, kind, value in env.lexer.tokeniter(source, file):
        if kind == "data":
            before += value  # together with what stood before a comment: nothing is between them in the letter
        elif kind in _PRINTS:
            reader.feed(before)
            if before.endswith(("<", "</")) or not reader.is_safe:
                return line
            before = ""
    return None


class _Places:
    """Reads HTML as far as it goes; what it takes for a tag a browser may take for text, and nothing the other way."""

    def __init__(self) -> None:
        self._state = self._text
        self._element = ""
        self._attribute = ""
        self._quote = ""
        self._said = ""  # of the value so far

    @property
    def is_safe(self) -> bool:
        """Whether a value may be printed here."""
        if self._state == self._value:
            return self._attribute in _TELLS or (self._attribute == "href" and self._said.lower().startswith(_LINKS))
        return self._state == self._text and self._element not in _RAW

    def feed(self, text: str) -> None:
        """Go on with literal text."""
        at = 0
        while at < len(text):
            at = self._state(text, at)

    def _text(self, text: str, at: int) -> int:
        found = _OPENS.search(text, at)
        if found is None:
            return len(text)
        name = (found["name"] or "").lower()
        if self._element in _RAW and name != f"/{self._element}":
            return found.end()
        self._element = name
        self._state = self._comment if found["comment"] else self._tag
        return found.end()

    def _comment(self, text: str, at: int) -> int:
        end = text.find("-->", at)
        if end < 0:
            return len(text)
        self._element, self._state = "", self._text
        return end + len("-->")

    def _tag(self, text: str, at: int) -> int:
        if text[at] == ">":
            self._state = self._text
            return at + 1
        if text[at] in "\"'":
            if self._attribute:
                self._quote, self._said, self._state = text[at], "", self._value
            return at + 1
        found = _ATTRIBUTE.match(text, at)
        assert found is not None, "it matches nothing at least"
        self._attribute = found["name"].strip("/").lower() if found["value"] else ""
        return max(found.end(), at + 1)

    def _value(self, text: str, at: int) -> int:
        end = text.find(self._quote, at)
        self._said += text[at : end if end >= 0 else len(text)]
        if end < 0:
            return len(text)
        self._attribute, self._state = "", self._tag
        return end + 1
