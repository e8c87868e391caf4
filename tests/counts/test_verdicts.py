"""What people decide about detections: nothing lost, everything can be taken back, and the counts always fit."""

import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import func, select

from counts import audit, store
from counts.census import Census
from counts.merging import merge
from counts.schema import Detection, DetectionRun, Tally, Verdict
from counts.store.places import sightings_in
from counts.store.review import Cursor, in_capture, judged_page, next_unseen, page, progress, unseen_page
from counts.store.tallies import read_tallies, rebuild_tallies
from counts.store.verdicts import VerdictEntry, add_verdict, add_verdicts, undo_last
from flightplan.errors import CensusError

pytestmark = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = 1


def detections(census, number=None):
    with census.reading() as session:
        rows = session.scalars(select(Detection).order_by(Detection.fid)).all()
    return rows if number is None else rows[number]


def judge(census, number, action, *, who="amina", **more):
    found = detections(census, number)
    with census.writing() as session:
        return add_verdict(session, VerdictEntry(found.capture_id, found.fid, action, who, NOON, **more))


def states(census, number):
    found = detections(census, number)
    with census.reading() as session:
        return next(i for i in in_capture(session, RUN, found.capture_id) if i.detection_id == found.fid)


def tallied(census):
    with census.reading() as session:
        return [(r.label, r.percent, r.state, r.detections) for r in read_tallies(session, RUN)]


def counted_anew(census):
    with census.writing() as session:
        rebuild_tallies(session, RUN)
    return tallied(census)


def test_every_detection_is_tallied_once(filled):
    before = tallied(filled)
    assert sum(row[3] for row in before) == len(detections(filled)) > 100
    assert {row[2] for row in before} == {"unseen"}
    assert counted_anew(filled) == before


def test_the_last_verdict_that_stands_decides_and_what_it_left_alone_stays(filled):
    first = detections(filled, 0)
    judge(filled, 0, "relabel", after={"label": "topi"})
    judge(filled, 0, "move", after={"box_px": [1, 2, 30, 40]})
    now = states(filled, 0)
    assert (now.state, now.label, now.box_px) == ("move", "topi", (1, 2, 30, 40))
    with filled.reading() as session:
        table = store.read_reviewed(session, RUN)
    row = table.detection_id.tolist().index(first.fid)
    assert table.labels[table.label_ids[row]] == "topi"
    assert table.boxes_px[row].tolist() == [1, 2, 30, 40]


@pytest.mark.parametrize("action", ["reject", "split", "merge"])
def test_what_is_no_animal_of_its_own_is_not_counted(filled, action):
    judge(filled, 0, action)
    with filled.reading() as session:
        assert len(store.read_reviewed(session, RUN)) == len(store.read_detections(session, RUN)) - 1


