"""Published speed measurements as observations: what was run where, and how many seconds it took.

llama.csv and serving.csv were collected before anything was fitted; README.md says what the columns mean. A row becomes
an observation of one of three kinds: `decode` (seconds of a step that adds a token to one sequence), `serving` (seconds
between the tokens of each of several sequences, prompts of others read between them) and `prefill` (seconds of reading
one prompt).
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from assay.answers.cards import Card, card
from assay.answers.model import answer as read_model
from assay.answers.narrower import in_format
from assay.answers.places import multiplies_of, place_of
from assay.errors import AssayError
from assay.knowledge.catalog.runtimes import kv_format, runtime
from assay.reason.speed import step
from assay.reason.speed.shape import Matrix, Shape, distinct_experts, shape_of
from assay.types.model import Model

FOLDER = Path(__file__).parent
FILES = ("llama.csv", "serving.csv")
GIB = 2**30
NOISE = {"raw": 0.06, "table": 0.08, "prose": 0.12}
"""Standard deviation of the logarithm that a row of each kind of evidence is taken at."""
SERVING_NOISE = 0.10
"""The same for a mean over a whole run, whose statistic is often not stated."""
NATIVE_MXFP4 = "2025-12"
"""llama.cpp multiplies MXFP4 by the FP4 units of Blackwell since then (pull request 17906); INT8 before."""
MICRO_BATCH = {"llama-cpp-15396": 2048}
"""Sources that ran llama-bench with another micro-batch than its default of 512 (`-ub`, their column n_ubatch)."""
BACKENDS = ("Vulkan", "rocWMMA", "SYCL")
"""llama.cpp's backends and builds that are told apart where the version names them."""
SLACK = {False: 1.05, True: 1.3}
"""By experts: how much longer than measured the reading may take before a row contradicts itself. Which experts a real
text chooses is not known, so a mixture may touch fewer than tokens choosing independently would."""
MODERN, TODAY = "2025", "2026"
"""Builds from here on count for the figures; older ones only help to fit."""

Kind = Literal["decode", "serving", "prefill"]


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One measurement, ready to be compared.

    Attributes:
        id, kind, seconds, noise: see the module.
        prepared: the model's shape on the place.
        sequences, prompt, output: tokens (for `decode`, `prompt` is the depth).
        gpu, runtime, weights, model: ids; group: twins (card, shape, source) that are fitted or tested together.
        experts: whether the model has routed experts; modern: whether its build is of 2025 or later.
        row: as it stands in the file.
        behind: tokens before a prompt that is read.
    """

    id: str
    kind: Kind
    seconds: float
    noise: float
    prepared: step.Prepared
    sequences: float
    prompt: float
    output: float
    gpu: str
    runtime: str
    weights: str
    model: str
    group: str
    experts: bool
    modern: bool
    row: dict[str, str]
    behind: float = 0.0

    def parts(self, factors: step.Factors) -> tuple[list[float], list[float]]:
        """Predicted seconds by place: of the step itself, and of waiting for others' prompts."""
        if self.kind == "prefill":
            return step.prefill(self.prepared, factors, self.prompt, self.behind), []
        behind = self.prompt + self.output / 2
        own = step.decode(self.prepared, factors, self.sequences, behind)
        if self.kind == "decode":
            return own, []
        return own, step.waiting(self.prepared, factors, self.sequences, self.prompt, self.output)


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def config_path(name: str) -> str:
    """What `assay model` reads: a catalogue name, or a configuration kept beside the rows."""
    if not name.endswith(".json"):
        return name
    if name.startswith("memory/"):
        return str(FOLDER.parent / "memory" / "configs" / name.removeprefix("memory/"))
    return str(FOLDER / "configs" / name)


