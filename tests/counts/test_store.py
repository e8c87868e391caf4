"""What goes into the census and what comes back: nothing twice, nothing lost, unknown stays unknown."""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import box
from sqlalchemy import select, text

from counts import store
from counts.census import Census
from counts.estimators import Component
from counts.estimators.estimate import estimate, no_estimate
from counts.schema import Capture as CaptureRow
from counts.store.detections import count_by_capture
from counts.verification import Correction
from detect.captures import Capture
from detect.detections import Detections
from flightplan.camera import Camera
from flightplan.errors import CensusError, Skip

NOON = datetime(2026, 2, 14, 12, 0, 0, 123000, tzinfo=UTC)
DETECTOR = store.DetectorInfo("ab" * 32, "overfly-nano", "detect", ("elephant", "zebra"))

pytestmark = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)


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


class TestIdentity:
    def test_individuals_come_back_with_their_sightings_counted(self, census, counted):
        with census.reading() as session:
            table = store.read_individuals(session, counted[2])
            rows = session.execute(
                text("SELECT individual_id, variance_east_m2, covariance_m2 FROM sightings ORDER BY fid")
            ).all()
        assert table.species.tolist() == ["zebra", "elephant"]
        assert table.sightings.tolist() == [2, 0]
        assert table.transect == ("woodland-01", None)
        np.testing.assert_array_equal(table.lonlat, [[34.81, -2.3305], [34.82, -2.33]])
        assert [row[0] for row in rows] == [table.individual_id[0], None, table.individual_id[0]]
        assert [row[1] for row in rows] == [4.0, None, 2.0]
        assert rows[2][2] == 0.5

    def test_a_new_identity_run_leaves_the_old_one_as_it_was(self, census, counted):
        key, _, first = counted
        empty = np.empty((0, 2))
        nobody = store.IdentityEntry(
            np.empty(0, dtype=np.int64), empty, np.empty((0, 2, 2)), np.empty(0, dtype=np.int64), [], empty, []
        )
        with census.writing() as session:
            run = store.latest_detection_run(session, key).run_id
            second = store.add_identity_run(session, run, nobody, method="none", parameters={})
            assert store.latest_identity_run(session, key) == second
            assert len(store.read_individuals(session, second)) == 0
            assert store.read_individuals(session, second).lonlat.shape == (0, 2)
            assert len(store.read_individuals(session, first)) == 2

    def test_a_checked_frame_is_on_disk_once_it_was_acknowledged(self, census, counted):
        _, captures, identity = counted
        sent = (
            store.VerificationEntry(captures[0], "positive", "zebra", 3, 2),
            store.VerificationEntry(captures[2], "zero", "zebra", 1, 0),
        )
        for _ in range(2):
            with census.writing() as session:
                store.add_verification(session, identity, sent, who="M. Odhiambo", time_utc=NOON)
        census.close()
        with Census.open(census.where, create=False) as again, again.reading() as session:
            assert store.read_verification(session, identity) == sent

    def test_a_verdict_is_on_disk_once_it_was_acknowledged(self, census, counted):
        _, captures, _ = counted
        sent = store.VerdictEntry(captures[0], 1, "relabel", "M. Odhiambo", NOON, {"label": "zebra"}, {"label": "topi"})
        missed = store.VerdictEntry(captures[0], None, "add", "M. Odhiambo", NOON, None, {"box_px": [1, 2, 3, 4]})
        with census.writing() as session:
            store.add_verdict(session, sent)
        with census.writing() as session:
            store.add_verdict(session, missed)
        census.close()
        with Census.open(census.where, create=False) as again, again.reading() as session:
            assert store.read_verdicts(session, captures[0]) == (sent, missed)

    @pytest.mark.parametrize("table", ["verdicts", "verification_samples"])
    @pytest.mark.parametrize("change", ["UPDATE {} SET who = 'x'", "DELETE FROM {}"])
    def test_what_people_said_is_never_changed_or_deleted(self, census, counted, table, change):
        _, captures, identity = counted
        with census.writing() as session:
            store.add_verdict(session, store.VerdictEntry(captures[0], 1, "accept", "a", NOON))
            entry = store.VerificationEntry(captures[0], "zero", "zebra", 0, 0)
            store.add_verification(session, identity, [entry], who="a", time_utc=NOON)
        with pytest.raises(CensusError, match=f"{table} is append-only"), census.writing() as session:
            session.execute(text(change.format(table)))

    def test_a_verdict_of_another_kind_is_refused(self, census, counted):
        with pytest.raises(CensusError, match="'maybe'"), census.writing() as session:
            store.add_verdict(session, store.VerdictEntry(counted[1][0], 1, "maybe", "a", NOON))


