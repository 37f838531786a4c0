"""What several commands say alike."""

from flaxgal.cli_words import say_passed_over


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
