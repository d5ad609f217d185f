"""The profile: one readable file, written atomically, with cards kept as ids and errors that name the line."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.answers import profile as answers
from assay.cli.door import open_door
from assay.errors import MalformedFile, NoGpu, PermissionRefused, UnknownGpu, UnreadableFile, UsageError
from assay.observe import profile as file

WORKSTATION = "rtx-pro-6000-blackwell-workstation-edition"


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "assay" / "profile.toml"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}, "/c/assay/profile.toml"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/h"}, "/h/.config/assay/profile.toml"),
        ({"HOME": "/h"}, "/h/.config/assay/profile.toml"),
    ],
)
def test_where_it_lies(environment: dict[str, str], expected: str) -> None:
    assert file.profile_path(environment) == Path(expected)


def test_without_a_file_the_profile_is_empty(path: Path) -> None:
    assert answers.load() == answers.Profile()
    assert not path.exists()


def test_a_card_is_identified_and_kept_as_its_id(path: Path) -> None:
    done = answers.change("gpu", "RTX PRO 6000 Blackwell Workstation Edition")
    assert done.profile.gpu == WORKSTATION
    assert f'gpu = "{WORKSTATION}"' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("2x RTX 4090", "2x geforce-rtx-4090"),
        ("RTX 4090 + RTX 5090", "geforce-rtx-4090 + geforce-rtx-5090"),
    ],
)
def test_several_cards(typed: str, kept: str) -> None:
    assert answers.change("gpu", typed).profile.gpu == kept


def test_an_ambiguous_card_is_refused_with_its_candidates(path: Path) -> None:
    with pytest.raises(UnknownGpu) as caught:
        answers.change("gpu", "RTX PRO 6000 Blackwell")
    assert WORKSTATION in caught.value.candidates
    assert len(caught.value.candidates) == 3
    assert not path.exists()


def test_an_unknown_card_is_refused(path: Path) -> None:
    with pytest.raises(UnknownGpu):
        answers.change("gpu", "no such card")
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "typed", "field", "kept"),
    [
        ("ram-gib", "128", "ram_gib", 128),
        ("ram_gib", "128", "ram_gib", 128),
        ("RAM-GIB", "31.4", "ram_gib", 31.4),
        ("ram-bandwidth-gb-s", "83,2", "ram_bandwidth_gb_s", 83.2),
        ("electricity-per-kwh", "0.12", "electricity_per_kwh", 0.12),
        ("currency", "eur", "currency", "EUR"),
        ("language", "ru", "language", "ru"),
    ],
)
def test_settings_are_kept(name: str, typed: str, field: str, kept: object) -> None:
    answers.change(name, typed)
    assert getattr(answers.load(), field) == kept


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("ram-gib", "0"),
        ("ram-gib", "-1"),
        ("ram-gib", "nan"),
        ("ram-gib", "inf"),
        ("ram-gib", "much"),
        ("currency", "dollars"),
        ("language", "fr"),
        ("colour", "blue"),
    ],
)
def test_what_cannot_be_is_refused(path: Path, name: str, typed: str) -> None:
    with pytest.raises(UsageError):
        answers.change(name, typed)
    assert not path.exists()


def test_figures_carry_unit_and_basis() -> None:
    answers.change("ram-gib", "64")
    profile = answers.load()
    assert (profile.ram.value, profile.ram.unit, profile.ram.basis) == (64 * 2**30, "B", "assumed")
    assert profile.ram_bandwidth.value is None
    assert profile.ram_bandwidth.note is not None


def test_a_change_keeps_comments_and_other_settings(path: Path) -> None:
    _write(path, '# mine\nram-gib = 64 # two sticks\n# end\nlanguage = "en"')
    answers.change("language", "ru")
    answers.change("currency", "RUB")
    assert path.read_text(encoding="utf-8") == (
        '# mine\nram-gib = 64 # two sticks\n# end\nlanguage = "ru"\ncurrency = "RUB"\n'
    )


def test_a_setting_is_removed(path: Path) -> None:
    _write(path, 'ram-gib = 64\nlanguage = "en"\n')
    done = answers.remove("ram-gib")
    assert done.done is not None
    assert done.done.code == "profile.unset"
    assert path.read_text(encoding="utf-8") == 'language = "en"\n'
    again = answers.remove("ram-gib").done
    assert again is not None
    assert again.code == "profile.was_not_set"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ram-gib = 64\nlanguage = en\n", 2),
        ("# a\n\n[[[\n", 3),
        ('ram-gib = 64\nlanguage = "en', 2),
        ("ram-gib = 1\nram-gib = 2\n", 2),
    ],
)
def test_a_broken_file_names_its_line_and_stays_as_it_is(path: Path, text: str, line: int) -> None:
    _write(path, text)
    for attempt in (answers.load, lambda: answers.change("language", "ru"), lambda: answers.remove("ram-gib")):
        with pytest.raises(MalformedFile) as caught:
            attempt()
        assert caught.value.field == f"line {line}"
        assert dict(caught.value.message.parameters)["line"] == line
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["ram-gigs = 64\n", "ram-gib = -1\n", "ram-gib = true\n", "gpu = 5090\n", "[gpu]\n"])
def test_a_value_that_cannot_be_names_its_setting(path: Path, text: str) -> None:
    _write(path, text)
    with pytest.raises(MalformedFile) as caught:
        answers.load()
    assert caught.value.field
    assert caught.value.field in text


def test_an_unreadable_file(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(UnreadableFile):
        answers.load()
    path.rmdir()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UnreadableFile):
        answers.load()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [_fifo, _folder, _endless])
def test_what_is_no_regular_file_is_refused_and_never_waited_for(path: Path, make: Callable[[Path], None]) -> None:
    path.parent.mkdir()
    make(path)
    for attempt in (answers.load, lambda: answers.change("language", "ru"), lambda: answers.remove("ram-gib")):
        with pytest.raises(UnreadableFile) as caught:
            attempt()
        assert caught.value.message.code == "error.unreadable.not_regular"
    assert open_door(["gpu", "5090"]).language in {"en", "ru"}


def test_an_absurdly_long_file_is_refused(path: Path) -> None:
    _write(path, "#" * (file.LARGEST_BYTES + 1))
    with pytest.raises(MalformedFile):
        answers.load()
    _write(path, "#" * file.LARGEST_BYTES)
    assert answers.load() == answers.Profile()


def test_the_file_is_replaced_in_one_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(path, "ram-gib = 64\n")

    def crash(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(PermissionRefused):
        answers.change("ram-gib", "128")
    assert path.read_text(encoding="utf-8") == "ram-gib = 64\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["profile.toml"]


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.toml"
    target.write_text("", encoding="utf-8")
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    answers.change("ram-gib", "64")
    assert path.is_symlink()
    assert "ram-gib = 64" in target.read_text(encoding="utf-8")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(PermissionRefused):
        answers.change("ram-gib", "64")


def test_the_card_of_a_question_that_names_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.answers import gpu
    from assay.types.message import message

    def none(_: str | None) -> gpu.GpuAnswer:
        raise NoGpu(message("error.no_gpu", nvml="none"), message("hint.no_gpu"))

    monkeypatch.setattr(gpu, "answer", none)
    with pytest.raises(NoGpu):
        answers.default_cards()
    _write(path, 'gpu = "2x geforce-rtx-4090"\n')
    assert answers.default_cards() == ("2x geforce-rtx-4090",)


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (["geforce-rtx-4090"], ("geforce-rtx-4090",)),
        (["geforce-rtx-4090", "geforce-rtx-4090"], ("2x geforce-rtx-4090",)),
        (["geforce-rtx-4090", "geforce-rtx-5090"], ("geforce-rtx-4090", "geforce-rtx-5090")),
    ],
)
def test_this_machines_cards_come_before_the_profile(
    path: Path, monkeypatch: pytest.MonkeyPatch, here: list[str], expected: tuple[str, ...]
) -> None:
    from assay.answers import gpu

    found = tuple(gpu.answer(name).results[0] for name in here)
    monkeypatch.setattr(gpu, "answer", lambda _: gpu.GpuAnswer(None, found))
    _write(path, 'gpu = "h200-sxm-141gb"\n')
    assert answers.default_cards() == expected


def test_an_uncertain_device_counts_as_each_card_that_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.answers import gpu

    found = gpu.answer("RTX PRO 6000 Blackwell").results
    monkeypatch.setattr(gpu, "answer", lambda _: gpu.GpuAnswer(None, found))
    assert len(answers.default_cards()) == 3


def test_a_device_outside_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.answers import gpu

    found = gpu.answer("no such card").results
    monkeypatch.setattr(gpu, "answer", lambda _: gpu.GpuAnswer(None, found))
    with pytest.raises(UnknownGpu):
        answers.default_cards()
