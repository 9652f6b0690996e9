"""What a template sees: the facts its rule reveals, public values of the organisation, and nothing else (law 3)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from gateway.model.consent import ChannelKind
from gateway.model.errors import RenderError
from gateway.model.facts import UNMAPPED, FactValue
from gateway.model.party import Location, Organization

LONGEST = 200  # characters of one textual fact; more is not a name
_PLACE = ("name", "callback")
_PUBLIC = (
    "organization.name",
    "organization.callback",
    "organization.postal_address",
    "organization.sender_name",
    "opt_out",
    "language",
    "direction",
)
_RIGHT_TO_LEFT = frozenset({"ar", "arc", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
# What telephones and mail readers make a link of, with a scheme or without one (SM-19).
_LINK = re.compile(r"(?i)://|\bwww\.|\w\.[a-z]{2,}/|\w{2}\.(?:com|net|org|info|biz|xyz)\b").search
_JOINERS = "\u200c\u200d"  # part of names in Persian and Indic scripts

_OPT_OUT = {
    "en": "To stop these messages, call {callback}.",
    "es": "Para dejar de recibir estos mensajes, llame al {callback}.",
    "fr": "Pour ne plus recevoir ces messages, appelez le {callback}.",
    "de": "Wenn Sie diese Nachrichten nicht mehr erhalten möchten, rufen Sie {callback} an.",
    "pt": "Para deixar de receber estas mensagens, ligue para {callback}.",
    "vi": "Để ngừng nhận các tin nhắn này, vui lòng gọi {callback}.",
    "zh": "如不想再收到此类消息,请致电 {callback}。",
}
# STOP is the word every network and provider knows, in any language (SM-09; 47 CFR 64.1200(a)(10)). In letters of the GSM
# alphabet where the language can: one other letter halves the room of the whole message (SM-02).
_OPT_OUT_SMS = {
    "en": "Reply STOP to opt out.",
    "es": "Responda STOP para no recibir estos mensajes.",
    "fr": "Répondez STOP pour ne plus en recevoir.",
    "de": "Antworten Sie STOP zum Abmelden.",
    "pt": "Responda STOP para cancelar.",
    "vi": "Trả lời STOP để hủy.",
    "zh": "回复STOP退订。",
}


@lru_cache(maxsize=1024)
def allowed_names(reveals: tuple[str, ...]) -> frozenset[str]:
    """Dotted names a template of a rule with these `reveals` may use.

    `location.*` is in scope only where a location fact is revealed: the name of a clinic is content.
    """
    names = set(_PUBLIC)
    for fact in reveals:
        if _is_place(fact):
            names.update((fact, "location"))  # to ask whether it is there at all
            names.update(f"{prefix}.{part}" for prefix in (fact, "location") for part in _PLACE)
        else:
            names.add(fact)
    return frozenset(names)


def scope(
    values: Mapping[str, FactValue],
    reveals: Iterable[str],
    *,
    organization: Organization,
    location: Location | None,
    language: str,
    channel: ChannelKind = ChannelKind.EMAIL,
) -> dict[str, object]:
    """The template's context: nested by the dots of fact names; a fact that is not known is absent.

    `opt_out` says how to stop these messages where they are read: by a word in a text message, else by a call.
    Raises RenderError, naming the fact, for text too long to be one or holding a link, and for unmapped codes.
    """
    context: dict[str, object] = {
        "organization": {
            "name": organization.name,
            "callback": organization.callback,
            "postal_address": organization.postal_address,
            "sender_name": organization.sender_name,
        },
        "language": language,
        "direction": "rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr",
    }
    sentences = _OPT_OUT_SMS if channel is ChannelKind.SMS else _OPT_OUT
    if sentence := sentences.get(language.partition("-")[0]):
        context["opt_out"] = sentence.format(callback=organization.callback)
    for fact in reveals:
        # The namespace is there even when nothing in it is known, so that a template may ask `is defined`.
        context.setdefault(fact.partition(".")[0], {})
        if fact in values:
            _reveal(context, fact, values[fact], organization, location)
    return context


def _reveal(
    context: dict[str, object], fact: str, value: FactValue, organization: Organization, location: Location | None
) -> None:
    namespace, _, name = fact.partition(".")
    inside = context.setdefault(namespace, {})
    assert isinstance(inside, dict)
    if not _is_place(fact):
        inside[name] = _safe(fact, value)
    elif location is not None and location.id == value:
        inside[name] = context["location"] = {
            "name": location.name,
            "callback": location.callback or organization.callback,
        }


def _is_place(fact: str) -> bool:
    return fact.endswith(".location")


def _safe(fact: str, value: FactValue) -> FactValue:
    if not isinstance(value, str):
        return value
    if value == UNMAPPED:
        raise RenderError(f"{fact} is unmapped")  # law 6: nobody knows what it would say
    text = one_line(value)
    if len(text) > LONGEST:
        raise RenderError(f"{fact} is longer than {LONGEST} characters")
    if _LINK(text):
        raise RenderError(f"{fact} holds a link")  # typed into a registration form to be mailed on by us
    return text


def one_line(text: str) -> str:
    """Text without control, format, line-separator and surrogate characters, blanks run together."""
    if not text.isprintable():
        text = "".join(" " if is_unprintable(char) else char for char in text)
    return " ".join(text.split())


def holds_unprintable(text: str) -> bool:
    """Whether any character has no place in a name or a subject; most texts are plain, and not looked at one by one."""
    return not text.isprintable() and any(map(is_unprintable, text))


def is_unprintable(char: str) -> bool:
    """Whether a character has no place in a name or a subject: controls, direction overrides, line separators."""
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in _JOINERS
