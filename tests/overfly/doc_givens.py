"""What the pages' commands are given: small stand-ins for a park, a memory card, a model, a census of some seasons.

Each is made once a session by the commands themselves, and copied into the folder of whoever asks for it.
"""

from __future__ import annotations

import csv
import functools
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import click
import numpy as np
import rasterio
import shapely
from click.testing import CliRunner

import overfly.commands.demo
import overfly.demo
from detect.models import shipped_model
from flightplan.areas import LaunchSite, Stratum, StudyArea, write_area
from flightplan.frames import LocalFrame
from overfly.demo import Stage, run_demo
from sim.park import demo_area

_FRAME = LocalFrame(34.83, -2.33)
_SMALL = {"camera": "overfly-demo", "height": "80", "heading": "0"}

_CHECKLIST = """\
scientificName,vernacularName,TSN,gbifKey,kingdom
Loxodonta africana,elephant,584938,2435350,Animalia
Equus quagga,zebra,624996,2440886,Animalia
"""
_COLLARS = """\
event-id,visible,timestamp,location-long,location-lat,individual-taxon-canonical-name,individual-local-identifier,study-name
1,true,2026-02-01 06:00:00.000,34.831,-2.328,Loxodonta africana,Tim,Park
2,true,2026-02-01 07:00:00.000,34.834,-2.329,Loxodonta africana,Tim,Park
"""
_EARLIER = "stratum,standard_error,lines,estimate\nwoodland,80,12,420\nfloodplain,40,12,150\n"
# A bow tie: two of its sides cross.
_CROSSED = """\
{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"name": "park"}, "geometry":
 {"type": "Polygon", "coordinates": [[[34.80, -2.34], [34.86, -2.31], [34.86, -2.34], [34.80, -2.32],
  [34.80, -2.34]]]}}]}
"""
_DATA_MODEL = """\
<?xml version="1.0"?>
<DataModel xmlns="http://www.smartconservationsoftware.org/xml/1.0/datamodel">
 <languages><language code="en"/></languages>
 <attributes>
  <attribute key="numberofanimals" isrequired="true" type="NUMERIC">
   <names language_code="en" value="Number"/></attribute>
  <attribute key="species" isrequired="false" type="LIST">
   <values key="elephant" isactive="true"><names language_code="en" value="Elephant"/></values>
   <names language_code="en" value="Species"/></attribute>
 </attributes>
 <categories>
  <category key="animals" ismultiple="true" isactive="true"><names language_code="en" value="Animals"/>
   <attribute isactive="true" attributekey="numberofanimals"/>
   <category key="live" ismultiple="true" isactive="true"><names language_code="en" value="Live"/>
    <attribute isactive="true" attributekey="species"/></category>
  </category>
 </categories>
</DataModel>
"""


def _square(west: int, east: int, south: int = -65, north: int = 85) -> shapely.Polygon:
    ring = [(west, south), (east, south), (east, north), (west, north)]
    return shapely.Polygon(_FRAME.to_lonlat(ring).round(7))


SMALL_PARK = StudyArea(
    name="small park",
    strata=(Stratum("woodland", _square(-1100, 0)), Stratum("floodplain", _square(0, 1100))),
    launch_sites=(LaunchSite("camp", *map(float, _FRAME.to_lonlat([(-300, 10)])[0].round(7))),),
)


