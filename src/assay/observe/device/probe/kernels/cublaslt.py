"""Products through cuBLASLt, called by ctypes: the library of a wheel, of torch, or of the system.

Names and values are those of NVIDIA's cuBLAS document. The structures were tested with a stand-in for the library; no
product was ever computed through them here.
"""

import ctypes
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from assay.observe.device.probe.device import Buffer, DeviceTrouble, Driver, Ready
from assay.observe.device.probe.kernels import gemm
from assay.types.probe import Fill, Refused, Workload

INSTALL = "pip install nvidia-cublas"
NAMES = tuple(f"libcublasLt.so.{major}" for major in (13, 12, 11))
DATA_TYPES = {"f32": 0, "f16": 2, "s8": 3, "s32": 10, "bf16": 14, "e4m3": 28, "e2m1": 33}
COMPUTE_32F, COMPUTE_32F_FAST_TF32, COMPUTE_32I = 68, 77, 72
OP_N, OP_T = 0, 1
TRANSPOSED_FIRST, TRANSPOSED_SECOND = 3, 4
SCALE_FIRST, SCALE_SECOND, FAST_ACCUMULATION = 17, 18, 25
MODE_FIRST, MODE_SECOND = 31, 32
MODES = {"ue4m3": 1, "ue8m0": 2}
"""Blocks of 16 with UE4M3, blocks of 32 with UE8M0."""
WORKSPACE_LIMIT = 1
WORKSPACE_BYTES = 32 << 20
SUCCESS = 0


class Algorithm(ctypes.Structure):
    """What the library's heuristics found: an algorithm, and what it needs."""

    _fields_ = (
        ("data", ctypes.c_uint64 * 8),
        ("workspace_bytes", ctypes.c_size_t),
        ("state", ctypes.c_int),
        ("waves", ctypes.c_float),
        ("reserved", ctypes.c_int * 4),
    )


class _Failed(Exception):
    """A call failed: which, and its status in the library's words."""

    def __init__(self, call: str, words: str) -> None:
        super().__init__(call, words)
        self.words = f"{call}: {words}"


