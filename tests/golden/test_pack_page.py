"""The page of `assay pack`, of answers made by hand, in both languages.

ASSAY_UPDATE_GOLDEN=1 writes what is printed now; read the difference before you commit it.
"""

import os
from pathlib import Path

import pytest

from assay.answers.asked import CardCount, CheckRequest
from assay.answers.candidate import Candidate, Terms
from assay.answers.cards import card
from assay.answers.packed import Change, PackAnswer, PackItem, PackRequest, PackResult, Reach, Server
from assay.knowledge.catalog.runtimes import runtime
from assay.report.layout.pack import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.text import report_lines
from assay.types.message import message
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.plan import MemoryPlan
from assay.types.quantity import Quantity, exact

HERE = Path(__file__).parent
GIB = 2**30


def figure(gib: float, low: float | None = None, high: float | None = None) -> Quantity:
    ends = (None, None) if low is None or high is None else (low * GIB, high * GIB)
    return Quantity(gib * GIB, "B", "assumed", ("a-source",), *ends)


def plan(weights: float, kv: float) -> MemoryPlan:
    parts = exact(weights * GIB, "B", "documented", "a-source"), figure(kv)
    rest, none = figure(1.5, 0.5, 3), exact(0, "B", "documented", "a-source")
    whole = figure(weights + kv + 3, weights + kv + 1, weights + kv + 6)
    return MemoryPlan(*parts, figure(kv), none, rest, rest, whole, figure(28), figure(1, -2, 3), none)


def model(name: str) -> Model:
    return Model(
        name=f"Maker/{name}",
        architecture="model",
        released_format="bf16",
        requantized_from=None,
        groups=(TensorGroup("mlp", "bf16", GIB, GIB, 1, 2 * GIB),),
        layers=(LayerGroup("full", 12, 32, 4, 128, 128),),
        weights=figure(2),
        hidden_size=2048,
        vocabulary=1000,
        intermediate=6144,
        experts=0,
        experts_per_token=0,
        max_context=40_960,
        container="config",
    )


def candidate(name: str, terms: Terms) -> Candidate:
    engine = runtime("vllm")._replace(name="Engine", version="1.2.3")
    return Candidate(CheckRequest(name, ("5090",)), model(name), engine, terms, 1024)


CARDS = (CardCount(card("geforce-rtx-5090"), 1), CardCount(card("l40s"), 1))
EMPTY = PackResult(
    cards=CARDS[:1],
    slots=("GeForce RTX 5090",),
    ids=("geforce-rtx-5090",),
    verdict="no",
    refused=False,
    proven=True,
    servers=(),
    free=(),
    instances=None,
    reach=(),
    short=None,
    proposals=(),
    reasons=(),
)


def change(item: int, kind: str, left: str | int, asked: str | int | None) -> Change:
    words = {
        "context": message("give.context", tokens=left),
        "kv": message("give.kv", kv=left),
        "users": message("give.users", users=left, asked=asked),
        "copies": message("give.copies", copies=left, asked=asked),
        "weights": message("give.weights", format=left),
    }
    return Change(item, kind, left, asked, words[kind])  # type: ignore[arg-type]


def answered(result: PackResult, *candidates: Candidate) -> PackAnswer:
    names = tuple(one.model.name.rpartition("/")[2] for one in candidates)
    items = tuple(PackItem(name) for name in names)
    return PackAnswer(PackRequest(items, ("5090",)), candidates, names, (), (result,), ())


def instances() -> PackAnswer:
    servers = tuple(Server(0, copy, (0,), (plan(6, 1.25),), 0.413) for copy in (1, 2))
    tokens = Quantity(40_960, "token", "derived", ("a-source",), weakest="assumed", formula="hand-made")
    reach = (Reach(1, tokens), Reach(2, tokens), Reach(3, exact(8192, "token", "assumed", "a-source")))
    count = Quantity(2, "instance", "derived", ("a-source",), low=2, high=4, weakest="assumed", formula="hand-made")
    result = EMPTY._replace(
        verdict="yes",
        servers=servers,
        free=(figure(3.5, 3.25, 3.75),),
        instances=count,
        reach=reach,
        reasons=(message("pack.order"),),
    )
    return answered(result, candidate("Model-8B", Terms(32_768, 1, "bf16")))


def together() -> PackAnswer:
    two = Server(0, 1, (0, 1), (plan(14, 3), plan(14, 3)), 0.75)
    one = Server(1, 1, (1,), (plan(1.125, 0.5),), None)
    result = EMPTY._replace(
        cards=CARDS,
        slots=("GeForce RTX 5090", "L40S"),
        ids=("geforce-rtx-5090", "l40s"),
        verdict="yes",
        servers=(two, one),
        free=(figure(5, 4.5, 5.5), figure(0.25, 0.125, 1)),
        reasons=(message("pack.unequal"), message("pack.order")),
    )
    return answered(
        result, candidate("Model-30B", Terms(32_768, 4, "fp8")), candidate("Embedding-0.6B", Terms(8192, 1, "bf16"))
    )


def given_up() -> PackAnswer:
    result = EMPTY._replace(
        short=figure(3.125),
        proposals=(
            (change(0, "context", 24_576, 32_768),),
            (change(0, "kv", "fp8", "bf16"),),
            (change(0, "users", 6, 8),),
            (change(0, "weights", "fp8_block128", None),),
        ),
    )
    return answered(result, candidate("Model-14B", Terms(32_768, 8, "bf16")))


def given_up_together() -> PackAnswer:
    result = EMPTY._replace(
        verdict="unknown",
        proven=False,
        short=figure(0.5),
        proposals=(
            (change(0, "context", 8192, 32_768), change(0, "users", 1, 8), change(1, "copies", 1, 2)),
            (change(1, "weights", "nvfp4", None),),
        ),
        reasons=(message("pack.cut", "warning", nodes=50_000), message("pack.too_close", "warning")),
    )
    return answered(
        result, candidate("Model-14B", Terms(32_768, 8, "bf16")), candidate("Model-8B", Terms(8192, 1, "bf16", None, 2))
    )


def refused() -> PackAnswer:
    why = message("check.refused", "warning", gpu="Tesla T4", format="bf16", runtime="Engine")
    said = message("pack.of", "warning", model="Model-8B", what=(why,))
    return answered(EMPTY._replace(refused=True, reasons=(said,)), candidate("Model-8B", Terms(32_768, 1, "bf16")))


PAGES = {
    "pack-instances": instances,
    "pack-together": together,
    "pack-short": given_up,
    "pack-short-together": given_up_together,
    "pack-refused": refused,
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, language: Language) -> None:
    printed = [line.text for line in report_lines(layout(PAGES[name]()), language, MAX_WIDTH)]
    path = HERE / f"{name}.{language}.txt"
    if os.environ.get("ASSAY_UPDATE_GOLDEN"):
        path.write_text("\n".join(printed) + "\n", encoding="utf-8")
    assert max(width_of(line) for line in printed) <= MAX_WIDTH
    assert printed == path.read_text(encoding="utf-8").splitlines()
