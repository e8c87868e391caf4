"""What others observed and what waits to be sent, in both databases: migrated, merged with a copy, verified."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely

from counts.audit import verify
from counts.census import Census
from counts.merging import merge
from counts.store import add_survey, elsewhere, outbox, received
from counts.store.elsewhere import CameraEntry, DeploymentEntry, PatrolEntry, ReportedEntry, TaxonEntry
from counts.store.outbox import OutgoingItem
from counts.store.received import SourceEntry
from flightplan.errors import Skip

BOTH = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)
NOW = datetime(2026, 3, 1, 6, 30, 0, 250_000, tzinfo=UTC)
TRACK = shapely.MultiLineString([[(34.8, -2.3), (34.81, -2.3)], [(34.82, -2.3), (34.83, -2.31)]])
TAXON = TaxonEntry(
    "Loxodonta africana", "species", ("elephant", "éléphant"), ("Elephas africanus",), 584938, 2435350, "Animalia",
    "Elephantidae", "CITES I",
)  # fmt: skip
DEPLOYMENT = DeploymentEntry("d1", 34.8, -2.3, NOW, NOW + timedelta(days=3), "River", 10.0, None, None)
SEEN = CameraEntry(
    "o1", "d1", NOW, NOW, "event", "animal", "elephant", "Loxodonta africana", 3, "Tim", "machine", "M", 0.75
)
PATROL = PatrolEntry("P1", "Foot", NOW, NOW + timedelta(hours=1), 2300.0, TRACK)
REPORTED = ReportedEntry("r1", "elephant", 34.8, -2.3, "Loxodonta africana", None, NOW, "A. Ranger", None, {"k": "v"})


def bring_all(census, origin="o", name="file"):
    with census.writing() as session:
        entry = SourceEntry("test", name, origin, name * 8, "1.0", "CC-BY-4.0")
        skips = [Skip("line 2", "it has no place")]
        source = received.add_source(session, entry, found=5, added=4, skips=skips, time_utc=NOW, code_version="0.1.0")
        received.add_fixes(
            session, source, origin, "Tim", taxon="Loxodonta africana", times_utc=[NOW, NOW + timedelta(minutes=10)],
            lonlat=np.array([[34.8, -2.3], [34.81, -2.3]]), tags=["t1", None],
        )  # fmt: skip
        elsewhere.add_deployments(session, source, origin, [DEPLOYMENT])
        elsewhere.add_camera_observations(session, source, origin, [SEEN])
        elsewhere.add_patrols(session, source, origin, [PATROL, PatrolEntry("P2")])
        elsewhere.add_reported(session, source, origin, [REPORTED])


def queue(census):
    with census.writing() as session:
        survey = add_survey(session, name="s")
        items = [OutgoingItem(f"k{i}", f"item {i}", "/p", {"n": i, "x": 0.1}) for i in range(3)]
        return outbox.queue_items(session, survey, "geojson", "https://x.example", items, NOW)


@BOTH
def test_everything_reads_back_as_it_was_written(census):
    bring_all(census)
    with census.writing() as session:
        checklist = SourceEntry("checklist", "species.csv", "o", "c" * 64)
        key = received.add_source(session, checklist, found=1, added=1, skips=(), time_utc=NOW)
        elsewhere.add_taxa(session, key, [TAXON])
    with census.reading() as session:
        source = received.find_source(session, "test", "file" * 8)
        assert (source.entry.licence, source.skipped, source.skips) == ("CC-BY-4.0", 1, ("line 2: it has no place",))
        assert source.time_utc == NOW
        (track,) = received.read_tracks(session, "Loxodonta africana")
        assert received.read_tracks(session, "Equus quagga") == ()
        assert track.times_utc.tolist() == [datetime(2026, 3, 1, 6, m, 0, 250_000) for m in (30, 40)]
        assert (track.lonlat.tolist(), track.tags) == ([[34.8, -2.3], [34.81, -2.3]], ("t1",))
        fresh = received.new_fixes(session, "o", "Tim", track.times_utc + np.timedelta64(10, "m"))
        assert fresh.tolist() == [False, True]
        assert elsewhere.read_deployments(session) == (DEPLOYMENT,)
        assert elsewhere.read_camera_observations(session) == (SEEN,)
        assert elsewhere.read_patrols(session) == (PatrolEntry("P2"), PATROL)
        assert elsewhere.read_reported(session) == (REPORTED,)
        assert elsewhere.read_taxa(session) == (TAXON,)
        assert verify(session).sound


@BOTH
def test_the_outbox_reads_back_in_order_with_its_doubts(census):
    assert (queue(census).new, queue(census).known) == (3, 3)
    with census.reading() as session:
        first, second, third = outbox.waiting_items(session, "geojson", "https://x.example")
    with census.writing() as session:
        outbox.add_attempt(session, first.item_id, NOW)
        outbox.add_receipt(session, first.item_id, outbox.DELIVERED, NOW, 201, "ok")
        outbox.add_attempt(session, second.item_id, NOW)
    with census.reading() as session:
        left = outbox.waiting_items(session, "geojson", "https://x.example")
        assert [(i.body["n"], i.in_doubt) for i in left] == [(1, True), (2, False)]
        assert left[0].idempotency_key == second.idempotency_key
        assert third.body == {"n": 2, "x": 0.1}
        assert outbox.outcomes(session, "geojson", "https://x.example") == {"delivered": 1, "waiting": 2}
        assert outbox.waiting_items(session, "geojson", "https://y.example") == ()


@BOTH
def test_a_filled_census_goes_down_and_up_again(census):
    bring_all(census)
    queue(census)
    head = census.revision()
    census.downgrade("r0007")
    assert census.revision() == "r0007"
    census.upgrade()
    assert census.revision() == head
    with census.reading() as session:
        assert received.read_sources(session) == ()
    bring_all(census)


def test_what_two_copies_brought_in_becomes_one(tmp_path, census):
    bring_all(census)
    queue(census)
    census.close()
    path = Path(census.where)
    other = Census.backup(path, tmp_path / "other.gpkg")
    with Census.open(other) as theirs:
        bring_all(theirs, origin="theirs", name="other")
    with Census.open(path) as ours:
        # The same animal from another file in each copy: its fixes are one track, and no conflict.
        merged = merge(ours, other)
        assert merged.conflicts == []
        assert merged.added["animal_fixes"] == 2
        assert merge(ours, other).added == {}
        with ours.reading() as session:
            assert [t.origin for t in received.read_tracks(session)] == ["o", "theirs"]
            assert len(elsewhere.read_camera_observations(session)) == 2
            assert verify(session).sound
