"""One FHIR server: what is asked of it carries our token, and what it answers is a resource or an error with a meaning."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import httpx

from connectors.sources.fhir.client.addresses import Base, Parameters
from connectors.sources.fhir.client.keys import Key, key_of
from connectors.sources.fhir.client.line import Answer, Line, Stream
from connectors.sources.fhir.client.options import ClientOptions
from connectors.sources.fhir.client.outcomes import trouble_of
from connectors.sources.fhir.client.resources import Resource, dumped, loaded
from connectors.sources.fhir.client.tokens import FixedToken, SmartTokens, Tokens
from connectors.sources.fhir.client.waiting import Pace, http_date, retry_after
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, Denied, Unusable
from gateway.model.when import Millis
from gateway.ports import Clock

_JSON = "application/fhir+json"
_SKEW = 60_000  # Millis between two clocks that deserve a word (O-09)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of 2xx. `resource`: what its `body` holds, None for an empty one. `date`: the server's clock then, at most ours."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    resource: Resource | None = field(repr=False)
    body: bytes = field(repr=False)
    date: Millis | None = None


class FhirServer:
    """The configured server; made once a source, shared by its threads. Every call blocks, and raises ServerError."""

    def __init__(self, name: str, base: str, options: ClientOptions, clock: Clock, tally: Tally | None = None) -> None:
        self.base = Base(base)
        self.options = options
        self.stopping = threading.Event()
        self.keys: tuple[Key, ...] = _keys(options)
        self._clock = clock
        self._tally = tally or Tally(name)
        self._line = Line(name, options)
        self._pace = Pace(options.rate, self.stopping)
        self._tokens: Tokens = FixedToken(options.bearer)
        if options.smart is not None:
            self._tokens = SmartTokens(self.base, options.smart, self.keys, self._line, clock, self._tally)

    def get(self, path: str, parameters: Parameters = (), *, headers: Mapping[str, str] | None = None) -> Reply:
        """GET below the base: ("Patient/12"), ("Appointment", (("_count", "50"),)).

        Raises Busy, Denied, Missing, Unusable; so do all others.
        """
        return self.ask("GET", self.base.at(path, parameters), headers=headers)

    def follow(self, link: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        """GET a link the server gave, as it is; Unusable when it leads to another host (Q-03)."""
        return self.ask("GET", self.base.link(link), headers=headers)

    def ask(
        self,
        method: str,
        url: httpx.URL,
        *,
        resource: Resource | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One exchange, and a second one with a new token when the first was not believed (Q-08)."""
        body = dumped(resource) if resource is not None else b""
        told = {"Accept": _JSON, **({"Content-Type": _JSON} if body else {}), **(headers or {})}
        answer = self._told(method, self.base.link(str(url)), told, body)
        found = loaded(answer.body) if answer.body.strip() else None
        return Reply(
            status=answer.status,
            headers=answer.headers,
            resource=found,
            body=answer.body,
            date=self._date(answer),
        )

    def _date(self, answer: Answer) -> Millis | None:
        """Marks are set by it: one ahead of our clock would pass over what is yet to come, one behind only asks again."""
        told = http_date(answer.headers.get("date"))
        return None if told is None else min(told, self._clock.now())

    @contextmanager
    def streamed(self, url: httpx.URL, *, headers: Mapping[str, str], with_token: bool = True) -> Iterator[Stream]:
        """GET a body of any size piece by piece; without our token it may lie at another host (K-05).

        The status is not judged, but for a token that was not believed: then a new one is shown, once (Q-08). Raises as `get`.
        """
        token = self._tokens.token() if with_token else None
        target = self.base.link(str(url)) if with_token else url
        with self._opened(target, headers, token) as stream:
            if stream.status != 401 or token is None or not self._tokens.refused(token):
                yield stream
                return
        with self._opened(target, headers, self._tokens.token()) as stream:
            yield stream

    def rest(self, seconds: float) -> None:
        """Ask nothing for so long."""
        self._pace.rest(seconds)

    def close(self) -> None:
        """Ask nothing more, give back connections."""
        self.stopping.set()
        self._line.close()

    def _told(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Answer:
        token = self._tokens.token()
        answer = self._once(method, url, {**headers, **_bearer(token)}, body)
        if answer.status == 401 and token is not None and self._tokens.refused(token):
            answer = self._once(method, url, {**headers, **_bearer(self._tokens.token())}, body)
        date = http_date(answer.headers.get("date"))
        after = retry_after(answer.headers.get("retry-after"), date, self._clock.now())
        trouble = trouble_of(answer, after)
        if trouble is None:
            self._compare(date)
            return answer
        if isinstance(trouble, Busy) and after:
            self._pace.rest(after)
        if isinstance(trouble, Denied):
            self._tally.tell("fhir.denied", code=answer.status)
        raise trouble

    def _opened(self, url: httpx.URL, headers: Mapping[str, str], token: str | None) -> AbstractContextManager[Stream]:
        self._pace.turn()
        return self._line.opened("GET", url, {**headers, **_bearer(token)})

    def _once(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Answer:
        self._pace.turn()
        return self._line.ask(method, url, headers, body)

    def _compare(self, date: Millis | None) -> None:
        """Two clocks that differ are told of: assertions are judged by the other one (O-09)."""
        if date is not None and abs(date - self._clock.now()) > _SKEW:
            self._tally.tell("fhir.clocks-differ", seconds=(date - self._clock.now()) // 1000)


def bundle_of(reply: Reply) -> Resource:
    """The Bundle a server answered with; Unusable for anything else."""
    if reply.resource is None or reply.resource.get("resourceType") != "Bundle":
        raise Unusable("the server answered a search with something that is no Bundle", reply.status)
    return reply.resource


def elements_of(elements: Sequence[str]) -> Parameters:
    """`_elements` with what identifies a resource and what changes its meaning; none at all for no elements."""
    if not elements:
        return ()
    always = ("id", "meta", "implicitRules", "modifierExtension")
    return (("_elements", ",".join(dict.fromkeys((*always, *elements)))),)


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _keys(options: ClientOptions) -> tuple[Key, ...]:
    told = options.smart.keys if options.smart else ()
    return tuple(key_of(one.private_key.get_secret_value(), one.kid) for one in told)
