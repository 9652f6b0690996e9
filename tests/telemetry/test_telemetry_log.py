"""A patient's name never reaches a log line, whoever logs it and however."""

from __future__ import annotations

import io
import logging
import sys
import threading
import warnings
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from telemetry_parts import Lines

from gateway import telemetry
from gateway.model.errors import StoreUnavailable
from gateway.model.event import AckCode, Result
from gateway.model.verdict import Reason

NAME = "Zyxxel Quarrelmonger"
NUMBER = "MRN-99887766"


def _fail() -> None:
    raise KeyError(NAME)


def test_an_event_keeps_what_the_allow_list_names(lines: Lines) -> None:
    """Events, not sentences: fields of known keys and shapes pass as they are."""
    told = {
        "source": "main-adt",
        "message": 81,
        "rule": "appointment-reminder",
        "reason": Reason.QUIET_HOURS,
        "ack": AckCode.AA,
        "result": "accepted",
        "seconds": 0.25,
        "count": 3,
        "port": 2575,
        "host": "127.0.0.1",
        "version": "0.1.0",
        "role": "listen",
        "path": Path("/etc/caregate/caregate.yaml"),
        "error": ValueError(NAME),
        "digest": "0123456789abcdef",
    }
    telemetry.log().info("message.received", **told)
    (event,) = lines.events()
    assert event["event"] == "message.received"
    assert event["level"] == "info"
    assert {key: event[key] for key in told} == {
        **told,
        "reason": "quiet-hours",
        "ack": "AA",
        "path": "/etc/caregate/caregate.yaml",
        "error": "ValueError",
    }
    assert "dropped" not in event


@pytest.mark.parametrize("key", [*telemetry.FIELDS, "patient", "body", "name_of_patient", "stack", "where", "said"])
def test_no_key_carries_a_name_or_number(lines: Lines, key: str) -> None:
    """Every allowed key refuses what is not of its shape; every other key is dropped whole."""
    for value in (NAME, NUMBER, NAME.encode(), [NAME], {NAME: NAME}, f"1980-03-15 {NAME}", "zyxxel@patients.example"):
        telemetry.log().info("x.y", **{key: value})
        with telemetry.bound(**{key: value}):
            telemetry.log().error("x.y")
    text = lines.getvalue().lower()
    assert "zyxxel" not in text
    assert "99887766" not in text
    assert all(event["dropped"] == 1 for event in lines.events())


def test_a_sentence_is_not_an_event(lines: Lines) -> None:
    """Neither as the event nor as its arguments."""
    telemetry.log().info(f"patient {NAME} arrived")
    telemetry.log().info("patient %s arrived", NAME)
    telemetry.log().info("x.y", stack_info=True)
    assert [event["event"] for event in lines.events()] == ["unnamed", "unnamed", "x.y"]
    assert NAME not in lines.getvalue()


def test_a_foreign_exception_shows_its_class_and_our_frames(lines: Lines) -> None:
    """Its text, its cause's text and its locals quote the patient."""
    from gateway.model.when import zone_of

    try:
        try:
            _fail()
        except KeyError as inner:
            raise RuntimeError(NAME) from inner
    except RuntimeError:
        telemetry.log().exception("x.failed")
    try:
        zone_of(NAME)
    except ValueError as error:
        telemetry.log().error("x.failed", exc_info=error)
    first, second = lines.events()
    assert (first["error"], first["cause"]) == ("RuntimeError", "KeyError")
    assert str(second["where"]).startswith("['gateway/model/when.py:")
    assert NAME not in lines.getvalue()
    assert "said" not in first


def test_our_own_exceptions_may_speak(lines: Lines) -> None:
    """Their sentences are safe by contract: the operator reads what to do."""
    telemetry.log().error("store.failed", exc_info=StoreUnavailable("the disk is full"))
    assert lines.events()[0]["said"] == "the disk is full"


def test_libraries_keep_their_name_level_and_exception_class(lines: Lines) -> None:
    """Dramatiq prints message arguments, drivers print parameters: none of their words pass."""
    for name in ("dramatiq.worker.WorkerThread", "pika.adapters", "sqlalchemy.engine", "uvicorn.error", "alembic"):
        try:
            _fail()
        except KeyError:
            logging.getLogger(name).exception("failed for %s", NAME, stack_info=True)
        logging.getLogger(name).critical(NAME)
    assert NAME not in lines.getvalue()
    events = lines.events()
    assert len(events) == 10
    assert {event["library"] for event in events} == {"dramatiq", "pika", "sqlalchemy", "uvicorn", "alembic"}
    assert events[0]["error"] == "KeyError"


