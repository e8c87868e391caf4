"""What goes into the census and what comes back: nothing twice, nothing lost, unknown stays unknown."""

import dataclasses
import importlib.util
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import box
from sqlalchemy import select, text

from counts import store
from counts.schema import Capture as CaptureRow
from counts.store.detections import count_by_capture
from flightplan.camera import Camera
from flightplan.errors import CensusError, Skip

_spec = importlib.util.spec_from_file_location("stored_survey", Path(__file__).with_name("stored_survey.py"))
stored_survey = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stored_survey)
DETECTOR, NOON, boxes, capture, run_of = (
    stored_survey.DETECTOR,
    stored_survey.NOON,
    stored_survey.boxes,
    stored_survey.capture,
    stored_survey.run_of,
)
survey = stored_survey.survey


pytestmark = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)


class TestSurveys:
    def test_a_plan_comes_back_as_it_was_drawn(self, census, survey, plan):
        with census.reading() as session:
            info = store.find_survey(session, "2026-wet")
            assert (info.design_kind, info.design_seed, info.spacing_m) == ("systematic", 7, 400.0)
            assert info.protected_area == "Demo park"
            assert store.read_strata(session, info.survey_id) == plan.strata
            area = store.read_area(session, info.survey_id)
        assert [s.name for s in area.strata] == ["woodland", "floodplain"]
        for back, sent in zip(area.strata, plan.area.strata, strict=True):
            assert back.polygon.equals(sent.polygon)
        assert area.exclusions[0].equals(plan.area.exclusions[0])
        assert area.launch_sites == plan.area.launch_sites
        assert area.frame == plan.area.frame

    def test_the_same_survey_again_is_the_same_survey(self, census, survey, plan):
        with census.writing() as session:
            assert store.add_survey(session, plan, name="2026-wet") == survey[0]
            assert store.add_survey(session, name="2026-wet") == survey[0]

    def test_a_survey_keeps_its_plan(self, census, survey, plan):
        other = dataclasses.replace(plan, design=dataclasses.replace(plan.design, seed=8))
        with pytest.raises(CensusError, match="with another plan"), census.writing() as session:
            store.add_survey(session, other, name="2026-wet")

    def test_two_seasons_share_their_protected_area(self, census, survey, plan):
        with census.writing() as session:
            store.add_survey(session, plan, name="2026-dry")
        with census.reading() as session:
            assert session.scalar(text("SELECT count(*) FROM protected_areas")) == 1
            assert store.latest_survey(session).name == "2026-dry"

    def test_a_survey_that_is_not_there_is_answered_with_those_that_are(self, census, survey):
        with census.reading() as session, pytest.raises(CensusError, match="It has: 2026-wet"):
            store.find_survey(session, "2025-wet")

    def test_a_sortie_is_to_be_flown_until_it_was_flown_to_its_end(self, census, survey):
        with census.writing() as session:
            assert store.sorties_not_flown(session, survey[0]) == ("sortie-01", "sortie-02")
            store.record_flight(session, survey[0], "sortie-01", started_utc=NOON, flown_length_m=1234.5)
            store.record_flight(session, survey[0], "sortie-02", status="cut short", note="battery")
        with census.reading() as session:
            assert store.sorties_not_flown(session, survey[0]) == ("sortie-02",)
            first, second = store.read_flights(session, survey[0])
        assert (first.started_utc, first.ended_utc, first.track) == (NOON, None, None)
        assert second.note == "battery"

    def test_a_skipped_item_is_named_once_however_often_it_is_skipped(self, census, survey):
        skip = Skip("images/x.jpg", "the file is cut short")
        for _ in range(2):
            with census.writing() as session:
                store.add_import(session, survey[0], "images", found=5, added=4, skips=[skip, skip])
        with census.reading() as session:
            assert store.read_skips(session, survey[0]) == (("ingest", skip),)


