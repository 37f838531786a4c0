"""What several commands say alike."""

from flaxgal.cli_words import closing, say_passed_over
from flaxgal.survey.cutout import Unreadable


def test_images_that_are_passed_over_in_a_folder_are_counted_and_one_is_named(tmp_path, capsys):
    for name in ("a.fits", "a_mask.fits", "psf-a.fits"):
        (tmp_path / name).touch()
    say_passed_over((tmp_path,))
    said = capsys.readouterr().err
    assert said.startswith("2 files passed over")
    assert f"such as {tmp_path / 'a_mask.fits'};" in said


def test_nothing_is_said_of_a_mask_that_is_given_by_its_own_name(tmp_path, capsys):
    (tmp_path / "a_mask.fits").touch()
    say_passed_over((tmp_path / "a_mask.fits",))
    assert capsys.readouterr().err == ""


def test_what_left_out_galaxies_have_in_common_is_said_once(capsys):
    no_map = [Unreadable(f"g{number}", f"g{number}: no map of it in maps") for number in range(3)]
    others = [Unreadable("b.fits", "b.fits: damaged"), "the store's own sentence"]
    assert closing("5 galaxies measured", 5, [*no_map[:2], *others, no_map[2]]) == 0
    printed = capsys.readouterr()
    assert printed.out == "5 galaxies measured\n"
    assert printed.err.splitlines() == [
        "left out: 3 galaxies, such as g0: no map of it in maps",
        "left out: b.fits: damaged",
        "left out: the store's own sentence",
        "5 left out",
    ]
    assert closing("none", 0, []) == 1
