"""A planned survey in a census, with captures, detections and individuals."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from counts import store
from detect.captures import Capture
from detect.detections import Detections

NOON = datetime(2026, 2, 14, 12, 0, 0, 123000, tzinfo=UTC)
DETECTOR = store.DetectorInfo("ab" * 32, "overfly-nano", "detect", ("elephant", "zebra"))


def capture(number, **known):
    return Capture(Path(f"images/{number}.jpg"), f"{number:064x}", 800, 600, **known)


def boxes(*labels):
    n = len(labels)
    return Detections(
        boxes_px=np.arange(4.0 * n).reshape(n, 4),
        scores=np.linspace(0.9, 0.5, n),
        class_ids=np.array([DETECTOR.labels.index(label) for label in labels], dtype=np.int64),
        names=DETECTOR.labels,
        detector=DETECTOR.content_hash,
    )


@pytest.fixture
def survey(census, plan):
    """A planned survey with four captures; returns its key and theirs."""
    with census.writing() as session:
        key = store.add_survey(session, plan, name="2026-wet", season="wet")
        entries = [store.CaptureEntry(capture(i), sortie="sortie-01") for i in range(4)]
        return key, store.add_captures(session, key, entries).added


def run_of(session, survey_id, threshold=0.25):
    return store.open_detection_run(session, survey_id, DETECTOR, threshold=threshold, parameters={"tile_px": 448})


@pytest.fixture
def counted(census, survey):
    """A run with three detections and their identity: two individuals, one detection that is none."""
    key, captures = survey
    with census.writing() as session:
        run = run_of(session, key)
        store.add_detections(session, run, {captures[0]: boxes("zebra", "elephant"), captures[1]: boxes("zebra")})
        table = store.read_detections(session, run)
        entry = store.IdentityEntry(
            detection_id=table.detection_id,
            sighting_lonlat=np.array([[34.81, -2.33], [34.82, -2.33], [34.81, -2.331]]),
            covariance_m2=np.array([np.eye(2) * 4, np.full((2, 2), np.nan), [[2.0, 0.5], [0.5, 3.0]]]),
            individual=np.array([0, -1, 0]),
            species=["zebra", "elephant"],
            individual_lonlat=np.array([[34.81, -2.3305], [34.82, -2.33]]),
            transect=["woodland-01", None],
        )
        identity = store.add_identity_run(session, run, entry, method="test", parameters={"gate": 3})
    return key, captures, identity
