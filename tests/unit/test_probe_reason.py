"""The pure part of a probe: statistics, the division of time, verdicts, claims, findings, comparison."""

import pytest
from probe_recordings import CARD, gemm, memory, micro

from assay.knowledge.catalog.gpus import gpu
from assay.reason.probe import claims, statistics, verdict
from assay.reason.probe.attained import attained, crossings
from assay.reason.probe.compare import compared
from assay.reason.probe.findings import driver_ptx, findings
from assay.reason.probe.plan import LEAST_S, MOST_S, divide, schedule
from assay.types.gpu import PciId
from assay.types.probe import Measurement, Refused, Regime, Run, Sample, Window, Workload


def windows(*seconds: float, clock: float | None = None) -> list[Window]:
    return [Window(one, clock) for one in seconds]


def regime(rate: float, spread: float = 0.0) -> Regime:
    return Regime(rate, rate, rate, 8, spread)


def measured(workload: Workload, rate: float, sustained: float | None = None) -> Measurement:
    return Measurement(workload, regime(rate), regime(sustained or rate))


def test_boost_is_the_median_of_the_five_fastest() -> None:
    found = statistics.boost(windows(1.0, 1.1, 1.2, 1.3, 1.4, 9.0, 9.0, 0.9), 12.0)
    assert found is not None
    assert found.rate == 12.0 / 1.1  # 0.9 1.0 1.1 1.2 1.3
    assert (found.windows, found.high) == (5, 12.0 / 0.9)


def test_a_burst_whose_clock_fell_is_no_boost() -> None:
    kept = windows(1.0, 1.0, 1.0, clock=2e9)
    fallen = windows(0.5, 0.5, 0.5, clock=1.9e9)  # below 0.97 of the highest
    found = statistics.boost([*kept, *fallen], 1.0)
    assert found is not None
    assert (found.rate, found.clock_hz, found.windows) == (1.0, 2e9, 3)


def test_sustained_is_all_work_over_all_time() -> None:
    found = statistics.sustained(windows(1.0, 1.0, 3.0, 3.0), 4.0)
    assert found is not None
    assert found.rate == 2.0
    assert found.steady is False


def test_steady_asks_for_the_second_half_and_the_spread() -> None:
    assert statistics.is_steady(windows(1.0, 1.0, 1.005, 1.005))
    assert not statistics.is_steady(windows(1.0, 1.0, 1.02, 1.02))  # slows down
    assert not statistics.is_steady(windows(1.0, 1.2, 1.0, 1.2))  # jumps
    assert not statistics.is_steady(windows(1.0))
    assert statistics.settled(windows(5.0, 1.0, 1.0, 1.0, 1.0))
    assert not statistics.settled(windows(1.0, 1.0, 1.0))


def test_a_window_takes_the_samples_that_lie_in_it() -> None:
    samples = [
        Sample(0.5, 9e9, 900.0), Sample(1.5, 2e9, 400.0, throttle=("power",)), Sample(2.0, 1e9, 600.0),
        Sample(2.5, 5e9),
    ]  # fmt: skip
    found = statistics.window(1.0, 4, samples, ended_at=2.0)
    assert found == Window(0.25, 1e9, 500.0, ("power",))


def test_time_is_divided_in_full_and_never_exceeded() -> None:
    workloads = [gemm("bf16", rows) for rows in range(1, 40)]
    for budget in (90.0, 360.0, 20.0, 5.0):
        shares = divide(workloads, budget)
        given = [one.seconds for one in shares if one.seconds is not None]
        assert sum(given) <= budget
        assert all(LEAST_S <= one <= MOST_S for one in given)
        assert [one.workload for one in shares] == workloads
        assert all(schedule(one).seconds <= one * 1.0001 for one in given)
    assert divide(workloads, 5.0)[-1].seconds is None
    assert divide(workloads, 5.0)[0].seconds is not None


def test_a_larger_weight_gets_more_time() -> None:
    shares = divide([gemm("bf16"), micro("bf16", "fp32"), gemm("bf16", 1)], 10.0)
    product, instruction, decode = (one.seconds or 0.0 for one in shares)
    assert product > instruction > decode


def cells_of(
    *found: Measurement, proofs: dict[tuple[str, str], verdict.Proof] | None = None
) -> dict[str, verdict.Cell]:
    return {cell.workload.name: cell for cell in verdict.cells(found, proofs or {})}


INT8, INT4 = micro("int8", "int32"), micro("int4", "int32")


