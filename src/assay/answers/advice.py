"""What to do about a verdict: what to give up, what to mind."""

from assay.answers.asked import MAX_CARDS, CardCount, CheckRequest
from assay.answers.candidate import Candidate, Terms, changes_of, reduced
from assay.answers.refusals import NOT_LOADED, absent, unloadable
from assay.answers.starting import is_missing
from assay.reason.memory.fit import Setting, fit
from assay.reason.pack.giving_up import Kind, Ladder, Levels, alone, joint
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Fit, Workload


def _said(kind: Kind, left: Terms) -> Message:
    """What one thing given up is, as advice."""
    if kind == "context":
        return message("advice.context", tokens=left.context)
    if kind == "kv":
        return message("advice.kv", kv=left.kv)
    if kind == "users":
        return message("advice.concurrency", sequences=left.users)
    return message("advice.weights", format=left.weights)


def _keeps_weights(ladders: tuple[Ladder, ...], levels: Levels) -> bool:
    return not any(level and ladder.kind == "weights" for ladder, level in zip(ladders, levels, strict=True))


def _less(candidate: Candidate, column: tuple[CardCount, ...]) -> list[Message]:
    """What to give up so that it surely fits, cheapest first; several things together where nothing alone suffices."""
    steps = candidate.steps(0, (column,))
    ladders = tuple(step.ladder for step in steps)

    def fits(levels: Levels) -> bool:
        return candidate.fits(reduced(candidate.terms, steps, levels), column)

    singles = alone(ladders, fits)
    found = [
        _said(step.ladder.kind, reduced(candidate.terms, steps, levels))
        for levels in singles
        for step, level in zip(steps, levels, strict=True)
        if level
    ]
    if not any(_keeps_weights(ladders, levels) for levels in singles):
        together = joint(ladders, fits)
        if together is not None and sum(map(bool, together)) > 1:
            changes = changes_of(candidate.terms, steps, together)
            found.insert(0, message("advice.together", changes=changes))
    return found


def _shorter(
    candidate: Candidate, setting: Setting, workload: Workload, column: tuple[CardCount, ...]
) -> list[Message]:
    """What to give up when it does not surely fit; then more of the card, which a mixed pair has no name for."""
    found = _less(candidate, column)
    standing = candidate.standing(candidate.terms, column)
    if len(column) > 1 or standing is None or standing.fit.verdict == "no":
        return found
    for count in (2, 4, 8):
        if count > setting.card.cards and _fits_on(setting, workload, count):
            return [*found, message("advice.cards", count=count, gpu=column[0].card.gpu.name)]
    return found


def _fits_on(setting: Setting, workload: Workload, count: int) -> bool:
    return fit(setting._replace(card=setting.card._replace(cards=count)), workload).verdict == "yes"


def _dividing(setting: Setting, workload: Workload, gpu: str) -> list[Message]:
    """The next number of cards that divides the attention heads, and fits."""
    for count in range(setting.card.cards + 1, MAX_CARDS + 1):
        if _fits_on(setting, workload, count):
            return [message("advice.cards", count=count, gpu=gpu)]
    return []


def advice(
    request: CheckRequest,
    model: Model,
    setting: Setting,
    workload: Workload,
    answer: Fit,
    column: tuple[CardCount, ...],
) -> tuple[Message, ...]:
    """What a verdict means for the reader: nothing to give up, or what to give up, cheapest first."""
    if answer.verdict == "yes":
        if model.requantized_from is not None:
            return (message("advice.is_requantized", base=model.requantized_from),)
        return (message("advice.as_released", format=model.released_format),) if model.released_format else ()
    codes = {reason.code for reason in answer.reasons}
    not_loaded = {NOT_LOADED, *dict(setting.runtime.not_loaded).values()}
    if "check.beyond_model" in codes or (codes & not_loaded and answer.verdict == "unknown"):
        return ()  # less of it would not help
    if codes & {"check.heads", "check.blocks"}:
        gpu = " + ".join(dict.fromkeys(entry.card.gpu.name for entry in column))
        return tuple(_dividing(setting, workload, gpu))
    terms = Terms(workload.context, workload.concurrency, setting.kv.id)
    candidate = Candidate(request, model, setting.runtime, terms, workload.prompt)
    return tuple(_shorter(candidate, setting, workload, column))


def warnings(request: CheckRequest, setting: Setting, column: tuple[CardCount, ...]) -> tuple[Message, ...]:
    """What the memory plan does not show: formats the cards lack, files that are yet to be made."""
    said: list[Message] = []
    if is_missing(request, setting) and not unloadable(request, setting):
        said.append(message("check.needs_file", "warning", runtime=setting.runtime.name))
    for entry in column:
        gpu = entry.card.gpu.name
        said += [message("check.format_absent", "warning", gpu=gpu, format=name) for name in absent(setting, entry)]
    return tuple(dict.fromkeys(said))
