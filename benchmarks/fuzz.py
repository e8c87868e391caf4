"""Broken files for every parser, and a vehicle and a ground station that talk nonsense to each other.

    python benchmarks/fuzz.py --cases 2000                # of each parser; JSON on stdout
    python benchmarks/fuzz.py --cases 200 --only mission terrain --findings /tmp/found

Each case is a good file (`fuzz_seeds.py`) broken by a few mutations drawn from the seed and the case's number: bytes
changed, taken out, doubled, cut off, numbers made extreme, pieces of other files put in; for archives also inside of a
member. A parser may read it or refuse it with an OverflyError; anything else is a finding: another exception, more than
`--seconds`, more memory than `--megabytes`, or the death of the process. Each parser runs in a process of its own that
its parent starts again after the case that killed it. MAVLink: streams of random valid messages with extreme fields,
of damaged bytes, and answers of that kind in the middle of a transfer.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from flightplan.errors import OverflyError

PIECES = (
    b"", b"\x00", b"\xff\xff\xff\xff", b"-1", b"1e309", b"-1e999", b"NaN", b"Infinity", b"null", b"[]", b"{}", b'""',
    b"<",
    b"&a;", b"9" * 400, b"\n", b",", b"0001-01-01T00:00:00+14:00", b"true", b"\xf0\x9f\x90\x98", b"../../etc/passwd",
    b"2147483648", b"-9223372036854775809", b"4294967295", b"%s%n", b"'; DROP TABLE survey; --", b"[[[[[[[[[[", b"</",
    b'<!DOCTYPE a [<!ENTITY a "b">]>', b"0x7fffffff", b"1" + b"0" * 30, b"\xed\xa0\x80", b"\r\n\r\n",
)  # fmt: skip
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
LEAVES_MB = 3000


def mutated(seed: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Return `seed` broken in one to six places."""
    if seed[:2] == b"PK" and rng.random() < 0.7:
        return _mutated_inside(seed, others, rng)
    data = bytearray(seed)
    for _ in range(int(rng.integers(1, 7))):
        if not data:
            break
        at = int(rng.integers(len(data)))
        length = int(min(len(data) - at, 2 ** rng.integers(0, 9)))
        match int(rng.integers(9)):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at : at + 4] = rng.bytes(min(4, len(data) - at))
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length] * int(rng.integers(1, 5))
            case 4:
                data[at : at + int(rng.integers(3))] = PIECES[int(rng.integers(len(PIECES)))]
            case 5:
                other = others[int(rng.integers(len(others)))]
                start = int(rng.integers(max(1, len(other))))
                data[at:at] = other[start : start + length]
            case 6:
                near = NUMBER.search(data, at) or NUMBER.search(data)
                if near:
                    data[near.start() : near.end()] = PIECES[int(rng.integers(len(PIECES)))]
            case 7 if rng.random() < 0.3:
                del data[at:]
            case _:
                data[at : at + length] = bytes(length) if rng.random() < 0.5 else b"\xff" * length
    return bytes(data)


def _mutated_inside(seed: bytes, others: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Return an archive with one member broken, or renamed to lead elsewhere."""
    content = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(seed)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return mutated(seed[2:], others, rng)
    chosen = sorted(members)[int(rng.integers(len(members)))]
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            broken = mutated(data, others, rng) if name == chosen and data[:2] != b"PK" else data
            leads = name == chosen and rng.random() < 0.1
            archive.writestr("../" * 3 + name if leads else name, broken)
    return content.getvalue()


def try_one(read: Callable[[Path], Any], path: Path, seconds: float) -> str | None:
    """Call a parser; return what is wrong with how it ended, None when nothing is."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        read(path)
    except OverflyError:
        return None
    except MemoryError:
        return "more memory than it may take"
    except _TooLong:
        return f"more than {seconds:g} s: {_place()}"
    except RecursionError:
        return "too deep: " + _place()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:120]} ({_place()})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


class _TooLong(BaseException):
    """The alarm of a case that takes too long."""


def _too_long(number: int, frame: object) -> None:
    raise _TooLong


def _place() -> str:
    """Where in the project the exception that is handled came from."""
    here = str(Path(__file__).parent.parent)
    frames = traceback.extract_tb(sys.exc_info()[2])
    own = [f for f in frames if f.filename.startswith(here) and "benchmarks" not in f.filename] or frames[-1:]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"