def test_int4_below_int8_is_emulated() -> None:
    found = cells_of(measured(INT8, 741e12), measured(INT4, 79e12))
    assert found[INT4.name].verdict == "emulated"
    assert found[INT4.name].wider == "int8"
    assert found[INT8.name].verdict == "native"


@pytest.mark.parametrize(("gain", "said"), [(1.19, "emulated"), (1.21, "native")])
def test_the_limit_of_emulation(gain: float, said: str) -> None:
    assert cells_of(measured(INT8, 100.0), measured(INT4, 100.0 * gain))[INT4.name].verdict == said


@pytest.mark.parametrize(
    ("gain", "proof", "said", "no_faster"),
    [(1.0, "native", "native", True), (1.0, "emulated", "emulated", False), (0.7, "native", "emulated", False),
     (1.0, "unknown", "emulated", False), (2.0, "native", "native", False)],
)  # fmt: skip
def test_an_instruction_of_its_own_at_the_wider_rate(
    gain: float, proof: verdict.Proof, said: str, *, no_faster: bool
) -> None:
    plain = micro("fp4_e2m1", "fp32")
    found = cells_of(
        measured(micro("fp8_e4m3", "fp32"), 100.0),
        measured(plain, 100.0 * gain),
        proofs={("fp4_e2m1", "mma.sync"): proof},
    )
    assert (found[plain.name].verdict, found[plain.name].no_faster) == (said, no_faster)


def test_an_emulated_format_is_no_yardstick() -> None:
    fp8, fp4 = micro("fp8_e4m3", "fp32"), micro("fp4_e2m1", "fp32")
    found = cells_of(measured(micro("bf16", "fp32"), 100.0), measured(fp8, 50.0), measured(fp4, 70.0))
    assert found[fp8.name].verdict == "emulated"
    assert (found[fp4.name].verdict, found[fp4.name].wider) == ("emulated", "bf16")


def test_accumulators_are_compared_with_their_like() -> None:
    fp8 = micro("fp8_e4m3", "fp32")
    found = cells_of(
        measured(micro("fp16", "fp16"), 400.0), measured(micro("fp16", "fp32"), 200.0), measured(fp8, 400.0)
    )
    assert (found[fp8.name].gain, found[fp8.name].verdict) == (2.0, "native")


def test_refusals_stay_what_they_are() -> None:
    found = cells_of(
        Measurement(micro("nvfp4", "fp32"), refused=Refused("no_instruction", "not supported on .target")),
        Measurement(gemm("nvfp4"), refused=Refused("library", "CUBLAS_STATUS_NOT_SUPPORTED")),
        Measurement(micro("fp64", "fp64"), refused=Refused("time", "")),
        Measurement(INT8, regime(1e15), wrong="element 7"),
    )
    verdicts = {cell.workload.format: cell.verdict for cell in found.values() if cell.workload.kind == "micro"}
    assert verdicts == {"nvfp4": "absent", "fp64": "not_tried", "int8": "not_tried"}
    assert found[gemm("nvfp4").name].verdict == "refused"
    assert found[INT8.name].words == "element 7"
    assert verdict.of_formats(found.values())["nvfp4"].verdict == "refused"


def test_a_format_speaks_through_its_best_door() -> None:
    found = cells_of(
        measured(micro("bf16", "fp32"), 100.0), measured(micro("fp8_e4m3", "fp32"), 60.0),
        measured(micro("bf16", "fp32", door="wgmma"), 160.0), measured(micro("fp8_e4m3", "fp32", door="wgmma"), 320.0),
    )  # fmt: skip
    assert found[micro("fp8_e4m3", "fp32").name].verdict == "emulated"
    best = verdict.of_formats(found.values())["fp8_e4m3"]
    assert (best.verdict, best.workload.door) == ("native", "wgmma")


def test_products_of_few_rows_say_nothing_of_an_instruction() -> None:
    assert not cells_of(measured(gemm("bf16", 1), 1.0))


@pytest.mark.parametrize(("share", "said"), [(0.81, "holds"), (0.79, "short"), (0.54, "fails"), (None, "unknown")])
def test_what_a_share_of_the_sheet_says(share: float | None, said: str) -> None:
    assert claims.held(share, claims.LIBRARY) == said


def test_an_instruction_is_held_to_more_than_a_library() -> None:
    sheet = gpu("geforce-rtx-5090").bandwidth
    value = 0.7 * (sheet.value or 0)
    loop = claims.claim(("int8", "int32"), sheet, None, [measured(INT8, value)])
    product = claims.claim(("bf16", "fp32"), sheet, None, [measured(gemm("bf16"), value)])
    assert (loop.holds, product.holds) == ("fails", "short")
    assert claims.claim(("int8", None), sheet, None, []).holds == "unknown"


