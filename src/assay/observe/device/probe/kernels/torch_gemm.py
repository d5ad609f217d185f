"""Products through torch, where it is installed: what people run, with the words of its refusals.

torch has no stub here and is imported only when a product is asked for. The formats that it multiplies on a processor
were run there; none was ever run on a card here.
"""

import importlib
import importlib.util
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from assay.observe.device.probe.device import DeviceTrouble, Driver, Ready
from assay.observe.device.probe.kernels import gemm, numbers
from assay.observe.device.probe.kernels.gemm import GROUP, Proof
from assay.types.probe import Fill, Refused, Workload

INSTALL = "pip install torch"
INNER_TILES = 8
"""Tiles along the depth that torch's packed four-bit weights hold together on a card; its processors take 2."""
PROCESSOR_TILES = 2
MIDDLE = 8
"""The code of four bits that stands for zero."""


class Weights(NamedTuple):
    """Weights as a product takes them, and as numbers that a check reads: the first rows, in 64 bits."""

    held: Any
    scales: Any
    some: Any


def available() -> str | None:
    """The version of torch, or None where it is not installed or does not load."""
    if importlib.util.find_spec("torch") is None:
        return None
    try:
        return str(importlib.import_module("torch").__version__)
    except (ImportError, OSError):
        return None


