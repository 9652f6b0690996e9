"""How the demo looks: plain text anywhere, colours only on a terminal."""

from __future__ import annotations

import os
import sys
import textwrap
from datetime import datetime

_COLOURS = {"bold": "1", "dim": "2", "green": "32", "yellow": "33", "red": "31", "blue": "34"}
_INDENT = " " * 18


class Screen:
    """Prints the story line by line."""

    def __init__(self) -> None:
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(self, text: str, colour: str) -> str:
        """Text in a colour, on a terminal."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._coloured else text

    def title(self, text: str) -> None:
        """A heading."""
        print(f"\n{self.paint(text, 'bold')}")

    def scene(self, at: datetime, story: str, kind: str = "") -> None:
        """Something happens at a wall time."""
        when = at.strftime("%a %-d %b %H:%M")
        print(f"\n{self.paint(f'{when:<17}', 'dim')} {self.paint(story, 'bold')}{f'  {kind}' if kind else ''}")

    def ack(self, code: str, told: str) -> None:
        """The acknowledgement as it came over the wire."""
        colour = {"AA": "green", "AE": "yellow"}.get(code, "red")
        print(f"{_INDENT}acknowledged {self.paint(code, colour)}{f': {told}' if told else ''}")

    def line(self, text: str) -> None:
        """One thing that the audit log now holds."""
        for number, part in enumerate(textwrap.wrap(text, 100)):
            print(f"{_INDENT}{'· ' if number == 0 else '  '}{part}")

    def mail(self, to: str, subject: str, text: str) -> None:
        """An e-mail as it arrived."""
        bar = self.paint("│", "blue")
        print(f"{_INDENT}{self.paint('e-mail arrived', 'blue')}")
        for row in (f"To: {to}", f"Subject: {subject}", "", *text.rstrip().splitlines()):
            print(f"{_INDENT}{bar} {row}".rstrip())
