"""Where a sensitive animal was is told by no export: its cell and its day at most."""

import importlib.util
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from counts.exchange import STANDARDS
from counts.exchange.generalise import CELL_DEG, cell_radius_m, coarsen
from flightplan.errors import CensusError

_spec = importlib.util.spec_from_file_location("exported", Path(__file__).with_name("exported.py"))
exported = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(exported)
SMART, SURVEY, archive_tables, export, opened = (
    exported.SMART,
    exported.SURVEY,
    exported.archive_tables,
    exported.export,
    exported.opened,
)
truth = exported.truth


@given(st.floats(-179.9, 179.9), st.floats(-89.9, 89.9))
def test_a_cell_s_circle_holds_every_place_in_it(longitude, latitude):
    from pyproj import Geod

    (centre,) = coarsen([[longitude, latitude]])
    assert abs(centre - [longitude, latitude]).max() <= CELL_DEG / 2 + 1e-9
    _, _, away = Geod(ellps="WGS84").inv(*centre, longitude, latitude)
    assert away <= cell_radius_m([centre])[0] + 0.01
    assert coarsen([centre]) == pytest.approx(np.array([centre]))


def texts_of(path):
    """Everything an export says, as one text."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    found = []
    for file in files:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                found += [archive.read(name).decode() for name in archive.namelist()]
        else:
            found.append(file.read_bytes().decode("latin-1"))
    return "\n".join(found)


@pytest.mark.parametrize("standard", sorted(set(STANDARDS) - {"geopackage"}))
def test_no_export_tells_where_a_sensitive_animal_was(opened, truth, standard, tmp_path):
    individuals, _ = truth
    out = tmp_path / "out"
    export(opened, standard, out, sensitive=["zebra"], mapping=SMART)
    said = texts_of(out)
    zebras = individuals.lonlat[individuals.species == "zebra"]
    for lonlat in zebras:
        for degrees in lonlat:
            assert f"{degrees:.7f}"[:-1] not in said
    if standard in ("coco", "yolo"):
        assert "sortie-01" not in said


def test_a_sensitive_animal_in_the_tables_has_a_cell_and_a_day_only(opened, truth, tmp_path):
    names = ("individuals", "sightings")
    export(opened, "geopackage", tmp_path / "a.gpkg", sensitive=["zebra"], layers=names)
    for name in names:
        meta, _, geometry, fields = pyogrio.raw.read(tmp_path / "a.gpkg", layer=name)
        column = dict(zip(meta["fields"], fields, strict=True))
        secret = column["species"] == "zebra"
        assert secret.any()
        assert not secret.all()
        lonlat = shapely.get_coordinates(shapely.from_wkb(geometry))
        assert np.array_equal(lonlat[secret], coarsen(lonlat[secret]))
        assert set(column["generalised"][secret]) == {1}
        for withheld in ("transect", "stratum", "picture"):
            assert all(value is None for value in column[withheld][secret])
        assert np.isnat(column["time_utc"][secret]).all()
        numbers = column["number"][~secret].astype(int).tolist()
        assert numbers == list(range(1, len(numbers) + 1)), "a gap would tell between whom it stood"


def test_the_archive_tells_of_a_sensitive_species_at_the_survey_only(opened, tmp_path):
    export(opened, "darwincore", tmp_path / "a.zip", sensitive=["zebra"])
    tables = archive_tables(tmp_path / "a.zip")
    zebras = [r for r in tables["occurrence"] if r["vernacularName"] == "zebra"]
    assert {r["eventID"] for r in zebras} == {SURVEY}
    assert {r["occurrenceStatus"] for r in zebras} == {"present"}, "absences elsewhere would tell where it was"
    assert all(len(r["eventDate"]) == 10 and r["dataGeneralizations"] for r in zebras)
    told = [r for r in tables["humboldt"] if r["eventID"] != SURVEY]
    assert not any("zebra" in r["targetTaxonomicScope"] or "zebra" in r["absentTaxa"] for r in told)


def test_a_slip_in_a_sensitive_name_is_refused(opened, tmp_path):
    with pytest.raises(CensusError, match="no species 'zebras'"):
        export(opened, "csv", tmp_path / "out", sensitive=["zebras"])
    assert not (tmp_path / "out").exists()
