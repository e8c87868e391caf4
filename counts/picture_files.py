"""Where the pictures of a census are now: as it says, beside it, or in folders that somebody names.

A census keeps where each picture lay when it came in. On another laptop, or with the card mounted elsewhere, that is
no longer so. What is told apart by name is told by content where names do not suffice: a file is only ever taken for a
picture when it has the SHA-256 that the census knows. Nothing is written into the census.
"""

from __future__ import annotations

import functools
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from counts.address import address_of
from detect.sources import hash_file, is_remote, local_path, location, on_disk, shown
from flightplan.errors import CaptureError

_ABOVE = 2
"""Folders above the census's that are looked in as well: pictures often lie beside the folder that the census is in."""
_AGAIN_S = 10.0
_LARGE_BYTES = 64 << 20
_DRIVE = re.compile(r"[A-Za-z]:([\\/]|$)")
_Key = tuple[str, int, int]
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]+:/+")
_HINT = "Connect the card or the disk, or say where the pictures are now: --pictures FOLDER"


@dataclass(frozen=True)
class PicturesThere:
    """Of `total` pictures, how many lie where the census says, how many were found elsewhere, and how many are missing.

    Told by name: what is in a file is looked at when it is opened. `example` is one that is missing.
    """

    total: int
    moved: int
    missing: int
    example: str | None

    @property
    def hint(self) -> str | None:
        """What to do about those that are missing; None where there are none."""
        return _HINT if self.missing else None


class PictureFiles:
    """Finds the files of pictures; safe to call from many threads.

    `folders` and the folders in them are searched for a file of the same name, those first whose folders are called the
    same, too. `beside` is the census's own folder. `kept` is a file that keeps the
    hashes of large files, which take their time.
    """

    def __init__(self, folders: Sequence[Path] = (), *, beside: Path | None = None, kept: Path | None = None) -> None:
        self.folders = tuple(folders)
        self._bases = () if beside is None else _with_those_above(beside.resolve())
        self._lock = threading.Lock()
        self._named: dict[str, list[Path]] = {}
        self._walked: float | None = None
        self._moved: dict[str, Path] = {}
        self._kept = kept
        self._hashes: dict[_Key, str] = {} if kept is None else _read_hashes(kept)

    @classmethod
    def of_census(cls, census: str | Path, folders: Sequence[Path] = (), *, kept: Path | None = None) -> PictureFiles:
        """Those of a census by its address; a database on a server lies beside nothing."""
        file = address_of(census, create=True).file
        return cls(folders, beside=None if file is None else file.absolute().parent, kept=kept)

    def find(self, path: Path | str, content_hash: str) -> Path:
        """The file on this machine that holds a picture.

        Raises CaptureError where there is none, or what is there is another picture; it names no folder but the
        census's own.
        """
        others = False
        for candidate in self._candidates(path):
            try:
                if self.hash_of(candidate) == content_hash:
                    self._note(path, candidate)
                    return candidate
            except (CaptureError, OSError):
                # It went away, or may not be read: another copy may do.
                continue
            others = True
        if others:
            raise CaptureError("what is there is another file than the picture that the census saw", hint=_HINT)
        if is_remote(path):
            return self._fetched(Path(path), content_hash)
        raise CaptureError("it is not there", hint=_HINT)

    def likely(self, path: Path | str, content_hash: str) -> Path | None:
        """Where a picture seems to be, by its name; its content is looked at only where several files could be it."""
        found = list(self._candidates(path))
        if len(found) < 2 or found[0] == Path(path):
            return found[0] if found else None
        try:
            return self.find(path, content_hash)
        except CaptureError:
            return None

    def look(self, paths: Iterable[Path | str]) -> PicturesThere:
        """How many of these pictures are there, by their names; those on a server elsewhere are taken to be."""
        names_in = functools.cache(_names_in)
        total = moved = missing = 0
        example: str | None = None
        folders: dict[str, tuple[Path, ...]] = {}
        for path in paths:
            total += 1
            text = str(path)
            if is_remote(text):
                continue
            folder = _folder_of(text)
            name = os.path.normcase(text[len(folder) :])
            if folder not in folders:
                folders[folder] = (Path(folder), *self._directories(text))
            places = folders[folder]
            if name in names_in(places[0]):
                continue
            if any(name in names_in(place) for place in places[1:]) or self._of_name(name.casefold()):
                moved += 1
            else:
                missing += 1
                example = example or shown(text)
        return PicturesThere(total, moved, missing, example)

    def hash_of(self, file: Path) -> str:
        """The SHA-256 of a file, worked out once while it stays as it is. Raises CaptureError, OSError."""
        about = file.stat()
        key = (str(file), about.st_size, about.st_mtime_ns)
        with self._lock:
            known = self._hashes.get(key)
        if known is None:
            known = hash_file(file)
            with self._lock:
                self._hashes[key] = known
                if self._kept is not None and about.st_size > _LARGE_BYTES:
                    _write_hashes(self._kept, self._hashes)
        return known

    def _candidates(self, path: Path | str) -> Iterator[Path]:
        """Files that may be it by their names, the likeliest first."""
        given: set[Path] = set()
        for candidate in self._guesses(path):
            if candidate not in given and _is_plain_file(candidate):
                given.add(candidate)
                yield candidate

    def _guesses(self, path: Path | str) -> Iterator[Path]:
        stored = local_path(path)
        if stored is not None:
            yield stored
        parts = picture_parts(path)
        if not parts:
            return
        for folder in self._directories(path):
            yield folder / parts[-1]
        wanted = [part.casefold() for part in parts]
        yield from sorted(self._of_name(wanted[-1]), key=lambda p: (-_alike(p, wanted), str(p)))

    def _directories(self, path: Path | str) -> Iterator[Path]:
        """Folders in which a picture may be under its own name, but for the one that it was in."""
        with self._lock:
            learned = self._moved.get(_folder_of(path))
        if learned is not None:
            yield learned
        parts = picture_parts(path)[:-1]
        for height, base in enumerate(self._bases):
            # Above the census's folder a bare name could be anything's.
            for start in range(len(parts) + (0 if height else 1)):
                yield base.joinpath(*parts[start:])

    def _of_name(self, name: str) -> list[Path]:
        if not self.folders:
            return []
        with self._lock:
            # A card may be put in while we run.
            stale = self._walked is None or (name not in self._named and time.monotonic() - self._walked > _AGAIN_S)
            if stale:
                self._named, self._walked = _names_under(self.folders), time.monotonic()
            return self._named.get(name, [])

    def _note(self, path: Path | str, found: Path) -> None:
        """Where one picture of a folder went the others are looked for first."""
        if found != Path(path):
            with self._lock:
                self._moved[_folder_of(path)] = found.parent

    def _fetched(self, path: Path, content_hash: str) -> Path:
        copy = on_disk(path)
        if self.hash_of(copy) != content_hash:
            raise CaptureError("what is there is another file than the picture that the census saw", hint=_HINT)
        return copy


