"""The script that writes the kernels' parameters: what it ships is what it found, and a difference is seen."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "speed"))

import fit_kernels
import kernel_report
import kernel_tables
from kernel_fits import Error
from kernel_solve import Fit, Unfitted

PARAMETERS = (3.1234567891e-6, 0.81234567891, 0.71234567891, 1.1234567891e-9, 0.0, 2.1234567891e-13)
OFF = Error(0.0824, 0.0611, 40)


def fit_of(key: str = "matrix:bf16", parameters: tuple[float, ...] = PARAMETERS) -> Fit:
    rows = {name: np.arange(1.0, 41.0) for name in ("m", "n", "seconds")}
    return Fit("l40s", "vllm", "0.24.0", key, 8.64e11, 3.62e14, "bf16", parameters, {"all": OFF}, OFF, rows)


def shipped(fits: list[Fit]) -> dict[str, object]:
    entries: dict[str, object] = json.loads(fit_kernels.document_of(fit_kernels.entries_of(fits)))["entries"]
    return entries


def test_what_is_shipped_is_what_was_found_to_one_in_a_million() -> None:
    found = fit_kernels.entries_of([fit_of()])
    assert list(fit_kernels.differences(found, shipped([fit_of()]))) == []
    other = fit_of(parameters=(PARAMETERS[0] * (1 + 3e-6), *PARAMETERS[1:]))
    assert len(list(fit_kernels.differences(found, shipped([other])))) == 1


def test_a_fit_that_only_one_side_has_is_a_difference() -> None:
    both = fit_kernels.entries_of([fit_of(), fit_of("matrix:fp8")])
    assert list(fit_kernels.differences(both, shipped([fit_of()]))) == [
        "l40s:vllm matrix:fp8: only one of the two has it"
    ]


def test_entries_hold_picoseconds_and_thousandths() -> None:
    entry = shipped([fit_of(), fit_of("all_reduce:2", (1e-5, 5e10))])["l40s:vllm"]
    assert isinstance(entry, dict)
    values, errors = entry["fits"]["matrix"]["of"]["bf16"]
    assert values == [3123457, 0.8123457, 0.7123457, 1123.457, 0, 0.2123457]
    assert errors == [82, 61, 40]
    assert entry["fits"]["all_reduce"]["of"]["2"][0] == [10_000_000, 0.05]
    assert entry["peaks"] == {"bf16": 3.62e14}


def test_what_was_borrowed_is_written_down() -> None:
    entry = shipped([fit_of("matrix:fp8_block128")._replace(borrowed="fp8")])["l40s:vllm"]
    assert isinstance(entry, dict)
    assert entry["fits"]["matrix"]["of"]["fp8_block128"][2] == "fp8"


def test_the_sample_is_the_same_whatever_the_order_of_the_rows() -> None:
    fits = [fit_of(f"matrix:{number}") for number in range(20)]
    text = kernel_report.sample_rows(fits)
    turned = [fit._replace(rows={name: values[::-1] for name, values in fit.rows.items()}) for fit in fits]
    assert kernel_report.sample_rows(turned) == text
    assert "Apache-2.0" in text.splitlines()[0]
    assert len(text.splitlines()) > 2


def test_the_table_of_errors_says_what_has_no_fit() -> None:
    none = Unfitted("l40s", "vllm", "0.24.0", "experts:mxfp4", "held-out rows 44 % off")
    text = kernel_report.errors_table([fit_of(), none])
    assert "| vllm | bf16 | 1 | 8.2 / 6.1 (40) | 8.2 |" in text
    assert text.endswith("| l40s | vllm | 0.24.0 | experts:mxfp4 | held-out rows 44 % off |\n")


@pytest.mark.parametrize(("version", "newer"), [("0.5.9", "0.5.14"), ("1.3.0rc15", "1.3.0rc20"), ("2.27.3", "2.29.2")])
def test_a_later_version_is_newer(version: str, newer: str) -> None:
    assert kernel_tables.order(version) < kernel_tables.order(newer)
