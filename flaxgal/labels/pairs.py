"""Labels as people have them today: a folder of images and a folder of masks, paired by file name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from flaxgal.labels.revisions import UNCERTAIN, Revision, same_pixels
from flaxgal.labels.store import Store
from flaxgal.survey.cutout import Cutout, FirstRow, Unreadable, read_cutout
from flaxgal.survey.headers import stem_of
from flaxgal.survey.opening import kind_of
from flaxgal.survey.prediction import CLASS_CODES

__all__ = ["ImportedPair", "MaskPixels", "commit_once", "import_pairs", "mask_for", "understand_mask"]


@dataclass(frozen=True, kw_only=True)
class ImportedPair:
    """A galaxy that now has its mask in the store."""

    object_id: str
    revision_id: str
    is_new: bool
    """False if the store had this very mask by this annotator already."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskPixels:
    """A mask picture, understood: a class map, or fractions of people."""

    classes: tuple[str, ...]
    mask: UInt8[np.ndarray, "y x"] | None = None
    fraction: Float32[np.ndarray, "class y x"] | None = None


def import_pairs(
    store: Store,
    images: Path | str,
    masks: Path | str,
    *,
    annotator: str,
    survey: str | None = None,
    pixel_scale_arcsec: float | None = None,
    id_prefix: str = "",
) -> Iterator[ImportedPair | Unreadable]:
    """Bring pairs of an image and a mask of its arms into the store, one at a time.

    A pair is an image and a mask of one file name but for the endings (`n1232.fits`, `n1232.png`), or the mask's with
    `_mask` added. A galaxy's id is `id_prefix` and that name. What each mask means is decided by `understand_mask`. A
    second import of the same pairs adds nothing.

    Yields
    ------
    ImportedPair | Unreadable
        A pair that is in the store now; or a file that was left out, and why.

    Raises
    ------
    ValueError
        If one of the folders does not exist.
    """
    mask_files = _by_stem(masks, "masks")
    image_files = _by_stem(images, "images")
    used: set[str] = set()
    for stem, files in image_files.items():
        mask_stem = stem if stem in mask_files else f"{stem}_mask"
        found = mask_files.get(mask_stem, [])
        used.add(mask_stem)
        try:
            path = _only(files, "images")
            mask_path = _only(found, "masks", wanted_by=path)
            object_id = f"{id_prefix}{stem}"
            cutout = read_cutout(path, object_id=object_id, survey=survey, pixel_scale_arcsec=pixel_scale_arcsec)
            yield _import_pair(store, cutout, path, mask_path, annotator)
        except ValueError as error:
            yield Unreadable(str(files[0]), str(error))
    for stem, files in mask_files.items():
        if stem not in used:
            wanted = stem.removesuffix("_mask")
            reason = f"{files[0].name}: a mask without its image; wanted {wanted} with any ending in {images}"
            yield Unreadable(str(files[0]), reason)


def understand_mask(values: Shaped[np.ndarray, "y x"], *, name: str) -> MaskPixels:
    """What a mask picture means, from its values alone; `name` is named in errors.

    - no value but 0 and one other (0 and 1, 0 and 255, …): the other is spiral arm; all 0: a galaxy without arms;
    - 0, 1, 2, 255 and at least three of them: a class map of flaxgal's own (arm 1, bar 2, uncertain 255);
    - anything else: grey levels are the fraction of people who marked the pixel, full scale being 1 (floats),
      255 or 65535. Soft edges of a drawn mask come as fractions too: a pixel half covered is half arm.

    Raises
    ------
    ValueError
        If values are negative or not finite, or no pixel reaches half of full scale where fractions were expected: a
        picture of vote counts, say, whose number of voters nobody can know.
    """
    levels = np.unique(values)
    if not np.isfinite(levels).all() or (levels < 0).any():
        raise ValueError(f"{name}: a mask with negative or undefined values; wanted 0 for no arm and more for arm")
    marked = levels[levels > 0]
    if len(marked) <= 1:
        return MaskPixels(classes=("arm",), mask=np.where(values > 0, CLASS_CODES["arm"], 0).astype(np.uint8))
    if set(levels.tolist()) <= {0, *CLASS_CODES.values(), UNCERTAIN} and len(levels) >= 3:
        bar = CLASS_CODES["bar"] in levels
        return MaskPixels(classes=("arm", "bar") if bar else ("arm",), mask=values.astype(np.uint8))
    full = _full_scale(values.dtype, float(levels[-1]))
    if levels[-1] > full or levels[-1] < full / 2:
        raise ValueError(
            f"{name}: grey levels from {levels[0]:g} to {levels[-1]:g} are no fractions of {full:g}; save a mask with "
            f"two values, or the fraction of people times {full:g}"
        )
    return MaskPixels(classes=("arm",), fraction=(values / full).astype(np.float32)[None])


