"""Renders a template for one patient: only what the rule reveals is in scope, and what comes out is bounded and one-headed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2

from gateway.model.consent import ChannelKind
from gateway.model.errors import RenderError
from gateway.model.facts import FactValue
from gateway.model.party import Location, Organization
from gateway.model.rule import SMS_SEGMENTS
from gateway.ports import content_digest
from gateway.render.check import check
from gateway.render.compiled import HTML, SMS, SUBJECT, TEXT, Compiled, compile_parts, parts_for, serves
from gateway.render.files import TemplateFiles, read_templates, templates_of
from gateway.render.formats import ZONE, locale_of
from gateway.render.names import LOCALE
from gateway.render.rendered import Rendered
from gateway.render.shape import body_of, run, sms_of, subject_of
from gateway.render.values import allowed_names, scope


class Templates:
    """The templates of one rule set: `folder` is its `templates/`, read once, or its files' bytes by name (with /).

    They are compiled on first use.

    `default_language`: what the files beside the language folders are written in (BCP 47).
    Raises ConfigError for files that cannot be templates.
    """

    check = staticmethod(check)

    def __init__(self, folder: Path | Mapping[str, bytes], *, default_language: str = "en") -> None:
        self._files = read_templates(folder) if isinstance(folder, Path) else templates_of(folder)
        self._default = default_language
        self._compiled: dict[tuple[str, str], Compiled] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all templates, sorted."""
        return tuple(sorted(self._files))

    def digest(self, name: str) -> str:
        """SHA-256 (64 hexadecimal digits) over the template's files, all languages; RenderError if there is none."""
        return self._template(name).digest

    def files(self, name: str) -> Mapping[str, Mapping[str, str]]:
        """By language ("" is the folder itself), each file name with its source; RenderError if there is none."""
        return self._template(name).variants

    def languages(self, name: str, language: str) -> tuple[str, ...]:
        """The template's language folders for a BCP 47 tag, nearest first, and "" (the default) at last; RenderError."""
        return self._template(name).variants_for(language)

    def uses(self, name: str) -> frozenset[str]:
        """Dotted names the template reads in any language and part; RenderError if one does not compile."""
        return frozenset().union(*(self._compile(name, variant).names for variant in self._template(name).variants))

    def uses_by_part(self, name: str, variant: str) -> Mapping[str, frozenset[str]]:
        """By file (subject.txt, sms.txt, …), the dotted names it reads in one language; RenderError as in `uses`."""
        return self._compile(name, variant).used

    def unrevealed(self, name: str, reveals: tuple[str, ...]) -> tuple[str, ...]:
        """Names the template reads that a rule with these `reveals` does not put in scope, sorted."""
        return tuple(sorted(self.uses(name) - allowed_names(reveals)))

    def render(
        self,
        name: str,
        *,
        language: str,
        values: Mapping[str, FactValue],
        organization: Organization,
        location: Location | None,
        reveals: tuple[str, ...],
        zone: str,
        channel: ChannelKind = ChannelKind.EMAIL,
        sms_segments: int = SMS_SEGMENTS,
        given: Mapping[str, str] | None = None,
    ) -> Rendered:
        """What leaves by `channel`, in `language` if the template has that for it, else in its next of kin, else the default.

        `zone`: IANA name in which instants are shown (the location's). `sms_segments`: the most parts a text message may
        take (SM-02). `given`: what a built-in kind shows beside facts, by name, made by the gateway itself. Raises RenderError, naming file and fact and never a value, for what is not revealed, not known,
        not printable or out of bounds.
        """
        variant = self._variant(name, language, channel)
        compiled = self._compile(name, variant)
        _refuse_unrevealed(name, compiled.names - frozenset(given or ()), reveals)
        written = variant or self._default
        same = language.partition("-")[0].lower() == written.partition("-")[0].lower()
        told = language if same else written
        try:
            context = scope(
                values, reveals, organization=organization, location=location, language=told, channel=channel
            )
            context |= given or {}
            context |= {LOCALE: locale_of(told) or locale_of("en"), ZONE: zone}
            return _rendered(compiled, context, channel, told, sms_segments)
        except RenderError as error:
            raise RenderError(f"template {name}: {error}") from None
        except jinja2.UndefinedError as error:
            used = frozenset().union(*(compiled.used.get(part, frozenset()) for part in parts_for(channel)))
            raise RenderError(f"template {name}: not known: {_absent(used, context, str(error))}") from None
        except Exception as error:  # noqa: BLE001 - whatever a library says here may quote the patient
            raise RenderError(f"template {name}: failed with {type(error).__name__}") from None

    def _variant(self, name: str, language: str, channel: ChannelKind) -> str:
        """The nearest language that has something for the channel: a message is of one language, wholly."""
        template = self._template(name)
        for variant in template.variants_for(language):
            if serves(template.variants[variant], channel):
                return variant
        raise RenderError(f"template {name}: {parts_for(channel)[0]} is missing")

    def _template(self, name: str) -> TemplateFiles:
        try:
            return self._files[name]
        except KeyError:
            raise RenderError(f"there is no template {name}") from None

    def _compile(self, name: str, variant: str) -> Compiled:
        key = (self._template(name).digest, variant)
        if key not in self._compiled:
            try:
                self._compiled[key] = compile_parts(self._files[name].variants[variant])
            except RenderError as error:
                raise RenderError(f"template {_place(name, variant)}: {error}") from None
            except Exception:  # noqa: BLE001 - depth and size end Jinja and Python in many ways, and each is this one
                raise RenderError(f"template {_place(name, variant)}: cannot be compiled") from None
        return self._compiled[key]


def _rendered(
    compiled: Compiled, context: dict[str, object], channel: ChannelKind, language: str, limit: int
) -> Rendered:
    if channel is ChannelKind.SMS:
        text, counted = sms_of(run(compiled.parts[SMS], context), limit)
        return Rendered(
            subject="", text=text, html=None, digest=content_digest("", text, None), language=language, sms=counted
        )
    subject = subject_of(run(compiled.parts[SUBJECT], context))
    text = body_of(run(compiled.parts[TEXT], context))
    html = body_of(run(compiled.parts[HTML], context)) if HTML in compiled.parts else None
    return Rendered(
        subject=subject, text=text, html=html, digest=content_digest(subject, text, html), language=language
    )


def _place(name: str, variant: str) -> str:
    return f"{name}/{variant}" if variant else name


def _refuse_unrevealed(name: str, used: frozenset[str], reveals: tuple[str, ...]) -> None:
    if unrevealed := sorted(used - allowed_names(reveals)):
        raise RenderError(f"template {name}: the rule does not reveal {', '.join(unrevealed)}")


def _absent(used: frozenset[str], context: Mapping[str, object], said: str) -> str:
    """Which of the names used the context does not have, for the message; the one Jinja stumbled over if it tells."""
    absent = sorted(name for name in used if not _has(name, context))
    stumbled = [name for name in absent if f"'{name.rpartition('.')[2]}'" in said]
    return ", ".join(stumbled or absent) or "a name"


def _has(name: str, context: object) -> bool:
    for part in name.split("."):
        if not isinstance(context, Mapping) or part not in context:
            return False
        context = context[part]
    return True
