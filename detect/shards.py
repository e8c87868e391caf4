"""Parts of the work: which pictures are whose when several machines share them.

A picture belongs to a shard by its content, so that it does not matter where its copy lies, what it is called, or in
what order pictures are listed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_WRITTEN = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`. The shards of one count share all pictures out, each to one of them."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise ValueError(f"a shard is 1/{self.count} to {self.count}/{self.count}, not {self}")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "2/5". Raises ValueError for anything else."""
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"a shard is written like 2/5 (the second of five), not {text!r}")
        return cls(int(found[1]), int(found[2]))

    def owns(self, content_hash: str) -> bool:
        """Whether a picture is this shard's, by the SHA-256 of its content."""
        return int(content_hash[:16], 16) % self.count == self.index - 1

    def owns_name(self, name: str) -> bool:
        """Whether a picture that cannot be read is this shard's, by its name: one shard must speak of it."""
        return self.owns(hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest())

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


@dataclass(frozen=True)
class Wanted:
    """Whether a picture is to be looked at: it is this shard's, and its content was not looked at before."""

    shard: Shard = Shard()
    done: frozenset[str] = frozenset()

    def __call__(self, content_hash: str) -> bool:
        """Decide by the content hash."""
        return content_hash not in self.done and self.shard.owns(content_hash)
