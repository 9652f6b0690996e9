"""Values as an analyst writes them: the words of a *.test.yaml are the words of `caregate hl7 show`."""

from __future__ import annotations

from gateway.model.consent import ConsentKind, ConsentStatement
from gateway.model.party import ContactPoint, Identifier, RepresentativeStatement
from gateway.model.when import When, to_datetime


def value(told: object) -> str | None:
    """A value in words: "2026-03-15 09:30", "yes", "30"; None for none."""
    if isinstance(told, When):
        local = to_datetime(told.utc, told.zone)
        return f"{local:%Y-%m-%d %H:%M}" if told.has_clock else f"{local:%Y-%m-%d}"
    if isinstance(told, bool):
        return "yes" if told else "no"
    return None if told is None else str(told)


def identifier(one: Identifier) -> str:
    """An identifier as authority|type|value."""
    return f"{one.system}|{one.type}|{one.value}"


def point(field: str, one: ContactPoint) -> str:
    """A contact point with the field it came from: "PID-13 home sms +13125550100"."""
    rank = f" rank {one.rank}" if one.rank != 99 else ""
    return f"{field} {one.use.value} {one.system.value} {one.value}{rank}"


def consent(one: ConsentStatement) -> str:
    """What a CON segment says: "permit TREAT/email/*", "permit texts:TREAT/sms/*"."""
    kind = "" if one.kind is ConsentKind.MESSAGES else f"{one.kind}:"
    return f"{'permit' if one.permit else 'deny'} {kind}{one.purpose}/{one.channel}/{one.topic}"


def representative(one: RepresentativeStatement) -> str:
    """Role, whether in force, name and addresses: "parent yes Pat Doe home email pat@example.org"."""
    words = [one.role or "none", value(one.active), one.name]
    words += [f"{point.use} {point.system} {point.value}" for point in one.points]
    return " ".join(str(word) for word in words if word)
