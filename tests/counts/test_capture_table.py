"""A survey's captures as columns are the same captures, one by one, as those that are read whole."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from counts import store
from counts.census import Census
from counts.schema import Capture as CaptureRow
from counts.store import add_repairs, read_capture_table, read_captures
from detect.captures import Capture
from detect.findings import Repair
from detect.georeference import Georeference
from flightplan.camera import Camera

BOTH = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)
LATER = datetime(2026, 2, 14, 9, 30, 1, 250000, tzinfo=UTC)


@BOTH
def test_captures_in_a_table_are_those_that_are_read_one_by_one(filled: Census) -> None:
    bare = Capture(path=Path("images/bare ü.jpg"), content_hash="9" * 64, width_px=10, height_px=20)
    camera = Camera("x", 800, 600, 650.0, principal_point_px=(399.5, 299.5), distortion=(0.1, 0, 0, 0, 0))
    full = Capture(
        path=Path("full.jpg"), content_hash="8" * 64, width_px=800, height_px=600, time_utc=LATER,
        longitude_deg=34.83, latitude_deg=-2.33, altitude_msl_m=1530.25, altitude_takeoff_m=0.0, yaw_deg=359.9,
        pitch_deg=-90.0, roll_deg=0.0, camera=camera, horizontal_accuracy_m=0.02, maker="DJI", model="M3E",
        sources={"time_utc": "EXIF"}, unknown={"altitude_ellipsoid_m": "not written by this maker"},
        findings=("yaw from the gimbal", "another doubt"),
    )  # fmt: skip
    mosaic = dataclasses.replace(bare, content_hash="7" * 64, path=Path("park.tif"),
        georeference=Georeference("EPSG:32736", (0.1, 0.0, 5e5, 0.0, -0.1, 9.7e6), 10.0))  # fmt: skip
    with filled.writing() as session:
        sortie = next(iter(store.captures.read_sortie_ids(session, 1)))
        keys = store.add_captures(
            session, 1, [store.CaptureEntry(bare), store.CaptureEntry(full, sortie), store.CaptureEntry(mosaic)]
        ).added
        store.refuse_captures(session, 1, [(keys[0], "cannot be decoded")])
    with filled.reading() as session:
        for usable in (False, True):
            whole, table = read_captures(session, 1, usable=usable), read_capture_table(session, 1, usable=usable)
            assert tuple(table) == whole
            assert table[-1] == whole[-1]
            assert tuple(table[3:9:2]) == whole[3:9:2]
            assert table.sorties == [c.sortie for c in whole]
            assert table.content_hashes == [c.capture.content_hash for c in whole]
        assert table[-2].capture == full


def test_columns_say_what_the_captures_say_and_unknown_is_nan(filled: Census) -> None:
    bare = Capture(path=Path("bare.jpg"), content_hash="9" * 64, width_px=10, height_px=20)
    with filled.writing() as session:
        store.add_captures(session, 1, [store.CaptureEntry(bare)])
    with filled.reading() as session:
        table = read_capture_table(session, 1)
    known, last = table[0].capture, len(table) - 1
    assert table.times_s[0] == known.time_utc.timestamp()
    assert table.lonlat[0].tolist() == [known.longitude_deg, known.latitude_deg]
    assert table.column("yaw_deg")[0] == known.yaw_deg
    assert np.isnan([table.times_s[last], *table.lonlat[last], *table.numbers[last]]).all()
    assert table.rows_of([table.capture_id[5], 10**9, table.capture_id[last]]).tolist() == [5, -1, last]
    some = table.rows(table.capture_id % 2 == 0)
    assert list(some) == [c for c in table if c.capture_id % 2 == 0]


@BOTH
def test_repairs_are_in_the_columns_and_in_the_captures(filled: Census) -> None:
    with filled.reading() as session:
        first, second, third = session.scalars(select(CaptureRow.content_hash).order_by(CaptureRow.fid).limit(3))
    with filled.writing() as session:
        add_repairs(session, 1, [
            Repair("yaw-flipped", first, "yaw_deg", 12.5, 99.0, "repaired: XMP; yaw-flipped"),
            Repair("yaw-flipped", first, "yaw_deg", 99.0, 100.0, "repaired: XMP; yaw-flipped"),
            Repair("clock-step", first, "time_utc", None, LATER, "repaired: EXIF; clock-step"),
            Repair("clock-reset", second, "time_utc", LATER, None, "repaired: the clock was reset"),
            Repair("gone", second, "longitude_deg", 34.8, None, "repaired: not there"),
            Repair("pose-refined", third, "pose_covariance", None, [1.0, 2.0], "bundle"),
        ])  # fmt: skip
    with filled.reading() as session:
        whole, table = read_captures(session, 1), read_capture_table(session, 1)
    assert tuple(table) == whole
    assert (table.column("yaw_deg")[0], table.times_s[0]) == (100.0, LATER.timestamp())
    assert np.isnan(table.times_s[1])
    assert np.isnan(table.lonlat[1]).all()
    assert table[2].capture.pose_covariance == [1.0, 2.0]


def test_a_survey_without_captures_is_an_empty_table(census: Census, plan) -> None:
    with census.writing() as session:
        key = store.add_survey(session, plan, name="2026-wet")
    with census.reading() as session:
        table = read_capture_table(session, key)
    assert (len(table), list(table), table.sorties, table.lonlat.shape) == (0, [], [], (0, 2))
    assert table.rows_of([1, 2]).tolist() == [-1, -1]
