"""Collars: each animal's fixes in order, and every fix that cannot be used by its name."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counts.exchange.earthranger_subjects import read_earthranger_tracks
from counts.exchange.movebank import read_movebank
from counts.exchange.untrusted import MAX_FILE_BYTES
from flightplan.errors import UnreadableFileError

HEADER = (
    "event-id,visible,timestamp,location-long,location-lat,individual-taxon-canonical-name,tag-local-identifier,"
    "individual-local-identifier"
)


def movebank(tmp_path, *rows, header=HEADER):
    path = tmp_path / "study.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_movebank(path)


def feature(identifier="a1", points=((34.0, -2.0), (34.0, -2.001)), times=None, **properties):
    if times is None:
        times = [f"2026-02-14T06:{i:02d}:00+00:00" for i in range(len(points))]
    return {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": [list(p) for p in points]},
        "properties": {
            "id": identifier, "title": "Tim", "subject_type": "wildlife", "subject_subtype": "elephant",
            "coordinateProperties": {"times": times}, **properties,
        },
    }  # fmt: skip


def earthranger(tmp_path, *features, wrap=True, **options):
    path = tmp_path / "tracks.json"
    collection = {"type": "FeatureCollection", "features": list(features)}
    path.write_text(json.dumps({"data": collection} if wrap else collection))
    return read_earthranger_tracks(path, **options)


def test_an_animal_is_one_track_whatever_collars_it_wore(tmp_path):
    found = movebank(
        tmp_path,
        "3,true,2026-02-14 08:00:00.000,34.02,-2.0,Loxodonta africana,tag-2,Tim",
        "1,true,2026-02-14 06:00:00.000,34.00,-2.0,Loxodonta africana,tag-1,Tim",
        "2,true,2026-02-14 07:00:00.000,35.00,-2.0,,tag-1,Una",
    )
    assert found.skips == ()
    tim, una = found.tracks
    assert (tim.individual, tim.taxon, tim.tags) == ("Tim", "Loxodonta africana", ("tag-1", "tag-2"))
    assert tim.times_utc.tolist() == np.array(["2026-02-14T06:00", "2026-02-14T08:00"], "datetime64[ms]").tolist()
    assert tim.lonlat.tolist() == [[34.0, -2.0], [34.02, -2.0]]
    assert una.taxon is None


def test_the_speed_is_that_of_the_straight_line(tmp_path):
    (track,) = movebank(
        tmp_path,
        "1,true,2026-02-14 06:00:00.000,34.0,0.0,,t,Tim",
        "2,true,2026-02-14 06:10:00.000,34.01,0.0,,t,Tim",
    ).tracks
    # A hundredth of a degree along the equator of WGS 84: 6 378 137 m x pi / 18 000 = 1113.195 m.
    assert track.speeds_mps == pytest.approx([1113.195 / 600], rel=1e-6)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,true,0001-01-01T00:00:00+14:00,34,1,,t,Tim", "the year 1 is no year of a collar"),
        ("1,false,2026-02-14 06:00:00.000,34.0,-2.0,,t,Tim", "the study marks it as an outlier"),
        ("1,true,2026-02-14 06:00:00.000,34.0,-2.0,,t,", "it names no animal, only the tag t"),
        ("1,true,2026-02-14 06:00:00.000,,,,t,Tim", "it has no place"),
        ("1,true,,34.0,-2.0,,t,Tim", "it has no time"),
        ("1,true,2026-02-14 06:00:00.000,0,0,,t,Tim", "longitude 0, latitude 0 is what a collar without a fix writes"),
        ("1,true,2026-02-14 06:00:00.000,-2.0,134.0,,t,Tim", "longitude -2, latitude 134 is not on the globe"),
        ("1,true,2026-02-14 06:00:00.000,nan,1,,t,Tim", "the place is not a number"),
        ("1,true,0001-01-01 00:00:00.000,34,1,,t,Tim", "the year 1 is no year of a collar"),
        ("1,true,2026-02-14 06:00:00.000,34.0", "it has 4 cells, the header 8"),
    ],
)
def test_a_fix_that_cannot_be_used_is_named_with_its_reason(tmp_path, row, reason):
    good = "2,true,2026-02-14 07:00:00.000,34.0,-2.0,,t,Tim"
    found = movebank(tmp_path, row, good)
    assert [(s.item, s.reason) for s in found.skips] == [("row 2", reason)]
    assert [len(track) for track in found.tracks] == [1]


def test_two_fixes_of_one_animal_at_one_time_are_one(tmp_path):
    row = "1,true,2026-02-14 06:00:00.000,34.0,-2.0,,t,Tim"
    found = movebank(tmp_path, row, row.replace("34.0", "34.5"))
    assert found.tracks[0].lonlat.tolist() == [[34.0, -2.0]]
    assert [(s.item, s.reason) for s in found.skips] == [("row 3", "row 2 is of the same animal at the same time")]


def test_the_api_s_spelling_and_another_zone_are_read(tmp_path):
    header = "timestamp,location_long,location_lat,individual_local_identifier"
    (track,) = movebank(tmp_path, "2026-02-14T09:00:00+03:00,34.0,-2.0,Tim", header=header).tracks
    assert track.times_utc[0] == np.datetime64("2026-02-14T06:00:00")


def test_a_table_of_something_else_is_refused_by_name(tmp_path):
    with pytest.raises(UnreadableFileError, match="timestamp, location-long, location-lat, individual-local-id"):
        movebank(tmp_path, header="image,label")
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_movebank(tmp_path / "nowhere.csv")


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(UnreadableFileError, match="over 256 MB"):
        read_movebank(path)


@given(text=st.text(max_size=200))
def test_no_text_brings_the_readers_down(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes((HEADER + "\n" + text).encode("utf-8", errors="replace"))
    assert read_movebank(path).tracks == ()
    path.write_bytes(text.encode("utf-8", errors="replace"))
    with pytest.raises(UnreadableFileError):
        read_earthranger_tracks(path)


def test_a_subject_s_points_go_with_their_times(tmp_path):
    for wrap in (True, False):
        found = earthranger(tmp_path, feature(), wrap=wrap)
        (track,) = found.tracks
        assert (track.individual, track.taxon, len(track)) == ("a1", "elephant", 2)
        assert track.lonlat.tolist() == [[34.0, -2.0], [34.0, -2.001]]
        assert found.skips == ()


def test_rangers_and_vehicles_are_no_animals_unless_asked_for(tmp_path):
    car = feature("car", subject_type="vehicle")
    found = earthranger(tmp_path, feature(), car)
    assert [t.individual for t in found.tracks] == ["a1"]
    assert [s.reason for s in found.skips] == ["it is of the type 'vehicle', not 'wildlife'"]
    assert len(earthranger(tmp_path, feature(), car, subject_type=None).tracks) == 2


@pytest.mark.parametrize(
    ("odd", "item", "reason"),
    [
        (feature(times=["2026-02-14T06:00:00Z"]), "subject 1", "it has 2 points, but 1 times"),
        (feature(identifier=""), "subject 1", "it has no id"),
        ({"properties": None}, "subject 1", "it is not a track with an id, points and times"),
        (feature(points=((10**400, 1),)), "subject 1, point 1", "int too large to convert to float"),
        ({**feature(), "geometry": {"coordinates": {"a": 1}}}, "subject 1", "it has 1 points, but 2 times"),
        ("text", "subject 1", "it is not a track with an id, points and times"),
        (
            feature(points=((34.0, -200.0),)),
            "subject 1, point 1",
            "longitude 34, latitude -200 is not on the globe",
        ),
    ],
)
def test_a_subject_that_cannot_be_used_is_named(tmp_path, odd, item, reason):
    found = earthranger(tmp_path, odd, feature("b2"))
    assert [t.individual for t in found.tracks] == ["b2"]
    assert [(s.item, s.reason) for s in found.skips] == [(item, reason)]
