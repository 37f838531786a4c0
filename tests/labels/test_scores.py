"""The line that each retraining leaves: appended, never rewritten, and read past whatever a dying process left."""

import pytest

from flaxgal.labels.scores import append_score, last_run, read_scores, runs_folder


def make_run(store, name):
    folder = runs_folder(store) / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_scores_come_back_in_the_order_they_were_noted(tmp_path):
    assert read_scores(tmp_path) == []
    for number in range(3):
        append_score(tmp_path, {"run": f"r{number}", "dice": number / 10})
    assert [score["run"] for score in read_scores(tmp_path)] == ["r0", "r1", "r2"]


def test_a_retraining_without_held_out_galaxies_has_no_score_but_is_the_last_run(tmp_path):
    append_score(tmp_path, {"run": "early", "dice": None})
    assert read_scores(tmp_path) == []
    assert last_run(tmp_path) is None
    assert last_run(tmp_path) is None
    folder = make_run(tmp_path, "early")
    assert last_run(tmp_path) == folder


def test_a_line_that_a_dying_process_left_unfinished_costs_no_other_line(tmp_path):
    append_score(tmp_path, {"run": "a", "dice": 0.1})
    path = tmp_path / "training" / "scores.jsonl"
    path.write_bytes(path.read_bytes() + b'{"run": "b", "di')
    append_score(tmp_path, {"run": "c", "dice": 0.3})
    assert [score["run"] for score in read_scores(tmp_path)] == ["a", "c"]


def test_the_last_run_is_the_last_that_was_finished_and_is_still_there(tmp_path):
    kept, _unfinished = make_run(tmp_path, "one"), make_run(tmp_path, "unfinished")
    append_score(tmp_path, {"run": "one", "dice": 0.1})
    append_score(tmp_path, {"run": "removed", "dice": 0.2})
    assert last_run(tmp_path) == kept


def test_what_is_no_number_is_refused_and_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        append_score(tmp_path, {"run": "a", "dice": float("nan")})
    assert read_scores(tmp_path) == []
