"""`overfly ingest` names what is wrong with a flight and repairs it when told to, and the census remembers both."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from counts.audit import verify
from counts.census import Census
from counts.store import read_captures, read_findings, read_footprints, read_repairs
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
