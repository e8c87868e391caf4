"""The one tree of errors.

OverflyError
├── UnreadableFileError (OSError)      a file that cannot be read as what it claims to be
├── AreaError (ValueError)             a study area that cannot be flown or measured
├── DesignError (ValueError)           a survey design that cannot be drawn
├── CameraError (ValueError)           a camera whose figures do not hold together
├── TerrainError (ValueError)          elevation that is missing where it is needed
├── PlanError (ValueError)             a plan that cannot be made or must not be flown
├── MissionFormatError (ValueError)    a mission file that does not say what to fly
├── VehicleError (OSError)             a vehicle that refused, or answered what it should not
│   ├── VehicleTimeoutError (TimeoutError)   a vehicle that did not answer
│   ├── TransferError                  a mission, fence or rally transfer that did not end as asked
│   └── PreflightError                 something that must be right before take-off and is not
├── CaptureError (ValueError)          an image that cannot be used as a capture
├── DetectorError (ValueError)         a model that is not one, or cannot be used
├── GeoreferenceError (ValueError)     a pixel that cannot be placed on the ground
├── CensusError (ValueError)           a census that cannot be opened, or refuses what is asked
├── ServiceError (OSError)             a service that cannot be reached, or does not let us in
├── EstimateError (ValueError)         an estimate that its data cannot carry
└── WorkspaceError (ValueError)        a workspace that is missing or incomplete

Each says what is wrong, where, and what to do about it. Each also is the built-in error it resembles.
"""

from __future__ import annotations

from dataclasses import dataclass


class OverflyError(Exception):
    """Base of every error overfly raises on purpose.

    Parameters
    ----------
    what
        What is wrong, as a sentence without its full stop.
    where
        The file, feature, image or item concerned.
    hint
        What the reader can do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.hint))


def _rebuild(kind: type[OverflyError], what: str, where: str | None, hint: str | None) -> OverflyError:
    return kind(what, where=where, hint=hint)


class UnreadableFileError(OverflyError, OSError):
    """A file that cannot be read as what it claims to be."""


class AreaError(OverflyError, ValueError):
    """A study area that cannot be flown or measured."""


class DesignError(OverflyError, ValueError):
    """A survey design that cannot be drawn."""


class CameraError(OverflyError, ValueError):
    """A camera whose figures do not hold together."""


class TerrainError(OverflyError, ValueError):
    """Elevation that is missing where it is needed."""


class PlanError(OverflyError, ValueError):
    """A plan that cannot be made or must not be flown."""


class MissionFormatError(OverflyError, ValueError):
    """A mission file that does not say what to fly."""


class VehicleError(OverflyError, OSError):
    """A vehicle that refused, or answered what it should not."""


class VehicleTimeoutError(VehicleError, TimeoutError):
    """A vehicle that did not answer."""


class TransferError(VehicleError):
    """A mission, fence or rally transfer that did not end as asked."""


class PreflightError(VehicleError):
    """Something that must be right before take-off and is not."""


class CaptureError(OverflyError, ValueError):
    """An image that cannot be used as a capture."""


class DetectorError(OverflyError, ValueError):
    """A model that is not one, or cannot be used."""


class GeoreferenceError(OverflyError, ValueError):
    """A pixel that cannot be placed on the ground."""


class CensusError(OverflyError, ValueError):
    """A census that cannot be opened, or refuses what is asked."""


class ServiceError(OverflyError, OSError):
    """A service that cannot be reached, or does not let us in."""


class EstimateError(OverflyError, ValueError):
    """An estimate that its data cannot carry."""


class WorkspaceError(OverflyError, ValueError):
    """A workspace that is missing or incomplete."""


@dataclass(frozen=True)
class Skip:
    """One item among many that could not be used: named, and shown in the result."""

    item: str
    reason: str
