"""kill -9 between the parts of a message and between numbers: what was acknowledged is stored, once, and nothing by halves."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from crash_parts import Child, House

from connectors.sources.mllp.client import MllpClient
from gateway.model.errors import Unavailable, Unknown
from gateway.store import tables

pytestmark = pytest.mark.slow

POINTS = ["before-receive-commit", "during-receive-commit", "after-receive-commit"]
ANN = "2026-03-20 09:30"
Answer = tuple[str, str, str]


@pytest.fixture
def numbered(make_house: Callable[..., House], store_url: str) -> House:
    """A site whose feed numbers its messages and obeys MSH-15 and 16."""
    return make_house(store_url, ehr="sequence: yes, ack_mode: enhanced")


def parts(house: House, *, first: int) -> list[bytes]:
    """A booking in three parts, numbered from `first` on; each asks for an accept and an application acknowledgement."""
    head, *lines = house.booking("Ann", ANN).decode().rstrip("\r").split("\r")
    control = head.split("|")[9]
    cuts = [lines[:1], lines[1:3], lines[3:]]
    made = []
    for number, some in enumerate(cuts):
        fields = [*head.split("|")[:12], str(first + number), f"PTR{number}" if number else "", "AL", "AL"]
        fields[9] = f"{control}-{number + 1}"
        end = [f"DSC|PTR{number + 1}|F"] if number < 2 else []
        made.append(("\r".join(["|".join(fields), *some, *end]) + "\r").encode())
    return made


def link(number: int) -> bytes:
    """What (re)starts the link: an MSH alone."""
    return f"MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|20260302090000||^|L{number}|P|2.5.1|{number}\r".encode()


def answers(message: bytes, child: Child, count: int) -> list[Answer]:
    """The acknowledgements of one message as MSA-1, 2 and 4; fewer when the connection ends before."""
    found: list[Answer] = []
    try:
        with MllpClient("127.0.0.1", child.port, timeout=15) as client:
            reply = client.send(message)
            while True:
                line = next(one for one in reply.decode().split("\r") if one.startswith("MSA"))
                fields = [*line.split("|"), "", "", ""]
                found.append((fields[1], fields[2], fields[4]))
                if len(found) == count:
                    return found
                reply = client.receive()
    except (Unknown, Unavailable):
        return found


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("killed", [1, 2])
def test_a_message_whose_gateway_is_killed_between_its_parts_is_applied_once(
    numbered: House, point: str, killed: int
) -> None:
    """B-07, D-07, A-01: over real sockets; the sender repeats what was not acknowledged, and asks where the link stands."""
    child, messages, name = numbered.starts(), parts(numbered, first=41), "C00001"
    assert answers(link(0), child, 1) == [("AA", "L0", "-1")]
    for number in range(killed):
        assert answers(messages[number], child, 1) == [("CA", f"{name}-{number + 1}", str(41 + number))]
    child.ask(kill=point)
    answered = answers(messages[killed], child, 1)
    assert child.gone() == -signal.SIGKILL
    taken = len(numbered.every(tables.fragment, "raw")) > killed
    assert taken or not answered, "it was acknowledged and is not stored"
    if not point.startswith("during"):
        assert (taken, answered) == (point.startswith("after"), [])
    other = numbered.starts()
    assert answers(link(0), other, 1) == [("AA", "L0", str(41 + killed + taken))]
    for number in range(killed, 3):
        last = number == 2
        expected = [("CA", f"{name}-{number + 1}", str(41 + number))]
        expected += [("AA", f"{name}-1", str(41 + number))] if last else []
        assert answers(messages[number], other, 1 + last) == expected
    _assert_it_was_applied_once(numbered, other)


def _assert_it_was_applied_once(house: House, child: Child) -> None:
    parts = house.every(tables.fragment, "raw", "place", "ended", "continues_hmac", "continued_hmac")
    assert sorted(one["place"] for one in parts) == [0, 1, 2]
    assert len({one["ended"] for one in parts}) == 1
    assert {one["continues_hmac"] for one in parts} | {one["continued_hmac"] for one in parts} == {None}
    assert [one["status"] for one in house.every(tables.occurrence, "status")] == ["booked"]
    assert {one["state"] for one in house.requests("Ann").values()} == {"active"}
    assert [one["value"] for one in house.every(tables.cursor, "name", "value") if one["name"] == "sequence"] == ["43"]
    child.terminate()
    assert child.gone() == 0, child.log()
    assert house.verified().ok, house.verified().verdict


def test_a_number_out_of_turn_is_refused_on_the_wire(numbered: House) -> None:
    """D-11: CE in enhanced mode, AE in original mode, MSA-4 tells the expected one; -1 resynchronises (D-09)."""
    child = numbered.starts()
    first, _, third = parts(numbered, first=7)
    assert answers(first, child, 1) == [("CA", "C00001-1", "7")]
    assert answers(third, child, 1) == [("CE", "C00001-3", "8")]
    plain = third.replace(b"|AL|AL", b"")
    assert answers(plain, child, 1) == [("AE", "C00001-3", "8")]
    assert answers(link(-1), child, 1) == [("AA", "L-1", "-1")]
    assert answers(third, child, 1) == [("CA", "C00001-3", "9")]
    assert "receive.sequence-unexpected" in child.log()
