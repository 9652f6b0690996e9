"""After a breach: whose PHI was in what left between two times, and which clocks run (45 CFR 164.400 to 164.414).

Fail closed: what is not known to have been encrypted the whole way was unsecured (164.402), and what may have left, left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.request import Protection
from gateway.model.when import DAY, Millis, to_datetime
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.rights.persons import roots_of
from gateway.pipeline.rights.sendings import Sending, Sendings, digests_of
from gateway.store import tables
from gateway.store.uow import Reader

CLOCK: Millis = 60 * DAY
"""Individuals and, from 500 on, the Secretary: without unreasonable delay, at most so long after discovery."""
MANY = 500
UNKNOWN_STATE = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One message with one individual's PHI in it. `individual`: the person now; `address`: keyed digest of where it went.

    `secured`: encrypted the whole way, provably; `protection`: how, None: not known. `certain`: whether it surely left.
    """

    communication: int
    individual: int
    state: str
    channel: str
    address: str
    at: Millis
    topic: str
    purpose: str
    template: str
    facility: str | None
    facts: tuple[str, ...] | None
    protection: str | None
    secured: bool
    label: str | None
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Individual:
    """One person affected. `unsecured`: messages of theirs that were not provably encrypted."""

    individual: int
    state: str
    messages: int
    unsecured: int
    deceased: bool
    erased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What left, and what follows. Counts are of individuals with unsecured PHI, for only that is a breach (164.402).

    `by_state`: residents; `media`: states with more than 500 of them (164.406). `secretary`: 500 or more in all
    (164.408(b)), else only the yearly log. `notify_by`: of individuals (164.404(b)), media, and from 500 the Secretary;
    `log_by`: of fewer than 500 (164.408(c)). `place_unknown`: messages of no known facility, always included.
    """

    since: Millis
    until: Millis
    discovered: Millis
    notify_by: Millis
    log_by: Millis
    exposures: tuple[Exposure, ...]
    individuals: tuple[Individual, ...]
    unsecured: int
    by_state: dict[str, int]
    by_protection: dict[str, int]
    media: tuple[str, ...]
    secretary: bool
    part_2: int
    place_unknown: int


def assess(
    gateway: Inspectable,
    *,
    since: Millis,
    until: Millis,
    discovered: Millis | None = None,
    channel: str | None = None,
    facility: str | None = None,
    account: str,
) -> Assessment:
    """Assess what left from `since` up to, not including, `until`; audited, also with each individual.

    `discovered`: when somebody first knew, or by reasonable diligence would have (164.404(a)(2)); default: now.
    With `facility` (a configured location) what is of no known facility counts too. Raises CommandError.
    """
    if since >= until:
        raise CommandError("the time would end before it begins: check --from and --until")
    if facility is not None and facility not in gateway.site.locations:
        raise CommandError("there is no location of this name in caregate.yaml; `locations` lists them")
    with gateway.store.read() as unit:  # it may be long: nobody is kept from writing meanwhile
        found = [
            one
            for one in Sendings(unit, gateway).between(since, until)
            if channel in (None, one.channel) and (facility is None or one.facility in (None, facility))
        ]
        exposures = _exposures(unit, found)
        individuals = _individuals(unit, exposures)
        told = _assessment(since, until, unit.now if discovered is None else discovered, exposures, individuals)
    with gateway.store.begin(account) as uow:
        entry = (Action.BREACH_ASSESSED, since, until, channel, facility, len(individuals), told.unsecured)
        uow.audit([entry], patients=[one.individual for one in individuals])
        uow.commit()
    return told


def _exposures(unit: Reader, found: Sequence[Sending]) -> list[Exposure]:
    """One for the person a message was to and, where that was another, one for the person whose visit it told of."""
    roots = roots_of(unit, [token for one in found for token in (one.patient, one.owner)])
    states = _states(unit, list(roots.values()))
    digests = digests_of(unit, [one.address for one in found])
    made = [
        _exposure(one, token, states.get(token, (UNKNOWN_STATE, False))[0], digests)
        for one in found
        for token in sorted({roots.get(one.patient, one.patient), roots.get(one.owner, one.owner)})
    ]
    return sorted(made, key=lambda one: (one.at, one.communication, one.individual))


def _exposure(one: Sending, token: int, state: str, digests: dict[int, str]) -> Exposure:
    return Exposure(
        communication=one.id,
        individual=token,
        state=state,
        channel=one.channel,
        address=digests.get(one.address, ""),
        at=one.at,
        topic=one.topic,
        purpose=one.purpose,
        template=one.template,
        facility=one.facility,
        facts=one.reveals,
        protection=one.protection,
        secured=one.protection is not None and Protection(one.protection).encrypted,
        label=one.label,
        certain=one.known,
    )


def _states(unit: Reader, tokens: Sequence[int]) -> dict[int, tuple[str, bool]]:
    """By person the state of residence and whether they died."""
    rows = unit.lookup(tables.patient, ("token", "state", "deceased"), "token", sorted(set(tokens)))
    return {token: (state or UNKNOWN_STATE, bool(deceased)) for token, state, deceased in rows}


def _individuals(unit: Reader, exposures: Sequence[Exposure]) -> list[Individual]:
    tokens = sorted({one.individual for one in exposures})
    known = _states(unit, tokens)
    erased = {one for (one,) in unit.lookup(tables.erasure, ("patient",), "patient", tokens)}
    messages = Counter(one.individual for one in exposures)
    unsecured = Counter(one.individual for one in exposures if not one.secured)
    made = []
    for token in tokens:
        state, deceased = known.get(token, (UNKNOWN_STATE, False))
        made.append(
            Individual(
                individual=token, state=state, messages=messages[token], unsecured=unsecured[token],
                deceased=deceased, erased=token in erased,
            )
        )  # fmt: skip
    return made


def _assessment(
    since: Millis, until: Millis, discovered: Millis, exposures: Sequence[Exposure], individuals: Sequence[Individual]
) -> Assessment:
    affected = [one for one in individuals if one.unsecured]
    by_state = Counter(one.state for one in affected)
    ways = {one.communication: one.protection or "not known" for one in exposures}
    return Assessment(
        since=since,
        until=until,
        discovered=discovered,
        notify_by=discovered + CLOCK,
        log_by=_log_by(discovered),
        exposures=tuple(exposures),
        individuals=tuple(individuals),
        unsecured=len(affected),
        by_state=dict(sorted(by_state.items())),
        by_protection=dict(sorted(Counter(ways.values()).items())),
        media=tuple(sorted(state for state, count in by_state.items() if count > MANY and state != UNKNOWN_STATE)),
        secretary=len(affected) >= MANY,
        part_2=len({one.individual for one in exposures if one.label is not None}),
        place_unknown=len({one.communication for one in exposures if one.facility is None}),
    )


def _log_by(discovered: Millis) -> Millis:
    """Sixty days after the end of the calendar year of discovery (164.408(c)), in UTC."""
    year = to_datetime(discovered).replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(year.replace(year=year.year + 1).timestamp() * 1000) + CLOCK
