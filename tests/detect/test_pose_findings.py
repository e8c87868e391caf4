"""A repair is applied when asked for or proved, to the captures it names, and leaves its trace."""

from pathlib import Path

import pytest

from detect.captures import Capture
from detect.findings import YAW_FLIPPED, PoseFinding, Repair, repaired


def capture(content_hash: str, **fields: object) -> Capture:
    return Capture(Path(f"{content_hash}.jpg"), content_hash, 64, 48, **fields)  # type: ignore[arg-type]


FLIGHT = (
    capture("a", yaw_deg=10.0, sources={"yaw_deg": "XMP drone-dji gimbal"}),
    capture("b", yaw_deg=-170.0, sources={"yaw_deg": "XMP drone-dji gimbal"}),
)
TURNED = PoseFinding(YAW_FLIPPED, ("b",), "turned against its line", {"yaw_deg": (10.0,)})


def test_a_repair_that_nobody_asked_for_is_left_alone() -> None:
    assert repaired(FLIGHT, [TURNED]) == (FLIGHT, ())


def test_a_repair_of_a_kind_asked_for_changes_the_captures_it_names_and_says_so() -> None:
    after, done = repaired(FLIGHT, [TURNED], kinds=[YAW_FLIPPED])
    assert [c.yaw_deg for c in after] == [10.0, 10.0]
    assert after[0] == FLIGHT[0]
    assert after[1].sources["yaw_deg"] == "repaired: XMP drone-dji gimbal; yaw-flipped"
    assert done == (Repair(YAW_FLIPPED, "b", "yaw_deg", -170.0, 10.0, "repaired: XMP drone-dji gimbal; yaw-flipped"),)


def test_a_proved_repair_is_applied_unasked() -> None:
    proved = PoseFinding(YAW_FLIPPED, ("b",), "pictures agree", {"yaw_deg": (10.0,)}, is_proved=True)
    assert repaired(FLIGHT, [proved])[0][1].yaw_deg == 10.0


def test_a_value_better_unknown_is_none_with_its_reason() -> None:
    wrong = PoseFinding("clock-reset", ("a",), "the clock was reset", {"yaw_deg": (None,)}, is_proved=True)
    after, _ = repaired(FLIGHT, [wrong])
    assert after[0].yaw_deg is None
    assert "yaw_deg" not in after[0].sources
    assert after[0].unknown["yaw_deg"] == "repaired: the clock was reset"


def test_the_first_of_two_repairs_of_a_field_keeps_it() -> None:
    other = PoseFinding("yaw-offset", ("a", "b"), "camera mounted askew", {"yaw_deg": (15.0, -165.0)})
    after, done = repaired(FLIGHT, [TURNED, other], kinds=[YAW_FLIPPED, "yaw-offset"])
    assert [c.yaw_deg for c in after] == [15.0, 10.0]
    assert len(done) == 2


@pytest.mark.parametrize("repair", [{"yaw_deg": (1.0, 2.0)}, {"colour": (1.0,)}, {"content_hash": ("c",)}])
def test_a_repair_that_does_not_fit_its_captures_is_a_mistake(repair: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(ValueError, match=r"captures|no field"):
        PoseFinding(YAW_FLIPPED, ("b",), "", repair)
