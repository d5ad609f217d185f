"""Measurements as a page: a ladder with its rungs, or what is stored, one line each."""

from assay.answers.bench import BenchAnswer, figure, source_of
from assay.knowledge.catalog.gpus import gpu
from assay.knowledge.catalog.runtimes import runtime
from assay.types.measurement import MeasuredCard, Measurement
from assay.types.message import Message, message
from assay.types.quantity import Quantity
from assay.types.report import Block, Cell, Figure, Notes, Report, Row, Table, Tone

NOT_MEASURED = "unknown.not_measured"


def _q(measurement: Measurement, value: float | None, unit: str) -> Quantity | None:
    """A figure, None where it was not measured: a dash."""
    return None if value is None else figure(measurement, value, unit, NOT_MEASURED)


def _card(card: MeasuredCard) -> str:
    name = gpu(card.id).name if card.id is not None else f"{card.text}?"
    return name if card.number == 1 else f"{card.number}× {name}"


def _cards(measurement: Measurement) -> Message | str:
    return " + ".join(map(_card, measurement.cards)) if measurement.cards else message("bench.unnamed")


def runtime_name(measurement: Measurement) -> Message | str:
    """The runtime with its version as it names itself."""
    if measurement.runtime is None:
        return message("bench.unnamed")
    name = runtime(measurement.runtime).name
    return name if measurement.version is None else f"{name} {measurement.version}"


def model_name(measurement: Measurement) -> str:
    """The model without its owner, with its weight format where one is known."""
    name = (measurement.model.id or measurement.model.text or "?").rpartition("/")[2]
    return name if measurement.model.weights is None else f"{name}, {measurement.model.weights}"


def _main(measurement: Measurement) -> Quantity | None:
    """The speed that a test is about."""
    figures = measurement.figures
    speed = {
        "decode": figures.decode_per_sequence,
        "prefill": figures.prefill,
        "mixed": figures.throughput,
        "serving": figures.throughput,
    }[measurement.kind]
    return _q(measurement, speed, "token/s")


def _rounded(tokens: float | None) -> int | None:
    return None if tokens is None else round(tokens)


def test(measurement: Measurement) -> Message:
    """What was timed, in tokens."""
    workload = measurement.workload
    return message(
        f"bench.test.{measurement.kind}",
        prompt=_rounded(workload.prompt) or 0,
        output=_rounded(workload.output) or 0,
        depth=workload.depth,
        concurrency=workload.concurrency or "?",
    )


def _state(measurement: Measurement) -> Message:
    return message("bench.complete" if measurement.partial is None else "bench.partial")


def _listing(measurements: tuple[Measurement, ...]) -> Table:
    rows = []
    for each in measurements:
        number = "–" if each.id is None else str(each.id)
        cells: tuple[Cell, ...] = (
            model_name(each), _cards(each), runtime_name(each), test(each), _main(each), (each.when or "–")[:10],
            _state(each),
        )  # fmt: skip
        rows.append(Row(number, cells))
    heads = ("model", "card", "runtime", "test", "speed", "when", "state")
    return Table(None, tuple(message(f"bench.column.{head}") for head in heads), tuple(rows), listing=True)


def _ladder(measurements: tuple[Measurement, ...]) -> Table:
    """Rungs by their concurrency; a cut one is marked."""
    rows = []
    for each in measurements:
        figures = each.figures
        cells: tuple[Cell, ...] = (
            _q(each, figures.throughput, "token/s"),
            _q(each, figures.decode_total, "token/s"),
            _q(each, figures.decode_per_sequence, "token/s"),
            _q(each, figures.prefill, "token/s"),
            _q(each, figures.ttft.p50, "s"),
            _q(each, figures.ttft.p99, "s"),
            _q(each, figures.itl.p50, "s"),
            _q(each, figures.itl.p99, "s"),
            figures.samples,
        )
        label = message(
            "bench.rung" if each.partial is None else "bench.rung_partial", number=each.workload.concurrency
        )
        rows.append(Row(label, cells))
    heads = ("throughput", "decode_total", "decode", "prefill", "ttft_50", "ttft_99", "itl_50", "itl_99", "samples")
    return Table(message("bench.ladder"), tuple(message(f"bench.column.{head}") for head in heads), tuple(rows))


def _about(measurement: Measurement) -> Message:
    return message("bench.about", model=model_name(measurement), place=measurement.origin.place)


def _headline(answer: BenchAnswer) -> tuple[Message, ...]:
    count = len(answer.measurements)
    if answer.action == "run":
        partial = any(each.partial is not None for each in answer.measurements)
        code = "bench.headline.stopped" if partial else "bench.headline.run"
        return message(code, count=count), _about(answer.measurements[0])
    if answer.action == "list" and not count:
        return (message("bench.headline.none"),)
    return (message(f"bench.headline.{answer.action}", count=count),)


def _partials(answer: BenchAnswer) -> tuple[Message, ...]:
    """Why what is not complete is not, and what to know about figures, each once."""
    lines = []
    for each in answer.measurements:
        name = str(each.id) if answer.action != "run" else str(each.workload.concurrency)
        if each.partial is not None:
            code = "bench.partial_rung" if answer.action == "run" else "bench.partial_of"
            lines.append(message(code, "warning", number=name, why=(each.partial,)))
        if answer.action != "list":
            lines += each.notes
    return tuple(dict.fromkeys(lines))


def _figures(answer: BenchAnswer) -> tuple[Figure, ...]:
    named = (
        ("bench.column.throughput", "throughput"), ("bench.column.decode_total", "decode_total"),
        ("bench.column.decode", "decode_per_sequence"), ("bench.column.prefill", "prefill"),
    )  # fmt: skip
    return tuple(
        Figure(message(code), found)
        for each in answer.measurements
        for code, name in named
        if (found := _q(each, getattr(each.figures, name), "token/s")) is not None
    )


def _tone(answer: BenchAnswer) -> Tone:
    if answer.exit_code:
        return "bad"
    return "unsure" if any(said.level == "warning" for said in answer.messages) else "good"


def layout(answer: BenchAnswer) -> Report:
    """The page: what was done, the figures, what is not known and what to do about it, where it is stored."""
    blocks: list[Block] = []
    if answer.measurements:
        blocks.append(_ladder(answer.measurements) if answer.action == "run" else _listing(answer.measurements))
    lines = (*_partials(answer), *answer.messages)
    blocks += [Notes(None, lines)] if lines else []
    if answer.path is None:
        blocks.append(Notes(None, (message("bench.not_stored"),)))
    elif answer.measurements:
        blocks.append(Notes(None, (message("bench.where", file=str(answer.path)),)))
    cited = tuple(dict.fromkeys(map(source_of, answer.measurements)))
    return Report(_headline(answer), _tone(answer), tuple(blocks), _figures(answer), cited)
