"""The same verbs on real boundaries, real photographs and a real network, and what they say when something is wrong."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from overfly.cli import main


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(w) for w in words])


def document(*words: object, exit_code: int = 0) -> dict:
    result = run(*words, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def workspace(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = document("init", shared_data / "areas" / "cz_podyji_2holes.geojson", tmp_path / "podyji")
    assert made["exclusions"] == 2
    assert made["strata"] == [{"name": "all", "area_km2": pytest.approx(62.73, abs=0.01)}]
    monkeypatch.chdir(tmp_path / "podyji")
    return tmp_path / "podyji"


def test_a_real_park_with_holes_is_planned_flown_over_nothing_forbidden_and_kept_as_a_survey(workspace: Path) -> None:
    planned = document(
        "plan", "--survey", "2026-wet", "--camera", "DJI Mavic 3E wide", "--gsd", 3, "--spacing", 1500, "--seed", 7
    )
    assert planned["metres_outside"] == 0
    assert planned["lines"] >= 12
    assert all(s["energy_share"] < 1 for s in planned["sorties"])
    for sortie in planned["sorties"]:
        assert all(Path(p).is_file() for p in sortie["files"].values())
    again = run("plan", "--survey", "2026-wet", "--camera", "DJI Mavic 3E wide", "--gsd", 3, "--spacing", 900)
    assert again.exit_code == 1
    assert "has its plan already" in again.stderr


def test_a_plan_that_was_refused_leaves_no_survey_behind(workspace: Path) -> None:
    assert run("plan", "--camera", "Kodak Brownie", "--gsd", 2, "--spacing", 800).exit_code == 1
    assert not list(workspace.glob("*/survey.toml"))


def test_real_pictures_are_placed_searched_and_reported(workspace: Path, shared_data: Path) -> None:
    pictures = [shared_data / "imagery" / name for name in ("brighton_dji", "pelicans_dji")]
    first = document("ingest", *pictures, "--survey", "colony")
    assert (first["found"], first["added"], first["placed"]) == (13, 13, 13)
    assert document("ingest", *pictures, "--survey", "colony")["added"] == 0
    model = shared_data / "models" / "yolov8n_coco_int8.onnx"
    found = document("detect", "--survey", "colony", "--model", model, "--threshold", 0.1)
    assert found["captures"] == 13
    assert document("detect", "--survey", "colony", "--model", model, "--threshold", 0.1)["looked_at"] == 0
    counted = document("count", "--survey", "colony")
    assert counted["estimates"] == []
    assert "no design" in counted["reason"]
    assert counted["merge_counts"]["bird"][0] >= 20
    page = Path(document("report", "--survey", "colony", "--out", workspace / "colony.html")["report"]).read_text()
    assert "bird" in page
    assert page.count("<svg") >= 1
    for outside in ("http://", "https://"):
        assert f'src="{outside}' not in page


def test_an_orthomosaic_and_pictures_without_gps_are_searched_into_a_file(tmp_path: Path, shared_data: Path) -> None:
    model = shared_data / "models" / "yolov8n_coco_int8.onnx"
    Image.new("RGB", (200, 100), "green").save(tmp_path / "no-gps.jpg")
    out = tmp_path / "found.csv"
    result = document(
        "detect", shared_data / "imagery" / "everglades_ortho", tmp_path / "no-gps.jpg", "--model", model,
        "--threshold", 0.01, "--out", out,
    )  # fmt: skip
    assert result["captures"] == 2
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    mosaic = [r for r in rows if r["image"].endswith(".tif") and r["label"]]
    assert mosaic
    assert all(-81.5 < float(r["longitude_deg"]) < -80 and 25 < float(r["latitude_deg"]) < 26.5 for r in mosaic)


def test_one_truncated_picture_and_one_without_gps_are_named_and_the_rest_is_done(
    workspace: Path, shared_data: Path
) -> None:
    card = workspace / "card"
    card.mkdir()
    good = sorted((shared_data / "imagery" / "brighton_dji").glob("*.JPG"))[:2]
    shutil.copy(good[0], card)
    (card / "cut.JPG").write_bytes(good[1].read_bytes()[:1_000_000])
    Image.new("RGB", (64, 48), "green").save(card / "indoors.jpg")
    (card / "notes.jpg").write_text("not a picture")
    result = run("ingest", card, "--survey", "card", "--json")
    assert result.exit_code == 3
    told = {Path(s["item"]).name: s["reason"] for s in json.loads(result.stdout)["skipped"]}
    assert {"indoors.jpg", "notes.jpg"} <= set(told)
    assert "position" in told["indoors.jpg"] or "longitude" in told["indoors.jpg"]
    looked = run("detect", "--survey", "card", "--json")
    told |= {Path(s["item"]).name: s["reason"] for s in json.loads(looked.stdout)["skipped"]}
    assert looked.exit_code == 3
    assert "cut.JPG" in told
    assert json.loads(looked.stdout)["captures"] == 2
    assert "Skipped:" in looked.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ingest", "empty"), "No pictures found"),
        (("ingest", "nowhere"), "no such file or folder"),
        (("detect", "--model", "letter.onnx"), "letter.onnx"),
        (("init", "bow-tie.geojson", "tie"), "cross"),
        (("count", "letter.onnx"), "not a census"),
        (("fly", "plan.waypoints", "--connect", "tcp:127.0.0.1:9", "--out", "flights"), "127.0.0.1:9"),
    ],
    ids=[
        "folder without pictures",
        "no such folder",
        "model that is none",
        "self-intersection",
        "no census",
        "no vehicle",
    ],
)
def test_what_is_wrong_is_one_clear_sentence_and_exit_code_1(workspace: Path, words: tuple, said: str) -> None:
    (workspace / "empty").mkdir()
    (workspace / "letter.onnx").write_text("Dear ranger, this is no network. " * 10)
    tie = [[34.80, -2.34], [34.84, -2.30], [34.84, -2.34], [34.80, -2.30], [34.80, -2.34]]
    (workspace / "bow-tie.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [tie]}))
    (workspace / "plan.waypoints").write_text(
        "QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\t-2.33\t34.83\t1500\t1\n1\t0\t3\t22\t0\t0\t0\t0\t-2.33\t34.83\t50\t1\n"
        "2\t0\t3\t20\t0\t0\t0\t0\t0\t0\t0\t1\n"
    )
    result = run(*words)
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert said in lines[0]
    assert "Traceback" not in result.output


@pytest.mark.skipif(os.name == "nt", reason="a POSIX path")
def test_a_verb_outside_of_any_workspace_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("count")
    assert result.exit_code == 1
    assert "overfly init" in result.stderr
