"""The audit log: what is sealed cannot be changed, removed or added to without `verify` naming the row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.model.errors import StoreUnavailable
from gateway.model.when import HOUR, MINUTE
from gateway.ports import SetClock
from gateway.store import heads, ids, leases, tables
from gateway.store import seal as sealing
from gateway.store.engine import Store
from gateway.store.seal import seal
from gateway.store.statement import Statement
from gateway.store.verify import verify

Note = Callable[..., int]
BLOCKS = Statement(
    "blocks", sa.select(tables.block.c.n, tables.block.c.first, tables.block.c.last).order_by(tables.block.c.n)
)


def tamper(store: Store, statement: sa.Executable) -> None:
    """What somebody with the database's password could do: a change past the unit of work."""
    session = store.database.session()
    session.begin(write=True)
    session.run(Statement("tamper", statement), ())
    session.commit()


def blocks(store: Store) -> list[tuple[int, ...]]:
    """All blocks: (n, first, last)."""
    with store.read() as reader:
        return reader.all(BLOCKS)


def test_everything_audited_is_sealed_and_verified(store: Store, note: Note) -> None:
    """From the migration's row on; again and again."""
    note(store, 7, 8)
    last = note(store)
    assert seal(store).rows >= 3
    assert seal(store) == sealing.Sealing()
    (_, _, sealed_up_to) = blocks(store)[-1]
    assert sealed_up_to == last
    note(store, 9)
    found = verify(store)
    assert (found.ok, found.unsealed, found.first_bad) == (True, 1, None)
    assert found.verdict.startswith("sealed part intact: ")
    assert "1 rows are not sealed yet, and nothing proves those" in found.verdict
    seal(store)
    assert verify(store).unsealed == 0
    assert verify(store).verdict.startswith("intact: ")


def test_an_empty_database_verifies(store: Store) -> None:
    """Before anything was sealed there is no checkpoint."""
    found = verify(store)
    assert (found.ok, found.behind, found.rows) == (True, False, 0)
    assert found.verdict.startswith("nothing is sealed yet: ")


def test_a_log_that_nobody_seals_is_not_called_whole(store: Store, note: Note, clock: SetClock) -> None:
    """AU-05: what is sealed is intact, but the rest has waited for an hour: somebody must look."""
    seal(store)
    note(store, 7)
    clock.set(clock.now() + HOUR)
    assert not verify(store).behind
    clock.set(clock.now() + 1)
    found = verify(store)
    assert (found.ok, found.behind, found.unsealed) == (True, True, 1)
    assert "sealing has not run for 1h or more" in found.verdict


def test_the_digest_is_what_the_documentation_says(store: Store, note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recomputed with json and hashlib alone: an auditor needs nothing of ours."""
    seal(store)
    made = note(store, 8, 7)
    seal(store)
    row = {"id": made, "at": store.clock.now(), "actor": "test", "entries": '[["message.received"]]'}
    shown = [*[row[name] for name in ("id", "at", "actor")], None, None, row["entries"], [7, 8]]
    leaf = hashlib.sha256(json.dumps(shown, separators=(",", ":")).encode()).digest()
    digest = hashlib.sha256(leaf).digest()
    with store.read() as reader:
        ((n, at, count, stored, previous),) = reader.lookup(
            tables.block, ("n", "at", "count", "digest", "previous"), "n", [2]
        )
        assert stored == digest
        text = json.dumps([n, made, made, count, digest.hex(), previous.hex(), at], separators=(",", ":"))
        tip = sealing.head(reader)
    assert tip is not None
    assert tip.hash == hashlib.sha256(text.encode()).digest()


def test_large_backlogs_become_several_blocks(store: Store, note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each within its bound, joined to the one before."""
    monkeypatch.setattr(sealing, "MAX_ROWS", 3)
    for patient in range(10):
        note(store, patient)
    assert seal(store).blocks >= 4
    assert [n for n, _, _ in blocks(store)] == list(range(1, len(blocks(store)) + 1))
    assert verify(store).ok


audit, link, block, checkpoint = tables.audit, tables.audit_patient, tables.block, tables.checkpoint


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda row: sa.update(audit).where(audit.c.id == row).values(actor="nobody"), "changed"),
        (lambda row: sa.update(audit).where(audit.c.id == row).values(entries="[]"), "changed"),
        (lambda row: sa.delete(audit).where(audit.c.id == row), "missing"),
        (lambda row: sa.delete(link).where(link.c.audit == row), "changed"),
        (lambda row: sa.update(link).where(link.c.audit == row).values(patient=99), "changed"),
        (lambda row: sa.insert(link).values(patient=99, audit=row), "changed"),
    ],
    ids=["actor", "entries", "deleted", "unlinked", "relinked", "linked"],
)
def test_a_row_that_was_tampered_with_is_named(
    store: Store, note: Note, change: Callable[[int], sa.Executable], verdict: str
) -> None:
    """The first bad id, and what happened to it."""
    note(store, 1)
    row = note(store, 2)
    note(store, 3)
    seal(store)
    tamper(store, change(row))
    found = verify(store)
    assert not found.ok
    assert found.first_bad == row
    assert verdict in found.verdict
    assert str(row) in found.verdict


