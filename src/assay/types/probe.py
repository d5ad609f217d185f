"""What a probe runs on a card and what came of it: workloads, kernels, refusals, samples, identity."""

from typing import Literal, NamedTuple

from assay.types.gpu import PciId

WorkKind = Literal["micro", "gemm", "memory", "copy"]
Fill = Literal["random", "zeros"]
Language = Literal["cuda", "ptx"]
RateUnit = Literal["FLOP/s", "OP/s", "B/s"]
Why = Literal["no_instruction", "library", "memory", "missing", "tool", "time", "lost"]
"""Why a workload does not run: the target lacks the instruction; a library declines; too little memory is free;
something it needs is not installed; a tool failed or its answer is not understood; the time was spent on others; the
card was lost before."""
Trouble = Literal["busy", "permission", "driver", "nvml", "memory", "lost", "other"]
"""What ends a probe: the card works for others, access is refused, the driver is too old or absent, NVML is absent,
memory ran out, the card fell off the bus, anything else."""


class Workload(NamedTuple):
    """One thing to run and to time.

    Attributes:
        name: unique (`micro.mma.sync.m16n8k16.bf16.fp32`, `gemm.fp8_e4m3.fp32.8192x8192x8192`, `memory.copy`).
        kind: `micro` multiplies in registers; `gemm` asks a library; `memory` moves within the card, `copy` beyond it.
        door: the instruction or library asked: `mma.sync`, `wgmma`, `cublasLt`, `torch`, `numpy`, `cuda`.
        unit: of the rate; `OP/s` for integers.
        format: number-format id of the operands; None for memory.
        accumulate: number-format id of the accumulator, or None.
        scaling: `` for none, `tensor` for one scale each, `mx` for E8M0 by 32, `nv` for E4M3 by 16.
        shape: (M, N, K) of a library's product, or None.
        fast: whether reduced-precision accumulation is asked for, or None where there is no such choice.
        needed_bytes: device memory that it takes.
        weights: weight-format id where weights are stored narrower than `format`; None where they are not.
    """

    name: str
    kind: WorkKind
    door: str
    unit: RateUnit
    format: str | None = None
    accumulate: str | None = None
    scaling: str = ""
    shape: tuple[int, int, int] | None = None
    fast: bool | None = None
    needed_bytes: int = 0
    weights: str | None = None


class Array(NamedTuple):
    """A kernel's argument in device memory: its length in B, what it is filled with, whether the kernel writes it."""

    bytes: int
    fill: Fill = "random"
    written: bool = False


class Scalar(NamedTuple):
    """An integer argument of 32 or 64 bits."""

    value: int
    bits: Literal[32, 64] = 32


class Kernel(NamedTuple):
    """A kernel to compile and to launch.

    Attributes:
        workload: what it measures.
        language, source, entry: what to compile, and the function's name (`extern "C"`).
        target: instruction set to compile for (`sm_120a`).
        grid, block: blocks and threads a block, one dimension each.
        arguments: in the order of the function's parameters.
        iterations: which argument is the number of iterations of its loop, or None; its value there is a start, the
            runner raises it until a launch is long enough.
        work: operations (a multiply-add is two) or B of one launch; of one iteration where `iterations` is a place.
        shared_bytes: dynamic shared memory of a block.
    """

    workload: Workload
    language: Language
    source: str
    entry: str
    target: str
    grid: int
    block: int
    arguments: tuple[Array | Scalar, ...]
    work: float
    iterations: int | None = None
    shared_bytes: int = 0


class Refused(NamedTuple):
    """A workload does not run: why, and the words of whoever refused."""

    why: Why
    words: str


class Limits(NamedTuple):
    """What shapes a launch: multiprocessors, L2 in B, memory that may be taken in B, shared memory a block in B."""

    isa: str
    multiprocessors: int
    l2_bytes: int
    free_bytes: int
    shared_bytes: int = 48 * 1024


