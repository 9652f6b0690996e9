"""Preview pages: each message as its reader would meet it, in one file that a browser shows without network or script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape, unescape
from itertools import groupby

import babel

from gateway.analyst.preview import Part, Shown
from gateway.analyst.preview_look import POLICY, STYLE
from gateway.model.consent import ChannelKind
from gateway.render.formats import locale_of
from gateway.render.rendered import Rendered
from gateway.render.sms import Segments

INDEX = "index.html"
_PREHEADER = 110  # characters that inboxes show after the subject, about
_ARRIVES = {ChannelKind.EMAIL: "In the inbox", ChannelKind.PORTAL: "In the portal"}
_HIDDEN = re.compile(r"(?is)<head\b.*?</head>|<style\b.*?</style>|<!--.*?-->|<[^<>]*>")


def pages(every: Sequence[Shown]) -> Mapping[str, str]:
    """File name → HTML: `index.html`, and one page for each message."""
    beside = zip([None, *every], every, [*every[1:], None], strict=False)
    return {INDEX: _index(every)} | {one.page: _page(one, before, after) for before, one, after in beside}


def _document(title: str, head: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n{head}\n</header>\n"
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _index(every: Sequence[Shown]) -> str:
    failing = sum(1 for one in every if one.problems)
    told = f'<span class="tag bad">{failing} would not be sent as they are</span>' if failing else ""
    head = (
        f'<h1>What patients would read</h1>\n<p class="notice small">Made-up patients. Nothing was sent. '
        f"{len(every)} messages {told}</p>"
    )
    rules = groupby(every, key=lambda one: one.rule.name)
    return _document("What patients would read", head, "\n".join(_rule(list(group)) for _, group in rules))


def _rule(group: Sequence[Shown]) -> str:
    rule = group[0].rule
    tongues = groupby(group, key=lambda one: (one.wording, one.language))
    sections = "\n".join(
        f'<p class="tongue">{escape(_tongue(language))}{_wording(ones, wording)}</p>\n'
        f'<div class="cards">{"".join(map(_card, ones))}</div>'
        for (wording, language), found in tongues
        if (ones := list(found))
    )
    return (
        f'<section class="rule">\n<h2>{escape(rule.name)}</h2>\n<p class="soft">{escape(rule.why)}</p>\n'
        f'<div class="tags">{_tags((rule.purpose.value, rule.topic, *rule.channels))}</div>\n{sections}\n</section>'
    )


def _wording(ones: Sequence[Shown], wording: str) -> str:
    return f' <span class="soft">· {escape(wording)}</span>' if ones[0].rule.variants else ""


def _tags(words: Iterable[str]) -> str:
    return "".join(f'<span class="tag">{escape(word)}</span>' for word in words)


def _card(one: Shown) -> str:
    letter, text = _rendered(one, ChannelKind.EMAIL), _rendered(one, ChannelKind.SMS)
    lines = [f'<b class="one">{escape(_called(one))}</b><div class="soft small one">{escape(one.person.about)}</div>']
    if letter is not None or text is not None:
        said = _preheader(letter) if letter is not None else text.text if text is not None else ""
        lines.append(f'<div class="small clip" dir="auto">{escape(said)}</div>')
    return f'<a class="card" href="{escape(one.page)}">{"".join(lines)}<div class="tags">{_states(one)}</div></a>'


def _states(one: Shown) -> str:
    return "".join(
        f'<span class="tag bad">{escape(_channel(part))}: not sent</span>'
        if part.rendered is None
        else f'<span class="tag good">{escape(_channel(part))}{_count(part.rendered)}</span>'
        for part in one.parts
    )


def _channel(part: Part) -> str:
    return {ChannelKind.EMAIL: "e-mail", ChannelKind.SMS: "SMS"}.get(part.channel, part.channel.value)


def _count(rendered: Rendered) -> str:
    return f" · {_parts(rendered.sms.parts)}" if rendered.sms else ""


def _parts(count: int) -> str:
    return f"{count} segment{'' if count == 1 else 's'}"


def _called(one: Shown) -> str:
    return f"{one.person.given} {one.person.family}".strip() or "Nobody's name is known"


def _rendered(one: Shown, channel: ChannelKind) -> Rendered | None:
    """The text message, or whatever else there is: the letter."""
    wanted = (part.rendered for part in one.parts if (part.channel is ChannelKind.SMS) == (channel is ChannelKind.SMS))
    return next(wanted, None)


def _tongue(tag: str) -> str:
    locale = locale_of(tag)
    return f"{locale.get_display_name('en')} ({tag})" if isinstance(locale, babel.Locale) else tag


def _page(one: Shown, before: Shown | None, after: Shown | None) -> str:
    links = [(INDEX, "all messages"), (before and before.page, "← previous"), (after and after.page, "next →")]
    ways = " · ".join(f'<a href="{escape(page)}">{said}</a>' for page, said in links if page)
    head = (
        f'<p class="small">{ways}</p>\n<h1>{escape(_called(one))}</h1>\n'
        f'<p class="soft">{escape(one.rule.name)} · {escape(_tongue(one.language))} · {escape(one.person.about)}</p>'
    )
    wide = [_letter(one, part) for part in one.parts if part.channel is not ChannelKind.SMS]
    narrow = [_text_message(one, part) for part in one.parts if part.channel is ChannelKind.SMS]
    columns = (f'<div class="wide">{"".join(wide)}</div>' if wide else "") + (
        f'<div class="narrow">{"".join(narrow)}{_facts(one)}</div>'
    )
    return _document(f"{one.rule.name}: {one.person.about}", head, f'<div class="sides">{columns}</div>')


def _letter(one: Shown, part: Part) -> str:
    rendered = part.rendered
    if rendered is None:
        return f"<h3>{escape(_channel(part))}</h3>{_problem(part)}"
    sender = one.organization.sender_name
    inbox = (
        f'<div class="pane inbox" lang="{escape(rendered.language)}"><div class="face">{escape(sender[:1])}</div>'
        f'<div class="from">{escape(sender)}</div><div class="soft small">{escape(one.organization.sender_email)}</div>'
        f'<div class="subject one" dir="auto">{escape(rendered.subject)}</div>'
        f'<div class="preheader one" dir="auto">{escape(_preheader(rendered))}</div></div>'
    )
    html = (
        f'<h3>HTML</h3><div class="pane"><iframe sandbox="" title="The message" srcdoc="{escape(rendered.html)}">'
        f"</iframe></div>"
        if rendered.html is not None
        else ""
    )
    text = f'<h3>Plain text</h3><div class="pane"><pre dir="auto">{escape(rendered.text)}</pre></div>'
    return f"<h3>{_ARRIVES.get(part.channel, escape(_channel(part)))}</h3>{inbox}{html}{text}"


def _problem(part: Part) -> str:
    return f'<div class="problem"><b>Nothing would be sent.</b> {escape(part.problem or "")}</div>'


def _text_message(one: Shown, part: Part) -> str:
    rendered = part.rendered
    if rendered is None or rendered.sms is None:
        return f"<h3>Text message</h3>{_problem(part)}"
    return (
        f'<h3>Text message</h3><div class="phone"><div class="bar">{escape(one.organization.sender_name)}</div>'
        f'<div class="thread"><div class="bubble" dir="auto" lang="{escape(rendered.language)}">{escape(rendered.text)}</div>'
        f"</div></div>{_meter(rendered.sms, one.rule.sms_segments)}"
    )


def _meter(counted: Segments, limit: int) -> str:
    share = round(100 * counted.units / counted.room)
    return (
        f"<div><b>{_parts(counted.parts)}</b> of {limit} allowed · {counted.encoding} · "
        f'{counted.units} of {counted.room} places</div><div class="meter"><i style="width:{share}%"></i></div>'
    )


def _facts(one: Shown) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in _rows(one))
    return f"<h3>Where it comes from</h3><dl>{rows}</dl>"


def _rows(one: Shown) -> Iterator[tuple[str, str]]:
    rule = one.rule
    written = next((part.rendered.language for part in one.parts if part.rendered), None)
    yield "rule", escape(rule.file)
    yield "template", escape(one.wording)
    yield "owner", escape(rule.owner)
    yield "purpose", escape(rule.purpose.value)
    yield "channels", escape(", ".join(rule.channels))
    yield "reveals", "<br>".join(escape(name) for name in rule.reveals)
    if written is not None and written != one.language:
        yield "written in", f"{escape(_tongue(written))}: there is nothing nearer to {escape(one.language)}"


def _preheader(rendered: Rendered) -> str:
    """What an inbox shows after the subject: the first words a reader would see."""
    source = unescape(_HIDDEN.sub(" ", rendered.html)) if rendered.html is not None else rendered.text
    return " ".join(source.split())[:_PREHEADER]
