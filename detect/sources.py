"""Where pictures are: a folder, a card, or an object store that fsspec reads (extra `remote`).

A picture elsewhere is a Path like any other, written as its URL wherever it is stored or shown: `as_path` and
`location` turn one into the other. `pathlib` makes one slash of two, so nothing else may turn such a path into text.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flightplan.errors import CaptureError, Skip

MAX_FILE_BYTES = 2 << 30
"""The largest file that is read whole."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
RASTER_SUFFIXES = frozenset({".jp2", ".j2k", ".webp", ".bmp", ".img", ".ntf", ".vrt"})
"""Other rasters, which are looked at where they are named one by one."""

CACHE_VARIABLE, CACHE_LIMIT_VARIABLE = "OVERFLY_CACHE", "OVERFLY_CACHE_GB"
_CACHE_GB = 10.0
_CHUNK_BYTES = 1 << 20
# Two letters or more: C:/ is a drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/")
_LINK = re.compile(r"(^|::)([A-Za-z][A-Za-z0-9+.\-]+):/+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def is_remote(path: Path | str) -> bool:
    """Whether a picture is reached through fsspec: its name is a URL (`s3://`, `zip://`, `memory://`, ...)."""
    return _URL.match(str(path)) is not None


def as_path(url: str) -> Path:
    """A URL as the path it goes by; `location` gives it back. Raises CaptureError for one that a path cannot hold."""
    path = Path(url)
    if location(path) != url:
        raise CaptureError(
            "Its name holds // or /./, which a path cannot",
            where=shown(url),
            hint="Give it a name without empty parts, or download it first.",
        )
    return path


def location(path: Path | str) -> str:
    """The name that is stored and shown: the URL of a picture elsewhere, else the path with forward slashes."""
    if isinstance(path, str) or not is_remote(path):
        return path if isinstance(path, str) else path.as_posix()
    text = path.as_posix()
    return _LINK.sub(lambda m: f"{m[1]}{m[2]}://{'/' if m[2].lower() in ('file', 'local') else ''}", text)


def shown(path: Path | str) -> str:
    """A name fit for one line of print: control characters and bytes that are no UTF-8 are written out."""
    text = location(path)
    if _CONTROL.search(text) is None:
        return text
    return _CONTROL.sub(lambda m: m[0].encode("unicode_escape").decode("ascii"), text)


def local_path(source: Path | str) -> Path | None:
    """The path of a source on this machine, `file://` URLs included; None for one elsewhere."""
    if not is_remote(source):
        return Path(source)
    url = location(source)
    if "::" not in url and url.lower().startswith(("file://", "local://")):
        return Path("/" + url.split("://", 1)[1].lstrip("/"))
    return None


def real_path(path: Path) -> Path:
    """The absolute path behind links, whether it exists or not; that of a picture elsewhere is as it is."""
    # Path.resolve raises on a link to itself.
    return path if is_remote(path) else Path(os.path.realpath(path))


def list_remote(source: Path | str) -> tuple[list[Path], list[Skip]]:
    """The pictures under a URL, or the one it names, in the order of their names.

    `zip://photos.zip` is all that is in a local archive. Hidden files and other kinds are passed over. Raises
    CaptureError, naming the URL, where it cannot be listed.
    """
    url = _whole_url(location(source))
    head, chain, tail = url.partition("::")
    with _explained(url):
        fs, root = _filesystem(url)
        entries: dict[str, Any] = fs.find(root, detail=True)
    found: list[Path] = []
    skips: list[Skip] = []
    for name in sorted(entries):
        inner = name[len(root) :].lstrip("/") if name.startswith(root) else name.lstrip("/")
        if not _is_picture(inner or name):
            continue
        joined = f"{head}{'' if head.endswith('/') else '/'}{inner}" if inner else head
        try:
            found.append(as_path(f"{joined}{chain}{tail}"))
        except CaptureError as error:
            skips.append(Skip(error.where or shown(joined), error.what))
    if not entries:
        raise CaptureError("There is no such file or folder", where=url)
    return found, skips


def read(path: Path) -> bytes:
    """The content of a picture, wherever it is. Raises CaptureError where it cannot be read or is over 2 GB."""
    if not is_remote(path):
        try:
            about = path.stat()
            if not stat.S_ISREG(about.st_mode):
                raise CaptureError("This is no file but a pipe, a socket or a device", where=shown(path))
            if about.st_size > MAX_FILE_BYTES:
                raise _too_large(shown(path))
            return path.read_bytes()
        except (OSError, ValueError) as error:
            if isinstance(error, CaptureError):
                raise
            reason = error.strerror if isinstance(error, OSError) else error
            raise CaptureError(f"The file cannot be read ({reason or error})", where=shown(path)) from error
    if path.suffix.lower() in TIFF_SUFFIXES:
        # The next one to ask is the detector, and GDAL reads it from disk.
        return read(on_disk(path))
    url = location(path)
    with _explained(url):
        fs, name = _filesystem(url)
        with fs.open(name, "rb") as stream:
            data: bytes = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(url)
    return data


def on_disk(path: Path) -> Path:
    """A file on this machine with the content of a picture: itself, or a copy in the cache.

    The cache is a folder (`OVERFLY_CACHE`, else one of the user's) of at most `OVERFLY_CACHE_GB` (10) gigabytes; what
    was used longest ago goes first. Raises CaptureError, naming the URL, where it cannot be fetched.
    """
    if not is_remote(path):
        return path
    url = location(path)
    with _explained(url):
        fs, name = _filesystem(url)
        about = fs.info(name)
        limit = cache_limit_bytes()
        if (about.get("size") or 0) > limit:
            raise CaptureError(
                f"The file is larger than the cache's {limit / 1e9:g} GB",
                where=url,
                hint=f"Set {CACHE_LIMIT_VARIABLE}.",
            )
        version = [str(about.get(key)) for key in ("size", "ETag", "etag", "mtime", "LastModified", "CRC", "created")]
        key = hashlib.sha256("\n".join([url, *version]).encode()).hexdigest()
        kept = cache_folder() / f"{key}{path.suffix.lower()}"
        if kept.exists():
            os.utime(kept)
            return kept
        kept.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=kept.parent, suffix=".part")
        os.close(handle)
        try:
            fs.get_file(name, part)
            Path(part).replace(kept)
        finally:
            Path(part).unlink(missing_ok=True)
    _make_room(kept, limit)
    return kept


