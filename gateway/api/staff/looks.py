"""Pages are templates with everything escaped; times are UTC and say so, and no page asks anything of anybody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.api.staff.pages import Page
from gateway.model.consent import ANY
from gateway.model.when import DAY, HOUR, MINUTE, Millis, to_datetime
from gateway.pipeline import inspect

_FOLDER = Path(__file__).parent / "templates"
STYLE = (_FOLDER / "style.css").read_text(encoding="utf-8")


class Looks:
    """Makes pages. `pages`: those with a title are in the navigation of whoever may see them."""

    def __init__(self, prefix: str, pages: Sequence[Page]) -> None:
        self._prefix = prefix
        self._pages = [one for one in pages if one.title is not None]
        self._env = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters |= {"moment": moment, "age": age, "any": lambda word: "any" if word == ANY else word}

    def page(self, template: str, given: Mapping[str, Any], session: inspect.Session | None, token: str) -> str:
        """One page as HTML. Raises nothing of what it was given."""
        caller = None if session is None else session.caller
        navigation = [one for one in self._pages if caller is not None and caller.may(one.right)]
        return self._env.get_template(template).render(
            prefix=self._prefix, navigation=navigation, here=template, caller=caller, token=token, **given
        )


def moment(at: Millis | None) -> str:
    """A time as people read it, in UTC."""
    return "" if at is None else to_datetime(at).strftime("%Y-%m-%d %H:%M UTC")


def age(span: Millis | None) -> str:
    """How long something waits, in its largest unit."""
    if span is None:
        return ""
    for unit, one, many in ((DAY, "day", "days"), (HOUR, "hour", "hours"), (MINUTE, "minute", "minutes")):
        if span >= unit:
            return f"{span // unit} {one if span // unit == 1 else many}"
    return "under a minute"
