"""Services of others: whatever the line does, each item arrives once, in order, and nobody sees the token."""

import hashlib
import importlib.util
import logging
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest

from counts.audit import verify
from counts.census import Census
from counts.exchange import ExportOptions, services
from counts.exchange.services import Patience, Token, open_service
from counts.exchange.services.client import KEY_HEADER, check_target, read_token
from counts.store import outbox
from counts.store.outbox import OutgoingItem
from detect.captures import Capture
from detect.detections import Detections
from flightplan.errors import CensusError, ServiceError

_spec = importlib.util.spec_from_file_location("recorded_service", Path(__file__).with_name("recorded_service.py"))
recorded = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recorded)
RecordedService, TOKEN = recorded.RecordedService, recorded.TOKEN
OK, HANG, CUT_BEFORE, CUT_AFTER = recorded.OK, recorded.HANG, recorded.CUT_BEFORE, recorded.CUT_AFTER

SURVEY = "2026-wet"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
AREA = "4bd9a1f0-6a5c-4a39-9c9f-1f2f4ad1c001"
PATIENT = Patience(tries=3, timeout_s=60.0, first_wait_s=1.0)
SMART = {"species": {name: {"category": "animals", "count": "n"} for name in ("elephant", "zebra")}}


class CountedClock:
    """A clock on which waiting takes no time, and which remembers how long was waited."""

    def __init__(self):
        self.now, self.waits = NOW.timestamp(), []

    def now_s(self):
        return self.now

    def wait(self, condition, timeout_s):
        self.waits.append(timeout_s)
        self.now += timeout_s
        return False


@pytest.fixture
def service():
    with RecordedService() as opened:
        yield opened


@pytest.fixture
def clock():
    return CountedClock()


def connected(where, clock, name="geojson", token=TOKEN, **options):
    opened = open_service(name, where.url, Token(token), patience=PATIENT, clock=clock, **options)
    opened.client._http.event_hooks = {"request": [where.before]}
    return opened


def items(count):
    """What cannot be mistaken for one another, about the same moment."""
    return [
        OutgoingItem(
            f"event/{i}",
            f"event {i}",
            "/api/v1.0/activity/events",
            {"time": "2026-02-14T06:00:00Z", "event_details": {"overfly_key": str(i)}},
        )
        for i in range(count)
    ]


@pytest.fixture
def queue(census):
    """A census with a survey, and a way to put items into its outbox."""
    from counts import store

    with census.writing() as session:
        survey = store.add_survey(session, name="s")

    def put(there, what, name="geojson"):
        with census.writing() as session:
            return outbox.queue_items(session, survey, name, there.url, what, NOW)

    return put


@pytest.fixture
def tiny(census):
    """Three pictures: two elephants, a zebra, an elephant."""
    from counts import store

    with census.writing() as session:
        survey = store.add_survey(session, name=SURVEY)
        captures = [
            Capture(
                Path(f"{i}.jpg"), hashlib.sha256(bytes([i])).hexdigest(), 100, 100,
                time_utc=datetime(2026, 2, 14, 6, i, tzinfo=UTC), longitude_deg=34.82, latitude_deg=-2.33,
            )
            for i in range(3)
        ]  # fmt: skip
        keys = store.add_captures(session, survey, [store.CaptureEntry(c) for c in captures]).added
        detector = store.DetectorInfo("ab" * 32, "d", "detect", ("elephant", "zebra"))
        run = store.open_detection_run(session, survey, detector, threshold=0.3, parameters={})
        for key, ids in zip(keys, ([0, 0], [1], [0]), strict=True):
            boxes = np.array([[10.0 + 20 * i, 10, 20 + 20 * i, 20] for i in range(len(ids))])
            scores, ids = np.full(len(ids), 0.9), np.array(ids, dtype=np.int64)
            found = Detections(boxes, scores, ids, ("elephant", "zebra"), "ab" * 32)
            store.add_detections(session, run, {key: found})
        table = store.read_detections(session, run)
        places = np.column_stack([34.821 + np.arange(4) * 1e-3, np.full(4, -2.331)])
        who = [("elephant", "zebra")[i] for i in table.label_ids]
        entry = store.IdentityEntry(
            table.detection_id, places, np.tile(np.eye(2), (4, 1, 1)), np.arange(4), who, places, [None] * 4
        )
        store.add_identity_run(session, run, entry, method="", parameters={})
    return census


def numbers(where):
    return [int(body["event_details"]["overfly_key"]) for _, _, body in where.accepted]


