"""A patient's identifier comes from standard input or a prompt, never from the argument list, which others can read."""

from __future__ import annotations

import sys

from gateway.model.errors import CommandError
from gateway.model.party import Identifier

_SHAPE = "an identifier as in PID-3, like 12345^^^LAKESIDE^MR"


def stdin_only(option: str, told: str) -> None:
    """Raises CommandError unless the option is "-"; what was told instead is not repeated."""
    if told != "-":
        raise CommandError(f"{option} takes only `-`: an identifier is read from standard input, never from arguments")


def read() -> Identifier:
    """Ask at a terminal, else read one line; raises CommandError when it is not an identifier (HL7 CX, C2A)."""
    if sys.stdin.isatty():
        import getpass

        line = getpass.getpass(f"{_SHAPE} (not shown): ")
    else:
        line = sys.stdin.readline()
    return parse(line)


def parse(line: str) -> Identifier:
    """CX.1 value, CX.4.1 assigning authority, CX.5 type (table 0203); "7^^^urn:other^" was told by FHIR without one.

    Raises CommandError, quoting nothing.
    """
    parts = line.strip().split("^")
    if len(parts) != 5 or not (parts[0] and parts[3]):
        raise CommandError(f"that is not {_SHAPE}")
    return Identifier(parts[3].split("&")[0], parts[4], parts[0])
