"""The seam of a probe: what measures sees a `Device`, what runs on a card sees its `Driver`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from assay.types.probe import Fill, Identity, Kernel, Language, Limits, Refused, Sample, Trouble, Workload


class DeviceTrouble(Exception):
    """Something that the card or its driver refuses: which of the known troubles, and the words it used."""

    def __init__(self, trouble: Trouble, words: str) -> None:
        super().__init__(trouble, words)
        self.trouble = trouble
        self.words = words


class Buffer(Protocol):
    """Device memory: its address for kernels and libraries, its length in B."""

    @property
    def address(self) -> int:
        """Address in the device's memory."""

    @property
    def bytes(self) -> int:
        """Length in B."""


class Ready(Protocol):
    """A workload that is compiled, allocated and filled."""

    @property
    def work(self) -> float:
        """Operations or B of one launch."""

    def launch(self, count: int) -> None:
        """Enqueue so many launches on the driver's stream; does not wait.

        Raises:
            DeviceTrouble: the card refuses.
        """

    def check(self) -> str | None:
        """After a launch: None if the result is right, else in words what is wrong.

        Raises:
            DeviceTrouble: the card refuses.
        """

    def close(self) -> None:
        """Give the memory back."""


class Driver(Protocol):
    """A card as kernels and libraries use it: memory, code, one stream. Every method raises `DeviceTrouble`."""

    @property
    def limits(self) -> Limits:
        """What shapes a launch."""

    @property
    def stream(self) -> int:
        """Handle of the stream (`cudaStream_t` as an integer) on which everything is enqueued and timed."""

    def allocate(self, count_bytes: int) -> Buffer:
        """Device memory, not filled."""

    def write(self, buffer: Buffer, content: bytes) -> None:
        """Copy to the start of a buffer and wait."""

    def fill(self, buffer: Buffer, fill: Fill, seed: int = 0) -> None:
        """Zeros, or random bytes that are the same for the same seed; operands that must be numbers: see `tile`."""

    def tile(self, buffer: Buffer, pattern: bytes) -> None:
        """Repeat a pattern over the whole buffer (cut at its end) and wait."""

    def read(self, buffer: Buffer, count_bytes: int) -> bytes:
        """Wait, then copy the start of a buffer to the host."""

    def release(self, buffer: Buffer) -> None:
        """Give memory back."""

    def compile(self, source: str, language: Language, target: str, entry: str) -> Any | Refused:
        """A handle for `launch`, or the compiler's refusal in its words."""

    def launch(self, handle: Any, grid: int, block: int, arguments: Sequence[Any], shared_bytes: int = 0) -> None:
        """Enqueue one launch; arguments are buffers and `Scalar`s."""

    def synchronize(self) -> None:
        """Wait until all that is enqueued is done."""


Preparer = Callable[[Workload, Driver, Fill], "Ready | Refused"]
"""A library's way from a workload to something that runs: `cublaslt.prepare`, `torch_gemm.prepare`."""
Checker = Callable[[Kernel, Sequence[bytes]], "str | None"]
"""Judges what a kernel wrote, given the first bytes of each written array in order."""


class Device(Protocol):
    """A card, a processor or a recording as the measuring code sees it. Every method raises `DeviceTrouble`."""

    def identity(self) -> Identity:
        """What it says of itself."""

    def memory(self) -> tuple[int, int]:
        """(free, total) memory in B."""

    def workloads(self) -> tuple[Workload, ...]:
        """What it can be asked, in the order of interest."""

    def prepare(self, workload: Workload, fill: Fill) -> Ready | Refused:
        """Compile, allocate, fill."""

    def time(self, ready: Ready, count: int, *, flush: bool = False) -> float:
        """Seconds that so many launches took, by events on the device; `flush` drives L2 out before."""

    def now(self) -> float:
        """Seconds of a clock that never runs back; a recording has its own."""

    def rest(self, seconds: float) -> None:
        """Leave the device idle for so long."""

    def sampling(self) -> AbstractContextManager[list[Sample]]:
        """Collect samples of clock and power while the context lasts."""

    def close(self) -> None:
        """Give everything back."""
