"""A wheelhouse says what is missing before anybody carries it to a camp."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.markers import default_environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("wheelhouse", ROOT / "install" / "wheelhouse.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel(folder: Path, name: str, *needs: str, version: str = "1.0", tag: str = "py3-none-any") -> Path:
    """An empty distribution that asks for others."""
    path = folder / f"{name}-{version}-{tag}.whl"
    extras = [need.split('"')[-2] for need in needs if "extra ==" in need]
    said = "".join(f"Requires-Dist: {need}\n" for need in needs) + "".join(f"Provides-Extra: {e}\n" for e in extras)
    info = f"{name}-{version}.dist-info"
    with ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{said}\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def names(lacking) -> set[str]:
    return {need.name for need in lacking}


def test_what_only_windows_needs_is_missed_on_windows_only(house, tmp_path: Path) -> None:
    own = wheel(tmp_path, "overfly", "click>=8")
    wheel(tmp_path, "click", 'colorama; platform_system == "Windows"', version="8.1")
    here = {k: str(v) for k, v in default_environment().items()}
    assert house.missing(tmp_path, own, frozenset(), here) == set()
    assert names(house.missing(tmp_path, own, frozenset(), house.windows("3.12"))) == {"colorama"}


def test_what_an_extra_needs_is_missed_when_it_is_asked_for(house, tmp_path: Path) -> None:
    own = wheel(tmp_path, "overfly", 'typst>=0.13; extra == "report"')
    assert house.missing(tmp_path, own, frozenset(), house.windows("3.12")) == set()
    assert names(house.missing(tmp_path, own, frozenset({"report"}), house.windows("3.12"))) == {"typst"}


def test_extras_of_dependencies_are_followed(house, tmp_path: Path) -> None:
    own = wheel(tmp_path, "overfly", "ray[data]")
    wheel(tmp_path, "ray", 'pyarrow; extra == "data"')
    assert names(house.missing(tmp_path, own, frozenset(), house.windows("3.12"))) == {"pyarrow"}


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("py3-none-any", True),
        ("cp312-cp312-win_amd64", True),
        ("cp39-abi3-win_amd64", True),
        ("cp311-cp311-win_amd64", False),
        ("cp312-cp312-manylinux_2_28_x86_64", False),
    ],
)
def test_a_wheel_fits_a_windows_machine_by_platform_and_python(house, tmp_path: Path, tag: str, fits: bool) -> None:
    assert house.fits(wheel(tmp_path, "numpy", tag=tag), house.windows("3.12")) is fits


def test_a_wheel_that_is_too_old_is_missed(house, tmp_path: Path) -> None:
    own = wheel(tmp_path, "overfly", "numpy>=2")
    wheel(tmp_path, "numpy", version="1.26")
    assert names(house.missing(tmp_path, own, frozenset(), house.windows("3.12"))) == {"numpy"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh here")
def test_the_script_installs_from_its_own_folder_without_a_network(house, tmp_path: Path) -> None:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    wheel(folder, "overfly", 'helper; extra == "web"')
    wheel(folder, "helper")
    script = folder / "install.sh"
    script.write_text(house.SHELL.format(asked="overfly[web]"))
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    into = tmp_path / "camp laptop"
    done = subprocess.run(
        ["sh", str(script), str(into)],
        env={"PATH": path, "PIP_CONFIG_FILE": "/dev/null"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(into.glob("lib/python*/site-packages/helper-1.0.dist-info"))
