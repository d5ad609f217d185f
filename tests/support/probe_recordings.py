"""Recordings of probes that nobody made: every figure here is invented, and every file says so (`synthetic`).

python tests/support/probe_recordings.py FOLDER   writes them, to be looked at with `assay probe --replay`
"""

import sys
from pathlib import Path

from assay.observe.device.probe.recording import Batch, Entry, Met, Recording, to_text
from assay.types.gpu import PciId
from assay.types.probe import Identity, Process, Refused, Sample, Trouble, Workload

TERA, GIB = 1e12, 2**30
CLOCK_HZ = 2.4e9
NOTE = "synthetic: made up for a test, measured by nobody"
CARD = Identity(
    name="NVIDIA GeForce RTX 5090",
    pci=PciId("10de:2b85", "10de:2057", "a1"),
    bus_address="00000000:01:00.0",
    uuid="GPU-00000000-0000-0000-0000-000000000000",
    driver="590.44",
    cuda="13.1",
    capability=(12, 0),
    multiprocessors=170,
    l2_bytes=96 * 2**20,
    memory_total_bytes=32_607 * 2**20,
    memory_used_bytes=400 * 2**20,
    power_limit_w=575.0,
    power_default_w=575.0,
    clock_hz=180e6,
    clock_max_hz=3.09e9,
    pcie_generation=1,
    pcie_generation_max=5,
    pcie_width=16,
    pcie_width_max=16,
    utilization_percent=0,
)


def micro(form: str, accumulate: str, scaling: str = "", door: str = "mma.sync") -> Workload:
    unit = "OP/s" if form.startswith("int") else "FLOP/s"
    return Workload(f"micro.{door}.{form}.{accumulate}{scaling}", "micro", door, unit, form, accumulate, scaling)  # type: ignore[arg-type]


def gemm(form: str, rows: int = 8192, weights: str | None = None, door: str = "torch") -> Workload:
    name = f"gemm.{form}.{weights or 'plain'}.{rows}"
    return Workload(name, "gemm", door, "FLOP/s", form, "fp32", shape=(rows, 8192, 8192), weights=weights)


def memory(what: str) -> Workload:
    return Workload(f"memory.{what}", "memory", "cuda", "B/s", needed_bytes=4 * GIB)


def entry(workload: Workload, rate: float, sustained: float = 0.9, began: float = 0.0, batches: int = 40) -> Entry:
    """Two batches that calibrate, eight bursts at `rate`, the rest at `sustained` of it; one launch is 1 ms."""
    found, samples, now = [], [], began
    for place in range(batches):
        share = 1.0 if place < 10 else sustained
        seconds = 0.05 / share
        now += seconds + 0.01
        found.append(Batch(50, seconds, now))
        samples.append(Sample(now - seconds / 2, CLOCK_HZ * share, 500.0))
    return Entry(workload, began, work=rate * 1e-3, batches=tuple(found), samples=tuple(samples))


def recording(
    entries: tuple[Entry, ...],
    identity: Identity | None = CARD,
    troubles: tuple[Met, ...] = (),
    more: tuple[Workload, ...] = (),
) -> Recording:
    return Recording(
        synthetic=True, made="2026-01-01T00:00:00+00:00", assay_version="0", budget_s=360.0, fill="random",
        force=False, identity=identity, memory=(31 * GIB, 32 * GIB),
        workloads=(*(one.workload for one in entries), *more), entries=entries, troubles=troubles, note=NOTE,
    )  # fmt: skip


def refused(workload: Workload, why: str, words: str) -> Entry:
    return Entry(workload, 0.0, refused=Refused(why, words))  # type: ignore[arg-type]


RATES = (
    (micro("fp16", "fp32"), 209.5), (micro("fp16", "fp16"), 419.0), (micro("bf16", "fp32"), 209.5),
    (micro("tf32", "fp32"), 104.8), (micro("int8", "int32"), 838.0), (micro("int4", "int32"), 79.0),
    (micro("fp8_e4m3", "fp32"), 419.0), (micro("fp8_e4m3", "fp16"), 838.0), (micro("fp4_e2m1", "fp32"), 419.0),
    (micro("nvfp4", "fp32", "nv"), 1676.0), (micro("mxfp4", "fp32", "mx"), 1676.0),
    (gemm("bf16"), 230.0), (gemm("fp8_e4m3"), 400.0),
    (gemm("bf16", 1), 1.6), (gemm("bf16", 16), 25.0), (gemm("bf16", 256), 200.0),
    (gemm("bf16", 1, "awq_int4"), 5.5), (gemm("bf16", 16, "awq_int4"), 60.0), (gemm("bf16", 256, "awq_int4"), 150.0),
)  # fmt: skip
"""TFLOP/s that a card as the data sheet has it might show; invented."""


def good() -> Recording:
    entries = [entry(memory("read"), 1.65e12), entry(memory("copy"), 1.6e12), entry(memory("triad"), 1.58e12)]
    entries += [entry(workload, 0.93 * rate * TERA) for workload, rate in RATES]
    entries.append(refused(micro("fp64", "fp64"), "tool", "nvrtc: unknown error"))
    entries.append(refused(gemm("mxfp8"), "library", "CUBLAS_STATUS_NOT_SUPPORTED"))
    now, spread = 0.0, []
    for one in entries:
        shift = now
        spread.append(
            one._replace(
                began_at=shift,
                batches=tuple(batch._replace(ended_at=batch.ended_at + shift) for batch in one.batches),
                samples=tuple(sample._replace(at=sample.at + shift) for sample in one.samples),
            )
        )
        now = max([shift, *(batch.ended_at for batch in spread[-1].batches)]) + 0.1
    return recording(tuple(spread), more=(micro("int1", "int32"),))._replace(budget_s=720.0)


def capped() -> Recording:
    """The same card with the rates of its restricted sibling under its name."""
    whole = good()
    slow = tuple(one._replace(work=one.work * 0.5) if one.workload.kind == "micro" else one for one in whole.entries)
    return whole._replace(entries=slow)


def troubled(trouble: Trouble, words: str) -> Recording:
    """A card that answers nothing."""
    return recording((), None, (Met("identity", 0, trouble, words),))


def busy() -> Recording:
    identity = CARD._replace(utilization_percent=97, processes=(Process(4711, "python", 20 * GIB),))
    return good()._replace(identity=identity)


def lost() -> Recording:
    """The card falls off the bus while the fifth workload is timed."""
    whole = good()
    name = whole.entries[4].workload.name
    return whole._replace(
        entries=(*whole.entries[:4], whole.entries[4]._replace(batches=whole.entries[4].batches[:6])),
        troubles=(Met(name, 6, "lost", "CUDA_ERROR_DEVICE_UNAVAILABLE: GPU is lost"),),
    )


ALL = {"good": good, "capped": capped, "busy": busy, "lost": lost}


if __name__ == "__main__":
    for name, made in ALL.items():
        (Path(sys.argv[1]) / f"{name}.synthetic.json").write_text(to_text(made()), encoding="utf-8")
