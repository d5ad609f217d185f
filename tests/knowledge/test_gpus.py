"""What must hold for every GPU of the catalogue, and the figures that owners check first."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assay.answers.cards import Card, card
from assay.knowledge import store
from assay.reason.peaks import derived_peak
from assay.types.gpu import Peak

IDS_THAT_MUST_EXIST = (Path(__file__).parents[1] / "data" / "gpu_ids.txt").read_text(encoding="utf-8").split()
FILES = sorted((store.DATA / "gpus").glob("*.toml"))
ENTRIES: list[dict[str, Any]] = [gpu for path in FILES for gpu in tomllib.loads(path.read_text("utf-8"))["gpu"]]
RAW = {entry["id"]: entry for entry in ENTRIES}
SOURCES = {name for path in (store.DATA / "sources").glob("*.toml") for name in tomllib.loads(path.read_text("utf-8"))}
GIB = 2**30
MIB = 2**20

# The driver prints one name and one PCI device for several products; only memory or other facts tell them apart.
SHARED_PCI = {
    ("1002:740c", None, None): "Instinct MI250 and MI250X",
    ("1002:7590", None, "c0"): "Radeon RX 9060 XT with 16 and with 8 GB",
    ("8086:56a0", None, None): "Arc A770 with 16 and with 8 GB",
    ("10de:2d04", None, None): "GeForce RTX 5060 Ti with 16 and with 8 GB",
    ("10de:2b00", None, None): "one integrated GPU, two Jetson modules",
    ("10de:2487", None, None): "GeForce RTX 3060 with 12 and with 8 GB",
    ("10de:24c7", None, None): "GeForce RTX 3060 with 12 and with 8 GB",
    ("10de:2503", None, None): "GeForce RTX 3060 with 12 and with 8 GB",
    ("10de:2504", None, None): "GeForce RTX 3060 with 12 and with 8 GB",
    ("10de:2509", None, None): "GeForce RTX 3060 with 12 and with 8 GB",
    ("10de:2544", None, None): "GeForce RTX 3060 with 12 and with 8 GB",
}

# Products whose driver shows each of two dies as a device of its own: the figure is half of the sold size.
TWO_DEVICES = {"instinct-mi250", "instinct-mi250x"}

# (id, format, unit) -> why a published dense peak is not rate x multiprocessors x boost clock x factor.
PEAK_EXCEPTIONS = {
    ("arc-b580", "int8", "matrix"): "Intel counts with 2.85 GHz, above the boost clock it prints",
    ("l40s", "int4", "matrix"): "NVIDIA prints the INT8 rate for INT4",
    ("h100-pcie-80gb", "fp32", "vector"): "the whitepaper counts vector units at 1755 MHz, matrix units at 1620",
    ("h100-sxm5-80gb", "fp32", "vector"): "the whitepaper counts vector units at 1980 MHz, matrix units at 1830",
    ("h100-nvl-94gb", "bf16", "matrix"): "the page's rates correspond to 1545 MHz, the card boosts to 1785",
    ("h100-nvl-94gb", "tf32", "matrix"): "the page's rates correspond to 1545 MHz, the card boosts to 1785",
    ("h100-nvl-94gb", "fp8_e4m3", "matrix"): "the page's rates correspond to 1545 MHz, the card boosts to 1785",
    ("h200-sxm-141gb", "bf16", "matrix"): "NVIDIA repeats the H100's rates (1830 MHz), the card boosts to 1980",
    ("h200-sxm-141gb", "fp16", "matrix"): "NVIDIA repeats the H100's rates (1830 MHz), the card boosts to 1980",
    ("h200-sxm-141gb", "tf32", "matrix"): "NVIDIA repeats the H100's rates (1830 MHz), the card boosts to 1980",
    ("h200-sxm-141gb", "int8", "matrix"): "NVIDIA repeats the H100's rates (1830 MHz), the card boosts to 1980",
    ("h200-sxm-141gb", "fp8_e4m3", "matrix"): "NVIDIA repeats the H100's rates (1830 MHz), the card boosts to 1980",
    ("rtx-pro-6000-blackwell-server-edition", "fp32", "vector"): "the page prints 120, rounded up from 117",
    ("rtx-pro-5000-blackwell-48gb", "fp8_e4m3", "matrix"): "the source takes the RTX PRO 6000's clock",
    ("rtx-pro-5000-blackwell-72gb", "fp8_e4m3", "matrix"): "the source takes the RTX PRO 6000's clock",
}

# (id, format, accumulator) -> why the published sparse peak is not twice the dense one.
SPARSE_EXCEPTIONS = {
    ("l40s", "bf16", "fp32"): "NVIDIA prints 362.05 | 733",
    ("l40s", "fp16", "fp32"): "NVIDIA prints 362.05 | 733",
}


class Checked(NamedTuple):
    """A published dense peak beside the one that arithmetic gives, both in FLOP/s or OP/s."""

    key: tuple[str, str, str]
    published: float
    derived: tuple[float, ...]


@cache
def cards() -> dict[str, Card]:
    """Every card as the store and the arithmetic give it; not at import, so that a broken file fails a test."""
    return {name: card(name) for name in RAW}


def sources_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value.get("sources", [])
        for item in value.values():
            yield from sources_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from sources_of(item)


def rates_of(name: str, number_format: str, accumulate: str, sparsity: str = "dense") -> list[float]:
    """Known rates of a card's matrix units, in FLOP/s."""
    return [
        peak.rate.value
        for peak in cards()[name].peaks
        if (peak.format, peak.accumulate, peak.sparsity, peak.unit) == (number_format, accumulate, sparsity, "matrix")
        and peak.rate.value is not None
    ]


