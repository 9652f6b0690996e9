"""How far the reading of files has come, on a terminal; anywhere else only its lines are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.terminal import printable, say


@contextmanager
def bar_of(files: Sequence[Path], *, wanted: bool) -> Iterator[tuple[Callable[[str], None], Callable[[int], None]]]:
    """(show a line, count bytes as read): with a progress bar on a terminal, without anywhere else."""
    if not (wanted and sys.stderr.isatty()):
        yield say, lambda _bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    on_screen = sys.stdout.isatty()
    console = Console(stderr=not on_screen)
    with Progress("reading", BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console) as bar:
        whole = bar.add_task("", total=sum(file.stat().st_size for file in files))
        show = (
            (lambda line: console.print(printable(line), markup=False, highlight=False, soft_wrap=True))
            if on_screen
            else say
        )
        yield show, lambda count: bar.advance(whole, count)
