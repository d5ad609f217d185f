"""How long training takes, from a share of the cards' peak that published runs reached (MFU).

Model FLOPs of a token: 6 for each parameter it meets where weights are trained (forward, backward to the activations,
gradient of the weight), 4 where they are frozen beside adapters, and 6 for each parameter of an adapter. Attention's
products and what checkpointing computes again are not counted: the MFU that is stated is counted the same way.
"""

from assay.reason.speed.shape import matrices
from assay.reason.training.states import trained_parameters
from assay.types.model import Model
from assay.types.quantity import ASKED, Quantity, derive, exact
from assay.types.training import Training, TrainingTime

TRAINED, FROZEN = 6.0, 4.0


def flops_of_token(model: Model, training: Training) -> float:
    """Model FLOPs that training on one token takes."""
    met = sum(matrix.met for matrix in matrices(model))
    if training.method == "full":
        return TRAINED * met
    return FROZEN * met + TRAINED * trained_parameters(model, training).typical


def training_time(
    model: Model, training: Training, cards: int, peak: Quantity, mfu: Quantity, tokens: int | None
) -> TrainingTime:
    """Tokens a second, and the time for a number of them.

    Args:
        model: what is trained.
        training: how.
        cards: like ones that share the batch.
        peak: dense 16-bit peak of one card, FLOP/s.
        mfu: the share of it that is reached.
        tokens: to train on, where a number was said.
    """
    work = flops_of_token(model, training)
    each = Quantity(
        work, "FLOP", "derived", model.sources, weakest=model.weights.root, weakest_share=1.0,
        formula="6 x parameters trained + 4 x parameters frozen that a token meets",
    )  # fmt: skip
    rate = derive(
        "token/s",
        "cards x 16-bit peak x MFU / model FLOPs of a token",
        [
            ("cards", exact(cards, "card", "documented", ASKED)),
            ("16-bit dense peak", peak),
            ("MFU", mfu),
            ("model FLOPs of a token", each),
        ],
        lambda number, flops, share, token: number * flops * share / token,
        rising=(True, True, True, False),
    )
    if tokens is None:
        return TrainingTime(rate, None)
    asked = exact(tokens, "token", "documented", ASKED)
    time = derive(
        "s", "tokens / tokens a second", [("tokens", asked), ("tokens a second", rate)],
        lambda count, speed: count / speed, rising=(True, False),
    )  # fmt: skip
    return TrainingTime(rate, time)
