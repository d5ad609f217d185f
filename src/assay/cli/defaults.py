"""What a question means that does not say it."""


def default_cards() -> tuple[str, ...]:
    """The cards of a question that names none; loaded only then, because it looks at drivers and the profile."""
    from assay.answers import profile

    return profile.default_cards()
