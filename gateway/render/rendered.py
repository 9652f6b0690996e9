"""A message as it will leave, bound to its digest; a repr never shows a word of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """`digest`: `ports.content_digest` of subject, text and html (32 bytes). `language`: what it is written in."""

    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str | None = field(repr=False)
    digest: bytes = field(repr=False)
    language: str