class TestCaptures:
    def test_a_capture_comes_back_as_it_was_read(self, census, survey):
        sent = capture(
            9,
            time_utc=NOON,
            longitude_deg=34.83,
            latitude_deg=-2.33,
            altitude_msl_m=1530.25,
            yaw_deg=359.9,
            pitch_deg=-90.0,
            roll_deg=0.0,
            camera=Camera("x", 800, 600, 650.0, principal_point_px=(399.5, 299.5), distortion=(0.1, 0, 0, 0, 0)),
            sources={"time_utc": "EXIF"},
            unknown={"altitude_takeoff_m": "not written by this maker"},
            findings=("yaw from the gimbal",),
        )
        with census.writing() as session:
            store.add_captures(session, survey[0], [store.CaptureEntry(sent)])
        with census.reading() as session:
            assert store.read_captures(session, survey[0])[-1].capture == sent

    def test_what_a_picture_did_not_say_stays_unknown_and_is_not_0(self, census, survey):
        with census.reading() as session:
            back = store.read_captures(session, survey[0])[0]
            row = session.scalars(select(CaptureRow)).first()
        unknown = [
            "time_utc", "longitude_deg", "latitude_deg", "altitude_msl_m", "altitude_ellipsoid_m",
            "altitude_takeoff_m", "yaw_deg", "pitch_deg", "roll_deg", "camera", "horizontal_accuracy_m",
        ]  # fmt: skip
        assert [getattr(back.capture, name) for name in unknown] == [None] * len(unknown)
        assert row.position is None
        assert (back.on_effort, back.transect, back.refused) == (None, None, None)

    def test_a_height_of_0_is_known(self, census, survey):
        with census.writing() as session:
            store.add_captures(
                session, survey[0], [store.CaptureEntry(capture(9, altitude_takeoff_m=0.0, roll_deg=0.0))]
            )
        with census.reading() as session:
            back = store.read_captures(session, survey[0])[-1].capture
        assert (back.altitude_takeoff_m, back.roll_deg, back.altitude_msl_m) == (0.0, 0.0, None)

    def test_bringing_the_same_folder_in_again_adds_nothing(self, census, survey):
        with census.writing() as session:
            again = store.add_captures(session, survey[0], [store.CaptureEntry(capture(i)) for i in range(4)])
        assert again == store.CapturesAdded(added=(), known=4, skips=())

    def test_the_same_picture_under_another_name_is_a_named_skip(self, census, survey):
        copy = dataclasses.replace(capture(2), path=Path("images/copy of 2.jpg"))
        fresh = (
            dataclasses.replace(capture(7), path=Path("a/7.jpg")),
            dataclasses.replace(capture(7), path=Path("b/7.jpg")),
        )
        with census.writing() as session:
            result = store.add_captures(session, survey[0], [store.CaptureEntry(c) for c in (copy, *fresh)])
        assert len(result.added) == 1
        assert result.skips == (
            Skip("images/copy of 2.jpg", "the same picture is in the survey as images/2.jpg"),
            Skip("b/7.jpg", "the same picture is in the survey as a/7.jpg"),
        )

    def test_a_time_without_a_zone_is_refused(self, census, survey):
        entry = store.CaptureEntry(capture(9, time_utc=NOON.replace(tzinfo=None)))
        with pytest.raises(CensusError, match="no time zone"), census.writing() as session:
            store.add_captures(session, survey[0], [entry])

    def test_a_local_time_is_the_same_moment_in_utc(self, census, survey):
        local = NOON.astimezone(timezone(timedelta(hours=3)))
        with census.writing() as session:
            store.add_captures(session, survey[0], [store.CaptureEntry(capture(9, time_utc=local))])
        with census.reading() as session:
            back = store.read_captures(session, survey[0])[-1].capture.time_utc
        assert (back, back.utcoffset()) == (NOON, timedelta(0))

    def test_a_capture_off_effort_always_says_why(self, census, survey):
        key, captures = survey
        with census.writing() as session:
            store.assign_transects(
                session,
                key,
                [
                    store.TransectAssignment(captures[0], "woodland-01", True),
                    store.TransectAssignment(captures[1], "woodland-01", False, "in a turn"),
                    store.TransectAssignment(captures[2], None, False),
                ],
            )
        with census.reading() as session:
            back = store.read_captures(session, key)
        assert [(c.transect, c.on_effort, c.off_effort_reason) for c in back] == [
            ("woodland-01", True, None),
            ("woodland-01", False, "in a turn"),
            (None, False, "reason not recorded"),
            (None, None, None),
        ]

    def test_a_transect_that_is_not_in_the_plan_is_refused(self, census, survey):
        with pytest.raises(CensusError, match="no transect 'woodland-99'"), census.writing() as session:
            store.assign_transects(session, survey[0], [store.TransectAssignment(survey[1][0], "woodland-99", True)])

    def test_a_footprint_worked_out_again_replaces_the_one_before(self, census, survey):
        key, captures = survey
        for height in (79.0, None):
            with census.writing() as session:
                store.put_footprints(
                    session, [store.FootprintEntry(captures[0], box(34.8, -2.4, 34.9, -2.3), height, 12.0, "plan")]
                )
        with census.reading() as session:
            table = store.read_footprints(session, key)
        assert table.capture_id.tolist() == [captures[0]]
        assert np.isnan(table.altitude_agl_m).all()
        assert table.polygons[0].bounds == (34.8, -2.4, 34.9, -2.3)

    def test_a_refused_capture_is_kept_and_counts_for_nothing(self, census, survey):
        key, captures = survey
        with census.writing() as session:
            run = run_of(session, key)
            store.put_footprints(session, [store.FootprintEntry(c, box(34, -3, 35, -2)) for c in captures])
            store.add_detections(session, run, {captures[0]: boxes("zebra"), captures[1]: boxes("zebra")})
            store.refuse_captures(session, key, [(captures[0], "cannot be decoded")])
        with census.reading() as session:
            assert [c.refused for c in store.read_captures(session, key)] == ["cannot be decoded", None, None, None]
            assert len(store.read_captures(session, key, usable=True)) == 3
            assert store.read_footprints(session, key).capture_id.tolist() == list(captures[1:])
            assert store.read_detections(session, run).capture_id.tolist() == [captures[1]]
            assert store.count_detections(session, run) == {"zebra": 1}


