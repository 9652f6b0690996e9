"""A database that is away, read-only, full or locked: nobody gets AA, nothing acknowledged is lost, and it goes on by itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from crash_mail import Mood
from crash_parts import Child, House, ack_code, wall
from crash_tools import OwnPostgres, grow, small_disk
from sqlalchemy.engine import make_url

from connectors.sources.mllp.client import MllpClient
from gateway.model.when import MINUTE, SECOND
from gateway.store import tables
from gateway.store.migrations import migrate

pytestmark = pytest.mark.slow

VISIT, REMINDED = "2026-03-20 09:30", wall("2026-03-13 09:30") + SECOND


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[OwnPostgres]:
    """A server that may be stopped."""
    try:
        made = OwnPostgres()
    except ImportError:
        pytest.skip("PostgreSQL of our own is not available")
    yield made
    made.close()


@pytest.fixture
def stoppable(own_postgres: OwnPostgres, make_house: Callable[..., House]) -> House:
    """A site on that server, each time with a fresh database."""
    own_postgres.psql("DROP DATABASE IF EXISTS clinic WITH (FORCE)")
    own_postgres.psql("CREATE DATABASE clinic")
    url = make_url(own_postgres.url).set(database="clinic").render_as_string(hide_password=False)
    migrate(url)
    return make_house(url)


def test_a_message_that_comes_while_the_database_is_stopped_is_taken_after_its_restart(
    stoppable: House, own_postgres: OwnPostgres
) -> None:
    """5.1 case 14; A-04: no AA while it is down; the resend gets AA and has one effect; reminders go on by themselves."""
    house = stoppable
    child = house.starts()
    ann, ben = house.booking("Ann", VISIT), house.booking("Ben", VISIT)
    assert house.sends(ann, child) == "AA"
    house.reconnects()  # now, while there is a database
    own_postgres.stop()
    try:
        assert [house.sends(ben, child) for _ in range(2)] == ["AR", "AR"]
        house.clock.set(REMINDED)
        house.now = REMINDED
        child.ask(now=REMINDED)
    finally:
        own_postgres.start()
    house.reconnects()
    assert house.sends(ben, child) == "AA"
    assert house.sends(ben, child) == "AA"
    assert house.stored(ben) == house.stored(ann) == 1
    house.goes_to(REMINDED + MINUTE, child)
    assert house.requests("Ann")["7d"]["state"] == "completed"
    assert set(house.mails().values()) == {1}
    assert "Traceback" not in child.log()
    child.terminate()
    assert child.gone() == 0
    assert house.verified().ok


def test_a_send_that_cannot_be_settled_because_the_database_stopped_is_shown_as_unknown(
    stoppable: House, own_postgres: OwnPostgres
) -> None:
    """Law 3, EM-13: accepted by the mail server, the outcome never written: unknown, held, one e-mail for ever."""
    house = stoppable
    child = house.starts()
    assert house.sends(house.booking("Ann", VISIT), child) == "AA"
    house.office.mood = Mood.SILENT
    house.goes_to(REMINDED, child, quiet=False)
    house.waits(lambda: len(house.office.taken) == 1)
    own_postgres.stop()
    try:
        house.office.mood = Mood.KIND
        house.waits(lambda: "settle.unavailable" in child.log())
    finally:
        own_postgres.start()
    house.reconnects()
    house.goes_to(REMINDED + 4 * MINUTE, child)
    house.goes_to(REMINDED + 60 * MINUTE, child)
    told = house.requests("Ann")["7d"]
    assert (told["state"], told["reason"]) == ("on-hold", "outcome-unknown")
    assert list(house.mails().values()) == [1]


def test_a_message_that_comes_while_the_database_is_read_only_is_taken_afterwards(
    stoppable: House, own_postgres: OwnPostgres
) -> None:
    """A-04: a standby that took over, a full volume set read-only: AR 207, never AE; then AA, one effect."""
    house = stoppable
    child = house.starts()
    ann = house.booking("Ann", VISIT)
    own_postgres.psql("ALTER DATABASE clinic SET default_transaction_read_only = on")
    own_postgres.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'clinic'")
    assert house.sends(ann, child) == "AR"
    own_postgres.psql("ALTER DATABASE clinic SET default_transaction_read_only = off")
    own_postgres.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'clinic'")
    house.reconnects()
    assert house.sends(ann, child) == "AA"
    assert house.stored(ann) == 1
    assert house.every(tables.request, "step") != []


@pytest.mark.parametrize("how", ["a small disk", "a limit of pages"])
def test_a_full_disk_refuses_what_it_cannot_keep_and_takes_it_when_there_is_room(
    tmp_path: Path, make_house: Callable[..., House], how: str
) -> None:
    """A-04, law 1: AR 207 while it is full, all that was acknowledged is there, and the resend is taken."""
    if how == "a limit of pages":
        _fill_and_mend(make_house(_new_database(tmp_path)), _limit_pages, _lift_limit)
        return
    with small_disk(tmp_path / "disk", 2_500) as disk:
        _fill_and_mend(make_house(_new_database(disk)), lambda _child: None, lambda _child: grow(disk, 40_000))


def _new_database(folder: Path) -> str:
    url = f"sqlite:///{folder / 'caregate.db'}"
    migrate(url)
    return url


def _limit_pages(child: Child) -> None:
    child.ask(pages=260)


def _lift_limit(child: Child) -> None:
    child.ask(pages=1_000_000)


def _fill_and_mend(house: House, limit: Callable[[Child], None], mend: Callable[[Child], None]) -> None:
    child = house.starts()
    limit(child)
    refused: list[bytes] = []
    for number in range(2_000):
        message = house.booking(f"P{number}", VISIT)
        code = house.sends(message, child)
        if code != "AA":
            assert code == "AR"
            refused.append(message)
            if len(refused) == 3:
                break
    assert len(refused) == 3, "it never was full"
    assert len(house.acked) > 10
    mend(child)
    assert [house.sends(one, child) for one in refused] == ["AA"] * 3
    assert [house.stored(one) for one in house.acked] == [1] * len(house.acked)
    child.terminate()
    assert child.gone() == 0, child.log()
    assert "Traceback" not in child.log()
    assert house.verified().ok


def test_a_saturated_intake_refuses_at_once_and_takes_the_message_when_it_comes_again(
    make_house: Callable[..., House], store_url: str
) -> None:
    """A-04, F-12: one in hand, one waiting, the others AR 207 without delay; in the end each is stored once.

    When all come before the first is in hand, only that one waits, and is the only one that is taken.
    """
    house = make_house(store_url, more="intake: {batch: 1, queue: 1}")
    child = house.starts()
    messages = [house.booking(f"P{number}", VISIT) for number in range(8)]
    answers: dict[int, str] = {}
    with _locked(store_url):
        senders = [threading.Thread(target=_send_one, args=(child, messages[n], n, answers)) for n in range(8)]
        for sender in senders:
            sender.start()
        house.waits(lambda: len(answers) >= 6)
    for sender in senders:
        sender.join()
    taken = list(answers.values()).count("AA")
    assert taken in (1, 2)
    assert sorted(answers.values()) == ["AA"] * taken + ["AR"] * (8 - taken)
    for number, code in answers.items():
        assert house.stored(messages[number]) == (code == "AA")
    assert [house.sends(one, child) for one in messages] == ["AA"] * 8
    assert [house.stored(one) for one in messages] == [1] * 8


def _send_one(child: Child, message: bytes, number: int, answers: dict[int, str]) -> None:
    with MllpClient("127.0.0.1", child.port, timeout=30) as link:
        answers[number] = ack_code(link.send(message))


def _locked(url: str) -> closing:  # type: ignore[type-arg]
    """Somebody else holds what `receive` needs to write, until the end of the block."""
    if url.startswith("sqlite"):
        link = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        link.execute("BEGIN IMMEDIATE")
        return closing(link)
    import psycopg

    server = psycopg.connect(url)
    server.execute("LOCK TABLE raw IN ACCESS EXCLUSIVE MODE")
    return closing(server)
