"""Precision before flying: what each effort would tell of the animals expected, what it takes to fly, which to choose.

The errors come from `sim.virtual.precision`, the change that could be seen from `counts.seasons`, flights and batteries
from the planner itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from counts.estimators import satterthwaite
from counts.report.caveats import FEW_TRANSECTS
from counts.seasons import detectable_change
from flightplan.allocation import FEWEST_LINES, NEYMAN, EarlierStratum
from flightplan.areas import StudyArea
from flightplan.design import SYSTEMATIC, SurveyDesign, resolve_design
from flightplan.errors import DesignError, PlanError, Skip
from flightplan.fleet import SWAP_S
from flightplan.planning import plan_survey
from flightplan.request import DesignRequest, PlanRequest
from sim.virtual.populations import Ground
from sim.virtual.precision import WORLDS, Foresight, Precision
from sim.virtual.recipe import WorldRecipe

ENOUGH_LINES = FEW_TRANSECTS
FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
ASSUMED_TRIGGER_SHARE = 0.6
"""Of the strip's width: how far apart frames are where no camera was said."""

_WORTH_IT = 0.98
"""Another allocation is taken where it makes the CV smaller by a fiftieth at least."""


@dataclass(frozen=True)
class Flights:
    """What an effort takes to fly: one battery a sortie, hours in the air, and days of so many hours of light."""

    sorties: int
    hours: float
    days: int


@dataclass(frozen=True)
class Told:
    """One species at one effort: its precision, and the decline and growth that two such surveys would show.

    Each with a power of 80 % at 5 %, two-sided; None where lines are too few to say.
    """

    precision: Precision
    degrees_of_freedom: float
    decline: float | None
    growth: float | None


@dataclass(frozen=True)
class EffortRow:
    """One effort: so many times that asked for, its design, what it flies on average, would tell, and takes.

    `other_cv` is that of the allocation that was not taken, `cv` of this one: the root of the mean of the squares over
    species. `flights` is None where no drone was said or none can fly it, and `reason` says which.
    """

    factor: float
    design: SurveyDesign
    allocation: str
    length_km: float
    lines: Mapping[str, float]
    shares: Mapping[str, float]
    share: float
    frames: float
    species: Mapping[str, Told]
    cv: float
    other_cv: float | None
    flights: Flights | None
    reason: str | None = None

    @property
    def few_lines(self) -> tuple[str, ...]:
        """The strata whose limits will not hold as often as they say."""
        return tuple(name for name, number in self.lines.items() if number < ENOUGH_LINES - 0.5)


@dataclass(frozen=True)
class Budget:
    """What there is to fly with: days of so many hours, drones at once, batteries charged in all; None is no limit."""

    days: int | None = None
    batteries: int | None = None
    hours_a_day: float = 4.0
    drones: int = 1

    def allows(self, flights: Flights | None) -> bool:
        """Whether an effort is within it."""
        if flights is None:
            return self.days is None and self.batteries is None
        return (self.days is None or flights.days <= self.days) and (
            self.batteries is None or flights.sorties <= self.batteries
        )

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self.days is not None or self.batteries is not None


@dataclass(frozen=True)
class PrecisionTable:
    """Efforts in rising order; `chosen` is the row to take, or None with the `reason` why not."""

    area: StudyArea
    rows: tuple[EffortRow, ...]
    worlds: int
    chosen: int | None
    reason: str
    skips: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = field(default=())


def precision_table(
    area: StudyArea,
    recipe: WorldRecipe,
    asked: DesignRequest,
    *,
    strip_width_m: float,
    trigger_m: float | None = None,
    front_overlap: float = 0.2,
    flown: PlanRequest | None = None,
    budget: Budget | None = None,
    target_cv: float | None = None,
    factors: Sequence[float] = FACTORS,
    worlds: int = WORLDS,
) -> PrecisionTable:
    """Tell what multiples of the effort asked for would find of the animals of a world.

    `flown` says camera, height and drone, to plan each effort's flights with. With a `target_cv` the least effort that
    reaches it for every species is chosen, else the most that the budget allows. Raises DesignError for a design whose
    precision is not told, and where no effort can be flown.
    """
    budget = budget or Budget()
    base = resolve_design(area, asked, strip_width_m=strip_width_m)
    foresight = Foresight(
        Ground.of(area),
        recipe,
        heading_deg=base.heading_deg,
        strip_width_m=strip_width_m,
        trigger_m=trigger_m or ASSUMED_TRIGGER_SHARE * strip_width_m,
        front_overlap=front_overlap,
        worlds=worlds,
        seed=asked.seed,
    )
    earlier = _earlier(foresight, base)
    rows: list[EffortRow] = []
    skips: list[Skip] = []
    for factor in factors:
        try:
            row = _row(foresight, area, factor, _scaled(base, factor, area), earlier)
        except DesignError as error:
            skips.append(Skip(f"{factor:g} times the effort", str(error)))
            continue
        rows.append(_with_flights(row, area, flown, budget))
    if not rows:
        raise DesignError("none of the efforts can be flown", where=area.name, hint=skips[0].reason if skips else None)
    chosen, reason = _choose(rows, budget, target_cv)
    return PrecisionTable(area, tuple(rows), foresight.worlds, chosen, reason, tuple(skips))