def test_only_what_was_measured_contradicts() -> None:
    found = cells_of(measured(INT8, 741e12), measured(INT4, 79e12))
    assert claims.contradicted(found[INT4.name], "native")
    assert not claims.contradicted(found[INT4.name], "emulated")
    refusal = cells_of(Measurement(gemm("nvfp4"), refused=Refused("library", "no")))[gemm("nvfp4").name]
    assert not claims.contradicted(refusal, "native")
    library = cells_of(measured(gemm("fp8_e4m3"), 1.0))[gemm("fp8_e4m3").name]
    assert claims.contradicted(library, "absent")
    assert not claims.contradicted(library, "emulated")


def test_what_speed_may_count_on() -> None:
    found = attained([
        measured(memory("read"), 3.0, 2.0), measured(memory("copy"), 4.0, 2.5), measured(memory("l2.read"), 99.0),
        measured(gemm("bf16"), 10.0, 8.0), measured(gemm("bf16", 16), 3.0),
        measured(gemm("bf16", 16, "awq_int4"), 50.0), measured(INT8, 20.0),
        Measurement(micro("fp16", "fp32"), regime(1e9), wrong="x"),
    ])  # fmt: skip
    assert found.bandwidth == 2.5
    assert found.peaks == {"bf16": 8.0}
    assert found.instruction == {"int8": 20.0}


def test_where_weight_only_stops_paying() -> None:
    rates = {(1, None): 1.0, (16, None): 10.0, (64, None): 40.0, (1, "awq_int4"): 3.0, (16, "awq_int4"): 20.0,
             (64, "awq_int4"): 30.0}  # fmt: skip
    (one,) = crossings([measured(gemm("bf16", rows, weights), rate) for (rows, weights), rate in rates.items()])
    assert (one.weights, one.pays, one.stops) == ("awq_int4", (1, 16), 64)


def codes(**changes: object) -> set[str]:
    known = gpu("geforce-rtx-5090")
    return {one.code for one in findings(CARD._replace(**changes), known, {"nvfp4": (8, 7)})}  # type: ignore[arg-type]


def test_a_card_as_it_should_be_gives_nothing_away() -> None:
    assert codes() == set()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"capability": (8, 9)}, "probe.finding.capability"),
        ({"multiprocessors": 128}, "probe.finding.multiprocessors"),
        ({"torch_capability": (8, 6)}, "probe.finding.torch"),
        ({"pcie_width": 4, "pcie_width_max": 4}, "probe.finding.width"),
        ({"pcie_generation_max": 3}, "probe.finding.generation"),
        ({"throttle": ("sw_power_cap", "idle")}, "probe.finding.throttle"),
        ({"power_limit_w": 400.0}, "probe.finding.power"),
        ({"ecc": True}, "probe.finding.ecc"),
        ({"mig": True}, "probe.finding.mig"),
        ({"cuda": "12.4"}, "probe.finding.driver"),
    ],
)
def test_findings(changes: dict[str, object], code: str) -> None:
    assert codes(**changes) == {code}


def test_idle_is_no_throttling_and_an_unknown_card_has_no_sheet() -> None:
    assert codes(throttle=("idle",)) == set()
    said = findings(CARD._replace(pci=PciId("10de:ffff"), capability=(1, 0), pcie_width=8), None, {})
    assert {one.code for one in said} == {"probe.finding.width"}


def test_the_ptx_of_a_driver() -> None:
    assert driver_ptx("12.6") == (8, 5)
    assert driver_ptx("13.1") == (9, 0)
    assert driver_ptx("x") is None
    assert driver_ptx(None) is None


def run_of(*found: Measurement) -> Run:
    return Run(CARD, 1, 1, "random", 1.0, found)


def test_a_change_is_beyond_the_noise_of_both() -> None:
    first = run_of(measured(INT8, 100.0), measured(INT4, 100.0), measured(memory("read"), 100.0))
    second = run_of(measured(INT8, 102.0), measured(INT4, 90.0), measured(memory("copy"), 100.0))
    assert [row.change for row in compared(first, second)] == ["same", "slower", "only_first", "only_second"]
    noisy = run_of(Measurement(INT4, regime(90.0, spread=0.4)))
    assert compared(first, noisy)[1].change == "same"
