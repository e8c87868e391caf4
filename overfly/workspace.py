"""A workspace on disk: one protected area, its census, and a folder for each survey of it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flightplan.areas import StudyArea, read_area, write_area
from flightplan.errors import WorkspaceError

CONFIG_NAME = "overfly.toml"
SURVEY_NAME = "survey.toml"


@dataclass(frozen=True)
class SurveyFolder:
    """One season's folder: what was asked, what was planned, what came back."""

    name: str
    root: Path

    @property
    def plan(self) -> Path:
        """The plan folder."""
        return self.root / "plan"

    @property
    def flights(self) -> Path:
        """Telemetry and capture logs as received."""
        return self.root / "flights"

    @property
    def images(self) -> Path:
        """The images."""
        return self.root / "images"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report" / "report.html"


@dataclass(frozen=True)
class Workspace:
    """A folder with an `overfly.toml`.

    `census` is a path or a database URL; relative paths in the file are relative to the workspace. `thresholds` are the
    lowest scores of the detector's `model` to keep, by label, that of all others under an empty name; `gsd_cm` is the
    size of pixel on the ground that it knows.
    """

    root: Path
    name: str
    area_path: Path
    census: str
    model: str | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    gsd_cm: float | None = None

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Read a workspace's `overfly.toml`."""
        config = root / CONFIG_NAME
        try:
            values = tomllib.loads(config.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise WorkspaceError(
                "this folder is not a workspace", where=str(root), hint="Make one with: overfly init AREA DIR"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise WorkspaceError(f"the file is not valid TOML ({error})", where=str(config)) from error
        return cls(
            root=root,
            name=_text(values, "name", config),
            area_path=root / _text(values, "area", config),
            census=_census_address(root, _text(values, "census", config)),
            model=_model_address(root, values.get("detector", {}), config),
            thresholds=_thresholds(values.get("detector", {}), config),
            gsd_cm=_number(values.get("detector", {}), "gsd_cm", config),
        )

    @classmethod
    def create(cls, root: Path, area: StudyArea) -> Workspace:
        """Make a workspace for a study area. A folder that already is one is refused, never overwritten."""
        config = root / CONFIG_NAME
        if config.exists():
            raise WorkspaceError(
                "this folder already is a workspace",
                where=str(root),
                hint=f"Choose another folder, or edit its {CONFIG_NAME}",
            )
        root.mkdir(parents=True, exist_ok=True)
        write_area(area, root / "area.geojson")
        config.write_text(
            "# One protected area. Paths are relative to this folder.\n"
            f"name = {_toml_string(area.name)}\n"
            'area = "area.geojson"\n'
            'census = "census.gpkg"  # or a database URL\n\n'
            "[detector]\n"
            '# model = "my-species.onnx"  # without it the shipped one, which is for demonstration only\n'
            "# threshold = 0.3  # the lowest score kept; without it the model's own\n"
            "# thresholds = { elephant = 0.5 }  # the same for one label\n"
            "# gsd_cm = 3.0  # the size of pixel that the model was trained on\n",
            encoding="utf-8",
        )
        return cls.open(root)

    @classmethod
    def find(cls, start: Path, explicit: Path | None = None) -> Workspace | None:
        """Return the workspace named, else the one of this folder or the nearest above it, else None."""
        if explicit is not None:
            return cls.open(explicit)
        for folder in (start, *start.parents):
            if (folder / CONFIG_NAME).is_file():
                return cls.open(folder)
        return None

    def area(self) -> StudyArea:
        """Read the study area."""
        return read_area(self.area_path)

    def surveys(self) -> tuple[SurveyFolder, ...]:
        """Every survey folder, the latest (by when it was made) last."""
        found = []
        for marker in sorted(self.root.glob(f"*/{SURVEY_NAME}")):
            try:
                made = str(tomllib.loads(marker.read_text(encoding="utf-8")).get("made", ""))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise WorkspaceError(f"the file is not valid TOML ({error})", where=str(marker)) from error
            found.append((made, marker.parent.name, marker.parent))
        return tuple(SurveyFolder(name, folder) for _, name, folder in sorted(found))

    def survey(self, name: str | None = None) -> SurveyFolder:
        """Return the survey of that name, or the latest."""
        surveys = self.surveys()
        if name is None:
            if not surveys:
                raise WorkspaceError("there is no survey yet", where=str(self.root), hint="Start with: overfly plan")
            return surveys[-1]
        for survey in surveys:
            if survey.name == name:
                return survey
        known = ", ".join(s.name for s in surveys) or "none yet"
        raise WorkspaceError(f"there is no survey named {name!r}", where=str(self.root), hint=f"Known: {known}")

    def survey_folder(self, name: str) -> SurveyFolder:
        """Return where a survey of that name is, or would be."""
        if not re.fullmatch(r"[\w][\w.-]*", name):
            raise WorkspaceError(
                f"{name!r} is not a survey name", hint="Use letters, digits, dots, dashes and underscores"
            )
        return SurveyFolder(name, self.root / name)

    def start_survey(self, name: str, made_utc: str, asked: dict[str, Any] | None = None) -> SurveyFolder:
        """Make a survey's folder, or return it as it is when it is there already.

        `asked` (what the survey was asked to be: flat values) is written to its `survey.toml`.
        """
        folder = self.survey_folder(name)
        marker = folder.root / SURVEY_NAME
        if not marker.exists():
            folder.root.mkdir(parents=True, exist_ok=True)
            lines = [f"made = {_toml_string(made_utc)}"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in (asked or {}).items() if value is not None]
            marker.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder


def _text(values: dict[str, Any], key: str, config: Path) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value:
        raise WorkspaceError(f"the key {key!r} is missing or not text", where=str(config))
    return value


def _census_address(root: Path, value: str) -> str:
    return value if "://" in value else str(root / value)


def _model_address(root: Path, detector: Any, config: Path) -> str | None:
    if not isinstance(detector, dict):
        raise WorkspaceError("[detector] is not a table", where=str(config))
    model = detector.get("model")
    if model is None:
        return None
    if not isinstance(model, str):
        raise WorkspaceError("the detector's model is not text", where=str(config))
    return str(root / model)


def _thresholds(detector: dict[str, Any], config: Path) -> dict[str, float]:
    named = detector.get("thresholds", {})
    if not isinstance(named, dict):
        raise WorkspaceError("the detector's thresholds are not a table", where=str(config))
    overall = {"": detector["threshold"]} if "threshold" in detector else {}
    return {label: _number({label: score}, label, config) or 0.0 for label, score in {**overall, **named}.items()}


def _number(table: dict[str, Any], key: str, config: Path) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0.0:
        raise WorkspaceError(f"the detector's {key or 'threshold'} is not a number above 0", where=str(config))
    return float(value)


def _toml_string(text: str) -> str:
    # A JSON string without its surrogate escapes is a TOML basic string.
    return json.dumps(text, ensure_ascii=False)
