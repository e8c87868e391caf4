"""What a report knows of the seasons before: the same species, over the same ground, in the census' other surveys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from counts.comparison import Comparison, SeasonChange, SeasonTrend, compare_surveys
from counts.protocols import Protocol, read_protocol, same_ground
from counts.schema import EstimateRun, Survey
from counts.store import SurveyInfo

MOST_SEASONS = 30


@dataclass(frozen=True)
class SeasonEstimate:
    """One survey's estimate of one species over all strata; `same_ground` as the survey that is reported."""

    survey: str
    year: float
    value: float
    lower: float | None
    upper: float | None
    same_ground: bool


@dataclass(frozen=True)
class History:
    """The seasons of one area up to the reported survey, in the order they were flown.

    `estimates` are by species. `undated` are counted surveys of the area that no time is known of.
    """

    surveys: tuple[str, ...]
    comparison: Comparison
    estimates: dict[str, tuple[SeasonEstimate, ...]]
    undated: tuple[str, ...]

    @property
    def last(self) -> str:
        """The survey before the reported one."""
        return self.surveys[-2]

    def change_of(self, species: str, stratum: str | None = None) -> SeasonChange | None:
        """The change of a species since the survey before; None where neither has an estimate of it."""
        return next(
            (
                c
                for c in self.comparison.changes
                if (c.species, c.stratum, c.first_survey) == (species, stratum, self.last)
            ),
            None,
        )

    def trend_of(self, species: str) -> SeasonTrend | None:
        """The trend of a species over all seasons; None where there are fewer than three."""
        return next((t for t in self.comparison.trends if (t.species, t.stratum) == (species, None)), None)


def read_history(session: Session, survey: SurveyInfo) -> History | None:
    """Return the seasons of the survey's protected area up to it; None where it is the first that was counted.

    Later ones are left out: a report says the same when it is written again after the next season.
    """
    area = select(Survey.protected_area_id).where(Survey.fid == survey.survey_id).scalar_subquery()
    query = (
        select(Survey.name)
        .where(Survey.protected_area_id == area, Survey.fid.in_(select(EstimateRun.survey_id)))
        .order_by(Survey.fid)
    )
    names = list(session.scalars(query))
    if survey.name not in names or len(names) < 2:
        return None
    protocols = [p for p in (read_protocol(session, name) for name in names) if p.estimates]
    own = next((p for p in protocols if p.survey == survey.name), None)
    if own is None or own.year is None:
        return None
    dated = [p for p in protocols if p.year is not None and (p.year < own.year or p is own)]
    dated.sort(key=lambda p: (p.year or 0.0, p is own))
    dated = dated[-MOST_SEASONS:]
    if len(dated) < 2:
        return None
    compared = compare_surveys(session, [p.survey for p in dated])
    return History(
        surveys=tuple(p.survey for p in dated),
        comparison=compared,
        estimates=_estimates(dated, own),
        undated=tuple(p.survey for p in protocols if p.year is None),
    )


def _estimates(protocols: Sequence[Protocol], own: Protocol) -> dict[str, tuple[SeasonEstimate, ...]]:
    found: dict[str, list[SeasonEstimate]] = {}
    for protocol in protocols:
        alike = same_ground(protocol.ground, own.ground)
        for species in dict.fromkeys(e.species for e in protocol.estimates):
            mine = [e for e in protocol.estimates if e.species == species]
            whole = next((e for e in mine if e.stratum is None), mine[0] if len(mine) == 1 else None)
            if whole is None or whole.value is None or protocol.year is None:
                continue
            found.setdefault(species, []).append(
                SeasonEstimate(protocol.survey, protocol.year, whole.value, whole.lower, whole.upper, alike)
            )
    return {species: tuple(seasons) for species, seasons in found.items()}
