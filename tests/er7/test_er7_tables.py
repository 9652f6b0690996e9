"""Which types and events the standard knows, with hl7apy's tables as the second opinion."""

from __future__ import annotations

import importlib

import pytest

from gateway.er7.tables import PROCESSING, VERSIONS, Standing, standing

_WITH_MESSAGES = ("2_1", "2_2", "2_3", "2_3_1", "2_4", "2_5", "2_5_1", "2_6", "2_7", "2_8", "2_8_1", "2_8_2")
_MISPRINTS = {"BRP_030", "RPI_I0I", "RQI_I0I", "QBP_Qnn", "RTB_Knn", "NUL"}  # of the tables themselves


def test_the_refusals_of_the_checklist():
    """A-02, E-08: ZZZ^Z99 is no type (200), ADT^A99 no event (201)."""
    assert standing("ZZZ", "Z99") is Standing.UNKNOWN_TYPE == 200
    assert standing("ADT", "A99") is Standing.UNKNOWN_EVENT == 201
    assert standing("", "") is Standing.UNKNOWN_TYPE
    assert standing("adt", "A01") is Standing.UNKNOWN_TYPE
    assert standing("ADT", "O01") is Standing.UNKNOWN_EVENT


@pytest.mark.parametrize(
    "pair",
    ["ADT A01", "ADT A40", "SIU S26", "ORU R01", "ORU ", "ACK ", "ACK A01", "RSP K22", "QBP Z73", "MFN Znn", "RDE O49"],
)
def test_standard_types_are_known_also_with_the_code_alone(pair):
    """A-06: known types are acknowledged whether or not anything here uses them."""
    code, _, trigger = pair.partition(" ")
    assert standing(code, trigger) is Standing.KNOWN


def test_every_version_s_messages_are_known():
    """A-02: the union over the versions that hl7apy describes, structures and table 0354 included."""
    names: set[str] = set()
    codes: set[str] = set()
    for version in _WITH_MESSAGES:
        names |= set(importlib.import_module(f"hl7apy.v{version}.messages").MESSAGES)
        if version not in ("2_1", "2_2", "2_3"):
            tables = importlib.import_module(f"hl7apy.v{version}.tables").TABLES
            names |= set(tables["HL70354"][1])
            codes |= set(tables["HL70076"][1])
    assert {code for code in codes if standing(code, "") is not Standing.KNOWN} == set()
    unknown = {name for name in names if standing(*name.partition("_")[::2]) is not Standing.KNOWN}
    assert unknown <= _MISPRINTS


def test_versions_and_processing_ids():
    """X-04, E-08: 2.3.1 and 2.8.2 are versions, 9.9 is none; X is no processing id."""
    assert {"2.1", "2.3.1", "2.5.1", "2.7.1", "2.8.2", "2.9"} <= VERSIONS
    assert not {"9.9", "2.0", "3.0", "", "2.10"} & VERSIONS
    assert {"P", "T", "D"} <= PROCESSING
    assert "X" not in PROCESSING
