"""The story of a message, a request or a person; a person's is asked for with an identifier in the form, and a reason."""

from __future__ import annotations

from gateway.api.staff.pages import Answer, Page
from gateway.api.staff.visit import Shown, Visit
from gateway.model.access import Right
from gateway.model.errors import CommandError
from gateway.pipeline import inspect

_MOST = 1_000


def _ask(visit: Visit) -> Answer:
    return Shown(template="trace.html", given={"people": visit.may(Right.PERSON_READ)})


def _tell(visit: Visit) -> Answer:
    what, why = visit.told("what"), visit.reason()
    match what:
        case "message":
            number = visit.number("number", "the message")
            inspect.look_at_message(visit.gateway, "message-story", number, reason=why, account=visit.account)
            return _shown(f"Message {number}", inspect.trace_message(visit.gateway, number))
        case "request":
            number = visit.number("number", "the request")
            attempts = inspect.attempts(visit.gateway, number, reason=why, account=visit.account)
            return _shown(f"Request {number}", inspect.trace_request(visit.gateway, number), attempts)
    raise CommandError("say what to look for: a message or a request")


def _person(visit: Visit) -> Answer:
    why, one = visit.reason(), visit.person()
    lines = inspect.trace_patient(
        visit.gateway, system=one.system, type=one.type, value=one.value, reason=why, account=visit.account
    )
    return _shown("Person", lines)


def _shown(title: str, lines: list[inspect.Line], attempts: list[inspect.AttemptLine] | None = None) -> Answer:
    given = {
        "title": title,
        "lines": lines[-_MOST:],
        "left_out": max(len(lines) - _MOST, 0),
        "attempts": attempts or [],
    }
    return Shown(template="story.html", given=given)


PAGES = (
    Page(method="GET", path="/trace", right=Right.STORY_READ, answer=_ask, title="Trace"),
    Page(method="POST", path="/trace", right=Right.STORY_READ, answer=_tell),
    Page(method="POST", path="/trace/person", right=Right.PERSON_READ, answer=_person),
)