def work(asked: argparse.Namespace) -> None:
    """Try the cases of one parser, from the one given on, telling after each what came of it."""
    warnings.simplefilter("ignore")
    name, first, stored = asked.work
    signal.signal(signal.SIGALRM, _too_long)
    if name in MAVLINK:
        MAVLINK[name](np.random.default_rng(0), 300.0)  # What is imported on the way is not timed.
        for case in range(int(first), asked.cases):
            tell(-case - 1, None)
            tell(case, MAVLINK[name](np.random.default_rng([asked.seed, case]), asked.seconds))
        return
    from fuzz_targets import PARSERS

    seeds = pickle.loads(Path(stored).read_bytes())
    parser = PARSERS[name]
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder) / f"good{parser.suffix}"
        good.write_bytes(seeds[0])
        try_one(parser.read, good, 300.0)
        resource.setrlimit(resource.RLIMIT_AS, ((_address_space_mb() + asked.megabytes) * 2**20,) * 2)
        for case in range(int(first), asked.cases):
            rng = np.random.default_rng([asked.seed, sum(name.encode()), case])
            content = mutated(seeds[case % len(seeds)], seeds, rng)
            path = Path(folder) / f"case{parser.suffix}"
            path.write_bytes(content)
            tell(-case - 1, None)
            wrong = try_one(parser.read, path, asked.seconds)
            tell(case, wrong)
            if wrong and asked.findings:
                asked.findings.mkdir(parents=True, exist_ok=True)
                (asked.findings / f"{name.replace(' ', '-')}-{case}{parser.suffix}").write_bytes(content)


def tell(case: int, wrong: str | None) -> None:
    """Say which case is begun (below 0) or done, and what was wrong; on the stream that no parser writes to."""
    os.write(_OUT, (json.dumps([case, wrong]) + "\n").encode())


_OUT = 1


def _address_space_mb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() // 2**20


def _random_message(rng: np.random.Generator, prefix: str = "") -> Any:
    """Return a message of any kind, or whose name begins with `prefix`; its fields are anything, often the extremes."""
    from pymavlink.dialects.v20 import ardupilotmega as mav

    kinds = [number for number in sorted(mav.mavlink_map) if mav.mavlink_map[number].msgname.startswith(prefix)]
    kind = mav.mavlink_map[kinds[int(rng.integers(len(kinds)))]]
    values: list[Any] = []
    for name, types, length in zip(kind.fieldnames, kind.fieldtypes, kind.array_lengths, strict=True):
        number = max(1, length)
        if types == "char":
            values.append(rng.bytes(int(rng.integers(number + 1))))
            continue
        if types in ("float", "double"):
            drawn = rng.choice([0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40, 80.0], number).tolist()
        else:
            bits = int(re.sub(r"\D", "", types))
            low, high = (0, 2**bits - 1) if types.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            drawn = [int(rng.choice(np.array([low, high, 0, 1, 3, 16], dtype=object))) for _ in range(number)]
        if name.startswith("target_") and rng.random() < 0.8:
            drawn = [1] * number
        values.append(drawn if length else drawn[0])
    return kind(*values)


