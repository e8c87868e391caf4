"""From collars in the census, or a table of depths, to the correction line of a count, without writing Python."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from shapely.geometry import box, mapping

from counts.availability import read_availability
from counts.census import Census
from overfly.cli import main

# The survey of `fill_census`: flown from 6:30 UTC on, nine in the morning by the sun; its area is 34.806 to 34.854
# east, the woodland north of 2.33 south.
WEST, EAST = 34.815, 34.845
NORTH, SOUTH = -2.326, -2.334
OPEN = box(34.80, -2.34, 34.83, -2.32)
MORNING = datetime(2026, 2, 1, 6, 0, tzinfo=UTC)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def open_ground(tmp_path: Path) -> str:
    path = tmp_path / "open.geojson"
    path.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": mapping(OPEN)}))
    return str(path)


def collars(path: Path, animals: dict[str, list[tuple[float, float]]], days: int = 5) -> str:
    """A Movebank study: each animal at its places in turn, every ten minutes from 6 to 10 UTC, on several days."""
    rows = ["event-id,timestamp,location-long,location-lat,individual-local-identifier,individual-taxon-canonical-name"]
    for name, places in animals.items():
        for step in range(24 * days):
            day, minute = divmod(step * 10, 240)
            time = MORNING + timedelta(days=day, minutes=minute)
            east, north = places[step % len(places)]
            rows.append(f"{len(rows)},{time:%Y-%m-%d %H:%M:%S.000},{east},{north},{name},Loxodonta africana")
    path.write_text("\n".join(rows))
    return str(path)


def test_collars_become_the_availability_of_a_count_with_their_source_and_error(
    filled: Census, tmp_path: Path, open_ground: str
) -> None:
    census, out = str(filled.where), str(tmp_path / "elephant.toml")
    # In the open half of the time, always, and three fixes of four.
    animals = {
        "a": [(WEST, NORTH), (EAST, NORTH)],
        "b": [(WEST, NORTH), (WEST, SOUTH)],
        "c": [(WEST, NORTH), (WEST, SOUTH), (WEST, NORTH), (EAST, NORTH)],
        "far away": [(36.0, -2.33)],
    }
    assert run("import", "movebank", collars(tmp_path / "study.csv", animals), census).exit_code == 0
    done = run("availability", "elephant", census, "--open", open_ground, "--hours", "6", "18", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    (value,) = json.loads(done.stdout)["values"]
    # Shares 0.5, 1 and 0.75; the one outside the park says nothing. 0.25 / √3 between animals.
    assert (value["share"], value["animals"], value["fixes"]) == (pytest.approx(0.75), 3, 360)
    assert value["se"] == pytest.approx(0.25 / 3**0.5)
    plain = json.loads(run("count", census, "--json", "--species", "elephant").stdout)
    counted = json.loads(run("count", census, "--json", "--species", "elephant", "--availability", out).stdout)
    for before, after in zip(plain["estimates"], counted["estimates"], strict=True):
        assert after["value"] == pytest.approx(before["value"] / 0.75)
        assert after["components"]["availability"] == pytest.approx((after["value"] / 3 / 3**0.5) ** 2, rel=1e-4)
    (line,) = counted["corrections"]
    assert (line["kind"], line["factor"]) == ("availability", pytest.approx(1 / 0.75))
    assert line["source"].startswith("collars of 4 animals (study): share of fixes on open.geojson (")


def test_habitat_and_hours_have_values_of_their_own(filled: Census, tmp_path: Path, open_ground: str) -> None:
    census, out = str(filled.where), tmp_path / "elephant.toml"
    animals = {
        "a": [(WEST, NORTH), (EAST, NORTH), (WEST, SOUTH)],
        "b": [(WEST, NORTH), (WEST, NORTH), (WEST, SOUTH), (EAST, SOUTH), (WEST, NORTH), (WEST, NORTH)],
    }
    run("import", "movebank", collars(tmp_path / "study.csv", animals), census)
    done = run("availability", "elephant", census, "--open", open_ground, "--by-stratum", "--out", str(out))
    assert done.exit_code == 3, "hours without fixes are named"
    assert "woodland, hour 3" in done.stderr
    values = {(c.stratum, c.from_h): c.rate.value for c in read_availability(out).classes}
    # 6 to 10 UTC is 8:19 to 12:19 by the sun at 34.83° east; after 12 only one animal has a fix.
    assert sorted({hour for _, hour in values}) == [8, 9, 10, 11]
    assert values["woodland", 10] == pytest.approx((0.5 + 1.0) / 2)
    assert values["floodplain", 10] == pytest.approx((1.0 + 0.5) / 2)


def test_dives_give_the_share_of_time_near_the_surface(filled: Census, tmp_path: Path) -> None:
    rows = ["animal,time_utc,depth_m"]
    for animal, deep in (("x", 3), ("y", 2)):
        for step in range(60):
            time = MORNING + timedelta(minutes=step * 4)
            rows.append(f"{animal},{time.isoformat()},{2.5 if step % 5 < deep else 0.2}")
    table, out = tmp_path / "dives.csv", tmp_path / "hippo.toml"
    table.write_text("\n".join(rows))
    done = run(
        "availability", "hippo", str(filled.where), "--dives", str(table), "--seen-to", "0.5", "--hours", "6", "18",
        "--out", str(out),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "6 to 18 h: 0.50 ± 0.10 (120 records of 2 animals)" in done.stdout
    (value,) = read_availability(out).classes
    assert value.rate.source.startswith("dives.csv (")
    assert "share of depths up to 0.5 m" in value.rate.source


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "Give one of --open"),
        (["--dives", "dives.csv"], 2, "--dives needs --seen-to"),
        (["--open", "OPEN"], 1, "no collars of Loxodonta africana"),
        (["--dives", "dives.csv", "--seen-to", "1"], 1, "dives.csv, line 3: 'noon' is no time"),
    ],
)
def test_what_is_missing_is_said(
    filled: Census, tmp_path: Path, open_ground: str, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "dives.csv").write_text("animal,time_utc,depth_m\na,2026-02-01T06:00:00Z,1\na,noon,1\n")
    given = [str(tmp_path / a) if a == "dives.csv" else open_ground if a == "OPEN" else a for a in arguments]
    done = run("availability", "elephant", str(filled.where), "--out", str(tmp_path / "a.toml"), *given)
    assert done.exit_code == code
    assert said in done.stderr.replace(str(tmp_path) + "/", "")