class Givens:
    """What may be given, by its name in the pages."""

    def __init__(self, base: Path, main: click.Command) -> None:
        self._base, self._main = base, main
        self._finished: set[str] = set()

    def by_name(self) -> Mapping[str, Callable[[Path], Path | None]]:
        """Each fills a folder; it returns where in the folder to stand, if not at its top."""
        return {
            "park": self.park,
            "workspace": self.workspace,
            "small workspace": functools.partial(self._copied, self._small),
            "planned": functools.partial(self._copied, self._planned),
            "pictures": functools.partial(self._copied, self._pictures),
            "census": functools.partial(self._copied, self._census),
            "counted": functools.partial(self._copied, self._counted),
            "two seasons": functools.partial(self._copied, self._two_seasons),
            "models": self.models,
            "colony": self.colony,
            "ground": self.ground,
            "masks": self.masks,
            "check.csv filled in": _filled_in,
            "team south": self.team_south,
            "checklist": functools.partial(_text, "species.csv", _CHECKLIST),
            "collars": functools.partial(_text, "collars.csv", _COLLARS),
            "data model": functools.partial(_text, "park.xml", _DATA_MODEL),
            "earlier": functools.partial(_text, "2025.csv", _EARLIER),
            "crossed": functools.partial(_text, "park.geojson", _CROSSED),
        }

    def overfly(self, folder: Path, *words: str) -> None:
        """Run a command in a folder; it has to succeed."""
        with chdir(folder):
            result = CliRunner().invoke(self._main, [str(w) for w in words], prog_name="overfly")
        assert result.exit_code == 0, f"{words}: {result.output}\n{result.exception!r}"

    def park(self, folder: Path) -> None:
        """A park with two strata, a village and a camp, and files of a river, a mast and an airspace."""
        write_area(demo_area(), folder / "park.geojson")
        _features(
            folder / "river.geojson", [(shapely.LineString([(34.808, -2.33), (34.83, -2.327), (34.852, -2.33)]), {})]
        )
        _features(folder / "masts.geojson", [(shapely.Point(34.815, -2.324), {"h": 60.0, "name": "mast"})])
        _features(
            folder / "zones.geojson",
            [
                (
                    shapely.box(34.85, -2.34, 34.87, -2.32),
                    {"name": "CTR Mara", "class": "D", "lower_agl_m": 0.0, "upper_agl_m": 500.0},
                )
            ],
        )

    def workspace(self, folder: Path) -> Path:
        """The park's workspace, nothing planned yet; its files beside it."""
        self.park(folder)
        self.overfly(folder, "init", "park.geojson", "serengeti")
        for path in folder.glob("*.geojson"):
            shutil.copy(path, folder / "serengeti")
        return folder / "serengeti"

    def models(self, folder: Path) -> None:
        """The shipped detector under the names that pages give to a detector of one's own."""
        where = _in(folder)
        for name in ("elephants.onnx", "birds.onnx"):
            shutil.copy(shipped_model(), where / name)

    def colony(self, folder: Path) -> None:
        """An orthomosaic of noise: 900 x 700 px of 3 cm, in UTM."""
        where = _in(folder)
        pixels = np.random.default_rng([7]).integers(90, 140, (3, 700, 900), dtype=np.uint8)
        with rasterio.open(
            where / "colony.tif", "w", driver="GTiff", width=900, height=700, count=3, dtype="uint8", crs="EPSG:32736",
            transform=rasterio.Affine(0.03, 0.0, 703_000.0, 0.0, -0.03, 9_742_000.0),
        ) as raster:  # fmt: skip
            raster.write(pixels)

    def ground(self, folder: Path) -> None:
        """An elevation model of the park's surroundings, gentle hills around 1,500 m."""
        where = _in(folder)
        column, row = np.meshgrid(np.arange(240), np.arange(200))
        height = 1500 + 8 * np.sin(column / 25) * np.cos(row / 30)
        with rasterio.open(
            where / "dem.tif", "w", driver="GTiff", width=240, height=200, count=1, dtype="float32", crs="EPSG:4326",
            transform=rasterio.Affine(0.0005, 0.0, 34.77, 0.0, -0.0005, -2.28), nodata=-9999.0,
        ) as raster:  # fmt: skip
            raster.write(height.astype(np.float32), 1)

    def masks(self, folder: Path) -> None:
        """A lake and a cloud over the small park."""
        where = _in(folder)
        for name, (west, south) in {"lakes": (-400, -60), "cloud": (500, 0)}.items():
            _features(where / f"{name}.geojson", [(_square(west, west + 150, south, south + 100), {"name": name})])

    def team_south(self, folder: Path) -> None:
        """The other team's copy of the census, in which it has counted as well."""
        shutil.copytree(folder / "serengeti", folder / "team-south")
        self.overfly(folder / "team-south", "count", "--species", "zebra")

    def _copied(self, make: Callable[[], Path], folder: Path) -> Path:
        shutil.copytree(make(), folder / "serengeti")
        return folder / "serengeti"

    def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        """A folder that is made when first asked for."""
        # Under its last name from the start: a census knows its pictures by where they were brought in from.
        made = self._base / name.replace(" ", "-")
        if name not in self._finished:
            made.mkdir(parents=True)
            make(made)
            self._finished.add(name)
        return made

    def _small(self) -> Path:
        def make(folder: Path) -> None:
            write_area(SMALL_PARK, folder / "park.geojson")
            self.overfly(folder, "init", "park.geojson", ".")

        return self._made("small", make)

    def _next(self, name: str, before: Callable[[], Path], make: Callable[[Path], None]) -> Path:
        def copy_and_make(folder: Path) -> None:
            shutil.copytree(before(), folder, dirs_exist_ok=True)
            make(folder)

        return self._made(name, copy_and_make)

    def _planned(self) -> Path:
        return self._next("planned", self._small, lambda f: self._plan(f, "2026-wet", "3"))

    def _plan(self, folder: Path, survey: str, seed: str) -> None:
        asked = [word for name, value in _SMALL.items() for word in (f"--{name}", value)]
        self.overfly(
            folder, "plan", "--survey", survey, *asked, "--spacing", "440", "--drone", "overfly-demo", "--seed", seed
        )

    def _photograph(self, folder: Path, survey: str, seed: str) -> None:
        self.overfly(
            folder, "sim", "images", f"{survey}/plan", "--seed", seed, "--out", f"{survey}/images", "--jobs", "1"
        )

    def _pictures(self) -> Path:
        return self._next("pictures", self._planned, lambda f: self._photograph(f, "2026-wet", "3"))

    def _look(self, folder: Path, survey: str) -> None:
        self.overfly(folder, "ingest", f"{survey}/images", "--survey", survey)
        self.overfly(folder, "detect", "--survey", survey)

    def _census(self) -> Path:
        return self._next("census", self._pictures, lambda f: self._look(f, "2026-wet"))

    def _counted(self) -> Path:
        return self._next("counted", self._census, lambda f: self.overfly(f, "count", "--survey", "2026-wet"))

    def _two_seasons(self) -> Path:
        def make(folder: Path) -> None:
            self._plan(folder, "2027-wet", "4")
            self._photograph(folder, "2027-wet", "4")
            self._look(folder, "2027-wet")
            self.overfly(folder, "count", "--survey", "2027-wet")

        return self._next("two seasons", self._counted, make)


