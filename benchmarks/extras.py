"""The wheel in an empty environment, base and each extra: whether it works, how large it is, under which licences.

    python benchmarks/extras.py                      # all but yolo, which brings torch
    python benchmarks/extras.py --only yolo --constraints constraints.txt

Builds the wheel, installs it into a new environment for each extra (this needs a package index), runs `overfly doctor`
and one thing that needs the extra, and reads what every package that came with it says of its licence. A licence counts
as going with AGPL-3.0-or-later when it is permissive, weak copyleft, or GPL of version 3; one that is not known here is
named. Prints JSON; exit code 1 when something did not work or a licence does not go.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
NEEDS = {
    "base": "from overfly.cli import main; from detect.detectors import load_detector; "
    "from detect.models import shipped_model; load_detector(shipped_model())",
    "yolo": "from ultralytics import YOLO; import onnx",
    "web": "from counts.review.app import *",
    "report": "import typst; assert typst.compile(b'= Zebra').startswith(b'%PDF')",
    "postgis": "import psycopg; from sqlalchemy.dialects.postgresql import psycopg as dialect",
    "openvino": "from detect.detectors import load_detector; from detect.models import shipped_model; "
    "load_detector(shipped_model(), backend='openvino')",
    "cluster": "import ray.data",
    "remote": "import fsspec; fsspec.filesystem('memory')",
    "video": "import av",
    "density": "from statsmodels.gam.api import GLMGam",
    "services": "import httpx; httpx.Client().close()",
    "fleet": "from ortools.constraint_solver import pywrapcp",
}
GOES = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|LGPL|Lesser|Unlicense|0BSD|Zlib|HPND|AGPL"
    r"|GPL-?v?3|GPLv?3|GNU Affero|CC0|Public Domain|Boost|BSL|NCSA|Historical Permission|3-Clause|Permissive)",
    re.IGNORECASE,
)
LICENCES = """
import importlib.metadata as m, json
print(json.dumps([[d.metadata["Name"], d.version, d.metadata.get("License-Expression") or "",
  (d.metadata.get("License") or "")[:300],
  [c for c in d.metadata.get_all("Classifier") or [] if c.startswith("License")]]
  for d in m.distributions()]))
"""
OURS = ("overfly", "pip", "setuptools")


def build(folder: Path) -> Path:
    """Build the wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def try_extra(extra: str, wheel: Path, constraints: Path | None) -> dict[str, Any]:
    """Install the wheel with one extra into an empty environment, and see whether it works."""
    with tempfile.TemporaryDirectory(prefix="overfly-extra-") as folder:
        venv = Path(folder) / "venv"
        python = venv / "bin" / "python"
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        wanted = str(wheel) if extra == "base" else f"{wheel}[{extra}]"
        more = ["-c", str(constraints)] if constraints else []
        installed = _run([str(python), "-m", "pip", "install", "--quiet", wanted, *more])
        if installed.returncode:
            return {"installed": False, "said": installed.stderr.strip().splitlines()[-3:]}
        doctor = _run([str(venv / "bin" / "overfly"), "doctor", "--json"], cwd=folder)
        needs = _run([str(python), "-c", NEEDS[extra]], cwd=folder)
        listed = json.loads(_run([str(python), "-c", LICENCES], cwd=folder).stdout)
        licences = {name: _licence(*rest) for name, version, *rest in listed if name.lower() not in OURS}
        return {
            "installed": True,
            "seconds": round(time.monotonic() - began, 1),
            "megabytes": round(sum(p.stat().st_size for p in venv.rglob("*") if p.is_file()) / 2**20),
            "packages": len(licences),
            "doctor": doctor.returncode,
            "works": needs.returncode == 0,
            **({} if needs.returncode == 0 else {"said": needs.stderr.strip().splitlines()[-3:]}),
            "licences_to_look_at": {name: text for name, text in licences.items() if not GOES.search(text)},
        }


def _licence(expression: str, text: str, classifiers: list[str]) -> str:
    return expression or " ".join([*classifiers, text.splitlines()[0] if text else ""]).strip() or "none said"


def _run(command: list[str], cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(NEEDS), default=[extra for extra in NEEDS if extra != "yolo"])
    parser.add_argument("--constraints", type=Path)
    asked = parser.parse_args()
    report = {}
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        for extra in asked.only:
            report[extra] = try_extra(extra, wheel, asked.constraints)
            print(f"{extra}: {report[extra]}", file=sys.stderr)
    print(json.dumps(report, indent=1))
    fine = all(entry.get("works") and not entry["licences_to_look_at"] for entry in report.values())
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
