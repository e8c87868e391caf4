"""Values of a capture being filled in, each with its source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Fields:
    """Values of a capture being filled in, each with its source, and why the others are unknown."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def know(self, name: str, value: object, source: str) -> None:
        """Set a field and where it came from."""
        self.values[name] = value
        self.sources[name] = source

    def miss(self, reason: str, *names: str) -> None:
        """Say why fields are unknown; those known already stay known, and the first reason stands."""
        for name in names:
            if name not in self.values:
                self.unknown.setdefault(name, reason)