class TestDetections:
    def test_a_run_that_was_cut_short_goes_on_with_what_it_has_not_looked_at(self, census, survey):
        key, captures = survey
        with census.writing() as session:
            run = run_of(session, key)
            store.add_detections(session, run, {captures[0]: boxes(), captures[2]: boxes("zebra", "elephant")})
        with census.writing() as session:
            assert run_of(session, key) == run
            left = store.captures_without_detections(session, run)
        assert [c.capture_id for c in left] == [captures[1], captures[3]]

    def test_detections_come_back_as_arrays(self, census, survey):
        key, captures = survey
        with census.writing() as session:
            run = run_of(session, key)
            store.add_detections(session, run, {captures[2]: boxes("zebra", "elephant", "zebra"), captures[0]: boxes()})
        with census.reading() as session:
            table = store.read_detections(session, run)
            info = store.latest_detection_run(session, key)
        np.testing.assert_array_equal(table.boxes_px, np.arange(12.0).reshape(3, 4))
        np.testing.assert_allclose(table.scores, [0.9, 0.7, 0.5])
        assert [table.labels[i] for i in table.label_ids] == ["zebra", "elephant", "zebra"]
        assert (info.captures_done, info.detections, info.detector) == (2, 3, DETECTOR)

    def test_nothing_found_is_a_table_without_rows(self, census, survey):
        with census.writing() as session:
            run = run_of(session, survey[0])
            store.add_detections(session, run, {})
            table = store.read_detections(session, run)
        assert (len(table), table.boxes_px.shape, table.labels) == (0, (0, 4), ())

    def test_how_much_was_found_in_each_capture_is_known_where_nothing_was_too(self, census, survey):
        key, captures = survey
        with census.writing() as session:
            run = run_of(session, key)
            store.add_detections(session, run, {captures[2]: boxes("zebra", "zebra"), captures[0]: boxes()})
            where, found = count_by_capture(session, run)
            nowhere, nothing = count_by_capture(session, run_of(session, key, threshold=0.9))
        assert dict(zip(where.tolist(), found.tolist(), strict=True)) == {captures[0]: 0, captures[2]: 2}
        assert (len(nowhere), len(nothing)) == (0, 0)

    def test_another_threshold_is_another_run_and_the_first_keeps_its_boxes(self, census, survey):
        key, captures = survey
        with census.writing() as session:
            first = run_of(session, key)
            store.add_detections(session, first, {captures[0]: boxes("zebra")})
            second = run_of(session, key, threshold=0.5)
            assert second != first
            store.add_detections(session, second, {captures[0]: boxes()})
        with census.reading() as session:
            assert len(store.read_detections(session, first)) == 1
            assert len(store.captures_without_detections(session, second)) == 3
            assert store.latest_detection_run(session, key).run_id == second
        with census.writing() as session:
            assert run_of(session, key) == first
        with census.reading() as session:
            assert store.latest_detection_run(session, key).run_id == first

    def test_a_capture_is_looked_at_once_by_a_run(self, census, survey):
        key, captures = survey
        with census.writing() as session:
            run = run_of(session, key)
            store.add_detections(session, run, {captures[0]: boxes("zebra")})
        with pytest.raises(CensusError, match=r"images/0\.jpg: the run has looked"), census.writing() as session:
            store.add_detections(session, run, {captures[1]: boxes(), captures[0]: boxes("zebra")})
        with census.reading() as session:
            assert len(store.captures_without_detections(session, run)) == 3