def count(session, key, entries=(), **change):
    about = {"identity_run_id": None, "effort": (), "corrections": (), "parameters": {}, "estimates": entries}
    return store.add_estimate_run(session, key, **{**about, **change})


class TestResults:
    def test_an_estimators_result_comes_back_to_the_last_bit(self, census, survey):
        parts = [Component("sampling", 1e4, 12.0), Component("detection", 900.0, 40.0, "frames")]
        result = estimate(1240.4, parts, method="Jolly 2", units=13, seen=87.0, notes=("one herd dominates",))
        sent = store.EstimateEntry.of(result, species="zebra", stratum="woodland", individuals=90, possible_units=56.25)
        assert sent.components == {"sampling": 1e4, "detection": 900.0}
        assert (sent.individuals, sent.se, sent.df) == (90, np.sqrt(10900.0), result.degrees_of_freedom)
        with census.writing() as session:
            run = count(session, survey[0], [sent])
        with census.reading() as session:
            assert store.read_estimates(session, run.estimate_run_id) == (sent,)

    def test_an_estimate_that_cannot_be_made_is_none_with_its_reason(self, census, survey):
        result = no_estimate("one transect", method="Jolly 2", units=1)
        sent = store.EstimateEntry.of(result, species="zebra", stratum=None, individuals=3)
        with census.writing() as session:
            run = count(session, survey[0], [sent])
            back = store.read_estimates(session, run.estimate_run_id)[0]
        assert (back.value, back.se, back.lower, back.upper, back.cv) == (None,) * 5
        assert back.limits_reason == "one transect"

    def test_limits_that_are_missing_without_a_reason_are_refused(self, census, survey):
        bare = store.EstimateEntry("zebra", None, "Jolly 2", 5.0, None, None, None, None, None, 1, 5)
        with pytest.raises(CensusError, match="no limits and no reason"), census.writing() as session:
            count(session, survey[0], [bare])

    def test_a_number_that_is_not_one_is_refused(self, census, survey):
        bad = store.EstimateEntry("zebra", None, "Jolly 2", float("nan"), 1.0, 1.0, 2.0, 0.1, 3.0, 4, 5)
        with pytest.raises(CensusError, match="not finite"), census.writing() as session:
            count(session, survey[0], [bad])

    def test_corrections_and_effort_come_back_with_what_they_say_of_themselves(self, census, survey):
        measured = Correction("detection", 1.08, 0.002, 38.0, "stratified difference", "60 frames", 120.0, 111.0, 40.0)
        refused = Correction("detection", None, None, None, "difference", "60 frames", reason="none counted")
        sent = (
            store.CorrectionEntry.of(measured, species="zebra", frames=60),
            store.CorrectionEntry.of(refused, species="elephant"),
        )
        effort = (store.EffortEntry("woodland-02", 85000.0, 890.0, 15), store.EffortEntry("woodland-01", 0.0, 0.0, 0))
        with census.writing() as session:
            run = count(session, survey[0], corrections=sent, effort=effort)
        with census.reading() as session:
            back = store.read_corrections(session, run.estimate_run_id)
            assert store.read_effort(session, run.estimate_run_id) == effort
        assert back == sent
        assert back[0].details["frames"] == 60
        assert (back[1].factor, back[1].reason) == (None, "none counted")

    def test_counting_again_is_the_same_layer_and_another_input_is_another_one(self, census, survey):
        key = survey[0]
        with census.writing() as session:
            first = count(session, key, inputs_hash="a")
            assert count(session, key, inputs_hash="a") == first
            second = count(session, key, inputs_hash="b")
            assert second.estimate_run_id != first.estimate_run_id
            assert second.provenance_hash != first.provenance_hash
            assert store.latest_estimate_run(session, key) == second
            third = count(session, key, inputs_hash="a")
            assert store.latest_estimate_run(session, key) == third
            assert third.provenance_hash == first.provenance_hash

    def test_numpy_numbers_are_kept_as_numbers(self, census, survey):
        entry = store.EffortEntry("woodland-01", np.float64(5.5), np.float32(2.0), np.int64(3))
        with census.writing() as session:
            run = count(session, survey[0], effort=[entry], parameters={"n": np.int64(4), "x": np.array([1.5])})
        with census.reading() as session:
            assert store.read_effort(session, run.estimate_run_id) == (store.EffortEntry("woodland-01", 5.5, 2.0, 3),)
            assert store.read_estimate_run(session, run.estimate_run_id).parameters == {"n": 4, "x": [1.5]}
