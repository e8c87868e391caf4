"""Surveys of one census side by side: each species' change where it may be told, and what could have been seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sqlalchemy.orm import Session

from counts.protocols import Difference, Protocol, differences, read_protocol, same_ground
from counts.seasons import Change, DetectableChange, Trend, change, detectable_change, trend
from counts.store import EstimateEntry
from flightplan.errors import EstimateError

CONFIDENCE = 0.95
_DETECTOR = ("detector", "threshold", "camera", "pixel on the ground, cm", "height above ground, m")


@dataclass(frozen=True)
class SeasonChange:
    """One species in one stratum, or in all where `stratum` is None, from one survey to another.

    `change` and `detectable` are None where `reason` says why. `shared` are the corrections whose error both numbers
    have in common; it is counted once.
    """

    species: str
    stratum: str | None
    first_survey: str
    second_survey: str
    first: float | None
    second: float | None
    shared: tuple[str, ...] = ()
    shared_cv: float = 0.0
    change: Change | None = None
    detectable: DetectableChange | None = None
    reason: str | None = None
    refused: bool = False


@dataclass(frozen=True)
class SeasonTrend:
    """One species over three surveys or more: growth per year, None where `reason` says why."""

    species: str
    stratum: str | None
    years: tuple[float | None, ...]
    values: tuple[float | None, ...]
    trend: Trend | None = None
    reason: str | None = None
    refused: bool = False


@dataclass(frozen=True)
class PairDifferences:
    """What two surveys did not do alike."""

    first_survey: str
    second_survey: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Comparison:
    """Surveys side by side, each with the next, and the trend of three or more."""

    surveys: tuple[str, ...]
    years: tuple[float | None, ...]
    differences: tuple[PairDifferences, ...]
    changes: tuple[SeasonChange, ...]
    trends: tuple[SeasonTrend, ...]
    notes: tuple[str, ...]


def compare_surveys(session: Session, surveys: Sequence[str], *, anyway: bool = False) -> Comparison:
    """Compare two surveys or more by their newest countings, each with the next in the order given.

    Numbers of different ground are not subtracted unless `anyway`. Raises CensusError for a survey that is not there,
    EstimateError for one named twice, or not counted yet.
    """
    if len(surveys) < 2 or len(set(surveys)) < len(surveys):
        raise EstimateError("a comparison needs two different surveys", where=", ".join(surveys) or None)
    protocols = [read_protocol(session, name) for name in surveys]
    for protocol in protocols:
        if not protocol.estimates:
            raise EstimateError(
                "the survey has no estimates to compare", where=protocol.survey, hint="Run first: overfly count"
            )
    found = [PairDifferences(a.survey, b.survey, differences(a, b)) for a, b in pairwise(protocols)]
    keys = list(dict.fromkeys((e.species, e.stratum) for p in protocols for e in p.estimates))
    changes = [_change(a, b, key, anyway) for a, b in pairwise(protocols) for key in keys]
    trends = [_trend(protocols, key, anyway) for key in keys] if len(protocols) > 2 else []
    return Comparison(
        tuple(surveys),
        tuple(p.year for p in protocols),
        tuple(found),
        tuple(changes),
        tuple(trends),
        _notes(protocols, found, changes, anyway),
    )


def shared_error(first: Protocol, second: Protocol, key: tuple[str, str | None]) -> tuple[tuple[str, ...], float]:
    """Return the corrections whose error two estimates have in common, and its coefficient of variation.

    A correction is shared when both have it with the same factor, variance and source: one measurement used twice. Each
    survey's own sample of checked pictures is a measurement of its own, whatever it is called. The error is that in the
    estimates' own components: Cov(Y₁, Y₂) = √(V₁V₂) of the shared part, so CV² = √(V₁V₂) / (Y₁Y₂).
    """
    ours, theirs = _entry(first, key), _entry(second, key)
    if ours is None or theirs is None or not ours.value or not theirs.value:
        return (), 0.0
    names, squared = [], 0.0
    mine = {c.kind: c for c in first.corrections if c.species == key[0]}
    for other in second.corrections:
        own = mine.get(other.kind)
        if other.species != key[0] or own is None or own.factor is None or own.variance is None:
            continue
        if (own.factor, own.variance, own.source) != (other.factor, other.variance, other.source):
            continue
        measured_apart = first.verified and second.verified and first.verified.isdisjoint(second.verified)
        if other.kind == "detection" and measured_apart:
            continue
        parts = float(ours.components.get(other.kind, 0.0)), float(theirs.components.get(other.kind, 0.0))
        if min(parts) > 0:
            names.append(other.kind)
            squared += math.sqrt(parts[0] * parts[1]) / (ours.value * theirs.value)
    return tuple(names), math.sqrt(squared)


def _change(first: Protocol, second: Protocol, key: tuple[str, str | None], anyway: bool) -> SeasonChange:
    ours, theirs = _entry(first, key), _entry(second, key)
    values = None if ours is None else ours.value, None if theirs is None else theirs.value

    def result(reason: str | None = None, refused: bool = False, **known: object) -> SeasonChange:
        return SeasonChange(
            *key, first.survey, second.survey, *values, reason=reason, refused=refused, **known  # type: ignore[arg-type]
        )  # fmt: skip

    reason = _ground_reason([first, second], key[1])
    if reason is not None and not anyway:
        return result(reason, refused=True)
    reason = _number_reason([first, second], key)
    if reason is not None or ours is None or theirs is None:
        return result(reason)
    names, cv = shared_error(first, second, key)
    numbers = [(e.value or 0.0, (e.se or 0.0) ** 2, _df(e)) for e in (ours, theirs)]
    (y1, v1, df1), (y2, v2, df2) = numbers
    try:
        told = change(y1, v1, y2, v2, shared_cv=cv, first_df=df1, second_df=df2, confidence=CONFIDENCE)
        power = detectable_change(
            math.sqrt(v1) / y1, math.sqrt(v2) / y2, shared_cv=cv, first_df=df1, second_df=df2
        )  # fmt: skip
    except EstimateError as error:
        return result(error.what, shared=names, shared_cv=cv)
    return result(shared=names, shared_cv=cv, change=told, detectable=power)


def _trend(protocols: Sequence[Protocol], key: tuple[str, str | None], anyway: bool) -> SeasonTrend:
    entries = [_entry(p, key) for p in protocols]
    years = tuple(p.year for p in protocols)
    values = tuple(None if e is None else e.value for e in entries)
    reason = _ground_reason(protocols, key[1])
    if reason is not None and not anyway:
        return SeasonTrend(*key, years, values, reason=reason, refused=True)
    reason = _number_reason(protocols, key)
    undated = [p.survey for p in protocols if p.year is None]
    if undated:
        reason = f"when {', '.join(undated)} was flown is not known"
    if reason is not None:
        return SeasonTrend(*key, years, values, reason=reason)
    shared = np.zeros((len(protocols), len(protocols)))
    for i, one in enumerate(protocols):
        for j in range(i):
            shared[i, j] = shared[j, i] = shared_error(one, protocols[j], key)[1]
    variances = [0.0 if e is None or e.se is None else e.se**2 for e in entries]
    try:
        fitted = trend(
            np.array(years, dtype=np.float64), np.array(values, dtype=np.float64), variances, shared_cv=shared
        )
    except EstimateError as error:
        return SeasonTrend(*key, years, values, reason=error.what)
    return SeasonTrend(*key, years, values, fitted)


def _ground_reason(protocols: Sequence[Protocol], stratum: str | None) -> str | None:
    """Why numbers of these surveys are of different ground, None when they are of the same."""
    for one, other in pairwise(protocols):
        ground = [p.ground if stratum is None else p.strata.get(stratum) for p in (one, other)]
        if not same_ground(ground[0], ground[1]):
            if all(g is not None for g in ground):
                what = "the areas" if stratum is None else f"the strata {stratum}"
                return f"{what} of {one.survey} and {other.survey} are not the same ground"
            what = "area that is known" if stratum is None else f"stratum {stratum}"
            return f"{one.survey} and {other.survey} do not both have a{'n' * (stratum is None)} {what}"
    return None


def _number_reason(protocols: Sequence[Protocol], key: tuple[str, str | None]) -> str | None:
    """Why numbers cannot be compared, though the ground is the same."""
    for protocol in protocols:
        entry = _entry(protocol, key)
        if entry is None:
            return f"{protocol.survey} has no estimate of it"
        if entry.value is None:
            return f"{protocol.survey}: {entry.limits_reason or 'no estimate'}"
        if not entry.value > 0:
            return f"{protocol.survey}: none seen, so there is no error to compare by"
        if entry.se is None or not entry.se > 0:
            return f"{protocol.survey}: {entry.limits_reason or 'its error is not known'}"
    return None


def _entry(protocol: Protocol, key: tuple[str, str | None]) -> EstimateEntry | None:
    return next((e for e in protocol.estimates if (e.species, e.stratum) == key), None)


def _df(entry: EstimateEntry) -> float:
    return math.inf if entry.df is None else entry.df


def _notes(
    protocols: Sequence[Protocol], found: Sequence[PairDifferences], changes: Sequence[SeasonChange], anyway: bool
) -> tuple[str, ...]:
    notes = []
    for (one, other), pair in zip(pairwise(protocols), found, strict=True):
        between = f"{one.survey} and {other.survey}"
        if anyway and any(d.area for d in pair.differences):
            notes.append(f"{between} are of different ground: the change is not one in animals alone")
        seen_otherwise = [d.what for d in pair.differences if d.what in _DETECTOR]
        corrected = [{c.species for c in p.corrections if c.kind == "detection" and c.factor} for p in (one, other)]
        bare = sorted({e.species for p in (one, other) for e in p.estimates} - (corrected[0] & corrected[1]))
        if seen_otherwise and bare:
            notes.append(
                f"{between} differ in {', '.join(seen_otherwise)}, and {', '.join(bare)} was not corrected for what "
                "was missed in both: a change in what is seen looks like one in animals"
            )
    notes += [
        f"the {kind} correction is one measurement used in several surveys: its error is counted once"
        for kind in dict.fromkeys(k for c in changes for k in c.shared)
    ]
    return tuple(notes)
