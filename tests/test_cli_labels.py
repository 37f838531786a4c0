"""The commands between labels and models, as a user meets them."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from flaxgal.cli import run
from flaxgal.datasets.builders import open_snapshot
from flaxgal.datasets.loader import iterate_class_examples
from flaxgal.datasets.placing import check_apart
from flaxgal.inputs import cutouts_from, number_of
from flaxgal.labels.ranking import newest_ranking
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.schemas import VOCABULARIES

SIZE = 16


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Six galaxies: anna and bo labelled g0 and g1, anna g2, nobody the others."""
    store = Store.create(tmp_path / "labels")
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    for number in range(6):
        rng = np.random.default_rng(number)
        light = 50 * np.exp(-np.hypot(y, x) / 3) + rng.normal(size=(SIZE, SIZE))
        store.add(Cutout(object_id=f"g{number}", flux=light[None].astype(np.float32), bands=("i",), unit="nJy"))
    for name, annotator, last in (
        ("g0", "anna", 6),
        ("g0", "bo", 6),
        ("g1", "anna", 4),
        ("g1", "bo", 12),
        ("g2", "anna", 5),
    ):
        draw(store, name, annotator, last)
    return store


def draw(store: Store, object_id: str, annotator: str, last: int) -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[2:last] = 1
    given = {"origin": "drawn", "cutout_sha256": store.galaxies()[object_id].cutout_sha256, "mask": mask}
    store.commit(Revision(object_id=object_id, annotator=annotator, **given))


def said(folder: Path) -> dict:
    return json.loads((folder / "provenance.json").read_text())