def test_without_verdicts_what_people_left_is_what_was_found(filled):
    with filled.reading() as session:
        found, left = store.read_detections(session, RUN), store.read_reviewed(session, RUN)
    for name in ("detection_id", "capture_id", "boxes_px", "scores", "label_ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(left, name))
    assert found.labels == left.labels


def test_a_drawn_animal_counts_can_be_judged_and_is_no_find_of_the_detector(filled):
    found = detections(filled, 0)
    with filled.writing() as session:
        after = {"label": "zebra", "box_px": [100, 100, 120, 110]}
        add_verdict(session, VerdictEntry(found.capture_id, None, "add", "amina", NOON, after=after))
    with filled.reading() as session:
        assert store.latest_detection_run(session, 1).run_id == RUN
        raw, left = store.read_detections(session, RUN), store.read_reviewed(session, RUN)
        drawn = int(left.detection_id.max())
    assert (len(left), len(raw)) == (len(raw) + 1, len(detections(filled)) - 1)
    number = [d.fid for d in detections(filled)].index(drawn)
    assert states(filled, number).state == "add"
    judge(filled, number, "relabel", after={"label": "topi"})
    assert states(filled, number).label == "topi"
    with filled.writing() as session:
        undo_last(session, RUN, who="amina", time_utc=NOON)
        undo_last(session, RUN, who="amina", time_utc=NOON)
    with filled.reading() as session:
        assert drawn not in {i.detection_id for i in in_capture(session, RUN, found.capture_id)}
        assert len(store.read_reviewed(session, RUN)) == len(raw)
    assert counted_anew(filled) == [*tallied(filled)]


def test_undoing_goes_back_to_the_beginning_and_an_undo_can_be_undone(filled):
    before = tallied(filled)
    for number, action in ((0, "accept"), (1, "reject"), (0, "reject"), (2, "accept")):
        judge(filled, number, action)
    undone = []
    with filled.writing() as session:
        while keys := undo_last(session, RUN, who="amina", time_utc=NOON):
            undone += keys
    assert len(undone) == 4
    assert tallied(filled) == before
    assert states(filled, 0).state == "unseen"
    judge(filled, 0, "undo", undoes=undone[1])  # which took back the second verdict on it
    assert states(filled, 0).state == "reject"
    assert counted_anew(filled) == tallied(filled)


def test_a_person_takes_back_their_own_and_the_others_verdict_stands(filled):
    judge(filled, 0, "accept", who="amina")
    judge(filled, 0, "reject", who="joseph")
    with filled.writing() as session:
        undo_last(session, RUN, who="amina", time_utc=NOON)
    assert states(filled, 0).state == "reject"
    with filled.writing() as session:
        undo_last(session, RUN, who="joseph", time_utc=NOON)
    assert states(filled, 0).state == "unseen"


def test_a_bulk_is_one_act_and_is_taken_back_as_one(filled):
    before = tallied(filled)
    some = detections(filled)[:50]
    with filled.writing() as session:
        entries = [VerdictEntry(d.capture_id, d.fid, "accept", "amina", NOON, batch="b1", request="r1") for d in some]
        keys = add_verdicts(session, entries)
    assert len(set(keys)) == 50
    with filled.writing() as session:
        assert add_verdicts(session, entries) == keys  # the same request again, as after a lost answer
    assert sum(row[3] for row in tallied(filled) if row[2] == "accept") == 50
    with filled.writing() as session:
        assert len(undo_last(session, RUN, who="amina", time_utc=NOON, request="u1")) == 50
        assert len(undo_last(session, RUN, who="amina", time_utc=NOON, request="u1")) == 50
    assert tallied(filled) == before
    with filled.reading() as session:
        assert session.scalar(select(func.count()).select_from(Verdict)) == 100


@pytest.mark.parametrize(
    ("number", "more", "says"),
    [
        (0, {"action": "undo"}, "an undo names the verdict"),
        (0, {"action": "accept", "undoes": 1}, "only an undo does"),
        (0, {"action": "move", "after": {"box_px": [3, 0, 1, 5]}}, "a box is x_min"),
    ],
)
def test_a_verdict_that_means_nothing_is_refused(filled, number, more, says):
    with pytest.raises(CensusError, match=says):
        judge(filled, number, **more)


def test_a_verdict_on_a_detection_of_another_capture_is_refused(filled):
    first, last = detections(filled, 0), detections(filled, -1)
    with pytest.raises(CensusError, match="there is no detection"), filled.writing() as session:
        add_verdict(session, VerdictEntry(first.capture_id, last.fid, "accept", "amina", NOON))


def test_any_sequence_of_verdicts_leaves_tallies_that_fit(filled):
    rng = np.random.default_rng([5])
    actions = ("accept", "reject", "relabel", "move", "undo", "refuse")
    for step in range(40):
        number, action = int(rng.integers(0, 60)), str(rng.choice(actions))
        if action == "undo":
            with filled.writing() as session:
                undo_last(session, RUN, who=str(rng.choice(["amina", "joseph"])), time_utc=NOON)
        elif action == "refuse" and step % 4 == 0:
            with filled.writing() as session:
                store.refuse_captures(session, 1, [(detections(filled, number).capture_id, "blurred")])
        elif action != "refuse":
            after = {"relabel": {"label": "topi"}, "move": {"box_px": [0, 0, 5, 5]}}.get(action)
            judge(filled, number, action, who=str(rng.choice(["amina", "joseph"])), after=after)
    kept = tallied(filled)
    assert {row[2] for row in kept} > {"unseen", "accept"}
    assert counted_anew(filled) == kept
    with filled.reading() as session:
        assert audit.verify(session).sound


def test_what_was_found_in_a_refused_capture_is_on_no_page_and_in_no_tally(filled):
    first = detections(filled, 0)
    with filled.writing() as session:
        store.refuse_captures(session, 1, [(first.capture_id, "blurred")])
    with filled.reading() as session:
        for label in ("elephant", "zebra"):
            assert first.capture_id not in {i.capture_id for i in unseen_page(session, RUN, label, limit=1000)}
    assert counted_anew(filled) == tallied(filled)


class TestPages:
    def test_pages_hold_every_unseen_detection_once_by_falling_score(self, filled):
        wanted = [d for d in detections(filled) if d.label == "zebra"]
        seen, after = [], None
        with filled.reading() as session:
            while found := unseen_page(session, RUN, "zebra", after=after, limit=7):
                seen += found
                after = found[-1].cursor
        assert [i.detection_id for i in seen] == [
            d.fid for d in sorted(wanted, key=lambda d: (d.score, d.fid), reverse=True)
        ]

    def test_the_next_unseen_is_after_the_one_shown_and_then_from_the_top(self, filled):
        with filled.reading() as session:
            first, second = unseen_page(session, RUN, "zebra", limit=2)
            assert next_unseen(session, RUN, "zebra", after=first.cursor) == second
            assert next_unseen(session, RUN, "zebra", after=Cursor(0.0, 0)) == first
            assert next_unseen(session, RUN, "giraffe") is None

    def test_a_judged_one_leaves_the_unseen_and_joins_those_of_its_new_label(self, filled):
        number = next(i for i, d in enumerate(detections(filled)) if d.label == "zebra")
        judge(filled, number, "relabel", after={"label": "elephant"})
        key = detections(filled, number).fid
        with filled.reading() as session:
            assert key not in {i.detection_id for i in page(session, RUN, "zebra", limit=1000)}
            (moved,) = judged_page(session, RUN, "elephant", states=("relabel",))
            assert (moved.detection_id, moved.label) == (key, "elephant")
            assert key in {i.detection_id for i in page(session, RUN, "elephant", limit=1000)}
            assert judged_page(session, RUN, "elephant", states=("reject",)) == ()

    def test_progress_is_n_of_m_from_a_score_up(self, filled):
        total = {label: sum(d.label == label for d in detections(filled)) for label in ("elephant", "zebra")}
        high = sum(d.label == "zebra" and d.score >= 0.8 for d in detections(filled))
        number = next(i for i, d in enumerate(detections(filled)) if d.label == "zebra" and d.score >= 0.8)
        judge(filled, number, "reject")
        with filled.reading() as session:
            found = {p.label: p for p in progress(session, RUN)}
            above = {p.label: p for p in progress(session, RUN, least_score=0.8)}
        assert {k: p.total for k, p in found.items()} == total
        assert (found["zebra"].seen, found["elephant"].seen) == (1, 0)
        assert above["zebra"].states == {"unseen": high - 1, "reject": 1}

    def test_a_part_of_the_map_holds_the_sightings_in_it(self, filled):
        with filled.reading() as session:
            table = store.read_individuals(session, 1)
            west, south = table.lonlat.min(axis=0)
            east, north = np.median(table.lonlat, axis=0)
            inside = (table.lonlat <= [east, north]).all(axis=1)
            found = sightings_in(session, 1, (west, south, east, north))
            assert sorted(found.individual_id) == sorted(table.individual_id[inside])
            assert not found.truncated
            assert sightings_in(session, 1, (west, south, east, north), limit=3).truncated
            assert len(sightings_in(session, 1, (10.0, 10.0, 11.0, 11.0)).detection_id) == 0

    def test_a_place_past_all_keys_is_one_that_a_page_can_go_on_from(self, filled):
        with filled.reading() as session:
            every = unseen_page(session, RUN, "zebra")
            assert unseen_page(session, RUN, "zebra", after=Cursor(every[0].score, 2**53)) == every
            assert judged_page(session, RUN, "zebra", after=Cursor(1.0, 2**53)) == ()

    def test_of_more_sightings_than_are_drawn_those_shown_are_from_everywhere(self, filled):
        with filled.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE sightings")
        with filled.reading() as session:
            every = sightings_in(session, 1, (-180.0, -90.0, 180.0, 90.0))
            assert not every.truncated
            low, high = every.lonlat.min(axis=0), every.lonlat.max(axis=0)
            some = sightings_in(session, 1, (*low, *high), limit=len(every.detection_id) // 10)
            assert some.truncated
            assert set(some.detection_id) < set(every.detection_id)
            assert len(some.detection_id) >= len(every.detection_id) // 40
            # The order of detections is that of the flight, so the first ones would be of one corner.
            assert np.diff(np.searchsorted(every.detection_id, some.detection_id)).max() < len(every.detection_id) / 4
            half = sightings_in(session, 1, (*low, (low[0] + high[0]) / 2, high[1]), limit=3)
            assert half.truncated
            assert (half.lonlat[:, 0] <= (low[0] + high[0]) / 2).all()


def test_two_teams_verdicts_and_drawings_come_together(filled, filled_file, tmp_path):
    with Census.open(shutil.copy(filled_file, tmp_path / "south.gpkg")) as theirs:
        judge(theirs, 0, "reject", who="joseph")
        found = detections(theirs, 1)
        with theirs.writing() as session:
            for box in ([1, 1, 9, 9], [20, 20, 30, 30]):
                after = {"label": "zebra", "box_px": box}
                add_verdict(session, VerdictEntry(found.capture_id, None, "add", "joseph", NOON, after=after))
            undo_last(session, RUN, who="joseph", time_utc=NOON)
        judge(filled, 2, "accept")
        with filled.writing() as session:
            after = {"label": "zebra", "box_px": [50, 50, 60, 60]}
            add_verdict(session, VerdictEntry(found.capture_id, None, "add", "amina", NOON, after=after))
        result = merge(filled, theirs.where)
        assert result.conflicts == []
        again = merge(filled, theirs.where)
        assert not again.added
        assert not again.conflicts
    assert states(filled, 0).state == "reject"
    with filled.reading() as session:
        assert session.scalar(select(func.count()).where(DetectionRun.drawn_over_id.is_not(None))) == 1
        # one rejected, three drawn of which one was taken back
        assert len(store.read_reviewed(session, RUN)) == len(store.read_detections(session, RUN)) - 1 + 2
        assert audit.verify(session).sound
        assert session.scalar(select(func.sum(Tally.detections)).where(Tally.run_id == RUN)) == len(detections(filled))
    assert counted_anew(filled) == tallied(filled)
