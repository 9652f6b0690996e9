"""What HTML has a mail reader fetch or run: each tells somebody that, when and where it was read (EM-15; HHS on tracking technologies)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Final

_FETCHING: Final = frozenset({"img", "picture", "source", "video", "audio", "track", "iframe", "frame", "object", "embed", "applet"})  # fmt: skip
_ACTING: Final = frozenset({"script", "form", "input", "button", "select", "textarea", "link", "base", "svg", "frameset"})  # fmt: skip
_FETCHED_BY: Final = frozenset({"src", "srcset", "background", "poster", "data", "action", "formaction", "ping", "lowsrc"})  # fmt: skip
_STYLE: Final = re.compile(
    r"(?i)url\s*\(|image-set\s*\(|@import|expression\s*\(|\\"
)  # a backslash may spell any of them
_RUN: Final = re.compile(r"(?i)\s*(javascript|vbscript|data)\s*:")


def of_element(tag: str, attributes: Sequence[tuple[str, str | None]]) -> Iterator[str]:
    """What is wrong with an element, in a sentence each; `tag` and names in lower case, of a name told twice both values."""
    if tag in _FETCHING:
        yield f"`<{tag}>` is fetched when the message is read, and tells who read it: take it out"
    elif tag in _ACTING or (tag == "meta" and any(name == "http-equiv" for name, _ in attributes)):
        yield f"`<{tag}>` does not belong in a message: mail readers drop it or warn of it; take it out"
    else:
        for name, value in attributes:
            if name in _FETCHED_BY or name.startswith("on"):
                yield f"`{name}` of `<{tag}>` fetches or runs something: take it out"
            elif name == "style" and _STYLE.search(value or ""):
                yield f"the style of `<{tag}>` fetches something: use plain colours"


def of_style(text: str) -> Iterator[str]:
    """What is wrong with a style sheet."""
    if _STYLE.search(text):
        yield "the style sheet fetches something: use plain colours"


def fetches(html: str) -> bool:
    """Whether a letter as it would leave fetches or runs anything."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)  # as it is written
        self.found = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element (HTMLParser's name)."""
        runs = any(name == "href" and _RUN.match(value or "") for name, value in attrs)  # the lint wants https
        self.found = self.found or runs or any(of_element(tag, attrs))

    def handle_comment(self, data: str) -> None:
        """Some mail readers read what stands in a conditional one (HTMLParser's name)."""
        self.found = self.found or (data.lstrip().startswith("[if") and fetches(data.partition("]>")[2]))

    def handle_data(self, data: str) -> None:
        """What stands in <style>, among others (HTMLParser's name)."""
        self.found = self.found or (self.cdata_elem == "style" and any(of_style(data)))