def test_build_freezes_whose_labels_are_asked_for_and_rebuilds_a_cited_snapshot(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = ["build", str(store.path), "--image-size", str(SIZE)]
    for labels, galaxies in (("latest", 3), ("annotator:bo", 2), ("consensus", 3), ("staple", 3)):
        assert run([*build, "--out", str(tmp_path / labels), "--labels", labels]) == 0
        folder = Path(capsys.readouterr().out.strip())
        assert (said(folder)["labels"], sum(said(folder)["galaxies"].values())) == (labels, galaxies)
    draw(store, "g0", "cy", 9)
    assert run(["build", str(store.path), "--out", str(tmp_path / "again"), "--like", str(folder)]) == 0
    again = Path(capsys.readouterr().out.strip())
    contents = [{path.name: path.read_bytes() for path in one.iterdir()} for one in (folder, again)]
    assert contents[0] == contents[1]


def test_build_says_what_it_cannot_follow(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build = ["build", str(store.path), "--out", str(tmp_path / "sets")]
    assert run([*build, "--labels", "annotator:ana"]) == 2
    assert "nothing is labelled by 'ana', only by anna, bo" in capsys.readouterr().err
    assert run([*build, "--like", str(tmp_path), "--labels", "staple", "--image-size", "32"]) == 2
    assert "decides --image-size, --labels already" in capsys.readouterr().err
    assert run([*build, "--like", str(tmp_path)]) == 2
    assert "no dataset snapshot here" in capsys.readouterr().err


def test_agreement_is_printed_by_annotator_and_written_pair_by_pair(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "agreement.ecsv"
    assert run(["store", "agreement", str(store.path), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "disputed: g1, Dice 0.33" in printed
    assert "2 galaxies with several annotators, 1 of them disputed" in printed
    (anna,) = [line.split() for line in printed.splitlines() if line.split()[:1] == ["anna"]]
    assert anna[:4] == ["anna", "2", "2", f"{(1 + 4 / 12) / 2:.3f}"]
    table = Table.read(out)
    assert sorted(table["object_id"]) == ["g0", "g1"]
    assert run(["store", "agreement", str(store.path), "--out", str(tmp_path / "a.csv")]) == 2
    assert "ends in .ecsv, found .csv" in capsys.readouterr().err


def test_agreement_of_nothing_is_one_sentence_and_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone, out = Store.create(tmp_path / "alone"), tmp_path / "agreement.ecsv"
    nothing = "no galaxy has masks by two annotators, or a blind repeat: nothing to compare"
    assert run(["store", "agreement", str(alone.path)]) == 0
    assert capsys.readouterr() == (f"{nothing}\n", "")
    assert run(["store", "agreement", str(alone.path), "--out", str(out)]) == 0
    assert capsys.readouterr() == (f"{nothing}: {out}\n", "")
    assert len(Table.read(out)) == 0


def test_rank_writes_a_ranking_into_the_store(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from flax import nnx

    from flaxgal import checkpoint
    from flaxgal.config import TrainConfig, UNetConfig, to_json
    from flaxgal.models.unet import UNet

    model, folder = UNetConfig(image_size=SIZE, widths=(4, 8), blocks=(1,), dropout=(0.0,)), tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(to_json(TrainConfig(name="tiny", model=model)))
    checkpoint.save(folder, "best", 1, {"average": UNet(model, nnx.Rngs(params=3))})
    assert run(["rank", str(store.path), "--model", str(folder), "--orientations", "2"]) == 0
    ranking = newest_ranking(Store.open(store.path))
    assert ranking is not None
    assert capsys.readouterr().out.strip() == f"3 galaxies ranked: ranking {ranking.ranking_id} in {store.path}"
    assert set(ranking.rows) == {"g3", "g4", "g5"}
    assert run(["rank", str(store.path), "--model", str(tmp_path / "none")]) == 2
    assert "not a run folder" in capsys.readouterr().err


def test_build_makes_classes_a_data_set_of_their_own(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Table({"object_id": ["g0", "g5"], "morphology": ["E", "Sp"]}).write(tmp_path / "classes.ecsv")
    build = ["build", str(store.path), "--out", str(tmp_path / "sets"), "--morphology", str(tmp_path / "classes.ecsv")]
    assert run([*build, "--image-size", str(SIZE)]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder == tmp_path / "sets" / "galaxy_morphology" / "1.0.0"
    assert (sum(said(folder)["galaxies"].values()), said(folder)["table"]) == (2, "classes.ecsv")
    assert run([*build, "--classes", "arm", "--surveys", "SDSS"]) == 2
    refused = "--classes, --surveys: of snapshots with masks only; leave out that or --morphology\n"
    assert capsys.readouterr().err == f"flaxgal: {refused}"


def test_build_takes_ids_from_the_column_that_is_named_and_says_how_to_name_it(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text("nm,morphology\ng0,E\ng5,Sp\n")
    build = ["build", str(store.path), "--out", str(tmp_path / "sets"), "--morphology", str(tmp_path / "t.csv")]
    assert run(build) == 2
    assert "no column of ids among nm, morphology; name one of them by --id-column" in capsys.readouterr().err
    assert run([*build, "--id-column", "nm"]) == 0
    assert sum(said(Path(capsys.readouterr().out.strip()))["galaxies"].values()) == 2


def test_build_makes_classes_of_pictures_and_a_table_and_counts_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, pictures = np.random.default_rng(0), tmp_path / "pictures"
    pictures.mkdir()
    words = ["Spiral_CW", "Spiral_ACW", "Elliptical", "Spiral_Edge", "DontKnow"]
    rows = [f"{number:03d},{words[number % 5]}" for number in range(30)]
    (tmp_path / "zoo.csv").write_text("OBJID,NAME\n" + "\n".join(rows) + "\n")
    for number in range(30):
        size = 24 if number < 20 else 30
        Image.fromarray(rng.integers(1, 255, (size, size, 3), np.uint8)).save(pictures / f"{number:03d}.png")
    (pictures / "000.png").write_bytes(b"no picture")
    build = ["build", str(pictures), "--out", str(tmp_path / "sets"), "--morphology", str(tmp_path / "zoo.csv")]
    words_of = ["--column", "NAME", "--vocabulary", "galaxy_zoo_1", "--leave-out", "Spiral_Edge"]
    shape = ["--bands", "red", "green", "blue", "--crop", "0.5", "--image-size", "12", "--fold", "1", "--folds", "3"]
    assert run([*build, *words_of, *shape]) == 0
    printed = capsys.readouterr()
    folder = Path(printed.out.strip())
    about = said(folder)
    assert sum(about["galaxies"].values()) == 17
    assert about["left_out"] == 13
    assert (about["fold"], about["folds"], about["crop"], about["bands"]) == (1, 3, 0.5, ["red", "green", "blue"])
    assert "| winding | S | Z | none | not known |" in printed.err
    assert "left out: 6 galaxies, such as 004: class not known: NAME DontKnow\n" in printed.err
    assert "left out: 6 galaxies, such as 003: to be left out: NAME Spiral_Edge\n" in printed.err
    assert "\n13 left out" in printed.err
    assert "pictures of 2 sizes, 24 × 24 (11), 30 × 30 (6), were all fitted to 12 × 12" in printed.err
    assert "Lintott" in (folder / "README.md").read_text()
    (galaxy, *_) = cutouts_from([folder])
    assert (galaxy.bands, galaxy.first_row, galaxy.unit) == (("red", "green", "blue"), "top", "picture")
    assert number_of([folder]) == 17
    assert open_snapshot(folder).crop == 0.5


def test_a_table_of_spirals_or_not_teaches_that_task(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text("id,is_it\ng0,yes\ng1,no\ng2,no\n")
    build = ["build", str(store.path), "--out", str(tmp_path / "sets"), "--morphology", str(tmp_path / "t.csv")]
    assert run([*build, "--column", "is_it", "--vocabulary", "spiral"]) == 0
    balance = said(Path(capsys.readouterr().out.strip()))["balance"]
    counted = {schema: sum((Counter(split) for split in balance[schema].values()), Counter()) for schema in balance}
    assert counted["spiral"] == {"spiral": 1, "not spiral": 2}
    assert counted["morphology"] == {"Sp": 1, "": 2}


def spirals_of_which_some_are_coloured(folder: Path, coloured: int) -> tuple[Path, Path]:
    """Six pictures, the first of them in colour and the others grey, and a table of their T-types."""
    pictures, table = folder / "pictures", folder / "t.csv"
    pictures.mkdir()
    for number in range(6):
        shape = (8, 8, 3) if number < coloured else (8, 8)
        Image.fromarray(np.full(shape, number + 1, np.uint8)).save(pictures / f"{number}.png")
    table.write_text("id,t_type\n" + "".join(f"{number},5\n" for number in range(6)))
    return pictures, table


def test_build_says_that_pictures_in_several_sets_of_bands_were_all_made_grey(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, table = spirals_of_which_some_are_coloured(tmp_path, 4)
    build = ["build", str(pictures), "--morphology", str(table), "--image-size", "8", "--out", str(tmp_path / "sets")]
    assert run(build) == 0
    printed = capsys.readouterr()
    assert "pictures in 2 sets of bands, red green blue (4), grey (2), were all made grey: a class that" in printed.err
    assert said(Path(printed.out.strip()))["picture_bands"] == {"red green blue": 4, "grey": 2}
    assert run([*build, "--bands", "red", "green", "blue"]) == 0
    assert "sets of bands" not in capsys.readouterr().err


def test_build_counts_pictures_without_a_class_and_classes_without_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, table = tmp_path / "pictures", tmp_path / "t.csv"
    pictures.mkdir()
    for number in range(9):
        Image.fromarray(np.full((8, 8), number + 1, np.uint8)).save(pictures / f"{number}.png")
    known = "".join(f"{number},{number - 3}\n" for number in range(4))
    table.write_text(f"id,t_type\n{known}4,99\n5,99\nfar,99\naway,5\nabroad,5\n")
    build = ["build", str(pictures), "--out", str(tmp_path / "sets"), "--image-size", "8", "--morphology", str(table)]
    assert run(build) == 0
    printed = capsys.readouterr()
    counts = [
        "left out: 3 galaxies, such as 6: no row in t.csv",
        "left out: 2 galaxies, such as 4: class not known: t_type 99",
        "5 left out",
        "t.csv: 3 galaxies have no readable picture here",
    ]
    assert [line for line in printed.err.splitlines() if line in counts] == [counts[1], counts[0], *counts[2:]]
    folder = Path(printed.out.strip())
    assert (said(folder)["left_out"], said(folder)["table_remarks"]) == (5, counts[3:])
    card = (folder / "README.md").read_text()
    assert "5 more were left out" in card
    assert "\n- 3: no row in t.csv\n- 2: class not known: t_type 99\n" in card
    assert "t.csv: 3 galaxies have no readable picture here." in card


def test_build_says_once_what_pictures_of_other_bands_have_in_common_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, table = spirals_of_which_some_are_coloured(tmp_path, 5)
    build = ["build", str(pictures), "--out", str(tmp_path / "sets"), "--morphology", str(table)]
    assert run([*build, "--bands", "g", "r", "i"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "no snapshot written: no galaxy to build a snapshot from (6 left out)\n"
    colour, grey, total = printed.err.splitlines()
    assert colour.startswith("left out: 5 galaxies, such as 0: bands found are red green blue, wanted g r i; ")
    assert "build with --bands red green blue or grey" in colour
    assert grey.startswith("left out: 5: bands found are grey")
    assert total == "6 left out"


def test_pictures_with_classes_agree_with_another_snapshot_as_the_refusal_to_train_on_both_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, table = tmp_path / "pictures", tmp_path / "classes.csv"
    pictures.mkdir()
    kinds = ["E", "Sp"] * 30
    table.write_text("id,morphology\n" + "".join(f"{number:03d},{kind}\n" for number, kind in enumerate(kinds)))
    for number in range(len(kinds)):
        noise = np.random.default_rng(number).integers(1, 255, (8, 8), np.uint8)
        Image.fromarray(noise).save(pictures / f"{number:03d}.png")
    build = ["build", str(pictures), "--morphology", str(table), "--image-size", "8", "--out"]

    def built(*options: str) -> str:
        assert run([*build, *options]) == 0
        return capsys.readouterr().out.strip()

    first, second = built(str(tmp_path / "one")), built(str(tmp_path / "two"), "--folds", "2")
    train = ["train", "morphology", "--run", str(tmp_path / "run"), "--data.snapshots", first]
    assert run([*train, second]) == 2
    assert "build one of them again with --agree-with the other" in capsys.readouterr().err
    third = built(str(tmp_path / "three"), "--agree-with", second)
    check_apart([second, third])
    splits = [{one.object_id: one.split for one in iterate_class_examples(folder)} for folder in (first, second, third)]
    assert splits[2] == splits[1] != splits[0]
    assert run([*build, str(tmp_path / "four"), "--agree-with", second, "--folds", "3"]) == 2
    assert "--folds 3 decides --agree-with already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--vocabulary", "galaxy_zoo_1"], "a vocabulary is named, but no column"),
        (["--column", "KIND", "--vocabulary", "galaxy_zoo_1"], "no column KIND among OBJID, NAME"),
        (["--column", "NAME", "--vocabulary", "t_type"], "NAME holds text, such as Elliptical; wanted numbers"),
        (["--column", "NAME", "--vocabulary", "galaxy_zoo_1", "--fold", "3", "--folds", "3"], "fold 3 of 3"),
        (["--column", "NAME", "--vocabulary", "galaxy_zoo_1", "--fold", "2"], "--fold 2 of how many?"),
        (["--column", "NAME", "--vocabulary", "galaxy_zoo_1", "--crop", "2"], "crop is 2; wanted the share"),
        (["--column", "NAME", "--vocabulary", "galaxy_zoo_1"], "tells the class of no galaxy in"),
    ],
)
def test_build_says_what_it_lacks_of_classes_in_one_sentence_and_writes_nothing(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "zoo.csv").write_text("OBJID,NAME\na,Elliptical\n")
    (tmp_path / "pictures").mkdir()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "pictures" / "b.png")
    build = ["build", str(tmp_path / "pictures"), "--out", str(tmp_path / "sets")]
    assert run([*build, "--morphology", str(tmp_path / "zoo.csv"), *options]) == 2
    printed = capsys.readouterr().err.strip()
    assert sentence in printed
    assert "\n" not in printed
    assert not (tmp_path / "sets").exists()


def test_build_names_the_missing_folder_of_pictures_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "zoo.csv"
    table.write_text("id,morphology\na,E\n")
    assert run(["build", str(tmp_path / "pics"), "--out", str(tmp_path / "sets"), "--morphology", str(table)]) == 2
    said = capsys.readouterr().err
    assert (
        said
        == f"flaxgal: {tmp_path / 'pics'}: no such folder; give a label store, or a folder of pictures or cutouts\n"
    )
    assert not (tmp_path / "sets").exists()


def test_help_names_every_vocabulary(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["build", "--help"])
    said = capsys.readouterr().out
    assert [name for name in VOCABULARIES if name not in said] == []


def test_options_of_classes_need_a_table_of_classes(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--id-column", "nm", "--crop", "0.5", "--fold", "1", "--folds", "5"]
    assert run(["build", str(store.path), "--out", "sets", *options]) == 2
    assert (
        "--id-column, --fold, --folds, --crop: of snapshots with classes only; name their table"
        in capsys.readouterr().err
    )


def test_a_snapshot_of_classes_is_no_recipe_for_masks(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Table({"object_id": ["g0", "g5"], "morphology": ["E", "Sp"]}).write(tmp_path / "classes.ecsv")
    build = ["build", str(store.path), "--out", str(tmp_path / "sets")]
    assert run([*build, "--morphology", str(tmp_path / "classes.ecsv"), "--image-size", "8"]) == 0
    folder = capsys.readouterr().out.strip()
    assert run([*build, "--like", folder]) == 2
    assert "this snapshot has classes in place of masks" in capsys.readouterr().err


def test_text_tables_of_pictures_become_a_snapshot_with_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(0).integers(1, 255, (3, 8, 8))
    np.savetxt(tmp_path / "nam_images_train.dat", pixels.reshape(3, -1), fmt="%d")
    np.savetxt(tmp_path / "nam_labels_train.dat", [1, 2, 3], fmt="%d")
    store, table = tmp_path / "labels", tmp_path / "labels-morphology.ecsv"
    assert run(["fetch", "folder", str(tmp_path), "--store", str(store)]) == 0
    capsys.readouterr()
    build = ["build", str(store), "--out", str(tmp_path / "sets"), "--image-size", "8", "--morphology", str(table)]
    assert run(build) == 0
    examples = {one.object_id: one for one in iterate_class_examples(capsys.readouterr().out.strip())}
    assert [one.labels.morphology for _, one in sorted(examples.items())] == ["E", "S0", "Sp"]
    for number in range(3):
        np.testing.assert_array_equal(examples[f"nam_images_train-{number:05d}"].image[..., 0], pixels[number])


@pytest.mark.parametrize(("more", "fractions"), [([], [1 / 3] * 3), (["--no-balanced"], [0.1, 0.1, 0.8])])
def test_mocks_of_classes_are_made_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], fractions: list[float]
) -> None:
    assert run(["mock", str(tmp_path), "--task", "classes", "--number", "8", "--mock.image-size", "32", *more]) == 0
    printed = capsys.readouterr()
    folder = Path(printed.out.strip())
    assert folder == tmp_path / "mock_classes" / "1.0.0"
    assert "| morphology | E | S0 | Sp | not known |" in printed.err
    assert said(folder)["mocks"]["class_fractions"] == pytest.approx(fractions)


def test_the_truth_of_mock_cutouts_is_a_table_of_their_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, choices = tmp_path / "cut", ["--task", "classes", "--number", "8", "--mock.image-size", "32"]
    assert run(["mock", str(tmp_path), *choices]) == run(["mock", str(cut), *choices, "--form", "cutouts"]) == 0
    made = Path(capsys.readouterr().out.split()[0])
    build = ["build", str(cut), "--out", str(tmp_path / "sets"), "--image-size", "32"]
    assert run([*build, "--morphology", str(cut / "truth.ecsv")]) == 0
    built = Path(capsys.readouterr().out.strip())
    assert said(built)["balance"] == said(made)["balance"]


def test_build_agrees_with_another_stores_snapshot(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = ["build", str(store.path), "--image-size", str(SIZE), "--out"]
    assert run([*build, str(tmp_path / "one")]) == 0
    other = capsys.readouterr().out.strip()
    assert run([*build, str(tmp_path / "two"), "--agree-with", other, "--look", "HSC", "--surveys", ""]) == 1
    assert "its pixel scale is unknown" in capsys.readouterr().err
