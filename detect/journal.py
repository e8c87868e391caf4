"""What a run into a file has done so far, picture by picture, so that one that is killed goes on where it stopped.

JSON lines beside the file asked for: a header that says which model at which settings, then a line for each picture as
it is done, at the end the list of all pictures in their order. A shard's journal is its result; `detect.into_file`
joins those of all shards. Numbers are written so that they are read back to the last bit.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from detect.detections import Detections
from detect.shards import Shard
from flightplan.closing import Closing
from flightplan.errors import Skip, UnreadableFileError

_FORMAT = "overfly detections in progress, version 1"
_MAX_LINE_BYTES = 1 << 28

Order = Sequence[tuple[str, str | None]]
"""Pictures in their order: name, and content hash or None for one that could not be read."""


class Journal(Closing):
    """A journal open for going on; use it as a context manager.

    `order` is the list of all pictures once the run is complete, else None. `reading` leaves the file as it is: another
    run may be writing it. Raises UnreadableFileError for a file that is no journal, one that another run is writing, or
    one of another model or settings: results of two models must not end in one file.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, reading: bool = False) -> None:
        self.path = path
        self._reading = reading
        self.order: Order | None = None
        self._settings = dict(settings)
        self._at: dict[str, int] = {}
        self._failed: set[str] = set()
        try:
            self._file: BinaryIO = path.open("rb" if reading else "r+b" if path.exists() else "x+b")
        except OSError as error:
            raise UnreadableFileError(
                f"The run's journal cannot be used ({error.strerror})", where=str(path)
            ) from error
        try:
            if not reading:
                _claim(self._file, path)
            self._read()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def beside(out: Path, shard: Shard) -> Path:
        """Where the journal of a run into `out` lies."""
        return out.with_name(
            f"{out.name}.{'progress' if shard.count == 1 else f'shard-{shard.index}-of-{shard.count}'}"
        )

    @property
    def done(self) -> frozenset[str]:
        """The content hashes of the pictures that were looked at, those that failed included."""
        return frozenset(key for key in self._at if not key.startswith("/"))

    @property
    def failed(self) -> frozenset[str]:
        """The content hashes of those that could not be used."""
        return frozenset(key for key in self._failed if not key.startswith("/"))

    def add(self, name: str, content_hash: str | None, result: Detections | Skip) -> None:
        """Write down one picture's result."""
        line: dict[str, Any] = {"image": name, "sha256": content_hash}
        if isinstance(result, Skip):
            line["skip"] = result.reason
        else:
            for field in dataclasses.fields(result):
                value = getattr(result, field.name)
                if isinstance(value, np.ndarray):
                    line[field.name] = {"shape": value.shape, "values": value.ravel().tolist()}
            line |= {"image_size_px": result.image_size_px, "scaled": result.scaled}
        self._note(line, self._file.tell())
        self._write(line)

    def get(self, name: str, content_hash: str | None) -> Detections | Skip | None:
        """The result of a picture by its content, or by its name where that could not be read; None: not done."""
        at = self._at.get(_key(name, content_hash))
        if at is None:
            return None
        self._file.seek(at)
        line = json.loads(self._file.readline())
        self._file.seek(0, 2)
        if "skip" in line:
            return Skip(name, line["skip"])
        arrays: dict[str, Any] = {
            key: np.array(value["values"], dtype=np.int64 if key == "class_ids" else np.float64).reshape(value["shape"])
            for key, value in line.items()
            if isinstance(value, dict)
        }
        size = line["image_size_px"]
        return Detections(
            **arrays,
            names=tuple(self._settings["names"]),
            detector=self._settings["detector"],
            image_size_px=None if size is None else (size[0], size[1]),
            scaled=line["scaled"],
        )

    def finish(self, order: Order) -> None:
        """Write down that all is done, and the list of all pictures, those of other shards included."""
        if self.order != list(order):
            self.order = list(order)
            self._write({"complete": self.order})

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n")
        # A killed process loses nothing that the system has.
        self._file.flush()

    def _read(self) -> None:
        """Find where each picture's line is; a last line that was cut short is dropped."""
        end = 0
        for number, (at, line) in enumerate(self._lines(), start=1):
            try:
                content = json.loads(line)
                if number == 1:
                    self._check_header(content)
                elif "complete" in content:
                    self.order = [(name, key) for name, key in content["complete"]]
                else:
                    self.order = None
                    self._note(content, at)
            except UnreadableFileError:
                raise
            except (ValueError, KeyError, TypeError) as error:
                raise UnreadableFileError(
                    f"This is no journal of a run of overfly detect: line {number} ({error})",
                    where=str(self.path),
                    hint="Move it away to begin anew.",
                ) from error
            end = at + len(line)
        if self._reading:
            return
        self._file.seek(end)
        self._file.truncate()
        if end == 0:
            self._write({"format": _FORMAT, **self._settings})

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        at = 0
        while (line := self._file.readline(_MAX_LINE_BYTES)).endswith(b"\n"):
            yield at, line
            at += len(line)

    def _check_header(self, header: Mapping[str, Any]) -> None:
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise ValueError("its first line is another")
        other = {key for key in self._settings if header.get(key) != json.loads(json.dumps(self._settings[key]))}
        if other:
            raise UnreadableFileError(
                f"It is of a run with another {' and '.join(sorted(other)).replace('_', ' ')}",
                where=str(self.path),
                hint="Name another --out, or move this file away to begin anew.",
            )

    def _note(self, line: Mapping[str, Any], at: int) -> None:
        key = _key(line["image"], line["sha256"])
        self._at[key] = at
        if "skip" in line:
            self._failed.add(key)
        else:
            self._failed.discard(key)


def _key(name: str, content_hash: str | None) -> str:
    return f"/{name}" if content_hash is None else content_hash


def _claim(file: BinaryIO, path: Path) -> None:
    """Keep other runs from writing the same file, until this process closes it or dies."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UnreadableFileError(
            "Another run is writing it", where=str(path), hint="Wait for that one to end, or name another --out."
        ) from error
    except OSError:
        return  # a file system without locks
