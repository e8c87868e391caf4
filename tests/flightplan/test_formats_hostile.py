"""A crowd of broken files: read as they are, or refused in words with the place, never another error, never otherwise.

Broken from good ones: cut short, numbers that are none, keys and elements taken away, said twice or of another kind,
other encodings, archives that lie. What cannot be a mission is never read as another one.
"""

import copy
import io
import json
import math
import os
import re
import string
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightplan.cameras import camera_named
from flightplan.errors import MissionFormatError, UnreadableFileError
from flightplan.formats import read_mission, write_fence_and_rally, write_mission, write_survey_plan
from flightplan.mission import FenceCircle, FencePolygon, Mission, MissionItem, RallyPoint

# OVERFLY_CROWD=2500 tries twenty thousand: `pytest --hypothesis-show-statistics` counts them.
EXAMPLES = int(os.environ.get("OVERFLY_CROWD", "100"))
crowd = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _line(n: int) -> tuple[MissionItem, ...]:
    west, ends = 34.83 + n * 0.002, (-2.33, -2.34) if n % 2 == 0 else (-2.34, -2.33)
    name = f"Wald-{n} è 象"
    return (
        MissionItem(16, 3, (0.0,) * 4, west, ends[0], 80.0),
        MissionItem(206, 2, (57.6, 0.0, 1.0, 0.0), transect=name),
        MissionItem(16, 3, (0.0,) * 4, west, ends[1], 80.0, name),
        MissionItem(206, 2),
    )


