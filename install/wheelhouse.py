"""A folder with all that an installation needs, for machines that have no internet: `make wheelhouse`.

Wheels of overfly and of all that it depends on, for this platform and for Windows, with a script for each and a list of
checksums. It is made on a machine with internet, carried to the others, and is complete or there is none.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[1]
WINDOWS = {
    "os_name": "nt",
    "sys_platform": "win32",
    "platform_system": "Windows",
    "platform_machine": "AMD64",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
# What Python has to ask Windows for and Windows does not have: the names of time zones.
ALSO_ON_WINDOWS = ("tzdata",)
SHELL = """\
#!/bin/sh
# Install overfly from this folder into FOLDER (overfly beside it, if none is named), without a network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
into=${{1:-$here/../overfly}}
python3 -m venv "$into"
"$into/bin/python" -m pip install --no-index --find-links "$here" '{asked}'
echo "Installed. Run: $into/bin/overfly doctor"
"""
POWERSHELL = """\
# Install overfly from this folder into FOLDER (overfly beside it, if none is named), without a network.
param([string]$Into = (Join-Path $PSScriptRoot "..\\overfly"))
$ErrorActionPreference = "Stop"
py -{python} -m venv $Into
& (Join-Path $Into "Scripts\\python.exe") -m pip install --no-index --find-links $PSScriptRoot "{asked}"
if ($LASTEXITCODE -ne 0) {{ exit $LASTEXITCODE }}
Write-Output "Installed. Run: $Into\\Scripts\\overfly.exe doctor"
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--extras", default="web,report", help="extras of overfly, with commas")
    parser.add_argument("--windows", nargs="*", default=[], metavar="3.12", help="Pythons of the Windows machines")
    asked = parser.parse_args(arguments)
    folder: Path = asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    extras = frozenset(filter(None, asked.extras.split(",")))
    wanted = f"overfly[{','.join(sorted(extras))}]" if extras else "overfly"
    _pip("wheel", "--wheel-dir", folder, "-c", ROOT / "constraints.txt", f"{ROOT}[{','.join(sorted(extras))}]")
    own = newest(folder, "overfly")
    (folder / "install.sh").write_text(SHELL.format(asked=wanted), encoding="utf-8", newline="\n")
    (folder / "install.sh").chmod(0o755)
    for python in asked.windows:
        download_for_windows(folder, own, extras, python)
        script = POWERSHELL.format(asked=wanted, python=python)
        (folder / "install.ps1").write_text(script, encoding="utf-8", newline="\r\n")
    here = {k: str(v) for k, v in default_environment().items()}
    lacking = {"this platform": missing(folder, own, extras, here)}
    lacking |= {f"Windows, Python {p}": missing(folder, own, extras, windows(p)) for p in asked.windows}
    if any(lacking.values()):
        sys.exit(
            "\n".join(f"{where}: no wheel of {', '.join(sorted(map(str, n)))}" for where, n in lacking.items() if n)
        )
    wheels = sorted(folder.glob("*.whl"))
    sums = "".join(f"{hashlib.sha256(w.read_bytes()).hexdigest()}  {w.name}\n" for w in wheels)
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8", newline="\n")
    size = sum(w.stat().st_size for w in wheels) / 1e6
    sys.stdout.write(f"{len(wheels)} wheels, {size:.0f} MB, in {folder}: {wanted} for {', '.join(lacking)}\n")


def download_for_windows(folder: Path, own: Path, extras: frozenset[str], python: str) -> None:
    """Fetch the wheels that a Windows machine needs.

    pip chooses by the machine it runs on which requirements hold, so those of Windows are looked up in the wheels.
    """
    needed = {Requirement(name) for name in ALSO_ON_WINDOWS} | missing(folder, own, extras, windows(python))
    asked: set[str] = set()
    while needed := {r for r in needed if str(r) not in asked}:
        asked |= set(map(str, needed))
        _pip(
            *("download", "--dest", folder, "--find-links", folder, "--only-binary", ":all:"),
            *("--platform", "win_amd64", "--implementation", "cp", "--python-version", python),
            *sorted(f"{need.name}{_extras(need)}{need.specifier}" for need in needed),
        )
        needed = missing(folder, own, extras, windows(python))


def windows(python: str) -> dict[str, str]:
    """Return what markers ask of a Windows machine with a Python such as 3.12."""
    return {**WINDOWS, "python_version": python, "python_full_version": f"{python}.0", "platform_release": "10"}


def missing(folder: Path, own: Path, extras: frozenset[str], environment: dict[str, str]) -> set[Requirement]:
    """Return what a wheel and all that it needs ask for in an environment, and the folder does not hold."""
    lacking: set[Requirement] = set()
    done: set[tuple[str, frozenset[str]]] = set()
    left = [(own, extras)]
    while left:
        wheel, asked = left.pop()
        if (wheel.name, asked) in done:
            continue
        done.add((wheel.name, asked))
        for need in requirements(wheel, asked, environment):
            fitting = [w for w in wheels_of(folder, need) if fits(w, environment)]
            if fitting:
                left += [(w, frozenset(need.extras)) for w in fitting]
            else:
                lacking.add(need)
    return lacking


def requirements(wheel: Path, extras: frozenset[str], environment: dict[str, str]) -> Iterator[Requirement]:
    """Yield what a wheel needs in an environment, without the markers."""
    with ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    for text in metadata.get_all("Requires-Dist") or []:
        need = Requirement(text)
        marker, need.marker = need.marker, None
        if marker is None or any(marker.evaluate({**environment, "extra": e}) for e in ("", *extras)):
            yield need


def wheels_of(folder: Path, need: Requirement) -> list[Path]:
    """Return the wheels that satisfy a requirement, on whatever platform."""
    found = []
    for wheel in folder.glob("*.whl"):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        if name == canonicalize_name(need.name) and need.specifier.contains(version, prereleases=True):
            found.append(wheel)
    return found


def fits(wheel: Path, environment: dict[str, str]) -> bool:
    """Say whether a wheel can be installed there: by its platform, and by its Python where it is bound to one."""
    digits = environment["python_version"].replace(".", "")
    for tag in parse_wheel_filename(wheel.name)[3]:
        if environment["sys_platform"] == "win32":
            here = tag.platform in ("any", "win_amd64")
        else:
            here = not tag.platform.startswith(("win", "macosx")) or environment["sys_platform"] == "darwin"
        bound = tag.interpreter.startswith("cp") and tag.abi not in ("abi3", "none")
        if here and (tag.interpreter == f"cp{digits}" or not bound):
            return True
    return False


def newest(folder: Path, name: str) -> Path:
    """Return the latest wheel of a distribution, by when it was made."""
    return max(folder.glob(f"{name}-*.whl"), key=lambda wheel: wheel.stat().st_mtime)


def _extras(need: Requirement) -> str:
    return f"[{','.join(sorted(need.extras))}]" if need.extras else ""


def _pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, words)]
    subprocess.run(command, check=True)  # noqa: S603 (our own words, and no shell)


if __name__ == "__main__":
    main()
