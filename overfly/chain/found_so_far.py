"""What a detection run that was killed had found and not yet written into the census: it is not looked for twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from counts.store.looking import CaptureToLookAt
from detect.detections import Detections
from detect.detectors import Detector
from detect.journal import Journal
from detect.shards import Shard
from flightplan.errors import Skip, UnreadableFileError
from overfly.chain.looks_so_far import progress_file


class FoundSoFar:
    """Results by content hash, kept in a file picture by picture until `forget`.

    Nothing is kept while another run of the same shard keeps its own there.
    """

    def __init__(self, where: str, detector: Detector, parameters: Mapping[str, Any], shard: Shard | None) -> None:
        settings = {
            "detector": detector.content_hash,
            "names": list(detector.names),
            "threshold": detector.threshold,
            "parameters": dict(parameters),
            "shard": str(shard or Shard()),
        }
        # By its name it is of these settings, whatever became of the census beside it.
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        self._journal: Journal | None = None
        with suppress(UnreadableFileError):
            self._journal = Journal(progress_file(where, f"detect-{key}"), settings)

    def of(self, captures: Sequence[CaptureToLookAt]) -> list[tuple[CaptureToLookAt, Detections]]:
        """What is kept of these captures; a failure is none, for it may be tried again."""
        if self._journal is None:
            return []
        kept = self._journal.done - self._journal.failed
        found = [(c, self._journal.get(c.path, c.content_hash)) for c in captures if c.content_hash in kept]
        return [(capture, result) for capture, result in found if isinstance(result, Detections)]

    def add(self, capture: CaptureToLookAt, result: Detections | Skip | None) -> None:
        """Keep one result."""
        if self._journal is not None and isinstance(result, Detections):
            self._journal.add(capture.path, capture.content_hash, result)

    def close(self) -> None:
        """Keep the file for the next run."""
        if self._journal is not None:
            self._journal.close()

    def forget(self) -> None:
        """All is in the census: nothing needs to be kept."""
        if self._journal is not None:
            self._journal.path.unlink(missing_ok=True)
