"""What to do about a verdict: what to give up, what to mind."""

from assay.answers import lacking
from assay.answers.asked import MAX_CARDS, CardCount, CheckRequest
from assay.answers.execution import attention_of, path_of_group
from assay.answers.starting import container_of, is_converted, is_missing
from assay.errors import UsageError
from assay.knowledge.catalog.runtimes import kv_format
from assay.knowledge.catalog.weight_formats import sized, storage
from assay.reason.memory.fit import Setting, fit
from assay.reason.memory.requantize import CONVERTED_ROLES, ElementCost, requantized
from assay.types.message import Message, message
from assay.types.plan import Fit, Workload

Isas = tuple[str | None, ...]
"""The instruction sets of the cards, where known."""
NOT_LOADED = "check.not_loaded"
PLAIN_FORMATS = frozenset({"bf16", "fp16", "fp32"})
SMALLER_FORMATS = ("fp8_block128", "nvfp4")
"""What 16-bit weights might be converted to, mildest first; what is lost by it is another question."""


def cost_of(name: str) -> ElementCost:
    """The storage of a weight format whose scales lie in blocks of a known number of elements."""
    found = storage(name)
    if found is None or found.flat:
        raise UsageError(
            message("error.unknown_weight_format", name=name), message("hint.known_formats", known=", ".join(sized()))
        )
    block = (found.block_outputs or 0) * (found.block_inputs or 0)
    return ElementCost(name, found.bits, found.scale_bits if block else 0, block)


def unloadable(request: CheckRequest, setting: Setting) -> tuple[Message, ...]:
    """Why the runtime does not load these very files, if it does not: another format is needed, and none was named.

    A model that is named and not a file (of the catalogue, or a configuration) can be had in the runtime's own.
    """
    container = container_of(setting.model)
    if container in {"catalogue", "config", *setting.runtime.containers} or is_converted(request, setting):
        return ()
    engine = setting.runtime
    code = dict(engine.not_loaded).get(container, NOT_LOADED)
    return (message(code, "warning", runtime=engine.name, version=engine.version or "", container=container),)


def _runs(setting: Setting, isas: Isas) -> bool:
    """Whether the runtime is not known to refuse the weights or the KV type of a setting on any of the cards."""
    attention = [attention_of(setting.model, setting.runtime.id, isa) for isa in isas]
    if any(attended is not None and setting.kv.id in dict(attended.refused) for attended in attention):
        return False
    stored = {(group.format, group.role) for group in setting.model.groups if group.role in CONVERTED_ROLES}
    return all(
        path_of_group(setting.runtime.id, name, role, isa).path != "refused" for name, role in stored for isa in isas
    )


def _smaller_weights(setting: Setting, workload: Workload, isas: Isas) -> list[Message]:
    """The mildest format that would fit and is not refused, where the weights are still 16 bits wide."""
    if any(group.format not in PLAIN_FORMATS for group in setting.model.groups):
        return []
    for name in SMALLER_FORMATS:
        smaller = setting._replace(model=requantized(setting.model, cost_of(name)))
        if _runs(smaller, isas) and fit(smaller, workload).verdict == "yes":
            return [message("advice.weights", format=name)]
    return []


def _shorter(setting: Setting, workload: Workload, answer: Fit, gpu: str, isas: Isas) -> list[Message]:
    """What to give up when it does not surely fit, cheapest first: context, sequences, KV, weights, cards.

    `gpu` names the card to buy more of; without a name (a mixed pair) that is not suggested. Nothing is suggested that
    the runtime is known to refuse on the cards.
    """
    if not _runs(setting, isas):
        return _smaller_weights(setting, workload, isas)
    found: list[Message] = []
    if answer.max_context.value:
        found.append(message("advice.context", tokens=int(answer.max_context.value)))
    if answer.max_concurrency.value:
        found.append(message("advice.concurrency", sequences=int(answer.max_concurrency.value)))
    wide = setting.kv.id in {"bf16", "fp16"} and "fp8" in setting.runtime.kv_types
    narrow = setting._replace(kv=kv_format("fp8")) if wide else None
    if narrow is not None and _runs(narrow, isas) and fit(narrow, workload).verdict == "yes":
        found.append(message("advice.kv", kv="fp8"))
    found += _smaller_weights(setting, workload, isas)
    for count in (2, 4, 8):
        if gpu and count > setting.card.cards and _fits_on(setting, workload, count):
            found.append(message("advice.cards", count=count, gpu=gpu))
            break
    return found


