import pytest

from assay.reason.peaks import dense_peak, derived_peak, peaks_of
from assay.types.gpu import Gpu, InstructionRate, InstructionSet, Peak, RateFactor
from assay.types.message import message
from assay.types.quantity import Quantity, exact, unknown

NONE = unknown("B", message("unknown.peak"))


def card(**changes: object) -> Gpu:
    fields: dict[str, object] = {
        "id": "card",
        "name": "Card",
        "vendor": "NVIDIA",
        "architecture": "X",
        "isa": "sm_120a",
        "status": "released",
        "pci": (),
        "driver_names": (),
        "tells_apart": (),
        "unified_memory": False,
        "multiprocessors": exact(170, "multiprocessor", "documented", "a"),
        "memory_sold": exact(32 * 2**30, "B", "documented"),
        "memory_driver": NONE,
        "bandwidth": exact(1792e9, "B/s", "documented"),
        "boost_clock": exact(2407e6, "Hz", "documented", "b"),
        "power_limit": NONE,
        "l2_cache": NONE,
        "pcie": None,
        "link_bandwidth": NONE,
        "launched": None,
        "published_peaks": (),
        "rate_factors": (),
        "note": None,
        **changes,
    }
    return Gpu(**fields)  # type: ignore[arg-type]


BF16 = InstructionRate("bf16", "fp32", "matrix", 1024, ("isa",), "documented")


def test_rate_times_multiprocessors_times_clock() -> None:
    peak = derived_peak(card(), BF16)
    assert peak.value == pytest.approx(1024 * 170 * 2407e6)
    assert (peak.basis, peak.unit, set(peak.sources)) == ("derived", "FLOP/s", {"isa", "a", "b"})


def test_a_product_that_is_given_half_the_rate_has_half_the_peak() -> None:
    half = RateFactor(("bf16", "fp16"), "fp32", 0.5, ("whitepaper",), "documented")
    assert derived_peak(card(rate_factors=(half,)), BF16).value == pytest.approx(209.5e12, rel=0.001)


def test_a_factor_that_is_only_assumed_makes_the_peak_rest_on_an_assumption() -> None:
    guess = RateFactor(("bf16",), "fp32", 0.5, ("forum",), "assumed")
    assert derived_peak(card(rate_factors=(guess,)), BF16).weakest == "assumed"


def test_a_product_whose_share_is_not_known_has_no_known_peak() -> None:
    doubt = RateFactor(("bf16",), "fp32", None, ("measurement",), "reported", "58 or 71 %")
    peak = derived_peak(card(rate_factors=(doubt,)), BF16)
    assert peak.value is None
    assert peak.note is not None


def test_a_restricted_product_is_not_assumed_to_be_unrestricted_in_other_formats() -> None:
    half = RateFactor(("fp16",), "fp32", 0.5, ("whitepaper",), "documented")
    assert derived_peak(card(rate_factors=(half,)), BF16).value is None


def test_without_a_sourced_clock_the_peak_is_unknown() -> None:
    assert derived_peak(card(boost_clock=unknown("Hz", message("unknown.boost_clock"))), BF16).value is None


def published(rate: float, accumulate: str = "fp32", sparsity: str = "dense") -> Peak:
    return Peak("bf16", accumulate, sparsity, "matrix", exact(rate, "FLOP/s", "documented"))  # type: ignore[arg-type]


def test_a_published_peak_is_not_derived_again_and_contradictions_both_stay() -> None:
    isa = InstructionSet("sm_120a", "", "NVIDIA", "SM", "12.0", (BF16,), ())
    peaks = peaks_of(card(published_peaks=(published(5e14), published(4e14))), isa)
    assert [peak.rate.value for peak in peaks] == [5e14, 4e14]


def test_a_sparse_peak_is_never_taken_for_a_dense_one() -> None:
    peaks = (published(1e15, sparsity="2:4"),)
    assert dense_peak(peaks, "bf16") is None


def test_of_contradicting_peaks_the_lower_is_promised() -> None:
    rate = dense_peak((published(5e14), published(4e14), published(3e14, "fp16")), "bf16")
    assert isinstance(rate, Quantity)
    assert rate.value == 4e14


def test_what_nobody_publishes_is_not_promised_at_a_better_rate_than_what_is() -> None:
    fp16 = InstructionRate("fp16", "fp32", "matrix", 1024, ("isa",), "documented")
    isa = InstructionSet("sm_90a", "", "NVIDIA", "SM", "9.0", (BF16, fp16), ())
    whole = 1024 * 170 * 2407e6
    capped = peaks_of(card(published_peaks=(published(0.9 * whole),)), isa)
    assert capped[-1].rate.value == pytest.approx(0.9 * whole)
    rounded = peaks_of(card(published_peaks=(published(0.99 * whole),)), isa)
    assert rounded[-1].rate.value == pytest.approx(whole)


def test_a_published_vector_peak_does_not_hide_the_matrix_one() -> None:
    matrix = InstructionRate("fp32", "fp32", "matrix", 512, ("isa",), "documented")
    isa = InstructionSet("gfx942", "", "AMD", "CU", None, (matrix,), ())
    vector = Peak("fp32", "fp32", "dense", "vector", exact(1e12, "FLOP/s", "documented"))
    assert [peak.unit for peak in peaks_of(card(published_peaks=(vector,)), isa)] == ["vector", "matrix"]