ALIKE = {
    "gguf:UD-Q8_K_XL": "gguf:Q8_0",
    "gguf:UD-Q6_K_XL": "gguf:Q6_K",
    "gguf:UD-Q5_K_XL": "gguf:Q5_K_M",
    "gguf:UD-Q4_K_XL": "gguf:Q4_K_M",
    "gguf:UD-Q3_K_XL": "gguf:Q3_K_M",
    "gguf:UD-Q2_K_XL": "gguf:Q2_K",
    "gguf:Q5_K_L": "gguf:Q5_K_M",
    "gguf:Q4_K_L": "gguf:Q4_K_M",
    "gguf:Q6_K_L": "gguf:Q6_K",
    "gguf:QAT-Q4_0": "gguf:Q4_0",
    "gguf:F16+MXFP4": "gguf:MXFP4_MOE",
    "gguf:BF16+MXFP4": "gguf:MXFP4_MOE",
}
"""Recipes that choose types tensor by tensor -> the plain one of the same types; the run's own size decides."""


@cache
def _model(config: str, weights: str) -> Model:
    source = config_path(config)
    model = read_model(source)
    if weights in ("", model.released_format):
        return model
    return in_format(model, source, ALIKE.get(weights, weights))


def _scaled(shape: Shape, stated: float | None, model: Model) -> Shape:
    """Weights scaled to the bytes that the run itself printed; a recipe's mixture differs between releases."""
    computed = sum(group.size for group in model.groups)
    if not stated or not computed:
        return shape
    factor = stated / computed
    return shape._replace(matrices=tuple(each._replace(size=each.size * factor) for each in shape.matrices))


@cache
def _card(gpu: str) -> Card:
    return card(gpu)


@cache
def _shape(config: str, weights: str, kv: str, stated: float | None) -> tuple[Shape, bool]:
    model = _model(config, weights)
    return _scaled(shape_of(model, kv_format(kv)), stated, model), bool(model.experts)


def _kv(row: dict[str, str]) -> str:
    name = {"f16": "fp16", "": "fp16" if row["runtime"] == "llama.cpp" else "bf16", "auto": "bf16"}
    return name.get(row["kv"].lower(), row["kv"].lower())


def _executed(matrix: Matrix, engine: str, card_: Card, built: str) -> tuple[step.Multiply, ...]:
    """What multiplies a matrix, as the release of that time did."""
    if engine == "llama.cpp" and matrix.format == "gguf:MXFP4" and built < NATIVE_MXFP4:
        matrix = matrix._replace(format="gguf:Q8_0")  # MXFP4 was multiplied as INT8, as Q8_0 still is
    return multiplies_of(matrix, engine, card_)


class Run(NamedTuple):
    """Where and when something ran: what a place is made of."""

    gpu: str
    cards: int
    engine: str
    power: float | None
    built: str
    variants: tuple[str, ...]
    micro_batch: int | None


@cache
def _prepared(shape: Shape, run: Run) -> step.Prepared:
    found, device = runtime(run.engine), _card(run.gpu)
    place = place_of(device, run.cards if found.split == "tensor" else 1, found, run.power)
    place = place._replace(variants=run.variants, chunk=run.micro_batch or place.chunk)
    executed = [_executed(matrix, run.engine, device, run.built) for matrix in shape.matrices]
    return step.prepare(shape, place, executed)


def _prompt_read(prompt: float, seconds: float, sequences: float) -> tuple[Kind, float, float, float, float] | None:
    return ("prefill", seconds, 1.0, prompt, 0.0) if prompt and sequences <= 1 else None


def _asked(row: dict[str, str]) -> tuple[Kind, float, float, float, float] | None:
    """(kind, seconds, sequences, prompt, output) of a row, or None where it is of no kind that is modelled."""
    value, quantity = float(row["value"]), row["quantity"]
    prompt, output = _number(row.get("prompt")) or 0.0, _number(row.get("output")) or 0.0
    sequences = _number(row.get("concurrency")) or _number(row.get("batch")) or 1.0
    depth = _number(row.get("depth")) or 0.0
    if quantity == "decode":
        if sequences > 1:
            return "serving", sequences / value, sequences, depth, max(output, 1.0)
        return "decode", 1.0 / value, 1.0, depth + prompt, output
    if quantity in ("prefill", "ttft"):
        return _prompt_read(prompt, value if quantity == "ttft" else prompt / value, sequences)
    each = {"tpot": value, "itl": value, "throughput": sequences / value if output else None}.get(quantity)
    kind: Kind = "serving" if sequences > 1 else "decode"
    return None if each is None else (kind, each, sequences, prompt, output)


