"""A clinic whose messages are picked up in the portal, and readers who come by its links with a browser of few words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
from clinic_dsl import Clinic, OpenClinic, Postbox
from clinic_site import shipped_policy, shipped_rule, write_rules
from fastapi import FastAPI

from gateway.api.mounting import mounted
from gateway.api.portal import Pages, routes_of
from gateway.app.assembly import portal_of
from gateway.model.consent import ChannelKind
from gateway.model.request import RequestKind
from gateway.store import tables

URL = "https://messages.lakeside.example"
SITE = f"""\
api: {{public_url: '{URL}'}}
channels: {{portal: {{kind: portal}}}}
"""
VISIT, WEEK = "2026-03-20 09:30", "2026-03-13 09:30"


def open_portal(
    open_clinic: OpenClinic, tmp_path: Path, *, channels: str = "[portal]", policy: tuple[tuple[str, str], ...] = (),
    more: str = SITE, **changes: str,
) -> Clinic:  # fmt: skip
    """A clinic with a mailbox, a telephone network and the portal; its one rule goes by `channels`, a week ahead."""
    rule = shipped_rule(
        "appointment-reminder",
        ("channels: [preferred, sms, email]", f"channels: {channels}"),
        ("by: [7d, 1d]", "by: [7d]"),
        *changes.items(),
    )
    text = shipped_policy(("# languages: [en]", "languages: [en, es]"), *policy)
    rules = write_rules(tmp_path / "rules", {"appointment-reminder": rule}, policy=text)
    clinic = open_clinic(rules=rules, more=more)
    clinic.texts = Postbox(clinic.clock)  # type: ignore[attr-defined]
    clinic.texts.kind = ChannelKind.SMS  # type: ignore[attr-defined]
    clinic.gateway.channels[ChannelKind.SMS] = clinic.texts  # type: ignore[index, attr-defined]
    return clinic


def registers(clinic: Clinic, handle: str, *ways: str, mobile: bool = True, **told: Any) -> None:
    """Somebody with a mailbox and, unless told, a mobile number, who says yes to messages by these ways."""
    person = clinic.person(handle, **told)
    mail, phone = f"^NET^Internet^{person.email}", f"^PRN^CP^^1^{person.phone[:3]}^{person.phone[3:]}"
    clinic.person(handle, pid={**person.pid, 13: f"{phone}~{mail}" if mobile else mail})
    clinic.adds(handle)
    for way in ways or ("portal", "email"):
        clinic.consents(handle, to=way)


def texts(clinic: Clinic) -> list[str]:
    """What arrived on telephones."""
    return [one.text for one in clinic.texts.envelopes]  # type: ignore[attr-defined]


def link_in(text: str) -> str:
    """The path of the one link of ours in a text."""
    (found,) = re.findall(re.escape(URL) + r"(/\S+)", text)
    return str(found)


def code_in(text: str) -> str:
    """The code in a text."""
    (found,) = re.findall(r"\b\d{6}\b", text)
    return str(found)


class Reader:
    """Somebody at the portal's pages: follows redirects to our own pages only, keeps cookies, fills in forms."""

    def __init__(self, clinic: Clinic, *, address: str = "198.51.100.7", app: FastAPI | None = None) -> None:
        self.clinic = clinic
        self.app = app or served(clinic)
        transport = httpx.ASGITransport(app=self.app, client=(address, 40_000))
        self._transport = transport
        self.cookies = httpx.Cookies()
        self.page: httpx.Response

    def asks(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request; the answer as it is."""
        import asyncio

        async def call() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url=URL, cookies=self.cookies) as client:
                response = await client.request(method, path, **more)
                self.cookies = client.cookies
                return response

        self.page = asyncio.run(call())
        self.clinic.answers_doorbells()
        return self.page

    def gets(self, path: str, **more: Any) -> httpx.Response:
        """Look at a page."""
        return self.asks("GET", path, **more)

    def sends(
        self, path: str, fields: dict[str, Any] | None = None, *, follow: bool = True, **more: Any
    ) -> httpx.Response:
        """Send a form of the page looked at, with what is hidden in it."""
        hidden = dict(re.findall(r'<input type="hidden" name="(form|lang)" value="([^"]*)"', self.page.text))
        response = self.asks("POST", path, data={**hidden, **(fields or {})}, **more)
        if follow and response.status_code == 303:
            return self.gets(response.headers["location"])
        return response

    def follows(self, path: str) -> httpx.Response:
        """Open a link and press its button: on to the birth date."""
        self.gets(path)
        return self.sends(path)

    def tells_birth(self, handle: str, **wrong: str) -> httpx.Response:
        """Type somebody's birth date, or another one."""
        born = self.clinic.person(handle).born
        assert born is not None
        told = {"year": str(born.year), "month": str(born.month), "day": str(born.day), **wrong}
        return self.sends("/portal/birth", told)

    def tells_code(self, code: str) -> httpx.Response:
        """Type a code."""
        return self.sends("/portal/code", {"code": code})

    def enters(self, path: str, handle: str) -> httpx.Response:
        """The whole way in, with the code that arrived on the telephone."""
        self.follows(path)
        self.tells_birth(handle)
        return self.tells_code(code_in(texts(self.clinic)[-1]))


def served(clinic: Clinic) -> FastAPI:
    """The pages of a clinic, as the API's server mounts them."""
    routes = routes_of(portal_of(clinic.gateway), Pages(clinic.gateway.site), URL, slowest=0.0)
    from gateway.api.readiness import Readiness
    from gateway.api.site import create

    return create(Readiness({}), routes=[mounted(one) for one in routes])


def receipts(clinic: Clinic) -> list[str]:
    """The states that receipts tell, in order."""
    with clinic.gateway.store.read() as unit:
        ids = [one for (one,) in unit.lookup(tables.communication, ("id",), "channel", ["portal"])]
        rows = unit.lookup(tables.receipt, ("id", "status"), "communication", ids)
    return [str(status) for _, status in sorted(rows)]


NOTICE, CODE = RequestKind.PICK_UP_NOTICE.value, RequestKind.CODE.value
