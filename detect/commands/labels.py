"""What the verbs that read labels share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

images_option = click.option(
    "--images",
    "images",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Where the pictures are, if not beside the labels; may be given again.",
)
names_option = click.option(
    "--name",
    "names",
    multiple=True,
    metavar="ID=LABEL",
    help="What a class id is called, as 1=topi; may be given again.",
)


def names_of(names: Iterable[str]) -> dict[str, str]:
    """Labels by id from `--name`. Raises click.BadParameter for one that is not ID=LABEL."""
    pairs = [name.split("=", 1) for name in names]
    wrong = next((pair for pair in pairs if len(pair) != 2 or not all(pair)), None)
    if wrong is not None:
        raise click.BadParameter(f"{'='.join(wrong)!r} is not ID=LABEL", param_hint="--name")
    return {number.strip(): label.strip() for number, label in pairs}
