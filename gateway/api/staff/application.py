"""The staff pages as one application: nothing is read without a session, nothing changed without the form's own token."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.api.access import Access, Denied
from gateway.api.bounds import Bounded
from gateway.api.staff import campaigns, consents, extracts, home, outbox, replies, signing, stories, suppression
from gateway.api.staff.looks import STYLE, Looks
from gateway.api.staff.pages import Answer, Page
from gateway.api.staff.visit import Elsewhere, Visit, parsed
from gateway.model.access import Refusal
from gateway.model.errors import CommandError, Erased, StoreUnavailable
from gateway.pipeline import inspect
from gateway.telemetry import log

PREFIX = "/staff"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000"}
PAGES: tuple[Page, ...] = (
    *home.PAGES,
    *outbox.PAGES,
    *campaigns.PAGES,
    *extracts.PAGES,
    *stories.PAGES,
    *consents.PAGES,
    *suppression.PAGES,
    *replies.PAGES,
)


def application(access: Access, *, secure: bool) -> ASGIApp:
    """To be mounted at PREFIX. `secure`: over TLS, so that the cookie never travels without."""
    staff = _Staff(access, Looks(PREFIX, PAGES), secure)
    app = Starlette(
        routes=[
            Route("/style.css", _style, methods=["GET"]),
            Route("/sign-in", staff.sign_in, methods=["GET", "POST"]),
            Route("/sign-out", staff.sign_out, methods=["POST"]),
            Route("/signed-out", staff.signed_out, methods=["GET"]),
            *(Route(one.path, staff.handler(one), methods=[one.method]) for one in PAGES),
        ],
        exception_handlers={HTTPException: staff.http, Exception: staff.ours},
    )
    app.router.redirect_slashes = False
    return Bounded(app, HEADERS | (HSTS if secure else {}), staff.plain)


async def _style(_request: Request) -> Response:
    return Response(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@dataclass(frozen=True, slots=True)
class _Staff:
    """What stands before every page."""

    access: Access
    looks: Looks
    secure: bool

    @property
    def cookie(self) -> str:
        """Its name: the prefix binds it to this host, this path and TLS (RFC 6265bis §4.1.3)."""
        return "__Host-caregate-staff" if self.secure else "caregate-staff"

    def handler(self, page: Page) -> Callable[[Request], Any]:
        """The page behind session, form token, rate and right."""
        name = f"{page.method} {PREFIX}{page.path}"

        async def handle(request: Request) -> Response:
            token = request.cookies.get(self.cookie, "")
            form = await request.body() if page.method == "POST" else b""
            return await run_in_threadpool(self._handle, request, page, name, token, form)

        return handle

    def _handle(self, request: Request, page: Page, name: str, token: str, body: bytes) -> Response:
        session: inspect.Session | None = None
        try:
            self.access.door(_host(request), name)
            session = inspect.session_find(self.access.gateway.store, token) if token else None
            if session is None:
                if page.method == "POST":
                    self.access.refusals(_host(request), Refusal.NO_CREDENTIALS, name)
                return self._sent(Elsewhere(path="/sign-in"))
            form = self._form(request, token, body, session, name) if page.method == "POST" else {}
            self.access.allow(session.caller, page.right, name)
            visit = Visit(
                gateway=self.access.gateway,
                dry_runs=self.access.dry_runs,
                session=session,
                form=form,
                query=dict(request.query_params),
            )
            return self._answered(page.answer(visit), session, token)
        except Denied as error:
            return self._failed(session, token, error.status, _SAID.get(error.why, "You may not do this."))
        except CommandError as error:
            return self._failed(session, token, 409, str(error))  # our own words: no values
        except Erased:
            return self._failed(session, token, 410, "The content is gone for good.")
        except StoreUnavailable:
            return self._failed(session, token, 503, "Something this needs is not there at this moment.")

    def _form(self, request: Request, token: str, body: bytes, session: inspect.Session, name: str) -> dict[str, str]:
        form = parsed(body)
        expected = inspect.form_token(token)
        if _is_foreign(request) or not secrets.compare_digest(form.get("token", "").encode(), expected.encode()):
            raise self.access.denied(403, Refusal.FORGED, session.caller.account, name)
        return form

    # -- signing in and out

    async def sign_in(self, request: Request) -> Response:
        """Show where a key is pasted; take it."""
        if request.method != "POST":
            return self._page("sign_in.html", 200)
        return await run_in_threadpool(self._sign_in, request, await request.body())

    def _sign_in(self, request: Request, body: bytes) -> Response:
        host, name = _host(request), f"POST {PREFIX}/sign-in"
        try:
            self.access.door(host, name)
            if _is_foreign(request):
                raise self.access.denied(403, Refusal.FORGED, host, name)
            token = signing.begin(self.access, parsed(body).get("key", "").strip(), host, name)
        except Denied as error:
            told = "That key does not open anything." if error.status == 401 else _SAID.get(error.why, "No.")
            return self._page("sign_in.html", error.status, wrong=told)
        except CommandError:
            return self._page("sign_in.html", 400, wrong="That is not a key.")
        except StoreUnavailable:
            return self._page("sign_in.html", 503, wrong="The database is not there at this moment.")
        answer = self._sent(Elsewhere(path="/"))
        answer.set_cookie(self.cookie, token, httponly=True, secure=self.secure, samesite="strict", path="/")
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session, here and wherever its cookie was copied to."""
        token = request.cookies.get(self.cookie, "")
        return await run_in_threadpool(self._sign_out, request, token, await request.body())

    def _sign_out(self, request: Request, token: str, body: bytes) -> Response:
        try:
            session = inspect.session_find(self.access.gateway.store, token) if token else None
            if session is not None:
                self._form(request, token, body, session, f"POST {PREFIX}/sign-out")
                inspect.session_end(self.access.gateway.store, session)
        except (Denied, CommandError):
            return self._failed(session, token, 403, _SAID[Refusal.FORGED])
        except StoreUnavailable:
            return self._failed(None, "", 503, "You are not signed out: the database is not there at this moment.")
        answer = self._sent(Elsewhere(path="/signed-out"))
        answer.delete_cookie(self.cookie, path="/", secure=self.secure, httponly=True, samesite="strict")
        return answer

    async def signed_out(self, _request: Request) -> Response:
        """Where a page that nobody used goes by itself."""
        return self._page("signed_out.html", 200)

    # -- answers

    def _answered(self, answer: Answer, session: inspect.Session, token: str) -> Response:
        if isinstance(answer, Elsewhere):
            return self._sent(answer)
        text = self.looks.page(answer.template, answer.given, session, inspect.form_token(token))
        return _html(text, answer.status, {"Refresh": f"{inspect.IDLE // 1000}; url={PREFIX}/signed-out"})

    def _failed(self, session: inspect.Session | None, token: str, status: int, told: str) -> Response:
        if session is None:
            return self._page("sign_in.html", status, wrong=told)
        text = self.looks.page("failed.html", {"told": told}, session, inspect.form_token(token))
        return _html(text, status)

    def _page(self, template: str, status: int, **given: object) -> Response:
        return _html(self.looks.page(template, given, None, ""), status)

    def _sent(self, elsewhere: Elsewhere) -> Response:
        return RedirectResponse(PREFIX + elsewhere.path, status_code=303)

    def plain(self, status: int, told: str) -> Response:
        """An error before anybody is known."""
        return self._page("plain.html", status, told=told)

    async def http(self, _request: Request, error: Exception) -> Response:
        """No such page, or another method."""
        assert isinstance(error, HTTPException)
        answer = self.plain(error.status_code, "There is no such page.")
        answer.headers.update({name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"})
        return answer

    async def ours(self, _request: Request, error: Exception) -> Response:
        """A mistake of ours says nothing of its cause: foreign texts may quote a patient."""
        log().error("staff.failed", error=type(error).__name__)
        return self.plain(500, "An error of Caregate's own.")


_SAID = {
    Refusal.NOT_ALLOWED: "Your role does not allow this.",
    Refusal.FORGED: "That form did not come from this page, or is too old. Nothing was done.",
    Refusal.TOO_MANY: "Too many requests: slow down.",
}


def _html(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(text, status_code=status, media_type="text/html; charset=utf-8", headers=headers)


def _host(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_foreign(request: Request) -> bool:
    """Whether a browser says that another site made this request (Fetch Metadata); old ones say nothing."""
    return request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


__all__ = ["HEADERS", "PAGES", "PREFIX", "application"]
