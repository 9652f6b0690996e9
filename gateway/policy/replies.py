"""What a person's words were taken for: whoever may mean STOP is taken at it, and nothing else is guessed (SM-09, SM-10).

47 CFR 64.1200(a)(10): a revocation counts by any reasonable means, in words a reasonable person would understand. In
doubt it is one, for a text too few costs a call and a text too many is against the law. Pure; never raises.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from gateway.model.comingback import ReplyMeaning
from gateway.policy import reply_words as words

_LONGEST = 4_096  # characters; more than any network joins
_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼ`´‛＇"))
_SIGNS = {ord("🛑"): " stop "}
# Letters that look like Latin ones, lower case: Cyrillic, Greek, small capitals, and Latin ones with a stroke.
_ALIKE = str.maketrans(
    "аесорхуіјѕтвнкмԁԛԝοτρνακιεχυзᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢıøłđ",
    "aecopxyijstbhkmdqwotpvakiexyzabcdefghijklmnoprstuvwyziold",
)
_LEET = str.maketrans("0$5", "oss")
_ENDS = re.compile(r"[.!?;:\n\r…。！？]+")
_CLAUSES = re.compile(r"[.!?;:\n\r…。！？,，、()\[\]\"“”«»-]+")
_DRAWN_OUT = re.compile(r"([a-z])\1{2,}")
_MODALS, _NOT_US = frozenset(("can", "could", "will", "would", "must")), frozenset(("i", "it", "this", "that", "these"))
_DOES = (ReplyMeaning.CONFIRM, ReplyMeaning.CANCEL_VISIT, ReplyMeaning.RESCHEDULE, ReplyMeaning.YES)
_ALONE = (
    (words.CONFIRM, ReplyMeaning.CONFIRM),
    (words.CANCEL_VISIT, ReplyMeaning.CANCEL_VISIT),
    (words.RESCHEDULE, ReplyMeaning.RESCHEDULE),
    (words.START, ReplyMeaning.START),
    (words.YES, ReplyMeaning.YES),
    (words.HELP, ReplyMeaning.HELP),
)


def meaning(text: str, *, language: str = "") -> ReplyMeaning:
    """What `text`, all that a person wrote, was taken for; `language` (BCP 47) is theirs if it is known.

    Whatever may be a wish to stop is STOP before it is anything else, CANCEL and END alone included: networks and
    providers take them so. C, 1, X, 2, R, YES, HELP and START count only alone. YES opts in only after START was
    asked (SM-09), which is the caller's to know.
    """
    folded = _folded(text[:_LONGEST])
    tokens = _tokens(folded)
    if _is_stop(tokens, words.STOP | words.STOP_IN.get(language.lower().partition("-")[0], frozenset())):
        return ReplyMeaning.STOP
    if any(_is_revocation(one) for one in _ENDS.split(folded)):
        return ReplyMeaning.STOP
    if any(_is_plain_stop(_tokens(one)) for one in _CLAUSES.split(folded)):
        return ReplyMeaning.STOP
    found = _code([one for one in tokens if one not in words.POLITE] or tokens)
    return ReplyMeaning.FREE_TEXT if "?" in folded and found in _DOES else found  # "X?" asks, it does not cancel


def plain(text: str) -> str:
    """The words of a text as they are compared: lower case, Latin look-alikes as Latin, nothing but letters and digits."""
    return " ".join(_tokens(_folded(text[:_LONGEST])))


def _folded(text: str) -> str:
    """Case, accents, full-width and decorated letters, look-alikes and invisible characters made equal."""
    shown = text.translate(_APOSTROPHES).translate(_SIGNS)
    spread = unicodedata.normalize("NFKD", "".join(map(_letter, unicodedata.normalize("NFKC", shown)))).casefold()
    bare = "".join(char for char in spread if unicodedata.category(char)[0] not in "MC" or char in "\n\r\t")
    return unicodedata.normalize("NFC", bare).translate(_APOSTROPHES).translate(_ALIKE)


def _letter(char: str) -> str:
    """The letter in a box, in a black circle or of a flag."""
    code = ord(char)
    for first in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6):
        if first <= code < first + 26:
            return chr(ord("a") + code - first)
    return char


def _tokens(folded: str) -> list[str]:
    """The words; letters that stand alone in a row are one spelled out ("S T O P")."""
    found = "".join(char if char.isalnum() or char == "$" else " " for char in folded).split()
    if len(found) > 1 and all(len(one) == 1 and one.isalpha() for one in found):
        return ["".join(found)]
    return found


def _is_stop(tokens: Sequence[str], stops: frozenset[str]) -> bool:
    """Whether the whole message is a word that ends everything, said politely or often."""
    asked = [one for one in tokens if one not in words.POLITE and one not in words.NOUNS]
    return bool(asked) and (all(_among(one, stops) for one in asked) or _among("".join(asked), stops))


def _among(token: str, stops: frozenset[str]) -> bool:
    forms = (token, _DRAWN_OUT.sub(r"\1", token), token.translate(_LEET))
    return any(one in stops for one in forms)


def _is_revocation(sentence: str) -> bool:
    """Whether one sentence asks to be left alone, in other words than the listed ones."""
    told = " ".join(_tokens(sentence))
    return words.revoked().search(told) is not None and words.kept().search(told) is None


def _is_plain_stop(tokens: Sequence[str]) -> bool:
    """Whether one clause is "stop" and nothing that changes it: "ok, stop it", "I said stop"."""
    stops = [one for one in tokens if _among(one, words.PLAIN_STOP)]
    if not stops or words.kept().search(" ".join(tokens)):
        return False
    return not _asks_whether(tokens) and all(one in words.AROUND for one in tokens if one not in stops)


def _asks_whether(tokens: Sequence[str]) -> bool:
    """Whether it asks what may or will be: "can I stop now", "will it stop" are about a medicine or a pain."""
    return any(verb in _MODALS and who in _NOT_US for verb, who in pairwise(tokens))


def _code(tokens: Sequence[str]) -> ReplyMeaning:
    """A code or word that stands alone, perhaps repeated; FREE_TEXT for everything a person must read."""
    for known, meant in _ALONE:
        if tokens and (set(tokens) <= known or "".join(tokens) in known):
            return meant
    return ReplyMeaning.FREE_TEXT
