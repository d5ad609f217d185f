"""What a server's start-up log shows against what was predicted: the log is the final witness."""

from typing import NamedTuple

from assay.answers.asked import MAX_CARDS, CardCount, columns_of
from assay.answers.log_attention import AttentionRow, attention_circumstances, attention_row
from assay.answers.log_kernels import SelectionRow, selections_of
from assay.answers.log_model import cards_of, model_of
from assay.answers.log_rows import Compared, LogRow
from assay.answers.log_setting import Asked, asked_of
from assay.errors import UnknownGpu
from assay.knowledge.catalog.logs import Cause, causes
from assay.knowledge.catalog.runtimes import runtime
from assay.observe.runtimes.read import read
from assay.types.gpu import Identification
from assay.types.log import ServerLog
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Verdict, Workload
from assay.types.quantity import Quantity

MOST_CAUSES = 2
FAILED = frozenset({
    "vllm_no_kv", "vllm_context_kv", "vllm_context_tokens", "out_of_memory", "sglang_no_kv", "llama_allocation",
})  # fmt: skip
"""Errors that a plan of memory foresees, or should have."""


class DiagnoseRequest(NamedTuple):
    """What was asked: a file or `-`, and where they are named, the model and the cards."""

    log: str
    model: str | None = None
    gpus: tuple[str, ...] = ()


class RowDiagnosis(NamedTuple):
    """A row and the likely causes of its difference, the likeliest first."""

    row: LogRow
    causes: tuple[Cause, ...]


class AttentionDiagnosis(NamedTuple):
    """What attends and the likely causes of its difference, the likeliest first."""

    row: AttentionRow
    causes: tuple[Cause, ...]


class Diagnosis(NamedTuple):
    """What a log shows, for one set of cards; without cards or model nothing is predicted.

    Attributes:
        cards: the cards, or none.
        workload: what the log says was asked, or None.
        verdict: whether it was predicted to fit, or None.
        available: what was predicted that the runtime allows itself, or None.
        rows, selections: what was allocated and what was selected.
        attention: what attends; None where the log does not say.
    """

    cards: tuple[CardCount, ...]
    workload: Workload | None
    verdict: Verdict | None
    available: Quantity | None
    rows: tuple[RowDiagnosis, ...]
    selections: tuple[SelectionRow, ...]
    attention: AttentionDiagnosis | None = None

    @property
    def differs(self) -> bool:
        """Whether a prediction did not hold."""
        return (
            any(one.row.outcome in {"above", "below"} for one in self.rows)
            or any(one.agrees is False for one in self.selections)
            or (self.attention is not None and self.attention.row.outcome == "differs")
        )


class DiagnoseAnswer(NamedTuple):
    """The whole answer: one diagnosis for each set of cards, forked where a card is ambiguous."""

    request: DiagnoseRequest
    log: ServerLog
    model: Model | None
    identifications: tuple[Identification, ...]
    results: tuple[Diagnosis, ...]
    messages: tuple[Message, ...]

    def surprised(self, result: Diagnosis) -> bool:
        """Whether the start failed for want of memory although a fit was predicted, or came up although none was."""
        failed = any(trouble.code in FAILED for trouble in self.log.troubles)
        if failed:
            return result.verdict == "yes"
        held = self.log.kv_tokens is not None or any(one.kind == "compute" for one in self.log.buffers)
        return held and not self.log.troubles and result.verdict == "no"

    @property
    def exit_code(self) -> int:
        """1 if a prediction did not hold on every set of cards that the log may mean, else 0."""
        wrong = [result.differs or self.surprised(result) for result in self.results]
        return 1 if wrong and all(wrong) else 0


def _circumstances(log: ServerLog, compared: Compared, model: Model | None) -> set[str]:
    """What the log shows that may be a cause."""
    found = set(log.flags)
    if log.context_parallel is not None and log.context_parallel.value > 1:
        found.add("context_parallel")
    if log.tensor_parallel is not None and log.tensor_parallel.value > 1:
        found.add("tensor_parallel")
    if log.utilization is None:
        found.add("utilization_unsaid")
    if log.quantization is not None and model is not None and model.released_format in {"bf16", "fp16"}:
        found.add("quantized")
    if log.fork is not None:
        found.add("fork")
    if any(one.name == "no flash attention" for one in log.selections):
        found.add("no_flash")
    if log.runtime == "llama.cpp" and compared.host_weights():
        found.add("host_weights")
    if compared.hybrid():
        found.add("sliding")
    return found


def _likely(row: str, outcome: str, log: ServerLog, circumstances: set[str]) -> tuple[Cause, ...]:
    """Causes that explain this row of this log, those that it shows first."""
    likely = [
        cause
        for cause in causes()
        if row in cause.rows
        and outcome in cause.outcomes
        and log.runtime in cause.runtimes
        and (not cause.needs or cause.needs in circumstances)
    ]
    return tuple(likely[:MOST_CAUSES])


