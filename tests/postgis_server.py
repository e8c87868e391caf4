"""A PostgreSQL server with PostGIS for one test session: in a folder of its own, over a socket, thrown away after."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = "postgresql postgresql-postgis"
_SETTINGS = {
    "listen_addresses": "''",
    # Nothing here has to outlive a power cut.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "autovacuum": "off",
}


def missing() -> str | None:
    """Return what keeps a server from being started here, None when nothing does."""
    if _programs() is None:
        return f"no PostgreSQL server: apt-get install {PACKAGES}"
    if not any(Path("/usr/share/postgresql").glob("*/extension/postgis.control")):
        return f"PostgreSQL has no PostGIS: apt-get install {PACKAGES}"
    return None


@contextmanager
def server() -> Iterator[str]:
    """Run a server and give the URL of its database "postgres", without a password."""
    programs = _programs()
    assert programs is not None
    # Not pytest's own folder: that one is closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="overfly-pg-", dir=_memory()))
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    data, log = folder / "data", folder / "log"

    def run(*command: object) -> None:
        subprocess.run(
            [str(part) for part in command], check=True, stdout=subprocess.DEVNULL, cwd=folder, user=user,
            group=pwd.getpwnam(user).pw_gid if user else None, extra_groups=[] if user else None,
        )  # fmt: skip

    settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    try:
        run(
            programs / "initdb", "--pgdata", data, "--username", "overfly", "--auth", "trust", "--no-sync",
            "--encoding", "UTF8", "--locale", "C.UTF-8",
        )  # fmt: skip
        run(programs / "pg_ctl", "start", "-w", "-D", data, "-l", log, "-o", f"-k {folder} {settings}")
        try:
            yield f"postgresql://overfly@/postgres?host={folder}"
        finally:
            run(programs / "pg_ctl", "stop", "-D", data, "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> str | None:
    """Return the folder that is kept in memory, where there is one with room: a database is hundreds of files."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > 1 << 30 else None


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("initdb")
    return Path(named).resolve().parent if named else None
