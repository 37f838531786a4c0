"""The command that measures: arm fluxes, shapes and pitch angles of any number of galaxies, into a catalogue."""

from __future__ import annotations

from pathlib import Path

from flaxgal.cli_words import Inputs, already, closing, counted, say, say_passed_over

__all__ = ["measure"]

BOTH = (".ecsv", ".parquet")
"""Endings of the tables that are written when none is named."""


def measure(
    inputs: Inputs,
    *,
    masks: Path,
    labels: str = "",
    out: Path = Path("arms"),
    workers: int | None = None,
    dask: str = "",
    join: Path | None = None,
    id_column: str = "",
    parts: Path | None = None,
) -> int:
    """Measure spiral arms: their share of the light in each band, with errors and flags; pitch angles, lengths, widths.

    Example: flaxgal measure cutouts/ --masks maps/ --out arms.parquet

    Beside the table of galaxies goes one of arms: arms-arms.parquet. The same command goes on where it was stopped.

    Args:
        inputs: Cutout files, folders, label stores or dataset snapshots.
        masks: Folder that `flaxgal predict` wrote, a label store, or PNG or FITS masks named like the galaxies.
        labels: Whose masks of a label store: consensus (when not given), latest, staple or annotator:NAME.
        out: Table to write: .ecsv, .parquet, .fits or .vot (VOTable); the first two when it has no ending.
        workers: Processes; as many as this machine has cores when not given.
        dask: Address of a Dask scheduler (tcp://HOST:8786) whose workers measure instead.
        join: Table whose columns go beside ours, by the galaxies' ids; -99 becomes missing.
        id_column: Its column of ids, where its name does not say so.
        parts: Folder for the catalogue once more, as plain Parquet files that LSDB and HATS import.
    """
    from flaxgal.inputs import number_of
    from flaxgal.measuring import Written
    from flaxgal.measuring import measure as measure_all
    from flaxgal.row_by_row import Kept

    say_passed_over(inputs)
    outs = [out] if out.suffix else [out.with_suffix(ending) for ending in BOTH]
    found = measure_all(
        inputs, masks, outs, labels=labels, workers=workers, dask=dask, join=join, id_column=id_column, parts=parts
    )
    counts = counted(found, "galaxies measured", number_of(inputs), kept=Kept, last=Written)
    if (written := counts.last) is None:
        return closing("0 galaxies measured: no table written", 0, counts.left_out)
    tables = f"{_listed(written.paths)}; {written.arms} arms: {_listed(written.arms_paths)}"
    for sentence in written.lacking:
        say(sentence)
    if parts is not None and written.off_the_sky:
        say(f"{written.off_the_sky} galaxies have no position and are not in {parts}")
    return closing(f"{counts.done} galaxies measured{already(counts.kept)}: {tables}", counts.done, counts.left_out)


def _listed(paths: tuple[Path, ...]) -> str:
    return " and ".join(map(str, paths))