def test_handlers_that_libraries_add_see_no_more(lines: Lines) -> None:
    """Uvicorn and alembic bring their own handlers; the record itself has been emptied."""
    stream = io.StringIO()
    logger = logging.getLogger("somebody.else")
    logger.addHandler(handler := logging.StreamHandler(stream))
    try:
        _fail()
    except KeyError:
        logger.exception("failed for %s", NAME)
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue() == "KeyError\n"


def test_a_library_that_repeats_itself_is_written_once(lines: Lines) -> None:
    """A consumer that reconnects every three seconds would fill the log and say nothing."""
    for _ in range(50):
        logging.getLogger("dramatiq.worker").error("again")
    assert len(lines.events()) == 1


def test_an_exception_nobody_caught_is_told_without_its_words(lines: Lines) -> None:
    """A thread's last words go through the same allow-list."""

    def fail() -> None:
        raise ValueError(NAME)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    class Leaves:
        def __del__(self) -> None:
            raise ValueError(NAME)

    Leaves()
    assert [(event["event"], event["error"]) for event in lines.events()] == [
        ("thread.failed", "ValueError"),
        ("cleanup.failed", "ValueError"),
    ]
    assert NAME not in lines.getvalue()


def test_a_warning_is_a_library_speaking(lines: Lines) -> None:
    """Warnings quote values too."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(NAME, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert NAME not in lines.getvalue()
    assert lines.events()[0]["event"] == "library.logged"


def test_the_log_is_closed_before_anybody_configures_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Fail closed: import alone brings the allow-list, whatever structlog itself is set to."""
    structlog.reset_defaults()
    telemetry.log().warning("x.y", patient=NAME, message=NAME)
    err = capsys.readouterr().err
    assert NAME not in err
    assert '"dropped": 2' in err


def test_people_read_a_line_and_programs_read_json() -> None:
    """Colours only on a terminal; the format can be forced."""
    stream = Lines()
    try:
        telemetry.configure(json=False, stream=stream, hooks=False)
        telemetry.log().info("source.listening", source="main", patient=NAME)
        assert "source.listening" in stream.getvalue()
        assert "\x1b[" not in stream.getvalue()
        assert NAME not in stream.getvalue()
        with pytest.raises(ValueError, match="level"):
            telemetry.configure(level="LOUD")
    finally:
        telemetry.reset()


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    """A full disk or a closed pipe under the log is no reason to refuse a message; the audit is another matter."""

    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "no space")

    try:
        telemetry.configure(stream=Full(), hooks=False)
        telemetry.log().info("x.y")
        logging.getLogger("dramatiq").error("x")
    finally:
        telemetry.reset()
    assert sys.stderr is not None


@given(st.dictionaries(st.sampled_from([*telemetry.FIELDS, "patient"]), st.text(min_size=1) | st.binary() | st.none()))
def test_whatever_text_is_logged_only_words_of_the_list_remain(fields: dict[str, object]) -> None:
    """Any text at all: what is kept has no blank, no line break and no letter beyond ASCII, paths of files apart."""
    kept = telemetry.keep_allowed(None, "info", {"event": "x.y", **fields})
    for key, value in kept.items():
        if isinstance(value, str) and key != "path":
            assert value.isascii()
            assert not set(value) & set(" \r\n\t@|^")


def test_metrics_have_closed_labels() -> None:
    """A label is a configured name or a word of an enumeration; anything else is "other" or refused."""
    telemetry.count_messages(NAME, {Result.ACCEPTED: 2})
    telemetry.count_messages("main-adt", {Result.ACCEPTED: 2, Result.QUARANTINED: 1})
    with pytest.raises(ValueError, match="not a valid"):
        telemetry.count_messages("main-adt", {NAME: 1})  # type: ignore[dict-item]
    text = telemetry.exposition()[0].decode()
    assert NAME not in text
    assert 'caregate_messages_total{result="quarantined",source="main-adt"} 1.0' in text
    assert 'source="other"' in text


def test_only_words_of_our_own_errors_are_said(lines: Lines) -> None:
    """They quote nobody by contract; a text, or what a library says, may."""
    for told in (StoreUnavailable("the database is away"), NAME, ValueError(NAME)):
        telemetry.log().warning("fhir.fetch-later", said=told)
    first, *others = lines.events()
    assert first["said"] == "the database is away"
    assert [one["dropped"] for one in others] == [1, 1]
