"""One file in `rules/` as data: what fires it, for whom, and what is sent when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.facts import FactValue
from gateway.model.request import Priority
from gateway.model.when import Millis

Bound = int | date
SMS_SEGMENTS = 2  # parts one text message may take, unless its rule says otherwise
MOST_SMS_SEGMENTS = 6  # beyond this networks drop parts or deliver them out of order


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A fact and what it may be. Exactly one of `values`, bounds (all of them at once), or `present` is told.

    `values`: any of them satisfies. `at_least`/`at_most` are inclusive; `after`/`before` exclusive. Bounds of
    a datetime fact are dates: the fact's local calendar day is compared.
    `line` is where it stands in the rule file, so that every refusal can name it. `listed`: the named list of
    lists.yaml that `values` were taken from, if any.
    """

    fact: str
    line: int
    values: frozenset[FactValue] | None = None
    at_least: Bound | None = None
    at_most: Bound | None = None
    after: Bound | None = None
    before: Bound | None = None
    present: bool | None = None
    listed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One planned moment of a rule: its label as written ("7d") and its signed offset from the anchor.

    Months and whole days are kept apart from millis because they are counted on the calendar of the location's
    zone: a day is wall time, a month has as many days as it has. A week is seven days, a year twelve months.
    """

    label: str
    months: int = 0  # negative: before the anchor
    days: int  # negative: before the anchor
    millis: Millis  # negative: before the anchor

    @property
    def is_zero(self) -> bool:
        """Whether it names the anchor's own moment ("0m", "0d")."""
        return not (self.months or self.days or self.millis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a rule's messages fall due.

    `anchor`: a datetime fact, or "event.occurred". `before`: the steps lie before it. `minute`: the local minute of
    the day at which they fall due, or None for the anchor's own time of day. `weekdays`: 0 for Monday to 6 for Sunday;
    empty: every day. Both are told only of steps that count whole days, weeks, months or years.
    """

    anchor: str
    steps: tuple[Step, ...]
    before: bool = False
    minute: int | None = None
    weekdays: frozenset[int] = frozenset()

    @property
    def moves(self) -> bool:
        """Whether a step may fall due at another time than its offset says."""
        return self.minute is not None or bool(self.weekdays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """Days between which a rule plans and sends, both included, on the calendar of the location; None: open."""

    start: date | None
    until: date | None
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Another event of the same patient that withdraws what a rule has waiting: `where` must hold of its facts."""

    events: frozenset[str]
    where: tuple[Condition, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWhen:
    """What a campaign must stay below, in percent of what it handed over, once that is `at_least` messages.

    At any of them it stops by itself, until a person resumes it.
    """

    at_least: int = 200
    bounced: float = 5.0  # hard bounces and undelivered texts
    refused: float = 10.0  # refused by the provider
    complained: float = 0.3  # reported as unwanted; what large mailbox providers bear at most (EM-30)
    opted_out: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What bounds a rule that writes to an audience; nothing of it leaves before a person approved its dry run.

    `holdout`: of a hundred patients who fit, how many are never written to, the same ones always. `daily`, `hourly`: most
    sends, None without a bound. `ramp`: most sends on its first days, one number a day, then `daily`. `audience`: more
    people than this are a mistake until the rule says otherwise.
    """

    line: int
    holdout: int = 0
    daily: int | None = None
    hourly: int | None = None
    ramp: tuple[int, ...] = ()
    audience: int | None = None
    stop_when: StopWhen = StopWhen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One wording of a rule's message, and how many of a hundred patients get it."""

    name: str
    template: str
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `hold` are conditions that keep a due send waiting (never drop it) while any holds.

    `expires`: a datetime fact at whose time the send has no more sense, or None with `expires_after`
    (millis after due). `max_age`: an event older than this at receipt plans nothing (X-07).
    `once_per_patient`: only the latest occurrence's messages wait. `alike`: facts that tell the same of what outdoes or
    cancels. `variants`: empty, or two and more whose shares are a
    hundred together; `template` is then the first one's, and `worded` gives the rule with a patient's own.
    `sms_segments`: parts a text message of it may take (SM-02). `silent_after` (millis): without a receipt that it arrived
    the next channel follows, once; None: never. `unknown_is_silence`: also where nobody knows whether it left.
    `read_within` (millis): what nobody has picked up in the portal by then is shown to staff; None: as the policy says.
    """

    name: str
    file: str
    owner: str
    why: str
    events: frozenset[str]
    where: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    hold: tuple[Condition, ...]
    purpose: Purpose
    remuneration: str
    topic: str
    channels: tuple[ChannelKind, ...]
    template: str
    schedule: Schedule
    expires: str | None
    expires_after: Millis | None
    reveals: tuple[str, ...]
    max_age: Millis
    priority: Priority
    preferred_first: bool = False  # the patient's own choice among `channels` comes first
    effective: Effective | None = None
    once_per_patient: bool = False
    cancel: Cancel | None = None
    alike: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    sms_segments: int = SMS_SEGMENTS
    silent_after: Millis | None = None
    unknown_is_silence: bool = False
    read_within: Millis | None = None
    campaign: Campaign | None = None

    material: tuple[str, ...] = field(init=False, compare=False)
    """Facts whose change makes a send worth repeating: what it reveals and what schedules it."""
    named: frozenset[str] = field(init=False, compare=False)
    """Facts that conditions ask about or that are revealed."""
    looks_across: bool = field(init=False, compare=False)
    """Whether it must know of the patient's other occurrences."""

    def __post_init__(self) -> None:
        extra = [] if self.schedule.anchor == "event.occurred" else [self.schedule.anchor]
        object.__setattr__(self, "material", tuple(sorted({*self.reveals, *extra})))
        asked = (condition.fact for condition in (*self.where, *self.unless, *self.hold))
        object.__setattr__(self, "named", frozenset((*asked, *self.reveals)))
        object.__setattr__(self, "looks_across", self.once_per_patient or self.cancel is not None)

    @property
    def templates(self) -> tuple[str, ...]:
        """Every template it may send, in the order of the file."""
        return tuple(variant.template for variant in self.variants) or (self.template,)

    def variant(self, number: int) -> Variant | None:
        """The variant whose share of a hundred `number` (0 to 99) falls in; None of a rule without variants."""
        reached = 0
        for variant in self.variants:
            reached += variant.share
            if number < reached:
                return variant
        return None

    def worded(self, variant: Variant | None) -> Rule:
        """The rule as it is for somebody who gets this variant; itself where there is none."""
        return self if variant is None else replace(self, template=variant.template)
