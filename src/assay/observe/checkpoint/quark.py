"""The scheme of AMD Quark: one setting for all layers, others for those that patterns name.

Sources: vLLM, model_executor/layers/quantization/quark/quark.py and schemes/ (names, shapes and types of the tensors).
"""

from typing import Any

from assay.knowledge.catalog.weight_formats import Storage
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.schemes import KEPT, MOST_RULES, Scheme, compiled, not_understood, rule, single, storage
from assay.types.model import Role

METHOD = "quark"
EMBEDDING: frozenset[Role] = frozenset({"embedding"})
FLOAT_BYTES = 4


def _eight_bits(weight: Fields, dtype: str, *, static: bool, inputs: bool) -> Storage | None:
    """FP8 and INT8: FP32 scales, for integers 8-bit zero points as well; the same again for static activations."""
    scheme_name = weight.word("qscheme")
    integer = dtype == "int8"
    extra = FLOAT_BYTES + integer
    if scheme_name == "per_tensor":
        name = ("int8_w8a8" if inputs else "int8_w8a16") if integer else dtype.replace("fp8_e4m3", "fp8")
        return single(storage(name), extra * (1 + static))
    if scheme_name != "per_channel" or dtype == "fp8_e5m2":
        return None
    name = ("int8_w8a8" if integer else "fp8_channel") if inputs else ("int8_w8a16" if integer else "fp8_w8a16")
    return storage(name)._replace(scale_bits=8 * extra, tensor_bytes=extra * static)


def _narrow(weight: Fields, dtype: str, *, inputs: bool) -> Storage | None:
    """INT4, and the OCP microscaling formats of 4 and 6 bits."""
    scheme_name = weight.word("qscheme")
    if dtype in ("int4", "uint4"):
        if scheme_name not in ("per_group", "per_channel"):
            return None
        size = weight.count("group_size", 0, low=-1) if scheme_name == "per_group" else 0
        return storage("quark_int4")._replace(block_inputs=max(size, 0))
    if scheme_name != "per_group" or weight.count("group_size", 0, low=-1) != 32:
        return None
    if weight.word("scale_format", "e8m0") != "e8m0":
        return None
    if dtype == "fp4":
        return storage("mxfp4" if inputs else "mxfp4_w4a16")
    return storage("mxfp6") if dtype in ("fp6_e3m2", "fp6_e2m3") else None


def _nvfp4(weights: list[Any], setting: Fields) -> Storage | None:
    """Two steps: FP4 in groups of 16, whose scales are FP8 with one for the tensor."""
    expected = (("fp4", "per_group", 16), ("fp8_e4m3", "per_tensor", None))
    told = tuple(
        (step.get("dtype"), step.get("qscheme"), step.get("group_size")) if isinstance(step, dict) else None
        for step in weights
    )
    if told != expected:
        return None
    return storage("nvfp4" if setting.raw("input_tensors") else "nvfp4_w4a16")


def _stored(setting: Fields) -> Storage | None:
    """The storage of one setting; None when it is not understood."""
    raw = setting.raw("weight")
    if raw is None:
        return KEPT
    if isinstance(raw, list):
        return _nvfp4(raw, setting)
    weight, given = setting.nested("weight"), setting.raw("input_tensors")
    inputs = given is not None
    static = isinstance(given, dict) and given.get("is_dynamic") is not True
    if weight is None or weight.flag("is_dynamic"):
        return None
    dtype = weight.word("dtype") or ""
    if dtype in ("fp8_e4m3", "fp8_e5m2", "int8"):
        return _eight_bits(weight, dtype, static=static, inputs=inputs)
    return _narrow(weight, dtype, inputs=inputs)


def _rotated(algorithms: Any) -> bool:
    """Whether activations are rotated at run time by matrices that the files hold."""
    steps = algorithms if isinstance(algorithms, list) else [algorithms]
    return any(isinstance(step, dict) and step.get("online_r1_rotation") for step in steps)


def _named(layers: Fields | None, patterns: list[str]) -> tuple[list[tuple[Storage, list[str]]], str | None]:
    """(patterns with their storages, neighbours of one storage together; what of it is not understood, or None)."""
    found: list[tuple[Storage, list[str]]] = []
    for pattern in patterns:
        setting = None if layers is None else layers.nested(pattern)
        stored = None if setting is None else _stored(setting)
        if stored is None:
            return [], pattern[:64]
        if found and found[-1][0] == stored:
            found[-1][1].append(pattern)
        else:
            found.append((stored, [pattern]))
    return found, None if len(found) <= MOST_RULES else f"{len(found)} settings"


def scheme(quantization: Fields) -> Scheme:
    """The scheme of a `quantization_config` of Quark: the first pattern that names a layer decides, else the rest's.

    Raises:
        MalformedFile: a key has the wrong type.
        UnknownPatternError: a pattern that is not understood.
    """
    excludes = compiled(quantization.words("exclude"))
    usual = quantization.nested("global_quant_config")
    export = quantization.nested("export")
    if usual is None or quantization.raw("layer_type_quant_config"):
        return not_understood(METHOD, "global_quant_config" if usual is None else "layer_type_quant_config")
    if _rotated(quantization.raw("algo_config")):
        return not_understood(METHOD, "online_r1_rotation")  # its matrices are stored beside the weights
    if export is not None and export.word("weight_format", "real_quantized") != "real_quantized":
        return not_understood(METHOD, "weight_format")
    named, strange = _named(
        quantization.nested("layer_quant_config"), list(quantization.raw("layer_quant_config") or ())
    )
    if strange is not None:
        return not_understood(METHOD, strange)
    rules = [rule(stored, excludes, patterns, spared=EMBEDDING) for stored, patterns in named]
    stored = _stored(usual)
    if stored is None:
        return not_understood(METHOD, _told(usual))
    rules.append(rule(stored, excludes, spared=EMBEDDING))
    return Scheme(tuple(rules), (), METHOD)


def _told(setting: Fields) -> str:
    """What a setting that is not understood says of its weights."""
    weight = setting.raw("weight")
    if not isinstance(weight, dict):
        return "weight"
    return f"{weight.get('dtype')} {weight.get('qscheme')}"[:64]
