"""Row by row: what a log says was allocated, what was predicted for the same workload, and whether they agree."""

from typing import NamedTuple

from assay.answers.log_setting import Asked
from assay.knowledge.catalog.logs import tolerance
from assay.observe.runtimes.llama_cpp_log import is_host
from assay.reason.agreement import Outcome, outcome
from assay.reason.memory.cache import FIXED, WINDOWED
from assay.reason.memory.fit import capacity_of, fit, load_of, room_of
from assay.reason.memory.overhead import fixed_terms
from assay.reason.memory.weights import loaded_weights
from assay.types.log import BufferKind, LogBuffer, LogFigure, ServerLog
from assay.types.message import message
from assay.types.plan import Capacity, Fit
from assay.types.quantity import Quantity, derive, total, unknown

HOST_SHARE = 0.1
"""Weights in host memory beyond this share of the file were placed there by a wish: the embedding table is less."""


class LogRow(NamedTuple):
    """One figure of a log against its prediction.

    Attributes:
        name: `row.diagnose.<name>` are its words.
        observed: as printed; None where the log does not say.
        predicted: for the same workload; None where nothing was predicted.
        outcome: whether they agree.
        line: of the log; None for a figure that several lines make.
    """

    name: str
    observed: Quantity
    predicted: Quantity
    outcome: Outcome
    line: int | None


def observed(figure: LogFigure, unit: str, file: str) -> Quantity:
    """A figure as a log prints it: the interval is what its digits leave open."""
    low, high = figure.value - figure.half, figure.value + figure.half
    ends = (low, high) if figure.half else (None, None)
    return Quantity(figure.value, unit, "reported", (file,), low=ends[0], high=ends[1])


def summed(buffers: list[LogBuffer], file: str) -> Quantity:
    """The buffers of one kind together."""
    return total("B", [(one.device, observed(one.figure, "B", file)) for one in buffers])


def _row(
    name: str,
    seen: Quantity,
    predicted: Quantity,
    line: int | None = None,
    *,
    ceiling: bool = False,
) -> LogRow:
    slack = tolerance(name)
    found = outcome(seen, predicted, (slack.value or 0.0) if slack else 0.0, ceiling=ceiling)
    return LogRow(name, seen, predicted, found, line)


def _unpredicted(reason: str, unit: str = "B") -> Quantity:
    return unknown(unit, message(f"unknown.diagnose.{reason}"))


