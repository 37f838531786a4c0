"""The whole circle: label, build, train, propose, correct, commit, build, train again."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from galaxies import mock_store

from flaxgal.cli import run
from flaxgal.config import DataConfig, OptimizerConfig, TrainConfig, UNetConfig
from flaxgal.datasets.loader import iterate_examples
from flaxgal.labels.revisions import Revision
from flaxgal.labels.store import Store
from flaxgal.train import train

pytest.importorskip("napari", reason="the circle goes through the napari plugin: pip install 'flaxgal[annotate]'")

SIZE = 32
NETWORK = TrainConfig(
    steps=3,
    evaluate_every=3,
    model=UNetConfig(image_size=SIZE, widths=(4, 8), block="plain", blocks=(1,), dropout=(0.1,)),
    optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=1, average_decay=0.9),
)


def imported(store: Store, object_id: str) -> None:
    """A label from elsewhere: the brighter half of the picture."""
    cutout = store.cutout(object_id)
    light = np.nan_to_num(cutout.flux.mean(axis=0))
    store.commit(
        Revision(
            object_id=object_id,
            annotator="elsewhere",
            origin="imported",
            cutout_sha256=cutout.sha256,
            mask=(light > np.quantile(light, 0.9)).astype(np.uint8),
        )
    )


def trained_on(folder, snapshot, name):
    config = dataclasses.replace(NETWORK, data=DataConfig(snapshots=(str(snapshot),), batch_size=8))
    for _ in train(config, folder / name):
        pass
    return folder / name


@pytest.mark.long
def test_what_is_corrected_in_the_window_is_all_that_changes_in_the_next_snapshot(tmp_path, capsys):
    from napari.components import ViewerModel

    from napari_flaxgal.propose import Proposer
    from napari_flaxgal.session import Session
    from napari_flaxgal.workbench import Workbench

    store = mock_store(tmp_path / "labels", number=40, size=SIZE)
    labelled = list(store.galaxies())[:34]
    for object_id in labelled:
        imported(store, object_id)

    def build():
        assert run(["build", str(store.path), "--out", str(tmp_path / "snapshots"), "--image-size", str(SIZE)]) == 0
        return capsys.readouterr().out.strip().splitlines()[-1]

    first = build()
    trained = trained_on(tmp_path, first, "run-1")

    session = Session(Store.open(store.path), "anna", show="all")
    bench = Workbench(ViewerModel(), session, proposer=Proposer.load(trained))
    bench.open(labelled[0])  # corrects somebody's label
    bench.guesses.propose()
    with bench.drawing.block_history():
        bench.drawing.paint((5, 5), 1)
    bench.commit()
    bench.open(list(store.galaxies())[-1])  # labels one that nobody had
    bench.guesses.propose()
    with bench.drawing.block_history():
        bench.drawing.paint((20, 20), 1)
    bench.commit()
    session.close()

    second = build()
    before, after = ({example.object_id: example for example in iterate_examples(folder)} for folder in (first, second))
    committed = {
        line.provenance.object_id: line
        for line in Store.open(store.path).history()
        if line.provenance.annotator == "anna"
    }
    assert set(committed) == {labelled[0], list(store.galaxies())[-1]}
    assert set(after) - set(before) == set(committed) - set(before)
    assert set(before) <= set(after)
    for object_id, example in before.items():
        same = example.revision == after[object_id].revision
        assert same == (object_id not in committed)
        assert same == np.array_equal(example.target, after[object_id].target)
        assert np.array_equal(example.image, after[object_id].image)
        assert example.split == after[object_id].split
    for object_id, line in committed.items():
        assert after[object_id].revision == line.revision_id
        assert line.provenance.model_run == "run-1"
    again = trained_on(tmp_path, second, "run-2")
    assert (again / "config.json").is_file()
    cited = [json.loads(line) for line in (Path(second) / "revisions.jsonl").read_text().splitlines()]
    assert {line["revision"] for line in cited} >= {line.revision_id for line in committed.values()}
