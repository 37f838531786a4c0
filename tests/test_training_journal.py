"""Claims about the journal of a training run: what was done is told in order, and looks are counted."""

from pathlib import Path

import numpy as np

from flaxgal.runlog import read_records
from flaxgal.training_journal import Journal


def report(*losses):
    return {name: np.asarray(losses) for name in ("loss", "gradient_norm", "learning_rate")}


def test_a_journal_reads_reports_one_late_and_averages_the_loss_of_each_record(tmp_path):
    journal = Journal(tmp_path, records=[], step=0, steps=6, batch_size=4)
    journal.add(2, report(1.0, 2.0))
    assert journal.step == 0
    journal.add(4, report(3.0, 4.0))
    assert (journal.step, journal.progress().loss) == (2, 1.5)
    journal.add(6, report(5.0, 6.0), at_once=True)
    journal.close_record({"validation_dice": 0.4})
    assert journal.progress().loss == 3.5
    (record,) = read_records(tmp_path)
    assert (record["step"], record["loss"], record["learning_rate"], record["validation_dice"]) == (6, 3.5, 6.0, 0.4)
    assert journal.progress().seconds_left == 0


def test_looks_are_counted_since_the_best_one():
    records = [{"step": step, "loss": 1.0, "validation_dice": dice} for step, dice in enumerate([0.2, 0.6, 0.6, 0.1])]
    journal = Journal(Path("unused"), records=records, step=3, steps=9, batch_size=1)
    assert journal.looks_without_gain() == 2
    assert journal.progress().best_dice == 0.6
    assert Journal(Path("unused"), records=[{"step": 1}], step=1, steps=9, batch_size=1).looks_without_gain() == 0


def cropped(*shares):
    return [{"name": "galaxies", "version": "1.0.0", "sizes": {"train": 9}, "crop": share} for share in shares]
