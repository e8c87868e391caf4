"""Pictures shared out over a cluster by Ray Data (extra `cluster`).

Each worker holds the detector and looks at the pictures it can reach: URLs, or folders that every machine has at the
same place. What it cannot reach is looked at by the machine that asked. The model file travels by itself. Results come
in the order asked for, and are those of one process.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.detectors import Detector
from detect.detectors.base import read_model
from detect.pipeline import Ask, Looked, Wanted, look_at
from detect.processes import Recipe
from detect.sources import is_remote
from detect.tiles import TilePolicy
from flightplan.errors import DetectorError

LOCAL = "local"
"""The address that stands for a cluster of this machine's own, started for the run and ended with it."""

_BATCH = 16
_LOCAL_STORE_BYTES = 100 << 20
_KNOCK_S = 5.0

Batch = dict[str, npt.NDArray[Any]]


def look_at_on_cluster(
    asks: Iterable[Ask],
    detector: Detector,
    recipe: Recipe,
    *,
    address: str = LOCAL,
    workers: int | None = None,
    policy: TilePolicy,
    wanted: Wanted | None = None,
    hashed: bool = False,
) -> Iterator[Looked]:
    """Look at pictures with `workers` workers (one for each processor of the cluster); see `detect.pipeline.look_at`.

    `recipe` loads what `detector` is; `address` is that of a running Ray cluster. Raises DetectorError where Ray is not
    installed or the cluster cannot be reached.
    """
    listed = list(asks)
    if not listed:
        return
    with connected(address, workers) as ray:
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        looker = {
            "model": ray.put(_model_files(recipe.model)),
            # A folder goes by the name of the worker's own.
            "recipe": replace(recipe, model=Path() if recipe.model.is_dir() else recipe.model),
            "policy": policy,
            "wanted": wanted,
            "hashed": hashed,
            "folder": Path.cwd(),
        }
        batch = max(1, min(_BATCH, -(-len(listed) // count)))
        rows = [{"number": number, "ask": pickle.dumps(ask)} for number, ask in enumerate(listed)]
        results = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // batch)).map_batches(
            _Looker, fn_constructor_kwargs=looker, batch_size=batch, concurrency=count, num_cpus=1
        )
        waiting: dict[int, bytes] = {}
        due = 0
        for row in _rows(ray, results):
            waiting[int(row["number"])] = row["looked"]
            while due in waiting:
                # Only this cluster's own workers wrote it.
                looked = pickle.loads(waiting.pop(due))  # noqa: S301
                if looked is None:
                    (looked,) = look_at([listed[due]], detector, policy=policy, wanted=wanted, hashed=hashed)
                yield looked
                due += 1


class _Looker:
    """A worker: the detector, loaded once, and batches of pictures to look at."""

    def __init__(
        self, model: Any, recipe: Recipe, policy: TilePolicy, wanted: Wanted | None, hashed: bool, folder: Path
    ) -> None:
        import ray

        if folder.is_dir():
            os.chdir(folder)

        # As long as the worker lives: some runtimes read weights when they need them.
        self._folder = tempfile.TemporaryDirectory(prefix="overfly-")
        for name, content in ray.get(model).items():
            Path(self._folder.name, name).write_bytes(content)
        here = Path(self._folder.name)
        self._detector = replace(recipe, model=here / recipe.model.name if recipe.model.name else here).load()
        self._policy, self._wanted, self._hashed = policy, wanted, hashed

    def __call__(self, batch: Batch) -> Batch:
        """Look at a batch; None stands for a picture that is not on this machine."""
        asks: list[Ask] = [pickle.loads(ask) for ask in batch["ask"]]  # noqa: S301 (the driver wrote it)
        here = [ask for ask in asks if is_remote(ask.path) or ask.path.exists()]
        found = look_at(here, self._detector, policy=self._policy, workers=1, wanted=self._wanted, hashed=self._hashed)
        results = dict(zip(here, found, strict=True))
        return {
            "number": batch["number"],
            "looked": np.array([pickle.dumps(results.get(ask)) for ask in asks], dtype=object),
        }


def _model_files(model: Path) -> dict[str, bytes]:
    """The files of a model by name: itself, the weights beside an OpenVINO `.xml`, or all in a folder."""
    if model.is_dir():
        files = [path for path in sorted(model.iterdir()) if path.is_file()]
    elif model.suffix.lower() == ".xml":
        beside = (model, model.with_suffix(".bin"), model.with_name("metadata.yaml"))
        files = [path for path in beside if path.is_file()]
    else:
        files = [model]
    return {path.name: read_model(path)[0] for path in files}


def _rows(ray: Any, results: Any) -> Iterator[Mapping[str, Any]]:
    try:
        yield from results.iter_rows()
    except ray.exceptions.RayError as error:
        # Ray gives a worker's whole traceback as text.
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise DetectorError(f"The cluster failed ({said[-1].strip()})") from error


@contextmanager
def connected(address: str, workers: int | None) -> Iterator[Any]:
    """Ray, connected as asked and let go of at the end; one that the caller has connected is used as it is."""
    # Ray reports its use to its makers unless told not to, and draws bars of its own.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise DetectorError(
            "A cluster is run by Ray, which is not installed", hint="Install it with: pip install 'overfly[cluster]'"
        ) from error
    begun = not ray.is_initialized()
    if begun:
        try:
            if address == LOCAL:
                ray.init(
                    num_cpus=workers,
                    include_dashboard=False,
                    object_store_memory=_LOCAL_STORE_BYTES,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _node_ip_address="127.0.0.1",
                )
            else:
                _knock(address)
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (RuntimeError, ValueError, OSError, SystemExit) as error:
            raise DetectorError(f"There is no cluster at {address} ({error})") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        if begun:
            ray.shutdown()


def _knock(address: str) -> None:
    """Find out within seconds that nobody is there; Ray tries for two minutes, and then ends the whole process."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
