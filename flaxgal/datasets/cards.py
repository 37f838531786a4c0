"""What a stranger is told of a data set: its card, and whom to cite for the galaxies in it."""

from collections import Counter
from collections.abc import Mapping, Sequence

__all__ = ["CITATIONS", "LABELS", "ROWS_AS_IN_FILES", "card", "citations"]

CITATIONS: dict[str, str] = {
    "HSC": (
        "@article{2022PASJ...74..247A, author={Aihara, H. and AlSayyad, Y. and Ando, M. and others}, year=2022, "
        "title={Third data release of the Hyper Suprime-Cam Subaru Strategic Program}, "
        "journal={Publications of the Astronomical Society of Japan}, volume=74, pages={247}}"
    ),
    "GZ3D": (
        "@article{2021MNRAS.507.3923M, author={Masters, K. L. and Krawczyk, C. and Shamsi, S. and others}, year=2021, "
        "title={Galaxy Zoo: 3D}, journal={Monthly Notices of the Royal Astronomical Society}, volume=507, "
        "pages={3923}}"
    ),
    "SDSS": (
        "@article{2022ApJS..259...35A, author={{Abdurro'uf} and others}, year=2022, "
        "title={The Seventeenth Data Release of the Sloan Digital Sky Surveys}, "
        "journal={The Astrophysical Journal Supplement Series}, volume=259, pages={35}}"
    ),
}
"""BibTeX by the name of a survey, as cutouts carry it."""

NAIR_ABRAHAM = (
    "@article{2010ApJS..186..427N, author={Nair, P. B. and Abraham, R. G.}, year=2010, "
    "title={A Catalog of Detailed Visual Morphological Classifications for 14,034 Galaxies in the Sloan Digital Sky "
    "Survey}, journal={The Astrophysical Journal Supplement Series}, volume=186, pages={427}}"
)
_GALAXY_ZOO = (
    "@article{2011MNRAS.410..166L, author={Lintott, C. and Schawinski, K. and Bamford, S. and others}, year=2011, "
    "title={Galaxy Zoo 1: data release of morphological classifications for nearly 900,000 galaxies}, "
    "journal={Monthly Notices of the Royal Astronomical Society}, volume=410, pages={166}}"
)
_EFIGI = (
    "@article{2011A&A...532A..74B, author={Baillard, A. and Bertin, E. and de Lapparent, V. and others}, year=2011, "
    "title={The EFIGI catalogue of 4458 nearby galaxies with detailed morphology}, "
    "journal={Astronomy and Astrophysics}, volume=532, pages={A74}}"
)
LABELS = {
    "galaxy_zoo_1": _GALAXY_ZOO,
    "efigi_rotation": _EFIGI,
    "t_type": NAIR_ABRAHAM,
    "morphology": NAIR_ABRAHAM,
}
"""BibTeX by the vocabulary of classes, which no survey's name stands for; the first that a table has counts."""

ROWS_AS_IN_FILES = "rows keep the order that they have in the survey's own files"
"""How a card says where up is; pictures for classifying say something else."""

MOST_REASONS = 10
"""Reasons for leaving galaxies out that a card lists, at most."""

_LABELLERS = "Cite also whoever made the labels, such as those of an imported folder, where that is not said above."
_SPIRALS = " For spirals chosen from the catalogue of HSC's: Tadaki et al. 2020, MNRAS 496, 4276."


def citations(surveys: Mapping[str, int]) -> str:
    """BibTeX of what to cite for galaxies of these surveys; nothing for those that are not known here."""
    return "\n".join(CITATIONS[survey] for survey in sorted(surveys) if survey in CITATIONS)


def card(
    *,
    name: str,
    version: str,
    description: str,
    sizes: Mapping[str, int],
    surveys: Mapping[str, int],
    left_out: Mapping[str, int],
    columns: Sequence[tuple[str, str, str, str]],
    citation: str,
    look: str = "",
    twins_together: bool = False,
    notes: str = "",
    orientation: str = ROWS_AS_IN_FILES,
) -> str:
    """The README of a data set, in Markdown.

    Parameters
    ----------
    sizes
        Galaxies in each split.
    surveys
        Galaxies of each survey.
    left_out
        Galaxies left out for each reason; those that several have in common are said.
    columns
        Name, shape, type and meaning of each.
    look
        Survey that the others were made to look like, if any.
    twins_together
        Whether what lies within 2 arcsec was put into one split.
    notes
        A paragraph or a table in Markdown, such as how many galaxies each class has.
    orientation
        What the first row of a picture is.
    """
    total = sum(sizes.values())
    rows = [f"| `{column}` | {shape} | {kind} | {meaning} |" for column, shape, kind, meaning in columns]
    skipped = f"\n{_skipped(left_out)}\n" if left_out else ""
    terms = " The images belong to their surveys, whose terms apply to them." if set(surveys) - {"", "mock"} else ""
    seen = f"\nGalaxies of other surveys were made to look as {look} would have seen them.\n" if look else ""
    twins = " Positions within 2″ are one galaxy, and stand in one split." if twins_together else ""
    said = f"\n{notes.strip()}\n" if notes else ""
    by_survey = _counted({survey or "unknown": number for survey, number in surveys.items()})
    others = _LABELLERS + (_SPIRALS if "HSC" in surveys else "")
    cite = f"```bibtex\n{citation}\n```\n\n{others}" if citation else f"Cite whoever took the images.\n\n{others}"
    return f"""# {name} {version}

{description}

{total:,} galaxies: {_counted(sizes)}. By survey: {by_survey}.
{seen}{skipped}
A galaxy's split goes by where it is on the sky, where nobody chose it by hand.{twins}
{said}
| column | shape | type | meaning |
|---|---|---|---|
{chr(10).join(rows)}

Pictures are arrays (y, x, channel); {orientation}.

```python
import tensorflow_datasets as tfds

galaxies = tfds.builder_from_directory("{name}/{version}").as_data_source("train")   # needs no TensorFlow
```

## Where it comes from

`provenance.json` says what it was made from and with which version of flaxgal, `revisions.jsonl` which galaxies, where
they are on the sky and whose labels.{terms}

## Cite

{cite}
"""


def _skipped(left_out: Mapping[str, int]) -> str:
    shared = Counter({reason: number for reason, number in left_out.items() if number > 1}).most_common(MOST_REASONS)
    listed = "".join(f"\n- {number:,}: {reason}" for reason, number in shared)
    return f"{sum(left_out.values()):,} more were left out; `left_out.jsonl` says why." + (listed and f"\n{listed}")


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(numbers.items(), key=lambda item: -item[1]))
