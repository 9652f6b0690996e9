"""What is wanted is read from its server, offered, and settled after its outcome is committed; a patient before what waits (law 1)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from connectors.sources.fhir.client.resources import has_one_meaning, subsetted, text_of, whole
from connectors.sources.fhir.client.server import FhirServer, elements_of
from connectors.sources.fhir.client.waiting import back_off
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.fhir.polling.messages import Maker
from connectors.sources.fhir.polling.options import FetchOptions
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, Denied, Missing, ServerError, StoreError, Unusable
from gateway.ports import BASELINE, Clock, ElementsOf, Fetches, Wanted
from gateway.telemetry import log

RECEIVED, GONE, REFUSED, UNREADABLE = "received", "gone", "refused", "unreadable"
_LATE = 60.0  # seconds at least until we ask again with a token nobody believed


class Fetcher:
    """Reads what one source wants. `run` returns when `stopping` is set; `wake` cuts its waiting short."""

    def __init__(
        self,
        server: FhirServer,
        fetches: Fetches,
        handing: Handing,
        maker: Maker,
        *,
        options: FetchOptions,
        elements: ElementsOf,
        clock: Clock,
        tally: Tally,
    ) -> None:
        self._server = server
        self._fetches = fetches
        self._handing = handing
        self._make = maker
        self._options = options
        self._elements = elements
        self._clock = clock
        self._tally = tally
        self._wake = threading.Event()

    def wake(self) -> None:
        """Something is wanted now."""
        self._wake.set()

    def run(self, stopping: threading.Event) -> None:
        """Fetch until told to stop; trouble is told and outlived."""
        with ThreadPoolExecutor(self._options.at_once, thread_name_prefix="caregate-fetch") as pool:
            while not stopping.is_set():
                self._wake.clear()
                if not self._round(pool, stopping):
                    self._wake.wait(self._options.every)

    def once(self) -> int:
        """Fetch what is due now, one after the other; how many that were."""
        wanted = self._taken()
        for one in _ordered(wanted):
            self._settle(one)
        return len(wanted)

    def _round(self, pool: ThreadPoolExecutor, stopping: threading.Event) -> bool:
        """One handful; whether there was anything."""
        try:
            wanted = self._taken()
            for wave in _waves(wanted):
                if stopping.is_set():
                    return True  # the lease ends, and it is due again
                list(pool.map(self._settle, wave))
        except StoreError as error:
            self._tally.tell("fhir.fetch-waits", error=error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it says may quote a resource
            log().error("fhir.fetch-crashed", error=error)
            return False
        return bool(wanted)

    def _taken(self) -> Sequence[Wanted]:
        return self._fetches.take(4 * self._options.at_once, int(1000 * self._options.lease))

    def _settle(self, wanted: Wanted) -> None:
        try:
            self._fetches.done(wanted, self._read(wanted))
        except Busy as error:
            self._later(wanted, back_off(wanted.tries) if error.after is None else error.after, error)
        except Denied as error:  # a token that is not believed says nothing about this resource
            self._later(wanted, max(_LATE, back_off(wanted.tries)), error)

    def _later(self, wanted: Wanted, seconds: float, why: ServerError) -> None:
        self._tally.tell("fhir.fetch-later", attempt=wanted.tries, error=why, said=why)
        self._fetches.later(wanted, self._clock.now() + int(1000 * seconds))

    def _read(self, wanted: Wanted) -> str:
        """Read and offer one; its fate. Raises Busy, and Denied when nobody believes us."""
        named = self._server.base.reference(wanted.reference)
        if named is None:
            return self._ended(UNREADABLE)
        kind, number = named.type, named.id
        baseline = wanted.why == BASELINE
        elements = self._elements(kind)
        try:
            reply = self._server.get(named.literal, elements_of(elements))
        except Missing:
            self._handing.all((self._make.deletion(named.literal, baseline=baseline),))
            return self._ended(GONE)
        except Denied as error:
            if not error.known:
                raise
            return self._ended(REFUSED)  # S-22: recorded, and not asked again and again
        except Unusable:
            return self._ended(UNREADABLE)
        resource = reply.resource
        if resource is None or not has_one_meaning(reply.body):
            return self._ended(UNREADABLE)
        if (text_of(resource, "resourceType"), text_of(resource, "id")) != (kind, number):
            return self._ended(UNREADABLE)  # the server answered with something else
        if not elements and subsetted(resource):
            return self._ended(UNREADABLE)  # K-10: what is left out would look as if it were not there
        self._handing.all((self._make.of(whole(resource) if elements else resource, baseline=baseline),))
        return RECEIVED

    def _ended(self, fate: str) -> str:
        self._tally.tell(f"fhir.fetch-{fate}")
        return fate


def _waves(wanted: Sequence[Wanted]) -> tuple[list[Wanted], list[Wanted]]:
    """Patients, then what may wait for them."""
    patients = [one for one in wanted if one.reference.startswith("Patient/")]
    return patients, [one for one in wanted if not one.reference.startswith("Patient/")]


def _ordered(wanted: Sequence[Wanted]) -> list[Wanted]:
    first, then = _waves(wanted)
    return first + then


def everything(_kind: str) -> Sequence[str]:
    """Elements where nobody said which are needed: all."""
    return ()
