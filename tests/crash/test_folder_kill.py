"""kill -9 while a dropped file is received or moved: every message in it is stored once, and the file lies in one place."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_parts import House

pytestmark = pytest.mark.slow

POINTS = [
    "before-receive-commit",
    "during-receive-commit",
    "after-receive-commit",
    "before-moving",
    "within-moving",
    "after-moving",
]


def _watches(house: House) -> Path:
    """The same feed, in files: the site's source becomes a folder."""
    inbox = house.folder / "inbox"
    inbox.mkdir()
    text = house.config.read_text()
    head, _, rest = text.partition("  ehr: {kind: mllp,")
    _, _, rest = rest.partition("authority: LAKESIDE")
    section = f"  ehr: {{kind: folder, organization: lakeside, path: {inbox}, interval: 50ms, settle: 50ms, authority: LAKESIDE"
    house.config.write_text(head + section + rest)
    return inbox


def _drop(inbox: Path, name: str, content: bytes) -> None:
    part = inbox / f"{name}.part"
    part.write_bytes(content)
    part.rename(inbox / name)


@pytest.mark.parametrize("point", POINTS)
def test_a_file_whose_gateway_is_killed_over_it_is_stored_once_and_filed_once(
    make_house: Callable[..., House], tmp_path: Path, point: str
) -> None:
    """A-01, D-02, F-16: before the move the file is read again from its start; after it, it is done."""
    house = make_house(f"sqlite:///{tmp_path / 'caregate.db'}")
    inbox = _watches(house)
    messages = [house.booking(f"P{n}", f"2026-03-{10 + n} 10:00") for n in range(3)]
    first = house.starts(("listen",))
    first.ask(kill=point)
    _drop(inbox, "day.hl7", b"".join(messages))
    assert first.gone() == -signal.SIGKILL
    stored = [house.stored(one) for one in messages]
    if point == "before-receive-commit":
        assert stored == [0, 0, 0]
    elif not point.startswith("during"):
        assert stored[0] == 1
        assert stored == sorted(stored, reverse=True)  # the first commit may hold only those that had been offered
    second = house.starts(("listen",))
    report = inbox / "done" / "day.hl7.report.json"
    house.waits(report.exists)
    house.waits(lambda: not (inbox / "day.hl7").exists())
    assert [house.stored(one) for one in messages] == [1, 1, 1]
    filed = [path.name for path in (inbox / "done").glob("[!.]*") if path.suffix != ".json"]
    assert filed == ["day.hl7"]
    assert json.loads(report.read_bytes())["messages"] == 3
    second.terminate()
    assert second.gone() == 0, second.log()
    assert house.verified().ok
