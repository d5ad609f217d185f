"""Versions of PTX that a kernel needs, no newer: a driver reads versions up to its own only."""

from assay.knowledge.catalog.nvidia_probes import version

INTRODUCED = {
    "sm_75": "6.3", "sm_80": "7.0", "sm_86": "7.1", "sm_87": "7.4", "sm_88": "9.0", "sm_89": "7.8",
    "sm_90": "7.8", "sm_90a": "8.0",
    "sm_100": "8.6", "sm_100a": "8.6", "sm_100f": "8.8",
    "sm_103": "8.8", "sm_103a": "8.8", "sm_103f": "8.8",
    "sm_107": "9.4", "sm_107a": "9.4", "sm_107f": "9.4",
    "sm_110": "9.0", "sm_110a": "9.0", "sm_110f": "9.0",
    "sm_120": "8.7", "sm_120a": "8.7", "sm_120f": "8.8",
    "sm_121": "8.8", "sm_121a": "8.8", "sm_121f": "8.8",
}  # fmt: skip
"""Targets and the first version that nvJitLink 13.5 takes for each (tests ask it again)."""


def needed(target: str, instruction: tuple[int, int] = (0, 0)) -> str:
    """The first version of PTX that knows both a target and an instruction, as `8.7`.

    Raises:
        KeyError: no such target is known here.
    """
    major, minor = max(version(INTRODUCED[target]), instruction)
    return f"{major}.{minor}"
