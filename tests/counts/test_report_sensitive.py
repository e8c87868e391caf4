"""A sensitive species in the report: how many are in which cell of a coarse grid, and no place of any of them."""

import contextlib
import csv
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest

from counts import store
from counts.census import Census
from counts.exchange.generalise import CELL_DEG, coarsen
from counts.report import ReportRequest, write_reports
from counts.report import coarse as report_coarse
from counts.report.facts import gather
from counts.report.map import draw_maps
from counts.report.words import Words

SECRET = "elephant"
ASKED = ReportRequest(sensitive=(SECRET,))


@pytest.fixture(scope="module")
def told(filled_file, tmp_path_factory):
    """The report of a census with a sensitive species, as a page and beside it, and the individuals in it."""
    folder = tmp_path_factory.mktemp("sensitive")
    with Census.open(filled_file) as census:
        files = write_reports(census, "2026-wet", [folder / "r.html", folder / "r.pdf"], ASKED, beside=folder / "files")
        write_reports(census, "2026-wet", [folder / "open.pdf"], ReportRequest(), beside=folder / "open")
        with census.reading() as session:
            survey = store.find_survey(session, "2026-wet")
            run = store.latest_identity_run(session, survey.survey_id)
            animals = store.read_individuals(session, run)
    return files, animals, folder


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def drawn_at(svg):
    """Every pair of coordinates of the paths of a drawing."""
    return {
        (round(float(x), 1), round(float(y), 1))
        for x, y in re.findall(r"[ML](-?\d+(?:\.\d+)?)[ ,](-?\d+(?:\.\d+)?)", svg)
    }


def text_in(path):
    """What is in a file, with the streams of a PDF unpacked."""
    data = path.read_bytes()
    if path.suffix != ".pdf":
        return data.decode("utf-8")
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, flags=re.S):
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompress(stream).decode("latin-1"))
    assert found
    return "\n".join(found)


def told_places(text, lonlat):
    """Of how many animals the place is in a text to the metre: its two numbers, one after the other."""
    numbers = np.array(re.findall(r"(?<![\d.])-?\d{1,3}\.\d{3,}", text), dtype=np.float64)
    if len(numbers) < 2:
        return 0
    pairs = np.column_stack([numbers[:-1], numbers[1:]])
    near = [np.abs(pairs[None] - lonlat[:, None, order]).max(axis=2).min(axis=1) < 1e-5 for order in ([0, 1], [1, 0])]
    return int((near[0] | near[1]).sum())


def moved_to(content):
    """Every place that a line of a PDF begins at, in the units of the drawing it is in."""
    found = re.findall(r"(-?\d+(?:\.\d+)?) (-?\d+(?:\.\d+)?) m\b", content)
    return {(round(float(x), 1), round(float(y), 1)) for x, y in found}


def test_no_place_of_a_sensitive_animal_is_in_any_file(told):
    files, animals, folder = told
    own = animals.lonlat[animals.species == SECRET]
    assert len(own) > 50
    assert {path.name: told_places(text_in(path), own) for path in files} == dict.fromkeys((p.name for p in files), 0)
    assert {"r.html", "r.pdf", "map-1.svg", "sightings.csv", "sightings_coarse.csv"} <= {p.name for p in files}
    # The search finds what is not withheld.
    assert told_places(text_in(folder / "open" / "sightings.csv"), own) == len(own)


def test_the_drawing_has_no_symbol_where_a_sensitive_animal_stands(filled_file, told):
    _, _, folder = told
    with Census.open(filled_file) as census, census.reading() as session:
        facts = gather(session, "2026-wet", "x")
    (drawn,) = draw_maps(facts, Words(), sensitive=(SECRET,))
    (shown,) = draw_maps(facts, Words())
    places = {p.species: p.path for p in shown.points}
    secret = drawn_at(places[SECRET])
    assert len(secret) > 50
    hidden = drawn_at((folder / "files" / "map-1.svg").read_text(encoding="utf-8"))
    assert not secret & drawn_at("".join(p.path for p in drawn.points))
    assert not secret & hidden
    assert secret <= drawn_at((folder / "open" / "map-1.svg").read_text(encoding="utf-8"))
    printed = {name: moved_to(text_in(folder / name)) for name in ("r.pdf", "open.pdf")}
    assert secret <= printed["open.pdf"]
    assert not secret & printed["r.pdf"]


def test_the_table_of_cells_says_how_many_are_in_each(told):
    _, animals, folder = told
    rows = rows_of(folder / "files" / "sightings_coarse.csv")
    own = animals.lonlat[animals.species == SECRET]
    centres = {tuple(c) for c in coarsen(own).tolist()}
    assert {(float(r["cell_longitude_deg"]), float(r["cell_latitude_deg"])) for r in rows} == centres
    assert sum(int(r["individuals"]) for r in rows) == len(own)
    assert {(r["species"], float(r["cell_deg"])) for r in rows} == {(SECRET, CELL_DEG)}


def test_the_animals_beside_a_sensitive_one_do_not_tell_by_their_numbers_where_it_stood(told):
    _, animals, folder = told
    rows = rows_of(folder / "files" / "sightings.csv")
    assert {r["species"] for r in rows} == set(animals.species.tolist()) - {SECRET}
    assert {r["individual"] for r in rows} == {""}
    herds = sorted({int(r["herd"]) for r in rows if r["herd"]})
    assert herds == list(range(1, len(herds) + 1))
    assert {r["individual"] for r in rows_of(folder / "open" / "sightings.csv")} != {""}


def test_the_map_ends_where_it_does_without_the_sensitive_animal(filled_file):
    """Without an area the drawing reaches around what was seen: a far animal must not stretch it."""
    with Census.open(filled_file) as census, census.reading() as session:
        facts = replace(gather(session, "2026-wet", "x"), area=None, strata=())
    far = facts.individuals.lonlat.copy()
    far[np.flatnonzero(facts.individuals.species == SECRET)[0]] += 0.03
    moved = replace(facts, individuals=replace(facts.individuals, lonlat=far))
    near, stretched = (draw_maps(f, Words(), sensitive=(SECRET,))[0] for f in (facts, moved))
    assert (near.width, near.height, near.footprints) == (stretched.width, stretched.height, stretched.footprints)
    assert draw_maps(moved, Words())[0].footprints != near.footprints


def test_cells_smaller_than_the_map_are_drawn_where_they_are(filled_file, monkeypatch):
    with Census.open(filled_file) as census, census.reading() as session:
        facts = gather(session, "2026-wet", "x")
    monkeypatch.setattr(report_coarse, "CELL_DEG", 0.01)
    monkeypatch.setattr(report_coarse, "coarsen", lambda lonlat: coarsen(lonlat, 0.01))
    (drawn,) = draw_maps(facts, Words(), sensitive=(SECRET,))
    (cells,) = drawn.coarse
    assert len(cells.labels) > 2
    assert cells.count == int((facts.individuals.species == SECRET).sum())
    counts = [int(label.text.rpartition(": ")[2]) for label in cells.labels]
    assert sum(counts) == cells.count
    for label in cells.labels:
        assert 0 < label.x < drawn.width
        assert 0 < label.y < drawn.height
