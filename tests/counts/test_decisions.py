"""People and roles, pairs that may be one animal, blind samples, and what lies around a survey."""

import dataclasses
from datetime import UTC, datetime

import pytest
import shapely
from shapely.geometry import LineString, Point, box

from counts import audit, store
from counts.store.pairs import PairAnswer, PairEntry, add_answer, add_pairs, answers_for, next_undecided_pair
from counts.store.samples import (
    FrameCount,
    SampleFrameEntry,
    add_count,
    add_sample,
    assign,
    frames_to_do,
    latest_sample,
    read_counts,
    read_frames,
)
from flightplan.area_heights import Level
from flightplan.errors import CensusError
from flightplan.obstacles import AirspaceZone, Obstacle

pytestmark = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestPeople:
    def test_the_last_role_that_somebody_was_given_holds(self, census):
        with census.writing() as session:
            key = store.add_person(session, "amina", "reviewer", who="system", time_utc=NOON, secret="scrypt$1")
            assert store.add_person(session, "amina", "manager", who="joseph", time_utc=NOON) == key
            store.add_person(session, "guest", "viewer", who="amina", time_utc=NOON)
        with census.reading() as session:
            found = store.find_person(session, "amina")
            assert (found.role, found.secret) == ("manager", "scrypt$1")
            assert [(p.name, p.role) for p in store.read_people(session)] == [("amina", "manager"), ("guest", "viewer")]
            assert store.find_person(session, "nobody") is None

    def test_a_new_login_leaves_the_audit_sound_and_no_word_in_it(self, census):
        with census.writing() as session:
            store.add_person(session, "amina", "reviewer", who="system", time_utc=NOON, secret="old")
        with census.writing() as session:
            store.add_person(session, "amina", "reviewer", who="system", time_utc=NOON, secret="new")
        with census.reading() as session:
            assert audit.verify(session).sound
            assert store.find_person(session, "amina").secret == "new"

    def test_an_unknown_role_is_refused(self, census):
        with pytest.raises(CensusError, match="a role is one of"), census.writing() as session:
            store.add_person(session, "amina", "owner", who="system", time_utc=NOON)


@pytest.fixture
def seen(filled):
    """Keys of detections of the filled census, one a capture, in rising order."""
    with filled.reading() as session:
        table = store.read_detections(session, 1)
    first = {}
    for key, capture in zip(table.detection_id.tolist(), table.capture_id.tolist(), strict=True):
        first.setdefault(capture, key)
    return sorted(first.values())


class TestPairs:
    def test_pairs_are_asked_one_after_another_until_all_are_answered(self, filled, seen):
        pairs = [PairEntry(seen[1], seen[0], True, 2.5, 0.6), PairEntry(seen[2], seen[3], False, 4.0, None, "far")]
        with filled.writing() as session:
            assert add_pairs(session, 1, pairs) == 2
        with filled.reading() as session:
            _, first = next_undecided_pair(session, 1)
            assert (first.first_id, first.second_id) == (seen[0], seen[1])
        with filled.writing() as session:
            add_answer(session, PairAnswer(seen[1], seen[0], "same", "amina", NOON, request="r1"))
        with filled.reading() as session:
            other, second = next_undecided_pair(session, 1)
            assert (second.reason, second.together) == ("far", False)
            assert next_undecided_pair(session, 1, after=other) is None
            assert answers_for(session, 1) == {(seen[0], seen[1]): "same"}

    def test_an_answer_is_taken_back_and_a_repeated_request_writes_nothing(self, filled, seen):
        with filled.writing() as session:
            one = add_answer(session, PairAnswer(seen[0], seen[1], "same", "amina", NOON, request="r1"))
            assert add_answer(session, PairAnswer(seen[0], seen[1], "same", "amina", NOON, request="r1")) == one
            two = add_answer(session, PairAnswer(seen[0], seen[1], "different", "joseph", NOON))
            assert answers_for(session, 1) == {(seen[0], seen[1]): "different"}
            back = add_answer(session, PairAnswer(seen[0], seen[1], "undo", "joseph", NOON, undoes=two))
            assert answers_for(session, 1) == {(seen[0], seen[1]): "same"}
            add_answer(session, PairAnswer(seen[0], seen[1], "undo", "joseph", NOON, undoes=back))
            assert answers_for(session, 1) == {(seen[0], seen[1]): "different"}

    @pytest.mark.parametrize(
        ("first", "second", "answer", "says"),
        [(0, 0, "same", "no pair with itself"), (0, 1, "perhaps", "an answer is one of"), (0, 1, "undo", "an undo")],
    )
    def test_an_answer_that_means_nothing_is_refused(self, filled, seen, first, second, answer, says):
        with pytest.raises(CensusError, match=says), filled.writing() as session:
            add_answer(session, PairAnswer(seen[first], seen[second], answer, "amina", NOON))

    def test_two_boxes_of_one_picture_are_never_one_animal_seen_twice(self, filled):
        with filled.reading() as session:
            table = store.read_detections(session, 1)
        where = next(i for i in range(1, len(table)) if table.capture_id[i] == table.capture_id[i - 1])
        first, second = table.detection_id[where - 1 : where + 1].tolist()
        with pytest.raises(CensusError, match="two boxes of one picture"), filled.writing() as session:
            add_answer(session, PairAnswer(first, second, "same", "amina", NOON))


