"""This machine's processor, measured as a card is: bandwidth through libc and numpy, matrix products through numpy.

It is what a probe falls back to without a GPU, and what runs the measuring code in earnest where there is none.
"""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from assay.observe.device.probe.device import DeviceTrouble, Ready
from assay.observe.device.probe.sampler import sampling
from assay.types.probe import Fill, Identity, Refused, Sample, Workload

MIB = 2**20
CACHES = 4
"""Arrays of so many last-level caches leave nothing of one pass to the next."""
DEFAULT_CACHE_BYTES = 32 * MIB
CHUNK_BYTES = 128 * 1024
"""The triad takes two passes over pieces that stay in a core's own cache."""
SIDE = 1536
ABSENT = 0xFF
"""A byte that no array holds, to be looked for in all of it."""
FLOATS = {"fp32": "float32", "fp64": "float64"}
NUMPY_LINE = "pip install 'gpu-assay[probe]'"


def cores() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def cache_bytes(root: Path = Path("/")) -> dict[int, int]:
    """Size in B of the first processor's caches by level, as Linux lists them."""
    found: dict[int, int] = {}
    for folder in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, size = _text(folder / "level"), _text(folder / "size")
        if level.isdecimal() and size[:-1].isdecimal() and size[-1] in "KM":
            found[int(level)] = int(size[:-1]) * (1024 if size[-1] == "K" else MIB)
    return found


def memory_bytes(root: Path = Path("/")) -> tuple[int, int]:
    """(available, total) memory of the machine in B; (0, 0) where nothing says it."""
    lines = _text(root / "proc/meminfo").splitlines()
    sizes = {line.partition(":")[0]: line.split()[1] for line in lines if len(line.split()) >= 2}
    if "MemTotal" not in sizes:
        return 0, 0
    total = int(sizes["MemTotal"]) * 1024
    return int(sizes.get("MemAvailable", sizes.get("MemFree", "0"))) * 1024, total


