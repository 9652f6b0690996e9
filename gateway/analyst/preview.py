"""Every message a rule can send, rendered for made-up patients by the code that renders real ones; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.analyst import specimen
from gateway.analyst.specimen import PEOPLE, Person
from gateway.model.consent import ChannelKind
from gateway.model.errors import RenderError
from gateway.model.party import Location, Organization
from gateway.model.rule import Rule
from gateway.render.rendered import Rendered
from gateway.render.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What leaves by one channel, or the sentence that says why nothing would."""

    channel: ChannelKind
    rendered: Rendered | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One rule's message to one made-up patient who reads `language`. `wording`: the template."""

    rule: Rule
    wording: str
    language: str
    person: Person
    organization: Organization
    parts: tuple[Part, ...]

    @property
    def page(self) -> str:
        """The name of its page."""
        wording = f"-{self.wording}" if self.rule.variants else ""
        return f"{self.rule.name}{wording}-{self.language}-{self.person.name}.html"

    @property
    def problems(self) -> tuple[str, ...]:
        """Why channels would send nothing."""
        return tuple(part.problem for part in self.parts if part.problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """How to show rules: their templates, who sends, from where, and in which languages.

    `languages`: these for every rule, whether or not its template has them; None: those that each template has.
    `apart`: a part for every channel, not only for those that look different.
    """

    templates: Templates
    default_language: str = "en"
    languages: Sequence[str] | None = None
    apart: bool = False
    organization: Organization = specimen.ORGANIZATION
    location: Location = specimen.LOCATION

    def of(self, rule: Rule) -> Iterator[Shown]:
        """Each wording in each language to each made-up patient. Raises RenderError for a template that is not there."""
        for wording in rule.templates:
            for language in self._languages(wording):
                for person in PEOPLE:
                    yield Shown(
                        rule=rule,
                        wording=wording,
                        language=language,
                        person=person,
                        organization=self.organization,
                        parts=tuple(self._part(rule, wording, language, person, one) for one in self._channels(rule)),
                    )

    def _languages(self, wording: str) -> Sequence[str]:
        if self.languages is not None:
            return self.languages
        return [self.default_language, *(one for one in self.templates.files(wording) if one)]

    def _channels(self, rule: Rule) -> tuple[ChannelKind, ...]:
        return rule.channels if self.apart else _different(rule)

    def _part(self, rule: Rule, wording: str, language: str, person: Person, channel: ChannelKind) -> Part:
        try:
            rendered = self.templates.render(
                wording,
                language=language,
                values=specimen.values(rule, person, language, self.location),
                organization=self.organization,
                location=self.location,
                reveals=rule.reveals,
                zone=self.location.zone,
                channel=channel,
                sms_segments=rule.sms_segments,
            )
        except RenderError as error:
            return Part(channel=channel, rendered=None, problem=str(error))
        return Part(channel=channel, rendered=rendered, problem=None)


def _different(rule: Rule) -> tuple[ChannelKind, ...]:
    """What looks different: the portal shows the letter that e-mail carries."""
    letter = next((one for one in rule.channels if one is not ChannelKind.SMS), None)
    texts = (ChannelKind.SMS,) if ChannelKind.SMS in rule.channels else ()
    return (letter, *texts) if letter is not None else texts
