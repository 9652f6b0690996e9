"""kill -9 at every commit of an extract: nobody is lost, nobody is taken twice, and the figures add up (the issue's point 3)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path

import pytest
from extract_child import PEOPLE, ended, live, opened, story
from extract_site import Audience, summed

from gateway.ports import SetClock
from gateway.store.keyring import Keyring

pytestmark = pytest.mark.slow

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["extract_child"])
MOST = 40


@pytest.fixture(autouse=True)
def _forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that all others are forked from has imported everything; it finds what by PYTHONPATH."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(one for one in sys.path if one))
    forkserver.ensure_running()


@pytest.fixture
def home(tmp_path: Path, keyring: Keyring) -> Path:
    """Where the keys and rules of the story lie."""
    assert keyring.path == tmp_path / "keys.json"
    return tmp_path


def _begun(url: str, home: Path, clock: SetClock) -> None:
    audience = opened(url, home, clock.now())
    audience.knows(*PEOPLE, "N1", "N2")
    audience.store.close()


def _dies(url: str, home: Path, clock: SetClock, word: str, nth: int) -> int | None:
    child = _context.Process(target=live, args=(url, str(home), clock.now(), word, nth))
    child.start()
    child.join(60)
    return child.exitcode


def _whole(audience: Audience) -> None:
    """As of a story that nobody interrupted."""
    second, first = ended(audience)
    assert dict(first.counts) == {"known": 0, "rows": 13, "taken": 12, "no-patient": 1, "entered": 13}
    assert dict(second.counts) == {
        "known": 13,
        "before": 13,
        "rows": 12,
        "taken": 6,
        "unchanged": 5,
        "no-patient": 1,
        "entered": 2,
        "left": 3,
    }
    assert summed(second.told) == second.counts["rows"]
    assert (audience.rows(), audience.messages()) == (12, 13 + 6 + 3)
    assert audience.occurrences() == ["active"] * 11 + ["inactive"] * 3
    assert audience.requests() == {"active": 2}


def test_the_story_of_which_the_others_are_cut_short(store_url: str, home: Path, clock: SetClock) -> None:
    """What an uninterrupted run comes to."""
    _begun(store_url, home, clock)
    audience = opened(store_url, home, clock.now())
    story(audience)
    _whole(audience)
    audience.store.close()


@pytest.mark.parametrize("word", ["before", "during", "after"])
def test_an_extract_that_is_killed_at_every_commit_comes_to_the_same(
    store_url: str, home: Path, clock: SetClock, word: str
) -> None:
    """SN-11: each process dies at its second commit, so that every one of the story is somebody's last; then one lives."""
    _begun(store_url, home, clock)
    deaths = 0
    while _dies(store_url, home, clock, word, 1 if word == "after" else 2) == -signal.SIGKILL:
        deaths += 1
        assert deaths < MOST, "it gets nowhere"
    assert deaths >= 5
    audience = opened(store_url, home, clock.now())
    _whole(audience)
    assert audience.book.open() is None
    audience.store.close()
