"""The paths of the portal: looking changes nothing, and every wrong guess gets the answer, and the time, of every other (EM-10, EM-22)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.pace import Bucket, caller_of, is_shared
from gateway.api.portal.guard import (
    HEADERS,
    HSTS,
    fields_of,
    form_token,
    is_from_elsewhere,
    is_one_click,
    is_ours,
)
from gateway.api.portal.pages import Pages
from gateway.api.portal.words import spoken
from gateway.model.comingback import ReplyMeaning
from gateway.model.errors import StoreError
from gateway.pipeline.answering import LONGEST
from gateway.pipeline.portal import Portal, Seen
from gateway.pipeline.preferences import Wanted
from gateway.ports import Asgi, Route
from gateway.telemetry import log

SLOWEST = 0.4  # seconds every answer to something guessed takes, right or wrong
CALLS = 10.0, 600.0  # of one client address: a second, and at once
GUESSES = 1 / 30, 20.0  # at one link or session, whether there is such a one or not
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}").fullmatch
_BUSY = 503
_ANSWERS: Mapping[str, ReplyMeaning] = {
    "confirm": ReplyMeaning.CONFIRM,
    "cancel": ReplyMeaning.CANCEL_VISIT,
    "reschedule": ReplyMeaning.RESCHEDULE,
    "text": ReplyMeaning.FREE_TEXT,
}
Fields = Mapping[str, list[str]]
Page = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")


def routes_of(portal: Portal, pages: Pages, public_url: str, *, slowest: float = SLOWEST) -> list[Route]:
    """What the API's server mounts. `slowest`: seconds that answers to guesses take."""
    desk = Desk(portal, pages, secure=public_url.startswith("https:"), slowest=slowest)
    paths: dict[str, dict[str, Page]] = {
        "/p/{token}": {"GET": desk.enter, "POST": desk.start},
        "/u/{token}": {"GET": desk.ask_unsubscribe, "POST": desk.unsubscribe},
        "/portal": {"GET": desk.see},
        "/portal/birth": {"GET": desk.ask_birth, "POST": desk.birth},
        "/portal/code": {"GET": desk.ask_code, "POST": desk.code},
        "/portal/reply": {"POST": desk.reply},
        "/portal/preferences": {"GET": desk.preferences, "POST": desk.choose},
        "/portal/leave": {"POST": desk.leave},
        "/portal/style.css": {"GET": desk.style},
    }
    return [Route(path=path, application=desk.served(methods)) for path, methods in paths.items()]


class _TooOften(Exception):
    """So many guesses at one link or session that no more are written down."""


