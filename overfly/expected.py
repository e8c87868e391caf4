"""The animals that a survey expects, from a few numbers, from a table, or from what an earlier survey found."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from counts.census import Census
from counts.herds import herds_of
from counts.store import EstimateEntry, find_survey, latest_survey, read_verification
from counts.store.identity import read_individuals
from counts.store.results import latest_estimate_run, read_estimates
from flightplan.areas import StudyArea
from flightplan.design import SYSTEMATIC, SurveyDesign
from flightplan.errors import CensusError, DesignError, UnreadableFileError
from sim.virtual.populations import Ground
from sim.virtual.precision import Foresight
from sim.virtual.recipe import Inhabitants, WorldRecipe
from sim.virtual.world_file import world_of

COLUMNS = (
    "species",
    "stratum",
    "number",
    "herd_mean",
    "herd_shape",
    "cluster_herds",
    "cluster_radius_m",
    "recall",
    "precision",
)
FEWEST_HERDS = 5
CLUSTERS = (1.0, 2.0, 4.0, 8.0, 16.0)
FIT_WORLDS = 300
_MOST_BYTES = 1024 * 1024
_LARGEST_SHAPE = 100.0


@dataclass(frozen=True)
class Expected:
    """The world to expect, and where each of its figures comes from."""

    world: WorldRecipe
    notes: tuple[str, ...]


def expected_numbers(texts: Sequence[str], area: StudyArea) -> Expected:
    """Read `SPECIES=NUMBER` or `SPECIES=NUMBER,HERD` (animals in the area, and in a herd on average), or one CSV file.

    A table has a row for each species, or for each in each stratum, with some of `COLUMNS`. Raises DesignError or
    UnreadableFileError for what says neither.
    """
    if len(texts) == 1 and "=" not in texts[0]:
        return _from_table(Path(texts[0]), area)
    species: dict[str, dict[str, object]] = {}
    km2 = area.area_m2 / 1e6
    for text in texts:
        name, _, values = text.partition("=")
        numbers = values.split(",")
        try:
            if not name.strip() or len(numbers) > 2:
                raise ValueError
            found = [float(n) for n in numbers]
        except ValueError:
            raise DesignError(
                f"{text!r} is not SPECIES=NUMBER or SPECIES=NUMBER,HERD", hint="As in: --expect zebra=600,5"
            ) from None
        species[name.strip()] = {
            "density_per_km2": found[0] / km2,
            **dict(zip(("herd_mean",), found[1:], strict=False)),
        }
    return Expected(world_of({"species": species}, "--expect"), (_assumed(species),))


def expected_from_census(
    census: Census, area: StudyArea, *, survey: str | None = None, species: Sequence[str] = ()
) -> Expected:
    """Take the numbers, herds, detector and clumping that an earlier survey found.

    Numbers are its estimates by stratum; herd sizes those of its individuals that stood together; recall and precision
    those of the frames that were checked. Herds are taken to lie in clusters where its lines differed more than
    independent herds would make them. Raises CensusError where nothing was estimated yet.
    """
    with census.reading() as session:
        info = find_survey(session, survey) if survey else latest_survey(session)
        run = latest_estimate_run(session, info.survey_id)
        if run is None or run.identity_run_id is None:
            raise CensusError(
                f"nothing was estimated for the survey {info.name!r} yet",
                where=census.where,
                hint="Run first: overfly count",
            )
        estimates = read_estimates(session, run.estimate_run_id)
        herds = _herd_sizes(session, run.identity_run_id, area)
        quality = _quality(session, run.identity_run_id)
    names = [n for n in dict.fromkeys(e.species for e in estimates) if not species or n in species]
    kinds, notes = [], [f"animals as the survey {info.name} found them"]
    for name in names:
        kind = _found(name, estimates, area)
        if kind is None:
            notes.append(f"{name}: none was found, so nothing is expected of it")
            continue
        if name in herds:
            kind = replace(kind, herd_mean=herds[name][0], herd_shape=herds[name][1])
        if name in quality:
            kind = replace(kind, recall=quality[name][0], precision=quality[name][1])
        notes.append(
            f"{name}: herds of {kind.herd_mean:.1f}"
            + ("" if name in herds else " (assumed: fewer than five were seen)")
            + f", recall {kind.recall:.2f}, precision {kind.precision:.2f}"
            + ("" if name in quality else " (assumed: no frames were checked)")
        )
        kinds.append(kind)
    if not kinds:
        raise CensusError("no species was found, so nothing can be expected", where=census.where)
    fitted, more = _clumped(WorldRecipe(tuple(kinds)), area, estimates, info.strip_width_m, info.heading_deg)
    return Expected(fitted, (*notes, *more))


def _found(name: str, estimates: Sequence[EstimateEntry], area: StudyArea) -> Inhabitants | None:
    """A species at the density that was estimated in each stratum; where strata have other names, at that of all."""
    mine = {e.stratum: e for e in estimates if e.species == name and e.value is not None}
    strata = [s.name for s in area.strata]
    whole = mine.get(None)
    density = {
        s: (mine[s].value or 0.0) / (mine[s].area_m2 or math.inf) * 1e6 for s in strata if s in mine and mine[s].area_m2
    }
    if set(density) != set(strata):
        if whole is None or not whole.area_m2:
            return None
        density = {"": (whole.value or 0.0) / whole.area_m2 * 1e6}
    return Inhabitants(name, density) if sum(density.values()) > 0 else None


def _herd_sizes(session: Session, identity_run_id: int, area: StudyArea) -> dict[str, tuple[float, float]]:
    """Mean and shape of herds, by species, by moments; strips cut some herds, which makes them a little small."""
    table = read_individuals(session, identity_run_id)
    herds = table.herd
    if len(herds) and (herds < 0).all():
        # Counted before herds were written down.
        line = {name: i for i, name in enumerate(dict.fromkeys(n for n in table.transect if n is not None))}
        unit = np.array([-1 if n is None else line[n] for n in table.transect], dtype=np.int64)
        herds = herds_of(area.frame.to_local(table.lonlat), table.species, unit)
    found = {}
    for name in np.unique(table.species).tolist():
        herd = herds[(table.species == name) & (herds >= 0)]
        sizes = np.unique(herd, return_counts=True)[1].astype(np.float64)
        if len(sizes) >= FEWEST_HERDS:
            more, spread = float(sizes.mean()) - 1, float(sizes.var(ddof=1))
            shape = more**2 / (spread - more) if spread > more > 0 else _LARGEST_SHAPE
            found[str(name)] = 1 + more, float(np.clip(shape, 0.05, _LARGEST_SHAPE))
    return found


def _quality(session: Session, identity_run_id: int) -> dict[str, tuple[float, float]]:
    """Recall and precision of the count in the frames that were checked, frames of each kind weighing the same."""
    found: dict[str, tuple[float, float, float]] = {}
    for entry in read_verification(session, identity_run_id):
        right, shown, counted = found.get(entry.species, (0.0, 0.0, 0.0))
        right += min(entry.true_count, entry.census_count)
        found[entry.species] = right, shown + entry.true_count, counted + entry.census_count
    return {
        name: (float(np.clip(r / s, 0.05, 1.0)), float(np.clip(r / c, 0.05, 1.0)))
        for name, (r, s, c) in found.items()
        if s > 0 and c > 0 and r > 0
    }


def _clumped(
    world: WorldRecipe,
    area: StudyArea,
    estimates: Sequence[EstimateEntry],
    strip_width_m: float | None,
    heading_deg: float | None,
) -> tuple[WorldRecipe, list[str]]:
    """Put herds into clusters of as many as make lines differ as they did."""
    whole = {e.species: e for e in estimates if e.stratum is None and e.value}
    share = next(((e.area_searched_m2 or 0.0) / (e.area_m2 or math.inf) for e in whole.values()), 0.0)
    if strip_width_m is None or not 0 < share < 1:
        return world, ["clusters of herds: not known, for the survey has no strips"]
    design = SurveyDesign(SYSTEMATIC, 1, heading_deg or 0.0, strip_width_m / share, strip_width_m)
    ground, fitted, notes = Ground.of(area), [], []
    for kind in world.species:
        measured = _sampling_cv(whole.get(kind.name))
        if measured is None:
            fitted.append(kind)
            continue
        tried = {}
        for herds in CLUSTERS:
            one = replace(world, species=(replace(kind, cluster_herds=herds),))
            told = Foresight(
                ground,
                one,
                heading_deg=design.heading_deg,
                strip_width_m=strip_width_m,
                trigger_m=strip_width_m,
                front_overlap=0.0,
                worlds=FIT_WORLDS,
            ).of(design)[kind.name]
            tried[herds] = told.sampling
            if told.sampling >= measured:
                break
        # A spread of so many lines is itself uncertain: a little more than herds make is no sign of clusters.
        chance = 1 + 1 / math.sqrt(2 * max(whole[kind.name].df or 1.0, 1.0))
        apart = measured > tried[1.0] * chance
        herds = min(tried, key=lambda h: abs(math.log(tried[h] / measured))) if apart else 1.0
        fitted.append(replace(kind, cluster_herds=herds))
        notes.append(
            f"{kind.name}: its lines differed by a CV of {measured:.0%}, where herds that lie independently would make"
            f" {tried[1.0]:.0%}: "
            + ("taken as independent" if herds == 1 else f"taken to lie {herds:.0f} by {herds:.0f}")
        )
    return replace(world, species=tuple(fitted)), notes


def _sampling_cv(entry: EstimateEntry | None) -> float | None:
    if entry is None or not entry.value or not entry.components.get("sampling", 0.0) > 0:
        return None
    return math.sqrt(entry.components["sampling"]) / entry.value


def _from_table(path: Path, area: StudyArea) -> Expected:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UnreadableFileError("is too large for a table of animals", where=str(path))
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True))
    except UnreadableFileError:
        raise
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(
            f"cannot be read ({error})", where=str(path), hint="Say SPECIES=NUMBER, or name a .csv file"
        ) from error
    header = list(rows[0]) if rows else []
    unknown = [str(h) for h in header if h not in COLUMNS]
    if unknown or not {"species", "number"} <= set(header):
        what = (
            f"has columns that are not known: {', '.join(unknown)}" if unknown else "needs the columns species, number"
        )
        raise UnreadableFileError(what, where=str(path), hint=f"Known are: {', '.join(COLUMNS)}")
    km2 = {s.name: float(p.area) / 1e6 for s, p in zip(area.strata, area.local_strata, strict=True)}
    species: dict[str, dict[str, object]] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        name, stratum = (row["species"] or "").strip(), (row.get("stratum") or "").strip()
        if not name or (stratum and stratum not in km2):
            what = f"names the stratum {stratum!r}, which the area has not" if name else "names no species"
            raise UnreadableFileError(what, where=where)
        kind = species.setdefault(name, {})
        values = {
            k: _number(v, k, where) for k, v in row.items() if k not in ("species", "stratum") and (v or "").strip()
        }
        density = values.pop("number", 0.0) / (km2[stratum] if stratum else sum(km2.values()))
        of = kind.setdefault("density_per_km2", {})
        assert isinstance(of, dict)
        of[stratum] = density
        kind.update(values)
    for kind in species.values():
        of = kind["density_per_km2"]
        assert isinstance(of, dict)
        kind["density_per_km2"] = of[""] if set(of) == {""} else {s: of.get(s, of.get("", 0.0)) for s in km2}
    return Expected(world_of({"species": species}, str(path)), (_assumed(species),))


def _number(text: str | None, column: str, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UnreadableFileError(f"{column} is {text!r}, not a number from 0", where=where)
    return value


def _assumed(species: Mapping[str, Mapping[str, object]]) -> str:
    """Which figures nobody said, and what is taken for them."""
    plain = Inhabitants("", {})
    said = [set(values) for values in species.values()]
    wanted = {
        "herd_mean": f"herds of {plain.herd_mean:g}",
        "cluster_herds": "herds that lie independently of each other",
        "recall": f"recall {plain.recall:g}",
        "precision": f"precision {plain.precision:g}",
    }
    missing = [text for key, text in wanted.items() if not all(key in keys for keys in said)]
    return f"assumed where not said: {', '.join(missing)}" if missing else "as said"
