"""The profile for programs (`assay.profile/1`)."""

from typing import Any

from assay.answers.profile import ProfileAnswer
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.numbers import Language

SCHEMA = "assay.profile/1"


class Document(Envelope):
    """The user's settings; null where the profile says nothing."""

    path: str
    gpu: str | None
    ram: Q | None
    ram_bandwidth: Q | None
    electricity_per_kwh: Q | None
    currency: str | None
    language: str | None


def document(answer: ProfileAnswer, language: Language) -> dict[str, Any]:
    """The profile as `assay.profile/1`."""
    letter, profile = Letter(language), answer.profile
    body = {
        "path": str(answer.path),
        "gpu": profile.gpu,
        "ram": letter.q(profile.ram) if profile.ram_gib else None,
        "ram_bandwidth": letter.q(profile.ram_bandwidth) if profile.ram_bandwidth_gb_s else None,
        "electricity_per_kwh": letter.q(profile.electricity) if profile.electricity_per_kwh else None,
        "currency": profile.currency,
        "language": profile.language,
    }
    return letter.close(SCHEMA, body, [answer.done] if answer.done else [])
