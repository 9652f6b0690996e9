"""Outcomes as Parquet files by day, read back with pyarrow: whole or not there, and told again in their own place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from connectors.sinks.parquet import ParquetSink
from gateway.model.errors import ConfigError, Refused, Unavailable
from gateway.model.outcome import OutcomeKind, SinkRow
from gateway.model.when import DAY
from gateway.ports import SystemClock

SENT = SinkRow(id="7-sent", kind=OutcomeKind.SENT, at=1_772_460_000_123, patient="42", source="cdp", row_key="u-1")


@pytest.fixture
def sink(tmp_path: Path) -> ParquetSink:
    """Of an empty folder."""
    return ParquetSink("back", {"path": str(tmp_path)}, SystemClock())


def names(folder: Path) -> list[str]:
    """Every file, with its day."""
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


BOOKED = replace(
    SENT, id="9-1", kind=OutcomeKind.EVENT, event="appointment.booked", occurrence="5", facts={"appointment.duration": 30}
)  # fmt: skip


def test_columns_of_events_are_only_where_events_are(sink: ParquetSink, tmp_path: Path) -> None:
    """A folder that was never told of any keeps the columns it has."""
    sink.write([SENT])
    sink.write([BOOKED])
    (plain, wide) = (ds.dataset(tmp_path / name).to_table() for name in names(tmp_path))
    assert wide.column_names == [*plain.column_names, "event", "occurrence", "facts"]
    assert wide.select(["event", "occurrence", "facts"]).to_pylist() == [
        {"event": "appointment.booked", "occurrence": "5", "facts": '{"appointment.duration":30}'}
    ]


def test_files_are_by_day_and_readable_as_one_table(sink: ParquetSink, tmp_path: Path) -> None:
    """SN-39: the same columns as a warehouse's table, times in UTC, the day as the folder."""
    sink.write([SENT, replace(SENT, id="8-sent"), replace(SENT, id="9-sent", at=SENT.at + DAY, row_key="")])
    assert names(tmp_path) == ["day=2026-03-02/7-sent_8-sent.parquet", "day=2026-03-03/9-sent_9-sent.parquet"]
    table = ds.dataset(tmp_path, partitioning="hive").to_table().sort_by("id")
    assert table["id"].to_pylist() == ["7-sent", "8-sent", "9-sent"]
    assert table["row_key"].to_pylist() == ["u-1", "u-1", None]
    assert table["at"][0].as_py().isoformat() == "2026-03-02T14:00:00.123000+00:00"


def test_a_batch_told_again_and_further_takes_its_own_place(sink: ParquetSink, tmp_path: Path) -> None:
    """A restart never doubles a file."""
    sink.write([SENT])
    sink.write([SENT])
    sink.write([SENT, replace(SENT, id="8-sent")])
    sink.write([replace(SENT, id="9-sent")])
    assert names(tmp_path) == ["day=2026-03-02/7-sent_8-sent.parquet", "day=2026-03-02/9-sent_9-sent.parquet"]


def test_ids_that_begin_alike_are_different_files(sink: ParquetSink, tmp_path: Path) -> None:
    """Row 7-sent does not take the place of 7-sent's longer namesakes."""
    sink.write([replace(SENT, id="7-1")])
    sink.write([replace(SENT, id="7-11")])
    assert len(names(tmp_path)) == 2


def test_half_a_file_is_never_under_its_name(
    sink: ParquetSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the folder sees whole files only; what a crash left is written over."""

    def dies(*_: object) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", dies)
        with pytest.raises(Unavailable):
            sink.write([SENT])
    assert not [name for name in names(tmp_path) if name.endswith(".parquet")]
    sink.write([SENT])
    assert names(tmp_path) == ["day=2026-03-02/7-sent_7-sent.parquet"]


def test_files_are_not_for_everybody(sink: ParquetSink, tmp_path: Path) -> None:
    """Row keys may be people's numbers."""
    sink.write([SENT])
    (file,) = tmp_path.rglob("*.parquet")
    assert file.stat().st_mode & 0o007 == 0


def test_a_link_that_somebody_made_is_neither_written_through_nor_followed(sink: ParquetSink, tmp_path: Path) -> None:
    """Whoever may look for outcomes in the folder must not choose where they go, nor what they overwrite."""
    theirs = tmp_path.parent / f"{tmp_path.name}-theirs"
    theirs.mkdir()
    (theirs / "precious").write_text("precious")
    (tmp_path / "day=2026-03-02").mkdir()
    (tmp_path / "day=2026-03-02" / ".7-sent.tmp").symlink_to(theirs / "precious")
    (tmp_path / "day=2026-03-03").symlink_to(theirs)
    sink.write([SENT])
    with pytest.raises(Refused, match="cannot be written to"):
        sink.write([replace(SENT, at=SENT.at + DAY)])
    assert (theirs / "precious").read_text() == "precious"
    assert names(theirs) == ["precious"]
    assert not (tmp_path / "day=2026-03-02" / "7-sent_7-sent.parquet").is_symlink()


def test_a_folder_that_is_away_is_not_made(tmp_path: Path) -> None:
    """A disk that is not mounted: told later."""
    sink = ParquetSink("back", {"path": tmp_path / "mount"}, SystemClock())
    with pytest.raises(Unavailable):
        sink.write([SENT])
    assert not (tmp_path / "mount").exists()


def test_a_path_that_is_no_folder_waits_for_a_person(tmp_path: Path) -> None:
    """Refused."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused):
        ParquetSink("back", {"path": tmp_path / "file"}, SystemClock()).write([SENT])


def test_no_other_option_is_known(tmp_path: Path) -> None:
    """ConfigError."""
    with pytest.raises(ConfigError):
        ParquetSink("back", {"path": tmp_path, "day": "local"}, SystemClock())
