"""What a step holds whatever its tokens: weights, adapters, gradients, optimizer states, and the step's own memory.

Bytes on one card. Under FSDP each card holds its share of all of them.
"""

from assay.reason.training import widths
from assay.reason.training.bounds import NOTHING, Bounds, Part, Terms, term
from assay.types.model import Model
from assay.types.training import Training


def _each(training: Training, kind: str) -> str:
    """The term of a kind in this precision."""
    return f"{kind}_{training.precision}"


def share(training: Training, cards: int) -> float:
    """The part of the states that one card holds."""
    return 1.0 / cards if training.shard == "fsdp" else 1.0


def adapter_parameters(model: Model, training: Training) -> Bounds:
    """Parameters of all adapters: rank x (inputs + outputs) of each matrix; none where every weight is trained."""
    if training.method == "full":
        return NOTHING
    return widths.target_sides(model, training.targets).both * training.rank


def trained_parameters(model: Model, training: Training) -> Bounds:
    """Parameters that get gradients."""
    if training.method == "full":
        return Bounds(*(float(model.parameters),) * 3)
    return adapter_parameters(model, training)


def weights(model: Model, training: Training, cards: int, terms: Terms) -> Part:
    """The model's own weights on one card."""
    part = share(training, cards)
    if training.method == "full":
        name = _each(training, "trained")
        return Part(term(terms, name) * (model.parameters * part), "parameters x bytes each / cards", (name,))
    if training.method == "lora":
        return Part(term(terms, "frozen") * (model.parameters * part), "parameters x bytes each / cards", ("frozen",))
    beside = "beside_nf4_mixed" if training.precision == "mixed" else "frozen"
    experts = widths.parameters(model, "experts")
    quantized = widths.parameters(model, *widths.LINEAR)
    rest = model.parameters - quantized - experts
    size = term(terms, "nf4") * quantized + term(terms, "experts_nf4") * experts + term(terms, beside) * rest
    names = ("nf4", *(("experts_nf4",) if experts else ()), beside)
    return Part(size * part, "quantized x 4.127 bits + others x bytes each, / cards", names)


def adapters(training: Training, trained: Bounds, cards: int, terms: Terms) -> Part:
    """The weights of the adapters; none where every weight is trained."""
    name = _each(training, "trained")
    size = term(terms, name) * trained * share(training, cards) if training.method != "full" else NOTHING
    return Part(size, "rank x (inputs + outputs) of each adapted matrix x bytes each / cards", (name,))


def gradients(training: Training, trained: Bounds, cards: int, terms: Terms) -> Part:
    """Gradients of what is trained."""
    name = _each(training, "gradient")
    size = term(terms, name) * trained * share(training, cards)
    return Part(size, "trained parameters x bytes each / cards", (name,))


def _eight_bit(model: Model, training: Training, trained: Bounds, terms: Terms) -> Bounds:
    """8-bit states; the embedding's and those of small tensors may be wider."""
    eight = term(terms, "adamw_8bit")
    if training.method != "full":
        return eight * trained
    table, small = widths.parameters(model, "embedding"), widths.parameters(model, "norm")
    rest = eight * (model.parameters - table - small)
    return rest + term(terms, "adamw_8bit_embedding") * table + term(terms, "small_state") * small


def _factored(model: Model, training: Training) -> Bounds:
    """Numbers that Adafactor keeps: of an adapter's pair rank + side twice, so its sides and two ranks a matrix."""
    if training.method == "full":
        return widths.factored(model)
    sides = widths.target_sides(model, training.targets).both
    # Each matrix of a pair has the rank as its other side, which is never longer than the side that counts.
    return Bounds(sides.low, sides.typical, sides.high * 2)


def optimizer(model: Model, training: Training, trained: Bounds, cards: int, terms: Terms) -> Part:
    """States of the optimizer."""
    part = share(training, cards)
    if training.optimizer == "adamw":
        name = _each(training, "adamw")
        size = term(terms, name) * trained
        return Part(size * part, "trained parameters x two moments / cards", (name,))
    if training.optimizer == "adamw-8bit":
        names = ("adamw_8bit", *(("adamw_8bit_embedding", "small_state") if training.method == "full" else ()))
        return Part(
            _eight_bit(model, training, trained, terms) * part, "trained parameters x two 8-bit moments / cards", names
        )
    size = term(terms, "adafactor") * _factored(model, training)
    return Part(size * part, "(rows + columns of each trained matrix) x bytes each / cards", ("adafactor",))


def step(model: Model, training: Training, trained: Bounds, cards: int, terms: Terms) -> Part:
    """What the optimizer's step holds of its own."""
    part = share(training, cards)
    if training.optimizer == "adafactor":
        largest = widths.largest_matrix(model)[1]
        if training.method != "full":
            largest = min(largest, training.rank * float(max(model.hidden_size, model.intermediate)))
        return Part(term(terms, "step_adafactor") * largest, "largest trained tensor x bytes each", ("step_adafactor",))
    name = "step_adamw" if training.optimizer == "adamw" else "step_8bit"
    size = term(terms, name) * trained * part
    return Part(size, "trained parameters x bytes each / cards", (name,))
