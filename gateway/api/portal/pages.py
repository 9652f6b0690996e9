"""Makes the pages: every value escaped, nothing fetched from anywhere, and in title or address never a word about the person."""

from __future__ import annotations

from datetime import datetime, time
from importlib.resources import files
from zoneinfo import ZoneInfo

import jinja2
from babel.dates import format_date, format_time

from gateway.api.portal.words import LANGUAGE_NAMES, OTHER, WORDS, spoken, topic_name
from gateway.model.when import Millis
from gateway.pipeline.pickups import Opened
from gateway.pipeline.preferences import Chosen
from gateway.pipeline.site import Site


class Pages:
    """All pages in all languages. `language` is always one of WORDS."""

    def __init__(self, site: Site) -> None:
        self._organization = next(iter(site.organizations.values()))
        folder = files("gateway.api.portal") / "templates"
        self._env = jinja2.Environment(
            loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.style = (files("gateway.api.portal") / "style.css").read_bytes()

    def page(self, name: str, language: str, **values: object) -> str:
        """The page of that template."""
        words = WORDS[language]
        return self._env.get_template(f"{name}.html").render(
            **{"here": "", **values}, w=words, language=language, other=OTHER[language], organization=self._organization
        )

    def message(self, language: str, zone: str, message: Opened, **values: object) -> str:
        """A message that may be read. `zone`: IANA."""
        return self.page(
            "message",
            language,
            here="/portal",
            message=message,
            paragraphs=_paragraphs(message.text),
            at=_shown(message.at, zone, language),
            until=_shown(message.until, zone, language),
            **values,
        )

    def preferences(self, language: str, chosen: Chosen, **values: object) -> str:
        """What can be chosen."""
        topics: dict[str, list[object]] = {}
        for one in chosen.choices:
            topics.setdefault(one.topic, []).append(one)
        return self.page(
            "preferences",
            language,
            here="/portal/preferences",
            chosen=chosen,
            topics=[(topic_name(topic, language), topic, some) for topic, some in topics.items()],
            languages=[(one, LANGUAGE_NAMES.get(one.partition("-")[0], one)) for one in chosen.languages],
            spoken=spoken(chosen.language),
            hours=_hours(language),
            **values,
        )


def _paragraphs(text: str) -> list[list[str]]:
    """Lines by paragraph: the page shows a text as it was written, and makes no links of it."""
    return [part.split("\n") for part in text.strip("\n").split("\n\n") if part.strip()]


def _shown(at: Millis, zone: str, language: str) -> str:
    """Day and minute where the reader is."""
    moment = datetime.fromtimestamp(at / 1000, ZoneInfo(zone))
    return f"{format_date(moment, 'long', locale=language)}, {format_time(moment, 'short', locale=language)}"


def _hours(language: str) -> list[tuple[int, str]]:
    """The hours of a day, in minutes and as people write them."""
    return [(hour * 60, str(format_time(time(hour), "short", locale=language))) for hour in range(24)]
