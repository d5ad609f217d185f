"""What a runtime is known to refuse, or is not known to do, whatever the memory: files, number formats of the cards."""

from assay.answers import lacking
from assay.answers.asked import CardCount, CheckRequest
from assay.answers.execution import attention_of, path_of_group
from assay.answers.starting import container_of, is_converted
from assay.reason.memory.fit import Setting
from assay.reason.memory.requantize import CONVERTED_ROLES
from assay.types.message import Message, message

NOT_LOADED = "check.not_loaded"


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