def test_a_row_added_under_a_sealed_head_is_named(store: Store, note: Note, clock: SetClock) -> None:
    """Also when it falls between two blocks, or before the first."""
    first = note(store)
    seal(store)
    clock.set(clock.now() + 10)
    note(store)
    seal(store)
    between, before = first + 1, 5
    for row in (between, before):
        values = {"id": row, "at": 1, "actor": "x", "entries": "[]"}
        tamper(store, sa.insert(audit).values(values))
        found = verify(store)
        assert (found.ok, found.first_bad) == (False, row)
        assert "added" in found.verdict


def test_a_link_to_no_row_is_named(store: Store, note: Note) -> None:
    """It would attribute something to a patient that nothing says."""
    first = note(store)
    note(store)
    seal(store)
    tamper(store, sa.insert(link).values(patient=1, audit=first - 1))
    found = verify(store)
    assert (found.ok, found.first_bad) == (False, first - 1)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (sa.update(block).where(block.c.n == 2).values(digest=b"x"), "block 2"),
        (sa.update(block).where(block.c.n == 2).values(previous=b"x"), "does not follow"),
        (sa.update(block).where(block.c.n == 2).values(leaves=b""), "block 2"),
        (sa.delete(block).where(block.c.n == 2), "does not follow"),
        (sa.delete(block).where(block.c.n == 3), "missing"),
        (sa.delete(checkpoint), "checkpoint was removed"),
        (sa.update(checkpoint).values(signature=b"x" * 64), "signature"),
        (sa.update(checkpoint).values(key="sign-9"), "signature"),
        (sa.update(checkpoint).values(size=2), "checkpoint"),
        (sa.update(checkpoint).values(hash=b"x" * 32), "checkpoint"),
    ],
)
def test_blocks_and_checkpoint_cannot_be_altered_either(
    store: Store, note: Note, change: sa.Executable, verdict: str
) -> None:
    """Chain and signature hold them together."""
    for _ in range(3):
        note(store)
        seal(store)
    tamper(store, change)
    found = verify(store)
    assert not found.ok
    assert verdict in found.verdict


def test_a_rewritten_log_is_caught_by_the_heads_kept_outside(store: Store, note: Note, tmp_path: Path) -> None:
    """Whoever owns host and keys can sign anew, but not change what is elsewhere."""
    outside = tmp_path / "heads.jsonl"
    row = note(store)
    seal(store, heads_file=outside)
    note(store)
    seal(store, heads_file=outside)
    assert verify(store, outside).ok
    assert "2 outside heads agree" in verify(store, outside).verdict
    tamper(store, sa.update(audit).where(audit.c.id == row).values(actor="nobody"))
    for table in (block, checkpoint):
        tamper(store, sa.delete(table))
    seal(store)
    assert verify(store).ok
    found = verify(store, outside)
    assert not found.ok
    assert "rewritten" in found.verdict


def test_a_log_cut_off_at_its_end_is_caught_by_the_heads_kept_outside(store: Store, note: Note, tmp_path: Path) -> None:
    """A restored backup looks just like that."""
    outside = tmp_path / "heads.jsonl"
    note(store)
    seal(store, heads_file=outside)
    for table in (audit, link, block, checkpoint):
        tamper(store, sa.delete(table))
    assert verify(store).ok
    found = verify(store, outside)
    assert not found.ok
    assert "missing" in found.verdict


