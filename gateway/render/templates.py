"""Renders a template for one patient: only what the rule reveals is in scope, and what comes out is bounded and one-headed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from gateway.model.errors import RenderError
from gateway.model.facts import FactValue
from gateway.model.party import Location, Organization
from gateway.ports import content_digest
from gateway.render.check import check
from gateway.render.files import TemplateFiles, read_templates
from gateway.render.formats import LOCALE, ZONE, locale_of
from gateway.render.rendered import Rendered
from gateway.render.sandbox import environment, names_used
from gateway.render.values import allowed_names, is_unprintable, scope

SUBJECT, TEXT, HTML = "subject.txt", "body.txt", "body.html"
LONGEST_SUBJECT = 150  # characters
LONGEST_BODY = 100_000  # characters of one part


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    subject: jinja2.Template
    text: jinja2.Template
    html: jinja2.Template | None
    used: frozenset[str]


class Templates:
    """The templates of one rule set: `folder` is its `templates/`, read once; compiled on first use.

    `default_language`: what the files beside the language folders are written in (BCP 47).
    Raises ConfigError for files that cannot be templates.
    """

    check = staticmethod(check)

    def __init__(self, folder: Path, *, default_language: str = "en") -> None:
        self._files = read_templates(folder)
        self._default = default_language
        self._compiled: dict[tuple[str, str], _Compiled] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all templates, sorted."""
        return tuple(sorted(self._files))

    def digest(self, name: str) -> str:
        """SHA-256 (64 hexadecimal digits) over the template's files, all languages; RenderError if there is none."""
        return self._template(name).digest

    def uses(self, name: str) -> frozenset[str]:
        """Dotted names the template reads in any language; RenderError if one does not compile."""
        return frozenset().union(*(self._compile(name, variant).used for variant in self._template(name).variants))

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
    ) -> Rendered:
        """Subject, text and HTML in `language` if the template has it, else in the default language.

        `zone`: IANA name in which instants are shown (the location's). Raises RenderError, naming file and fact and
        never a value, for what is not revealed, not known, not printable or out of bounds.
        """
        variant = self._template(name).variant_for(language)
        compiled = self._compile(name, variant)
        _refuse_unrevealed(name, compiled.used, reveals)
        written = variant or self._default
        same = language.partition("-")[0].lower() == written.partition("-")[0].lower()
        told = language if same else written
        try:
            context = scope(values, reveals, organization=organization, location=location, language=told)
            context |= {LOCALE: locale_of(told) or locale_of("en"), ZONE: zone}
            subject = _subject(_run(compiled.subject, context))
            text = _body(_run(compiled.text, context))
            html = _body(_run(compiled.html, context)) if compiled.html else None
        except RenderError as error:
            raise RenderError(f"template {name}: {error}") from None
        except jinja2.UndefinedError:
            raise RenderError(f"template {name}: not known: {_absent(compiled.used, context)}") from None
        except Exception as error:  # noqa: BLE001 - whatever a library says here may quote the patient
            raise RenderError(f"template {name}: failed with {type(error).__name__}") from None
        return Rendered(
            subject=subject, text=text, html=html, digest=content_digest(subject, text, html), language=told
        )

    def _template(self, name: str) -> TemplateFiles:
        try:
            return self._files[name]
        except KeyError:
            raise RenderError(f"there is no template {name}") from None

    def _compile(self, name: str, variant: str) -> _Compiled:
        key = (self._template(name).digest, variant)
        if key not in self._compiled:
            try:
                self._compiled[key] = _compile(self._files[name].variants[variant])
            except RenderError as error:
                raise RenderError(f"template {_place(name, variant)}: {error}") from None
            except (RecursionError, jinja2.TemplateError):
                raise RenderError(f"template {_place(name, variant)}: cannot be compiled") from None
        return self._compiled[key]


def _place(name: str, variant: str) -> str:
    return f"{name}/{variant}" if variant else name


def _compile(files: Mapping[str, str]) -> _Compiled:
    for needed in (SUBJECT, TEXT):
        if needed not in files:
            raise RenderError(f"{needed} is missing")
    env = environment(files)
    heads = [file for file in (SUBJECT, TEXT, HTML) if file in files]
    used = frozenset().union(*(names_used(env, file) for file in heads))
    return _Compiled(
        subject=env.get_template(SUBJECT),
        text=env.get_template(TEXT),
        html=env.get_template(HTML) if HTML in files else None,
        used=used,
    )


def _refuse_unrevealed(name: str, used: frozenset[str], reveals: tuple[str, ...]) -> None:
    if unrevealed := sorted(used - allowed_names(reveals)):
        raise RenderError(f"template {name}: the rule does not reveal {', '.join(unrevealed)}")


def _run(template: jinja2.Template, context: dict[str, object]) -> str:
    """Render piece by piece, so that a text that grows beyond the bound stops growing."""
    pieces: list[str] = []
    length = 0
    for piece in template.generate(context):
        length += len(piece)
        if length > LONGEST_BODY:
            raise RenderError(f"{template.name} is longer than {LONGEST_BODY} characters")
        pieces.append(piece)
    return "".join(pieces)


def _subject(text: str) -> str:
    """One line without control characters (RFC 5322 §2.2; EM-14), not empty, at most LONGEST_SUBJECT characters."""
    subject = text.strip()
    if not subject:
        raise RenderError("the subject is empty")
    if any(is_unprintable(char) for char in subject):
        raise RenderError("the subject is more than one line or holds control characters")
    if len(subject) > LONGEST_SUBJECT:
        raise RenderError(f"the subject is longer than {LONGEST_SUBJECT} characters")
    return subject


def _body(text: str) -> str:
    body = text.strip("\r\n").replace("\r\n", "\n").replace("\r", "\n")
    if not body.strip():
        raise RenderError("a body is empty")
    return body + "\n"


def _absent(used: frozenset[str], context: Mapping[str, object]) -> str:
    """Which of the names used the context does not have, for the message."""
    return ", ".join(sorted(name for name in used if not _has(name, context))) or "a name"


def _has(name: str, context: object) -> bool:
    for part in name.split("."):
        if not isinstance(context, Mapping) or part not in context:
            return False
        context = context[part]
    return True
