"""Whatever arrives is read, answered and kept as promised: messages grown from our own by mutation, streams cut anywhere."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import claims, mutate, seeds, wire
from tests.fuzz.targets import TARGETS

REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.bin"))
some = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """One of our messages with some mutations, each choice hypothesis's own, so that a finding shrinks."""
    body = draw(st.sampled_from(seeds.messages()))
    rng = draw(st.randoms(use_true_random=False))
    for _ in range(draw(st.integers(0, 4))):
        body = mutate.mutated(body, rng, 4_096)
    return body


@st.composite
def grown(draw: st.DrawFn) -> bytes:
    """A message from a grammar: any delimiters, any known segments, fields of words, repetitions, components, escapes."""
    marks = draw(st.permutations("|^~\\&#*+%@!$").map("".join))
    field, component, repetition, escape, sub = tuple(marks[:5])
    word = st.sampled_from(seeds.words()).map(lambda one: one.decode("latin-1").replace("\r", "")) | st.text(max_size=9)
    leaf = st.one_of(word, word.map(lambda one: f"{escape}X{one.encode().hex()}{escape}"), st.just('""'), st.just(""))
    part = st.lists(leaf, max_size=3).map(sub.join)
    told = st.lists(st.lists(part, max_size=6).map(component.join), max_size=3).map(repetition.join)
    lines = [f"MSH{marks[:5]}{field}EHR{field}H{field}G{field}H{field}20260302090000{field}{field}"]
    lines[0] += draw(st.sampled_from(_TYPES)).replace("^", component) + f"{field}C1{field}P{field}2.5.1"
    names = draw(st.lists(st.sampled_from(_SEGMENTS), max_size=8))
    lines += [field.join((name, *draw(st.lists(told, max_size=24)))) for name in names]
    lines.insert(1, field.join(("PID", "1", "", f"77{component * 3}HOSP{component}MR", "", draw(told))))
    return "\r".join(lines).encode("utf-8", "replace")


_TYPES = (
    "ADT^A01",
    "ADT^A08",
    "ADT^A40",
    "SIU^S12",
    "SIU^S15",
    "ORU^R01",
    "RDE^O11",
    "MDM^T02",
    "VXU^V04",
    "DFT^P03",
    "ADT^A24",
)
_SEGMENTS = ("PID", "PV1", "PV2", "PD1", "MRG", "SCH", "AIS", "AIL", "AIP", "RGS", "ORC", "OBR", "OBX", "RXE", "RXA", "TXA", "ARV",
             "CON", "EVN", "NK1", "ZPI", "ADD", "DSC", "NTE", "TQ1", "pid")  # fmt: skip


@some
@given(bodies(), st.integers(0, len(claims.FEEDS) - 1))
def test_any_mutation_of_a_message_is_read_answered_and_comes_back(body: bytes, feed: int) -> None:
    """P-04, P-07, P-13, P-15, P-16, C-03, A-07, A-22, T-08: never an exception, never a value in what we say."""
    claims.any_message(body, feed)


@some
@given(grown(), st.integers(0, len(claims.FEEDS) - 1))
def test_any_message_of_the_grammar_is_read_answered_and_comes_back(body: bytes, feed: int) -> None:
    """P-01 to P-18: whatever the delimiters, an unescaped name has none of them."""
    claims.any_message(body, feed)


@some
@given(st.binary(max_size=300), st.integers(0, len(claims.FEEDS) - 1))
def test_any_bytes_at_all_are_read_or_refused(body: bytes, feed: int) -> None:
    """A-07, P-04."""
    claims.any_message(body, feed)
    claims.any_message(b"MSH|^~\\&|" + body, feed)


@some
@given(st.randoms(use_true_random=False), st.binary(max_size=40))
def test_any_stream_however_cut_gives_whole_replies_in_order(rng: random.Random, junk: bytes) -> None:
    """F-02 to F-12, F-16, A-01: on every kind of link, with saturation, slow senders, timers and a sudden end."""
    wire.any_stream(mutate.stream(rng) + junk)


@pytest.mark.parametrize("name", TARGETS)
def test_where_the_search_begins_the_claims_hold(name: str) -> None:
    """The messages beside the mappings, the bench's feed, our odd ones."""
    for data in TARGETS[name].seeds():
        TARGETS[name].holds(data)
        if name == "message":
            for feed in range(len(claims.FEEDS)):
                claims.any_message(data[1:], feed)


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(path: Path) -> None:
    """Inputs that a search found, made small; the name says what was wrong, its first word the target."""
    data, name = path.read_bytes(), path.stem.partition("-")[0]
    TARGETS[name].holds(data)
    if name == "message":
        claims.any_message(data[1:], data[0])


def test_there_are_regressions() -> None:
    """Lest the folder be lost."""
    assert len(REGRESSIONS) >= 4


@pytest.mark.parametrize(
    ("broken", "which"),
    [
        ("gateway.er7.ack._ours", lambda text, _: text + " Ashgrove"),
        ("gateway.er7.escape._escapes", lambda _: {}),
        ("gateway.mapping.scope._REPLACED", "nothing like it"),
    ],
)
def test_a_claim_that_is_broken_is_noticed(broken: str, which: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lest they claim nothing: one mutation of the code each."""
    head = b"MSH|^~\\&|EHR|HOSP|GW|HUB|20260302090000||ADT^A28|F1|P|2.5.1\r"
    told = (
        head.replace(b"2.5.1", b"9.9") + b"PID|1||77^^^HOSP^MR||Ashgrove^Alma\r",
        head + b"PID|1||77^^^HOSP^MR||A\\S\\B\\T\\C^Ada\r",
        head + b"PID|1||77^^^HOSP^MR||Mu\xef\xbf\xbdoz^Ada\r",
    )
    monkeypatch.setattr(broken, which)
    with pytest.raises(AssertionError):
        for body in told:
            claims.any_message(body)
