"""What a template sees: the facts its rule reveals, public values of the organisation, and nothing else (law 3)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

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


def allowed_names(reveals: Iterable[str]) -> frozenset[str]:
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
) -> dict[str, object]:
    """The template's context: nested by the dots of fact names; a fact that is not known is absent.

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
    if sentence := _OPT_OUT.get(language.partition("-")[0]):
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
    if "://" in text:
        raise RenderError(f"{fact} holds a link")  # typed into a registration form to be mailed on by us
    return text


def one_line(text: str) -> str:
    """Text without control, format, line-separator and surrogate characters, blanks run together."""
    kept = ("".join(" " if is_unprintable(char) else char for char in text)).split()
    return " ".join(kept)


def is_unprintable(char: str) -> bool:
    """Whether a character has no place in a name or a subject: controls, direction overrides, line separators."""
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in _JOINERS
