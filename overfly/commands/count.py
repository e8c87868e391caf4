"""`overfly count`."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from counts.availability import read_availability
from counts.census import Census
from counts.estimators import EncounterVariance, LimitForm
from counts.marks import NAME as MARKS
from counts.masks import NO_HABITAT, NOT_SEEN, read_masks_file
from counts.population import Estimation, SampleEstimator
from counts.report.caveats import FEW_TRANSECTS
from counts.store import add_masks, find_survey, latest_survey, read_area
from detect.sources import location
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import CensusError, UnreadableFileError
from flightplan.terrain import Terrain
from overfly.chain import Counted, FrameToCheck, Verifier, count_survey
from overfly.chain.counting import VERIFY_POSITIVE, VERIFY_ZERO
from overfly.chain.recall import CHECKED, OVERLAP
from overfly.commands.places import census_argument, find_places, survey_option, workspace_option

MOST_GAPS = 5
MOST_OFF = 0.05
"""A count that may well be further off than this by who is who alone is said to be."""
AUTO = "auto"
PART = "part"


@click.command("count", cls=OverflyCommand)
@census_argument
@survey_option
@click.option("--species", multiple=True, metavar="LABEL", help="Count only these labels; may be given several times.")
@click.option(
    "--draw",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="Write down the random sample of frames that a person should check.",
)
@click.option(
    "--verified",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="That file with the counts filled in: corrects for what the detector missed and made up.",
)
@click.option("--who", default="", metavar="NAME", help="Who checked the frames; goes into the census and the report.")
@click.option(
    "--sample",
    nargs=2,
    type=click.IntRange(min=0),
    default=(VERIFY_POSITIVE, VERIFY_ZERO),
    show_default=True,
    metavar="WITH WITHOUT",
    help="Frames to check: so many with detections, so many without.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the sample.")
@click.option(
    "--simulate-movement",
    "worlds",
    type=click.IntRange(min=0, max=1000),
    metavar="WORLDS",
    help="Simulate the survey so many times over animals that walk, and say what walking does to the count. "
    "Without it: a few times in full coverage that has not too many sightings.",
)
@click.option(
    "--estimator",
    type=click.Choice([kind.value for kind in SampleEstimator]),
    help="From transects to the stratum; by default Jolly 2, in full coverage the total count. "
    "density-surface: a smooth surface over each stratum (extra density).",
)
@click.option(
    "--spread",
    type=click.Choice([AUTO, *(kind.value for kind in EncounterVariance)]),
    help="The variance between systematic lines (Fewster et al. 2009), instead of a random sample's; "
    f"{AUTO}: that of neighbouring lines where density has an evident trend across them.",
)
@click.option(
    "--limits", type=click.Choice([LimitForm.LOGNORMAL.value, LimitForm.T.value]), help="Log-normal by default."
)
@click.option("--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True)
@click.option(
    "--availability",
    "availability_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.toml",
    help="The share of animals that can be seen at all, by species, stratum and hour.",
)
@click.option(
    "--marks",
    "by_marks",
    is_flag=True,
    help="Divide by the share of collared animals in the pictures that were found: detection and availability in one.",
)
@click.option(
    "--terrain",
    "terrain_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="DEM",
    help="The elevation model that the pictures were brought in with.",
)
@click.option(
    "--not-habitat",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Polygons without animals of this survey, such as lakes: out of the stratum and the area searched.",
)
@click.option(
    "--not-seen",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Polygons that nobody could see, such as cloud: out of the area searched. Masks stay with the survey.",
)
@workspace_option
@json_option
def count_command(
    census: str | None,
    survey: str | None,
    species: tuple[str, ...],
    draw: Path | None,
    verified: Path | None,
    who: str,
    sample: tuple[int, int],
    seed: int,
    worlds: int | None,
    estimator: str | None,
    spread: str | None,
    limits: str | None,
    confidence: float,
    availability_path: Path | None,
    by_marks: bool,
    terrain_file: Path | None,
    not_habitat: tuple[Path, ...],
    not_seen: tuple[Path, ...],
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Count each animal once, and estimate how many there are, per stratum and in all, with 95 % limits.

    Without a checked sample the estimate is of what the detector sees: draw one (--draw), count the animals in the
    outlined part of each frame, and count again with --verified.

    Orthomosaics are counted whole: each place once, on what they show of the area, with parts of them as the frames.

    \b
    Examples:
      overfly count
      overfly count --draw check.csv
      overfly count --verified check.csv --who "A. Ranger"
      overfly count --not-habitat lakes.gpkg --availability dives.toml
      overfly count --simulate-movement 20
    """  # noqa: D301 (click's own mark)
    if draw is not None and verified is not None:
        raise click.UsageError("--draw writes the sample, --verified reads it: use one at a time.")
    if verified is not None and not who:
        raise click.UsageError("--verified needs --who: the name of the person who checked the frames.")
    places = find_places(census, workspace_folder, survey)
    drawn: list[FrameToCheck] = []
    verifier: Verifier | None = None
    if verified is not None:
        verifier = _answers(verified)
    elif draw is not None:
        verifier = _note_into(drawn)
    how = None
    if estimator or spread or limits or confidence != Estimation().confidence:
        how = Estimation(
            estimator=SampleEstimator(estimator) if estimator else None,
            spread=EncounterVariance(spread) if spread and spread != AUTO else None,
            follow_trend=spread == AUTO,
            form=LimitForm(limits) if limits else Estimation().form,
            confidence=confidence,
            seed=seed,
        )
    availability = read_availability(availability_path) if availability_path else None
    with Census.open(places.census, create=False) as opened:
        if not_habitat or not_seen:
            _mask(opened, places.survey, not_habitat, not_seen)
        counted = count_survey(
            opened,
            survey=places.survey,
            species=species or None,
            verifier=verifier,
            who=who,
            verify_positive=sample[0],
            verify_zero=sample[1],
            seed=seed,
            how=how,
            availability=availability,
            terrain=None if terrain_file is None else Terrain.from_file(terrain_file),
            worlds=worlds,
            by_marks=by_marks,
        )
    if draw is not None:
        _write_sample(draw, drawn, sorted({c.species for c in counted.estimates}))
    document = {"census": places.shown, **_document(counted)}
    if draw is not None:
        document["drawn"] = str(draw)
    for warning in document["warnings"]:
        say(f"Warning: {warning}")
    finish(document, as_json=as_json, text=_text(counted, draw))


