"""The parts of a template in one language, compiled: what each may say is known before it says anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import jinja2

from gateway.model.consent import ChannelKind
from gateway.model.errors import RenderError
from gateway.render.sandbox import environment, names_used

SUBJECT, TEXT, HTML, SMS = "subject.txt", "body.txt", "body.html", "sms.txt"
LETTER = (SUBJECT, TEXT)  # what a message needs that is not a text message; HTML is welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """`parts` by file name, only those that are there; `used`: the dotted names each reads, includes and all; `names`: any."""

    parts: Mapping[str, jinja2.Template]
    used: Mapping[str, frozenset[str]]
    names: frozenset[str]


def parts_for(channel: ChannelKind) -> tuple[str, ...]:
    """The files that leave by a channel, as far as they are there: a text message is `sms.txt` and nothing else."""
    return (SMS,) if channel is ChannelKind.SMS else (SUBJECT, TEXT, HTML)


def missing(files: Mapping[str, str], channel: ChannelKind) -> tuple[str, ...]:
    """Files without which nothing can leave by the channel."""
    needed = (SMS,) if channel is ChannelKind.SMS else LETTER
    return tuple(file for file in needed if file not in files)


def serves(files: Mapping[str, str], channel: ChannelKind) -> bool:
    """Whether one language's files are meant for the channel; they may still miss one."""
    return any(file in files for file in parts_for(channel))


def compile_parts(files: Mapping[str, str]) -> Compiled:
    """All parts among one language's files. Raises RenderError for a letter that is not whole, or a bad file."""
    return _compiled(tuple(sorted(files.items())))


@lru_cache(maxsize=512)  # the same words give the same parts, in whichever rule set they stand
def _compiled(named: tuple[tuple[str, str], ...]) -> Compiled:
    files = dict(named)
    if serves(files, ChannelKind.EMAIL) and (gone := missing(files, ChannelKind.EMAIL)):
        raise RenderError(f"{gone[0]} is missing")
    env = environment(files)
    heads = [file for file in (SUBJECT, TEXT, HTML, SMS) if file in files]
    used = {file: names_used(env, file) for file in heads}
    names = frozenset[str]().union(*used.values())
    return Compiled(parts={file: env.get_template(file) for file in heads}, used=used, names=names)
