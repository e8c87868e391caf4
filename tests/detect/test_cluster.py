"""A cluster of this machine's own: it finds what one process finds, in the same order."""

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.cluster import look_at_on_cluster
from detect.detections import Detections
from detect.engine import Ask, Crew, Looked, Recipe, look
from detect.models import shipped_model
from detect.pipeline import policy_for
from detect.shards import Wanted
from detect.sources import hash_file
from flightplan.errors import DetectorError, Skip

# Ray's own.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)

RECIPE = Recipe(shipped_model(), {"threshold": 0.005})


@pytest.fixture(scope="module")
def ray() -> Iterator[object]:
    """Two workers, started once: it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from detect.cluster import connected

        with connected("local", 2) as started:
            yield started


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> list[Ask]:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(6)
    made = []
    for number in range(12):
        path = folder / f"{number:02}.png"
        Image.fromarray(rng.integers(0, 255, (224 + 16 * (number % 3), 320, 3), dtype=np.uint8)).save(path)
        made.append(Ask(path, hash_file(path)))
    made[4].path.write_bytes(b"not a picture")
    made[9] = Ask(Path(os.path.relpath(made[9].path)), made[9].content_hash)
    return [*made, Ask(folder / "gone.png")]


def plain(looked: Looked) -> tuple[Path, str | None, object]:
    found = looked.result
    if not isinstance(found, Detections):
        return looked.path, looked.content_hash, found
    arrays = (found.boxes_px, found.scores, found.class_ids)
    return looked.path, looked.content_hash, b"".join(a.tobytes() for a in arrays)


def test_a_cluster_that_is_not_there_is_said_at_once(asks: list[Ask]) -> None:
    with pytest.raises(DetectorError, match=r"There is no cluster at 127\.0\.0\.1:1 "):
        list(look(asks, RECIPE.load(), recipe=RECIPE, crew=Crew(cluster="127.0.0.1:1")))


def test_without_the_extra_a_cluster_is_refused_with_the_command_that_installs_it(
    asks: list[Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DetectorError, match=r"pip install 'overfly\[cluster\]'"):
        list(look(asks, RECIPE.load(), recipe=RECIPE, crew=Crew(cluster="local")))


@pytest.mark.slow
def test_a_cluster_finds_what_one_process_finds_in_the_same_order(ray: object, asks: list[Ask]) -> None:
    detector, left_out = RECIPE.load(), Wanted(done=frozenset({asks[7].content_hash or ""}))
    alone = [plain(looked) for looked in look(asks, detector, wanted=left_out)]
    crew = Crew(workers=2, cluster="local")
    assert [plain(looked) for looked in look(asks, detector, recipe=RECIPE, crew=crew, wanted=left_out)] == alone
    assert sum(len(f[2]) > 0 for f in alone if isinstance(f[2], bytes)) > 5
    assert [f[0].name for f in alone if f[2] is None] == ["07.png"]
    assert [f[0].name for f in alone if isinstance(f[2], Skip)] == ["04.png", "gone.png"]


@pytest.mark.slow
def test_a_model_that_workers_cannot_load_ends_the_run_with_its_reason(
    ray: object, asks: list[Ask], tmp_path: Path
) -> None:
    broken = Recipe(tmp_path / "broken.onnx")
    detector = RECIPE.load()
    shutil.copy(asks[4].path, broken.model)
    with pytest.raises(DetectorError, match=r"The cluster failed \(.*not an ONNX model"):
        list(look_at_on_cluster(asks[:2], detector, broken, workers=1, policy=policy_for(detector)))
