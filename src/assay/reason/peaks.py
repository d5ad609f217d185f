"""Peak rates of a product: what its vendor publishes, else what its instruction set, clock and factor give."""

from assay.types.gpu import Gpu, InstructionRate, InstructionSet, Peak, RateFactor
from assay.types.message import message
from assay.types.quantity import Quantity, derive, exact, unknown

INTEGER_FORMATS = frozenset({"int8", "int4", "int1"})
AGREEMENT = 0.02
"""Published and arithmetic peaks within 2 % of each other agree: vendors round."""
CAPPED_FORMULA = "arithmetic peak x lowest share that the product's published peaks show"
FORMULA = "per-multiprocessor rate x multiprocessors x boost clock x product factor"


def _factor(gpu: Gpu, rate: InstructionRate) -> RateFactor | None:
    """The product's factor; one that is restricted for some formats is not known for those that nobody names."""
    same = [factor for factor in gpu.rate_factors if factor.accumulate == rate.accumulate]
    for factor in same:
        if rate.format in factor.formats:
            return factor
    if same and rate.unit == "matrix":
        return RateFactor((rate.format,), rate.accumulate, None, same[0].sources, same[0].basis)
    return None


def derived_peak(gpu: Gpu, rate: InstructionRate) -> Quantity:
    """The dense peak that a format and accumulator have by arithmetic, in FLOP/s (OP/s for integers).

    A product, not a chip, has peaks: its factor on the instruction set's rate is data; where the factor is not
    known, the peak is not known.
    """
    unit = "OP/s" if rate.format in INTEGER_FORMATS else "FLOP/s"
    factor = _factor(gpu, rate)
    if factor is not None and factor.factor is None:
        if factor.note:
            return unknown(unit, message("unknown.rate_factor_note", gpu=gpu.name, note=factor.note))
        return unknown(unit, message("unknown.rate_factor", gpu=gpu.name))
    scale = 1.0 if factor is None or factor.factor is None else factor.factor
    per_clock = exact(
        rate.per_clock, "FLOP/clock", "documented" if rate.basis == "derived" else rate.basis, *rate.sources
    )
    inputs = [
        ("rate per multiprocessor and clock", per_clock),
        ("multiprocessors", gpu.multiprocessors),
        ("boost clock", gpu.boost_clock),
    ]
    if factor is not None:
        inputs.append(("product factor", exact(scale, "ratio", factor.basis, *factor.sources)))
    return derive(unit, FORMULA, inputs, lambda *values: _product(values))


def _product(values: tuple[float, ...]) -> float:
    result = 1.0
    for value in values:
        result *= value
    return result


def published_share(gpu: Gpu, instruction_set: InstructionSet | None) -> float:
    """The lowest share of its arithmetic peaks that the product's published dense matrix peaks show, at most 1.

    Some products run matrix instructions below their boost clock, or are restricted without saying so; a peak that
    nobody publishes is not promised at a better rate than the published ones.
    """
    shares = [1.0]
    for rate in instruction_set.rates if instruction_set else ():
        whole = derived_peak(gpu, rate).value
        if rate.unit != "matrix" or not whole:
            continue
        shares += [
            (peak.rate.value or whole) / whole
            for peak in gpu.published_peaks
            if (peak.format, peak.accumulate, peak.sparsity, peak.unit)
            == (rate.format, rate.accumulate, "dense", "matrix")
        ]
    lowest = min(shares)
    return lowest if lowest < 1.0 - AGREEMENT else 1.0


def _capped(peak: Quantity, share: float) -> Quantity:
    if share == 1.0 or peak.value is None:
        return peak
    shown = exact(share, "ratio", peak.root, *peak.sources)
    return derive(peak.unit, CAPPED_FORMULA, [("arithmetic peak", peak), ("share", shown)], lambda a, b: a * b)


def peaks_of(gpu: Gpu, instruction_set: InstructionSet | None) -> tuple[Peak, ...]:
    """Published peaks first, then the derived dense ones that no publication covers.

    Two publications that contradict each other both stay: the reader is shown both.
    """
    covered = {(p.format, p.accumulate, p.unit) for p in gpu.published_peaks if p.sparsity == "dense"}
    share = published_share(gpu, instruction_set)
    peaks = list(gpu.published_peaks)
    for rate in instruction_set.rates if instruction_set else ():
        if (rate.format, rate.accumulate, rate.unit) in covered or (rate.format, "unstated", rate.unit) in covered:
            continue
        peak = derived_peak(gpu, rate)
        if rate.unit == "matrix":
            peak = _capped(peak, share)
        peaks.append(Peak(rate.format, rate.accumulate, "dense", rate.unit, peak))
    return tuple(peaks)


def dense_peak(peaks: tuple[Peak, ...], number_format: str) -> Quantity | None:
    """The lowest known dense matrix peak of a format over accumulators, FP32 accumulation first; None if none is.

    The lowest, because a peak that a runtime's kernel may not be able to use is not promised.
    """
    candidates = [
        peak
        for peak in peaks
        if peak.format == number_format and peak.sparsity == "dense" and peak.unit == "matrix" and peak.rate.value
    ]
    preferred = [peak for peak in candidates if peak.accumulate == "fp32"] or candidates
    if not preferred:
        return None
    return min((peak.rate for peak in preferred), key=lambda rate: rate.value or 0)
