"""`overfly availability`."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import shapely

from counts.census import Census
from counts.collars import EVERY_HOUR, HourShare, availability_by_hour, availability_file
from counts.dives import read_dives, surface_by_hour
from counts.store import find_survey, latest_survey, read_area
from counts.store.received import read_tracks
from flightplan.area_checks import check_polygon
from flightplan.area_crs import to_wgs84
from flightplan.area_formats import read_features
from flightplan.areas import StudyArea
from flightplan.console import OverflyCommand, finish, json_option
from flightplan.errors import AreaError, CensusError, Skip
from overfly.chain.walking import taxon_of
from overfly.commands.places import find_places, survey_option, workspace_option

_EXAMPLE = """
\b
Examples:
  overfly availability elephant --open open-ground.gpkg --out elephant.toml
  overfly availability elephant --open open-ground.gpkg --by-stratum --hours 6 10 --out elephant.toml
  overfly availability hippo --dives dives.csv --seen-to 0.5 --out hippo.toml
  overfly count --availability elephant.toml
"""


@click.command("availability", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("species", metavar="SPECIES")
@click.argument("census", metavar="[CENSUS]", required=False)
@survey_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE.toml",
    help="What `overfly count --availability` reads.",
)
@click.option(
    "--open",
    "open_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Polygons of the ground on which animals can be seen: the share of the collars' fixes on it counts.",
)
@click.option(
    "--dives",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="Depths that tags recorded: columns animal, time_utc, depth_m.",
)
@click.option("--seen-to", "seen_to_m", type=click.FloatRange(min=0.0), metavar="M", help="Depth seen in a picture.")
@click.option("--taxon", metavar="NAME", help="What the collars' source calls the species, if not its scientific name.")
@click.option("--by-stratum", is_flag=True, help="A value for each stratum, from the fixes in it.")
@click.option(
    "--hours",
    nargs=2,
    type=click.IntRange(0, 24),
    multiple=True,
    metavar="FROM UNTIL",
    help="One value for these hours of the sun's day; may be given several times. Without it each hour has its own.",
)
@workspace_option
@json_option
def availability_command(
    species: str,
    census: str | None,
    survey: str | None,
    out: Path,
    open_file: Path | None,
    dives: Path | None,
    seen_to_m: float | None,
    taxon: str | None,
    by_stratum: bool,
    hours: tuple[tuple[int, int], ...],
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Estimate the share of animals that can be seen at all, by hour of the day, from collars or from dives.

    Collars are those that `overfly import movebank` or `earthranger` brought in. The animal is the unit: each has the
    same weight, and the standard error is between animals; hours with fewer than two have no value, and are named.
    """
    if (open_file is None) == (dives is None):
        raise click.UsageError("Give one of --open (with collars in the census) and --dives.")
    if dives is not None and (seen_to_m is None or by_stratum):
        raise click.UsageError("--dives needs --seen-to, and depths are in no stratum.")
    blocks = hours or EVERY_HOUR
    places = find_places(census, workspace_folder, survey)
    with Census.open(places.census, create=False) as opened, opened.reading() as session:
        info = find_survey(session, places.survey) if places.survey else latest_survey(session)
        area = read_area(session, info.survey_id)
        if area is None:
            raise CensusError(f"the survey {info.name!r} has no area", where=opened.where)
        tracks = () if open_file is None else read_tracks(session, taxon or taxon_of(species))
    offset_h = area.frame.longitude_deg / 15.0
    shares: dict[str | None, tuple[HourShare, ...]] = {}
    if dives is not None:
        assert seen_to_m is not None
        shares[None] = surface_by_hour(read_dives(dives), seen_to_m, utc_offset_h=offset_h, blocks=blocks)
        source = f"{_named(dives)}: share of depths up to {seen_to_m:g} m"
    else:
        assert open_file is not None
        if not tracks:
            raise CensusError(
                f"the census has no collars of {taxon or taxon_of(species)}",
                where=places.shown,
                hint="Bring them in: overfly import movebank FILE; or say what they are called: --taxon NAME",
            )
        ground = _open_ground(open_file, area)
        of = {s.name: s.polygon for s in area.strata} if by_stratum else {None: _whole(area)}
        for name, within in of.items():
            shares[name] = availability_by_hour(tracks, ground, within=within, utc_offset_h=offset_h, blocks=blocks)
        origins = ", ".join(dict.fromkeys(t.origin for t in tracks))
        source = f"collars of {len(tracks)} animals ({origins}): share of fixes on {_named(open_file)}"
    texts, skips = _written(species, shares, source)
    out.write_text("\n".join(texts), encoding="utf-8")
    document: dict[str, Any] = {
        "species": species,
        "source": source,
        "out": str(out),
        "values": [{"stratum": name, **asdict(share)} for name, each in shares.items() for share in each],
    }
    finish(document, as_json=as_json, text=_said(shares, out), skipped=skips)


def _written(
    species: str, shares: dict[str | None, tuple[HourShare, ...]], source: str
) -> tuple[list[str], tuple[Skip, ...]]:
    parts = [availability_file(species, each, source, stratum=name) for name, each in shares.items()]
    return [text for text, _ in parts if text], tuple(skip for _, skips in parts for skip in skips)


def _said(shares: dict[str | None, tuple[HourShare, ...]], out: Path) -> str:
    lines = []
    for name, each in shares.items():
        for share in each:
            if share.share is not None and share.se is not None:
                start, until = share.hours
                where = "" if name is None else f"{name}, "
                lines.append(
                    f"{where}{start} to {until} h: {share.share:.2f} ± {share.se:.2f}"
                    f" ({share.fixes} records of {share.animals} animals)"
                )
    return "\n".join([*lines, f"Written: {out}"])


def _open_ground(path: Path, area: StudyArea) -> shapely.Geometry:
    found = [
        check_polygon(geometry, f"{path}, {feature.label}")
        for feature in read_features(path, near=area.bounds_deg(0.0))
        if (geometry := to_wgs84(feature, None, path).geometry).geom_type in ("Polygon", "MultiPolygon")
    ]
    if not found:
        raise AreaError("there is no polygon in it", where=str(path))
    return shapely.union_all(found)


def _whole(area: StudyArea) -> shapely.Geometry:
    return shapely.union_all([s.polygon for s in area.strata])


def _named(path: Path) -> str:
    """A file's name and the beginning of its hash: what a correction line says of its source."""
    return f"{path.name} ({hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"
