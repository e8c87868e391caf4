"""`overfly report`."""

from __future__ import annotations

from pathlib import Path

import click

from counts.census import Census
from counts.report import LOCALES, ReportRequest, read_signs_asked, write_reports
from counts.store import latest_survey
from flightplan.console import OverflyCommand, finish, json_option
from flightplan.errors import WorkspaceError
from flightplan.plan_files import PLAN_FILE, load_plan
from overfly.commands.places import census_argument, find_places, survey_option, workspace_option


@click.command("report", cls=OverflyCommand)
@census_argument
@survey_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where it goes: a page as FILE.html, a PDF as FILE.pdf.",
)
@click.option("--pdf", "with_pdf", is_flag=True, help="A PDF beside the page, too (extra `report`).")
@click.option(
    "--language",
    type=click.Choice(list(LOCALES)),
    default="en",
    show_default=True,
    help="The language it is in.",
)
@click.option("--field", "one_page", is_flag=True, help="The summary for the wall instead: one side of A4.")
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where its figures (SVG) and data (CSV) go: a folder beside it, named after it, unless said.",
)
@click.option("--no-figures", is_flag=True, help="No figures and data beside it.")
@click.option(
    "--sensitive",
    multiple=True,
    metavar="LABEL",
    help="Tell the places of this species as cells of 0.1° (11 km) only, on maps and in data; may be said again.",
)
@click.option(
    "--signs",
    multiple=True,
    metavar="KIND=LABEL",
    help="This label is a carcass, people, vehicle or fire, or an animal after all, whatever its name says.",
)
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    metavar="PLAN",
    help="The survey's plan, whose warnings the report names: the one in the survey's folder unless said.",
)
@workspace_option
@json_option
def report_command(
    census: str | None,
    survey: str | None,
    out: Path | None,
    with_pdf: bool,
    language: str,
    one_page: bool,
    figures: Path | None,
    no_figures: bool,
    sensitive: tuple[str, ...],
    signs: tuple[str, ...],
    plan_path: Path | None,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Write a survey's report: a page that needs nothing else, a PDF, or one side of A4 for the wall.

    In a workspace it goes into the survey's folder unless --out says otherwise. Beside it goes a folder with its
    figures as SVG and its data as CSV. A label is a sign of people, vehicles or fires, or a carcass, by its name.

    \b
    Examples:
      overfly report
      overfly report --language fr --pdf
      overfly report --field --out wall.pdf --language sw
      overfly report census.gpkg --survey 2026-wet --out 2026-wet.html --signs carcass=bones
    """  # noqa: D301 (click's own mark)
    asked_signs = read_signs_asked(signs)
    places = find_places(census, workspace_folder, survey)
    if out is None and places.folder is not None:
        # The page for the wall does not take the place of the report.
        out = places.folder.report.with_name("field.html") if one_page else places.folder.report
    if out is None:
        raise WorkspaceError("there is no telling where the report should go", hint="Say so with --out FILE.html")
    paths = [out, out.with_suffix(".pdf")] if with_pdf and out.suffix.lower() != ".pdf" else [out]
    with Census.open(places.census, create=False) as opened:
        name = places.survey
        if name is None:
            with opened.reading() as session:
                name = latest_survey(session).name
        if plan_path is None and places.folder is not None and (places.folder.plan / PLAN_FILE).is_file():
            plan_path = places.folder.plan
        plan = None if plan_path is None else load_plan(plan_path)
        asked = ReportRequest(
            language=language, sensitive=sensitive, plan=plan, signs=asked_signs, one_page=one_page
        )  # fmt: skip
        beside = None if no_figures else figures or out.with_name(f"{out.stem}-files")
        written = write_reports(opened, name, paths, asked, beside=beside)
    reports, files = written[: len(paths)], written[len(paths) :]
    document = {
        "report": str(reports[0]),
        "reports": [str(path) for path in reports],
        "files": [str(path) for path in files],
        "survey": name,
        "language": language,
        "census": places.shown,
    }
    lines = [str(path) for path in reports]
    if files:
        lines.append(f"{files[0].parent}: {len(files)} figures and tables")
    finish(document, as_json=as_json, text="\n".join(lines))