def picture_parts(path: Path | str) -> tuple[str, ...]:
    """The folders and the name of a stored path, whichever system or store it was written on; never `..`."""
    text = _SCHEME.sub("", location(path).split("::")[0]) if is_remote(path) else str(path)
    windows = _DRIVE.match(text) or text.startswith("\\\\") or ("\\" in text and "/" not in text)
    pure = PureWindowsPath(text) if windows else PurePosixPath(text)
    return tuple(part for part in pure.parts if part not in (pure.anchor, "", ".", "..") and "\x00" not in part)


def picture_name(path: Path | str) -> str:
    """The name of a picture's file, whichever system its path was written on."""
    parts = picture_parts(path)
    return parts[-1] if parts else Path(path).name


def _folder_of(path: Path | str) -> str:
    text = str(path)
    return text[: max(text.rfind("/"), text.rfind("\\")) + 1]


def _with_those_above(folder: Path) -> tuple[Path, ...]:
    return (folder, *folder.parents[:_ABOVE])


def _alike(found: Path, wanted: Sequence[str]) -> int:
    """How many parts two paths have in common, from the end."""
    count = 0
    for ours, theirs in zip(reversed(found.parts), reversed(wanted), strict=False):
        if ours.casefold() != theirs:
            break
        count += 1
    return count


def _names_under(folders: Iterable[Path]) -> dict[str, list[Path]]:
    named: dict[str, list[Path]] = {}
    for folder in folders:
        for here, below, names in os.walk(folder):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in names:
                if not name.startswith("."):
                    named.setdefault(name.casefold(), []).append(Path(here, name))
    return named


def _names_in(folder: Path) -> frozenset[str]:
    try:
        return frozenset(map(os.path.normcase, os.listdir(folder)))  # noqa: PTH208 (names are all that is wanted)
    except (OSError, ValueError):
        return frozenset()


def _read_hashes(kept: Path) -> dict[_Key, str]:
    try:
        rows = json.loads(kept.read_text("utf-8"))
        return {(str(path), int(size), int(changed)): str(known) for path, size, changed, known in rows}
    except (OSError, ValueError, TypeError):
        return {}


def _write_hashes(kept: Path, hashes: Mapping[_Key, str]) -> None:
    rows = [[*key, known] for key, known in hashes.items() if key[1] > _LARGE_BYTES]
    part = kept.with_suffix(".part")
    # It only saves time: a full disk is no reason not to show a picture.
    with suppress(OSError):
        part.write_text(json.dumps(rows), "utf-8")
        part.replace(kept)


def _is_plain_file(path: Path) -> bool:
    """Whether it is a file: a device or a pipe that a census names would never end."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
