"""The commands `flaxgal store …`: what a label store holds, whether it is whole, and how it travels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional, arg

from flaxgal.cli_labels import store_agreement
from flaxgal.cli_words import Inputs, StoreFolder, already, closing, say
from flaxgal.progress import track

__all__ = ["store_commands"]


def store_commands() -> Any:
    """All of them, to be put under the name `store`."""
    app = tyro.extras.SubcommandApp()
    app.command(name="add")(store_add)
    app.command(name="import")(store_import)
    app.command(name="status")(store_status)
    app.command(name="agreement")(store_agreement)
    app.command(name="verify")(store_verify)
    app.command(name="merge")(store_merge)
    app.command(name="bundle")(store_bundle)
    app.command(name="reindex")(store_reindex)
    return app


def store_add(store: StoreFolder, inputs: Inputs, *, survey: str = "", pixel_scale_arcsec: float | None = None) -> int:
    """Add galaxies to a label store, which is made when it is not there.

    Example: flaxgal store add labels/ cutouts/*.fits --survey HSC

    Args:
        store: The label store's folder.
        inputs: Cutout files or folders of them.
        survey: Where they are from, when the files do not say.
        pixel_scale_arcsec: Arcseconds a pixel, when the files do not say.
    """
    from flaxgal.labels.store import Store
    from flaxgal.survey.cutout import Unreadable, find_cutouts, read_cutouts

    labels = Store.open_or_create(store)
    added, known, left_out = 0, 0, []
    overrides: dict[str, Any] = {"survey": survey or None, "pixel_scale_arcsec": pixel_scale_arcsec}
    for item in track(read_cutouts(inputs, **overrides), "galaxies added", len(find_cutouts(inputs))):
        if isinstance(item, Unreadable):
            left_out.append(item)
            continue
        there = item.object_id in labels
        try:
            labels.add(item)
        except ValueError as error:
            left_out.append(str(error))
            continue
        added, known = added + (not there), known + there
    return closing(f"{added} galaxies added to {store}{already(known)}", added + known, left_out)


def store_import(
    store: StoreFolder,
    *,
    images: Path,
    masks: Path,
    annotator: str = "unknown",
    survey: str = "",
    pixel_scale_arcsec: float | None = None,
) -> int:
    """Import pairs of pictures into a label store: an image, and the mask of its arms under the same file name.

    Example: flaxgal store import labels/ --images pictures/ --masks masks/ --annotator anna

    Args:
        store: The label store's folder; made when it is not there.
        images: Folder of images.
        masks: Folder of masks, each named as its image.
        annotator: Who drew them.
        survey: Where the images are from.
        pixel_scale_arcsec: Arcseconds a pixel, when the files do not say.
    """
    from flaxgal.labels.pairs import import_pairs
    from flaxgal.labels.store import Store
    from flaxgal.survey.cutout import Unreadable

    pairs = import_pairs(
        Store.open_or_create(store),
        images,
        masks,
        annotator=annotator,
        survey=survey or None,
        pixel_scale_arcsec=pixel_scale_arcsec,
    )
    new, known, left_out = 0, 0, []
    for item in track(pairs, "pairs"):
        if isinstance(item, Unreadable):
            left_out.append(item)
        elif item.is_new:
            new += 1
        else:
            known += 1
    return closing(f"{new} pairs imported into {store}{already(known)}", new + known, left_out)


def store_status(store: StoreFolder) -> int:
    """How many galaxies a label store holds, and who labelled how many.

    Example: flaxgal store status labels/

    Args:
        store: The label store's folder.
    """
    from flaxgal.labels.store import Store

    status = Store.open(store).status()
    for name, count in status.items():
        print(f"{name:>24s}  {count}")
    for sentence in status.damaged:
        say(f"damaged: {sentence}")
    return 0


def store_verify(store: StoreFolder) -> int:
    """Check every file of a label store: is it damaged, is one missing, is one foreign? Nothing is changed.

    Example: flaxgal store verify labels/

    Args:
        store: The label store's folder.
    """
    from flaxgal.labels.verify import FINDINGS, verify

    found: Counter[str] = Counter()
    for finding in verify(store, track=track):
        say(f"{finding.kind}: {finding.sentence}")
        found[finding.kind] += 1
    counts = [f"{found[kind]} {kind}" for kind in FINDINGS if found[kind]]
    print(f"{store}: {', '.join(counts) or 'whole'}")
    return 1 if found else 0


def store_merge(
    store: StoreFolder, others: Annotated[Positional[tuple[Path, ...]], arg(metavar="OTHER [OTHER ...]")]
) -> int:
    """Bring everything of other label stores, or of bundles, into one. Nothing that is there changes or is lost.

    Example: flaxgal store merge labels/ laptop.tar

    Args:
        store: The label store's folder; made when it is not there.
        others: Folders of label stores, or files that `flaxgal store bundle` wrote.
    """
    from flaxgal.labels.exchange import merge, must_be_mergeable
    from flaxgal.labels.store import Store

    for path in others:
        must_be_mergeable(path)
    labels, worked, left_out = Store.open_or_create(store), 0, []
    for path in others:
        merged = merge(labels, path, track=track)
        print(
            f"{path}: {merged.galaxies} galaxies, {merged.revisions} revisions, {merged.notes} notes, "
            f"{merged.rankings} rankings and {merged.splits} split tables came in{already(merged.already)}"
        )
        worked += merged.new + merged.already
        left_out += merged.refused
    return closing(str(store), worked if left_out else 1, left_out)


def store_bundle(
    store: StoreFolder, out: Annotated[Positional[Path], arg(metavar="FILE")], *, galaxies: bool = True
) -> int:
    """Write a label store as one file, to be merged on another machine.

    Example: flaxgal store bundle labels/ laptop.tar

    Args:
        store: The label store's folder.
        out: The file to write, such as laptop.tar.
        galaxies: With the cutouts; without them it is small, and good for a machine that has them.
    """
    from flaxgal.labels.exchange import bundle
    from flaxgal.labels.store import Store

    print(bundle(Store.open(store), out, with_galaxies=galaxies, track=track))
    return 0


def store_reindex(store: StoreFolder) -> int:
    """Make the index of a label store anew by reading every file. The index only saves time: nothing is lost with it.

    Example: flaxgal store reindex labels/

    Args:
        store: The label store's folder.
    """
    from flaxgal.labels.store import Store
    from flaxgal.labels.verify import reindex

    left_out = [finding.sentence for finding in reindex(store, track=track)]
    labels = Store.open(store)
    found = f"{len(labels.galaxies())} galaxies, {len(labels.history())} revisions, {len(labels.notes())} notes"
    return closing(f"{store}: {found} in the index", 1, left_out)