def _explained(row: LogRow, log: ServerLog, circumstances: set[str]) -> RowDiagnosis:
    if row.outcome not in {"above", "below"}:
        return RowDiagnosis(row, ())
    return RowDiagnosis(row, _likely(row.name, row.outcome, log, circumstances))


def _attention(log: ServerLog, asked: Asked | None, isa: str | None) -> AttentionDiagnosis | None:
    row = attention_row(log, asked, isa)
    if row is None:
        return None
    if row.outcome not in {"differs", "differs_elsewhere"}:
        return AttentionDiagnosis(row, ())
    return AttentionDiagnosis(row, _likely("attention", "other", log, attention_circumstances(row, log)))


def _verdict(log: ServerLog, compared: Compared, column: tuple[CardCount, ...]) -> Verdict | None:
    """Whether it was predicted to fit; None where layers are dealt out over cards or stay in host memory."""
    if compared.fit is None or not column:
        return None
    if log.runtime == "llama.cpp" and (sum(entry.number for entry in column) > 1 or compared.host_weights()):
        return None
    return compared.fit.verdict


def _ranked(column: tuple[CardCount, ...], log: ServerLog) -> tuple[CardCount, ...]:
    """One card that was named without a number: as many as the log has ranks."""
    ranks = 1 if log.tensor_parallel is None else round(log.tensor_parallel.value)
    if log.runtime == "llama.cpp" or len(column) > 1 or column[0].number > 1 or not 1 < ranks <= MAX_CARDS:
        return column
    return (column[0]._replace(number=ranks),)


def _diagnosis(log: ServerLog, file: str, model: Model | None, column: tuple[CardCount, ...]) -> Diagnosis:
    dealt = log.pipeline_parallel is not None and log.pipeline_parallel.value > 1
    asked = asked_of(log, model, column) if model is not None and not dealt else None
    compared = Compared(log, file, asked)
    circumstances = _circumstances(log, compared, model)
    isa = column[0].card.gpu.isa if len({entry.card.gpu.isa for entry in column}) == 1 else None
    return Diagnosis(
        column,
        None if asked is None else asked.workload,
        _verdict(log, compared, column),
        None if compared.fit is None or not column else compared.fit.memory.available,
        tuple(_explained(row, log, circumstances) for row in compared.rows()),
        selections_of(log, model, isa),
        _attention(log, asked, isa),
    )


def _columns(
    request: DiagnoseRequest, log: ServerLog
) -> tuple[list[tuple[CardCount, ...]], list[Identification], list[Message]]:
    """The sets of cards: a name of the log that the catalogue lacks is said, one of the user's is an error."""
    queries = cards_of(request.gpus, log)
    if not queries:
        return [], [], [message("diagnose.no_gpu")]
    try:
        columns, identifications = columns_of(queries)
    except UnknownGpu:
        if request.gpus:
            raise
        return [], [], [message("diagnose.unknown_gpu", name=queries[0])]
    said = [] if request.gpus else [message("diagnose.gpu_by_name", name=queries[0], line=log.devices[0].line)]
    return [_ranked(column, log) for column in columns], identifications, said


def _remarks(log: ServerLog, *, predicted: bool) -> list[Message]:
    found = []
    engine = runtime(log.runtime)
    if predicted and log.version is not None and engine.version and engine.version not in log.version.text:
        said = log.version.text
        found.append(message("diagnose.other_version", runtime=engine.name, known=engine.version, version=said))
    if log.fork is not None:
        found.append(message("diagnose.fork", "warning", word=log.fork.text, line=log.fork.line))
    if log.pipeline_parallel is not None and log.pipeline_parallel.value > 1:
        found.append(message("diagnose.pipeline", "warning", ranks=round(log.pipeline_parallel.value)))
    if log.runtime == "llama.cpp" and not log.buffers and not log.troubles:
        found.append(message("diagnose.quiet"))
    return found


def answer(request: DiagnoseRequest) -> DiagnoseAnswer:
    """What a log shows, row by row, against what was predicted for the same workload.

    Raises:
        UnreadableFile, MalformedFile: the log cannot be read, or is none.
        MissingKnowledge: no known runtime wrote it.
        UnknownGpu, UnknownModel: what was named is not known.
    """
    log = read(request.log)
    named = model_of(request.model, log)
    columns, identifications, said = _columns(request, log)
    file = "stdin" if request.log == "-" else request.log
    results = tuple(_diagnosis(log, file, named.model, column) for column in columns or [()])
    return DiagnoseAnswer(
        request,
        log,
        named.model,
        tuple(identifications),
        results,
        (*named.messages, *said, *_remarks(log, predicted=any(result.workload for result in results))),
    )
