"""A census to be exported, what it says itself, and readers of what was written."""

import csv
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from counts import store
from counts.census import Census
from counts.exchange import ExportOptions, export_survey
from detect.captures import Capture
from detect.detections import Detections

SURVEY = "2026-wet"
SMART = {
    "species": {
        "elephant": {"category": "animals.live", "count": "numberofanimals", "attributes": {"species": "elephant"}},
        "zebra": {"category": "animals.live", "count": "numberofanimals"},
    }
}
HOSTILE = '=cmd|"/C calc"!A1\t</title><script>&\n'


@pytest.fixture(scope="module")
def opened(filled_file):
    with Census.open(filled_file) as census:
        yield census


@pytest.fixture(scope="module")
def truth(opened):
    """The census' own individuals and estimates."""
    with opened.reading() as session:
        run = store.latest_estimate_run(session, store.find_survey(session, SURVEY).survey_id)
        return store.read_individuals(session, run.identity_run_id), store.read_estimates(session, run.estimate_run_id)


@pytest.fixture
def hostile(census):
    """A survey whose names would do harm where they are not escaped."""
    with census.writing() as session:
        survey = store.add_survey(session, name=HOSTILE, protected_area=HOSTILE)
        path = Path("/images/../../../" + HOSTILE.replace("/", "") + ".jpg")
        capture = Capture(path, "ab" * 32, 100, 100, longitude_deg=34.0, latitude_deg=-2.0)
        (key,) = store.add_captures(session, survey, [store.CaptureEntry(capture)]).added
        detector = store.DetectorInfo("cd" * 32, HOSTILE, "detect", (HOSTILE,))
        run = store.open_detection_run(session, survey, detector, threshold=0.3, parameters={})
        box = Detections(
            np.array([[10.0, 20.0, 120.0, 40.0]]), np.array([0.9]), np.zeros(1, np.int64), (HOSTILE,), "cd"
        )
        store.add_detections(session, run, {key: box})
        table = store.read_detections(session, run)
        entry = store.IdentityEntry(
            table.detection_id, np.array([[34.0, -2.0]]), np.full((1, 2, 2), np.nan), np.zeros(1, np.int64),
            [HOSTILE], np.array([[34.0, -2.0]]), [None],
        )  # fmt: skip
        store.add_identity_run(session, run, entry, method="", parameters={})
    return census


def export(census, standard, out, sensitive=(), survey=SURVEY, **options):
    return export_survey(census, survey, standard, out, sensitive=sensitive, options=ExportOptions(**options))


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def archive_tables(path):
    with zipfile.ZipFile(path) as archive:
        tables = {}
        for name in ("event", "occurrence", "humboldt"):
            lines = archive.read(f"{name}.txt").decode().removesuffix("\n").split("\n")
            header = lines[0].split("\t")
            tables[name] = [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:]]
        return tables


def bytes_of(path):
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return [(p.relative_to(path).as_posix(), hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]
