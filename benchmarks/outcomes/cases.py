"""Published cases with a known outcome, one row a case: read and checked, never guessed.

What the columns mean, and what makes a row usable, is stated in README.md beside the data.
"""

import csv
import math
from pathlib import Path
from typing import NamedTuple

PATH = Path(__file__).parent / "outcomes.csv"
OUTCOMES = {
    "speed": ("a", "b", "tie"),
    "refused": ("refused", "runs"),
    "fit": ("fits", "does_not_fit"),
    "quality": ("a", "b", "tie"),
}
HIGHER_IS_BETTER = {
    "decode_tokens_per_s": True,
    "prefill_tokens_per_s": True,
    "generated_tokens_per_s": True,
    "request_tokens_per_s": True,
    "output_tokens_per_s": True,
    "total_tokens_per_s": True,
    "throughput_ratio": True,
    "tpot_s": False,
    "ttft_s": False,
    "request_time_s": False,
    "wall_time_s": False,
}
QUALITY_METRICS = ("kld", "ppl", "ppl_ratio", "mmlu", "gpqa", "gsm8k", "humaneval")
TIE = 1.03  # two speeds within 3 %: nobody repeats such a run more closely


class CaseError(ValueError):
    """A row that breaks the rule; the message names the row, the column and the value."""


class Case(NamedTuple):
    """One published case; None is a figure that its source does not tell."""

    id: str
    kind: str
    group: str
    gpu: str
    gpus: int | None
    runtime: str
    version: str
    model: str
    config: str
    context: int | None
    prompt: int | None
    output: int | None
    concurrency: int | None
    tp: int | None
    utilization: float | None
    weights_a: str
    kv_a: str
    weights_b: str
    kv_b: str
    metric: str
    value_a: float | None
    value_b: float | None
    outcome: str
    date: str
    source: str
    quote: str
    excluded: str

    @property
    def cards(self) -> tuple[str, ...]:
        """The catalogue's ids that the source's words allow: one, or several where it leaves the variant open."""
        return tuple(self.gpu.split("|")) if self.gpu else ()


REQUIRED = ("id", "kind", "group", "runtime", "weights_a", "outcome", "source", "quote")
REQUIRED_USABLE = {
    "speed": ("gpu", "gpus", "tp", "model", "config", "concurrency", "weights_b", "metric", "value_a", "value_b"),
    "refused": ("gpu", "gpus"),
    "fit": ("gpu", "gpus", "model", "config", "context", "concurrency"),
    "quality": ("model", "weights_b", "metric", "value_a", "value_b"),
}


def _value(row: str, name: str, text: str) -> object:
    """One cell as its column's type; an empty cell of a number is None."""
    kind = Case.__annotations__[name]
    if kind is str:
        return text
    if text == "":
        return None
    try:
        number = float(text) if kind == float | None else int(text)
    except ValueError:
        raise CaseError(f"{row}: {name} cannot be {text!r}") from None
    if not math.isfinite(number) or number < 0 or (number == 0 and name not in ("prompt", "output")):
        raise CaseError(f"{row}: {name} cannot be {text!r}")
    return number


def direction(metric: str, value_a: float, value_b: float) -> str:
    """Which option is faster: a, b or tie."""
    ratio = value_a / value_b if HIGHER_IS_BETTER[metric] else value_b / value_a
    if max(ratio, 1 / ratio) <= TIE:
        return "tie"
    return "a" if ratio > 1 else "b"


def _check_speed(case: Case) -> None:
    """The outcome is what the two figures say, and the options differ; CaseError otherwise."""
    if case.metric not in HIGHER_IS_BETTER:
        raise CaseError(f"{case.id}: metric cannot be {case.metric!r}")
    if case.value_a is None or case.value_b is None:
        raise CaseError(f"{case.id}: without two figures")
    found = direction(case.metric, case.value_a, case.value_b)
    if found != case.outcome:
        raise CaseError(f"{case.id}: the figures say {found}, the row {case.outcome}")
    if (case.weights_a, case.kv_a) == (case.weights_b, case.kv_b):
        raise CaseError(f"{case.id}: both options are the same")


def _check(case: Case) -> None:
    """Every row has what its kind needs, as the README's rule states it; CaseError otherwise."""
    if case.kind not in OUTCOMES:
        raise CaseError(f"{case.id}: kind cannot be {case.kind!r}")
    if case.outcome not in OUTCOMES[case.kind]:
        raise CaseError(f"{case.id}: outcome of {case.kind} cannot be {case.outcome!r}")
    names = REQUIRED + (() if case.excluded else REQUIRED_USABLE[case.kind])
    missing = [name for name in names if getattr(case, name) in (None, "")]
    if missing:
        raise CaseError(f"{case.id}: without {', '.join(missing)}")
    if not case.source.startswith("https://"):
        raise CaseError(f"{case.id}: the source is an address, not {case.source!r}")
    if case.utilization is not None and case.utilization > 1:
        raise CaseError(f"{case.id}: utilization is a share of one: {case.utilization}")
    if case.kind == "speed":
        _check_speed(case)
    if case.kind == "quality" and case.metric not in QUALITY_METRICS:
        raise CaseError(f"{case.id}: metric cannot be {case.metric!r}")


def case_of(cells: dict[str, str]) -> Case:
    """A case from the text of its cells, checked; CaseError when it breaks the rule."""
    name = cells.get("id") or "a row without an id"
    absent = [field for field in Case._fields if cells.get(field) is None]
    unknown = [field for field in cells if field not in Case._fields]
    if absent or unknown:
        raise CaseError(f"{name}: columns missing {absent}, unknown {unknown}")
    case = Case(**{field: _value(name, field, cells[field]) for field in Case._fields})  # type: ignore[arg-type]
    _check(case)
    return case


def load(path: Path = PATH) -> tuple[Case, ...]:
    """All cases in the order of the file; CaseError for a malformed row or a repeated id."""
    with path.open(newline="", encoding="utf-8") as lines:
        cases = tuple(case_of(cells) for cells in csv.DictReader(lines))
    if len({case.id for case in cases}) != len(cases):
        raise CaseError("an id is used twice")
    return cases


def usable(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The cases that count: those that nothing excludes."""
    return tuple(case for case in cases if not case.excluded)
