"""Who is the right recipient: an adult themselves; for a child the one representative whose scope covers it, or nobody (45 CFR 164.502(g))."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.facts import UNMAPPED
from gateway.model.policy import Policy
from gateway.model.verdict import Reason
from gateway.policy.circumstances import Representative


@dataclass(frozen=True, slots=True)
class Recipient:
    """`representative`: the id of who receives in the patient's stead; None: the patient. `why_not`: nobody may, and why."""

    representative: int | None = None
    why_not: Reason | None = None


THE_PATIENT = Recipient()


def right(
    policy: Policy,
    *,
    age: int | None,
    topic: str,
    service: str | None,
    representatives: tuple[Representative, ...],
) -> Recipient:
    """The recipient of one send about a patient of that age, by what is known now (PI-14 to PI-16).

    An unknown age is nobody's child: `age_known` holds that. What a minor may consent to alone is told to no guardian
    (164.502(g)(3)), and care that nobody named may be such; next of kin are no representatives until recorded as such.
    """
    if age is None or age >= policy.minimum_age:
        return THE_PATIENT
    if age >= policy.adolescent_from and (service in (None, UNMAPPED) or service in policy.minors_own):
        return Recipient(why_not=Reason.MINOR)
    fitting = [one for one in representatives if one.covers(topic)]
    if not fitting:
        return Recipient(why_not=Reason.NO_REPRESENTATIVE)
    if len(fitting) > 1:
        return Recipient(why_not=Reason.REPRESENTATIVE_UNCLEAR)
    return Recipient(representative=fitting[0].id)
