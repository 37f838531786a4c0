"""Annotates in a process that is killed at a random moment, again and again, and compares what comes back.

    python killed.py STORE KILLS SEED

A warm parent forks the annotating processes, as starting Python takes longer than they live. Each tells through a pipe
what it is about to do and what is done; a galaxy must open with the last mask that was done, or with the one begun
when the process was killed. Prints one JSON object.
"""

import copy
import json
import os
import random
import signal
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from flaxgal.labels.journal import open_drawings
from flaxgal.labels.store import Store
from flaxgal.survey.reading import read_one  # noqa: F401 - warm, so that no child spends its life on imports
from napari_flaxgal.session import EndOfQueue, Session

MOST_WORDS, MOST_SECONDS = 25, 0.03
"""A process is killed a random moment after it has told a random number of things, however busy the machine is."""


def told(mask):
    return zlib.crc32(np.ascontiguousarray(mask).tobytes())


def annotate(store_path, seed, tell):
    """Draw, propose, undo and commit until killed."""
    dice = random.Random(seed)
    session = Session(Store.open(store_path), "anna", show="all")
    opened = session.start()
    while True:
        tell("opened", opened.object_id, told(opened.mask))
        while dice.random() < 0.8:
            act = an_act(dice, session.mask)
            twin = copy.deepcopy(session._work.drawing)
            act(twin, twin.draw)
            tell("begun", opened.object_id, told(twin.mask))
            act(session, session.record)
            tell("done", opened.object_id, told(session.mask))
        if dice.random() < 0.5:
            tell("committing", opened.object_id, told(session.mask))
            tell("committed", opened.object_id, told(session.mask), session.commit().revision_id)
        try:
            opened = session.next()
        except EndOfQueue:
            opened = session.open(session.queue.ids[0])


def an_act(dice, mask):
    """Something that an annotator may do to a session, or to a drawing by itself."""
    name = dice.choice(["brush"] * 6 + ["fill", "propose", "undo"])
    size, y, x = 60 if name == "fill" else 6, dice.randrange(mask.shape[0]), dice.randrange(mask.shape[1])
    value, threshold = dice.choice([0, 1, 1, 2, 255]), dice.random()

    def act(drawn, record):
        if name == "undo":
            drawn.undo()
        elif name == "propose":
            guess = np.zeros_like(mask)
            guess[y:] = 1
            drawn.propose(guess, "runs/one", threshold)
        else:
            stroke = drawn.mask.copy()
            stroke[y : y + size, x : x + size] = value
            record(stroke, name)

    return act


def live_and_die(store_path, seed):
    """What one annotating process told before it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            annotate(store_path, seed, lambda *words: os.write(writing, (json.dumps(words) + "\n").encode()))
        except BaseException as error:
            os.write(writing, (json.dumps(["failed", repr(error), 0]) + "\n").encode())
        os._exit(1)
    os.close(writing)
    dice = random.Random(seed)
    with os.fdopen(reading, "rb") as words:
        lines = [words.readline() for _ in range(dice.randrange(MOST_WORDS))]  # one in 25 dies before it has begun
        time.sleep(dice.random() * MOST_SECONDS)
        os.kill(child, signal.SIGKILL)
        lines += words.readlines()
    os.waitpid(child, 0)
    return [json.loads(line) for line in lines if line]


def main(store_path, kills, seed):
    masks, revisions, counts, wrong = {}, {}, Counter(), []
    for number in range(kills):
        words = live_and_die(store_path, seed * 1_000_000 + number)
        for what, object_id, mask, *more in words:
            counts[what] += 1
            allowed = masks.setdefault(object_id, {told(np.zeros((96, 96), np.uint8))})
            if what == "failed" or (what == "opened" and mask not in allowed):
                wrong.append([number, what, object_id])
            if what == "begun":
                allowed.add(mask)
            else:
                masks[object_id] = {mask}
            if more:
                revisions[more[0]] = mask
        counts[f"killed after {words[-1][0] if words else 'nothing'}"] += 1
    store = Store.open(store_path)
    drawings = Counter(line.provenance.drawing for line in store.history())
    last = Session(store, "anna", show="all")
    for object_id, allowed in masks.items():
        if told(last.open(object_id).mask) not in allowed:
            wrong.append(["at the end", object_id])
    last.close()
    result = {
        "wrong": wrong,
        "damaged": list(store.damaged.values()),
        "lost revisions": [name for name, mask in revisions.items() if told(store.revision(name).mask) != mask],
        "committed twice": [name for name, number in drawings.items() if number > 1],
        "revisions": len(store.history()),
        "open": len(open_drawings(Path(store_path), "anna")),
        "counts": counts,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