def send_all(census, where, clock, name="geojson", runs=60):
    """Send again and again, as somebody would who comes back into the network, until nothing waits."""
    for _ in range(runs):
        with connected(where, clock, name) as opened:
            done = services.send(census, opened, clock=clock)
        if not done.waiting:
            return done
    raise AssertionError("something still waits")


TROUBLE = [OK, OK, CUT_BEFORE, CUT_AFTER, (500, {}, "oops"), (429, {"Retry-After": "2"}, ""), (503, {}, ""), HANG]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_line_does_each_item_arrives_once_and_in_order(census, queue, service, clock, seed):
    rng = np.random.default_rng([seed])
    service.script = [TROUBLE[i] for i in rng.integers(0, len(TROUBLE) - (seed > 1), 30)]
    queue(service, items(8))
    send_all(census, service, clock)
    assert numbers(service) == list(range(8))
    assert len(set(service.keys)) == 8
    with census.reading() as session:
        ended = outbox.outcomes(session, "geojson", service.url)
        assert verify(session).sound
    assert sum(ended.values()) == ended.get("delivered", 0) + ended.get("already there", 0) == 8


@pytest.mark.parametrize("seed", range(3))
def test_a_service_that_knows_no_keys_is_asked_before_anything_is_sent_twice(census, queue, clock, seed):
    rng = np.random.default_rng([7, seed])
    with RecordedService(knows_keys=False) as service:
        service.script = [TROUBLE[i] for i in rng.integers(0, len(TROUBLE) - 1, 30)]
        queue(service, items(7), "earthranger")
        send_all(census, service, clock, "earthranger")
        assert numbers(service) == list(range(7))


def test_the_same_again_is_queued_once_and_sent_once(census, queue, service, clock):
    assert (queue(service, items(3)).new, queue(service, items(3)).known) == (3, 3)
    send_all(census, service, clock)
    assert queue(service, items(4)).new == 1
    send_all(census, service, clock)
    assert numbers(service) == [0, 1, 2, 3]


def test_a_key_is_the_same_at_every_try_and_on_every_machine(census, queue, service, clock):
    service.script = [(500, {}, ""), CUT_AFTER]
    queue(service, items(1))
    send_all(census, service, clock)
    assert len({headers[KEY_HEADER] for headers in service.seen}) == 1
    assert service.keys == [outbox.idempotency_key(service.url, items(1)[0])]


@pytest.mark.parametrize(
    ("after", "waits"),
    [("7", [7.0]), (format_datetime(datetime(2026, 3, 1, 0, 0, 9, tzinfo=UTC), usegmt=True), [9.0]), ("soon", [1.0])],
)
def test_a_service_that_asks_to_wait_is_waited_for(census, queue, service, clock, after, waits):
    service.script = [(429, {"Retry-After": after}, "")]
    queue(service, items(1))
    send_all(census, service, clock)
    assert clock.waits == waits


def test_waiting_doubles_and_ends_with_everything_in_the_outbox(census, queue, service, clock):
    service.script = [(500, {}, "")] * 3
    queue(service, items(2))
    with connected(service, clock) as opened:
        done = services.send(census, opened, clock=clock)
    assert clock.waits == [1.0, 2.0]
    assert (done.delivered, done.waiting) == (0, 2)
    assert "answered 500" in done.stopped


def test_a_service_that_asks_for_an_hour_is_left_alone(census, queue, service, clock):
    service.script = [(429, {"Retry-After": "3600"}, "")]
    queue(service, items(1))
    with connected(service, clock) as opened:
        done = services.send(census, opened, clock=clock)
    assert (clock.waits, service.posts) == ([], 1)
    assert "asks to wait 3600 s" in done.stopped


def test_what_is_refused_for_what_it_says_is_named_and_the_rest_goes_on(census, queue, service, clock):
    service.script = [OK, (400, {}, '{"event_type": ["no such type"]}')]
    queue(service, items(3))
    done = send_all(census, service, clock)
    assert numbers(service) == [0, 2]
    assert [s.item for s in done.refused] == ["event/1"]
    assert "no such type" in done.refused[0].reason
    assert queue(service, items(3)).new == 1, "asked again, it is tried again"
    send_all(census, service, clock)
    assert numbers(service) == [0, 2, 1]


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_a_shut_door_stops_everything_and_loses_nothing(census, queue, service, clock, status):
    service.script = [OK, (status, {"Location": "https://elsewhere.example"}, "")]
    queue(service, items(3))
    with connected(service, clock) as opened, pytest.raises(ServiceError) as raised:
        services.send(census, opened, clock=clock)
    assert TOKEN not in str(raised.value)
    assert service.posts == 2
    send_all(census, service, clock)
    assert numbers(service) == [0, 1, 2]


