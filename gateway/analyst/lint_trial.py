"""Templates tried on made-up people before a patient gets one: what cannot be rendered, or grows too long, is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.analyst import specimen
from gateway.model.consent import ChannelKind
from gateway.model.errors import RenderError
from gateway.model.facts import VOCABULARY, FactType, FactValue
from gateway.model.rule import MOST_SMS_SEGMENTS, Rule
from gateway.render.compiled import SMS, SUBJECT, TEXT, serves
from gateway.render.sms import Segments, fold, outside
from gateway.render.templates import Templates

Found = tuple[Path, int, int, str, str]  # file, line, column, code, sentence
_UNBOUNDED = 10_000  # segments: counted here, judged here
_FOREIGN = "ő"  # a letter that the GSM alphabet does not have
_NOT_KNOWN = ": not known: "


def trial(root: Path, templates: Templates, rule: Rule, variant: str, language: str) -> Iterator[Found]:
    """CG062 (a text message over its segments) and CG063 (cannot be rendered) of one language of one template."""
    folder = root / variant if variant else root
    files = templates.files(root.name)[variant]
    channels = [
        channel for channel in (ChannelKind.EMAIL, ChannelKind.SMS) if serves(files, channel) and _sends(rule, channel)
    ]
    for channel in channels:
        try:
            told = _facts(rule, language, templates.uses_by_part(root.name, variant).get(SMS, frozenset()), channel)
            counted = [_try(templates, root.name, rule, language, channel, facts) for facts in told]
        except RenderError as error:
            yield _cannot(folder, files, channel, str(error))
            continue
        if channel is ChannelKind.SMS:
            yield from _too_long(folder / SMS, files[SMS], rule, max(counted, key=_judged))


def _sends(rule: Rule, channel: ChannelKind) -> bool:
    texts = ChannelKind.SMS in rule.channels
    return texts if channel is ChannelKind.SMS else not texts or len(rule.channels) > 1


def _facts(
    rule: Rule, language: str, texted: frozenset[str], channel: ChannelKind
) -> Iterator[Mapping[str, FactValue]]:
    """As long as is plausible, in the GSM alphabet and, where a text message shows free text, in letters beyond it."""
    yield specimen.longest(rule, language)
    free = (name for name in rule.reveals if VOCABULARY[name].type is FactType.TEXT)
    if channel is ChannelKind.SMS and not texted.isdisjoint(free):
        yield specimen.longest(rule, language, letter=_FOREIGN)


def _try(
    templates: Templates,
    name: str,
    rule: Rule,
    language: str,
    channel: ChannelKind,
    facts: Mapping[str, FactValue],
) -> Segments | None:
    return templates.render(
        name,
        language=language,
        values=facts,
        organization=specimen.LONG_ORGANIZATION,
        location=specimen.LONG_LOCATION,
        reveals=rule.reveals,
        zone=specimen.ZONE,
        channel=channel,
        sms_segments=_UNBOUNDED,
    ).sms


def _judged(counted: Segments | None) -> int:
    return counted.parts if counted else 0


def _too_long(path: Path, source: str, rule: Rule, counted: Segments | None) -> Iterator[Found]:
    limit = rule.sms_segments
    if counted is None or counted.parts <= limit:
        return
    line, column, why = _why(source, counted)
    whole, joined = (160, 153) if counted.gsm else (70, 67)
    over = counted.units - (whole if limit == 1 else limit * joined)
    raised = (
        f", or set `sms_segments: {counted.parts}` in rule {rule.name}" if counted.parts <= MOST_SMS_SEGMENTS else ""
    )
    sentence = (
        f"takes up to {counted.parts} segments ({counted.encoding}{why}), rule {rule.name} allows {limit}: "
        f"shorten it by {over} character{'' if over == 1 else 's'}{raised}"
    )
    yield path, line, column, "CG062", sentence


def _why(source: str, counted: Segments) -> tuple[int, int, str]:
    """Where to look: at the first letter of the template's own that is not in the GSM alphabet, else at its beginning."""
    if counted.gsm:
        return 1, 1, ""
    folded = [fold(line) for line in source.split("\n")]
    for number, line in enumerate(folded, start=1):
        found = outside(line.replace("\t", " ").replace("\r", ""))
        if found is not None:
            return number, found[0] + 1, f", because of `{found[1]}`"
    return 1, 1, ", for names with letters beyond GSM-7"


def _cannot(folder: Path, files: Mapping[str, str], channel: ChannelKind, reason: str) -> Found:
    """Where the name that failed stands, if one did; else the part's beginning."""
    heads = (SMS,) if channel is ChannelKind.SMS else (TEXT, SUBJECT, *files)
    name = reason.partition(_NOT_KNOWN)[2].split(",")[0]
    for file in heads:
        if name and (place := find(files.get(file, ""), name)):
            return folder / file, *place, "CG063", f"{_advice(reason, name)}"
    return folder / heads[0], 1, 1, "CG063", f"{reason}: nobody could get this message"


def _advice(reason: str, name: str) -> str:
    if name == "opt_out":
        return "there is no `opt_out` sentence in this language: write one out here, with the number to call or STOP"
    return f"{reason}: say what stands there without it, with {{% if {name} is defined %}}"


def find(source: str, name: str, since: int = 1) -> tuple[int, int] | None:
    """Line and column of the first use of a dotted name on line `since` or later; None when there is none."""
    for number, line in enumerate(source.split("\n"), start=1):
        if number >= since and name in line:
            return number, line.index(name) + 1
    return None