def _scaled(base: SurveyDesign, factor: float, area: StudyArea) -> SurveyDesign:
    """The same design with so many times the length of line."""
    own = tuple((s.name, base.spacing_in(s.name) / factor) for s in area.strata)
    if min(spacing for _, spacing in own) < base.strip_width_m:
        raise DesignError("strips would overlap")
    return replace(base, spacing_m=base.spacing_m / factor, stratum_spacing_m=own)


def _earlier(foresight: Foresight, design: SurveyDesign) -> dict[str, EarlierStratum]:
    """What an earlier survey would have told of each stratum: variances relative to the totals, over all species."""
    found, effort = foresight.of(design), foresight.effort(design)
    return {
        name: EarlierStratum(
            variance=sum(p.stratum_variances[name] / p.number**2 for p in found.values()),
            lines=max(FEWEST_LINES, round(effort.lines[name])),
            sampled_share=min(effort.shares[name], 0.99),
        )
        for name in effort.lines
    }


def _row(
    foresight: Foresight,
    area: StudyArea,
    factor: float,
    design: SurveyDesign,
    earlier: Mapping[str, EarlierStratum],
) -> EffortRow:
    plain = foresight.of(design)
    best, allocation, cv, other = design, "as asked", _together(plain), None
    if len(area.strata) > 1 and design.kind == SYSTEMATIC:
        shared = _shared(area, design, earlier)
        if shared is not None:
            other = _together(foresight.of(shared))
            if other < cv * _WORTH_IT:
                best, allocation, cv, other = shared, NEYMAN, other, cv
    found, effort = foresight.of(best), foresight.effort(best)
    length_m = sum(effort.shares[s.name] * p.area for s, p in zip(area.strata, area.local_strata, strict=True))
    return EffortRow(
        factor=factor,
        design=best,
        allocation=allocation,
        length_km=length_m / design.strip_width_m / 1000,
        lines=effort.lines,
        shares=effort.shares,
        share=length_m / area.area_m2,
        frames=effort.frames,
        species={name: _told(one, effort.lines) for name, one in found.items()},
        cv=cv,
        other_cv=other,
        flights=None,
    )


def _shared(area: StudyArea, design: SurveyDesign, earlier: Mapping[str, EarlierStratum]) -> SurveyDesign | None:
    """As much line as a design has, shared out by Neyman's rule; None where that cannot be."""
    length_m = sum(p.area / design.spacing_in(s.name) for s, p in zip(area.strata, area.local_strata, strict=True))
    try:
        return resolve_design(
            area,
            DesignRequest(
                kind=design.kind,
                total_length_m=length_m,
                allocation=NEYMAN,
                earlier=earlier,
                heading_deg=design.heading_deg,
                seed=design.seed,
            ),
            strip_width_m=design.strip_width_m,
        )
    except DesignError:
        return None


def _told(found: Precision, lines: Mapping[str, float]) -> Told:
    variances = list(found.stratum_variances.values())
    freedom = satterthwaite(variances, [max(n - 1.0, 1.0) for n in lines.values()])
    decline = growth = None
    if found.cv > 0 and math.isfinite(found.cv):
        seen = detectable_change(found.cv, found.cv, first_df=freedom, second_df=freedom)
        decline, growth = seen.decline, seen.growth
    return Told(found, freedom, decline, growth)


def _together(found: Mapping[str, Precision]) -> float:
    return math.sqrt(sum(p.cv**2 for p in found.values()) / len(found))


def _with_flights(row: EffortRow, area: StudyArea, flown: PlanRequest | None, budget: Budget) -> EffortRow:
    if flown is None:
        return replace(row, reason="no drone and camera were said")
    try:
        plan = plan_survey(
            area,
            replace(
                flown,
                kind=row.design.kind,
                heading_deg=row.design.heading_deg,
                stratum_spacing_m={s.name: row.design.spacing_in(s.name) for s in area.strata},
                seed=row.design.seed,
            ),
        )
    except (PlanError, DesignError) as error:
        return replace(row, reason=f"cannot be flown: {error}")
    hours = plan.duration_s / 3600
    busy_s = plan.duration_s + SWAP_S * max(len(plan.sorties) - budget.drones, 0)
    days = max(1, math.ceil(busy_s / 3600 / budget.drones / budget.hours_a_day - 1e-9))
    return replace(row, flights=Flights(len(plan.sorties), hours, days))


def _choose(rows: Sequence[EffortRow], budget: Budget, target_cv: float | None) -> tuple[int | None, str]:
    allowed = [i for i, row in enumerate(rows) if budget.allows(row.flights)]
    if not allowed:
        return None, "none of these efforts is within the budget"
    if target_cv is not None:
        reached = [i for i in allowed if all(told.precision.cv <= target_cv for told in rows[i].species.values())]
        if not reached:
            return None, f"no effort within the budget reaches a CV of {target_cv:.0%} for every species"
        return reached[0], f"the least effort with a CV of {target_cv:.0%} or better for every species"
    if budget.limited:
        return allowed[-1], "the most effort that is within the budget"
    return min(allowed, key=lambda i: abs(math.log(rows[i].factor))), "the effort asked for"
