"""The wheel holds the house and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("flightplan", "detect", "counts", "sim", "overfly")
# Whatever is not Python and ships: a new data file is added here on purpose or not at all.
DATA = {
    "counts/report/locale/fr/LC_MESSAGES/overfly.po",
    "counts/report/locale/overfly.pot",
    "counts/report/locale/pt/LC_MESSAGES/overfly.po",
    "counts/report/locale/ru/LC_MESSAGES/overfly.po",
    "counts/report/locale/sw/LC_MESSAGES/overfly.po",
    "counts/report/templates/chart.css",
    "counts/report/templates/density.svg.j2",
    "counts/report/templates/map.css",
    "counts/report/templates/map.svg.j2",
    "counts/report/templates/report.css",
    "counts/report/templates/report.html.j2",
    "counts/report/templates/report.typ",
    "counts/report/templates/seasons.svg.j2",
    "counts/report/templates/strips.svg.j2",
    "counts/review/static/absent.js",
    "counts/review/static/api.js",
    "counts/review/static/boxes.js",
    "counts/review/static/bulk.js",
    "counts/review/static/counting.js",
    "counts/review/static/drawing.js",
    "counts/review/static/frame.js",
    "counts/review/static/icon.svg",
    "counts/review/static/keys.js",
    "counts/review/static/log_out.js",
    "counts/review/static/login.js",
    "counts/review/static/map.js",
    "counts/review/static/map_style.js",
    "counts/review/static/pairs.js",
    "counts/review/static/people.js",
    "counts/review/static/pixels.js",
    "counts/review/static/relative_map.js",
    "counts/review/static/review.css",
    "counts/review/static/sample.js",
    "counts/review/static/triage.js",
    "counts/review/templates/api.html.j2",
    "counts/review/templates/_dialogs.html.j2",
    "counts/review/templates/_keys.html.j2",
    "counts/review/templates/base.html.j2",
    "counts/review/templates/dashboard.html.j2",
    "counts/review/templates/frame.html.j2",
    "counts/review/templates/login.html.j2",
    "counts/review/templates/map.html.j2",
    "counts/review/templates/pairs.html.j2",
    "counts/review/templates/people.html.j2",
    "counts/review/templates/sample.html.j2",
    "counts/review/templates/triage.html.j2",
    "detect/models/overfly-demo.md",
    "detect/models/overfly-demo.onnx",
    "detect/models/overfly-demo.yaml",
    "flightplan/cameras.toml",
    "flightplan/drones.toml",
    "flightplan/templates/plan.html.j2",
}
# Front-end libraries: there once `make web` has run, and then all of them.
VENDOR = {
    f"counts/review/vendor/{name}"
    for name in (
        "htmx.min.js",
        "maplibre-gl-csp-worker.js",
        "maplibre-gl-csp.js",
        "maplibre-gl.css",
        "openseadragon.min.js",
        "pmtiles.js",
    )
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_module_and_only_the_listed_data(wheel: zipfile.ZipFile) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--", *ROOMS], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    modules = {name for name in listed if name.endswith(".py")}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held - VENDOR == modules | DATA
    assert held & VENDOR in (set(), VENDOR)


def test_the_wheel_brings_its_licence_and_one_command(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    (entry_points,) = (n for n in names if n.endswith(".dist-info/entry_points.txt"))
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)
    assert "overfly = overfly.cli:main" in wheel.read(entry_points).decode()


def test_the_base_install_asks_for_no_torch(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    required = [line for line in wheel.read(metadata).decode().splitlines() if line.startswith("Requires-Dist:")]
    base = " ".join(line for line in required if "extra ==" not in line)
    assert "numpy" in base
    for heavy in ("torch", "ultralytics", "opencv"):
        assert heavy not in base
