"""What a purpose may use: asking about a fact is a use of it (45 CFR 160.103, "use"), not only showing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.analyst.findings import Finding
from gateway.analyst.rule_seen import Seen
from gateway.model.consent import ChannelKind, Purpose
from gateway.model.facts import VOCABULARY, Sensitivity
from gateway.ruleset.load import POLICY

# The most sensitive facts that a rule of a purpose may ask about or show, whatever the channel, and what says so.
ALLOWED: Mapping[Purpose, tuple[Sensitivity, str]] = {
    # minimum necessary does not apply to treatment: 45 CFR 164.502(b)(2)(i)
    Purpose.TREAT: (Sensitivity.PROTECTED, "45 CFR 164.506(c)(2)"),
    # quality assessment and case management need the clinical picture: 45 CFR 164.501 "health care operations" (1)
    Purpose.HOPERAT: (Sensitivity.SENSITIVE, "45 CFR 164.506(c)(4), 164.502(b)"),
    # collecting payment needs to know who, when and where, not what was found: minimum necessary
    Purpose.HPAYMT: (Sensitivity.ORDINARY, "45 CFR 164.502(b), 164.514(d)"),
    # any clinical fact needs an authorization that names this very use, which no rule can know of
    Purpose.HMARKT: (Sensitivity.ORDINARY, "45 CFR 164.508(a)(3), (c)(1)"),
}
# Of ordinary sensitivity to say to the patient, but choosing whom to advertise to by them is a use of care given.
CARE = frozenset({"appointment.service", "encounter.service", "encounter.class", "encounter.disposition"})


def findings(seen: Seen) -> Iterator[Finding]:
    """CG020 and CG021 of one rule."""
    yield from _ceilings(seen)
    limit, law = ALLOWED[seen.rule.purpose]
    for section, condition in seen.conditions():
        if not _may(seen.rule.purpose, condition.fact, limit):
            yield seen.at_key("CG021", _sentence(seen, condition.fact, "ask about", law), *section, condition.fact)
    for number, name in enumerate(seen.rule.reveals):
        if not _may(seen.rule.purpose, name, limit):
            yield seen.at("CG021", _sentence(seen, name, "show", law), "send", "reveals", number)


def _may(purpose: Purpose, fact: str, limit: Sensitivity) -> bool:
    advertises = purpose is Purpose.HMARKT and fact in CARE
    return VOCABULARY[fact].sensitivity <= limit and not advertises


def _sentence(seen: Seen, fact: str, verb: str, law: str) -> str:
    return f"a rule for {seen.rule.purpose} may not {verb} `{fact}` ({law}): drop it, or tell the purpose it really has"


def _ceilings(seen: Seen) -> Iterator[Finding]:
    """One finding for all that is too sensitive for the same channels: it is one mistake."""
    rule = seen.rule
    above: dict[tuple[ChannelKind, ...], list[int]] = {}
    for number, name in enumerate(rule.reveals):
        level = VOCABULARY[name].sensitivity
        channels = tuple(one for one in rule.channels if level > seen.policy.ceiling(rule.purpose, one))
        if channels and _may(rule.purpose, name, ALLOWED[rule.purpose][0]):
            above.setdefault(channels, []).append(number)
    for channels, numbers in above.items():
        names = " and ".join(f"`{rule.reveals[number]}`" for number in numbers)
        level = max(VOCABULARY[rule.reveals[number]].sensitivity for number in numbers)
        most = min(seen.policy.ceiling(rule.purpose, channel) for channel in channels)
        sentence = (
            f"{names} {'is' if len(numbers) == 1 else 'are'} {level.name.lower()}, but {POLICY} lets {rule.purpose}"
            f" show only {most.name.lower()} by {' and '.join(channels)}: drop the channel, or reveal less"
        )
        yield seen.at("CG020", sentence, "send", "reveals", numbers[0])
