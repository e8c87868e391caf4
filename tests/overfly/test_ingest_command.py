"""`overfly ingest` names what is wrong with a flight and repairs it when told to, and the census remembers both."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner
from PIL import Image

from counts.audit import verify
from counts.census import Census
from counts.schema import Sortie
from counts.store import (
    add_survey,
    read_captures,
    read_findings,
    read_footprints,
    read_repairs,
    record_flight,
)
from flightplan.vehicle.logs import FlightCapture, FlightLog, iso_utc
from overfly.cli import main

FLIPPED = {"DJI_0024.JPG": 40.0, "DJI_0025.JPG": 48.0, "DJI_0028.JPG": 46.5, "DJI_0029.JPG": 48.6}


def ingest(*arguments: object, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["ingest", *map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def stored(census: Path) -> dict[str, Any]:
    with Census.open(census) as opened, opened.reading() as session:
        assert verify(session).sound
        captures = read_captures(session, 1)
        return {
            "yaw": {c.capture.path.name: c.capture.yaw_deg for c in captures},
            "source": {c.capture.path.name: c.capture.sources.get("yaw_deg") for c in captures},
            "findings": [f.kind for f in read_findings(session, 1)],
            "repairs": [(r.kind, r.field, r.before, r.after) for r in read_repairs(session, 1)],
            "footprints": {
                c.capture.path.name: p.wkb_hex
                for c, p in zip(captures, read_footprints(session, 1).polygons, strict=True)
            },
        }


def test_brightons_flipped_yaws_are_named_at_first_and_repaired_when_told_to(shared_data: Path, tmp_path: Path) -> None:
    folder, census = shared_data / "imagery/brighton_dji", tmp_path / "census.gpkg"
    said = ingest(folder, "--census", census)
    assert [f["kind"] for f in said["findings"]] == ["frames-missing", "picture-rewritten", "yaw-flipped"]
    flipped = said["findings"][2]
    assert [Path(p).name for p in flipped["captures"]] == list(FLIPPED)
    assert flipped["proposed"] == {"yaw_deg": list(FLIPPED.values())}
    assert (flipped["proved"], flipped["repaired"], said["repairs"]) == (False, False, [])
    before = stored(census)
    assert before["yaw"]["DJI_0024.JPG"] == -140.0

    again = ingest(folder, "--census", census, "--repair", "yaw-flipped")
    assert again["known"] == 12
    assert {Path(r["capture"]).name: r["after"] for r in again["repairs"]} == FLIPPED
    after = stored(census)
    assert {name: after["yaw"][name] for name in FLIPPED} == FLIPPED
    assert after["source"]["DJI_0024.JPG"] == "repaired: XMP drone-dji camera angles; yaw-flipped"
    assert after["findings"] == before["findings"] == ["frames-missing", "picture-rewritten", "yaw-flipped"]
    assert ("yaw-flipped", "yaw_deg", -140.0, 40.0) in after["repairs"]
    moved = {name for name in before["footprints"] if before["footprints"][name] != after["footprints"][name]}
    assert moved == set(FLIPPED)

    once_more = ingest(folder, "--census", census, "--repair", "all")
    assert [f["kind"] for f in once_more["findings"]] == ["frames-missing", "picture-rewritten"]
    assert once_more["repairs"] == []
    assert stored(census) == after


def test_a_repair_at_the_first_reading_is_remembered_too(shared_data: Path, tmp_path: Path) -> None:
    census = tmp_path / "census.gpkg"
    ingest(shared_data / "imagery/brighton_dji", "--census", census, "--repair", "all")
    kept = stored(census)
    assert {name: kept["yaw"][name] for name in FLIPPED} == FLIPPED
    assert len(kept["repairs"]) == 4


def test_flights_without_fault_have_no_findings(shared_data: Path, tmp_path: Path) -> None:
    for name, count in (("seneca_sensefly", 3), ("pelicans_dji", 1)):
        said = ingest(shared_data / "imagery" / name, "--census", tmp_path / f"{name}.gpkg")
        assert (said["found"], said["placed"], said["findings"], said["repairs"]) == (count, count, [], [])


def photographs(folder: Path, times_s: list[float]) -> None:
    """Pictures of a camera without GPS, each with its own content, whose clock is 7204.6 s ahead of UTC."""
    folder.mkdir()
    for n, time_s in enumerate(times_s):
        clock = datetime.fromtimestamp(time_s + 7204.6, UTC)
        tags = Image.Exif()
        tags.get_ifd(0x8769).update({0x9003: f"{clock:%Y:%m:%d %H:%M:%S}", 0xA405: 24})
        levels = np.random.default_rng([n, 77]).integers(60, 190, (160, 240, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"DSC{n:05d}.JPG", exif=tags)


def fly_and_log(folder: Path) -> list[float]:
    """Four lines of eight shots, as `overfly fly` writes them down."""
    gaps = np.random.default_rng([5, 5]).normal(2.5, 0.1, 32)
    gaps[8::8] += (14.0, 22.0, 17.5)
    times = (datetime(2026, 7, 1, 6, 30, tzinfo=UTC).timestamp() + np.cumsum(gaps)).tolist()
    with FlightLog(folder) as log:
        for n, time_s in enumerate(times):
            line, along = divmod(n, 8)
            there = line % 2 == 0
            log.capture(
                FlightCapture(
                    index=n, time_utc=iso_utc(time_s), longitude_deg=34.83 + 5e-4 * line,
                    latitude_deg=-2.33 + 2.2e-4 * (along if there else 7 - along), altitude_msl_m=1580.0,
                    altitude_home_m=80.0, roll_deg=0.5, pitch_deg=-3.0, yaw_deg=0.0 if there else 180.0, item=3,
                    transect="T1", on_line=True, reason=None, along_m=0.0, cross_track_m=0.0, source="CAMERA_FEEDBACK",
                )
            )  # fmt: skip
    return times


def test_pictures_without_gps_are_placed_by_a_flights_log(tmp_path: Path) -> None:
    times = fly_and_log(tmp_path / "flight")
    photographs(tmp_path / "card", [t for n, t in enumerate(times) if n != 11])
    census = tmp_path / "census.gpkg"
    bare = ingest(tmp_path / "card", "--census", census, "--no-pixels", code=3)
    assert (bare["added"], bare["placed"]) == (31, 0)

    said = ingest(tmp_path / "card", "--census", census, "--log", tmp_path / "flight", "--no-pixels")
    assert (said["known"], said["placed"]) == (31, 31)
    matched, missing, uneven = said["findings"]
    assert (matched["kind"], matched["proved"], matched["repaired"]) == ("log-matched", True, True)
    assert "31 of 31 pictures are shots of captures.jsonl: the camera's clock is +7204" in matched["text"]
    assert missing["kind"] == "frames-missing"
    assert [Path(p).name for p in missing["captures"]] == ["DSC00010.JPG", "DSC00011.JPG"]
    assert "about 1 is missing or never taken" in uneven["text"]  # the distances say so too, now that they are known
    with Census.open(census) as opened, opened.reading() as session:
        assert verify(session).sound
        capture = read_captures(session, 1)[20].capture
    assert capture.longitude_deg == 34.83 + 5e-4 * 2
    assert capture.sources["yaw_deg"] == "flight log captures.jsonl (CAMERA_FEEDBACK), airframe, camera looking down"
    assert capture.time_utc is not None
    assert abs(capture.time_utc.timestamp() - times[21]) < 0.002

    again = ingest(tmp_path / "card", "--census", census, "--log", tmp_path / "flight", "--no-pixels")
    assert again["repairs"] == []


def test_a_log_that_is_none_ends_with_one_clear_error(tmp_path: Path) -> None:
    photographs(tmp_path / "card", [1e9, 1e9 + 2])
    (tmp_path / "flight.tlog").write_bytes(b"not a log")
    result = CliRunner().invoke(
        main,
        [
            "ingest",
            str(tmp_path / "card"),
            "--census",
            str(tmp_path / "c.gpkg"),
            "--log",
            str(tmp_path / "flight.tlog"),
        ],
    )
    assert result.exit_code == 1
    assert result.stderr.count("Error:") == 1
    assert "flight.tlog: This is no flight log" in result.stderr


def test_blurred_and_cut_short_pictures_are_named_by_the_command(tmp_path: Path) -> None:
    photographs(tmp_path / "card", [1.5e9 + 3 * n for n in range(8)])
    spoiled = sorted((tmp_path / "card").iterdir())
    whole = spoiled[2].read_bytes()
    spoiled[2].write_bytes(whole[: len(whole) // 2])
    said = ingest(tmp_path / "card", "--census", tmp_path / "census.gpkg", code=3)
    assert [(f["kind"], [Path(p).name for p in f["captures"]]) for f in said["findings"]] == [
        ("picture-cut-short", ["DSC00002.JPG"])
    ]
    assert ingest(tmp_path / "card", "--census", tmp_path / "b.gpkg", "--no-pixels", code=3)["findings"] == []


def test_one_name_in_two_folders_is_two_pictures_and_one_picture_twice_is_one(tmp_path: Path) -> None:
    photographs(tmp_path / "card", [1.5e9, 1.5e9 + 60])
    first, second = sorted((tmp_path / "card").iterdir())
    for folder, picture in (("100MEDIA", first), ("101MEDIA", second), ("backup", first)):
        (tmp_path / "all" / folder).mkdir(parents=True)
        (tmp_path / "all" / folder / "DJI_0001.JPG").write_bytes(picture.read_bytes())
        (tmp_path / "all" / folder / "._DJI_0001.JPG").write_bytes(b"\0\5\x16\7")
    said = ingest(tmp_path / "all", "--census", tmp_path / "census.gpkg", "--no-pixels", code=3)
    assert (said["found"], said["added"]) == (3, 2)
    twice = [s for s in said["skipped"] if "the same picture" in s["reason"]]
    assert [Path(s["item"]).parent.name for s in twice] == ["backup"]
    assert twice[0]["reason"].endswith("all/100MEDIA/DJI_0001.JPG")


def test_pictures_outside_the_time_their_sortie_was_flown_get_the_missing_zone(tmp_path: Path) -> None:
    census, sortie = tmp_path / "census.gpkg", "sortie-01"
    photographs(tmp_path / sortie, [1.5e9 + 3 * n for n in range(6)])
    started = datetime.fromtimestamp(1.5e9 - 60, UTC)
    with Census.open(census) as opened, opened.writing() as session:
        survey = add_survey(session, None, name="survey")
        session.add(Sortie(survey_id=survey, identifier=sortie, status="planned"))
        session.flush()
        record_flight(session, survey, sortie, started_utc=started, ended_utc=started + timedelta(minutes=5))
    said = ingest(tmp_path / sortie, "--census", census, "--no-pixels", "--repair", "clock-offset", code=3)
    (finding,) = said["findings"]
    assert (finding["kind"], finding["repaired"]) == ("clock-offset", True)
    assert "a time zone of +2 h is missing" in finding["text"]
    with Census.open(census) as opened, opened.reading() as session:
        times = [c.capture.time_utc for c in read_captures(session, 1)]
    assert all(started <= t <= started + timedelta(minutes=5) for t in times if t is not None)
