"""What autopilots say in passing, in plain words."""

from types import SimpleNamespace

import pytest

from flightplan.vehicle.words import Texts, explain


@pytest.mark.parametrize(
    ("text", "severity", "kind", "words"),
    [
        # ArduCopter, as recorded.
        ("Battery 1 is low 10.20V used 414 mAh", 4, "failsafe", "the battery is low: 10.20 V"),
        ("GCS Failsafe", 4, "failsafe", "has not heard the ground station"),
        ("GCS Failsafe Cleared", 4, "failsafe", "does not resume by itself"),
        ("Polygon fence breached", 5, "failsafe", "crossed its fence"),
        ("EKF Failsafe: changed to LAND Mode", 2, "failsafe", "the vehicle went to LAND"),
        ("Arm: Need Position Estimate", 2, "refusal", "the vehicle will not arm: Need Position Estimate"),
        # ArduPlane and PX4, as their sources have them.
        ("GCS Failsafe On: RTL", 4, "failsafe", "has not heard the ground station"),
        ("Critical battery level", 2, "failsafe", "the battery is low (Critical)"),
        ("Failsafe activated: battery", 4, "failsafe", "acts on a failsafe battery"),
        ("Connection to ground station lost", 4, "failsafe", "has not heard the ground station"),
        ("Geofence violation", 4, "failsafe", "crossed its fence"),
        ("Preflight Fail: Global position required", 4, "waiting", "would not arm yet: Global position required"),
        ("Arming denied: Resolve system health failures", 2, "refusal", "will not arm"),
        # Nobody knows it, but it is severe.
        ("Flux capacitor empty", 3, "warning", "Flux capacitor empty"),
    ],
)
def test_a_text_is_said_in_plain_words(text: str, severity: int, kind: str, words: str) -> None:
    found = explain(text, severity)
    assert found is not None
    assert found[0] == kind
    assert words in found[1]


def test_small_talk_is_left_out() -> None:
    assert explain("EKF3 IMU0 is using GPS", 6) is None


def part(text: str, number: int = 0, place: int = 0):
    return SimpleNamespace(text=text, id=number, chunk_seq=place)


def test_a_long_text_is_put_together_and_what_was_lost_is_seen() -> None:
    long = "PreArm: " + "x" * 92 + "end"
    texts = Texts()
    assert texts.hear(part("short")) == "short"
    assert texts.hear(part(long[:50], 7, 0)) is None
    assert texts.hear(part(long[50:100], 7, 1)) is None
    assert texts.hear(part(long[100:], 7, 2)) == long
    assert texts.hear(part(long[:50], 8, 0)) is None
    assert texts.hear(part(long[100:], 8, 2)) == long[:50] + "…end"