def derived_for(subject: Card, peak: Peak) -> tuple[float, ...]:
    """Dense rates by arithmetic for a published peak; for an unstated accumulator, those of every accumulator."""
    rates = subject.instruction_set.rates if subject.instruction_set else ()
    fitting = [
        derived_peak(subject.gpu, rate).value
        for rate in rates
        if (rate.format, rate.unit) == (peak.format, peak.unit) and peak.accumulate in {rate.accumulate, "unstated"}
    ]
    return tuple(value for value in fitting if value is not None)


def checked_peaks() -> list[Checked]:
    checked = []
    for name, subject in cards().items():
        for peak in subject.gpu.published_peaks:
            derived = derived_for(subject, peak) if peak.sparsity == "dense" else ()
            if derived and peak.rate.value is not None:
                checked.append(Checked((name, peak.format, peak.unit), peak.rate.value, derived))
    return checked


def off(peak: Checked) -> float:
    """How far a published peak lies from the nearest derived one, as a share."""
    return min(abs(peak.published / derived - 1) for derived in peak.derived)


def test_ids_are_unique_slugs() -> None:
    ids = [entry["id"] for entry in ENTRIES]
    assert len(ids) == len(set(ids)) >= len(IDS_THAT_MUST_EXIST)
    assert [name for name in ids if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)] == []


def test_the_compiled_store_holds_the_files_entries() -> None:
    assert set(store.names("gpu")) == set(RAW)


def test_the_first_catalogues_ids_still_exist() -> None:
    assert len(IDS_THAT_MUST_EXIST) == 86
    assert [name for name in IDS_THAT_MUST_EXIST if name not in RAW] == []


def test_every_source_exists() -> None:
    assert {name for name in sources_of(ENTRIES) if name not in SOURCES} == set()


@pytest.mark.parametrize("name", RAW)
def test_an_entry_says_what_it_is(name: str) -> None:
    entry = RAW[name]
    assert entry["vendor"] in {"NVIDIA", "AMD", "Intel", "Apple"}
    assert entry["name"]
    assert entry["architecture"]
    assert entry["status"] in {"released", "announced", "rumoured"}
    assert "isa" not in entry or store.entry("instruction_set", entry["isa"]) is not None


def test_a_pci_id_names_one_product() -> None:
    holders = defaultdict(set)
    for name, entry in RAW.items():
        for pci in entry.get("pci", []):
            holders[pci["device"], pci.get("subsystem"), pci.get("revision")].add(name)
            assert re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", pci["device"])
            assert re.fullmatch(r"(\*|[0-9a-f]{4}):[0-9a-f]{4}", pci.get("subsystem", "*:0000"))
            assert re.fullmatch(r"[0-9a-f]{2}", pci.get("revision", "00"))
    shared = {key for key, names in holders.items() if len(names) > 1}
    assert shared == set(SHARED_PCI)