def _built(row: dict[str, str]) -> str:
    return (row.get("built") or row.get("date") or "").removeprefix("post:")


def _variants(row: dict[str, str]) -> tuple[str, ...]:
    """The age of a llama.cpp release, and a backend that is not the usual one of the vendor, as its version says.

    Its kernels changed from year to year: what differed in an earlier one is a coefficient of its own.
    """
    built = _built(row)
    if row["runtime"] != "llama.cpp" or not built:
        return ()
    age = ("old",) if built < MODERN else (MODERN,) if built < TODAY else ()
    return (*age, *(name for name in BACKENDS if name in row["version"]))


def observed(row: dict[str, str]) -> Observation | None:
    """The observation that a row is; None where it is excluded, of no modelled kind, or its card's bandwidth unknown.

    Raises:
        AssayError: a name that the catalogue does not know.
    """
    if row["excluded"]:
        return None
    asked = _asked(row)
    cards = int(_number(row.get("gpus")) or 1)
    parallel = int(_number(row.get("tp")) or cards)
    apart = [(_number(row.get(name)) or 1) > 1 for name in ("pp", "dp")]
    if asked is None or any(apart) or _card(row["gpu"]).gpu.bandwidth.value is None:
        return None
    if row["weights"] in ALIKE and not row.get("size_gib"):
        return None
    kind, seconds, sequences, prompt, output = asked
    stated = _number(row.get("size_gib"))
    shape, experts = _shape(row["config"], row["weights"], _kv(row), stated * GIB if stated else None)
    run = Run(
        row["gpu"],
        parallel,
        row["runtime"],
        _number(row.get("power_limit_w")),
        _built(row),
        _variants(row),
        MICRO_BATCH.get(row["source"]),
    )
    prepared = _prepared(shape, run)
    noise = max(NOISE[row["evidence"]], SERVING_NOISE if kind == "serving" else 0.0)
    return Observation(
        id=row["id"],
        kind=kind,
        seconds=seconds,
        noise=noise,
        prepared=prepared,
        sequences=sequences,
        prompt=prompt,
        output=output,
        gpu=row["gpu"],
        runtime=row["runtime"],
        weights=row["weights"],
        model=row["model"],
        group=f"{row['gpu']}|{row['config']}|{row['group']}",
        experts=experts,
        behind=(_number(row.get("depth")) or 0.0) if kind == "prefill" else 0.0,
        modern=_built(row) >= MODERN,
        row=row,
    )


def rows(folder: Path = FOLDER) -> list[dict[str, str]]:
    """All rows of both files, as they stand."""
    found = []
    for name in FILES:
        path = folder / name
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                found += list(csv.DictReader(file))
    return found


def read_seconds(one: Observation) -> float:
    """Seconds to read the weights and caches of a step at the card's bandwidth, nothing else; 0 for a prompt."""
    if one.kind == "prefill":
        return 0.0
    shape, place = one.prepared.shape, one.prepared.place
    share = distinct_experts(shape.experts, shape.chosen, one.sequences)
    weights = sum(each.size * (share if each.kind == "experts" else 1.0) for each in shape.matrices)
    behind = one.prompt + one.output / 2
    rows = sum(each.layers * each.row * min(behind, each.window or behind) for each in shape.caches)
    return (weights + (rows + shape.state) * one.sequences) / (place.bandwidth * place.cards)


def load(folder: Path = FOLDER) -> tuple[list[Observation], list[tuple[str, str]]]:
    """Observations, and (row, reason) of those that could not be used though nothing excludes them."""
    found, left = [], []
    for row in rows(folder):
        try:
            one = observed(row)
        except AssayError as error:
            left.append((row["id"], str(error)))
            continue
        if one is not None and read_seconds(one) > one.seconds * SLACK[one.experts]:
            left.append((row["id"], "faster than its weights and caches can be read: fewer sequences were under way"))
        elif one is not None:
            found.append(one)
        elif not row["excluded"]:
            left.append((row["id"], "of no modelled kind, or the card's bandwidth is not known"))
    return found, left
