"""Whether the pictures of the survey are there, asked now and then: a card is put in, and taken out again."""

from __future__ import annotations

import threading
import time

from sqlalchemy.orm import Session

from counts.picture_files import PictureFiles, PicturesThere
from counts.store.captures import picture_paths

_AGAIN_S, _AGAIN_MISSING_S = 60.0, 10.0


class Presence:
    """Keeps the last answer for a minute, and for ten seconds where pictures were missing."""

    def __init__(self, files: PictureFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._last: tuple[int, float, PicturesThere] | None = None

    def look(self, session: Session, survey_id: int) -> PicturesThere:
        """How many pictures of a survey are there; see `PictureFiles.look`."""
        with self._lock:
            if self._last is not None:
                known, at, found = self._last
                keep = _AGAIN_MISSING_S if found.missing else _AGAIN_S
                if known == survey_id and time.monotonic() - at < keep:
                    return found
            found = self._files.look(picture_paths(session, survey_id))
            self._last = (survey_id, time.monotonic(), found)
            return found
