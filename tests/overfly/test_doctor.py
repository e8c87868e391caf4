"""The doctor: what works on this machine and what does not."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from overfly.cli import main
from overfly.doctor import Verdict, examine


def test_a_sound_install_passes_every_check_but_the_optional_ones() -> None:
    checks = {c.name: c for c in examine()}
    assert {c.name for c in checks.values() if c.verdict is Verdict.FAIL} == set()
    assert checks["one house"].verdict is Verdict.PASS
    assert "elephant" in checks["shipped detector"].seen
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 0


def test_a_room_shadowed_by_another_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "detect").mkdir()
    (tmp_path / "detect" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "detect", raising=False)
    house = next(c for c in examine() if c.name == "one house")
    assert house.verdict is Verdict.FAIL
    assert str(tmp_path) in house.seen


def test_a_broken_detector_is_reported_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    monkeypatch.setattr("detect.models.shipped_model", lambda: tmp_path / "broken.onnx")
    result = CliRunner().invoke(main, ["doctor", "--json"])
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["ok"] is False
    (failed,) = (c for c in document["checks"] if c["verdict"] == "fail")
    assert failed["name"] == "shipped detector"


def test_it_tells_of_languages_the_database_and_pages_without_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overfly.doctor._VENDOR", ("no-such-library.js",))
    checks = {c.name: c for c in examine()}
    assert checks["languages"].seen == "reports in en, fr, pt, sw, ru"
    assert "R-trees" in checks["database"].seen
    assert checks["review libraries"].verdict is Verdict.OPTIONAL
    assert "no-such-library.js" in checks["review libraries"].seen
    assert "processors" in checks["machine"].seen
