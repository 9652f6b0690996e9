"""A stream that reads its own lines back."""

from __future__ import annotations

import io
import json


class Lines(io.StringIO):
    """What was logged, as text and as events."""

    def events(self) -> list[dict[str, object]]:
        """One dict per line."""
        return [json.loads(line) for line in self.getvalue().splitlines()]
