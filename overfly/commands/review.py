"""`overfly review`."""

from __future__ import annotations

import getpass
import socket
import sys
import webbrowser
from dataclasses import asdict
from pathlib import Path
from threading import Thread, Timer
from typing import Any

import click

from counts.census import Census
from counts.picture_files import PictureFiles
from counts.store import find_survey, latest_survey
from counts.store.captures import picture_paths
from flightplan.console import OverflyCommand, json_option, print_document, say
from flightplan.errors import CensusError, OverflyError
from overfly.chain import count_survey
from overfly.chain.verifying import draw_for_people
from overfly.commands.places import (
    Places,
    census_argument,
    find_places,
    pictures_option,
    survey_option,
    workspace_option,
)

_MOMENT_S = 0.8


@click.command("review", cls=OverflyCommand)
@census_argument
@survey_option
@click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8077, show_default=True, metavar="N")
@click.option("--name", "names", multiple=True, metavar="HOST", help="A further name browsers call the server by.")
@click.option("--sensitive", multiple=True, metavar="LABEL", help="Withhold this species' places below manager.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where pictures are drawn to, instead of a folder beside the census.",
)
@click.option(
    "--basemap",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="A local PMTiles, MBTiles or GeoTIFF file under the map.",
)
@pictures_option
@click.option("--no-browser", is_flag=True, help="Open no browser.")
@workspace_option
@json_option
def review_command(
    census: str | None,
    survey: str | None,
    host: str,
    port: int,
    names: tuple[str, ...],
    sensitive: tuple[str, ...],
    cache: Path | None,
    basemap: Path | None,
    pictures: tuple[Path, ...],
    no_browser: bool,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Review detections in a browser: accept, reject, relabel, draw what was missed, take back.

    On this machine alone nobody logs in. With --host others in the camp's network can work too, each with a name and
    password that a manager gave them.

    \b
    Examples:
      overfly review
      overfly review --basemap park.pmtiles
      overfly review --pictures /media/card
      overfly review census.gpkg --survey 2026-wet --host 0.0.0.0 --name camp.local
    """  # noqa: D301 (click's own mark)
    try:
        from counts.review import ReviewSettings, create_app
        from counts.review.serving import serve
    except ImportError as error:
        raise CensusError(
            f"the review page needs {error.name}, which is not installed", hint="Install it: pip install 'overfly[web]'"
        ) from error
    places = find_places(census, workspace_folder, survey)
    settings = ReviewSettings(
        census=places.census,
        survey=places.survey,
        cache=cache or _beside(places.census),
        host=host,
        port=port,
        local_name=getpass.getuser(),
        names=frozenset({*names, *([] if host == "127.0.0.1" else [socket.gethostname()])}),
        sensitive=frozenset(sensitive),
        basemap=basemap,
        count=lambda: _count(places),
        pictures=pictures,
        draw=lambda who, positive, zero, seed: _draw(places, who, positive, zero, seed),
    )
    app = create_app(settings)
    address = f"http://{'localhost' if settings.on_loopback else host}:{port}/"
    if as_json:
        where = f"{address}api/v1/openapi.json"
        print_document({"address": address, "api": where, "census": places.shown, "survey": places.survey})
    else:
        click.echo(f"The review page is at {address} (stop with Ctrl-C)")
    sys.stdout.flush()
    Thread(target=tell_missing, args=(places.census, places.survey, pictures), daemon=True).start()
    if not no_browser and settings.on_loopback:
        Timer(_MOMENT_S, webbrowser.open, (address,)).start()
    serve(app, host, port)


def tell_missing(address: str, survey: str | None, folders: tuple[Path, ...]) -> None:
    """Say how many pictures are not there, and what to do; a hundred thousand on a card take their time."""
    try:
        with Census.open(address, create=False) as census, census.reading() as session:
            info = find_survey(session, survey) if survey else latest_survey(session)
            found = PictureFiles.of_census(address, folders).look(picture_paths(session, info.survey_id))
    except OverflyError as error:
        say(str(error))
        return
    if found.missing:
        say(f"{found.missing:,} of {found.total:,} pictures are not there, {found.example} for one. {found.hint}")
    elif found.moved:
        say(f"{found.moved:,} of {found.total:,} pictures were found elsewhere than where they came in from")


def _count(places: Places) -> dict[str, Any]:
    with Census.open(places.census, create=False) as census:
        return asdict(count_survey(census, survey=places.survey))


def _draw(places: Places, who: str, positive: int, zero: int, seed: int) -> int:
    with Census.open(places.census, create=False) as census:
        return draw_for_people(census, survey=places.survey, who=who, positive=positive, zero=zero, seed=seed)


def _beside(census: str) -> Path:
    if "://" in census:
        return Path.home() / ".cache" / "overfly" / "review"
    return Path(census).resolve().with_suffix(".review")
