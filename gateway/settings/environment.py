"""The CAREGATE_ variables: these and no others, so that a misspelt one never passes for a setting."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

DATABASE = "CAREGATE_DATABASE"
BROKER = "CAREGATE_BROKER"
API_BIND = "CAREGATE_API_BIND"
API_PORT = "CAREGATE_API_PORT"
CONFIG = "CAREGATE_CONFIG"
ROLES = "CAREGATE_ROLES"
DEBUG = "CAREGATE_DEBUG"

VARIABLES: Mapping[str, str] = {
    CONFIG: "the configuration file, where --config is not given",
    DATABASE: "in place of `database`",
    BROKER: "in place of `broker`",
    API_BIND: "in place of `api.bind`",
    API_PORT: "in place of `api.port`",
    ROLES: "the roles of `caregate run`, where --roles is not given",
    DEBUG: "1 shows where in Caregate an unexpected error happened, never values",
}
_TESTS = "CAREGATE_TEST"  # the test suite's own: servers to use, outside data


def unknown_variables(environ: Mapping[str, str], named: Collection[str]) -> Iterator[str]:
    """One sentence for each CAREGATE_ variable that neither Caregate nor the file (`env:NAME`) knows."""
    for name in sorted(environ):
        if not name.startswith("CAREGATE_") or name.startswith(_TESTS) or name in VARIABLES or name in named:
            continue
        close = get_close_matches(name, VARIABLES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(VARIABLES)}"
        yield f"environment: there is no variable {name}: {hint}"
