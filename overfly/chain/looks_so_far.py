"""What an ingest that was killed had seen of the pictures: decoding them is most of its work, and is not done twice."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from detect.picture_checks import PictureLook
from detect.sources import cache_folder


def progress_file(where: str, verb: str) -> Path:
    """Where a verb keeps what is not in the census `where` yet: beside it, or for a database in the user's cache."""
    here = Path(where)
    if here.is_file():
        return here.with_name(f"{here.name}.{verb}-progress")
    folder = cache_folder().parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{hashlib.sha256(where.encode()).hexdigest()}.{verb}-progress"


class LooksSoFar:
    """Looks by content hash, kept in a file from one run to the next until `forget`.

    Lines that cannot be read
    (the last one of a killed run) are pictures to look at again. Any number of threads may use it.
    """

    def __init__(self, where: str) -> None:
        self.path = progress_file(where, "ingest")
        self._looks: dict[str, PictureLook | None] = {}
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            for line in file:
                with suppress(ValueError, TypeError, KeyError):
                    content = json.loads(line)
                    look = content["look"]
                    self._looks[content["sha256"]] = None if look is None else PictureLook(**look)
        self._writing = threading.Lock()

    def look(self, content_hash: str, look: Callable[[], PictureLook | None]) -> PictureLook | None:
        """The look kept of a picture, else the one that `look` gives, which is kept from then on."""
        if content_hash in self._looks:
            return self._looks[content_hash]
        found = look()
        line = json.dumps({"sha256": content_hash, "look": None if found is None else asdict(found)})
        with self._writing:
            self._looks[content_hash] = found
            # It begins its line: what a run was writing when it was killed has no end.
            with self.path.open("ab") as file:
                file.write(b"\n" + line.encode())
        return found

    def forget(self) -> None:
        """The run is complete: nothing needs to be kept."""
        self.path.unlink(missing_ok=True)