def nonsense(rng: np.random.Generator, count: int = 25) -> bytes:
    """Return bytes of a link: random valid messages, some damaged, some cut, noise in between."""
    from pymavlink.dialects.v20 import ardupilotmega as mav

    link = mav.MAVLink(None, srcSystem=int(rng.choice([1, 255, 0])), srcComponent=int(rng.choice([1, 190, 0])))
    data = b""
    for _ in range(count):
        try:
            packet = bytearray(_random_message(rng).pack(link))
        except Exception:  # pymavlink cannot pack all that a field can hold
            continue
        if rng.random() < 0.1:
            packet[int(rng.integers(len(packet)))] ^= 1 << int(rng.integers(8))
        data += bytes(packet if rng.random() < 0.95 else packet[: len(packet) // 2])
        if rng.random() < 0.05:
            data += rng.bytes(int(rng.integers(1, 40)))
    return data


def confuse(kind: str, rng: np.random.Generator) -> None:
    """Tell a simulated vehicle nonsense; it goes on flying its own loop and answering."""
    from sim.vehicle import KINDS, Home

    vehicle = KINDS[kind](Home(34.83, -2.33, 1500.0), seed=1)
    for _ in range(6):
        vehicle.receive(nonsense(rng))
        for _ in range(10):
            vehicle.step()


def disturb_transfer(rng: np.random.Generator) -> None:
    """Send a mission to, and fetch it from, something that answers with nonsense among the right answers."""
    from fuzz_seeds import small_mission
    from pymavlink.dialects.v20 import ardupilotmega as mav

    from flightplan.vehicle.items import MISSION, mission_items
    from flightplan.vehicle.transfer import Download, Put
    from sim.vehicle.transfers import Transfers

    said: list[Any] = []
    vehicle = Transfers(said.append, lambda severity, text: None, lambda kind: None)
    packer = mav.MAVLink(None, srcSystem=1, srcComponent=1)
    for phase in (Put(mission_items(small_mission(), with_home=True), MISSION, ardupilot=True), Download(MISSION)):
        now_s, outgoing = 0.0, list(phase.start(0.0))
        while now_s < 120.0 and not getattr(phase, "done", False):
            for message in outgoing:
                vehicle.handle(packer.decode(bytearray(message.pack(packer))), now_s)
            outgoing, answers = [], [*said]
            said.clear()
            for message in answers:
                outgoing += phase.receive(packer.decode(bytearray(message.pack(packer))), now_s)
            for _ in range(int(rng.integers(4))):
                try:
                    strange = packer.decode(bytearray(_random_message(rng, "MISSION_").pack(packer)))
                except Exception:
                    continue
                outgoing += phase.receive(strange, now_s)
                vehicle.handle(strange, now_s)
            now_s += 0.5
            vehicle.tick(now_s)
            outgoing += phase.tick(now_s)


def _judged(act: Callable[[np.random.Generator], None]) -> Callable[[np.random.Generator, float], str | None]:
    return lambda rng, seconds: try_one(lambda _path: act(rng), Path(), seconds)


MAVLINK: dict[str, Callable[[np.random.Generator, float], str | None]] = {
    "MAVLink to a copter": _judged(partial(confuse, "copter")),
    "MAVLink to a plane": _judged(partial(confuse, "plane")),
    "MAVLink to PX4": _judged(partial(confuse, "px4")),
    "MAVLink in a transfer": _judged(disturb_transfer),
}


def run(name: str, asked: argparse.Namespace, stored: Path) -> dict[str, Any]:
    """Try all cases of one parser, in as many processes as it takes."""
    began, found, done, first = time.monotonic(), {}, 0, 0
    while first < asked.cases:
        command = [sys.executable, __file__, "--work", name, str(first), str(stored)]
        for option in ("cases", "seed", "seconds", "megabytes", "findings"):
            if getattr(asked, option) is not None:
                command += [f"--{option}", str(getattr(asked, option))]
        with tempfile.TemporaryFile() as errors:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            begun = first - 1
            watch = _Watch(child, asked.seconds + 20)
            assert child.stdout is not None
            for line in child.stdout:
                watch.heard()
                if not line.startswith("["):
                    continue
                case, wrong = json.loads(line)
                if case < 0:
                    begun = -case - 1
                    continue
                begun, done = case, done + 1
                if wrong:
                    found.setdefault(wrong, []).append(case)
            child.wait()
            watch.heard()
            errors.seek(0)
            last = errors.read()[-300:].decode(errors="replace").strip().splitlines()[-1:]
        if begun + 1 >= asked.cases:
            break
        if begun < first:
            found.setdefault(f"could not begin: {' '.join(last)}", []).append(first)
            break
        if child.returncode:
            found.setdefault(f"the process died ({child.returncode}) {' '.join(last)[:160]}", []).append(begun)
        first = begun + 1
    return {
        "cases": done,
        "findings": {what: {"times": len(cases), "cases": cases[:5]} for what, cases in found.items()},
        "seconds": round(time.monotonic() - began, 1),
    }


class _Watch:
    """Kills a process that has said nothing for too long: a parser that even the alarm cannot stop."""

    def __init__(self, child: subprocess.Popen[str], patience_s: float) -> None:
        import threading

        self._child, self._patience_s, self._make = child, patience_s, threading.Timer
        self._timer: Any = None
        self.heard(first=True)

    def heard(self, *, first: bool = False) -> None:
        """Begin to wait anew."""
        if self._timer is not None:
            self._timer.cancel()
        if first or self._child.poll() is None:
            self._timer = self._make(self._patience_s + (60 if first else 0), self._child.kill)
            self._timer.daemon = True
            self._timer.start()


def main() -> int:
    """Print what was found as JSON; exit code 1 when anything was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500, help="of each parser")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0, help="that a case may take")
    parser.add_argument("--megabytes", type=int, default=LEAVES_MB, help="of address space that a case may take")
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT", help="parsers whose name holds one of these")
    parser.add_argument("--data", type=Path, help="folder of real files to begin with, too")
    parser.add_argument("--findings", type=Path, help="folder for the files that were not dealt with")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked)
        return 0
    from fuzz_seeds import seeds
    from fuzz_targets import PARSERS

    report = {}
    with tempfile.TemporaryDirectory() as folder:
        files = seeds(asked.data)
        for name in [*PARSERS, *MAVLINK]:
            if not asked.only or any(text in name for text in asked.only):
                stored = Path(folder) / "seeds"
                stored.write_bytes(pickle.dumps(files.get(name, ())))
                report[name] = run(name, asked, stored)
                print(
                    f"{name}: {report[name]['cases']} cases, {len(report[name]['findings'])} findings", file=sys.stderr
                )
    findings = sum(len(entry["findings"]) for entry in report.values())
    cases = sum(entry["cases"] for entry in report.values())
    print(json.dumps({"cases": cases, "findings": findings, "seed": asked.seed, "parsers": report}, indent=1))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
