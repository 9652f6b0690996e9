"""Templates against the rules that send them: each language whole, each use at its place, a way out in every marketing part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jinja2 import nodes

from gateway.analyst.lint_replies import reply_findings
from gateway.analyst.lint_trial import Found, find, trial
from gateway.analyst.lint_words import words
from gateway.model.consent import ChannelKind, Purpose
from gateway.model.errors import ConfigError, RenderError
from gateway.model.policy import Policy
from gateway.model.rule import Rule
from gateway.render.compiled import HTML, SMS, SUBJECT, TEXT, missing, serves
from gateway.render.sandbox import environment
from gateway.render.templates import Templates
from gateway.render.values import allowed_names
from gateway.ruleset import RuleSet

_STOP = "STOP"
_POSTAL = "organization.postal_address"


def template_findings(folder: Path, rules: RuleSet) -> Iterator[Found]:
    """What is wrong with the templates that these rules send; `folder` is their templates/. Never raises for files."""
    templates = _read(folder, rules.policy)
    seen: set[tuple[str, object]] = set()
    for rule in rules.rules.values():
        for name in rule.templates:
            if isinstance(templates, str):
                yield folder / name / TEXT, 1, 1, "CG010", templates
                continue
            if (name, None) not in seen:
                seen.add((name, None))
                yield from _literal(folder / name, templates, rules.policy)
            # five hundred rules of one kind share their findings as they share their template
            same = (rule.reveals, rule.purpose, frozenset(rule.channels), rule.sms_segments)
            if (name, same) not in seen:
                seen.add((name, same))
                yield from _Template(folder / name, templates, rule, rules.policy).findings()


def _read(folder: Path, policy: Policy) -> Templates | str:
    """The templates of a rule folder, or the sentence that says why they cannot be read."""
    try:
        return Templates(folder, default_language=policy.language)
    except ConfigError as error:
        return error.problems[0]


def _literal(root: Path, templates: Templates, policy: Policy) -> Iterator[Found]:
    for variant, files in templates.files(root.name).items():
        for file, source in files.items():
            found = words(source, html=file.endswith(".html"), domains=policy.link_domains)
            for line, column, code, sentence in found:
                yield root / variant / file, line, column, code, sentence
        for line, column, sentence in reply_findings(files.get(SMS, "")):
            yield root / variant / SMS, line, column, "CG069", sentence


class _Template:
    """The findings about one template as one rule sends it."""

    def __init__(self, root: Path, templates: Templates, rule: Rule, policy: Policy) -> None:
        self._root, self._templates, self._rule, self._policy = root, templates, rule, policy
        self._variants = templates.files(root.name)
        self._channels = [
            channel
            for channel, used in (
                (ChannelKind.EMAIL, any(channel is not ChannelKind.SMS for channel in rule.channels)),
                (ChannelKind.SMS, ChannelKind.SMS in rule.channels),
            )
            if used
        ]

    def findings(self) -> Iterator[Found]:
        """All of them; a template that is not whole or does not compile is not tried."""
        halves = list(self._halves())
        yield from halves
        if halves:
            return
        try:
            unrevealed = self._templates.unrevealed(self._root.name, self._rule.reveals)
        except RenderError as error:
            yield self._broken(str(error))
            return
        yield from self._languages()
        if unrevealed:
            yield from self._unrevealed()
        yield from self._marketing()
        for variant in self._variants if not unrevealed else ():
            yield from trial(self._root, self._templates, self._rule, variant, variant or self._policy.language)

    def _broken(self, reason: str) -> Found:
        """At the file and line the reason names, "template note/es: body.txt:2: …"."""
        place, _, rest = reason.removeprefix("template ").partition(": ")
        file, _, tail = rest.partition(":")
        line = tail.partition(":")[0]
        variant = place.partition("/")[2]
        if line.isdigit() and file in self._variants.get(variant, {}):
            return self._root / variant / file, int(line), 1, "CG010", reason
        return self._root / TEXT, 1, 1, "CG010", reason

    def _halves(self) -> Iterator[Found]:
        """Languages whose letter lacks a part: rendering would fail for whoever reads them."""
        for variant, files in self._variants.items():
            if serves(files, ChannelKind.EMAIL):
                for file in missing(files, ChannelKind.EMAIL):
                    there = next(one for one in (TEXT, HTML, SUBJECT) if one in files)
                    sentence = f"{_named(variant, file)} is missing beside it: write it, or take {variant}/ away"
                    yield self._root / variant / there, 1, 1, "CG060", sentence

    def _languages(self) -> Iterator[Found]:
        for channel in self._channels:
            yield from self._channel_languages(channel)
        if HTML in self._variants[""] and ChannelKind.EMAIL in self._channels:
            for variant, files in self._variants.items():
                if TEXT in files and HTML not in files:
                    sentence = f"{variant}/{HTML} is missing: who reads {variant} would get plain text only"
                    yield self._root / variant / TEXT, 1, 1, "CG060", sentence

    def _channel_languages(self, channel: ChannelKind) -> Iterator[Found]:
        file = SMS if channel is ChannelKind.SMS else TEXT
        if not serves(self._variants[""], channel):  # a letter is always there, or the rule set would not load
            sentence = (
                f"rule {self._rule.name} sends text messages: write {SMS} beside it, or take `sms` from `channels`"
            )
            yield self._root / TEXT, 1, 1, "CG061", sentence
            return
        wanted = {*self._policy.languages[1:], *self._variants} - {""}
        for language in sorted(wanted):
            if not self._serves(language, channel):
                sentence = (
                    f"{language}/{file} is missing, for rule {self._rule.name}: who reads {language} would get it in "
                    f"{self._policy.language}"
                )
                yield self._root / file, 1, 1, "CG060", sentence

    def _serves(self, language: str, channel: ChannelKind) -> bool:
        """Whether the language or its next of kin (es for es-MX) has something for the channel."""
        kin = self._templates.languages(self._root.name, language)
        return any(serves(self._variants[variant], channel) for variant in kin if variant)

    def _unrevealed(self) -> Iterator[Found]:
        allowed = allowed_names(self._rule.reveals)
        for variant, files in self._variants.items():
            for file, source in files.items():
                for name, line in sorted(set(_names(environment({}).parse(source))), key=lambda use: (use[1], use[0])):
                    if name not in allowed:
                        yield self._not_revealed(self._root / variant / file, source, name, line)

    def _not_revealed(self, path: Path, source: str, name: str, line: int) -> Found:
        place = find(source, name, line) or (line, 1)
        sentence = f"`{name}` is not revealed by rule {self._rule.name}: add the fact to `reveals`, or drop it"
        return path, *place, "CG010", sentence

    def _marketing(self) -> Iterator[Found]:
        """15 USC 7704(a)(3) and (5), 16 CFR 316.5; 47 CFR 64.1200(a)(10): how to stop it, and where its sender is."""
        if self._rule.purpose is not Purpose.HMARKT:
            return
        parts = [
            file for channel in self._channels for file in ((SMS,) if channel is ChannelKind.SMS else (TEXT, HTML))
        ]
        for variant, files in self._variants.items():
            uses = self._templates.uses_by_part(self._root.name, variant)
            for file in parts:
                if file not in files:
                    continue
                path = self._root / variant / file
                if "opt_out" not in uses[file] and not (file == SMS and _STOP in files[file]):
                    yield path, 1, 1, "CG011", "marketing must say how to stop it: add {{ opt_out }}"
                if file != SMS and _POSTAL not in uses[file]:
                    yield path, 1, 1, "CG067", f"marketing must say where its sender is: add {{{{ {_POSTAL} }}}}"


def _named(variant: str, file: str) -> str:
    return f"{variant}/{file}" if variant else file


def _names(node: nodes.Node) -> Iterator[tuple[str, int]]:
    """Every maximal dotted name with its line."""
    chain: list[str] = []
    step = node
    while isinstance(step, nodes.Getattr):
        chain.append(step.attr)
        step = step.node
    if isinstance(step, nodes.Name):
        yield ".".join([step.name, *reversed(chain)]), step.lineno
        return
    for child in node.iter_child_nodes():
        yield from _names(child)
