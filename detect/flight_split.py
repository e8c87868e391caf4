"""Which flights are trained on, which are kept out to judge by, and which to test on: whole flights, never frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import numpy as np

from detect.labels import ImageLabels, LabelSet
from flightplan.errors import DetectorError, Skip

_LAID_OUT = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_PURPOSE = {"val": "judge by", "test": "test on"}


@dataclass(frozen=True)
class FlightSplit:
    """The pictures of `train`, `val` and `test`, and the folders that they lie in: a folder is a flight.

    `skipped` are pictures that cannot be used, `notes` what to know of the rest.
    """

    pictures: Mapping[str, tuple[ImageLabels, ...]]
    flights: Mapping[str, tuple[str, ...]]
    skipped: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()


def split_by_flight(
    labels: LabelSet,
    held_out: Sequence[LabelSet] = (),
    tested: Sequence[LabelSet] = (),
    *,
    val_share: float = 0.2,
    seed: int = 0,
) -> FlightSplit:
    """Share pictures out by flight.

    `held_out` is `val` where there is some. Else folders called train, val and test share `labels` out, if all lie in
    such; else whole flights are drawn with `seed` until they hold `val_share` of the pictures and some marks. A flight
    that alone has some label is not drawn. A picture that lies on both sides under two names is left out of `train`.
    Raises DetectorError where no flight can be kept out, or no picture of a side was found.
    """
    skips: list[Skip] = []
    ours = _with_pictures(labels, skips)
    if not ours:
        raise DetectorError("None of the labelled pictures was found", hint="Name their folder with --images.")
    sides = {split: _side(split, given, skips) for split, given in (("val", held_out), ("test", tested))}
    _disjoint(ours, *sides.values())
    by_folder: dict[str, list[ImageLabels]] = {}
    for image in ours:
        by_folder.setdefault(_folder(image), []).append(image)
    notes: list[str] = []
    split_of = dict.fromkeys(by_folder, "train")
    if not held_out:
        laid_out = _laid_out(by_folder)
        if laid_out:
            split_of = laid_out
            notes.append(
                "the folders train and val share the pictures out; if frames of one flight are in both, the "
                "figures flatter"
            )
        else:
            split_of |= dict.fromkeys(_drawn(by_folder, val_share, seed), "val")
    for split, side in sides.items():
        side += [image for folder, images in by_folder.items() if split_of[folder] == split for image in images]
    train = [image for folder, images in by_folder.items() if split_of[folder] == "train" for image in images]
    train = _seen_once(train, [image for side in sides.values() for image in side], skips)
    pictures = {"train": tuple(train), **{split: tuple(side) for split, side in sides.items()}}
    flights = {split: tuple(sorted({_folder(image) for image in of})) for split, of in pictures.items()}
    return FlightSplit(pictures, flights, tuple(skips), tuple(notes))


def _with_pictures(labels: LabelSet, skips: list[Skip]) -> list[ImageLabels]:
    found = [image for image in labels.images.values() if image.path is not None]
    skips += [Skip(i.image, "its picture was not found") for i in labels.images.values() if i.path is None]
    return sorted(found, key=lambda image: str(image.path))


def _side(split: str, given: Sequence[LabelSet], skips: list[Skip]) -> list[ImageLabels]:
    found = [image for side in given for image in _with_pictures(side, skips)]
    if given and not found:
        raise DetectorError(f"None of the pictures to {_PURPOSE[split]} was found", hint="Name their --images.")
    return found


def _disjoint(*sides: Sequence[ImageLabels]) -> None:
    seen: set[Path | None] = set()
    for side in sides:
        paths = {image.path for image in side}
        if seen & paths:
            raise DetectorError("A picture is on both sides", where=str(min(map(str, seen & paths))))
        seen |= paths


def _folder(image: ImageLabels) -> str:
    assert image.path is not None
    return str(image.path.resolve().parent)


def _laid_out(folders: Mapping[str, Sequence[ImageLabels]]) -> dict[str, str]:
    """Which part each folder belongs to where a dataset is laid out so; nothing where it is not."""
    parts: dict[str, str] = {}
    for folder in folders:
        named = [_LAID_OUT[part] for part in reversed(Path(folder).parts) if part in _LAID_OUT]
        if not named:
            return {}
        parts[folder] = named[0]
    marked = {part for folder, part in parts.items() if any(len(image) for image in folders[folder])}
    return parts if {"train", "val"} <= marked else {}


def _drawn(folders: Mapping[str, Sequence[ImageLabels]], val_share: float, seed: int) -> list[str]:
    names = sorted(folders)
    if len(names) < 2:
        raise DetectorError(
            "All pictures are of one flight, and frames of one flight are too alike to judge by",
            where=names[0],
            hint="Name labels of another flight with --val, or put each flight's pictures into a folder of its own.",
        )
    has = {folder: {label for image in images for label in image.labels} for folder, images in folders.items()}
    everything = set().union(*has.values())
    wanted = val_share * sum(map(len, folders.values()))
    order = [names[i] for i in np.random.default_rng([seed, 0]).permutation(len(names))]
    held: list[str] = []
    for folder in sorted(order, key=lambda name: not has[name]):
        if held and sum(len(folders[name]) for name in held) >= wanted:
            break
        rest = [has[name] for name in names if name not in (*held, folder)]
        if set().union(*rest) == everything:
            held.append(folder)
    if not any(has[folder] for folder in held):
        raise DetectorError(
            "Each flight with marks has a label that no other has, so none can be kept out to judge by",
            hint="Name labels of another flight with --val.",
        )
    return held


def _seen_once(ours: list[ImageLabels], others: list[ImageLabels], skips: list[Skip]) -> list[ImageLabels]:
    """Pictures to train on without those whose content is kept out under another name."""
    sizes = {image.path.stat().st_size for image in others if image.path}
    suspects = [image for image in ours if image.path and image.path.stat().st_size in sizes]
    if not suspects:
        return ours
    kept_out = {_digest(image): image.image for image in others}
    twice = {image.image: kept_out[_digest(image)] for image in suspects if _digest(image) in kept_out}
    skips += [Skip(name, f"the same picture as {other}, which is kept out") for name, other in twice.items()]
    return [image for image in ours if image.image not in twice]


def _digest(image: ImageLabels) -> bytes:
    assert image.path is not None
    with image.path.open("rb") as stream:
        return file_digest(stream, "sha256").digest()
