"""Several processes and a cluster find what one finds; one that dies takes only the picture with it that it died of."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.detections import Detections
from detect.engine import Ask, Crew, Looked, Recipe, look
from detect.models import shipped_model
from detect.shards import Shard, Wanted
from detect.sources import hash_file
from flightplan.errors import DetectorError, Skip

RECIPE = Recipe(shipped_model(), {"threshold": 0.005})


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> list[Ask]:
    """Pictures of several sizes, one no picture, one another than was asked for."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(5)
    made = []
    for number in range(14):
        path = folder / f"{number:02}.png"
        Image.fromarray(rng.integers(0, 255, (224 + 16 * (number % 3), 320, 3), dtype=np.uint8)).save(path)
        made.append(Ask(path, hash_file(path)))
    made[3].path.write_bytes(b"not a picture")
    made[5] = Ask(made[5].path, "0" * 64)
    made[6] = Ask(folder / "gone.png", "0" * 64)
    return made


@pytest.fixture(scope="module")
def alone(asks: list[Ask]) -> list[object]:
    found = [plain(looked) for looked in look(asks, RECIPE.load(), hashed=True)]
    assert sum(len(f[2]) > 0 for f in found if isinstance(f[2], bytes)) > 5
    assert [f[2].reason.split(":")[0] for f in found if isinstance(f[2], Skip)] == [
        "The file is not the picture that was brought in",
        "The file is not the picture that was brought in",
        "The file cannot be read (No such file or directory)",
    ]
    return found


def plain(looked: Looked) -> tuple[Path, str | None, object]:
    """A result in a form that can be compared to the last bit."""
    found = looked.result
    if not isinstance(found, Detections):
        return looked.path, looked.content_hash, found
    return (
        looked.path,
        looked.content_hash,
        b"".join(a.tobytes() for a in (found.boxes_px, found.scores, found.class_ids)),
    )


def test_two_processes_find_what_one_finds_in_the_same_order(asks: list[Ask], alone: list[object]) -> None:
    crew = Crew(processes=2)
    assert [plain(looked) for looked in look(asks, RECIPE.load(), recipe=RECIPE, crew=crew, hashed=True)] == alone


def test_processes_share_out_a_shard(asks: list[Ask]) -> None:
    wanted = Wanted(Shard(1, 2))
    good = [ask for ask in asks if ask.path.exists()]
    crew = Crew(processes=2)
    found = list(look(good, RECIPE.load(), recipe=RECIPE, crew=crew, wanted=wanted))
    assert [looked.result is not None for looked in found] == [wanted(hash_file(ask.path)) for ask in good]


def test_what_a_process_raises_is_raised_here(asks: list[Ask], tmp_path: Path) -> None:
    detector = RECIPE.load()
    gone = Recipe(tmp_path / "gone.onnx")
    with pytest.raises(DetectorError, match="no such model file"):
        list(look(asks, detector, recipe=gone, crew=Crew(processes=2)))


def test_others_cannot_help_without_a_recipe(asks: list[Ask]) -> None:
    with pytest.raises(ValueError, match="recipe"):
        look(asks, RECIPE.load(), crew=Crew(processes=2))


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recipe]:
    """A recipe whose processes are killed by a white picture, as a decoder that crashes would be."""
    code = """
        import os, signal
        from dataclasses import dataclass
        from detect.processes import Recipe

        class Deadly:
            def __init__(self, detector): self.__dict__.update(vars(detector))
            def detect_batch(self, tiles):
                if tiles[0].min() > 250:
                    os.kill(os.getpid(), signal.SIGKILL)
                return self.inner.detect_batch(tiles)

        class DeadlyRecipe(Recipe):
            def load(self):
                detector = super().load()
                if self.settings.get("threads") == 2:
                    os._exit(7)
                made = Deadly(detector)
                made.inner = detector
                return made
            def like(self, detector): return self
    """
    (tmp_path / "deadly_recipe.py").write_text(textwrap.dedent(code))
    monkeypatch.syspath_prepend(str(tmp_path))
    import deadly_recipe  # type: ignore[import-not-found]

    return deadly_recipe.DeadlyRecipe


def test_a_process_that_dies_is_replaced_and_the_picture_it_died_of_is_named(
    asks: list[Ask], alone: list[object], deadly: Callable[..., Recipe], tmp_path: Path
) -> None:
    white = [Ask(tmp_path / f"white{i}.png") for i in range(2)]
    for ask in white:
        Image.fromarray(np.full((64, 96, 3), 255, np.uint8)).save(ask.path)
    mixed = [*asks[:2], white[0], *asks[2:9], white[1], *asks[9:]]
    recipe = deadly(RECIPE.model, RECIPE.settings)
    found = [plain(looked) for looked in look(mixed, RECIPE.load(), recipe=recipe, crew=Crew(processes=2), hashed=True)]
    assert [f for f in found if f[0] not in {a.path for a in white}] == alone
    assert [f[2] for f in found if f[0] in {a.path for a in white}] == [
        Skip(str(a.path), "The process that looked at it ended (SIGKILL). Leave it out.") for a in white
    ]


def test_processes_that_cannot_even_load_the_model_are_no_fault_of_a_picture(
    asks: list[Ask], deadly: Callable[..., Recipe]
) -> None:
    recipe = deadly(RECIPE.model, {"threads": 2})
    with pytest.raises(DetectorError, match=r"while it loaded the model \(exit code 7\)"):
        list(look(asks, RECIPE.load(), recipe=recipe, crew=Crew(processes=2)))