def _fits_on(setting: Setting, workload: Workload, count: int) -> bool:
    return fit(setting._replace(card=setting.card._replace(cards=count)), workload).verdict == "yes"


def _dividing(setting: Setting, workload: Workload, gpu: str) -> list[Message]:
    """The next number of cards that divides the attention heads, and fits."""
    for count in range(setting.card.cards + 1, MAX_CARDS + 1):
        if _fits_on(setting, workload, count):
            return [message("advice.cards", count=count, gpu=gpu)]
    return []


def advice(setting: Setting, workload: Workload, answer: Fit, column: tuple[CardCount, ...]) -> tuple[Message, ...]:
    """What a verdict means for the reader: nothing to give up, or what to give up, cheapest first."""
    model = setting.model
    gpu = " + ".join(dict.fromkeys(entry.card.gpu.name for entry in column))
    if answer.verdict == "yes":
        if model.requantized_from is not None:
            return (message("advice.is_requantized", base=model.requantized_from),)
        return (message("advice.as_released", format=model.released_format),) if model.released_format else ()
    codes = {reason.code for reason in answer.reasons}
    not_loaded = {NOT_LOADED, *dict(setting.runtime.not_loaded).values()}
    if "check.beyond_model" in codes or (codes & not_loaded and answer.verdict == "unknown"):
        return ()  # less of it would not help
    if codes & {"check.heads", "check.blocks"}:
        return tuple(_dividing(setting, workload, gpu))
    isas = tuple(entry.card.gpu.isa for entry in column)
    return tuple(_shorter(setting, workload, answer, gpu if len(column) == 1 else "", isas))


def warnings(request: CheckRequest, setting: Setting, column: tuple[CardCount, ...]) -> tuple[Message, ...]:
    """What the memory plan does not show: formats the cards lack, files that are yet to be made."""
    said: list[Message] = []
    if is_missing(request, setting) and not unloadable(request, setting):
        said.append(message("check.needs_file", "warning", runtime=setting.runtime.name))
    for entry in column:
        gpu = entry.card.gpu.name
        said += [message("check.format_absent", "warning", gpu=gpu, format=name) for name in absent(setting, entry)]
    return tuple(dict.fromkeys(said))


def refusals(setting: Setting, column: tuple[CardCount, ...]) -> tuple[Message, ...]:
    """Number formats of weights or KV cache that a card lacks and the runtime is known to ask of it."""
    said: list[Message] = []
    for entry in column:
        missing = _missing(entry)
        asked = {_number_format(group.format) for group in setting.model.groups} & setting.runtime.needs_hardware
        attended = attention_of(setting.model, setting.runtime.id, entry.card.gpu.isa)
        if setting.kv.id == "fp8" and (attended is None or "fp8" not in dict(attended.backends)):
            asked |= {"fp8_e4m3"}
        said += [
            message("check.refused", "warning", gpu=entry.card.gpu.name, format=name, runtime=setting.runtime.name)
            for name in sorted(asked & missing)
        ]
    return tuple(dict.fromkeys(said))


def _missing(entry: CardCount) -> frozenset[str]:
    isa = entry.card.gpu.isa
    return lacking.formats(isa) if isa else frozenset()


def absent(setting: Setting, entry: CardCount) -> tuple[str, ...]:
    """Weight formats whose numbers no matrix instruction of the card multiplies, where it is not known what happens."""
    missing, isa = _missing(entry), entry.card.gpu.isa
    stored = {(group.format, group.role) for group in setting.model.groups if group.role in CONVERTED_ROLES}
    unknown = {name for name, role in stored if path_of_group(setting.runtime.id, name, role, isa).path == "unknown"}
    return tuple(sorted(name for name in unknown if _number_format(name) in missing))


def _number_format(weight_format: str) -> str:
    """The number format that a weight format's elements have (`fp8_block128` -> `fp8_e4m3`)."""
    kind = weight_format.partition("_")[0]
    return {"fp8": "fp8_e4m3"}.get(kind, kind)