class _Maker:
    """Draws tensors on one device."""

    def __init__(self, torch: Any, device: str, fill: Fill) -> None:
        self.torch = torch
        self.device = device
        self.fill = fill
        self._dice = torch.Generator(device=device).manual_seed(1)

    def normal(self, rows: int, depth: int) -> Any:
        """A matrix of normally distributed values in BF16, or zeros."""
        torch = self.torch
        made = torch.zeros(rows, depth, device=self.device, dtype=torch.bfloat16)
        return made if self.fill == "zeros" else made.normal_(generator=self._dice)

    def spread(self, rows: int, depth: int, low: int, high: int, dtype: Any) -> Any:
        """A matrix of integers from `low` to `high` - 1, or zeros."""
        torch = self.torch
        if self.fill == "zeros":
            return torch.zeros(rows, depth, device=self.device, dtype=dtype)
        return torch.randint(low, high, (rows, depth), device=self.device, dtype=dtype, generator=self._dice)

    def factor(self, form: gemm.Format, rows: int, depth: int) -> tuple[Any, Any]:
        """(a factor in its format, its first rows as numbers)."""
        torch = self.torch
        if form.name == "int8":
            made = self.spread(rows, depth, -127, 128, torch.int8)
            return made, made[: gemm.PROVED].double()
        if form.name == "nvfp4":
            made = self.spread(rows, depth // 2, 0, 256, torch.uint8)
            table = torch.tensor(VALUES_OF_E2M1, dtype=torch.float64, device=self.device)
            some = made[: gemm.PROVED].long()
            values = torch.stack((table[some & 15], table[some >> 4]), -1).flatten(1)
            return made.view(torch.float4_e2m1fn_x2), values
        dtype = {
            "bf16": torch.bfloat16, "fp16": torch.float16, "tf32": torch.float32, "fp32": torch.float32,
        }.get(form.name, torch.float8_e4m3fn)  # fmt: skip
        made = self.normal(rows, depth).to(dtype)
        return made, made[: gemm.PROVED].double()

    def scale(self, form: gemm.Format, rows: int, depth: int) -> Any:
        """A factor's scales, all of them one; in tiles they look the same in any order."""
        torch = self.torch
        if not form.block:
            return torch.ones((), device=self.device)
        kind = torch.float8_e8m0fnu if form.scale == "ue8m0" else torch.float8_e4m3fn
        return torch.ones(gemm.scale_bytes(form, rows, depth), device=self.device).to(kind)


VALUES_OF_E2M1 = tuple(numbers.decode("e2m1", code) for code in range(16))


def _plain(maker: _Maker, form: gemm.Format) -> Callable[[Any, Weights], Any]:
    """X W^T of a format with torch's own product; TF32 is a setting of torch that is put back."""
    torch = maker.torch
    if form.name not in ("fp32", "tf32"):
        return lambda tokens, weights: torch.matmul(tokens, weights.held.t())
    setting = torch.backends.cuda.matmul

    def multiplied(tokens: Any, weights: Weights) -> Any:
        before = setting.allow_tf32
        setting.allow_tf32 = form.name == "tf32"
        try:
            return torch.matmul(tokens, weights.held.t())
        finally:
            setting.allow_tf32 = before

    return multiplied


def _product(
    maker: _Maker, workload: Workload, form: gemm.Format, shape: tuple[int, int, int]
) -> Callable[[Any, Weights], Any]:
    """The function that multiplies a format."""
    torch = maker.torch
    if workload.weights is not None:
        return _four_bits(maker)
    if form.name == "int8":
        return lambda tokens, weights: torch._int_mm(tokens, weights.held.t())  # noqa: SLF001 - torch has no other
    if form.scaling:
        rows, _, depth = shape
        scale = maker.scale(form, rows, depth)
        fast = bool(workload.fast)
        return lambda tokens, weights: torch._scaled_mm(  # noqa: SLF001 - as in every inference engine
            tokens, weights.held.t(), scale, weights.scales, out_dtype=torch.bfloat16, use_fast_accum=fast
        )
    return _plain(maker, form)


def _four_bits(maker: _Maker) -> Callable[[Any, Weights], Any]:
    """The product that torch has of BF16 with weights of four bits, grouped along the depth."""
    operators = maker.torch.ops.aten
    multiply = operators._weight_int4pack_mm if maker.device == "cuda" else operators._weight_int4pack_mm_for_cpu  # noqa: SLF001 - no other name
    return lambda tokens, weights: multiply(tokens, weights.held, GROUP, weights.scales)


def _four_bit_weights(maker: _Maker, columns: int, depth: int) -> Weights:
    """Weights of four bits, their scales such that values look like a model's: (code - 8) x scale, by groups."""
    torch, operators = maker.torch, maker.torch.ops.aten
    codes = maker.spread(columns, depth, 0, 16, torch.int32)
    scale = torch.full((depth // GROUP, columns, 2), 0.25, device=maker.device, dtype=torch.bfloat16)
    scale[..., 1] = 0.0
    if maker.device == "cuda":
        paired = (codes[:, ::2] << 4 | codes[:, 1::2]).to(torch.uint8)
        held = operators._convert_weight_to_int4pack(paired, INNER_TILES)  # noqa: SLF001 - no other name
    else:
        held = operators._convert_weight_to_int4pack_for_cpu(codes, PROCESSOR_TILES)  # noqa: SLF001 - same
    return Weights(held, scale, (codes[: gemm.PROVED].double() - MIDDLE) * 0.25)


class Product:
    """A product that is allocated and filled; see `Ready`."""

    def __init__(self, torch: Any, driver: Driver, workload: Workload, fill: Fill, device: str) -> None:
        if workload.shape is None or workload.format is None:
            raise ValueError(workload.name)
        self._torch = torch
        self._device = device
        self._shape = workload.shape
        self._form = gemm.FORMATS[workload.format]
        self._stream = torch.cuda.ExternalStream(driver.stream) if device == "cuda" else None
        self._turn = 0
        with self._enqueued():
            maker = _Maker(torch, device, fill)
            rows, _, depth = self._shape
            self._tokens, self._row = maker.factor(self._form, rows, depth)
            self._weights = tuple(self._made(maker, workload) for _ in range(self._copies(driver)))
            self._multiply = _product(maker, workload, self._form, self._shape)
            self._result = self._multiply(self._tokens, self._weights[0])
            if device == "cuda":
                torch.cuda.synchronize()  # a refusal that comes late belongs here

    @property
    def work(self) -> float:
        """Operations of one product."""
        rows, columns, depth = self._shape
        return 2.0 * rows * columns * depth

    def _copies(self, driver: Driver) -> int:
        """Weights take turns until together they are four times L2, so that decoding reads memory."""
        _, columns, depth = self._shape
        size = gemm.bytes_of(self._form, columns, depth)
        spare = driver.limits.free_bytes - gemm.needed_bytes(self._form, self._shape)
        return 1 + max(0, min(4 * driver.limits.l2_bytes // size, spare // (2 * size)))

    def _made(self, maker: _Maker, workload: Workload) -> Weights:
        _, columns, depth = self._shape
        if workload.weights is not None:
            return _four_bit_weights(maker, columns, depth)
        held, some = maker.factor(self._form, columns, depth)
        return Weights(held, maker.scale(self._form, columns, depth), some)

    def _enqueued(self) -> Any:
        """A context in which torch works on the driver's stream."""
        return self._torch.cuda.stream(self._stream)

    def launch(self, count: int) -> None:
        """Enqueue so many products.

        Raises:
            DeviceTrouble: torch reports an error of the card.
        """
        try:
            with self._enqueued():
                for _ in range(count):
                    self._result = self._multiply(self._tokens, self._weights[self._turn % len(self._weights)])
                    self._turn += 1
        except RuntimeError as error:
            raise _trouble(self._torch, error) from error

    def check(self) -> str | None:
        """Whether some results are right, computed again in 64 bits on the processor."""
        self._turn = 0
        self.launch(1)
        found = self._result[0, : gemm.PROVED].double().cpu().tolist()
        right = (self._row[:1].cpu() @ self._weights[0].some.cpu().t())[0].tolist()
        _, _, depth = self._shape
        exact = self._form.result == "s32"
        return gemm.compared(Proof(tuple(right), 0.0 if exact else 0.03 * math.sqrt(depth)), found)

    def close(self) -> None:
        """Give the memory back, to the driver too: torch would keep it for itself."""
        del self._tokens, self._weights, self._result, self._row, self._multiply
        if self._device == "cuda":
            self._torch.cuda.empty_cache()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _trouble(torch: Any, error: BaseException) -> DeviceTrouble:
    """An error of the card, told from one of memory."""
    out_of_memory = isinstance(error, torch.cuda.OutOfMemoryError)
    return DeviceTrouble("memory" if out_of_memory else "other", _first_line(error))


REFUSALS: Sequence[type[BaseException]] = (RuntimeError, NotImplementedError, ValueError, TypeError, AttributeError)
"""How torch says that it lacks a product; running out of memory is a RuntimeError too, and told apart."""


def prepare(workload: Workload, driver: Driver, fill: Fill, torch: Any = None, device: str = "cuda") -> Ready | Refused:
    """A product through torch, or its refusal in its words, which is never the hardware's.

    Args:
        workload: of `gemm.workloads`.
        driver: of the card.
        fill: of the factors.
        torch: the module, or None to import it.
        device: `cuda`, or `cpu` for what torch multiplies on a processor.

    Raises:
        DeviceTrouble: the card has too little memory.
    """
    if torch is None:
        if available() is None:
            return Refused("missing", INSTALL)
        torch = importlib.import_module("torch")
    try:
        return Product(torch, driver, workload, fill, device)
    except tuple(REFUSALS) as error:
        if isinstance(error, torch.cuda.OutOfMemoryError):
            raise _trouble(torch, error) from error
        return Refused("library", f"torch {torch.__version__}: {_first_line(error)}")