class Sample(NamedTuple):
    """A look at the card while it works; `at` in s of the device's clock, `power_w` instant where it can be had."""

    at: float
    clock_hz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    throttle: tuple[str, ...] = ()


class Process(NamedTuple):
    """A process that holds memory of the card; None where the driver does not say how much."""

    pid: int
    name: str | None
    memory_bytes: int | None


class Identity(NamedTuple):
    """What a card says of itself, read once before anything runs. None where nothing says it; `missing` says why.

    Clocks in Hz, power in W, memory in B, links by generation and width, ECC and MIG as switched on now.
    """

    name: str | None
    kind: Literal["gpu", "cpu"] = "gpu"
    pci: PciId | None = None
    bus_address: str | None = None
    uuid: str | None = None
    driver: str | None = None
    cuda: str | None = None
    vbios: str | None = None
    capability: tuple[int, int] | None = None
    multiprocessors: int | None = None
    l2_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    ecc: bool | None = None
    mig: bool | None = None
    power_limit_w: float | None = None
    power_default_w: float | None = None
    power_min_w: float | None = None
    power_max_w: float | None = None
    clock_hz: float | None = None
    clock_max_hz: float | None = None
    memory_clock_hz: float | None = None
    memory_clock_max_hz: float | None = None
    temperature_c: float | None = None
    throttle: tuple[str, ...] = ()
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    nvlinks: int | None = None
    utilization_percent: int | None = None
    processes: tuple[Process, ...] = ()
    libraries: tuple[tuple[str, str], ...] = ()
    torch_capability: tuple[int, int] | None = None
    missing: tuple[tuple[str, str], ...] = ()


class Window(NamedTuple):
    """One stretch of equal launches.

    Attributes:
        seconds: of one launch.
        clock_hz: lowest clock sampled in it, or None.
        power_w: mean of the instant power sampled in it, or None.
        throttle: reasons for lower clocks seen in it.
    """

    seconds: float
    clock_hz: float | None = None
    power_w: float | None = None
    throttle: tuple[str, ...] = ()


class Regime(NamedTuple):
    """A rate in one way of working: boost (short, rested) or sustained (until nothing changes any more).

    Attributes:
        rate: in the workload's unit.
        low, high: of the slowest and the fastest window that counts.
        windows: how many count.
        spread: (longest - shortest) / median of their launches.
        clock_hz, power_w: median over them, or None.
        steady: whether the second half was as fast as the first; None where that is not asked.
        throttle: reasons for lower clocks seen.
    """

    rate: float
    low: float
    high: float
    windows: int
    spread: float
    clock_hz: float | None = None
    power_w: float | None = None
    steady: bool | None = None
    throttle: tuple[str, ...] = ()


class Measurement(NamedTuple):
    """What came of one workload: rates, or why there are none.

    Attributes:
        workload: what was asked.
        boost, sustained: rates; None where refused, wrong, or not reached.
        refused: why it did not run.
        wrong: in words, what its result missed; its rate counts for nothing then.
    """

    workload: Workload
    boost: Regime | None = None
    sustained: Regime | None = None
    refused: Refused | None = None
    wrong: str | None = None

    @property
    def best(self) -> Regime | None:
        """The faster of both regimes, None where nothing was measured or the result was wrong."""
        found = [one for one in (self.boost, self.sustained) if one is not None]
        return None if self.wrong is not None or not found else max(found, key=lambda one: one.rate)


class Run(NamedTuple):
    """A whole probe of one device.

    Attributes:
        identity: what the device said of itself before.
        free_bytes, total_bytes: its memory before.
        fill: what operands were filled with.
        budget_s: time that was given.
        measurements: in the order of the device's workloads.
        trouble: (which, its words) that ended it early, or None.
        synthetic: whether it replays figures that nobody measured.
        made: date of the run (ISO 8601).
    """

    identity: Identity
    free_bytes: int
    total_bytes: int
    fill: Fill
    budget_s: float
    measurements: tuple[Measurement, ...]
    trouble: tuple[Trouble, str] | None = None
    synthetic: bool = False
    made: str = ""
