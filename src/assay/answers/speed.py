"""How fast a model runs on cards: where it runs as the speed model wants it, and what that model says."""

from collections.abc import Sequence
from math import log

from assay.answers.asked import CardCount
from assay.answers.cards import Card
from assay.answers.places import prepared_of, reference
from assay.knowledge.catalog.speed import calibration, neighbours
from assay.observe.profile import store_path
from assay.reason.memory.fit import Setting
from assay.reason.speed.predict import Speed, nothing, predict, seen_of, speed_of
from assay.reason.speed.shape import shape_of
from assay.reason.speed.step import factors_of
from assay.types.message import Message, message
from assay.types.picture import SpeedPicture
from assay.types.plan import Fit, Prediction, Workload
from assay.types.quantity import STRENGTH, Basis, unknown
from assay.types.speed import Neighbour, Seen


def _basis(setting: Setting, card: Card, seen: Seen) -> Basis:
    """The weakest basis of what a prediction rests on: weights, bandwidth, and published measurements.

    A card that nobody measured is taken to be like others of its kind, an unknown architecture like a known one.
    """
    if setting.model.like or seen in ("unseen", "runtime"):
        return "assumed"
    roots: tuple[Basis, ...] = (setting.model.weights.root, card.gpu.bandwidth.root, "reported")
    return max(roots, key=STRENGTH.index)


def speed_on(setting: Setting, card: Card, cards: int) -> Speed:
    """What predictions of a setting on a number of like cards are made with."""
    shape = shape_of(setting.model, setting.kv)
    prepared = prepared_of(shape, card, cards, setting.runtime)
    sources = tuple(dict.fromkeys((*setting.model.weights.sources, *card.gpu.bandwidth.sources)))
    fit = calibration()
    near = seen_of(fit, card.gpu.id, setting.runtime.id)
    return speed_of(prepared, fit, sources, _basis(setting, card, near))


def has_prefill(card: Card, speed: Speed) -> bool:
    """Without a published peak nothing is said of prefill on a card that nobody's measurement is known of."""
    near = seen_of(speed.calibration, card.gpu.id, speed.prepared.place.runtime)
    return reference(card)[1] or near not in ("unseen", "runtime")


def _unpredictable(setting: Setting, answer: Fit, column: Sequence[CardCount]) -> Message | None:
    """Why there is no speed on these cards, where there is none."""
    if answer.verdict == "no":
        refused = any(reason.code in ("check.raises", "check.kv_raises") for reason in answer.reasons)
        return message("unknown.does_not_run" if refused else "unknown.does_not_fit")
    weights = setting.model.weights
    if weights.value is None:
        return weights.note or message("unknown.weights")
    blind = [entry.card.gpu.bandwidth for entry in column if entry.card.gpu.bandwidth.value is None]
    return (blind[0].note or message("unknown.bandwidth")) if blind else None


def _speeds(setting: Setting, column: Sequence[CardCount], *, owned: bool) -> list[tuple[Card, Speed]]:
    """What predictions on each kind of card are made with; whole layers on each card work one after the other."""
    cards = sum(entry.number for entry in column)
    together = cards if setting.runtime.split == "tensor" else 1
    found = []
    for entry in column:
        speed = speed_on(setting, entry.card, together)
        if owned and len(column) == 1 and store_path().exists():
            speed = _with_own(speed, setting, entry.card, cards, together)
        found.append((entry.card, speed))
    return found


def _with_own(speed: Speed, setting: Setting, card: Card, cards: int, together: int) -> Speed:
    """With what the owner measured there, where anything is stored."""
    from assay.answers.own import own_measurements  # noqa: PLC0415 -- most machines have stored nothing

    found = own_measurements(setting, card, cards, together)
    coefficients = speed.calibration.coefficients
    return speed._replace(own=tuple((one, factors_of(one.prepared, coefficients)) for one in found))


def speeds_on(setting: Setting, column: Sequence[CardCount], *, owned: bool = True) -> list[tuple[Card, Speed]]:
    """What predictions on one set of cards are made with; none where the weights or a bandwidth are not known."""
    known = all(entry.card.gpu.bandwidth.value is not None for entry in column)
    return _speeds(setting, column, owned=owned) if known and setting.model.weights.value is not None else []


def predicted(
    setting: Setting, workload: Workload, answer: Fit, column: Sequence[CardCount], *, owned: bool = True
) -> Prediction:
    """Prefill, decode and throughput on one set of cards; of unlike cards the slowest decides.

    A model that does not fit has no speed on these cards. What the owner measured corrects it if `owned` asks for it.
    """
    reason = _unpredictable(setting, answer, column)
    if reason is not None:
        return nothing(reason)
    return slowest(_speeds(setting, column, owned=owned), workload)


def slowest(speeds: Sequence[tuple[Card, Speed]], workload: Workload) -> Prediction:
    """The prediction of the card that takes longest for a step."""
    found = [_on(speed, workload, card) for card, speed in speeds]
    return max(found, key=lambda each: each.itl.value or 0.0)


def curves(setting: Setting, workload: Workload, answer: Fit, column: Sequence[CardCount]) -> SpeedPicture | None:
    """What the speed on one set of cards is drawn from; None where nothing is predicted."""
    from assay.reason.speed.picture import speed_picture  # noqa: PLC0415 -- few ask for a drawing

    if _unpredictable(setting, answer, column) is not None:
        return None
    speeds = [speed for _, speed in _speeds(setting, column, owned=True)]
    slowest = max(speeds, key=lambda speed: predict(speed, workload).itl.value or 0.0)
    return speed_picture(slowest, workload, answer, setting.model.max_context)


NEAREST = 3


def nearest(setting: Setting, card: Card) -> tuple[Neighbour, ...]:
    """The published measurements that are most alike: of this runtime, of weights of this format, of as many bytes."""
    shape = shape_of(setting.model, setting.kv)
    size = sum(each.size * (shape.chosen / shape.experts if each.kind == "experts" else 1.0) for each in shape.matrices)
    if not size:
        return ()
    formats = {matrix.format for matrix in shape.matrices} | {setting.model.released_format}

    def apart(one: Neighbour) -> tuple[bool, bool, float, str]:
        alike = one.weights in formats
        return one.runtime != setting.runtime.id, not alike, abs(log(one.touched / size)), one.id

    return tuple(sorted(neighbours(card.gpu.id), key=apart)[:NEAREST])


def _on(speed: Speed, workload: Workload, card: Card) -> Prediction:
    found = predict(speed, workload)
    if has_prefill(card, speed):
        return found
    why = message("unknown.peak")
    return found._replace(prefill=unknown("token/s", why), ttft_unloaded=unknown("s", why))