def test_without_a_line_everything_stays_in_the_outbox(census, queue, clock):
    with RecordedService() as service:
        queue(service, items(2))
    with connected(service, clock) as opened:
        done = services.send(census, opened, clock=clock)
    assert (done.delivered, done.waiting) == (0, 2)
    assert "did not answer (ConnectError)" in done.stopped


def test_what_was_sent_otherwise_before_is_named_and_what_still_waits_is_replaced(census, queue, service, clock):
    def said(number):
        return [OutgoingItem("event/1", "3 zebra", "/e", {"event_details": {"overfly_key": str(number)}})]

    queue(service, said(1))
    assert queue(service, said(2)).new == 1
    send_all(census, service, clock)
    assert numbers(service) == [2]
    (skip,) = queue(service, said(3)).skips
    assert "something else was sent" in skip.reason
    send_all(census, service, clock)
    assert numbers(service) == [2]


def test_what_may_have_arrived_is_not_replaced_before_it_is_known(census, queue, service, clock):
    def said(number):
        return [OutgoingItem("event/1", "3 zebra", "/e", {"event_details": {"overfly_key": str(number)}})]

    service.script = [CUT_AFTER] + [CUT_BEFORE] * 2
    queue(service, said(1))
    with connected(service, clock) as opened:
        assert services.send(census, opened, clock=clock).waiting == 1
    (skip,) = queue(service, said(2)).skips
    assert "may have arrived" in skip.reason
    send_all(census, service, clock)
    assert numbers(service) == [1]


RUN = """
import sys
from counts.census import Census
from counts.exchange import services
path, url = sys.argv[1:]
with Census.open(path, create=False) as census, services.open_service("earthranger", url, services.Token("t")) as there:
    services.send(census, there)
"""


def test_killed_before_the_answer_each_item_arrives_once_all_the_same(census, queue, clock):
    with RecordedService(knows_keys=False) as service:
        queue(service, items(6), "earthranger")
        process = subprocess.Popen([sys.executable, "-c", RUN, census.where, service.url])
        service.script = [OK, OK, CUT_AFTER]
        service.on_post = lambda number: number == 3 and os.kill(process.pid, signal.SIGKILL)
        assert process.wait(240) == -signal.SIGKILL
        service.on_post = lambda number: None
        send_all(census, service, clock, "earthranger")
        assert numbers(service) == list(range(6))
    with census.reading() as session:
        assert verify(session).sound


def test_the_token_is_in_no_message_no_log_and_no_database(census, queue, service, clock, caplog):
    caplog.set_level(logging.DEBUG)
    service.script = [(400, {}, f"bad token {TOKEN}"), OK]
    queue(service, items(2))
    done = send_all(census, service, clock)
    assert service.seen[0]["Authorization"] == f"Bearer {TOKEN}"
    assert "***" in done.refused[0].reason
    with connected(service, clock) as opened:
        said = repr(opened.client) + str(Token(TOKEN)) + repr(Token(TOKEN)) + caplog.text + str(done)
    assert TOKEN not in said
    census.close()
    folder = Path(census.where).parent
    assert not any(TOKEN.encode() in p.read_bytes() for p in folder.iterdir() if p.name.startswith("census"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://park.pamdas.org", "in the clear"),
        ("https://me:secret@park.pamdas.org", "carries a name or a password"),
        ("ftp://park", "no address"),
        ("https://park/?token=1", "no address"),
        ("https://[::bad", "no address"),
    ],
)
def test_an_address_that_gives_the_token_away_is_refused(url, says):
    with pytest.raises(ServiceError, match=says):
        check_target(url)


def test_a_token_is_read_from_a_file_that_nobody_else_can_read(tmp_path, monkeypatch):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o644)
    with pytest.raises(ServiceError, match="can be read by others"):
        read_token("OVERFLY_X", path)
    path.chmod(0o600)
    assert read_token("OVERFLY_X", path).value == TOKEN
    with pytest.raises(ServiceError, match="no token"):
        read_token("OVERFLY_X")
    monkeypatch.setenv("OVERFLY_X", "a\nb: c")
    with pytest.raises(ServiceError, match="no token holds"):
        read_token("OVERFLY_X")


