"""A way to write templates in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from render_parts import Write

from gateway.render import Templates


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes one template called `visit` from file name → text, with a subject and a body unless given."""

    def _write(files: Mapping[str, str] | None = None, **texts: str) -> Templates:
        named = {"subject.txt": "Your visit", "body.txt": "Hello", **(files or {})}
        named |= {name.replace("_", "."): text for name, text in texts.items()}
        for name, text in named.items():
            path = tmp_path / "templates" / "visit" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, newline="")
        return Templates(tmp_path / "templates")

    return _write