class Library:
    """cuBLASLt, every call of it through one place."""

    def __init__(self, loaded: Any) -> None:
        self.loaded = loaded
        loaded.cublasLtGetVersion.restype = ctypes.c_size_t
        loaded.cublasLtGetStatusName.restype = ctypes.c_char_p

    @property
    def version(self) -> str:
        """`13.6.0`."""
        number = int(self.loaded.cublasLtGetVersion())
        major, rest = divmod(number, 10000)
        return f"{major}.{rest // 100}.{rest % 100}"

    def __call__(self, name: str, *arguments: Any) -> None:
        """Call `cublasLt` + name.

        Raises:
            _Failed: its status is not success.
        """
        status = int(getattr(self.loaded, f"cublasLt{name}")(*arguments))
        if status != SUCCESS:
            words = self.loaded.cublasLtGetStatusName(status) or b""
            raise _Failed(f"cublasLt{name}", words.decode("utf-8", "replace") or str(status))

    def made(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        """The handle that `cublasLt` + name + `Create` makes."""
        handle = ctypes.c_void_p()
        self(f"{name}Create", ctypes.byref(handle), *arguments)
        return handle


def _places() -> Iterator[str]:
    """Where the library may lie: packages of this environment, those beside torch, then as the system finds it."""
    roots = [Path(root) for root in dict.fromkeys((sysconfig.get_path("purelib"), *sys.path)) if root]
    found = importlib.util.find_spec("torch")
    roots += [Path(place).parent for place in (found.submodule_search_locations or [])] if found is not None else []
    for name in NAMES:
        for root in roots:
            for path in (*sorted(root.glob(f"nvidia/*/lib/{name}")), root / "torch" / "lib" / name):
                if path.exists():
                    yield str(path)
    yield from NAMES


@cache
def find() -> Library | None:
    """The library, or None where there is none that loads."""
    for place in _places():
        try:
            return Library(ctypes.CDLL(place))
        except (OSError, AttributeError):
            continue
    return None


def available() -> str | None:
    """The library's version, or None where there is no library."""
    library = find()
    return None if library is None else library.version


class _Matrices(NamedTuple):
    """What a product needs: weights, tokens, results, scales and a place to work."""

    weights: tuple[Buffer, ...]
    tokens: Buffer
    results: Buffer
    scales: tuple[Buffer, ...]
    workspace: Buffer


class Product:
    """A product that is described, allocated and filled; see `Ready`."""

    def __init__(self, library: Library, driver: Driver, workload: Workload, fill: Fill) -> None:
        if workload.shape is None or workload.format is None:
            raise ValueError(workload.name)
        self._library = library
        self._driver = driver
        self._form = gemm.FORMATS[workload.format]
        self._shape = workload.shape
        self._fast = bool(workload.fast)
        self._handles: list[tuple[str, ctypes.c_void_p]] = []
        self._held: list[Buffer] = []
        self._turn = 0
        try:
            self._handle = self._created("")
            self._fill(fill)
            self._describe()
            self._algorithm = self._chosen()
        except BaseException:
            self.close()
            raise

    @property
    def work(self) -> float:
        """Operations of one product."""
        rows, columns, depth = self._shape
        return 2.0 * rows * columns * depth

    def _created(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        handle = self._library.made(name, *arguments)
        self._handles.append((f"{name}Destroy", handle))
        return handle

    def _allocated(self, count: int, pattern: bytes) -> Buffer:
        buffer = self._driver.allocate(count)
        self._held.append(buffer)
        self._driver.tile(buffer, pattern)
        return buffer

    def _fill(self, fill: Fill) -> None:
        """Weights take turns until together they are four times L2, so that decoding reads memory."""
        rows, columns, depth = self._shape
        form = self._form
        left, right = gemm.codes(form, fill, 1), gemm.codes(form, fill, 2)
        size = gemm.bytes_of(form, columns, depth)
        spare = self._driver.limits.free_bytes - gemm.needed_bytes(form, self._shape) - WORKSPACE_BYTES
        copies = 1 + max(0, min(4 * self._driver.limits.l2_bytes // size, spare // size))
        scales = [gemm.scale_bytes(form, one, depth) for one in (columns, rows) if form.block]
        self._matrices = _Matrices(
            tuple(self._allocated(size, gemm.packed(form, right)) for _ in range(copies)),
            self._allocated(gemm.bytes_of(form, rows, depth), gemm.packed(form, left)),
            self._allocated(rows * columns * gemm.result_bytes(form), b"\0"),
            tuple(self._allocated(count, gemm.one(form)) for count in scales),
            self._allocated(WORKSPACE_BYTES, b"\0"),
        )
        self._proof = gemm.proof(form, left, right, self._shape)

    def _set(self, attribute: int, value: Any) -> None:
        self._library(
            "MatmulDescSetAttribute",
            self._product,
            attribute,
            ctypes.byref(value),
            ctypes.c_size_t(ctypes.sizeof(value)),
        )

    def _describe(self) -> None:
        """W transposed times X, column by column: what Y = X W^T is row by row, in the one layout all formats have."""
        rows, columns, depth = self._shape
        form = self._form
        compute = {"int8": COMPUTE_32I, "tf32": COMPUTE_32F_FAST_TF32}.get(form.name, COMPUTE_32F)
        self._number = ctypes.c_int32 if form.result == "s32" else ctypes.c_float
        self._product = self._created("MatmulDesc", compute, DATA_TYPES["s32" if form.result == "s32" else "f32"])
        self._set(TRANSPOSED_FIRST, ctypes.c_int32(OP_T))
        self._set(TRANSPOSED_SECOND, ctypes.c_int32(OP_N))
        if form.name == "fp8_e4m3":
            self._set(FAST_ACCUMULATION, ctypes.c_int8(self._fast))
        for buffer, pointer, mode in zip(
            self._matrices.scales, (SCALE_FIRST, SCALE_SECOND), (MODE_FIRST, MODE_SECOND), strict=False
        ):
            self._set(mode, ctypes.c_int32(MODES[form.scale]))
            self._set(pointer, ctypes.c_void_p(buffer.address))
        factor, result = DATA_TYPES[form.operand], DATA_TYPES[form.result]
        self._layouts = tuple(
            self._created("MatrixLayout", kind, ctypes.c_uint64(high), ctypes.c_uint64(wide), ctypes.c_int64(high))
            for kind, high, wide in ((factor, depth, columns), (factor, depth, rows), (result, columns, rows))
        )

    def _chosen(self) -> Algorithm:
        """The algorithm that the heuristics put first.

        Raises:
            _Failed: they know none.
        """
        preference = self._created("MatmulPreference")
        most = ctypes.c_uint64(WORKSPACE_BYTES)
        self._library(
            "MatmulPreferenceSetAttribute", preference, WORKSPACE_LIMIT, ctypes.byref(most), ctypes.c_size_t(8)
        )
        found, number = Algorithm(), ctypes.c_int(0)
        weights, tokens, results = self._layouts
        self._library(
            "MatmulAlgoGetHeuristic", self._handle, self._product, weights, tokens, results, results, preference, 1,
            ctypes.byref(found), ctypes.byref(number),
        )  # fmt: skip
        if number.value == 0 or found.state != SUCCESS:
            raise _Failed("cublasLtMatmulAlgoGetHeuristic", "no algorithm")
        return found

    def launch(self, count: int) -> None:
        """Enqueue so many products.

        Raises:
            DeviceTrouble: the library refuses what its heuristics promised.
        """
        one, zero = self._number(1), self._number(0)
        weights, tokens, results = self._layouts
        held = self._matrices
        for _ in range(count):
            first = held.weights[self._turn % len(held.weights)]
            self._turn += 1
            try:
                self._library(
                    "Matmul", self._handle, self._product, ctypes.byref(one),
                    ctypes.c_void_p(first.address), weights, ctypes.c_void_p(held.tokens.address), tokens,
                    ctypes.byref(zero), ctypes.c_void_p(held.results.address), results,
                    ctypes.c_void_p(held.results.address), results, ctypes.byref(self._algorithm),
                    ctypes.c_void_p(held.workspace.address), ctypes.c_size_t(WORKSPACE_BYTES),
                    ctypes.c_void_p(self._driver.stream),
                )  # fmt: skip
            except _Failed as failed:
                raise DeviceTrouble("other", failed.words) from failed

    def check(self) -> str | None:
        """Whether some results are right, computed again without the library."""
        self.launch(1)
        size = len(self._proof.expected) * gemm.result_bytes(self._form)
        return gemm.compared(self._proof, gemm.unpacked(self._form, self._driver.read(self._matrices.results, size)))

    def close(self) -> None:
        """Give handles and memory back."""
        while self._handles:
            name, handle = self._handles.pop()
            getattr(self._library.loaded, f"cublasLt{name}")(handle)
        while self._held:
            self._driver.release(self._held.pop())


def prepare(workload: Workload, driver: Driver, fill: Fill, library: Library | None = None) -> Ready | Refused:
    """A product through cuBLASLt, or its refusal in its words, which is never the hardware's.

    Args:
        workload: of `gemm.workloads`.
        driver: of the card.
        fill: of the factors.
        library: None for the one that is found.

    Raises:
        DeviceTrouble: the card refuses.
    """
    found = library or find()
    if found is None:
        return Refused("missing", INSTALL)
    if workload.weights is not None:
        return Refused("missing", f"cuBLASLt {found.version} multiplies no weights of four bits with activations of 16")
    try:
        return Product(found, driver, workload, fill)
    except _Failed as failed:
        return Refused("library", f"cuBLASLt {found.version}, {failed.words}")