class Compared:
    """A log, its file's name and, where model and cards are known, the plan for its workload."""

    def __init__(self, log: ServerLog, file: str, asked: Asked | None) -> None:
        self.log = log
        self.file = file
        self.asked = asked
        self.fit: Fit | None = None if asked is None else fit(asked.setting, asked.workload)

    def rows(self) -> tuple[LogRow, ...]:
        """All rows that the log has a figure for."""
        return tuple(self._llama_cpp() if self.log.runtime == "llama.cpp" else self._paged())

    def hybrid(self) -> bool:
        """Whether some layers keep a window or a state: then printed tokens count groups of layers."""
        return self.asked is not None and any(
            layer.kind in FIXED or layer.kind in WINDOWED for layer in self.asked.setting.model.layers
        )

    def _seen(self, figure: LogFigure, unit: str = "B") -> Quantity:
        return observed(figure, unit, self.file)

    def _missing(self) -> Quantity:
        if self.asked is not None:
            return _unpredicted("not_modelled")
        dealt = self.log.pipeline_parallel is not None and self.log.pipeline_parallel.value > 1
        return _unpredicted("pipeline" if dealt else "no_model")

    # vLLM and SGLang: every card holds its share, the cache takes what is left

    def _paged(self) -> list[LogRow]:
        log, rows = self.log, []
        plan = None if self.fit is None else self.fit.memory
        if log.weights is not None:
            rows.append(
                _row("weights", self._seen(log.weights), plan.weights if plan else self._missing(), log.weights.line)
            )
        if log.kv_memory is not None:
            predicted = room_of(self.asked.setting, plan) if plan and self.asked else self._missing()
            rows.append(_row("kv_room", self._seen(log.kv_memory), predicted, log.kv_memory.line))
        if log.kv_memory is not None and log.kv_tokens is not None and log.kv_tokens.value > 0:
            rows.append(self._per_token(log.kv_memory, log.kv_tokens))
        rows += self._reach()
        if log.state is not None:
            rows.append(_row("state", self._seen(log.state), _unpredicted("pool"), log.state.line))
        if log.activation is not None:
            predicted = plan.activation if plan else self._missing()
            rows.append(_row("activation", self._seen(log.activation), predicted, log.activation.line))
        if log.graphs is not None:
            rows.append(_row("graphs", self._seen(log.graphs), self._graphs(), log.graphs.line))
        return [*rows, *self._whole()]

    def _per_token(self, memory: LogFigure, tokens: LogFigure) -> LogRow:
        seen = derive(
            "B",
            "KV cache memory / KV cache tokens",
            [("KV cache memory", self._seen(memory)), ("KV cache tokens", self._seen(tokens, "token"))],
            lambda size, number: size / number,
            rising=(True, False),
        )
        if self.asked is None or self.fit is None:
            return _row("kv_per_token", seen, self._missing())
        if self.hybrid():
            return _row("kv_per_token", seen, _unpredicted("hybrid_tokens"))
        if not self.asked.kv_known:
            return _row("kv_per_token", seen, _unpredicted("kv_type"))
        context = self.asked.workload.context
        predicted = derive(
            "B",
            "KV cache of a sequence / its tokens",
            [("KV cache of a sequence", self.fit.memory.kv_per_sequence)],
            lambda size: size / context,
        )
        return _row("kv_per_token", seen, predicted)

    def _capacity(self) -> Capacity | None:
        """What the log should say of the memory for the cache: of the memory that it names, else of the predicted."""
        if self.asked is None or self.fit is None:
            return None
        if self.log.kv_memory is None or self.log.kv_memory.value <= 0:
            return self.fit.capacity
        return capacity_of(self.asked.setting, self.asked.workload, self._seen(self.log.kv_memory))

    def _reach(self) -> list[LogRow]:
        log, rows, held = self.log, [], self._capacity()
        for name, unit, figure in (("kv_tokens", "token", log.kv_tokens), ("concurrency", "sequence", log.concurrency)):
            if figure is None:
                continue
            if self.asked is None or held is None:
                predicted = _unpredicted("no_model", unit)
            elif not self.asked.kv_known:
                predicted = _unpredicted("kv_type", unit)
            else:
                predicted = held.tokens if name == "kv_tokens" else held.requests
            rows.append(_row(name, self._seen(figure, unit), predicted, figure.line))
        return rows

    def _graphs(self) -> Quantity:
        setting = None if self.asked is None else self.asked.setting
        if self.asked is None or setting is None or setting.runtime.memory is None:
            return self._missing()
        load = load_of(setting, self.asked.workload)
        terms = fixed_terms(setting.model, setting.runtime.memory, load)
        return terms.get("graphs", self._missing())

    def _whole(self) -> list[LogRow]:
        """Weights and cache together may not exceed what the runtime allows itself."""
        log = self.log
        if log.weights is None or log.kv_memory is None or log.kv_memory.value <= 0:
            return []
        seen = total("B", [("weights", self._seen(log.weights)), ("KV cache", self._seen(log.kv_memory))])
        available = self._missing() if self.fit is None else self.fit.memory.available
        return [_row("total", seen, available, ceiling=True)]

    # llama.cpp: whole layers on each card, every buffer printed; all cards together

    def _buffers(self, kind: BufferKind) -> list[LogBuffer]:
        return [one for one in self.log.buffers if one.kind == kind]

    def host_weights(self) -> bool:
        """Whether weights were left in host memory by a wish, beyond the embedding table."""
        log = self.log
        on_cards = sum(one.figure.value for one in self._buffers("model") if not is_host(one.device))
        if log.offloaded is not None and log.offloaded[0] < log.offloaded[1]:
            return True
        return log.file_size is not None and on_cards < log.file_size.value * (1 - HOST_SHARE)

    def _llama_cpp(self) -> list[LogRow]:
        log, rows = self.log, []
        plan = None if self.fit is None else self.fit.memory
        model = None if self.asked is None else self.asked.setting.model
        if log.file_size is not None:
            whole = self._missing() if model is None else loaded_weights(model, None)
            if model is not None and model.container != "gguf":
                whole = _unpredicted("other_container")
            rows.append(_row("file_size", self._seen(log.file_size), whole, log.file_size.line))
        on_cards = [one for one in self._buffers("model") if not is_host(one.device)]
        if on_cards:
            rows.append(_row("device_weights", summed(on_cards, self.file), self._placed()))
        for kind in ("kv", "state"):
            found = self._buffers(kind)
            if found:
                predicted = self._missing() if plan is None else getattr(plan, kind)
                if kind == "kv" and self.asked is not None and not self.asked.kv_known:
                    predicted = _unpredicted("kv_type")
                rows.append(_row(kind, summed(found, self.file), predicted))
        compute = [one for one in self._buffers("compute") if not is_host(one.device)] or self._buffers("compute")
        if compute:
            largest = max(compute, key=lambda one: one.figure.value)
            predicted = plan.activation if plan else self._missing()
            rows.append(_row("compute", self._seen(largest.figure), predicted, largest.figure.line, ceiling=True))
        return rows

    def _placed(self) -> Quantity:
        """Weights on the cards: all of them, the embedding table in host memory or not."""
        if self.asked is None or self.fit is None:
            return self._missing()
        model = self.asked.setting.model
        if model.container != "gguf":
            return _unpredicted("other_container")
        if self.host_weights():
            return _unpredicted("offload")
        embedding = sum(group.size for group in model.groups if group.role == "embedding")
        placed = derive(
            "B",
            "weights - embedding table",
            [("weights", model.weights)],
            lambda whole: float(max(0.0, whole - embedding)),
        )
        return Quantity(
            placed.value,
            "B",
            "derived",
            placed.sources,
            low=placed.lowest,
            high=model.weights.highest,
            weakest=placed.weakest,
            weakest_share=placed.weakest_share,
            formula=placed.formula,
            inputs=placed.inputs,
        )
