"""A crowd of broken files: read as they are, or refused in words with the place, never another error, never otherwise.

Broken from good ones: cut short, numbers that are none, keys and elements taken away, said twice or of another kind,
other encodings, archives that lie. What cannot be a mission is never read as another one.
"""

import copy
import importlib.util
import json
import re
import string
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightplan.mission import Mission

_spec = importlib.util.spec_from_file_location("hostile_missions", Path(__file__).with_name("hostile_missions.py"))
hostile_missions = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile_missions)
TEXT, crowd, good, outcome = (
    hostile_missions.TEXT,
    hostile_missions.crowd,
    hostile_missions.good,
    hostile_missions.outcome,
)


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