@pytest.mark.parametrize("name", [name for name, entry in RAW.items() if "memory_driver" in entry])
def test_the_driver_shows_at_most_the_sold_size_and_at_least_the_floor(name: str) -> None:
    gpu = cards()[name].gpu
    floor = store.entry("memory_term", "driver_share_floor")
    assert floor is not None
    if gpu.unified_memory:
        pytest.skip("the system keeps a part of unified memory")
    lowest, highest, sold = gpu.memory_driver.lowest, gpu.memory_driver.highest, gpu.memory_sold.value
    assert lowest is not None
    assert highest is not None
    assert sold is not None
    devices = 2 if name in TWO_DEVICES else 1
    assert floor["value"]["v"] <= lowest * devices / sold
    assert highest * devices <= sold


def test_an_apu_shares_its_memory_and_has_no_usable_size_of_its_own() -> None:
    subject = cards()["instinct-mi300a"]
    assert subject.gpu.unified_memory
    assert subject.usable.value is None
    assert subject.usable.note is not None


def test_two_devices_per_product_is_still_true() -> None:
    for name in TWO_DEVICES:
        gpu = cards()[name].gpu
        assert (gpu.memory_driver.value or 0) < 0.55 * (gpu.memory_sold.value or 0)


@pytest.mark.parametrize("name", RAW)
def test_usable_memory_is_never_the_sold_size_by_default(name: str) -> None:
    subject = cards()[name]
    if subject.usable.value is None or subject.gpu.memory_driver.value is not None:
        return
    assert subject.gpu.memory_sold.value is not None
    assert subject.usable.value < subject.gpu.memory_sold.value


@pytest.mark.parametrize(
    ("key", "unit", "low", "high"),
    [
        ("memory_sold", "gib", 4, 512),
        ("memory_driver", "mib", 3000, 300_000),
        ("bandwidth", "gb_per_s", 30, 10_000),
        ("power_limit", "w", 10, 2500),
        ("boost_clock", "mhz", 900, 3500),
        ("multiprocessors", "count", 4, 320),
        ("l2_cache", "mib", 1, 512),
        ("nvlink", "gb_per_s", 32, 2000),
    ],
)
def test_a_figure_lies_where_its_unit_puts_it(key: str, unit: str, low: float, high: float) -> None:
    """A wrong unit (GB for GiB in bytes, MHz for GHz) is off by 1000."""
    figures = {name: entry[key] for name, entry in RAW.items() if key in entry}
    assert figures
    assert {name for name, figure in figures.items() if not low <= figure[unit] <= high} == set()


def test_a_wide_fast_bus_gives_the_bandwidth() -> None:
    """Bandwidth over bus width is a plausible pin rate: 1 to 36 Gbit/s."""
    rates = {
        name: entry["bandwidth"]["gb_per_s"] * 8 / entry["memory_type"]["bus_bits"]
        for name, entry in RAW.items()
        if "bandwidth" in entry and "bus_bits" in entry.get("memory_type", {})
    }
    assert len(rates) > 50
    assert {name: rate for name, rate in rates.items() if not 1 <= rate <= 36} == {}


def test_published_peaks_follow_from_rate_multiprocessors_clock_and_factor() -> None:
    checked = checked_peaks()
    assert len(checked) > 200
    wrong = {peak.key for peak in checked if off(peak) > 0.02}
    assert wrong - set(PEAK_EXCEPTIONS) == set()
    assert set(PEAK_EXCEPTIONS) - wrong == set(), "an exception that is no longer needed"


def test_sparse_is_twice_dense() -> None:
    found = set()
    for name, subject in cards().items():
        for peak in subject.gpu.published_peaks:
            dense = rates_of(name, peak.format, peak.accumulate)
            if peak.sparsity != "dense" and peak.unit == "matrix" and dense:
                value = peak.rate.value or 0
                if min(abs(value / (2 * each) - 1) for each in dense) > 0.005:
                    found.add((name, peak.format, peak.accumulate))
    assert found == set(SPARSE_EXCEPTIONS)


@pytest.mark.parametrize("name", [name for name in RAW if name.startswith("geforce-rtx")])
@pytest.mark.parametrize("number_format", ["fp16", "bf16", "fp8_e4m3", "fp8_e5m2"])
def test_no_geforce_accumulates_in_fp32_faster_than_half(name: str, number_format: str) -> None:
    wide = rates_of(name, number_format, "fp32")
    # BF16 has no FP16 accumulator: the FP16 rate is the same silicon.
    narrow = rates_of(name, "fp16" if number_format == "bf16" else number_format, "fp16")
    if wide:
        assert narrow
        assert max(wide) <= 0.505 * min(narrow)  # published figures are rounded: 71.2 and 142


