"""A measurement against the prediction for the same model, cards, runtime and load; what may explain a shortfall."""

from pathlib import Path
from typing import Literal, NamedTuple

from assay.answers.asked import CheckRequest
from assay.answers.bench import figure
from assay.answers.check import CheckResult
from assay.answers.check import answer as check
from assay.answers.measured import Naming, identified, unidentified
from assay.errors import BadInput, MissingKnowledge, UsageError
from assay.observe.measurements.read import read
from assay.observe.measurements.store import one
from assay.observe.profile import store_path
from assay.types.measurement import Measurement
from assay.types.message import Message, message
from assay.types.quantity import Quantity

Outcome = Literal["inside", "slower", "faster", "unknown"]
ROWS = {
    "decode": ("decode_per_sequence",),
    "prefill": ("prefill",),
    "mixed": (),
    "serving": ("decode_per_sequence", "decode_total", "prefill"),
}
"""What is compared of each kind of test."""
UNPACKED_WORTH = 0.1
"""Weight-only paths that do less of the work explain no shortfall."""
CROWDED = 8
"""Requests at once from which unpacked weights cost more than the bytes they save."""
OWN_BACKENDS = {"NVIDIA": frozenset({"cuda"}), "AMD": frozenset({"rocm", "hip"})}
"""What llama.cpp calls the backend that a vendor's cards are fastest with."""


class ShortfallRequest(NamedTuple):
    """What was asked: a benchmark's file or the number of a stored measurement, and what the user says of it."""

    bench: str
    naming: Naming = Naming()


class Row(NamedTuple):
    """One speed, as measured and as predicted."""

    name: str
    measured: Quantity
    predicted: Quantity
    outcome: Outcome


class Suspect(NamedTuple):
    """What a shortfall may come from.

    Attributes:
        id: `shortfall.cause.<id>` are its words.
        shown: whether the measurement or the tables show it; else nothing rules it out.
        command: what would confirm it, run while the server or the benchmark runs.
    """

    id: str
    shown: bool
    command: str


class Comparison(NamedTuple):
    """One measurement on one set of cards."""

    measurement: Measurement
    result: CheckResult
    rows: tuple[Row, ...]
    suspects: tuple[Suspect, ...]

    @property
    def short(self) -> bool:
        """Whether something was slower than predicted."""
        return any(row.outcome == "slower" for row in self.rows)


class ShortfallAnswer(NamedTuple):
    """All comparisons; an ambiguous card makes one for each that it may be."""

    request: ShortfallRequest
    comparisons: tuple[Comparison, ...]
    messages: tuple[Message, ...]

    @property
    def exit_code(self) -> int:
        """1 if a measurement lies outside its prediction, 3 if nothing could be compared, else 0."""
        outcomes = {row.outcome for each in self.comparisons for row in each.rows}
        return 1 if outcomes & {"slower", "faster"} else 0 if "inside" in outcomes else 3


def _measurements(request: ShortfallRequest) -> tuple[Measurement, ...]:
    """The measurements of a file, or the stored one with a number.

    Raises:
        BadInput, CannotAnswer, EnvironmentFailure: neither can be read.
    """
    if not request.bench.isdecimal() or Path(request.bench).exists():
        return tuple(identified(each, request.naming) for each in read(request.bench))
    found = one(store_path(), int(request.bench))
    if found is None:
        raise UsageError(message("error.bench.no_such", number=int(request.bench)), message("hint.bench.list"))
    return (identified(found, request.naming),)


def _queries(measurement: Measurement) -> tuple[str, ...]:
    """The cards as one asks for them; of an ambiguous one each that it may be."""
    if len(measurement.cards) == 1:
        (card,) = measurement.cards
        return tuple(f"{card.number}x {name}" for name in card.candidates)
    names = [f"{card.number}x {card.id}" for card in measurement.cards if card.id is not None]
    return (" + ".join(names),) if names and len(names) == len(measurement.cards) else ()


def _context(measurement: Measurement) -> int:
    """Tokens of a sequence at its end: the prediction is for a cache that is as full as it became."""
    workload = measurement.workload
    return max(1, round(workload.depth + (workload.prompt or 0) + (workload.output or 0)))


def _asked(measurement: Measurement, queries: tuple[str, ...], kv: str | None) -> CheckRequest:
    return CheckRequest(
        measurement.model.id or measurement.model.text,
        queries,
        measurement.runtime,
        measurement.model.weights,
        kv,
        _context(measurement),
        measurement.workload.concurrency or 1,
        owned=False,
    )


def _checked(measurement: Measurement) -> tuple[CheckResult, ...]:
    """What is predicted; a KV type that the runtime calls otherwise is left to its default.

    Raises:
        BadInput, CannotAnswer: the model or the cards cannot be predicted for.
    """
    queries = _queries(measurement)
    try:
        return check(_asked(measurement, queries, measurement.workload.kv)).results
    except UsageError as error:
        if error.message.code != "error.kv_not_in_runtime":
            raise
        return check(_asked(measurement, queries, None)).results


def _row(name: str, measurement: Measurement, predicted: Quantity) -> Row | None:
    value = getattr(measurement.figures, name)
    if value is None:
        return None
    seen = figure(measurement, value, "token/s", "unknown.not_measured")
    low, high = predicted.lowest, predicted.highest
    outcome: Outcome = "unknown"
    if low is not None and high is not None:
        outcome = "slower" if value < low else "faster" if value > high else "inside"
    return Row(name, seen, predicted, outcome)


def _watch(vendor: str, nvidia: str, amd: str) -> str | None:
    return {"NVIDIA": nvidia, "AMD": amd}.get(vendor)


