"""A made-up patient and event from the words of a command line, typed by the very code that reads tests beside rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from gateway.analyst.case_schema import PatientGiven
from gateway.analyst.rule_cases import Case, cases_of
from gateway.model.errors import CommandError, ConfigError
from gateway.yamlfile import load_text

_LISTS = frozenset(name for name, field in PatientGiven.model_fields.items() if "list" in str(field.annotation))


def hypothesis(
    event: str,
    *,
    now: str,
    facts: Iterable[str] = (),
    patient: Iterable[str] = (),
    consents: Iterable[str] | None = None,
    sent: Iterable[str] = (),
    zone: str | None = None,
    occurred: str | None = None,
) -> Case:
    """A case from "name=value" words; `now`, `occurred` like "2026-03-02 10:00" where it takes place.

    `patient`: keys of a test's `patient`, lists with commas. `consents` None: everything is permitted.
    Raises CommandError with the first thing wrong.
    """
    person = {
        name: value.split(",") if name in _LISTS else value for name, value in pairs(patient, "--patient-fact").items()
    }
    told: dict[str, object] = {
        "name": "a question",
        "event": event,
        "now": now,
        "facts": pairs(facts, "--fact"),
        "patient": person,
        "sent": list(sent),
        "expect": {},
    }
    more = {"zone": zone, "occurred": occurred, "consents": None if consents is None else list(consents)}
    told |= {name: value for name, value in more.items() if value is not None}
    try:
        # JSON is YAML (YAML 1.2.2, 1.2): so the same reader types it and asks the same of it
        return cases_of(load_text(json.dumps({"tests": [told]}, ensure_ascii=False), "what you asked"))[0]
    except ConfigError as error:
        place, _, sentence = error.problems[0].partition(": ")
        raise CommandError(sentence or place) from None


def pairs(words: Iterable[str], option: str) -> Mapping[str, str]:
    """Words like "name=value" as a mapping. Raises CommandError."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise CommandError(f"{option} takes name=value, like {option} appointment.status=booked")
        found[name.strip()] = value.strip()
    return found