def test_a_survey_goes_to_earthranger_with_every_animal_once(tiny, service, clock):
    with connected(service, clock, "earthranger") as opened:
        queued, skips = services.enqueue(tiny, SURVEY, opened, ExportOptions(), now=NOW)
        done = services.send(tiny, opened, clock=clock)
    assert (done.delivered, done.waiting, skips) == (queued.new, 0, ())
    events = [body for path, _, body in service.accepted if path.endswith("/activity/events")]
    observations = [o for path, _, body in service.accepted if "/sensors/generic/overfly/" in path for o in body]
    assert [e["title"] for e in events] == [
        f"{n} {s} (aerial survey)" for n, s in ((2, "elephant"), (1, "zebra"), (1, "elephant"))
    ]
    assert [e["time"] for e in events] == [f"2026-02-14T06:0{i}:00Z" for i in range(3)]
    assert [o["recorded_at"] for o in observations] == [e["time"] for e in events]
    assert len({e["event_details"]["overfly_key"] for e in events}) == 3


def test_smart_connect_is_signed_in_to_and_asked_by_uuid(tiny, clock):
    with RecordedService(knows_keys=False, login=("ranger", "pa:ss")) as service:
        service.script = [CUT_AFTER]
        options = ExportOptions(mapping=SMART)
        with connected(service, clock, "smart", "ranger:pa:ss", area=AREA) as opened:
            queued, _ = services.enqueue(tiny, SURVEY, opened, options, now=NOW)
            done = services.send(tiny, opened, clock=clock)
        assert (queued.new, done.delivered, done.there, done.waiting) == (3, 2, 1, 0)
        assert {path for path, _, _ in service.accepted} == {f"/api/data/{AREA.replace('-', '')}"}
        uuids = [b["properties"]["smartAttributes"]["incidentUuid"] for _, _, b in service.accepted]
        assert len(uuids) == len(set(uuids)) == 3
        with (
            connected(service, clock, "smart", "ranger:wrong", area=AREA) as opened,
            pytest.raises(ServiceError, match="does not let us in"),
        ):
            opened.let_in()


def test_smart_connect_wants_the_uuid_of_an_area(tiny, service, clock):
    with connected(service, clock, "smart", area="park") as opened, pytest.raises(CensusError, match="no UUID"):
        services.enqueue(tiny, SURVEY, opened, ExportOptions(mapping=SMART), now=NOW)


def test_anybody_can_be_sent_the_individuals_as_features_and_the_sensitive_ones_as_cells(tiny, service, clock):
    with connected(service, clock) as opened:
        services.enqueue(tiny, SURVEY, opened, ExportOptions(), sensitive=["zebra"], now=NOW)
        services.send(tiny, opened, clock=clock)
    told = [(b["properties"]["species"], b["geometry"]["coordinates"]) for _, _, b in service.accepted]
    assert [species for species, _ in told] == ["elephant", "elephant", "elephant", "zebra"]
    assert told[0][1] == [34.821, -2.331]
    assert told[3][1] == [34.85, -2.35]


def test_an_answer_without_end_is_cut_off(census, queue, service, clock):
    service.script = [(201, {}, "x" * (6 << 20))]
    queue(service, items(1))
    send_all(census, service, clock)
    assert numbers(service) == [], "the script answers for the service, which took nothing"
    with census.reading() as session:
        assert outbox.outcomes(session, "geojson", service.url) == {"delivered": 1}


def test_the_outbox_is_append_only(tiny, service, clock):
    with connected(service, clock) as opened:
        services.enqueue(tiny, SURVEY, opened, ExportOptions(), now=NOW)
    for statement in ("DELETE FROM outbox_items", "UPDATE outbox_items SET body = '{}'"):
        with pytest.raises(CensusError, match="append-only"), tiny.unjournalled() as session:
            session.connection().exec_driver_sql(statement)


def test_a_copy_of_the_census_that_sent_tells_the_other_what_was_sent(tmp_path, census, queue, service, clock):
    from counts.merging import merge

    queue(service, items(3))
    census.close()
    other = Census.backup(Path(census.where), tmp_path / "other.gpkg")
    with Census.open(other) as theirs:
        send_all(theirs, service, clock)
    with Census.open(census.where) as ours:
        merge(ours, other)
        assert send_all(ours, service, clock).delivered == 0
    assert numbers(service) == [0, 1, 2]
