"""What CON segments say: only an active consent within its dates permits; a refusal counts at once, doubt waits (PV-06)."""

from __future__ import annotations

from gateway.er7.bounds import MOST_GROUPS, too_many
from gateway.er7.reader import NULL
from gateway.mapping.codes import NOTHING, CodeTable
from gateway.mapping.scope import Scope, warning
from gateway.model.consent import ANY, ChannelKind, ConsentKind, ConsentStatement, Purpose
from gateway.model.facts import UNMAPPED
from gateway.model.when import When

# CON fields (SEG CON): 2 type, 9 limitations, 11 status, 13 decided, 14 in force from, 15 until, 16 competent.
_TYPE, _LIMITS, _STATUS, _DECIDED, _FROM, _UNTIL, _COMPETENT = 2, 9, 11, 13, 14, 15, 16
_SAYS_NO = frozenset({"R", "X"})  # table 0498: refused, rescinded
_SAYS_NOTHING = frozenset({"P", "B"})  # pending, bypassed
_LAST = 17

RESTRICTION = "restriction"  # a word of the table: a person must read it, whatever it says
_SCOPES = (frozenset({ANY, *Purpose}), frozenset({ANY, *ChannelKind}))


def statements(scope: Scope, table: CodeTable | None) -> tuple[tuple[ConsentStatement, ...], bool]:
    """Ledger entries to be, and whether a person must look; `table` is `consent`, CON-2 to "PURPOSE/channel/topic".

    A type whose word is `nothing` is not about messages. An unknown type cannot permit; unless it is active, a
    person looks. A limited consent, free-text limitations (CON-9), an unknown status or a consenter who is
    not competent (CON-16 = N) wait for a person too, and permit nothing. Raises Unreadable (AE 198) when there
    are too many.
    """
    found: list[ConsentStatement] = []
    unclear = False
    every = scope.message.all("CON")
    if len(every) > MOST_GROUPS:
        raise too_many("CON")
    for told in every:
        fields = told + [""] * (_LAST - len(told))
        word = (table and table.word(fields[_TYPE], scope.message.separators)) or UNMAPPED
        if word == NOTHING:
            continue
        statement, doubtful = _read(scope, fields, word)
        unclear = unclear or doubtful
        if statement is not None:
            found.append(statement)
    return tuple(found), unclear


def _read(scope: Scope, fields: list[str], word: str) -> tuple[ConsentStatement | None, bool]:
    """One CON: the entry it gives, if any, and whether a person must look."""
    status = scope.first(fields[_STATUS]).strip(" ").upper()
    if word == UNMAPPED:
        scope.faults.append(warning(103, "CON", _TYPE, "the consent type is not in the code table"))
    if status in _SAYS_NOTHING:
        return None, False
    if word in (UNMAPPED, RESTRICTION):
        said_no, restricts = status in _SAYS_NO, word == RESTRICTION
        return None, (not said_no) if restricts else status != "A"
    if status in _SAYS_NO:
        return _statement(scope, fields, word, permit=False), False
    clear = status == "A" and not _limited(scope, fields)
    return (_statement(scope, fields, word, permit=True), False) if clear else (None, True)


def _limited(scope: Scope, fields: list[str]) -> bool:
    limits = fields[_LIMITS].strip(" ") not in ("", NULL)
    return limits or scope.first(fields[_COMPETENT]).strip(" ").upper() == "N"


def _statement(scope: Scope, fields: list[str], word: str, *, permit: bool) -> ConsentStatement:
    kind, scoped = kinded(word)
    purpose, channel, topic = scoped.split("/", 2)
    # A refusal is in force at once, whatever date it bears (PV-06), and does not end by itself.
    since = _instant(scope, fields[_FROM]) or _instant(scope, fields[_DECIDED])
    until = _instant(scope, fields[_UNTIL])
    return ConsentStatement(
        permit=permit,
        purpose=purpose,
        channel=channel,
        topic=topic,
        valid_from=since.utc if since and (permit or since.utc <= scope.moment) else None,
        valid_until=until.utc if until and permit else None,
        kind=kind,
    )


def kinded(word: str) -> tuple[ConsentKind, str]:
    """What it is consent to, and its scope. No feed tells an authorization, or a choice of open mail, in full (CN-08)."""
    prefix = f"{ConsentKind.TEXTS}:"
    texts = word.startswith(prefix)
    return (ConsentKind.TEXTS, word.removeprefix(prefix)) if texts else (ConsentKind.MESSAGES, word)


def _instant(scope: Scope, raw: str) -> When | None:
    return None if not raw or raw == NULL else scope.when(raw)


def is_scope(word: str) -> bool:
    """Whether a word of the table `consent` is "PURPOSE/channel/topic" with known parts ("*" for any).

    With `texts:` before it, it is consent to automated texts to the numbers known then (47 CFR 64.1200(a)(1)); never to
    marketing, for which it is written, with the text that was signed ((f)(9)): no feed tells that.
    """
    kind, scoped = kinded(word)
    parts = scoped.split("/")
    if kind is ConsentKind.TEXTS and (parts[1:2] != [ChannelKind.SMS] or parts[0] == Purpose.HMARKT):
        return False
    return len(parts) == 3 and bool(parts[2]) and all(one in known for one, known in zip(parts, _SCOPES, strict=False))