GOOD = Mission(
    items=(
        MissionItem(22, 3, (0.0,) * 4, 34.83, -2.33, 60.0),
        MissionItem(178, 2, (1.0, 12.5, -1.0, 0.0)),
        *_line(0),
        *_line(1),
        *_line(2),
        MissionItem(16, 3, (1.5, 0.0, 0.0, 0.0), 34.835, -2.335, 70.25),
        MissionItem(2000, 2, (0.0, 0.0, 1.0, 0.0)),
        MissionItem(20, 2),
    ),
    home=(34.83, -2.33),
    home_altitude_msl_m=1523.25,
    fence=(FencePolygon(((34.82, -2.32), (34.84, -2.32), (34.84, -2.35), (34.82, -2.35)), True),),
    rally=(RallyPoint(34.83, -2.33, 60.0),),
    cruise_speed_mps=12.5,
    fence_circles=(FenceCircle(34.8375, -2.335, 150.5, False),),
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good file of each kind."""
    folder = tmp_path_factory.mktemp("good")
    files = {
        s: write_mission(GOOD, folder / f"good{s}") for s in (".plan", ".waypoints", ".kml", ".csv", ".geojson", ".kmz")
    }
    files |= {f".{kind}": path for kind, path in write_fence_and_rally(GOOD, folder / "good").items()}
    survey = write_survey_plan(GOOD, camera_named("DJI Mavic 3E wide"), folder / "good")
    assert survey is not None
    files[".survey"] = survey
    found = {kind: path.read_bytes() for kind, path in files.items()}
    with zipfile.ZipFile(io.BytesIO(found[".kmz"])) as archive:
        found[".wpml"] = archive.read("wpmz/waylines.wpml")
    found[".oldfence"] = b"-35.36 149.16\n-35.37 149.15\n-35.35 149.15\n-35.35 149.17\n"
    found[".oldrally"] = b"RALLY -35.36 149.16 40.0 20.0 0.0 0\nRALLY -35.37 149.17 40.0 20.0 0.0 0\n"
    return found


TEXT = [
    ".plan",
    ".survey",
    ".waypoints",
    ".fence",
    ".rally",
    ".kml",
    ".csv",
    ".geojson",
    ".wpml",
    ".oldfence",
    ".oldrally",
]


def outcome(data: bytes, path: Path) -> Mission | str:
    """What reading says: the mission, or the refusal, which names the file."""
    path.write_bytes(data)
    try:
        found = read_mission(path)
    except (MissionFormatError, UnreadableFileError) as error:
        if not (str(path) in str(error) and error.what.strip()):
            raise
        return str(error)
    # What is read is whole: it can be kept and read again.
    again = read_mission(write_mission(found, path.with_name("kept.geojson")))
    assert again == found
    return found


# Cut short, and other encodings ---------------------------------------------------------------------------------------


@crowd
@given(kind=st.sampled_from(TEXT), share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_is_never_read_as_a_shorter_mission(
    good: dict[str, bytes], tmp_path: Path, kind: str, share: float
) -> None:
    data = good[kind]
    cut = data[: int(share * len(data))]
    found = outcome(cut, tmp_path / f"cut{kind}")
    if isinstance(found, str):
        return
    whole = outcome(data, tmp_path / f"whole{kind}")
    if kind in (".waypoints", ".fence", ".rally", ".csv", ".oldfence", ".oldrally"):
        # Formats of lines do not say how many there are: a file that ends with a line is a shorter mission to anybody.
        lines = [line for line in data.splitlines() if line.strip()]
        kept = [line for line in cut.splitlines() if line.strip()]
        assert kept[:-1] == lines[: len(kept) - 1]
        if kind in (".oldfence", ".oldrally"):
            return
        assert kept[-1] == lines[len(kept) - 1] or kind == ".csv"
        complete = b"\n".join(lines[: len(kept)]) + b"\n"
        assert found == outcome(complete, tmp_path / f"complete{kind}")
    else:
        assert found == whole
        assert not data[len(cut) :].strip()


@pytest.mark.parametrize("kind", TEXT)
def test_a_byte_order_mark_and_other_line_ends_change_nothing(
    good: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    whole = outcome(good[kind], tmp_path / f"whole{kind}")
    assert isinstance(whole, Mission)
    for changed in (b"\xef\xbb\xbf" + good[kind], good[kind].replace(b"\n", b"\r\n"), b"\n \n" + good[kind]):
        found = outcome(changed, tmp_path / f"changed{kind}")
        assert found == whole or (isinstance(found, str) and changed[:1] == b"\n")


@pytest.mark.parametrize("kind", TEXT)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "cp037"])
def test_other_encodings_are_refused_or_read_the_same(
    good: dict[str, bytes], tmp_path: Path, kind: str, encoding: str
) -> None:
    whole = outcome(good[kind], tmp_path / f"whole{kind}")
    found = outcome(good[kind].decode().encode(encoding, errors="replace"), tmp_path / f"coded{kind}")
    # UTF-7 is plain text to anybody: names come out as strange ones.
    assert isinstance(found, str) or nameless(found) == nameless(whole)


# Numbers --------------------------------------------------------------------------------------------------------------

NO_NUMBER = [
    "abc",
    "",
    "0x10",
    "1_0",
    "١٢",
    "１",
    "--5",
    "1e999",
    "-1e999",
    "1e308",
    "9" * 400,
    "5;3",
    "½",
    "1 2",
    "∞",
    "12abc",
]
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


@crowd
@given(kind=st.sampled_from(TEXT), data=st.data())
def test_what_is_no_number_is_refused_or_does_not_matter(
    good: dict[str, bytes], tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    content = good[kind]
    spans = [m.span() for m in _NUMBER.finditer(content)]
    start, end = data.draw(st.sampled_from(spans))
    bad = data.draw(st.sampled_from(NO_NUMBER)).encode()
    whole = outcome(content, tmp_path / f"whole{kind}")
    found = outcome(content[:start] + bad + content[end:], tmp_path / f"bad{kind}")
    if isinstance(found, str):
        return
    if kind in (".kml", ".geojson", ".plan", ".survey", ".csv", ".wpml"):
        # In a name, a colour or a version of the drawing: what is flown is the same, but for the names of transects.
        assert nameless(found) == nameless(whole)
    else:
        assert found == whole


def nameless(mission: Any) -> Mission:
    return replace(mission, items=tuple(replace(item, transect=None) for item in mission.items))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed file:ResourceWarning")
@crowd
@given(kind=st.sampled_from([".waypoints", ".fence", ".rally"]), data=st.data())
def test_what_pymavlink_reads_too_it_reads_the_same(
    good: dict[str, bytes], tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    from pymavlink import mavwp

    content = good[kind]
    spans = [m.span() for m in _NUMBER.finditer(content)][1:]
    for start, end in sorted(data.draw(st.sets(st.sampled_from(spans), max_size=3)), reverse=True):
        new = data.draw(st.one_of(st.integers(-3, 300), st.floats(-200, 200))).__repr__().encode()
        content = content[:start] + new + content[end:]
    path = tmp_path / f"changed{kind}.txt"
    found = outcome(content, path)
    loaders = {
        ".waypoints": mavwp.MAVWPLoader,
        ".fence": mavwp.MissionItemProtocol_Fence,
        ".rally": mavwp.MissionItemProtocol_Rally,
    }
    loader = loaders[kind]()
    try:
        loader.load(str(path))
        theirs = [loader.wp(n) if kind == ".waypoints" else loader.item(n) for n in range(loader.count())]
    except Exception:
        # What pymavlink itself cannot read is not for comparing.
        return
    if isinstance(found, str):
        return
    if kind == ".waypoints":
        ours = [(i.longitude_deg, i.latitude_deg, i.altitude_m) for i in found.items if i.longitude_deg is not None]
        placed = [
            (w.y, w.x, w.z) for w in theirs[-len(found.items) :] if w.command in (16, 22) and (w.x, w.y) != (0, 0)
        ]
        assert [w.command for w in theirs[-len(found.items) :]] == [i.command for i in found.items]
        if all(i.command in (16, 22, 178, 206, 2000, 20) for i in found.items):
            assert ours == placed
    elif kind == ".fence":
        corners = [c for p in found.fence for c in p.ring] + [
            (c.longitude_deg, c.latitude_deg) for c in found.fence_circles
        ]
        polygons = [w for w in theirs if w.command in (5001, 5002)] + [w for w in theirs if w.command in (5003, 5004)]
        assert corners == [(w.y, w.x) for w in polygons]
    else:
        assert [(p.longitude_deg, p.latitude_deg) for p in found.rally] == [
            (w.y, w.x) for w in theirs if w.command == 5100
        ]


# Keys and elements ----------------------------------------------------------------------------------------------------

ODD: list[Any] = [None, True, -1, 10**400, 1e308, "x", "", "NaN", [], {}, [[[]]], {"a": 1}, [1, 2, 3], "16", "-2.33", 0]


def places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places_of(inner, (*path, key))
    return found


@crowd
@given(kind=st.sampled_from([".plan", ".survey", ".geojson"]), data=st.data())
def test_json_with_things_of_another_kind_taken_away_or_added(
    good: dict[str, bytes], tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    document = json.loads(good[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places_of(document)))
        at = document
        for key in path[:-1]:
            at = at[key]
        what = data.draw(st.sampled_from(["odd", "take", "twice", "move"]))
        if what == "take":
            del at[path[-1]]
        elif what == "twice" and isinstance(at, list):
            at.insert(path[-1], at[path[-1]])
        elif what == "move" and isinstance(at, list):
            at.append(at.pop(path[-1]))
        else:
            at[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        if not places_of(document):
            break
    outcome(json.dumps(document).encode(), tmp_path / f"odd{kind}")


@crowd
@given(kind=st.sampled_from([".plan", ".survey", ".geojson"]), data=st.data())
def test_a_key_said_twice_is_refused(good: dict[str, bytes], tmp_path: Path, kind: str, data: st.DataObject) -> None:
    text = good[kind].decode()
    keys = list(re.finditer(r'"(\w+)": (-?[\d.]+|true|false|null)', text))
    key = data.draw(st.sampled_from(keys))
    changed = text[: key.start()] + f'"{key[1]}": 7, ' + text[key.start() :]
    found = outcome(changed.encode(), tmp_path / f"twice{kind}")
    assert isinstance(found, str)
    assert f"'{key[1]}' is said twice" in found


@crowd
@given(kind=st.sampled_from([".kml", ".wpml"]), data=st.data())
def test_xml_with_elements_taken_away_moved_or_of_another_kind(
    good: dict[str, bytes], tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    root = ElementTree.fromstring(good[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        parents = [e for e in root.iter() if len(e)]
        parent = data.draw(st.sampled_from(parents)) if parents else root
        if not len(parent):
            break
        child = data.draw(st.sampled_from(list(parent)))
        what = data.draw(st.sampled_from(["take", "twice", "text", "name", "move"]))
        if what == "take":
            parent.remove(child)
        elif what == "twice":
            parent.append(child)
        elif what == "text":
            child.text = data.draw(st.sampled_from(["", "NaN", "-1", "1e999", "x,y", "1,2,3", "[]", "null", '"x"']))
        elif what == "name":
            child.tag = data.draw(st.sampled_from(["x", "{http://www.dji.com/wpmz/1.0.9}index", "Placemark"]))
        else:
            parent.remove(child)
            root.append(child)
    outcome(ElementTree.tostring(root, encoding="utf-8"), tmp_path / f"odd{kind}")


@crowd
@given(kind=st.sampled_from(TEXT), data=st.data())
def test_lines_and_words_taken_away_doubled_or_exchanged(
    good: dict[str, bytes], tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    words = re.split(rb"(\s+|,|:)", good[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        one, other = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
        what = data.draw(st.sampled_from(["take", "twice", "swap", "noise"]))
        if what == "take":
            words[one] = b""
        elif what == "twice":
            words[one] = words[one] * 2
        elif what == "swap":
            words[one], words[other] = words[other], words[one]
        else:
            words[one] = data.draw(st.text(string.printable + "\u2028\x00é", max_size=5)).encode()
    outcome(b"".join(words), tmp_path / f"mixed{kind}")


# Archives -------------------------------------------------------------------------------------------------------------


@crowd
@given(data=st.data())
def test_a_damaged_archive(good: dict[str, bytes], tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(good[".kmz"])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    whole = outcome(good[".kmz"], tmp_path / "whole.kmz")
    found = outcome(bytes(content), tmp_path / "damaged.kmz")
    # Every member has a checksum: what is read is what was written, or the damage is in what is not read.
    assert isinstance(found, str) or found == whole


def archive(members: dict[str, bytes] | list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items() if isinstance(members, dict) else members:
            file.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "../waylines.wpml",
        "wpmz/../../waylines.wpml",
        "/etc/waylines.wpml",
        "C:/waylines.wpml",
        "..\\waylines.wpml",
        "//x/w.wpml",
    ],
)
def test_a_member_that_would_leave_its_folder_is_refused(good: dict[str, bytes], tmp_path: Path, name: str) -> None:
    found = outcome(archive({name: good[".wpml"]}), tmp_path / "x.kmz")
    assert isinstance(found, str)
    assert "a name outside of it" in found
    assert list(tmp_path.parent.glob("*.wpml")) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_of_two_missions_or_none_are_refused(good: dict[str, bytes], tmp_path: Path) -> None:
    wayline, kml = good[".wpml"], good[".kml"]
    for members, reason in [
        ([("wpmz/waylines.wpml", wayline), ("wpmz/waylines.wpml", wayline)], "twice"),
        ([("a.wpml", wayline), ("b.wpml", wayline)], "2 .wpml and 0 .kml"),
        ([("a.kml", kml), ("b.kml", kml)], "0 .wpml and 2 .kml"),
        ([("readme.txt", b"")], "0 .wpml and 0 .kml"),
        ([("wpmz/waylines.wpml", archive({"x": b""}))], "not XML"),
    ]:
        found = outcome(archive(members), tmp_path / "x.kmz")
        assert isinstance(found, str)
        assert reason in found


def test_an_encrypted_member_is_refused(good: dict[str, bytes], tmp_path: Path) -> None:
    content = bytearray(good[".kmz"])
    # Bit 0 of the flags: in each local header and in each entry of the directory.
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 4)
    found = outcome(bytes(content), tmp_path / "x.kmz")
    assert isinstance(found, str)
    assert "a damaged archive" in found


# Bombs ----------------------------------------------------------------------------------------------------------------

DEEP = 100_000
KML = "http://www.opengis.net/kml/2.2"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "content",
    [
        b"[" * DEEP,
        b'{"fileType": "Plan", "version": 1, "mission": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"type": "FeatureCollection", "features": ' + b'[{"a":' * DEEP,
        f'<kml xmlns="{KML}">'.encode() + b"<Document>" * DEEP + b"</Document>" * DEEP + b"</kml>",
        f'<!DOCTYPE kml [<!ENTITY l0 "ha">{LAUGHS}]><kml xmlns="{KML}"><Document>&l9;</Document></kml>'.encode(),
        b'<!DOCTYPE kml SYSTEM "file:///etc/passwd"><kml/>',
        b'<!DOCTYPE kml [<!ENTITY x SYSTEM "file:///etc/passwd">]><kml><Document>&x;</Document></kml>',
        b'{"fileType": "Plan", "version": 1' + b" " * 1_000_000,
        b'{"fileType": "Plan", "version": ' + b"1" * 1_000_000 + b"}",
        b"QGC WPL 110\n" + b"0\t1\t0\t16\t0\t0\t0\t0\t1\t1\t1\t1\n" * 70_000,
        b"latitude,longitude,altitude(m)\n" + b"1,2,3\n" * 70_000,
        b"latitude,longitude,altitude(m)" + b",x" * 100_000 + b"\n",
        b'latitude,longitude,altitude(m)\n"' + b"x" * 200_000,
        b"1 2\n" * 100_000,
        b"RALLY 1 2 3 4 5 6\n" * 100_000,
    ],
    ids=range(15),
)
def test_bombs_are_refused(tmp_path: Path, content: bytes) -> None:
    found = outcome(content, tmp_path / "bomb")
    assert isinstance(found, str)


# What two programs would read differently -----------------------------------------------------------------------------


def changed_plan(good: dict[str, bytes], change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(good[".plan"])
    change(document)
    return json.dumps(document).encode()


def test_a_height_said_in_two_ways_is_refused(good: dict[str, bytes], tmp_path: Path) -> None:
    """QGroundControl flies `Altitude`, MAVSDK parameter 7."""

    def higher(document: dict[str, Any]) -> None:
        document["mission"]["items"][2]["Altitude"] = 120

    found = outcome(changed_plan(good, higher), tmp_path / "x.plan")
    assert isinstance(found, str)
    assert "mission.items[2]: Altitude is 120, and parameter 7 is 80" in found

    def calculated(document: dict[str, Any]) -> None:
        # Above terrain that the ground station looked up: parameter 7 is above sea level then.
        document["mission"]["items"][2] |= {"Altitude": 80, "AltitudeMode": 3, "AMSLAltAboveTerrain": 1600, "frame": 0}
        document["mission"]["items"][2]["params"][6] = 1600

    read = outcome(changed_plan(good, calculated), tmp_path / "y.plan")
    assert isinstance(read, Mission)
    assert (read.items[2].altitude_m, read.items[2].frame) == (1600.0, 0)


def test_a_jump_goes_to_the_item_of_that_number(good: dict[str, bytes], tmp_path: Path) -> None:
    def renumbered(document: dict[str, Any]) -> None:
        items = document["mission"]["items"]
        for n, item in enumerate(items):
            item["doJumpId"] = 10 * (n + 1)
        items.append({"type": "SimpleItem", "command": 177, "frame": 2, "autoContinue": True, "doJumpId": 999})
        items[-1]["params"] = [30, 2, 0, 0, 0, 0, 0]

    read = outcome(changed_plan(good, renumbered), tmp_path / "x.plan")
    assert isinstance(read, Mission)
    assert read.items[-1].params[:2] == (3.0, 2.0)

    def nowhere(document: dict[str, Any]) -> None:
        renumbered(document)
        document["mission"]["items"][-1]["params"][0] = 35

    found = outcome(changed_plan(good, nowhere), tmp_path / "y.plan")
    assert isinstance(found, str)
    assert "a jump to item 35, which is not there" in found


@pytest.mark.parametrize("kind", [".geojson", ".kml"])
def test_a_point_or_path_moved_in_a_drawing_is_not_passed_over(
    good: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    text = good[kind].decode()
    if kind == ".geojson":
        point, path = (
            r'"role": "item".*?"Point",\s*"coordinates":\s*\[\s*34\.83',
            r'"LineString",[\s"a-z:]*\[\s*\[\s*34\.83',
        )
    else:
        point, path = r"<coordinates>34\.83,-2\.33,60<", r"<coordinates>34\.83,-2\.33,60 "
    for place, reason in [(point, "its point is not where"), (path, "the path is not the one")]:
        spot = re.search(place, text, re.DOTALL)
        assert spot is not None
        at = spot.end() - spot[0][::-1].index("38.43") - 5
        moved = text[:at] + "34.84" + text[at + 5 :]
        found = outcome(moved.encode(), tmp_path / f"moved{kind}")
        assert isinstance(found, str)
        assert reason in found


def test_nothing_at_all(tmp_path: Path) -> None:
    for content in (
        b"",
        b" ",
        b"\x00",
        b"\xef\xbb\xbf",
        b"PK\x03\x04",
        b"PK\x05\x06" + bytes(18),
        b"{}",
        b"[]",
        b"<a/>",
        b"0",
    ):
        assert isinstance(outcome(content, tmp_path / "nothing"), str)


def test_nan_stays_what_it_is(tmp_path: Path) -> None:
    """A parameter that is to be left as it is: null in JSON, NaN in lines."""
    item = MissionItem(16, 3, (0.0, math.nan, 0.0, math.nan), 34.8, -2.3, 80.0)
    for suffix in (".plan", ".waypoints", ".kml", ".geojson"):
        (read,) = read_mission(write_mission(Mission((item,)), tmp_path / f"nan{suffix}")).items
        assert repr(read.params) == "(0.0, nan, 0.0, nan)"


@pytest.mark.parametrize("kind", [".geojson", ".kml"])
def test_a_later_version_of_our_own_is_refused(good: dict[str, bytes], tmp_path: Path, kind: str) -> None:
    old, new = (
        (b'"version": 1,', b'"version": 2,') if kind == ".geojson" else (b"<value>1</value>", b"<value>2</value>")
    )
    found = outcome(good[kind].replace(old, new, 1), tmp_path / f"later{kind}")
    assert isinstance(found, str)
    assert "version 2 of overfly's missions" in found


@pytest.mark.parametrize("kind", [".plan", ".geojson", ".kml"])
def test_half_a_character_in_a_name_is_refused(good: dict[str, bytes], tmp_path: Path, kind: str) -> None:
    """JSON can say one by its number, and no file can be written with it."""
    text = good[kind].decode()
    name = re.search(r'"Wald-0 [^"]*"', text)
    assert name is not None
    found = outcome(text.replace(name[0], r'"Wald \ud800"').encode(), tmp_path / f"half{kind}")
    assert isinstance(found, str)
    assert "not text" in found
