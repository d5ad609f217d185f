"""Whole pages as they are printed at 100 columns, in both languages, of small answers made by hand.

ASSAY_UPDATE_GOLDEN=1 writes what is printed now; read the difference before you commit it.
"""

import os
from pathlib import Path

import pytest

from assay.answers.cards import Card
from assay.answers.gpu import GpuAnswer, GpuResult
from assay.answers.profile import Profile, ProfileAnswer
from assay.knowledge.catalog.sources import Source
from assay.observe.device.device import Device
from assay.report.explain import cited_ids, explain_lines
from assay.report.layout import gpu as gpu_layout
from assay.report.layout import model as model_layout
from assay.report.layout import profile as profile_layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.text import report_lines
from assay.types.gpu import Gpu, Identification, InstructionSet, PciId, Peak
from assay.types.message import message
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.quantity import Basis, Quantity, derive, exact, unknown
from assay.types.report import Report

HERE = Path(__file__).parent
GIB, MIB = 2**30, 2**20


def _says(value: float, unit: str, basis: Basis = "documented") -> Quantity:
    return exact(value, unit, basis, "datasheet")


def _gpu(name: str, bandwidth: float, watts: float, pci: str) -> Gpu:
    return Gpu(
        id=name.lower().replace(" ", "-"),
        name=name,
        vendor="NVIDIA",
        architecture="Blackwell",
        isa="sm_120a",
        status="released",
        pci=(PciId(f"10de:{pci}"),),
        driver_names=(f"NVIDIA {name}",),
        tells_apart=(f"{watts} W",),
        unified_memory=False,
        multiprocessors=_says(188, "multiprocessor"),
        memory_sold=_says(96 * GIB, "B"),
        memory_driver=_says(97_887 * MIB, "B", "reported"),
        bandwidth=_says(bandwidth, "B/s"),
        boost_clock=_says(2.617e9, "Hz"),
        power_limit=_says(watts, "W"),
        l2_cache=unknown("B", message("unknown.l2_cache")),
        pcie="5.0 x16",
        link_bandwidth=unknown("B/s", message("unknown.link")),
        launched="2025-03-18",
        published_peaks=(
            Peak("bf16", "fp32", "dense", "matrix", _says(503.8e12, "FLOP/s")),
            Peak("bf16", "fp32", "2:4", "matrix", _says(1007.6e12, "FLOP/s")),
            Peak("int8", "int32", "dense", "matrix", _says(1007.6e12, "OP/s")),
            Peak("fp32", "fp32", "dense", "vector", _says(125e12, "FLOP/s")),
            Peak("nvfp4", "unstated", "dense", "matrix", _says(2015.2e12, "FLOP/s")),
            Peak("fp8_e4m3", "fp32", "dense", "matrix", unknown("FLOP/s", message("unknown.peak"))),
        ),
        rate_factors=(),
        note=message("text", text="A note of the catalogue, printed as it stands."),
    )


WORKSTATION = _gpu("RTX PRO 6000 Blackwell Workstation Edition", 1.792e12, 600, "2bb1")
MAX_Q = _gpu("RTX PRO 6000 Blackwell Max-Q Workstation Edition", 1.792e12, 300, "2bb4")
SERVER = _gpu("RTX PRO 6000 Blackwell Server Edition", 1.597e12, 600, "2bb5")
CARDS = {gpu.id: gpu for gpu in (WORKSTATION, MAX_Q, SERVER)}


def _card(name: str) -> Card:
    gpu = CARDS[name]
    share = _says(0.92, "ratio", "assumed")
    usable = derive("B", "sold size x share", [("sold", gpu.memory_sold), ("share", share)], lambda a, b: a * b)
    isa = InstructionSet("sm_120a", "Blackwell (compute capability 12.0)", "NVIDIA", "SM", "12.0", (), ())
    return Card(gpu, isa, usable, gpu.published_peaks)


def _exact() -> Report:
    asked = Identification("pro 6000", "exact", 1, (WORKSTATION.id,))
    return gpu_layout.layout(GpuAnswer("pro 6000", (GpuResult(asked, (WORKSTATION,)),)))


