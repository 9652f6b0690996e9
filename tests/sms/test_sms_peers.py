"""Other people's programs at the other end: Twilio's own client reads what we wrote, and npm's `emulate` takes our texts."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from sms_parts import (
    ACCOUNT,
    MARISOL,
    OURS,
    TEXT,
    TOKEN,
    WORDS,
    Box,
    channel,
    envelope,
    free_port,
    mounted,
    post,
    provider,
)
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from gateway.model.comingback import ReceiptStatus
from gateway.model.errors import Unavailable
from gateway.policy.replies import ReplyMeaning, meaning
from gateway.ports import Door, SystemClock

NODE = os.environ.get("CAREGATE_TEST_NODE", "")
EMULATE = Path(NODE) / "node_modules" / "emulate" / "dist" / "index.js"
needs_emulate = pytest.mark.skipif(
    not (NODE and shutil.which("node") and EMULATE.is_file()),
    reason="CAREGATE_TEST_NODE names no folder with npm's emulate 0.11.2, see .ci/run",
)


class Elsewhere(TwilioHttpClient):
    """Twilio's client, led to a provider on loopback."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def request(self, method: str, url: str, *args: object, **more: object) -> Response:  # type: ignore[override]
        parts = urlsplit(url)
        there = parts._replace(scheme="http", netloc=f"127.0.0.1:{self._port}").geturl()
        return super().request(method, there, *args, **more)  # type: ignore[arg-type]


def client(port: int) -> Client:
    """Twilio's own client."""
    return Client(ACCOUNT, TOKEN, http_client=Elsewhere(port))


def test_twilio_s_client_reads_what_we_sent() -> None:
    """SM-01: it sees the message that we did, under the id that we were told; the emulator speaks its language."""
    with provider() as there, channel(there.port) as sms:
        handover = sms.send(envelope())
        theirs = client(there.port)
        one = theirs.messages(handover.provider_id).fetch()
        assert (one.to, one.from_, one.body, one.status) == (MARISOL, OURS, TEXT, "queued")
        assert [each.sid for each in theirs.messages.list(to=MARISOL)] == [handover.provider_id]


def test_a_text_of_twilio_s_client_asks_for_the_same_as_ours() -> None:
    """What we write by hand is what its library writes."""
    with provider() as there, channel(there.port) as sms:
        sms.send(envelope())
        client(there.port).messages.create(
            to=MARISOL,
            from_=OURS,
            body=TEXT,
            status_callback="https://gateway.lakeside.example/sms/sms/status?c=7",
            validity_period=3600,
            smart_encoded=False,
            shorten_urls=False,
        )
    assert there.asked[0] == there.asked[1]


def test_an_opt_out_looks_to_its_client_as_it_looks_to_us() -> None:
    """SM-08: 21610."""
    with provider(opted_out={(MARISOL, OURS)}) as there, pytest.raises(TwilioRestException) as refused:
        client(there.port).messages.create(to=MARISOL, from_=OURS, body=TEXT)
    assert refused.value.code == 21610


# ---------------------------------------------------------------- npm's emulate


@dataclass
class Emulate:
    """A running emulate, and our gateway's port that it calls."""

    port: int
    ours: int

    def simulate(self, what: str, form: dict[str, str]) -> int:
        """Let it play the network; the status of its answer."""
        import base64

        credentials = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        url = f"http://127.0.0.1/_twilio/simulate/{what}"
        return post(url, urlencode(form).encode(), {"Authorization": f"Basic {credentials}"}, port=self.port)[0]


@pytest.fixture
def emulate(tmp_path: Path) -> Iterator[Emulate]:
    """Its Twilio with our account and number, which calls a port of ours."""
    port, ours = free_port(), free_port()
    seed = tmp_path / "seed.yaml"
    number = {"phone_number": OURS, "sms_url": f"http://127.0.0.1:{ours}/sms/sms/inbound", "sms_method": "POST"}
    twilio = {"account": {"sid": ACCOUNT, "auth_token": TOKEN}, "phone_numbers": [number]}
    seed.write_text(json.dumps({"twilio": twilio}))
    command = ["node", str(EMULATE), "start", "-s", "twilio", "-p", str(port), "--seed", str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        _wait(port, process)
        yield Emulate(port, ours)
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "it ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("it does not listen")


@needs_emulate
@pytest.mark.slow
def test_emulate_takes_our_texts_and_its_callbacks_are_believed(emulate: Emulate) -> None:
    """SM-04, SM-06, SM-14: sent, called back, answered STOP; the look-up finds it."""
    told = {"public_url": f"http://127.0.0.1:{emulate.ours}"}
    clock = SystemClock()
    with channel(emulate.port, clock, **told) as sms:  # type: ignore[arg-type]
        sms.hear(box := Box())
        with mounted(list(sms.routes(Door(loopback=True))), at=emulate.ours):
            since = clock.now()
            sid = sms.send(envelope()).provider_id
            for word in ("sent", "delivered"):
                assert emulate.simulate("message-status", {"MessageSid": sid or "", "Status": word}) == 200
            assert [one.status for one in box.receipts.values()] == [
                ReceiptStatus.QUEUED,
                ReceiptStatus.HANDED_OVER,
                ReceiptStatus.DELIVERED,
            ]
            assert {one.communication for one in box.receipts.values()} == {7}
            assert emulate.simulate("inbound-message", {"From": MARISOL, "To": OURS, "Body": "Stop!"}) == 201
            (reply,) = box.replies.values()
            assert meaning(reply.text) is ReplyMeaning.STOP
            assert reply.sender == MARISOL
        with channel(emulate.port, clock, **told) as again:  # type: ignore[arg-type]
            found = again.recognise(envelope(), since)
            assert found is not None
            assert found.provider_id == sid


@needs_emulate
@pytest.mark.slow
def test_emulate_refuses_a_sender_that_is_not_ours(emulate: Emulate) -> None:
    """SM-08: 21606; and a wrong token is not let in."""
    with channel(emulate.port, sender="+13125550123") as sms, pytest.raises(Unavailable, match="code 21606"):
        sms.send(envelope())
    with channel(emulate.port, auth_token="wrong-token-0123456789") as sms, pytest.raises(Unavailable, match="401"):
        sms.send(envelope())


@needs_emulate
@pytest.mark.slow
def test_emulate_s_callbacks_are_refused_with_another_token(emulate: Emulate) -> None:
    """SM-04."""
    told = {"public_url": f"http://127.0.0.1:{emulate.ours}", "auth_token": "wrong-token-0123456789"}
    with channel(emulate.port, **told) as sms:
        sms.hear(box := Box())
        with mounted(list(sms.routes(Door(loopback=True))), at=emulate.ours):
            assert emulate.simulate("inbound-message", {"From": MARISOL, "To": OURS, "Body": WORDS}) == 201
    assert box.calls == 0
