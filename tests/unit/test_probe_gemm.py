"""Products through libraries: what is asked, the structures of cuBLASLt against a stand-in, torch on this processor."""

import ctypes
from typing import Any

import numpy as np
import pytest

from assay.observe.device.probe.kernels import cublaslt, gemm, numbers, torch_gemm
from assay.types.probe import Fill, Limits, Refused, Workload


class Buffer:
    def __init__(self, address: int, count: int) -> None:
        self.address = address
        self.bytes = count
        self.content = bytearray(count)


class Driver:
    """Device memory that is this process's own, so that a library's stand-in can read what it is given."""

    stream = 77

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held: dict[int, Buffer] = {}
        self.released = 0

    def allocate(self, count_bytes: int) -> Buffer:
        buffer = Buffer(4096 * (1 + len(self.held) + self.released), count_bytes)
        self.held[buffer.address] = buffer
        return buffer

    def tile(self, buffer: Buffer, pattern: bytes) -> None:
        buffer.content[:] = (pattern * (buffer.bytes // len(pattern) + 1))[: buffer.bytes]

    def read(self, buffer: Buffer, count_bytes: int) -> bytes:
        return bytes(buffer.content[:count_bytes])

    def release(self, buffer: Buffer) -> None:
        del self.held[buffer.address]
        self.released += 1


class FakeLibrary:
    """cuBLASLt as its document describes it: keeps what it is told, multiplies with numpy."""

    def __init__(self, driver: Driver, *, algorithms: int = 1, wrong: float = 0.0) -> None:
        self.driver = driver
        self.algorithms = algorithms
        self.wrong = wrong
        self.made: dict[int, list[Any]] = {}
        self.attributes: dict[int, dict[int, bytes]] = {}
        self.firsts: list[int] = []
        self.streams: set[int] = set()
        self.cublasLtGetVersion = lambda: 130600  # as the library names it
        self.cublasLtGetStatusName = lambda status: b"CUBLAS_STATUS_NOT_SUPPORTED" if status == 15 else None

    def __getattr__(self, name: str) -> Any:
        word = name.removeprefix("cublasLt")
        if word.endswith("Create"):
            return lambda handle, *given: self._make(word, handle, given)
        if word.endswith("Destroy"):
            return lambda handle: self.made.pop(handle.value) and 0
        if word.endswith("SetAttribute"):
            return self._set
        return {"MatmulAlgoGetHeuristic": self._heuristic, "Matmul": self._multiply}[word]

    def _make(self, word: str, handle: Any, given: tuple[Any, ...]) -> int:
        handle._obj.value = 1000 + len(self.attributes)
        self.attributes[handle._obj.value] = {}
        self.made[handle._obj.value] = [word, *(getattr(one, "value", one) for one in given)]
        return 0

    def _set(self, handle: Any, attribute: int, value: Any, size: Any) -> int:
        assert size.value == ctypes.sizeof(value._obj)
        self.attributes[handle.value][attribute] = bytes(value._obj)
        return 0

    def _heuristic(self, *given: Any) -> int:
        _, _, _, _, _, _, _, asked, found, number = given
        assert asked == 1
        assert ctypes.sizeof(found._obj) == 96
        number._obj.value = max(self.algorithms, 0)
        return 15 if self.algorithms < 0 else 0

    def _multiply(self, *given: Any) -> int:
        _, product, one, first, first_layout, second, second_layout, zero, third, third_layout, *rest = given
        assert (one._obj.value, zero._obj.value) == (1, 0)
        assert third.value == rest[0].value
        self.streams.add(rest[-1].value)
        self.firsts.append(first.value)
        left = self._matrix(first, first_layout)
        right = self._matrix(second, second_layout)
        made = left.T @ right + self.wrong
        self._store(third, third_layout, made)
        self.product = self.attributes[product.value]
        return 0

    def _codes(self, layout: Any) -> tuple[str, int, int]:
        _, kind, high, wide, leading = self.made[layout.value]
        assert leading == high
        return next(name for name, value in cublaslt.DATA_TYPES.items() if value == kind), high, wide

    def _matrix(self, place: Any, layout: Any) -> Any:
        """Column by column, as the library reads."""
        form, high, wide = self._codes(layout)
        content = self.driver.held[place.value].content
        bits = numbers.width(form)
        if bits == 4:
            codes = [code for byte in content for code in (byte & 15, byte >> 4)]
        else:
            size = bits // 8
            codes = [int.from_bytes(content[at : at + size], "little") for at in range(0, len(content), size)]
        return np.array([numbers.decode(form, code) for code in codes]).reshape(wide, high).T

    def _store(self, place: Any, layout: Any, made: Any) -> None:
        form, high, wide = self._codes(layout)
        assert made.shape == (high, wide)
        size = numbers.width(form) // 8
        buffer = self.driver.held[place.value]
        flat = made.T.reshape(-1)
        encode = (lambda value: int(value) & 0xFFFFFFFF) if form == "s32" else lambda value: numbers.encode(form, value)
        buffer.content[:] = b"".join(encode(value).to_bytes(size, "little") for value in flat)


LIMITS = Limits("sm_90a", 132, 0, 1 << 30)
SHAPE = (3, 24, 128)


def workload(name: str, *, fast: bool | None = None) -> Workload:
    return gemm.product("cublasLt", gemm.FORMATS[name], SHAPE, fast=fast)


def prepared(name: str, fill: Fill = "random", **options: Any) -> tuple[Any, FakeLibrary, Driver]:
    driver = Driver(options.pop("limits", LIMITS))
    fast = options.pop("fast", None)
    fake = FakeLibrary(driver, **options)
    return cublaslt.prepare(workload(name, fast=fast), driver, fill, cublaslt.Library(fake)), fake, driver


@pytest.mark.parametrize("name", gemm.FORMATS)
@pytest.mark.parametrize("fill", ["random", "zeros"])
def test_what_cublaslt_is_given_multiplies_to_the_reference(name: str, fill: Fill) -> None:
    ready, fake, driver = prepared(name, fill)
    assert ready.check() is None
    assert ready.work == 2 * 3 * 24 * 128
    assert fake.streams == {77}
    assert fake.product[cublaslt.TRANSPOSED_FIRST] == (1).to_bytes(4, "little")
    ready.close()
    assert (driver.held, fake.made) == ({}, {})


@pytest.mark.parametrize("name", gemm.FORMATS)
def test_a_wrong_product_is_named(name: str) -> None:
    ready, _, _ = prepared(name, wrong=3.0)
    said = ready.check()
    assert said is not None
    assert said.startswith("result 0 is ")


def test_types_and_scales_are_those_of_the_document() -> None:
    for name, compute, kind in [("bf16", 68, 0), ("tf32", 77, 0), ("fp32", 68, 0), ("int8", 72, 10), ("nvfp4", 68, 0)]:
        _, fake, _ = prepared(name)
        assert ["MatmulDescCreate", compute, kind] in fake.made.values()
    ready, fake, driver = prepared("mxfp8")
    ready.launch(1)
    assert fake.product[cublaslt.MODE_FIRST] == fake.product[cublaslt.MODE_SECOND] == (2).to_bytes(4, "little")
    places = [int.from_bytes(fake.product[one], "little") for one in (cublaslt.SCALE_FIRST, cublaslt.SCALE_SECOND)]
    assert [set(driver.held[place].content) for place in places] == [{127}, {127}]
    ready, fake, _ = prepared("nvfp4")
    ready.launch(1)
    assert fake.product[cublaslt.MODE_FIRST] == (1).to_bytes(4, "little")


def test_fast_accumulation_is_asked_for_where_there_is_a_choice() -> None:
    for fast in (True, False):
        ready, fake, _ = prepared("fp8_e4m3", fast=fast)
        ready.launch(1)
        assert fake.product[cublaslt.FAST_ACCUMULATION] == bytes([fast])
    ready, fake, _ = prepared("bf16")
    ready.launch(1)
    assert cublaslt.FAST_ACCUMULATION not in fake.product


def test_values_are_those_of_the_document() -> None:
    assert cublaslt.DATA_TYPES == {"f32": 0, "f16": 2, "s8": 3, "s32": 10, "bf16": 14, "e4m3": 28, "e2m1": 33}
    attributes = [
        (cublaslt.TRANSPOSED_FIRST, 3), (cublaslt.TRANSPOSED_SECOND, 4), (cublaslt.SCALE_FIRST, 17),
        (cublaslt.SCALE_SECOND, 18), (cublaslt.FAST_ACCUMULATION, 25), (cublaslt.MODE_FIRST, 31),
        (cublaslt.MODE_SECOND, 32), (cublaslt.WORKSPACE_LIMIT, 1),
    ]  # fmt: skip
    assert all(ours == theirs for ours, theirs in attributes)


@pytest.mark.parametrize(("algorithms", "words"), [(-1, "CUBLAS_STATUS_NOT_SUPPORTED"), (0, "no algorithm")])
def test_no_algorithm_is_the_library_s_refusal(algorithms: int, words: str) -> None:
    ready, fake, driver = prepared("nvfp4", algorithms=algorithms)
    assert ready == Refused("library", f"cuBLASLt 13.6.0, cublasLtMatmulAlgoGetHeuristic: {words}")
    assert (driver.held, fake.made) == ({}, {})


def test_weights_take_turns_until_l2_cannot_hold_them() -> None:
    size = 24 * 128 * 2
    ready, fake, _ = prepared("bf16", limits=LIMITS._replace(l2_bytes=size))
    ready.launch(11)
    assert len(set(fake.firsts)) == 5
    assert fake.firsts[:5] == fake.firsts[5:10]


def test_a_missing_library_is_an_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cublaslt, "find", lambda: None)
    assert cublaslt.available() is None
    assert cublaslt.prepare(workload("bf16"), Driver(LIMITS), "random") == Refused("missing", cublaslt.INSTALL)  # type: ignore[arg-type]
    monkeypatch.setattr(torch_gemm, "available", lambda: None)
    assert torch_gemm.prepare(workload("bf16"), Driver(LIMITS), "random") == Refused("missing", torch_gemm.INSTALL)  # type: ignore[arg-type]


def test_cublaslt_has_no_four_bit_weights() -> None:
    asked = gemm.weight_only("cublasLt", 1)
    driver = Driver(LIMITS)
    refused = cublaslt.prepare(asked, driver, "random", cublaslt.Library(FakeLibrary(driver)))  # type: ignore[arg-type]
    assert isinstance(refused, Refused)
    assert refused.why == "missing"


def test_workloads_are_unique_and_say_what_they_need() -> None:
    every = gemm.workloads("sm_90a", ("torch", "cublasLt"), quick=False)
    assert len({one.name for one in every}) == len(every)
    assert every[0].name == "gemm.torch.bf16.fp32.8192x8192x8192"
    squares = [one for one in every if one.shape == gemm.SQUARE]
    assert {one.format for one in squares if one.door == "cublasLt"} == set(gemm.FORMATS)
    assert {one.fast for one in squares if one.format == "fp8_e4m3"} == {True, False}
    assert {one.shape for one in every if one.door == "cublasLt"} == {gemm.SQUARE}
    decoded = [one for one in every if one.shape is not None and one.shape[1:] == gemm.DECODE and one not in squares]
    assert [(one.shape[0], one.format, one.weights) for one in decoded if one.shape] == [
        (tokens, form, weights)
        for tokens in (1, 16, 64, 256)
        for form, weights in (("bf16", None), ("fp8_e4m3", None), ("bf16", "int4_w4a16"))
    ]
    assert every[0].needed_bytes == 3 * 8192 * 8192 * 2
    quick = gemm.workloads("sm_90a", ("torch",), quick=True)
    assert len(quick) < len(every) / 2
    assert set(quick) < set(every)
    assert {one.format for one in gemm.workloads("sm_75", ("torch",), quick=False)}.isdisjoint({"tf32"})
    assert gemm.workloads("sm_90a", (), quick=False) == ()


def test_scales_lie_in_tiles_of_128_by_4() -> None:
    nv = gemm.FORMATS["nvfp4"]
    assert gemm.scale_bytes(nv, 129, 64) == 256 * 4
    assert gemm.scale_bytes(gemm.FORMATS["mxfp8"], 128, 256) == 128 * 8
    assert gemm.scale_bytes(gemm.FORMATS["bf16"], 128, 256) == 0


TORCH_ON_A_PROCESSOR = ("bf16", "fp16", "tf32", "fp32", "fp8_e4m3", "int8")


@pytest.mark.parametrize("name", TORCH_ON_A_PROCESSOR)
@pytest.mark.parametrize("fill", ["random", "zeros"])
def test_torch_multiplies_on_this_processor(name: str, fill: Fill) -> None:
    torch = pytest.importorskip("torch", reason="torch is not among what tests install")
    shape = (32, 64, 128)
    asked = gemm.product("torch", gemm.FORMATS[name], shape, fast=True if name == "fp8_e4m3" else None)
    ready = torch_gemm.prepare(asked, Driver(LIMITS), fill, torch, "cpu")  # type: ignore[arg-type]
    assert not isinstance(ready, Refused), ready
    assert ready.check() is None
    ready._result = None  # type: ignore[attr-defined]
    ready._multiply = lambda *_: torch.ones(32, 64) * 1e4  # type: ignore[attr-defined]
    assert ready.check() is not None
    ready.close()


def test_torch_multiplies_four_bit_weights_on_this_processor() -> None:
    torch = pytest.importorskip("torch", reason="torch is not among what tests install")
    asked = gemm.weight_only("torch", 4)._replace(shape=(4, 64, 256))
    ready = torch_gemm.prepare(asked, Driver(LIMITS), "random", torch, "cpu")  # type: ignore[arg-type]
    assert not isinstance(ready, Refused), ready
    assert ready.check() is None


@pytest.mark.parametrize("name", ["nvfp4", "mxfp8"])
def test_torch_refuses_in_its_own_words(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not among what tests install")
    asked = gemm.product("torch", gemm.FORMATS[name], (128, 128, 128))
    refused = torch_gemm.prepare(asked, Driver(LIMITS), "random", torch, "cpu")  # type: ignore[arg-type]
    if isinstance(refused, Refused):
        assert refused.why == "library"
        assert refused.words.startswith(f"torch {torch.__version__}: ")
    else:
        assert refused.check() is None
