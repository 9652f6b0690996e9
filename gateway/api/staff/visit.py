"""One request of somebody who signed in: what their form said, bounded, and the page that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from gateway.api.dryruns import DryRuns
from gateway.model.access import Right
from gateway.model.errors import CommandError
from gateway.model.party import Identifier
from gateway.pipeline import inspect

_FIELDS = 40
_LONGEST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page to show: a template of this folder and what it is given."""

    template: str
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Done: the browser asks for this page of ours next (303), so that a reload does nothing twice."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who asks what. `form`: empty for GET."""

    gateway: inspect.Inspectable
    dry_runs: DryRuns
    session: inspect.Session
    form: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def account(self) -> str:
        """As the audit names them."""
        return self.session.caller.account

    def may(self, right: Right) -> bool:
        """Whether they have a right."""
        return self.session.caller.may(right)

    def told(self, name: str, *, longest: int = 500) -> str:
        """One line of the form; empty when it is not there. Raises CommandError; never quotes it."""
        text = self.form.get(name, "").strip()
        if len(text) > longest or any(ord(one) < 32 or ord(one) == 127 for one in text):
            raise CommandError(f"`{name}` must be one line of up to {longest} characters")
        return text

    def needed(self, name: str, what: str) -> str:
        """As `told`; raises CommandError when it is missing. `what`: in the words of the page."""
        text = self.told(name)
        if not text:
            raise CommandError(f"{what} is missing")
        return text

    def reason(self) -> str:
        """Why they look or decide. Raises CommandError."""
        text = self.told("reason")
        if len(text) < 3:
            raise CommandError("say why: the reason goes into the audit log")
        return text

    def number(self, name: str, what: str) -> int:
        """An id. Raises CommandError."""
        text = self.needed(name, what)
        if not (text.isascii() and text.isdigit() and len(text) <= 19):
            raise CommandError(f"{what} is a number")
        return int(text)

    def person(self) -> Identifier:
        """Whom they ask about: assigning authority, type and value. Raises CommandError."""
        names = ("system", "assigning authority"), ("type", "type of identifier"), ("value", "identifier")
        system, kind, value = (self.needed(name, f"the {what}") for name, what in names)
        return Identifier(system, kind, value)


def parsed(body: bytes) -> dict[str, str]:
    """A form's fields (application/x-www-form-urlencoded). Raises CommandError when it is none."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:
        raise CommandError("this is not a form of ours") from None
    if any(len(value) > _LONGEST for _, value in pairs) or len({name for name, _ in pairs}) < len(pairs):
        raise CommandError("this is not a form of ours")
    return dict(pairs)
