"""Where the shipped rules and mappings are: one function for a checkout and for an installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gateway.model.errors import ConfigError

_HERE = Path(__file__).resolve().parent


def shipped(kind: Literal["rules", "mappings"]) -> Path:
    """The folder of a shipped pack: inside the wheel, else beside the package in a checkout.

    Raises ConfigError when the installation is incomplete.
    """
    for folder in (_HERE / "_packs" / kind, _HERE.parent / kind):
        if folder.is_dir():
            return folder
    raise ConfigError(f"the shipped {kind} are missing from this installation: install caregate again")
