"""Live services read: EarthRanger's subjects and SMART's patrols come in as their files do, over the one client."""

import importlib.util
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from counts.census import Census
from counts.exchange.services import Patience, Token, open_service
from counts.exchange.services.client import UnansweredError
from counts.exchange.services.downloads import download_subjects
from counts.store.elsewhere import read_patrols
from counts.store.received import read_sources, read_tracks
from flightplan.clock import WallClock
from flightplan.errors import ServiceError
from overfly.cli import main

_spec = importlib.util.spec_from_file_location("recorded_service", Path(__file__).with_name("recorded_service.py"))
recorded = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recorded)
RecordedService, Script, TOKEN = recorded.RecordedService, recorded.Script, recorded.TOKEN

SUBJECTS, TRACKS = "/api/v1.0/subjects", "/api/v1.0/subject/{}/tracks"
PATROL = "0d5b2c5e-6f0c-4a0e-9d0e-3a8f3f7c2b11"
QUICK = Patience(tries=3, timeout_s=60.0, first_wait_s=0.001, longest_wait_s=1.0)


def subject(name: str, kind: str = "wildlife") -> dict:
    return {"id": f"id-{name}", "name": name, "subject_type": kind, "subject_subtype": "elephant"}


def tracks(name: str, hours: int = 3) -> dict:
    """As the API answers it: points of longitude and latitude, the newest first, with a time for each."""
    points = [[34.80 + 0.001 * hour, -2.33] for hour in range(hours)]
    times = [f"2026-02-14T{hour:02d}:00:00+00:00" for hour in range(hours)]
    feature = {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": points[::-1]},
        "properties": {**subject(name), "coordinateProperties": {"times": times[::-1]}},
    }
    return {"data": {"type": "FeatureCollection", "features": [feature]}, "status": {"code": 200, "message": "OK"}}


@pytest.fixture
def site():
    """Two elephants, one of which nobody tracked, a ranger, and a second page of subjects."""
    with RecordedService() as service:
        service.answers = {
            SUBJECTS: lambda query: (
                {"data": {"next": None, "results": [subject("Una"), subject("Silent")]}}
                if "page" in query
                else {"data": {"next": "http://elsewhere/?page=2", "results": [subject("Tim"), subject("R", "person")]}}
            ),
            TRACKS.format("id-Tim"): tracks("Tim"),
            TRACKS.format("id-Una"): tracks("Una", 5),
        }
        yield service


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, census: Census):
    monkeypatch.setenv("OVERFLY_EARTHRANGER_TOKEN", TOKEN)
    monkeypatch.setenv("OVERFLY_SMART_LOGIN", "amina:secret")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["import", *arguments, str(census.where), "--json"])

    return invoke


def test_all_animals_of_a_site_come_in_with_their_tracks(run, site, census: Census) -> None:
    done = run("earthranger", site.url)
    assert done.exit_code == 3, done.output
    assert "Silent: the service has no tracks of it" in done.stderr
    document = json.loads(done.stdout)
    assert document["added"]["fixes"] == 8
    with census.reading() as session:
        found = {t.individual: len(t) for t in read_tracks(session)}
        (source,) = read_sources(session)
    assert found == {"id-Tim": 3, "id-Una": 5}, "a ranger is no animal"
    assert source.entry.origin == "127.0.0.1"
    assert not any("elsewhere" in str(asked) for asked in site.asked), "its token goes to no other address"
    assert run("earthranger", site.url).exit_code == 3
    with census.reading() as session:
        assert sum(len(t) for t in read_tracks(session)) == 8, "the same again adds nothing"


def test_only_the_time_asked_for_is_asked_for(run, site) -> None:
    run("earthranger", site.url, "--since", "2026-02-01", "--until", "2026-03-01")
    (query,) = [query for path, query in site.asked if path == TRACKS.format("id-Tim")]
    assert query == {"since": ["2026-02-01T00:00:00+00:00"], "until": ["2026-03-01T00:00:00+00:00"]}


def test_a_service_that_is_out_of_breath_is_asked_again(run, site, census: Census) -> None:
    site.answers[SUBJECTS] = Script((503, {"Retry-After": "0"}, ""), {"data": [subject("Tim")]})
    assert run("earthranger", site.url).exit_code == 0
    with census.reading() as session:
        assert [t.individual for t in read_tracks(session)] == ["id-Tim"]


def downloading(site, folder: Path, token: str = TOKEN):
    with open_service("earthranger", site.url, Token(token), patience=QUICK, clock=WallClock()) as service:
        return download_subjects(service.client, folder, since=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((500, {}, ""), UnansweredError, "answered 500"),
        ((200, {}, "<html>"), ServiceError, "no JSON, or too large"),
        ((302, {"Location": "http://elsewhere/"}, ""), ServiceError, "another address"),
        ({"data": {"results": 3}}, ServiceError, "no list"),
    ],
)
def test_an_answer_that_is_none_is_no_download(site, tmp_path: Path, answer, error, said: str) -> None:
    site.answers[SUBJECTS] = answer
    with pytest.raises(error, match=said):
        downloading(site, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_wrong_token_is_told_and_never_shown(site, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="does not let us in") as told:
        downloading(site, tmp_path, "wrong-secret")
    assert "wrong-secret" not in str(told.value)


def waypoint(hour: int) -> dict:
    """A feature of the answer to smartconnect-client's get_patrol_waypoints."""
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [34.8 + hour / 100, -2.33]},
        "properties": {
            "fid": str(hour),
            "patrol": {"id": "P-7", "client_uuid": PATROL, "uuid": PATROL},
            "waypoint": {"date": "2026-02-14", "time": f"{hour:02d}:30:00", "source": "PATROL"},
        },
    }


def test_a_patrol_of_smart_connect_comes_in_by_its_uuid(run, census: Census) -> None:
    with RecordedService(login=("amina", "secret")) as service:
        service.answers = {
            "/api/query/custom/waypoint/patrol": lambda query: (
                [waypoint(hour) for hour in (6, 7, 8)] if query["client_patrol_uuid"] == [PATROL] else []
            )
        }
        unknown = PATROL.replace("0", "f")
        done = run("smart", service.url, "--patrol", PATROL, "--patrol", unknown, "--zone", "Africa/Dar_es_Salaam")
    assert done.exit_code == 3, done.output
    assert re.search(rf"patrol {unknown}: the service does not know it", done.stderr)
    with census.reading() as session:
        (patrol,) = read_patrols(session)
    assert (patrol.identifier, patrol.started_utc) == ("P-7", datetime(2026, 2, 14, 3, 30, tzinfo=UTC))
    assert patrol.length_m == pytest.approx(2 * 1112, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["movebank", "https://park.example"], "movebank is not read from a service"),
        (["smart", "https://park.example"], "asked for patrols by their UUIDs"),
        (["smart", "http://park.example", "--patrol", PATROL], "in the clear"),
        (["earthranger", "https://user:pass@park.example"], "carries a name or a password"),
    ],
)
def test_what_cannot_be_fetched_is_said_before_anything_is_asked(run, arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert said in done.stderr