def _ambiguous() -> Report:
    gpus = (WORKSTATION, MAX_Q, SERVER)
    told = (
        message("gpu.distinguish.bandwidth", values="1597 / 1792"),
        message("gpu.distinguish.power", values="300 / 600"),
    )
    asked = Identification("RTX PRO 6000", "ambiguous", 1, tuple(gpu.id for gpu in gpus), told)
    return gpu_layout.layout(GpuAnswer("RTX PRO 6000", (GpuResult(asked, gpus),)))


def _unknown() -> Report:
    asked = Identification("RTX PRO 60000", "unknown", 1, (), suggestions=(WORKSTATION.id, SERVER.id))
    return gpu_layout.layout(GpuAnswer("RTX PRO 60000", (GpuResult(asked, ()),)))


def _machine() -> Report:
    device = Device(
        0, WORKSTATION.driver_names[0], PciId("10de:2bb1", "10de:204b", "a1"), "0000:01:00.0", None, 97_887 * MIB,
        "580.95.05", "nvml", (("nvmlDeviceGetUUID", "Not Supported"),),
    )  # fmt: skip
    asked = Identification("NVIDIA RTX PRO 6000", "exact", 1, (WORKSTATION.id,))
    known = GpuResult(asked, (WORKSTATION,), device)
    other = GpuResult(Identification("10de:2bb5", "exact", 1, (SERVER.id,)), (SERVER,))
    return gpu_layout.layout(GpuAnswer(None, (known, known, other)))


def _model() -> Report:
    weights = derive("B", "sum of the groups", [("experts", _says(54 * GIB, "B")), ("rest", _says(GIB, "B"))], sum_of)
    model = Model(
        name="Maker/Model-30B-A3B",
        architecture="model_moe",
        released_format="bf16",
        requantized_from=None,
        groups=(
            TensorGroup("embedding", "bf16", 311_164_928, 2048, 1, 622_329_856),
            TensorGroup("experts", "mxfp4", 28_991_029_248, 1_811_939_328, 96, 15 * GIB),
        ),
        layers=(
            LayerGroup("full", 12, 32, 4, 128, 128),
            LayerGroup("sliding", 36, 32, 4, 192, 128, window=4096),
            LayerGroup("mla", 1, latent_dim=512, rope_dim=64),
            LayerGroup("linear", 3, state_size=2 * MIB),
        ),
        weights=weights,
        hidden_size=2048,
        vocabulary=151_936,
        intermediate=6144,
        experts=128,
        experts_per_token=8,
        max_context=40_960,
        container="config",
        doubts=(message("text", text="Something was not understood."),),
        notes=(message("text", text="Something to know."),),
        optional=(TensorGroup("mtp", "bf16", 1_000_000, 1_000_000, 3, 2_000_000),),
    )
    return model_layout.layout(model)


def sum_of(*values: float) -> float:
    return sum(values)


def _profile() -> Report:
    profile = Profile("2x geforce-rtx-4090", ram_gib=128, electricity_per_kwh=0.125, currency="EUR")
    return profile_layout.layout(ProfileAnswer(Path("/home/me/.config/assay/profile.toml"), profile))


PAGES = {
    "gpu-exact": _exact,
    "gpu-ambiguous": _ambiguous,
    "gpu-unknown": _unknown,
    "gpu-machine": _machine,
    "model": _model,
    "profile": _profile,
}


def _lines(name: str, language: Language) -> list[str]:
    report = PAGES[name]()
    lines = report_lines(report, language, MAX_WIDTH)
    if name in {"gpu-exact", "profile"}:
        sources = [
            Source(each, "A datasheet", "https://example.org/a.pdf", "2025-03-18", "vendor-document", None)
            for each in cited_ids(report.figures, report.sources)
        ]
        lines += explain_lines(report.figures, sources, language, MAX_WIDTH)
    return [line.text for line in lines]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, language: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_layout, "card", _card)
    printed = _lines(name, language)
    path = HERE / f"{name}.{language}.txt"
    if os.environ.get("ASSAY_UPDATE_GOLDEN"):
        path.write_text("\n".join(printed) + "\n", encoding="utf-8")
    assert max(width_of(line) for line in printed) <= MAX_WIDTH
    assert printed == path.read_text(encoding="utf-8").splitlines()