def _full_scale(dtype: np.dtype, largest: float) -> float:
    """The grey level that stands for everybody."""
    if np.issubdtype(dtype, np.floating) and largest <= 1:
        return 1.0
    return 255.0 if largest <= 255 else 65535.0


def mask_for(cutout: Cutout, mask_path: Path, image: Path | None) -> MaskPixels:
    """The mask of a galaxy in a file, its rows in the order of the galaxy's, and what it means.

    Parameters
    ----------
    image : the file of the galaxy's image, where it is in one.

    Raises
    ------
    ValueError
        If there is no mask in the file, or one of another size.
    """
    values = _read_mask(mask_path)
    if _first_row(mask_path, cutout, image) != cutout.first_row:
        values = values[::-1]
    if values.shape != cutout.image_shape:
        (y, x), (height, width) = values.shape, cutout.image_shape
        raise ValueError(
            f"{mask_path.name}: {y} × {x} pixels, but its image {image.name if image else cutout.object_id} has "
            f"{height} × {width}; draw the mask on this image, or give the image it was drawn on"
        )
    return understand_mask(np.ascontiguousarray(values), name=mask_path.name)


def _import_pair(store: Store, cutout: Cutout, path: Path, mask_path: Path, annotator: str) -> ImportedPair:
    pixels = mask_for(cutout, mask_path, path)
    store.add(cutout)
    revision = Revision(
        object_id=cutout.object_id,
        annotator=annotator,
        origin="imported",
        source=mask_path.name,
        cutout_sha256=cutout.sha256,
        classes=pixels.classes,
        mask=pixels.mask,
        fraction=pixels.fraction,
    )
    return commit_once(store, revision)


def _first_row(mask_path: Path, cutout: Cutout, image: Path | None) -> FirstRow:
    """Where a mask's first row lies: where its image's does if both are of one kind, else where its kind has it."""
    kind = kind_of(mask_path)
    if image is not None and kind == kind_of(image):
        return cutout.first_row
    return "top" if kind == "picture" else "bottom"


def commit_once(store: Store, revision: Revision) -> ImportedPair:
    """Commit, unless this annotator's last word on the galaxy is the same already."""
    own = [line for line in store.history(revision.object_id) if line.provenance.annotator == revision.annotator]
    if own:
        last = store.revision(own[-1].revision_id)
        if last.classes == revision.classes and same_pixels(last, revision):
            return ImportedPair(object_id=revision.object_id, revision_id=last.revision_id, is_new=False)
    kept = store.commit(revision)
    return ImportedPair(object_id=kept.object_id, revision_id=kept.revision_id, is_new=True)


def _read_mask(path: Path) -> np.ndarray:
    """The pixels of a mask, as numbers (y, x), in the row order of its file."""
    values = _read_fits_mask(path) if kind_of(path) == "FITS" else _read_picture_mask(path)
    if values.ndim != 2:
        raise ValueError(
            f"{path.name}: a mask of shape {' × '.join(map(str, values.shape))}; wanted one grey image (y, x)"
        )
    return values


def _read_fits_mask(path: Path) -> np.ndarray:
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            images = [hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path.name}: wanted a FITS mask, found a damaged file ({error})") from None
    if not images:
        raise ValueError(f"{path.name}: no image in this FITS file; wanted a mask")
    values = np.squeeze(images[0])
    return values.astype(values.dtype.newbyteorder("="))


def _read_picture_mask(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            # "1" and "P" give their numbers, not colours: 0 and 1 of a palette picture are the values that were drawn.
            values = np.asarray(picture if picture.mode not in ("LA", "RGBA") else picture.convert(picture.mode[:-1]))
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{path.name}: wanted a mask as PNG, TIFF, JPEG or FITS, found none ({error})") from None
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim == 3:
        raise ValueError(f"{path.name}: a mask in colours; wanted grey levels, save it as a grey picture")
    return values.astype(np.uint8) if values.dtype == bool else values


def _by_stem(folder: Path | str, what: str) -> dict[str, list[Path]]:
    """Files of a folder by their names without endings."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of {what}")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            files.setdefault(stem_of(path.name), []).append(path)
    return files


def _only(files: Sequence[Path], what: str, wanted_by: Path | None = None) -> Path:
    if not files and wanted_by is not None:
        raise ValueError(f"{wanted_by.name}: an image without its mask; wanted a mask of the same name")
    if len(files) > 1:
        raise ValueError(
            f"{' and '.join(path.name for path in files)}: {len(files)} {what} of one name; keep one of them"
        )
    return files[0]
