"""A copy as one page that opens anywhere, prints, and asks nobody for anything: no script, no link, no picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = (
    "body{font:1rem/1.5 sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#111;background:#fff}"
    "h1{font-size:1.6rem}h2{font-size:1.25rem;border-bottom:1px solid #555;margin-top:2rem}"
    "table{border-collapse:collapse;margin:0 0 1rem;width:100%}th,td{text-align:left;vertical-align:top;padding:.2rem .6rem}"
    "th{width:13rem;font-weight:600}table+table{border-top:1px solid #aaa}td{white-space:pre-wrap;overflow-wrap:anywhere}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(told: Mapping[str, Any]) -> str:
    """HTML of an export: a heading for each kind of thing, a table for each thing; every value escaped (WCAG 1.3.1)."""
    sections = "".join(_section(str(name), value) for name, value in told.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width"><title>What is held about you</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>What is held about you, and what you were sent</h1>\n"
        f"{sections}</main></body></html>\n"
    )


def _section(name: str, value: Any) -> str:
    things = [value] if isinstance(value, Mapping) else list(value)
    count = "" if isinstance(value, Mapping) else f" ({len(things)})"
    shown = "".join(_table(one) for one in things) or "<p>Nothing.</p>\n"
    return f"<h2>{escape(name.capitalize())}{count}</h2>\n{shown}"


def _table(thing: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td>{_cell(value)}</td></tr>\n'
        for name, value in thing.items()
        if value not in (None, "", [])
    )
    return f"<table>{rows}</table>\n"


def _cell(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(escape(str(one)) for one in value)
    return escape(str(value))
