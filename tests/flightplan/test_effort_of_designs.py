"""The effort of a design, said in any of the ways that people say it, is the effort that is flown."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flightplan.allocation import (
    EarlierStratum,
    Room,
    allocate_length,
    allocate_lines,
    expected_variances,
    length_weights,
    neyman_weights,
)
from flightplan.areas import Stratum, StudyArea
from flightplan.design import COMPLEMENTARY, design_survey, lay_lines, resolve_design
from flightplan.earlier import read_earlier
from flightplan.errors import DesignError, UnreadableFileError
from flightplan.frames import LocalFrame
from flightplan.paths import Airspace
from flightplan.request import DesignRequest

FRAME = LocalFrame(34.83, -2.33)
WIDTH_M = 60.0


def area() -> StudyArea:
    """A wide stratum of 4 by 2 km above one of 4 by 1 km."""
    boxes = {"north": shapely.box(-2000, 0, 2000, 2000), "south": shapely.box(-2000, -1000, 2000, 0)}
    return StudyArea("park", tuple(Stratum(n, FRAME.delocalise(b)) for n, b in boxes.items()))


def drawn(seeds: int = 40, **asked: object) -> dict[str, list[tuple[int, float]]]:
    """Lines and metres inside each stratum, over draws."""
    park = area()
    airspace = Airspace.over(park, allowance_m=80.0, buffer_m=0.0)
    found: dict[str, list[tuple[int, float]]] = {s.name: [] for s in park.strata}
    design = resolve_design(park, DesignRequest(heading_deg=0.0, **asked), strip_width_m=WIDTH_M)  # type: ignore[arg-type]
    for seed in range(seeds):
        laid = lay_lines(park, replace(design, seed=seed), airspace)
        for stratum, polygon, lines in zip(park.strata, park.local_strata, laid, strict=True):
            inside = sum(_inside(line, polygon) for line in lines)
            found[stratum.name].append((len(lines), inside))
    return found


def _inside(line: object, polygon: object) -> float:
    return float(shapely.length(shapely.intersection(shapely.linestrings(line.segments), polygon)).sum())  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["systematic", "random", "zigzag", "complementary-zigzag"])
def test_a_total_length_is_flown_in_the_mean_and_by_area(kind: str) -> None:
    found = drawn(kind=kind, total_length_m=60_000.0)
    north, south = (np.mean([m for _, m in found[n]]) for n in ("north", "south"))
    assert north + south == pytest.approx(60_000, rel=0.05)
    assert north / south == pytest.approx(2.0, rel=0.06)


def test_a_total_length_shared_equally_is_as_long_in_each_stratum() -> None:
    found = drawn(total_length_m=40_000.0, allocation="equal")
    assert [np.mean([m for _, m in found[n]]) for n in ("north", "south")] == pytest.approx([20e3, 20e3], rel=0.05)


def test_a_number_of_lines_for_all_strata_is_had_whatever_the_start() -> None:
    found = drawn(total_lines=18)
    assert {k for k, _ in found["north"]} <= {12, 13}
    assert {k for k, _ in found["south"]} <= {6, 7}


def test_neyman_gives_lines_where_the_earlier_survey_found_the_spread() -> None:
    earlier = {"north": EarlierStratum(100.0, 10), "south": EarlierStratum(1600.0, 10)}
    found = drawn(total_lines=25, allocation="neyman", earlier=earlier, seeds=6)
    assert {k for k, _ in found["north"]} <= {5, 6}
    assert {k for k, _ in found["south"]} <= {20, 21}


def test_of_a_length_neyman_gives_less_to_the_stratum_whose_lines_are_short_but_more_lines_than_a_share_by_area() -> (
    None
):
    rooms = {"long": Room(8e6, 4000.0), "short": Room(4e6, 4000.0)}
    same = dict.fromkeys(rooms, EarlierStratum(900.0, 10))
    length = allocate_length(60e3, length_weights("neyman", rooms, same))
    # As many animals vary, but a line costs half: √2 less metres, √2 more lines.
    assert length["long"] / length["short"] == pytest.approx(np.sqrt(2))

    def variance(long_m: float) -> float:
        lines = {"long": long_m / 2000, "short": (60e3 - long_m) / 1000}
        return sum(expected_variances(same, lines, {"long": 0.0, "short": 0.0}).values())

    assert variance(length["long"]) == pytest.approx(min(variance(x) for x in np.linspace(10e3, 50e3, 801)), rel=1e-5)


def test_the_variance_to_expect_of_the_same_effort_is_the_one_that_was_found() -> None:
    earlier = {"a": EarlierStratum(250.0, 12, 0.2), "b": EarlierStratum(90.0, 7, 0.1)}
    again = expected_variances(earlier, {"a": 12, "b": 7}, {"a": 0.2, "b": 0.1})
    assert again == pytest.approx({"a": 250.0, "b": 90.0})
    assert expected_variances(earlier, {"a": 24, "b": 7}, {"a": 0.4, "b": 0.1})["a"] == pytest.approx(
        250 / 2 * 0.6 / 0.8
    )


@settings(deadline=None)
@given(
    weights=st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 1e6), min_size=1, max_size=6),
    data=st.data(),
)
def test_shares_stay_within_their_bounds_and_add_up(weights: dict[str, float], data: st.DataObject) -> None:
    most = {n: data.draw(st.integers(2, 40)) for n in weights}
    total = data.draw(st.integers(2 * len(weights), sum(most.values())))
    lines = allocate_lines(total, weights, most)
    assert sum(lines.values()) == total
    assert all(2 <= lines[n] <= most[n] for n in weights)
    metres = allocate_length(float(total), weights, dict.fromkeys(weights, 2.0), {n: float(m) for n, m in most.items()})
    assert sum(metres.values()) == pytest.approx(total)
    assert all(2 - 1e-9 <= metres[n] <= most[n] + 1e-9 for n in weights)


def test_a_stratum_with_a_spacing_of_its_own_has_it() -> None:
    design = resolve_design(
        area(),
        DesignRequest(stratum_spacing_m={"north": 400.0, "south": 200.0}, heading_deg=0.0),
        strip_width_m=WIDTH_M,
    )
    assert (design.spacing_in("north"), design.spacing_in("south")) == (400.0, 200.0)
    assert design.spacing_m == pytest.approx(12e6 / (8e6 / 400 + 4e6 / 200), rel=1e-6)
    half = resolve_design(
        area(), DesignRequest(spacing_m=500.0, stratum_spacing_m={"south": 200.0}), strip_width_m=WIDTH_M
    )
    assert (half.spacing_in("north"), half.spacing_in("south"), half.spacing_m) == (500.0, 200.0, 500.0)


def test_a_complementary_zigzag_is_two_that_mirror_each_other() -> None:
    asked = DesignRequest(kind=COMPLEMENTARY, spacing_m=500.0, heading_deg=0.0, seed=3)
    one = DesignRequest(kind="zigzag", spacing_m=500.0, heading_deg=0.0, seed=3)
    (north, _), (single, _) = (design_survey(area(), a, strip_width_m=WIDTH_M) for a in (asked, one))
    lines = [np.asarray(t.segments) for t in north.transects]
    alone = [np.asarray(t.segments) for t in single.transects]
    assert len(lines) == pytest.approx(2 * len(alone), abs=2)
    assert np.allclose(np.concatenate(lines[: len(alone)]), np.concatenate(alone))
    slopes = [np.sign(np.diff(s[0][:, 0])[0] * np.diff(s[0][:, 1])[0]) for s in lines]
    assert slopes.count(1) == pytest.approx(slopes.count(-1), abs=2)
    assert (north.possible_transects, len({t.identifier for t in north.transects})) == (None, len(lines))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"spacing_m": 300.0, "total_lines": 9}, "say one of"),
        ({}, "say one of"),
        ({"stratum_spacing_m": {"north": 300.0}}, "say one of"),
        ({"spacing_m": 300.0, "allocation": "neyman"}, "needs a total"),
        ({"total_lines": 9, "allocation": "neyman"}, "says nothing of the strata north, south"),
        ({"total_lines": 9, "allocation": "luck"}, "not shared out by 'luck'"),
        ({"total_lines": 3}, "not two for each"),
        ({"total_lines": 300}, "cannot be shared out"),
        ({"total_length_m": 900.0}, "cannot be shared out"),
        ({"total_length_m": 900e3}, "cannot be shared out"),
        ({"total_length_m": 60e3, "kind": "full"}, "no effort to share out"),
        ({"kind": "full", "stratum_spacing_m": {"north": 50.0, "south": 70.0}}, "leave gaps"),
    ],
)
def test_effort_that_cannot_be_had_is_refused(asked: dict[str, object], words: str) -> None:
    with pytest.raises(DesignError, match=words):
        resolve_design(area(), DesignRequest(**asked), strip_width_m=WIDTH_M)  # type: ignore[arg-type]


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_an_earlier_survey_is_read_from_variances_standard_errors_or_the_spread_of_lines(tmp_path: Path) -> None:
    # N = 50 possible lines with S = 4, of which 10 were flown: 50²·4²·0.8/10 = 3200.
    by_variance = read_earlier(
        write(tmp_path, "v.csv", "stratum,variance,lines,sampled_share,estimate\nnorth,3200,10,0.2,500\n")
    )
    by_error = read_earlier(
        write(tmp_path, "e.csv", f"stratum,standard_error,lines,sampled_share\nnorth,{3200**0.5},10,0.2\n")
    )
    by_spread = read_earlier(write(tmp_path, "s.csv", "stratum,sd,possible_units\nnorth,4,50\n"))
    for found in (by_variance, by_error, by_spread):
        assert neyman_weights(found) == pytest.approx({"north": 200.0})
    assert by_variance["north"].estimate == 500.0


def test_an_earlier_survey_is_read_from_what_overfly_estimate_prints(tmp_path: Path) -> None:
    row = {"stratum": "north", "value": 537.3, "units": 3, "reason": None, "components": [
        {"name": "sampling", "variance": 300.0}, {"name": "availability", "variance": 77.0}]}  # fmt: skip
    found = read_earlier(write(tmp_path, "e.json", json.dumps({"strata": [row], "total": {}})))
    assert found == {"north": EarlierStratum(300.0, 3, 0.0, 537.3)}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", "no column 'stratum'"),
        ("a.csv", "stratum,variance,lines,colour\n", "no column 'stratum'"),
        ("a.csv", "stratum,variance,lines,colour\nn,1,2,red\n", "colour"),
        ("a.csv", "stratum,lines\nn,4\n", "one of the columns"),
        ("a.csv", "stratum,variance,sd,lines\nn,4,2,2\n", "one of the columns"),
        ("a.csv", "stratum,variance,lines\nn,four,2\n", "line 2"),
        ("a.csv", "stratum,variance,lines\nn,-4,2\n", "-4"),
        ("a.csv", "stratum,variance,lines\nn,4,1\n", "no number of lines"),
        ("a.csv", "stratum,variance,lines\nn,4,2\nn,4,2\n", "line 3"),
        ("a.csv", "stratum,variance,lines,sampled_share\nn,4,2,1\n", "not below 1"),
        ("a.csv", "stratum,sd\nn,4\n", "possible_units"),
        ("a.json", "[]", "overfly estimate"),
        ("a.json", "{", "overfly estimate"),
        ("a.json", '{"strata": []}', "names no stratum"),
        ("a.json", '{"strata": [{"stratum": "n", "components": []}]}', "no variance by sampling"),
    ],
)
def test_an_earlier_survey_that_says_nothing_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(UnreadableFileError, match=words):
        read_earlier(write(tmp_path, name, text))
