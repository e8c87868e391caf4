"""A workspace: one protected area, its census, a folder for each survey."""

from pathlib import Path

import pytest
from shapely.geometry import box

from flightplan.areas import Stratum, StudyArea
from flightplan.errors import WorkspaceError
from overfly.workspace import Workspace

AREA = StudyArea(name='Plain of "Duga"', strata=(Stratum("plain", box(34.80, -2.34, 34.83, -2.32)),))


def test_a_workspace_reads_back_as_it_was_made(tmp_path: Path) -> None:
    made = Workspace.create(tmp_path / "duga", AREA)
    opened = Workspace.open(tmp_path / "duga")
    assert opened == made
    assert opened.name == 'Plain of "Duga"'
    assert opened.census == str(tmp_path / "duga" / "census.gpkg")
    assert opened.area().strata[0].polygon.equals(AREA.strata[0].polygon)


def test_an_existing_workspace_is_never_overwritten(tmp_path: Path) -> None:
    Workspace.create(tmp_path, AREA)
    before = (tmp_path / "overfly.toml").read_bytes()
    with pytest.raises(WorkspaceError, match="already is a workspace"):
        Workspace.create(tmp_path, AREA)
    assert (tmp_path / "overfly.toml").read_bytes() == before


def test_the_nearest_workspace_above_a_folder_is_found(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, AREA)
    deep = tmp_path / "2026-wet" / "images"
    deep.mkdir(parents=True)
    assert Workspace.find(deep) == workspace


def test_the_latest_survey_is_the_one_made_last_whatever_its_name(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, AREA)
    workspace.start_survey("zulu", "2026-01-05T00:00:00Z")
    workspace.start_survey("alpha", "2026-06-05T00:00:00Z")
    assert workspace.survey().name == "alpha"
    assert workspace.survey("zulu").root == tmp_path / "zulu"
    with pytest.raises(WorkspaceError, match="zulu, alpha"):
        workspace.survey("bravo")


def test_starting_a_survey_twice_keeps_what_was_asked_first(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path, AREA)
    workspace.start_survey("wet", "2026-01-05T00:00:00Z", {"seed": 7})
    workspace.start_survey("wet", "2026-02-05T00:00:00Z", {"seed": 8})
    assert "seed = 7" in (tmp_path / "wet" / "survey.toml").read_text()


@pytest.mark.parametrize("name", ["../outside", "", "a/b", ".hidden"])
def test_a_survey_name_that_leaves_the_workspace_is_refused(tmp_path: Path, name: str) -> None:
    workspace = Workspace.create(tmp_path, AREA)
    with pytest.raises(WorkspaceError, match="is not a survey name"):
        workspace.start_survey(name, "2026-01-05T00:00:00Z")


def test_a_folder_that_is_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="overfly init"):
        Workspace.open(tmp_path)
    (tmp_path / "overfly.toml").write_text("name = ")
    with pytest.raises(WorkspaceError, match="not valid TOML"):
        Workspace.open(tmp_path)