def make_small(base: Path) -> Callable[[], None]:
    """Have `overfly demo` fly a smaller park with fewer lines, once for each seed; returns what undoes it.

    And have all work on one processor: so little of it is done sooner than processes start that would share it.
    """
    before, renderer, processors = overfly.commands.demo.run_demo, overfly.demo.Renderer, os.cpu_count
    finished: dict[int, dict[str, Any]] = {}

    def once(folder: Path, seed: int, stage: Stage) -> dict[str, Any]:
        if seed not in finished:
            finished[seed] = run_demo(base / f"demo-{seed}", seed, stage, area=SMALL_PARK, lines=2)
        shutil.copytree(base / f"demo-{seed}", folder)
        return finished[seed]

    overfly.commands.demo.run_demo = once
    overfly.demo.Renderer = functools.partial(renderer, jobs=1)
    os.cpu_count = lambda: 1

    def restore() -> None:
        overfly.commands.demo.run_demo, overfly.demo.Renderer, os.cpu_count = before, renderer, processors

    return restore


def _in(folder: Path) -> Path:
    """The folder that the commands will stand in."""
    return folder / "serengeti" if (folder / "serengeti").is_dir() else folder


def _text(name: str, text: str, folder: Path) -> None:
    (_in(folder) / name).write_text(text, encoding="utf-8")


def _filled_in(folder: Path) -> None:
    """The sample as somebody counted it: one of each species in every third frame."""
    with (folder / "check.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    species = [i for i, name in enumerate(header) if name not in ("picture", "content_hash", "part", "zone_px")]
    for number, row in enumerate(rows):
        for column in species:
            row[column] = str(int(number % 3 == 0))
    with (folder / "check.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _features(path: Path, features: list[tuple[shapely.Geometry, dict[str, object]]]) -> None:
    document = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": json.loads(shapely.to_geojson(shape)), "properties": properties}
            for shape, properties in features
        ],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
