"""What a template file says literally: no placeholder left over, no words run together, no foreign link, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from html.parser import HTMLParser
from urllib.parse import urlsplit

from gateway.render.html_fetches import of_element, of_style

Found = tuple[int, int, str, str]  # line, column, code, sentence

_SWALLOWED = re.compile(r"(?<=[^\s>])(\{%(?:(?!%\})[^\n])*%\})\n(?=[\w({])(?!\{%)")  # Jinja's trim_blocks
_MASK = "\ufffc"  # stands for what an expression prints, as long as the expression, so that places stay right
_TAGS = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_LEFTOVER = re.compile(
    r"\}\}|%\}|\{ +[{%]|[}%] +\}|\$\{[^}\n]*\}|%%\w+%%|\[\[[^\]\n]*\]\]|<<\w+>>|\{[A-Za-z_][\w.]*\}"
    r"|\b(?:TODO|TBD|FIXME|XXX+|[Ll]orem ipsum)\b"
)
_LINK = re.compile(r"(?i)\bhttps?://[^\s\"'<>()]+|\bwww\.[^\s\"'<>()]+")
_PLAIN_SCHEMES = ("tel:", "mailto:", "#")


@lru_cache(maxsize=512)  # subjects, footers and whole letters are copied from one template to the next
def words(source: str, *, html: bool, domains: frozenset[str]) -> tuple[Found, ...]:
    """CG064 (links), CG065 (HTML that fetches or acts), CG066 (placeholders) and CG068 (lines run together), in no order.

    `domains`: hosts that may be linked to, with their subdomains.
    """
    return tuple(_words(source, html, domains))


def _words(source: str, html: bool, domains: frozenset[str]) -> Iterator[Found]:
    masked = _TAGS.sub(_masked, source)
    for match in _LEFTOVER.finditer(masked):
        sentence = (
            f"`{match.group()[:30]}` would be read by the patient as it stands: write {{{{ fact }}}}, or take it out"
        )
        yield *_place(masked, match.start()), "CG066", sentence
    for match in _SWALLOWED.finditer(source):
        sentence = f"after `{match[1][:30]}` the line break goes, and two words run together: end the line with a word"
        yield *_place(source, match.start()), "CG068", sentence
    if html:
        reader = _Html(domains)
        reader.feed(masked)
        reader.close()
        yield from reader.found
    else:
        yield from _links(masked, (1, 0), domains)


def _masked(match: re.Match[str]) -> str:
    filler = _MASK if match.group().startswith("{{") else " "
    return "".join("\n" if char == "\n" else filler for char in match.group())


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _links(text: str, start: tuple[int, int], domains: Collection[str]) -> Iterator[Found]:
    """Links in running text that begins at `start` (line from 1, offset from 0)."""
    for match in _LINK.finditer(text):
        if wrong := _wrong(match.group().rstrip(".,;:!?"), domains):
            line, column = _place(text, match.start())
            yield line + start[0] - 1, column + (start[1] if line == 1 else 0), "CG064", wrong


def _wrong(link: str, domains: Collection[str]) -> str | None:
    """What is wrong with a link, or None (SM-19; PH-06)."""
    if _MASK in link:
        return "a link must say nothing about anybody: it is logged wherever it passes; write it out, without {{ }}"
    try:
        host = (urlsplit(link if "//" in link else f"//{link}").hostname or "").rstrip(".")
    except ValueError:
        host = ""
    if any(host == domain or host.endswith(f".{domain}") for domain in domains):
        return None
    return (
        f"`{host or link[:40]}` is not one of your domains: name it in `link_domains` of policy.yaml, or drop the link"
    )


class _Html(HTMLParser):
    """Finds what an HTML file fetches, runs or links to."""

    def __init__(self, domains: Collection[str]) -> None:
        super().__init__(convert_charrefs=False)  # so that places stay right
        self.found: list[Found] = []
        self._domains = domains

    def _find(self, code: str, sentence: str) -> None:
        line, offset = self.getpos()
        self.found.append((line, offset + 1, code, sentence))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element (HTMLParser's name)."""
        for sentence in of_element(tag, attrs):
            self._find("CG065", sentence)
        href = (dict(attrs).get("href") or "").strip()
        if tag in ("a", "area") and href and not href.lower().startswith(_PLAIN_SCHEMES):
            self._href(href)

    def _href(self, href: str) -> None:
        if _MASK in href or href.lower().startswith(("http:", "https:", "//")):
            wrong = _wrong(href, self._domains)
        else:
            wrong = "a link is https://, tel: or mailto:"
        if wrong:
            self._find("CG064", wrong)

    def handle_data(self, data: str) -> None:
        """Running text, and what stands in <style> (HTMLParser's name)."""
        if self.cdata_elem == "style":
            for sentence in of_style(data):
                self._find("CG065", sentence)
        else:
            self.found.extend(_links(data, self.getpos(), self._domains))
