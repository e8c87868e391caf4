"""Writing the report: the facts through the template into one file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from counts.census import Census
from counts.report import statements, words
from counts.report.facts import Facts, FlownLine, gather, mean_and_spread
from counts.report.map import draw_maps
from counts.report.spread import spreads
from counts.store import EffortEntry, EstimateEntry
from flightplan.plan import SurveyPlan

NAMED_SKIPS = 400
NAMED_GAPS = 40
TOTAL = "total"


@dataclass(frozen=True)
class Headline:
    """One species' answer: the estimate over all strata and its place on a scale from 0, in per cent of the scale."""

    entry: EstimateEntry
    mark: int
    meaning: str
    at: float | None
    low: float | None
    high: float | None
    truth: int | None
    truth_at: float | None
    scale: float


@dataclass(frozen=True)
class StratumEffort:
    """The effort in one stratum, or in all (`name` None)."""

    name: str | None
    planned: int
    flown: int
    length_km: float
    captures: int
    area_searched_m2: float
    area_m2: float

    @property
    def share(self) -> float | None:
        """Searched over whole."""
        return self.area_searched_m2 / self.area_m2 if self.area_m2 else None


def write_report(
    census: Census,
    survey_name: str,
    out_path: Path,
    *,
    truth: Mapping[str, Mapping[str, int]] | None = None,
    sensitive: Collection[str] = (),
    plan: SurveyPlan | None = None,
) -> Path:
    """Write a survey's report as one HTML file that needs nothing else, and return its path.

    `truth` is what a simulator really had: species to stratum to number; "total", or else the sum, is the whole.
    What the survey's `plan` warned of, such as a height forced on a species, is among what to keep in mind. The places
    of species named in `sensitive` are left off the map. The same census and plan give the same bytes.
    """
    with census.reading() as session:
        facts = gather(session, survey_name, census.revision() or "unknown")
    page = _environment().get_template("report.html.j2").render(_context(facts, truth, sensitive, plan))
    unfinished = out_path.with_name(out_path.name + ".part")
    out_path.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(out_path)
    return out_path


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("counts.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        whole=words.whole,
        decimal=words.decimal,
        percent=words.percent,
        square_km=words.square_km,
        listed=words.listed,
        sentence=words.sentence,
    )
    environment.globals.update(plural=words.plural)
    return environment


def _context(
    facts: Facts,
    truth: Mapping[str, Mapping[str, int]] | None,
    sensitive: Collection[str],
    plan: SurveyPlan | None = None,
) -> dict[str, Any]:
    on = facts.footprints.on_effort if facts.strata else slice(None)
    return {
        "facts": facts,
        "headlines": _headlines(facts, truth),
        "species": facts.species,
        "why_no_estimate": statements.why_no_estimate(facts),
        "maps": draw_maps(facts, sensitive=sensitive),
        "by_species": {s: [e for e in facts.estimates if e.species == s] for s in facts.species},
        "truth": truth,
        "truth_of": lambda species, stratum: None if truth is None else _truth(truth, species, stratum),
        "effort": _effort(facts),
        "flown": _flown(facts),
        "hours": _hours(facts),
        "height": mean_and_spread(facts.footprints.altitude_agl_m[on].tolist()),
        "gsd": mean_and_spread(facts.footprints.gsd_cm[on].tolist()),
        "spreads": spreads(facts),
        "methods": statements.methods(facts),
        "caveats": (*statements.caveats(facts), *statements.plan_caveats(facts, plan)),
        "provenance": statements.provenance(facts),
        "skips": facts.skips[:NAMED_SKIPS],
        "skips_left": max(0, len(facts.skips) - NAMED_SKIPS),
    }


def _headlines(facts: Facts, truth: Mapping[str, Mapping[str, int]] | None) -> tuple[Headline, ...]:
    totals = facts.totals()
    marks = {species: number % 6 for number, species in enumerate(facts.species)}
    found = []
    for entry in totals:
        real = None if truth is None else _truth(truth, entry.species, None)
        top = max(v for v in (entry.upper, entry.value, real, 1.0) if v is not None) * 1.08
        found.append(
            Headline(
                entry=entry,
                mark=marks[entry.species],
                meaning=words.meaning(entry),
                at=_share(entry.value, top),
                low=_share(entry.lower, top),
                high=_share(entry.upper, top),
                truth=real,
                truth_at=_share(real, top),
                scale=top,
            )
        )
    return tuple(found)


def _share(value: float | None, top: float) -> float | None:
    return None if value is None else round(min(max(value / top, 0.0), 1.0) * 100, 2)


def _truth(truth: Mapping[str, Mapping[str, int]], species: str, stratum: str | None) -> int | None:
    own = truth.get(species)
    if own is None:
        return None
    if stratum is not None:
        return own.get(stratum)
    return own[TOTAL] if TOTAL in own else sum(own.values())


@dataclass(frozen=True)
class Flown:
    """All transects beside their plan; `lines` are those with gaps, the worst first, as many as a page can hold."""

    planned_km: float
    covered_km: float
    off_line_m: float | None
    worst_off_line_m: float | None
    lines: tuple[FlownLine, ...]
    lines_left: int

    @property
    def share(self) -> float | None:
        """Covered over planned."""
        return self.covered_km / self.planned_km if self.planned_km else None


def _flown(facts: Facts) -> Flown | None:
    lines = facts.flown
    if not lines:
        return None
    off = [(line.off_line_m, line.captures) for line in lines if line.off_line_m is not None]
    pictures = sum(number for _, number in off)
    gaps = sorted((line for line in lines if line.gaps), key=lambda line: line.covered_m - line.planned_m)
    return Flown(
        planned_km=sum(line.planned_m for line in lines) / 1000,
        covered_km=sum(line.covered_m for line in lines) / 1000,
        off_line_m=(sum(metres**2 * number for metres, number in off) / pictures) ** 0.5 if pictures else None,
        worst_off_line_m=max((line.worst_off_line_m or 0.0 for line in lines), default=None) if pictures else None,
        lines=tuple(gaps[:NAMED_GAPS]),
        lines_left=max(0, len(gaps) - NAMED_GAPS),
    )


def _effort(facts: Facts) -> tuple[StratumEffort, ...]:
    if not facts.effort:
        return ()
    own: dict[str, EffortEntry] = {e.transect: e for e in facts.effort}
    rows = []
    for stratum in facts.strata:
        flown = [own[t.identifier] for t in stratum.transects if t.identifier in own]
        searched = [e for e in flown if e.area_searched_m2 > 0]
        rows.append(
            StratumEffort(
                name=stratum.name,
                planned=len(stratum.transects),
                flown=len(searched),
                length_km=sum(e.length_m for e in searched) / 1000,
                captures=sum(e.captures for e in searched),
                area_searched_m2=sum(e.area_searched_m2 for e in searched),
                area_m2=stratum.area_m2,
            )
        )
    total = StratumEffort(
        None,
        sum(r.planned for r in rows),
        sum(r.flown for r in rows),
        sum(r.length_km for r in rows),
        sum(r.captures for r in rows),
        sum(r.area_searched_m2 for r in rows),
        sum(r.area_m2 for r in rows),
    )
    return (*rows, total) if len(rows) > 1 else tuple(rows)


def _hours(facts: Facts) -> float | None:
    spans = [(f.ended_utc - f.started_utc).total_seconds() for f in facts.flights if f.started_utc and f.ended_utc]
    return sum(spans) / 3600 if spans else None
