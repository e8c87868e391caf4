"""`overfly ingest --refine`: poses adjusted from the pictures reach the census, once, and stay traceable."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from counts.audit import verify
from counts.census import Census
from counts.store import StoredCapture, read_captures, read_footprints, read_repairs
from detect.evaluate_georef import evaluate_tie_points
from detect.georef import place
from detect.pose_errors import PoseErrors
from detect.refine import POSE_FIELDS, REFINED
from detect.standpoints import pose_of
from overfly.cli import main


def ingest(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["ingest", *map(str, arguments), "--no-pixels", "--json"])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def stored(census: Path) -> tuple[tuple[StoredCapture, ...], list[Any], int]:
    with Census.open(census) as opened, opened.reading() as session:
        assert verify(session).sound
        polygons = read_footprints(session, 1).polygons.tolist()
        return read_captures(session, 1), polygons, len(read_repairs(session, 1))


def test_refined_poses_reach_the_census_and_are_not_refined_twice(shared_data: Path, tmp_path: Path) -> None:
    folder, census = shared_data / "imagery/seneca_sensefly", tmp_path / "census.gpkg"
    ingest(folder, "--census", census)
    plain, outlines, _ = stored(census)

    said = ingest(folder, "--census", census, "--refine")
    assert (said["known"], said["placed"]) == (3, 3)
    (finding,) = said["findings"]
    assert (finding["kind"], finding["proved"], finding["repaired"]) == (REFINED, True, True)
    assert (
        "seneca_sensefly/IMG_0463.jpg to IMG_0465.jpg: Overlapping pictures put the same ground 11" in finding["text"]
    )
    assert {r["field"] for r in said["repairs"]} == POSE_FIELDS

    refined, moved, repairs = stored(census)
    by_name = {c.capture.path.name: c.capture for c in refined}
    assert by_name["IMG_0464.jpg"].sources["yaw_deg"].endswith("looking down; pose-refined")
    assert evaluate_tie_points(folder, captures=by_name).categories["pairs"].median_m < 0.2
    for before, after in zip(outlines, moved, strict=True):
        assert before.intersection(after).area < 0.95 * after.area
    for before, after in zip(plain, refined, strict=True):
        # What a count tells two sightings apart by is what is left of the errors once neighbours agree.
        apart = []
        for capture in (before.capture, after.capture):
            assert capture.camera is not None
            stand = pose_of(capture)
            middle = [[capture.width_px / 2, capture.height_px / 2]]
            placed = place(capture.camera, stand.pose, middle, stand.terrain, PoseErrors.of(capture))
            apart.append(np.sqrt(np.trace(placed.covariance_m2[0] - placed.common_m2[0])))
        assert apart[1] < 0.2 * apart[0]

    again = ingest(folder, "--census", census, "--refine", "--repair", "all")
    assert (again["findings"], again["repairs"]) == ([], [])
    assert stored(census)[1:] == (moved, repairs)
