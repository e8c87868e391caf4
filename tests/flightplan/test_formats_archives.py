"""Archives that hold missions, and what would not end: refused in words, never unpacked."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

_spec = importlib.util.spec_from_file_location("hostile_missions", Path(__file__).with_name("hostile_missions.py"))
hostile_missions = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile_missions)
archive, crowd, good, outcome = (
    hostile_missions.archive,
    hostile_missions.crowd,
    hostile_missions.good,
    hostile_missions.outcome,
)


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