def cache_folder() -> Path:
    """The folder of copies of pictures that are elsewhere."""
    said = os.environ.get(CACHE_VARIABLE)
    if said:
        return Path(said)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "overfly" / "pictures"


def cache_limit_bytes() -> int:
    """How large the cache may grow. Raises CaptureError where OVERFLY_CACHE_GB is no number."""
    said = os.environ.get(CACHE_LIMIT_VARIABLE)
    try:
        return int(float(said) * 1e9) if said else int(_CACHE_GB * 1e9)
    except ValueError as error:
        raise CaptureError(f"{CACHE_LIMIT_VARIABLE} is {said!r}, not a number of gigabytes") from error


def hash_file(path: Path) -> str:
    """The SHA-256 of a file on this machine, in little memory. Raises CaptureError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise CaptureError(f"The file cannot be read ({error.strerror})", where=shown(path)) from error
    return digest.hexdigest()


def _is_picture(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and os.path.splitext(parts[-1])[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def _whole_url(url: str) -> str:
    """A URL that means the same from whatever folder it is read again."""
    head, chain, tail = url.partition("::")
    if head.lower().startswith("zip://") and not chain:
        head, chain, tail = "zip://", "::", head[len("zip://") :]
    if not chain or is_remote(tail):
        return f"{head}{chain}{tail}"
    # An empty scheme is no scheme: a bare path in a chain is a file here.
    return f"{head}::file://{Path(tail).resolve().as_posix()}"


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise CaptureError(
            f"{url.split('://', 1)[0]}:// is read through fsspec, which is not installed",
            where=url,
            hint="Install it with: pip install 'overfly[remote]'",
        ) from error
    fs, name = url_to_fs(url)
    return fs, str(name)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Every store has errors of its own: whatever one says, it is about this URL."""
    try:
        yield
    except CaptureError:
        raise
    except FileNotFoundError as error:
        raise CaptureError("There is no such file or folder", where=url) from error
    except ImportError as error:
        raise CaptureError(f"This kind of URL needs another package ({error})", where=url) from error
    except MemoryError:
        raise
    except Exception as error:
        said = str(error).strip() or type(error).__name__
        raise CaptureError(f"The store cannot be read ({said})", where=url) from error


def _make_room(newest: Path, limit: int) -> None:
    kept = []
    for file in newest.parent.iterdir():
        try:
            about = file.stat()
        except FileNotFoundError:
            continue  # another process made room
        if file.suffix != ".part":
            kept.append((file == newest, about.st_mtime_ns, file, about.st_size))
    total = sum(size for *_, size in kept)
    for is_newest, _, file, size in sorted(kept):
        if total <= limit or is_newest:
            break
        file.unlink(missing_ok=True)
        total -= size


def _too_large(where: str) -> CaptureError:
    return CaptureError(
        f"The file is over {MAX_FILE_BYTES >> 30} GB", where=where, hint="Convert it to a tiled GeoTIFF, and name that."
    )