def _power(measurement: Measurement, result: CheckResult) -> Suspect | None:
    """A power limit below the product's, or one that nobody noted."""
    gpu = result.cards[0].card.gpu
    command = _watch(gpu.vendor, "nvidia-smi -q -d POWER,CLOCK,PERFORMANCE", "amd-smi metric --power --clock")
    known = gpu.power_limit.value
    if command is None or (measurement.power_limit and known and measurement.power_limit >= known):
        return None
    return Suspect("power", bool(measurement.power_limit), command)


def _pcie(measurement: Measurement, result: CheckResult) -> Suspect | None:
    """Only where something crosses the bus at every token: several cards, or parts in host memory."""
    gpu = result.cards[0].card.gpu
    query = "nvidia-smi --query-gpu=pcie.link.gen.current,pcie.link.width.current --format=csv"
    command = _watch(gpu.vendor, query, "amd-smi metric --pcie")
    crosses = measurement.gpus > 1 or measurement.host == "yes"
    return Suspect("pcie", shown=False, command=command) if command is not None and crosses else None


def _spill(measurement: Measurement, result: CheckResult) -> Suspect | None:
    """Parts in host memory: as the tool says, or as a model that does not surely fit leads to."""
    settings = dict(measurement.settings)
    partly = measurement.runtime == "llama.cpp" and measurement.host == "unsaid" and "n_gpu_layers" in settings
    if measurement.host != "yes" and not partly and result.verdict == "yes":
        return None
    gpu = result.cards[0].card.gpu
    used = "nvidia-smi --query-gpu=memory.used,memory.total --format=csv"
    command = _watch(gpu.vendor, used, "amd-smi metric --mem-usage")
    return Suspect("spill", measurement.host == "yes", command or "assay diagnose --log server.log")


def _weight_only(measurement: Measurement, result: CheckResult, slow: set[str]) -> Suspect | None:
    """Only where the tables say that weights are unpacked, and the shortfall is where that costs."""
    share = sum(group.work_share for group in result.execution if group.path == "weight-only")
    crowded = (measurement.workload.concurrency or 1) >= CROWDED
    if share < UNPACKED_WORTH or not ("prefill" in slow or crowded):
        return None
    gpu = result.cards[0].card.gpu
    return Suspect("weight_only", shown=True, command=f"assay formats {gpu.id} --runtime {measurement.runtime}")


def _processor(result: CheckResult, slow: set[str], vendor: str) -> Suspect | None:
    """The runtime's own work on the processor: it costs a token the same on any card, and a prompt next to nothing."""
    command = _watch(vendor, "nvidia-smi dmon -s u", "amd-smi monitor --gfx")
    if command is None or not slow & {"decode_per_sequence", "decode_total"}:
        return None
    return Suspect("processor", result.speed.bound == "overhead", command)


def _backend(measurement: Measurement, vendor: str) -> Suspect | None:
    """llama.cpp names its backends: one that is not the vendor's own is shown, the right one rules this out."""
    said = dict(measurement.settings).get("backends")
    own = OWN_BACKENDS.get(vendor)
    if measurement.runtime != "llama.cpp" or own is None:
        return Suspect("backend", shown=False, command="assay diagnose --log server.log")
    if said is None:
        return Suspect("backend", shown=False, command="llama-bench --list-devices")
    names = {name.strip().lower() for name in said.split(",")}
    return None if names & own else Suspect("backend", shown=True, command="llama-bench --list-devices")


def _suspects(measurement: Measurement, result: CheckResult, rows: tuple[Row, ...]) -> tuple[Suspect, ...]:
    """What may explain the rows that are too slow, what is shown first."""
    slow = {row.name for row in rows if row.outcome == "slower"}
    if not slow:
        return ()
    vendor = result.cards[0].card.gpu.vendor
    found = (
        _spill(measurement, result),
        _backend(measurement, vendor),
        _weight_only(measurement, result, slow),
        _power(measurement, result),
        _pcie(measurement, result),
        _processor(result, slow, vendor),
    )
    return tuple(sorted((each for each in found if each is not None), key=lambda each: not each.shown))


def _compared(measurement: Measurement, result: CheckResult) -> Comparison:
    found = (_row(name, measurement, getattr(result.speed, name)) for name in ROWS[measurement.kind])
    rows = tuple(row for row in found if row is not None)
    return Comparison(measurement, result, rows, _suspects(measurement, result, rows))


def _comparable(measurement: Measurement) -> bool:
    named = bool(_queries(measurement)) and measurement.runtime is not None and bool(measurement.model.text)
    return named and bool(ROWS[measurement.kind])


def answer(request: ShortfallRequest) -> ShortfallAnswer:
    """Each measurement of a file, or one of the store, against its prediction.

    Raises:
        BadInput, CannotAnswer, EnvironmentFailure: the file or the store cannot be read.
        MissingKnowledge: nothing can be compared: card, runtime or model are not known.
    """
    measurements = _measurements(request)
    said: list[Message] = []
    comparisons: list[Comparison] = []
    for each in measurements:
        said += unidentified(each)
        if not _comparable(each):
            continue
        try:
            comparisons += (_compared(each, result) for result in _checked(each))
        except BadInput as error:
            said.append(error.message)
            continue
        said += each.notes
        said += [] if each.model.weights else [message("shortfall.as_stored", model=each.model.id or each.model.text)]
        said += [] if each.partial is None else [message("shortfall.partial", "warning", why=(each.partial,))]
    if not comparisons:
        reasons = tuple(dict.fromkeys(said)) or (message("shortfall.nothing"),)
        raise MissingKnowledge(message("error.shortfall", why=reasons), message("hint.shortfall"))
    return ShortfallAnswer(request, tuple(comparisons), tuple(dict.fromkeys(said)))
