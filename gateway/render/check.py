"""The last look at a rendered text: what must not stand in it does not, however it is punctuated, and what must does (PH-06)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from html import unescape
from urllib.parse import unquote

from gateway.model.errors import RenderError
from gateway.render.formats import spellings
from gateway.render.html_fetches import fetches
from gateway.render.rendered import Rendered

SHORTEST = 5  # letters and digits; shorter strings occur by chance in any text, house numbers and years above all
_WORD = re.compile(r"[^\W_]+")
_NO_WORD = {at: None for at in range(128) if not chr(at).isalnum()}
_TAG = re.compile(r"<[^<>]*>")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d").fullmatch
_FAR = 2  # punctuation and blanks between two words that may still belong together: "(555) 010-0199"


def check(rendered: Rendered, forbidden: Iterable[str | tuple[str, str]], *, kind: str = "an identifier") -> None:
    """Raises RenderError naming the kind and the part of the message, never the value, if a forbidden string occurs.

    A forbidden string may come as (its own kind, string). Case and punctuation do not matter ("MRN 00-12 34" is
    "mrn001234"); a match begins and ends with a word, so "10002" is not found in "10:00, 2nd floor". Strings under
    SHORTEST letters and digits are ignored. An ISO date is looked for as a reader would see it, too.
    HTML is searched as written (attributes, links) and as read (without tags), and may fetch nothing: who reads health
    mail, and when, is nobody else's business (EM-15).
    """
    if rendered.html is not None and fetches(rendered.html):
        raise RenderError("the rendered html fetches or runs something")
    parts = [(part, text, _squeeze(text)) for part, text in _parts(rendered)]
    everything = "\0".join(squeezed for _, _, squeezed in parts)
    needles = dict(_needles(forbidden, kind, rendered.language, everything))
    for part, text, squeezed in parts:
        if not any(needle in squeezed for needle in needles):
            continue  # as nearly always: where its words begin and end need not be known
        haystack, starts, ends = _index(text)
        for needle, its_kind in needles.items():
            if _occurs(needle, haystack, starts, ends):
                raise RenderError(f"the rendered {part} contains {its_kind}")


def check_sender_told(rendered: Rendered, postal_address: str) -> None:
    """Raises RenderError unless every body says where the sender is, as marketing by mail must (15 USC 7704(a)(5)(A)(iii))."""
    where = " ".join(postal_address.split())
    bodies = [rendered.text, *([] if rendered.html is None else [unescape(_TAG.sub(" ", rendered.html))])]
    if not where or any(where not in " ".join(body.split()) for body in bodies):
        raise RenderError("marketing must say where its sender is: organization.postal_address")


def _needles(
    forbidden: Iterable[str | tuple[str, str]], kind: str, language: str, everything: str
) -> Iterator[tuple[str, str]]:
    for one in forbidden:
        its_kind, text = (kind, one) if isinstance(one, str) else one
        for spelling in _spellings(text, language, everything):
            if len(squeezed := _squeeze(spelling)) >= SHORTEST:
                yield squeezed, its_kind


def _spellings(text: str, language: str, everything: str) -> Iterator[str]:
    yield text
    if _ISO_DATE(text) and str(int(text[:4])) in everything:  # however a date is spelled, its year is there
        yield from spellings(text, language)


def _parts(rendered: Rendered) -> Iterable[tuple[str, str]]:
    yield "subject", rendered.subject
    yield "text", rendered.text
    if rendered.html is not None:
        yield "html", unescape(unquote(rendered.html))
        yield "html", unescape(_TAG.sub("", rendered.html))


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _squeeze(text: str) -> str:
    if text.isascii():
        return text.lower().translate(_NO_WORD)
    return "".join(_WORD.findall(_fold(text)))


def _index(text: str) -> tuple[str, set[int], set[int]]:
    """The text's words run together (a wide gap leaves a mark), and where in that each word starts and ends."""
    joined: list[str] = []
    starts: set[int] = set()
    ends: set[int] = set()
    length = last = 0
    for word in _WORD.finditer(_fold(text)):
        if word.start() - last > _FAR:
            joined.append("\0")
            length += 1
        starts.add(length)
        joined.append(word.group())
        length += len(word.group())
        ends.add(length)
        last = word.end()
    return "".join(joined), starts, ends


def _occurs(needle: str, haystack: str, starts: set[int], ends: set[int]) -> bool:
    at = haystack.find(needle)
    while at >= 0:
        if at in starts and at + len(needle) in ends:
            return True
        at = haystack.find(needle, at + 1)
    return False
