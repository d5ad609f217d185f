"""The owner's measurements for programs (`assay.bench/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.bench import BenchAnswer, figure, source_of
from assay.report.json.envelope import Envelope, Letter, MessageBody, Q
from assay.report.numbers import Language
from assay.types.measurement import Host, Kind, Measurement, Named, Percentiles

SCHEMA = "assay.bench/1"
SPEEDS = ("decode_per_sequence", "decode_total", "prefill", "throughput", "spread")


class MeasuredCardBody(TypedDict):
    """Equal cards as they were named; `id` is null unless exactly one of the catalogue's is meant."""

    text: str
    id: str | None
    candidates: list[str]
    count: int
    named_by: Named


class MeasuredModelBody(TypedDict):
    """The model as it was named, its id in the catalogue or null, and its weight format or null."""

    text: str
    id: str | None
    weights: str | None
    named_by: Named


class DistributionBody(TypedDict):
    """Mean and percentiles of a time."""

    mean: Q
    p50: Q
    p90: Q
    p99: Q


class OriginBody(TypedDict):
    """The tool, the file or server, the file's SHA-256 or the run's random id, and the test in it, from 0."""

    tool: str
    place: str
    digest: str
    row: int


class MeasurementBody(TypedDict):
    """One measurement; `id` is null where it was not stored, `partial` says why it is not `complete`."""

    id: int | None
    when: str | None
    kind: Kind
    gpus: list[MeasuredCardBody]
    model: MeasuredModelBody
    runtime: str | None
    version: str | None
    concurrency: int | None
    prompt: Q
    output: Q
    depth: int
    kv: str | None
    power_limit: Q
    decode_per_sequence: Q
    decode_total: Q
    prefill: Q
    throughput: Q
    spread: Q
    ttft: DistributionBody
    itl: DistributionBody
    samples: int
    host: Host
    settings: dict[str, str]
    origin: OriginBody
    complete: bool
    partial: str | None
    notes: list[MessageBody]


class Document(Envelope):
    """What was done with which measurements; `stopped` says what ended a run before its time."""

    action: Literal["run", "import", "list", "forget"]
    store: str | None
    measurements: list[MeasurementBody]
    stopped: str | None


def measured(measurement: Measurement, letter: Letter) -> dict[str, Any]:
    """A measurement on the wire."""

    def q(value: float | None, unit: str) -> Q:
        return letter.q(figure(measurement, value, unit, "unknown.not_measured"))

    def distribution(found: Percentiles) -> dict[str, Q]:
        return {name: q(value, "s") for name, value in found._asdict().items()}

    figures, workload = measurement.figures, measurement.workload
    letter.cite([source_of(measurement)])
    return {
        "id": measurement.id,
        "when": measurement.when,
        "kind": measurement.kind,
        "gpus": [
            {
                "text": card.text,
                "id": card.id,
                "candidates": list(card.candidates),
                "count": card.number,
                "named_by": card.named_by,
            }
            for card in measurement.cards
        ],
        "model": measurement.model._asdict(),
        "runtime": measurement.runtime,
        "version": measurement.version,
        "concurrency": workload.concurrency,
        "prompt": q(workload.prompt, "token"),
        "output": q(workload.output, "token"),
        "depth": workload.depth,
        "kv": workload.kv,
        "power_limit": q(measurement.power_limit, "W"),
        **{name: q(getattr(figures, name), "token/s") for name in SPEEDS},
        "ttft": distribution(figures.ttft),
        "itl": distribution(figures.itl),
        "samples": figures.samples,
        "host": measurement.host,
        "settings": dict(measurement.settings),
        "origin": measurement.origin._asdict(),
        "complete": measurement.partial is None,
        "partial": None if measurement.partial is None else letter.text(measurement.partial),
        "notes": [letter.message(note) for note in measurement.notes],
    }


def document(answer: BenchAnswer, language: Language) -> dict[str, Any]:
    """The document of a `bench` command."""
    letter = Letter(language)
    body = {
        "action": answer.action,
        "store": None if answer.path is None else str(answer.path),
        "measurements": [measured(each, letter) for each in answer.measurements],
        "stopped": None if answer.stopped is None else letter.text(answer.stopped),
    }
    return letter.close(SCHEMA, body, answer.messages)
