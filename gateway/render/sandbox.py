"""The template language, cut down: no loops, calls, arithmetic, assignments or imports, so rendering is bounded and pure.

A template is an analyst's file and runs with a patient's facts in scope. What Jinja may do here is an allow-list of
syntax nodes, filters and tests checked when a template is compiled; the immutable sandbox stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from gateway.model.errors import RenderError
from gateway.render.formats import FILTERS, TESTS
from gateway.render.html_places import misplaced
from gateway.render.values import LONGEST

# No For: no fact is a list. No Call, Mul, Pow, Assign, Macro, Import: nothing here needs them, each can run away.
_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Const,
    nodes.Filter,
    nodes.Test,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Include,
    nodes.Keyword,
    nodes.Tuple,
    nodes.List,
)
_FILTERS = frozenset({"upper", "lower", "capitalize", "title", "trim", "default", "d"}) | frozenset(FILTERS)
_TESTS = frozenset({"defined", "undefined", "in", "eq", "ne"}) | frozenset(TESTS)
_MOST_FILES = 50  # files one rendering may read, each as often as it is included
# Nothing here repeats, calls or assigns, so each node of the syntax tree runs at most once for each time its file is
# included. A filter costs as much as the text it is given, and that is at most LONGEST characters for each name or
# constant below it: so a filter counts as often as there are such. To count beforehand is therefore a limit of time, and
# one that no thread has to enforce.
_MOST_NODES = 10_000


class _Environment(ImmutableSandboxedEnvironment):
    """Knows namespaces, which are plain mappings, by their keys; whatever else is asked for a part is the sandbox's to judge."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The part of a namespace; never a method of the mapping itself, whatever it is called."""
        if type(obj) is dict:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


def environment(files: Mapping[str, str]) -> jinja2.Environment:
    """A Jinja environment that knows `files` (name → source) and nothing else; HTML is escaped by file name."""
    env = _Environment(
        loader=jinja2.DictLoader(files),
        undefined=jinja2.StrictUndefined,
        autoescape=is_html,
        finalize=_printable,
        cache_size=-1,
        auto_reload=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.clear()
    env.filters = {name: env.filters[name] for name in _FILTERS if name in env.filters} | FILTERS
    env.tests = {name: env.tests[name] for name in _TESTS if name in env.tests} | TESTS
    return env


def is_html(name: str | None) -> bool:
    """Whether a template file's output is HTML, hence escaped."""
    return name is not None and name.endswith(".html")


def _printable(value: object) -> object:
    """What may be printed without a filter: text and whole numbers; an instant needs one that says how."""
    if isinstance(value, str | Markup | jinja2.Undefined) or type(value) is int:
        return value
    raise RenderError(f"a value of kind {type(value).__name__} is printed without a filter (date, time, weekday)")


def names_used(env: jinja2.Environment, file: str) -> frozenset[str]:
    """Dotted names a file and all it includes read, e.g. "patient.given_name".

    Raises RenderError, with "file:line", for syntax errors, for anything the allow-list does not have, and for more than
    could be rendered in a moment.
    """
    used: set[str] = set()
    waiting, nodes_read = [file], 0
    for read in range(_MOST_FILES + 1):
        if not waiting:
            return frozenset(used)
        included, count = _read_file(env, waiting.pop(), used)
        waiting.extend(included)
        nodes_read += count
        if nodes_read > _MOST_NODES:
            raise RenderError(f"{file}: has more than {_MOST_NODES} expressions, parts and includes counted")
        if read == _MOST_FILES:
            break
    raise RenderError(f"{file}: includes more than {_MOST_FILES} files, or itself")


def _read_file(env: jinja2.Environment, file: str, used: set[str]) -> tuple[list[str], int]:
    """Add the names one file reads to `used`; returns the files it includes, as often as it does, and what it costs."""
    tree = _parse(env, file)
    included: list[str] = []
    count = 0
    for node in _every(tree):
        count += _texts(node) if isinstance(node, nodes.Filter) else 1
        if count > _MOST_NODES:
            break  # names_used says so; there is no need to count to the end
        where = f"{file}:{node.lineno}"
        _check(node, where)
        if isinstance(node, nodes.Include):
            included.append(_included(node, file, where))
    used.update(_dotted(tree, file))
    return included, count


def _parse(env: jinja2.Environment, file: str) -> nodes.Template:
    assert env.loader is not None
    try:
        source, _, _ = env.loader.get_source(env, file)
        if is_html(file) and (line := misplaced(env, source, file)):
            raise RenderError(f"{file}:{line}: a value stands in running text or between the quotes of title or lang")
        return env.parse(source)
    except jinja2.TemplateNotFound:
        raise RenderError(f"{file}: there is no such file in the template's folder") from None
    except jinja2.TemplateSyntaxError as error:
        raise RenderError(f"{file}:{error.lineno}: this is not valid template syntax") from None


def _every(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _every(child)


def _texts(node: nodes.Node) -> int:
    return sum(isinstance(one, nodes.Name | nodes.Const) for one in _every(node))


def _check(node: nodes.Node, where: str) -> None:
    if not isinstance(node, _NODES):
        raise RenderError(f"{where}: {type(node).__name__} is not allowed in a template")
    if isinstance(node, nodes.Filter) and (node.name not in _FILTERS or node.node is None):
        raise RenderError(f"{where}: there is no filter {node.name}")
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        raise RenderError(f"{where}: there is no test {node.name}")
    if isinstance(node, nodes.Const) and isinstance(node.value, str) and len(node.value) > LONGEST:
        raise RenderError(f"{where}: a text in quotes is longer than {LONGEST} characters: write it outside the braces")


def _included(node: nodes.Include, file: str, where: str) -> str:
    target = node.template
    if not isinstance(target, nodes.Const) or not isinstance(target.value, str):
        raise RenderError(f"{where}: include takes one file name")
    if is_html(target.value) != is_html(file):
        # a text file included in HTML would arrive unescaped
        raise RenderError(f"{where}: a text file and an HTML file cannot include each other")
    return target.value


def _dotted(node: nodes.Node, file: str) -> Iterator[str]:
    """Every maximal chain of names: `a.b.c` once, not also `a.b` and `a`."""
    chain: list[str] = []
    step: nodes.Node = node
    while isinstance(step, nodes.Getattr):
        chain.append(step.attr)
        step = step.node
    if isinstance(step, nodes.Name):
        yield ".".join([step.name, *reversed(chain)])
        return
    if chain:
        raise RenderError(f"{file}:{node.lineno}: only a name has parts")
    for child in step.iter_child_nodes():
        yield from _dotted(child, file)