def _mask(census: Census, survey: str | None, not_habitat: Sequence[Path], not_seen: Sequence[Path]) -> None:
    """Keep the masks with the survey; those that it has already are not kept twice."""
    with census.reading() as session:
        info = find_survey(session, survey) if survey else latest_survey(session)
        area = read_area(session, info.survey_id)
    if area is None:
        raise CensusError(
            f"the survey {info.name!r} has no area to mask", where=census.where, hint="Bring it in with its plan."
        )
    files = [(path, NO_HABITAT) for path in not_habitat] + [(path, NOT_SEEN) for path in not_seen]
    masks = [mask for path, kind in files for mask in read_masks_file(path, kind, area)]
    with census.writing() as session:
        add_masks(session, info.survey_id, masks)


def _note_into(frames: list[FrameToCheck]) -> Verifier:
    def note(asked: Sequence[FrameToCheck]) -> Mapping[int, Mapping[str, int]]:
        frames.extend(asked)
        return {}

    return note


def _write_sample(path: Path, frames: Sequence[FrameToCheck], species: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        # Of a mosaic each part is a frame, told from the others by its number.
        parts = any(frame.part for frame in frames)
        writer.writerow(["picture", "content_hash", *([PART] if parts else []), "zone_px", *species])
        for frame in frames:
            zone = frame.zone_px.simplify(1.0).wkt
            number = [frame.part] if parts else []
            writer.writerow([location(frame.path), frame.content_hash, *number, zone, *([""] * len(species))])


def _answers(path: Path) -> Verifier:
    """Read a filled-in sample; rows whose counts are all empty were not looked at."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"the checked sample cannot be read ({error})", where=str(path)) from error
    fixed = ("picture", "content_hash", PART, "zone_px")
    known: dict[tuple[str, int], dict[str, int]] = {}
    for number, row in enumerate(rows, start=2):
        if not row.get("content_hash"):
            raise UnreadableFileError(
                "there is no content_hash", where=f"{path}, line {number}", hint="Fill in the file that --draw wrote."
            )
        given = {k: v.strip() for k, v in row.items() if k and k not in fixed and v and v.strip()}
        try:
            if given:
                known[row["content_hash"], int(row.get(PART) or 0)] = {k: int(v) for k, v in given.items()}
        except ValueError as error:
            what = f"a count, or the number of a part, is not a whole number ({error})"
            raise CensusError(what, where=f"{path}, line {number}") from error

    def answer(frames: Sequence[FrameToCheck]) -> Mapping[int, Mapping[str, int]]:
        return {f.capture_id: known[f.content_hash, f.part] for f in frames if (f.content_hash, f.part) in known}

    return answer


def _document(counted: Counted) -> dict[str, Any]:
    document = asdict(counted)
    document["estimates"] = [asdict(e) for e in counted.estimates]
    document["area_searched_km2"] = document.pop("area_searched_m2") / 1e6
    shown = counted.mosaics
    document["warnings"] = few_lines(counted) if shown is None else [*counted.effort_notes, *shown["notes"]]
    return document


def few_lines(counted: Counted) -> list[str]:
    """What to say of strata with so few lines that their limits are wide and may not hold."""
    lines = {e.stratum: e.units for e in counted.estimates if e.stratum is not None and e.lower is not None}
    return [
        f"{stratum} has {number} lines: of fewer than {FEW_TRANSECTS}, limits are wide, and for herds in clusters hold"
        " less often than they say (docs/simulate.md)"
        for stratum, number in lines.items()
        if number < FEW_TRANSECTS
    ]


def _searched(counted: Counted) -> str:
    shown = counted.mosaics
    if shown is None:
        return (
            f"{counted.captures} pictures, {counted.on_effort} on effort; {counted.detections} detections, "
            f"{counted.individuals} animals counted once each, {counted.area_searched_m2 / 1e6:.2f} km² searched"
        )
    of_area = f", {counted.area_searched_m2 / shown['area_m2']:.1%} of the area" if shown["area_m2"] else ""
    return (
        f"orthomosaics: {len(shown['mosaics'])}, {counted.on_effort} on effort; {counted.detections} detections, "
        f"{counted.individuals} animals counted where they lie, {counted.area_searched_m2:.0f} m² shown{of_area}; "
        f"{shown['parts']} parts of {shown['part_side_m']:g} m to check at random"
    )


def _text(counted: Counted, draw: Path | None) -> str:
    lines = [_searched(counted)]
    lines += [f"  {number} off effort: {reason}" for reason, number in counted.off_effort.items()]
    lines += _flown(counted)
    if counted.not_looked_at:
        lines.append(
            f"Not complete: {counted.not_looked_at} pictures are not looked at yet, and not in the area searched; "
            "go on with: overfly detect"
        )
    for e in counted.estimates:
        where = e.stratum or "total"
        if e.value is None:
            lines.append(f"{e.species:<12} {where:<14} no estimate: {e.limits_reason}")
            continue
        limits = (
            f"no limits: {e.limits_reason}"
            if e.lower is None or e.upper is None
            else f"{e.confidence * 100:g} % limits {e.lower:.0f} to {e.upper:.0f}, CV {e.cv or 0:.0%}"
        )
        lines.append(f"{e.species:<12} {where:<14} {e.value:>8.0f}   {limits}")
    lines += [
        f"{c.species}: {c.kind}: {c.reason or f'divided by {1 / (c.factor or 1):.2f}'} ({c.source})"
        for c in counted.corrections
        if c.kind != "detection"
    ]
    lines += _identity(counted)
    if counted.reason:
        lines.append(f"No estimate: {counted.reason}.")
    elif not any(c.kind == "detection" or (c.kind == MARKS and c.factor) for c in counted.corrections):
        lines.append("Not corrected for what the detector missed or made up: see overfly count --draw.")
    if draw is not None:
        lines.append(f"Frames to check: {draw}")
    return "\n".join(lines)


def _doubts(counted: Counted, name: str) -> list[str]:
    """How far off a count may be by who is who, and how surely an animal in view is taken to be found."""
    lines = []
    told, recall = counted.identity.get(name), counted.recall.get(name)
    if told is not None and max(told.error, told.passed) >= 1:
        past = f"; some {told.passed:.0f} of them walked past every frame" if told.passed >= 1 else ""
        cannot = ": the pictures cannot tell it within 5 %" if told.doubtful(MOST_OFF) else ""
        lines.append(f"  give or take {told.error:.0f} for who is who{past}{cannot}")
    if recall is not None and recall.source == CHECKED:
        lines.append(f"  one in view is found with {recall.value:.2f}, as people saw of {recall.looks} they counted")
    elif recall is not None and recall.source == OVERLAP:
        lines.append(f"  one in view is found with {recall.value:.2f}, as {recall.looks} looks at the same ground show")
    elif recall is not None:
        lines.append(f"  one in view is taken to be found with {recall.value:.2f}: too few looks show it")
    return lines


def _identity(counted: Counted) -> list[str]:
    """How sure it is who is who, and what that and walking do to the count."""
    lines = []
    for name, (chosen, fewest, most) in counted.merge_counts.items():
        lines.append(f"{name}: {chosen} animals; {fewest} if all that could be one are, {most} if none are")
        if (herds := counted.herds.get(name)) is not None and herds.largest > 1:
            lines.append(
                f"  in {herds.herds} herds of {herds.mean_size:.1f} on average, the largest of {herds.largest}"
            )
        if untold := counted.untold.get(name):
            lines.append(
                f"  of {untold} tracks it cannot be told whether other lines saw them too: they were counted by how"
                " often their ground was looked at, which is right on average"
            )
        lines += _doubts(counted, name)
        if (walked := counted.movement.get(name)) is not None:
            error = "" if walked.bias_error is None else f" ± {walked.bias_error:.1%}"
            spread = "" if walked.spread is None else f", a single count {walked.spread:.1%} to either side"
            lines.append(
                f"  where 95 % walk slower than {walked.speed_mps:g} m/s, {walked.worlds} simulated surveys counted"
                f" {walked.bias:+.1%}{error}{spread}; not corrected for"
            )
    if counted.ambiguous_pairs:
        lines.append(f"{counted.ambiguous_pairs} pairs may be one animal or two; people can say: overfly review")
    if counted.pair_answers:
        but = f", but for {counted.pairs_contradicting} that contradict others" if counted.pairs_contradicting else ""
        lines.append(f"{counted.pair_answers} answers about pairs were heeded{but}")
    return lines


def _flown(counted: Counted) -> list[str]:
    """How much of the planned line was covered, and the longest gaps."""
    planned = sum(line.planned_m for line in counted.flown)
    if not planned:
        return []
    covered = sum(line.covered_m for line in counted.flown)
    lines = [f"  {covered / 1000:.1f} of {planned / 1000:.1f} km of planned line covered ({covered / planned:.0%})"]
    gaps = sorted(((g.length_m, line.transect, g) for line in counted.flown for g in line.gaps), key=lambda x: -x[0])
    lines += [f"    gap on {name}: {gap.from_m:.0f} to {gap.to_m:.0f} m" for _, name, gap in gaps[:MOST_GAPS]]
    if len(gaps) > MOST_GAPS:
        lines.append(f"    and {len(gaps) - MOST_GAPS} shorter gaps: see overfly report")
    return lines
