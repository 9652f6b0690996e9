"""A message as it will leave by one channel, bound to its digest; a repr never shows a word of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.render.sms import Segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What leaves by the channel it was rendered for, and nothing else.

    `digest`: `ports.content_digest` of subject, text and html (32 bytes). `language`: what it is written in (BCP 47).
    A text message has an empty subject, no HTML, and tells its `sms` segments.
    """

    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str | None = field(repr=False)
    digest: bytes = field(repr=False)
    language: str
    sms: Segments | None = None