@pytest.mark.parametrize("name", [name for name in RAW if name.startswith("geforce-rtx")])
def test_no_geforce_is_predicted_at_the_full_tf32_rate(name: str) -> None:
    for wide in rates_of(name, "tf32", "fp32"):
        assert wide <= 0.253 * min(rates_of(name, "fp16", "fp16"))


def test_every_geforce_with_a_clock_states_its_factor() -> None:
    full = {
        (name, rate.format)
        for name, subject in cards().items()
        if name.startswith("geforce-rtx") and subject.gpu.boost_clock.value is not None and subject.instruction_set
        for rate in subject.instruction_set.rates
        if rate.accumulate == "fp32"
        and rate.unit == "matrix"
        and rate.format not in {"nvfp4", "mxfp4"}
        and not any(rate.format in each.formats and each.accumulate == "fp32" for each in subject.gpu.rate_factors)
    }
    assert full == set()


def test_rtx_pro_6000_workstation() -> None:
    gpu = cards()["rtx-pro-6000-blackwell-workstation-edition"].gpu
    assert gpu.memory_sold.value == 96 * GIB == 103_079_215_104
    assert gpu.memory_driver.value == 97_887 * MIB
    assert gpu.memory_driver.basis == "reported"
    assert gpu.bandwidth.value == 1792e9
    assert gpu.multiprocessors.value == 188
    assert gpu.power_limit.value == 600
    assert rates_of(gpu.id, "bf16", "fp32") == [pytest.approx(503.8e12)]


def test_rtx_pro_6000_siblings_are_not_the_workstation_edition() -> None:
    server = cards()["rtx-pro-6000-blackwell-server-edition"].gpu
    max_q = cards()["rtx-pro-6000-blackwell-max-q-workstation-edition"].gpu
    assert server.bandwidth.value == 1597e9
    assert max_q.power_limit.value == 300
    assert max_q.bandwidth.value == 1792e9
    assert max_q.memory_driver.value == 97_887 * MIB
    assert min(rates_of(max_q.id, "bf16", "fp32")) < 503.8e12


@pytest.mark.parametrize("name", ["rtx-pro-5000-blackwell-48gb", "rtx-pro-5000-blackwell-72gb"])
def test_rtx_pro_5000_shows_both_contradicting_fp8_figures(name: str) -> None:
    assert rates_of(name, "fp8_e4m3", "fp32") == [pytest.approx(294.8e12), pytest.approx(535.5e12)]


@pytest.mark.parametrize("name", ["geforce-rtx-5090-d", "geforce-rtx-5090-d-v2"])
def test_rtx_5090_d_derives_no_matrix_peak(name: str) -> None:
    subject = cards()[name]
    assert subject.instruction_set is not None
    derived = [derived_peak(subject.gpu, rate) for rate in subject.instruction_set.rates if rate.unit == "matrix"]
    assert len(derived) > 10
    assert [peak.value for peak in derived if peak.value is not None] == []
    assert all(peak.note for peak in derived)


def test_l40_is_not_l4() -> None:
    l4, l40 = cards()["l4"].gpu, cards()["l40"].gpu
    assert set(l4.pci).isdisjoint(l40.pci)
    assert set(l4.driver_names).isdisjoint(l40.driver_names)
    assert l4.memory_driver.value == 23_034 * MIB
    assert l40.memory_driver.value == 46_068 * MIB
    assert (l4.bandwidth.value, l40.bandwidth.value) == (300e9, 864e9)


@pytest.mark.parametrize("name", ["rtx-a6000", "rtx-6000-ada-generation", "a40"])
def test_a_card_with_two_ecc_states_counts_on_the_smaller(name: str) -> None:
    memory = cards()[name].gpu.memory_driver
    assert (memory.value, memory.lowest, memory.highest) == (46_068 * MIB, 46_068 * MIB, 49_140 * MIB)


def test_no_source_is_a_stored_file_number() -> None:
    for name in set(sources_of(ENTRIES)):
        source = store.entry("source", name)
        assert source is not None
        assert source["url"].startswith("https://"), name
        assert not re.search(r"\bids?\W*\d{6,}", source["title"] + source.get("note", "")), name
