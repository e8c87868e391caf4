"""The preflight table's lines: pass, fail or unknown, with what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from flightplan.errors import PreflightError
from flightplan.vehicle.setup import Change


class Status(StrEnum):
    """How one thing stands."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Check:
    """One line of the table: `name` is what `--override` takes, `remedy` what to do when it does not pass.

    A `binding` check that does not pass cannot be overridden. `changes` are the vehicle's parameters that would make
    it pass, set only on consent.
    """

    name: str
    status: Status
    text: str
    remedy: str | None = None
    binding: bool = False
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Preflight:
    """The whole table, and the vehicle's parameters that were read for it."""

    checks: tuple[Check, ...]
    parameters: Mapping[str, float]

    @property
    def changes(self) -> tuple[Change, ...]:
        """The parameters that would make failed checks pass, each once."""
        found = {c.name: c for check in self.checks if check.status is Status.FAIL for c in check.changes}
        return tuple(found.values())

    def refuse(self, overrides: Collection[str]) -> None:
        """Raise PreflightError for the fails that are not overridden, and for what is binding and does not pass.

        Binding are the lists that were uploaded: whatever the vehicle holds instead would be flown.
        """
        fatal = [
            c
            for c in self.checks
            if (c.binding and c.status is not Status.PASS) or (c.status is Status.FAIL and c.name not in overrides)
        ]
        if fatal:
            names = ", ".join(c.name for c in fatal)
            raise PreflightError(
                "; ".join(f"{c.name}: {c.text}" for c in fatal),
                where="preflight",
                hint=" ".join(dict.fromkeys(c.remedy for c in fatal if c.remedy))
                or f"Put it right, or take it on you with --override {names}.",
            )

    def overridden(self, overrides: Collection[str]) -> tuple[Check, ...]:
        """Return the fails that are flown past because they were named."""
        return tuple(c for c in self.checks if c.status is Status.FAIL and not c.binding and c.name in overrides)