def _fields(root: Path) -> Iterator[tuple[str, str]]:
    for line in _text(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()


def clock_hz(root: Path = Path("/")) -> float | None:
    """The lowest clock of all processors now, in Hz; None where nothing says it (most virtual machines)."""
    found = [
        float(text) * 1e3
        for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
        if (text := _text(path)).isdecimal()
    ]
    return min(found, default=None)


class Array(NamedTuple):
    """Host memory: what owns it, and its address."""

    owner: Any
    address: int
    bytes: int


def _array(count: int, fill: Fill) -> Array:
    """Memory of `count` B, written once, so that every page of it exists."""
    owner = bytearray(count)
    pattern = bytes(MIB) if fill == "zeros" else os.urandom(MIB).replace(bytes([ABSENT]), b"\0")
    view = memoryview(owner)
    for start in range(0, count, MIB):
        view[start : start + MIB] = pattern[: min(MIB, count - start)]
    return Array(owner, ctypes.addressof(ctypes.c_char.from_buffer(owner)), count)


class _Work:
    """Something that each core does to its part, as a workload that is ready."""

    def __init__(self, work: float, pool: ThreadPoolExecutor, once: Callable[[int], object]) -> None:
        self._work = work
        self.pool = pool
        self.once = once
        self.judge: Callable[[], str | None] = lambda: None

    @property
    def work(self) -> float:
        """B or operations of one launch, of all cores together."""
        return self._work

    def _many(self, part: int, count: int) -> None:
        for _ in range(count):
            self.once(part)

    def launch(self, count: int) -> None:
        """Run on every core; returns when all are done."""
        parts = range(cores())
        for _ in self.pool.map(lambda part: self._many(part, count), parts):
            pass

    def check(self) -> str | None:
        """Run once and judge."""
        self.launch(1)
        return self.judge()

    def close(self) -> None:
        """Forget the arrays."""
        self.once = lambda _part: None
        self.judge = lambda: None


class _Product(_Work):
    """A matrix product: the library itself uses all cores."""

    def launch(self, count: int) -> None:
        """Multiply so many times."""
        self._many(0, count)


def _numpy() -> Any | None:
    try:
        return import_module("numpy")
    except ImportError:
        return None


class CpuDevice:
    """The processor; `array_bytes` overrides the length of its arrays."""

    def __init__(self, array_bytes: int | None = None, root: Path = Path("/")) -> None:
        self.root = root
        self.pool = ThreadPoolExecutor(cores())
        self.libc = ctypes.CDLL(None)
        self.libc.memchr.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
        self.libc.memchr.restype = ctypes.c_void_p
        self.libc.memcpy.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        self.libc.memcpy.restype = ctypes.c_void_p
        caches = cache_bytes(root)
        self.own_cache = caches.get(2, MIB)
        wanted = CACHES * max(caches.values(), default=DEFAULT_CACHE_BYTES)
        self.array_bytes = (array_bytes or max(wanted, 64 * MIB)) // (64 * cores()) * (64 * cores())

    def identity(self) -> Identity:
        """Name, cores and memory; a processor has no driver to speak for it."""
        fields = dict(_fields(self.root))
        free, total = self.memory()
        numpy = _numpy()
        return Identity(
            name=fields.get("model name") or fields.get("Model") or os.uname().machine,
            kind="cpu",
            multiprocessors=cores(),
            l2_bytes=cache_bytes(self.root).get(2),
            memory_total_bytes=total or None,
            memory_used_bytes=total - free if total else None,
            clock_hz=clock_hz(self.root),
            libraries=(("numpy", str(numpy.__version__)),) if numpy is not None else (),
        )

    def memory(self) -> tuple[int, int]:
        """(available, total) in B."""
        return memory_bytes(self.root)

    def workloads(self) -> tuple[Workload, ...]:
        """Read, copy and triad far above the caches, the core's own cache, products in FP32 and FP64."""
        size, cached = self.array_bytes, self.own_cache // 2
        moved = (
            ("memory.read", "libc", size),
            ("memory.copy", "libc", 2 * size),
            ("memory.triad", "numpy", 3 * size),
            ("memory.l2.read", "libc", cached * cores()),
        )
        products = tuple(
            Workload(
                f"gemm.{form}.{form}.{SIDE}x{SIDE}x{SIDE}", "gemm", "numpy", "FLOP/s", form, form,
                shape=(SIDE, SIDE, SIDE), needed_bytes=3 * SIDE * SIDE * (8 if form == "fp64" else 4),
            )
            for form in FLOATS
        )  # fmt: skip
        memory = tuple(Workload(name, "memory", door, "B/s", needed_bytes=taken) for name, door, taken in moved)
        return (*memory[:2], *products, *memory[2:])

    def prepare(self, workload: Workload, fill: Fill) -> Ready | Refused:
        """Allocate and fill."""
        numpy = _numpy()
        if workload.door == "numpy" and numpy is None:
            return Refused("missing", NUMPY_LINE)
        try:
            if workload.kind == "gemm":
                return self._product(numpy, workload, fill)
            if workload.name == "memory.copy":
                return self._copy(fill)
            if workload.name == "memory.triad":
                return self._triad(numpy, fill)
            return self._read(self.own_cache // 2 * cores() if "l2" in workload.name else self.array_bytes, fill)
        except MemoryError as error:
            raise DeviceTrouble("memory", "MemoryError") from error

    def _read(self, count: int, fill: Fill) -> Ready:
        source, part = _array(count, fill), count // cores()
        found: list[object] = []

        def once(place: int) -> None:
            if self.libc.memchr(source.address + place * part, ABSENT, part) is not None:
                found.append(place)

        work = _Work(float(part * cores()), self.pool, once)
        work.judge = lambda: "a byte was found that is not there" if found else None
        return work

    def _copy(self, fill: Fill) -> Ready:
        source, target = _array(self.array_bytes, fill), _array(self.array_bytes, "zeros")
        part = self.array_bytes // cores()

        def once(place: int) -> None:
            self.libc.memcpy(target.address + place * part, source.address + place * part, part)

        work = _Work(2.0 * part * cores(), self.pool, once)
        work.judge = lambda: None if target.owner == source.owner else "the copy differs from its source"
        return work

    def _triad(self, numpy: Any, fill: Fill) -> Ready:
        count = self.array_bytes // 8
        generator = numpy.random.default_rng(1)
        one, two = (numpy.zeros(count) if fill == "zeros" else generator.random(count) for _ in range(2))
        target = numpy.ones(count)
        part, chunk = count // cores(), CHUNK_BYTES // 8

        def once(place: int) -> None:
            for start in range(place * part, (place + 1) * part, chunk):
                piece = slice(start, min(start + chunk, (place + 1) * part))
                numpy.multiply(two[piece], 3.0, out=target[piece])
                numpy.add(target[piece], one[piece], out=target[piece])

        def judge() -> str | None:
            last = part * cores() - 1
            return None if target[last] == one[last] + 3.0 * two[last] else "an element of the triad is wrong"

        work = _Work(24.0 * part * cores(), self.pool, once)
        work.judge = judge
        return work

    def _product(self, numpy: Any, workload: Workload, fill: Fill) -> Ready:
        rows, columns, depth = workload.shape or (SIDE, SIDE, SIDE)
        kind = getattr(numpy, FLOATS[workload.format or "fp32"])
        generator = numpy.random.default_rng(1)
        shapes = ((rows, depth), (depth, columns))
        left, right = (
            numpy.zeros(shape, kind) if fill == "zeros" else generator.standard_normal(shape).astype(kind)
            for shape in shapes
        )
        out = numpy.empty((rows, columns), kind)

        def judge() -> str | None:
            exact = left[7].astype(numpy.float64) @ right[:, 11].astype(numpy.float64)
            tolerance = float(numpy.finfo(kind).eps) * depth
            return None if abs(float(out[7, 11]) - exact) <= tolerance * max(1.0, abs(exact)) else "a sum is wrong"

        work = _Product(2.0 * rows * columns * depth, self.pool, lambda _place: numpy.matmul(left, right, out=out))
        work.judge = judge
        return work

    def time(self, ready: Ready, count: int, *, flush: bool = False) -> float:
        """Seconds of so many launches by the clock of the machine; products here are far larger than their caches."""
        del flush
        start = time.perf_counter()
        ready.launch(count)
        return time.perf_counter() - start

    def now(self) -> float:
        """The machine's own clock."""
        return time.perf_counter()

    def rest(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def _look(self) -> Sample:
        return Sample(self.now(), clock_hz(self.root))

    def sampling(self) -> AbstractContextManager[list[Sample]]:
        """Clocks, where the system tells them."""
        return sampling(self._look, 0.1)

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown(wait=False)