def test_forged_and_torn_lines_outside(store: Store, note: Note, tmp_path: Path) -> None:
    """A torn last line is a crash while appending; a line without our signature is a forgery."""
    outside = tmp_path / "heads.jsonl"
    note(store)
    seal(store, heads_file=outside)
    with outside.open("a") as file:
        file.write('{"log":"aud')
    assert verify(store, outside).ok
    note(store)
    seal(store, heads_file=outside)
    lines = outside.read_text().splitlines()
    assert len(lines) == 3
    found = verify(store, outside)
    assert not found.ok
    assert "heads.jsonl:2: not a signed head" in found.verdict
    forged = json.loads(lines[0]) | {"last": 1}
    outside.write_text(json.dumps(forged) + "\n")
    assert "no valid signature" in verify(store, outside).verdict


def test_an_outside_target_that_was_away_is_brought_up_to_date(store: Store, note: Note, tmp_path: Path) -> None:
    """Sealing itself does not wait for it; the next run appends the present head."""
    outside = tmp_path / "mount" / "heads.jsonl"
    note(store)
    with pytest.raises(StoreUnavailable, match="outside"):
        seal(store, heads_file=outside)
    assert len(blocks(store)) == 1
    outside.parent.mkdir()
    assert seal(store, heads_file=outside) == sealing.Sealing()
    assert [one.size for one in heads.read(outside)] == [1]
    assert verify(store, outside).ok


def test_a_run_that_stopped_before_the_swap_is_finished_by_the_next(
    store: Store, note: Note, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block and checkpoint are one commit: there is nothing half-done to recover."""
    note(store)
    with monkeypatch.context() as patch:
        patch.setattr(sealing, "_commit_block", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            seal(store)
    assert blocks(store) == []
    seal(store)
    assert verify(store).ok


def test_one_sealer_at_a_time(open_store: Callable[..., Store], note: Note, clock: SetClock) -> None:
    """Who finds the lease held leaves it to the other; a dead one's lease runs out."""
    one, two = open_store("one"), open_store("two")
    note(one)
    with one.begin("test") as unit:
        leases.take(unit, sealing.LEASE, holder="one", span=sealing.SPAN)
        unit.commit()
    assert seal(two).busy
    clock.set(clock.now() + sealing.SPAN)
    assert not seal(two).busy
    assert verify(two).ok


def test_two_live_writers_are_sealed_together(open_store: Callable[..., Store], note: Note, clock: SetClock) -> None:
    """Whatever their clocks say: nothing of the slower one appears below the head afterwards."""
    ahead, behind = open_store("ahead", at=SetClock(clock.now() + MINUTE)), open_store("behind")
    for _ in range(3):
        note(ahead)
        note(behind)
        seal(ahead)
        note(behind)
        assert verify(ahead).ok
    for store in (behind, ahead):
        clock.set(clock.now() + 2 * ids.PUBLISH)
        note(store)
    seal(behind)
    assert verify(behind).ok


def test_what_an_open_unit_has_written_is_never_overtaken(
    postgres_url: str, keyring, clock: SetClock, note: Note
) -> None:  # type: ignore[no-untyped-def]
    """Its rows have lower ids than those committed after it; the watermark waits for it."""
    from gateway.store.migrations import migrate

    migrate(postgres_url, clock=clock)
    slow, quick = (Store.open(postgres_url, keyring, clock, holder=holder) for holder in ("slow", "quick"))
    with slow.begin("test") as unit:
        low = unit.audit([("message.received",)])
        unit.lookup(tables.source, ("id",), "id", [1])
        clock.set(clock.now() + 10 * MINUTE)
        note(quick)
        seal(quick)
        assert all(last < low for _, _, last in blocks(quick))
        unit.commit()
    clock.set(clock.now() + 10 * MINUTE)
    seal(quick)
    assert verify(quick).ok
    assert verify(quick).unsealed == 0
    for store in (slow, quick):
        store.close()


def test_a_writer_that_died_holds_sealing_up_for_its_lease_only(
    open_store: Callable[..., Store], note: Note, clock: SetClock
) -> None:
    """Afterwards it is counted out; should it wake up, it writes above the head."""
    dead, alive = open_store("dead"), open_store("alive")
    note(dead)
    clock.set(clock.now() + 10)
    late = note(alive)
    seal(alive)
    assert all(last < late for _, _, last in blocks(alive))
    clock.set(clock.now() + ids.LEASE + 1)
    late = note(alive)
    seal(alive)
    assert blocks(alive)[-1][2] == late
    for attempt in range(2):
        try:
            assert note(dead) > late
            break
        except StoreUnavailable:
            assert attempt == 0
    seal(alive)
    assert verify(alive).ok