class Desk:
    """One method a path and method; what touches the database runs on a thread."""

    def __init__(self, portal: Portal, pages: Pages, *, secure: bool, slowest: float) -> None:
        self._portal = portal
        self._pages = pages
        self._secure = secure
        self._slowest = slowest
        self._callers = Bucket(portal.clock, *CALLS)
        self._guesses = Bucket(portal.clock, *GUESSES)
        self._cookie = "__Host-caregate" if secure else "caregate"

    def served(self, methods: Mapping[str, Page]) -> Asgi:
        """The ASGI application of one path: its methods and HEAD, every answer with all headers."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            request = Request(scope, receive)
            method = "GET" if request.method == "HEAD" else request.method
            page = methods.get(method)
            if page is None:
                response = Response(status_code=405, headers={"Allow": ", ".join(["HEAD", *methods])})
            elif not self._admits(request.client.host if request.client else ""):
                response = self._crowded(request)
            else:
                response = await self._answer(request, page)
            await self._headed(response, request)(scope, receive, send)

        return application

    def _admits(self, host: str) -> bool:
        return is_shared(host) or self._callers.take(caller_of(host))

    def _crowded(self, request: Request) -> Response:
        response = self._page(request, "busy", status=429)
        response.headers["Retry-After"] = "60"
        return response

    async def _answer(self, request: Request, page: Page) -> Response:
        try:
            return await page(request)
        except _TooOften:
            return self._crowded(request)
        except StoreError as error:
            log().error("portal.unavailable", error=type(error).__name__)
            return self._page(request, "busy", status=_BUSY)
        except Exception as error:  # noqa: BLE001 - its text may quote what was typed
            log().error("portal.failed", error=type(error).__name__)
            return self._page(request, "busy", status=500)

    def _headed(self, response: Response, request: Request) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if self._secure:
            response.headers["Strict-Transport-Security"] = HSTS
        if request.method == "HEAD":
            response.body = b""  # its length is told all the same
        return response

    # -- a link

    async def enter(self, request: Request) -> Response:
        """GET /p/…: the same page for every token. Nothing is looked up, so mail scanners change and learn nothing."""
        return self._page(request, "enter")

    async def start(self, request: Request) -> Response:
        """POST /p/…: begin to find out who it is."""
        return await self._begin(request)

    async def ask_unsubscribe(self, request: Request) -> Response:
        """GET /u/…: a page with a button; nothing is changed (EM-22)."""
        return self._page(request, "unsubscribe")

    async def unsubscribe(self, request: Request) -> Response:
        """POST /u/…: at once, without cookie, log-in or redirect (RFC 8058 §3.1); or the way to all choices."""
        fields = await fields_of(request)
        if fields is None:
            return self._page(request, "missing", status=400)
        if "more" in fields:
            return await self._begin(request, fields)
        if not is_one_click(fields):
            return self._page(request, "unsubscribe", status=400)
        token = request.path_params["token"]
        if not self._guesses.take(token):
            raise _TooOften
        if _TOKEN(token):
            await run_in_threadpool(self._portal.unsubscribe, token)
        return self._page(request, "unsubscribed", wanted=_first(fields, "lang"))

    async def _begin(self, request: Request, fields: Fields | None = None) -> Response:
        fields = await fields_of(request) if fields is None else fields
        if fields is None or is_from_elsewhere(request):
            return self._page(request, "missing", status=400)
        session = await self._slowly(self._portal.start, request.path_params["token"])
        return self._go("/portal/birth", _first(fields, "lang"), session)

    # -- who is it

    async def ask_birth(self, request: Request) -> Response:
        """GET /portal/birth: the question, to whoever has any session."""
        session = self._session(request)
        return self._closed(request) if session is None else self._page(request, "birth", session=session)

    async def birth(self, request: Request) -> Response:
        """POST /portal/birth: on to the code, whatever was typed."""
        session, fields = await self._form(request)
        if session is None or fields is None:
            return self._closed(request, status=400)
        ring = await self._slowly(self._portal.birth, session, _date(fields))
        if ring is not None:  # not waited for: a broker that is slow would tell that the date was right
            asyncio.get_running_loop().run_in_executor(None, self._portal.ring, ring)
        return self._go("/portal/code", _first(fields, "lang"))

    async def ask_code(self, request: Request) -> Response:
        """GET /portal/code: the question, to whoever has any session."""
        session = self._session(request)
        return self._closed(request) if session is None else self._page(request, "code", session=session, wrong=False)

    async def code(self, request: Request) -> Response:
        """POST /portal/code: in, with a new session (what was fixed before is worth nothing), or the same page again."""
        session, fields = await self._form(request)
        if session is None or fields is None:
            return self._closed(request, status=400)
        typed = re.sub(r"[\s-]", "", _first(fields, "code"))[:12]
        opened = await self._slowly(self._portal.code, session, typed)
        wanted = _first(fields, "lang")
        if opened is None:
            return self._page(request, "code", session=session, wrong=True, wanted=wanted, status=422)
        return self._go("/portal", "", opened)  # from here on in the language we know of them

    async def leave(self, request: Request) -> Response:
        """POST /portal/leave: log out."""
        session, fields = await self._form(request)
        if session is None or fields is None:
            return self._closed(request, status=400)
        await run_in_threadpool(self._portal.leave, session)
        response = self._page(request, "left", wanted=_first(fields, "lang"), here="/portal")
        response.delete_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="strict")
        return response

    # -- what is there

    async def see(self, request: Request) -> Response:
        """GET /portal: what the session leads to, decided afresh."""
        session = self._session(request)
        seen = None if session is None else await run_in_threadpool(self._portal.see, session)
        if session is None or seen is None:
            return self._closed(request)
        return self._seen(self._wanted(request), session, seen)

    async def reply(self, request: Request) -> Response:
        """POST /portal/reply: an answer to the message."""
        session, fields = await self._form(request)
        if session is None or fields is None:
            return self._closed(request, status=400)
        choice, text = _first(fields, "choice"), _first(fields, "text").strip()[:LONGEST]
        meaning, wanted = _ANSWERS.get(choice), _first(fields, "lang")
        if meaning is None or (choice == "text" and not text):
            return await self.see(request)
        seen = await run_in_threadpool(self._portal.reply, session, meaning, text if choice == "text" else choice)
        if seen is None:
            again = await run_in_threadpool(self._portal.see, session)
            return self._closed(request) if again is None else self._seen(wanted, session, again, said="not_answered")
        return self._seen(wanted, session, seen, said="answered")

    def _seen(self, wanted: str, session: str, seen: Seen, *, said: str = "") -> Response:
        language = spoken(wanted or seen.language)
        token = form_token(session)
        if seen.refused:
            return self._html(self._pages.page("refused", language, form_token=token, here="/portal"))
        if seen.message is None:
            return self._go("/portal/preferences", language)
        return self._html(self._pages.message(language, seen.zone, seen.message, form_token=token, said=said))

    # -- what they want

    async def preferences(self, request: Request) -> Response:
        """GET /portal/preferences: what can be chosen."""
        session = self._session(request)
        found = None if session is None else await run_in_threadpool(self._portal.preferences, session)
        if session is None or found is None:
            return self._closed(request)
        language = spoken(self._wanted(request) or found[0].language)
        page = self._pages.preferences(
            language,
            found[1],
            leads_to_message=found[0].leads_to_message,
            form_token=form_token(session),
            said="",
        )
        return self._html(page)

    async def choose(self, request: Request) -> Response:
        """POST /portal/preferences: what was chosen."""
        session, fields = await self._form(request)
        if session is None or fields is None:
            return self._closed(request, status=400)
        wanted = _wanted_of(fields)
        found = await run_in_threadpool(self._portal.choose, session, wanted)
        if found is None:
            return self._closed(request)
        seen, chosen = found
        lacking = any((one.topic, one.channel.value) in wanted.on and not one.on for one in chosen.choices)
        page = self._pages.preferences(
            spoken(_first(fields, "lang") or seen.language),
            chosen,
            leads_to_message=seen.leads_to_message,
            form_token=form_token(session),
            said="saved_not_all" if lacking else "saved",
        )
        return self._html(page)

    async def style(self, _request: Request) -> Response:
        """GET /portal/style.css."""
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(self._pages.style, media_type="text/css; charset=utf-8", headers=headers)

    # -- the parts

    async def _slowly(self, act: Callable[..., T], token: str, *told: object) -> T:
        """Run what somebody may be guessing at; it takes the same time whatever comes of it. Raises _TooOften."""
        if not self._guesses.take(token):
            raise _TooOften
        over = asyncio.get_running_loop().time() + self._slowest
        try:
            return await run_in_threadpool(act, token, *told)
        finally:
            await asyncio.sleep(max(0.0, over - asyncio.get_running_loop().time()))

    def _session(self, request: Request) -> str | None:
        told = request.cookies.get(self._cookie, "")
        return told if _TOKEN(told) else None

    async def _form(self, request: Request) -> tuple[str | None, Fields | None]:
        """(session, fields) of a form of our own; neither of any other."""
        session = self._session(request)
        if session is None or is_from_elsewhere(request):
            return None, None
        fields = await fields_of(request)
        if fields is None or not is_ours(session, _first(fields, "form")):
            return None, None
        return session, fields

    def _wanted(self, request: Request) -> str:
        return request.query_params.get("lang", "")

    def _page(
        self, request: Request, name: str, *, session: str = "", wanted: str = "", status: int = 200, **values: object
    ) -> Response:
        language = spoken(wanted or self._wanted(request), request.headers.get("accept-language", ""))
        token = form_token(session) if session else ""
        return self._html(self._pages.page(name, language, form_token=token, **values), status)

    def _closed(self, request: Request, *, status: int = 200) -> Response:
        return self._page(request, "closed", status=status, here="/portal")

    @staticmethod
    def _html(page: str, status: int = 200) -> Response:
        return Response(page, status_code=status, media_type="text/html; charset=utf-8")

    def _go(self, path: str, language: str, session: str | None = None) -> Response:
        """On to a page of ours, and to nothing else: no part of the address is told by anybody."""
        response = Response(
            status_code=303, headers={"Location": f"{path}?lang={spoken(language)}" if language else path}
        )
        if session is not None:
            response.set_cookie(self._cookie, session, path="/", secure=self._secure, httponly=True, samesite="strict")
        return response


def _first(fields: Fields, name: str) -> str:
    return fields.get(name, [""])[0]


def _date(fields: Fields) -> date | None:
    try:
        return date(*(int(_first(fields, name)[:4]) for name in ("year", "month", "day")))
    except ValueError:
        return None


def _wanted_of(fields: Fields) -> Wanted:
    pairs = (told.rpartition(".") for told in fields.get("on", []))
    return Wanted(
        on=frozenset((topic, channel) for topic, _, channel in pairs),
        language=_first(fields, "speaks") or None,
        quiet=_hours(_first(fields, "from"), _first(fields, "until")),
    )


def _hours(start: str, end: str) -> tuple[int, int] | None:
    if not (start.isdigit() and end.isdigit()) or start == end:
        return None
    told = (int(start[:5]), int(end[:5]))
    return told if max(told) < 24 * 60 else None


__all__ = ["Desk", "routes_of"]