class TestSamples:
    @pytest.fixture
    def sample(self, filled):
        zone = [[[10.0, 10.0], [790.0, 10.0], [790.0, 500.0]]]
        frames = [SampleFrameEntry(key, "zero" if key % 2 else "positive", zone) for key in (5, 3, 9, 12)]
        with filled.writing() as session:
            drawn = {"seed": 1, "parameters": {"zero": 2, "positive": 2}, "who": "amina", "time_utc": NOON}
            key = add_sample(session, 1, 1, frames, **drawn)
            assert add_sample(session, 1, 1, frames, **drawn) == key
        return key

    def test_a_sample_is_kept_as_it_was_drawn(self, filled, sample):
        with filled.reading() as session:
            assert latest_sample(session, 1) == sample
            frames = read_frames(session, sample)
        assert [(f.position, f.entry.capture_id) for f in frames] == [(1, 5), (2, 3), (3, 9), (4, 12)]
        assert frames[0].entry.zone_px == [[[10.0, 10.0], [790.0, 10.0], [790.0, 500.0]]]

    def test_nobody_looks_at_a_frame_twice_and_the_second_reviewer_gets_what_the_first_had(self, filled, sample):
        with filled.writing() as session:
            assert assign(session, sample, "amina", turn=1, time_utc=NOON, frames=3) == 3
            assert assign(session, sample, "joseph", turn=1, time_utc=NOON, frames=3) == 1
            assert assign(session, sample, "joseph", turn=2, time_utc=NOON, frames=4) == 3
            assert assign(session, sample, "amina", turn=2, time_utc=NOON, frames=4) == 1
            assert assign(session, sample, "amina", turn=2, time_utc=NOON, frames=4) == 0
            captures = [f.entry.capture_id for f in frames_to_do(session, sample, "joseph")]
        assert captures == [5, 3, 9, 12]

    def test_what_was_counted_leaves_the_list_and_the_last_word_holds(self, filled, sample):
        with filled.writing() as session:
            assign(session, sample, "amina", turn=1, time_utc=NOON, frames=2)
            frame = frames_to_do(session, sample, "amina")[0]
            counts = FrameCount(
                frame.frame_id, {"elephant": 2, "zebra": 0}, "amina", NOON, {"elephant": [(3, 4), (5, 6)]}, "r1"
            )
            keys = add_count(session, counts)
            assert add_count(session, counts) == keys
            add_count(session, FrameCount(frame.frame_id, {"elephant": 3}, "amina", NOON))
            assert [f.position for f in frames_to_do(session, sample, "amina")] == [2]
            assert read_counts(session, sample) == {"amina": {frame.frame_id: {"elephant": 3, "zebra": 0}}}

    @pytest.mark.parametrize(("counts", "says"), [({}, "names its species"), ({"zebra": -1}, "cannot be -1")])
    def test_a_count_without_a_meaning_is_refused(self, filled, sample, counts, says):
        with filled.reading() as session:
            frame = read_frames(session, sample)[0]
        with pytest.raises(CensusError, match=says), filled.writing() as session:
            add_count(session, FrameCount(frame.frame_id, counts, "amina", NOON))


class TestSurroundings:
    def test_masts_airspace_ground_kept_clear_and_warnings_of_the_plan_come_back(self, census, plan):
        mast = Obstacle("mast", Point(34.82, -2.33), Level(45.0, "agl"))
        wire = Obstacle("wire", LineString([(34.81, -2.33), (34.83, -2.332)]))
        zone = AirspaceZone(
            "CTR", "d", shapely.MultiPolygon([box(34.8, -2.34, 34.81, -2.33)]), None, Level(900.0, "amsl")
        )
        clear = shapely.MultiPolygon([box(34.82, -2.331, 34.821, -2.33)])
        area = dataclasses.replace(plan.area, obstacles=(mast, wire), airspace=(zone,), kept_clear=(clear,))
        asked = dataclasses.replace(plan, area=area, warnings=("wind is strong", "the sun is high", "wind is strong"))
        with census.writing() as session:
            key = store.add_survey(session, asked, name="2026-wet")
            store.add_survey(session, asked, name="2026-wet")
        with census.reading() as session:
            back = store.read_area(session, key)
            assert back.obstacles == (mast, wire)
            assert back.airspace == (zone,)
            assert back.kept_clear[0].equals(clear)
            assert store.read_warnings(session, key) == ("wind is strong", "the sun is high")

    def test_a_mask_is_written_once_and_one_that_crosses_itself_is_refused(self, census, plan):
        lake = store.MaskEntry("water", box(34.82, -2.331, 34.825, -2.33), "lakes.gpkg", "Lake")
        with census.writing() as session:
            key = store.add_survey(session, plan, name="2026-wet")
            assert store.add_masks(session, key, [lake, lake]) == 1
            assert store.add_masks(session, key, [lake]) == 0
            (back,) = store.read_masks(session, key)
        assert (back.kind, back.name, back.source) == ("water", "Lake", "lakes.gpkg")
        assert back.polygon.equals(lake.polygon)
        bow = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
        with pytest.raises(CensusError, match="crosses itself"), census.writing() as session:
            store.add_masks(session, key, [store.MaskEntry("water", bow, "lakes.gpkg")])

    def test_gaps_and_what_effort_missed_come_back(self, filled):
        gap = store.GapEntry(box(34.82, -2.331, 34.825, -2.33), 1200.0, "woodland-01", "no picture")
        effort = store.EffortEntry("woodland-01", 8000.0, 80.0, 15, 9500.0, 300.0, 1200.0)
        with filled.writing() as session:
            run = store.add_estimate_run(
                session, 1, identity_run_id=1, effort=[effort], corrections=(), estimates=(), parameters={}, gaps=[gap]
            )
            assert store.read_effort(session, run.estimate_run_id) == (effort,)
            (back,) = store.read_gaps(session, run.estimate_run_id)
        assert (back.area_m2, back.transect, back.reason) == (1200.0, "woodland-01", "no picture")
        assert back.polygon.geoms[0].equals(gap.polygon)
