"""Finding the picture that a label file names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from detect.images import Mosaic
from detect.metadata import noted_warnings, open_header, orientation_of
from flightplan.errors import CaptureError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")


class Pictures:
    """The pictures in some folders, found by as much of a path as a label file gives.

    Folders are compared from the end, so that the same file name in many of them is told apart as far as the label file
    tells it apart; a picture with another suffix stands in where the one named is not there.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._by_stem: dict[str, list[Path]] = {}
        seen: set[Path] = set()
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in SUFFIXES and not path.name.startswith("._") and path not in seen:
                    seen.add(path)
                    self._by_stem.setdefault(path.stem, []).append(path)

    def find(self, name: str) -> Path | None:
        """The picture that a name means; None where there is none, or several fit alike."""
        wanted = PurePosixPath(name.replace("\\", "/"))
        candidates = self._by_stem.get(wanted.stem, [])
        if not candidates:
            # A label file may name a picture without its suffix, dots and all.
            candidates = self._by_stem.get(wanted.name, [])
        if not candidates:
            return None
        ranked = sorted(((_agreement(path, wanted), path) for path in candidates), reverse=True)
        return None if len(ranked) > 1 and ranked[0][0] == ranked[1][0] else ranked[0][1]


def _agreement(path: Path, wanted: PurePosixPath) -> tuple[int, bool]:
    alike = 0
    for ours, theirs in zip(reversed(path.parent.parts), reversed(wanted.parent.parts), strict=False):
        if ours != theirs and {ours, theirs} != {"images", "labels"}:
            break
        alike += 1
    return alike, path.suffix == wanted.suffix


def size_of(path: Path) -> tuple[int, int]:
    """Width and height in pixels of a picture as it is seen. Raises ValueError where it cannot be opened."""
    try:
        with path.open("rb") as stream, noted_warnings([]):
            image = open_header(stream, path)
            if image.format != "TIFF":
                width, height = image.size
                return (height, width) if orientation_of(image) >= 5 else (width, height)
        with Mosaic(path) as mosaic:
            return mosaic.width_px, mosaic.height_px
    except CaptureError as error:
        raise ValueError(f"its picture cannot be opened ({error.what})") from error
    except OSError as error:
        raise ValueError(f"its picture cannot be read ({error.strerror})") from error
