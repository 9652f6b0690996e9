"""What comes out of a template is bounded and of one shape: a one-line subject, a body, a text message of few parts."""

from __future__ import annotations

import jinja2

from gateway.model.errors import RenderError
from gateway.render.sms import Segments, fold, segments
from gateway.render.values import holds_unprintable

LONGEST_SUBJECT = 150  # characters
LONGEST_BODY = 100_000  # characters of one part


def run(template: jinja2.Template, context: dict[str, object]) -> str:
    """Render piece by piece, so that a text that grows beyond the bound stops growing (RenderError)."""
    pieces: list[str] = []
    length = 0
    for piece in template.root_render_func(template.new_context(context)):
        length += len(piece)
        if length > LONGEST_BODY:
            raise RenderError(f"{template.name} is longer than {LONGEST_BODY} characters")
        pieces.append(piece)
    return "".join(pieces)


def subject_of(text: str) -> str:
    """One line without control characters (RFC 5322 §2.2; EM-14), not empty, at most LONGEST_SUBJECT characters."""
    subject = text.strip()
    if not subject:
        raise RenderError("the subject is empty")
    if holds_unprintable(subject):
        raise RenderError("the subject is more than one line or holds control characters")
    if len(subject) > LONGEST_SUBJECT:
        raise RenderError(f"the subject is longer than {LONGEST_SUBJECT} characters")
    return subject


def body_of(text: str) -> str:
    """A text or HTML body with plain line ends, not empty."""
    body = text.strip("\r\n").replace("\r\n", "\n").replace("\r", "\n")
    if not body.strip():
        raise RenderError("a body is empty")
    return body + "\n"


def sms_of(text: str, limit: int) -> tuple[str, Segments]:
    """A text message and its parts, at most `limit` (SM-02, SM-03).

    Smart punctuation is made plain, blanks within a line run together, empty lines at either end go.
    """
    lines = (" ".join(line.split()) for line in fold(text.replace("\r", "\n")).split("\n"))
    message = "\n".join(lines).strip("\n")
    if not message:
        raise RenderError("the text message is empty")
    if holds_unprintable(message.replace("\n", "")):
        raise RenderError("the text message holds control characters")
    counted = segments(message)
    if counted.parts > limit:
        raise RenderError(f"the text message takes {counted.parts} segments, its rule allows {limit}")
    return message, counted
