"""What a text message asks people to answer must be what it is then taken for: C or 1, X or 2, STOP, HELP (SM-09)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.model.comingback import ReplyMeaning
from gateway.policy.replies import meaning, plain
from gateway.policy.reply_words import PLAIN_STOP

_TAGS = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_ASKED = re.compile(
    r"(?i)\b(?:reply|respond|answer|text|send|responda|responde|conteste|contesta|env[ií]e|env[ií]a|escriba|escribe|mande|marque)\b"
    r"([^.!?\n]*)"
)
_WORD = re.compile(r"(?<![\w{])(?:[A-ZÁÉÍÓÚÑ]{1,14}|[12])(?![\w}])")
_FIRST = re.compile(r"\s+(?:with\s+|con\s+)?[\"'“]?([A-Z0-9])\b")
_OFFERED = frozenset(("C", "1", "X", "2", "R"))  # R goes to staff
_ADVICE = {
    ReplyMeaning.STOP: "networks and providers take it for STOP, and it ends every text: offer X or 2",
    ReplyMeaning.YES: "it is taken for a wish to get texts, and only after START: offer C or 1",
}


def reply_findings(source: str) -> Iterator[tuple[int, int, str]]:
    """Line, column and sentence of every answer that an sms.txt offers and that means something else."""
    masked = _TAGS.sub(lambda tag: "".join(char if char == "\n" else "\ufffc" for char in tag.group()), source)
    for asked in _ASKED.finditer(masked):
        seen = dict(_words(asked))
        for at in sorted(seen):
            if advice := _wrong(seen[at]):
                line = masked.count("\n", 0, at) + 1
                yield line, at - masked.rfind("\n", 0, at), f"`{seen[at]}` is offered as an answer: {advice}"


def _words(asked: re.Match[str]) -> Iterator[tuple[int, str]]:
    """Words in capitals after "reply", and a single letter or digit right behind it."""
    rest, start = asked[1], asked.start(1)
    for word in _WORD.finditer(rest):
        if meaning(word.group()) is not ReplyMeaning.FREE_TEXT:
            yield start + word.start(), word.group()
    if first := _FIRST.match(rest):
        yield start + first.start(1), first[1]


def _wrong(word: str) -> str:
    """What is wrong with offering a word; nothing when it is one of the few."""
    meant = meaning(word)
    if word in _OFFERED or meant in (ReplyMeaning.START, ReplyMeaning.HELP) or plain(word) in PLAIN_STOP:
        return ""
    return _ADVICE.get(meant, "offer C or 1 to confirm, X or 2 to cancel: nothing else is understood")
