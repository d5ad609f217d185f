"""What would make a training step fit, cheapest first, each verified by computing it again.

First what costs time only, then what changes numbers a little, then what is trained at all, then money.
"""

from collections.abc import Iterable, Iterator

from assay.reason.training.plan import Subject, fits, plan, reach
from assay.types.training import Training, Way

SHORTEST = 256
"""Tokens: a sequence below this is no advice."""
ROUND = 64
MOST_CARDS = (2, 4, 8, 16)


def _cheap(training: Training) -> list[Training]:
    """The setting after each single change that leaves what is trained alone, cheapest first."""
    found: list[Training] = []
    if not training.checkpointing:
        found.append(training._replace(checkpointing=True))
    if training.micro_batch > 1:
        found.append(training._replace(micro_batch=1))
    if training.loss == "full":
        found.append(training._replace(loss="chunked"))
    if training.optimizer == "adamw":
        found.append(training._replace(optimizer="adamw-8bit"))
    if training.precision == "mixed":
        found.append(training._replace(precision="bf16"))
    return found


def _together(training: Training) -> list[Training]:
    """The setting after the first cheap change, after the first two, and so on."""
    found = [training]
    while remaining := _cheap(found[-1]):
        found.append(remaining[0])
    return found[1:]


def _sparing(training: Training) -> Training:
    """Every cheap change at once."""
    return (_together(training) or [training])[-1]


def _names(before: Training, after: Training, cards: int | None = None) -> tuple[str, ...]:
    """The changes between two settings by name, in the order of cost."""
    found = [
        ("checkpointing", after.checkpointing != before.checkpointing),
        ("micro_batch", after.micro_batch != before.micro_batch),
        ("chunked", after.loss != before.loss),
        ("8bit", after.optimizer != before.optimizer),
        ("bf16", after.precision != before.precision),
        (f"sequence={after.sequence}", after.sequence != before.sequence),
        (after.method, after.method != before.method),
        (f"cards={cards}", cards is not None),
    ]
    return tuple(name for name, changed in found if changed)


def _way(subject: Subject, before: Training, after: Training) -> Way | None:
    """The way to a setting, if it surely fits."""
    return _way_on(subject, before, after, None)


def _way_on(subject: Subject, before: Training, after: Training, cards: int | None) -> Way | None:
    if not fits(subject, after)[0]:
        return None
    asked = after if subject.card.cards > 1 else after._replace(shard="none")
    return Way(_names(before, after, cards), asked, subject.card.cards, plan(subject, asked).total)


def _shorter(subject: Subject, before: Training, base: Training) -> Way | None:
    """The longest sequence that surely fits, a round number."""
    longest = int(reach(subject, base, plan(subject, base))[0].value or 0)
    length = min(longest, base.sequence - 1) // ROUND * ROUND
    return _way(subject, before, base._replace(sequence=length)) if length >= SHORTEST else None


def _other_methods(training: Training) -> Iterator[Training]:
    if training.method == "full":
        yield training._replace(method="lora")
    if training.method != "qlora":
        yield training._replace(method="qlora")


def _more_cards(subject: Subject, before: Training, bases: Iterable[Training]) -> Way | None:
    """The fewest cards that are enough under FSDP for the first of `bases` that any number is enough for."""
    for base in bases:
        for count in MOST_CARDS:
            if count > subject.card.cards:
                wider = subject._replace(card=subject.card._replace(cards=count))
                found = _way_on(wider, before, base._replace(shard="fsdp"), count)
                if found is not None:
                    return found
    return None


def _first(found: Iterable[Way | None]) -> Way | None:
    return next((way for way in found if way is not None), None)


def ways(subject: Subject, training: Training) -> tuple[Way, ...]:
    """Ways that surely fit: a single change, else as few as it takes; a shorter sequence; other methods; cards."""
    found = [_way(subject, training, each) for each in _cheap(training)]
    if not any(found):
        found.append(_first(_way(subject, training, each) for each in _together(training)))
    others = tuple(_other_methods(training))
    base = training if any(found) else _sparing(training)
    found.append(_shorter(subject, training, training) or (None if any(found) else _shorter(subject, training, base)))
    keeping = any(found)
    found += [_first(_way(subject, training, each) for each in (other, *_together(other))) for other in others]
    bases = (training, base, *(each for other in others for each in (other, _sparing(other))))
    wanted = 1 if keeping else 2 if any(found) else len(bases)
    found.append(_more_cards(subject, training, bases[:wanted]))
    return tuple(way for way in found if way is not None)
