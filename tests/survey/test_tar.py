"""Tars from archives: honest ones are read as they come, evil and broken ones are refused."""

import io
import tarfile

import pytest

from flaxgal.survey.answers import BrokenError, RefusedError
from flaxgal.survey.tar import files_in_tar


class InDrops:
    """Bytes that come a few at a time and cannot be rewound, as from a network."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, number: int) -> bytes:
        return self._file.read(min(number, 100))


def tar(*members: tuple[str, bytes, dict], form=tarfile.GNU_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as writer:
        for name, content, more in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in more.items():
                setattr(info, key, value)
            writer.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return file.getvalue()


def read(content: bytes, most_files=5, most_bytes=10_000) -> dict[str, bytes]:
    found = files_in_tar(InDrops(content), most_files=most_files, most_bytes=most_bytes)
    return {name: file.read() for name, file in found}


FOLDER = ("arch", b"", {"type": tarfile.DIRTYPE})
ONE = ("arch/2-one.fits", b"one" * 1000, {})


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_files_come_with_their_names_and_content(form):
    long = "arch/" + "3-" + "x" * 90 + "ö" * (form != tarfile.USTAR_FORMAT) * 30 + ".fits"
    assert read(tar(FOLDER, ONE, (long, b"two", {}), form=form)) == {
        "2-one.fits": b"one" * 1000,
        long.removeprefix("arch/"): b"two",
    }


def test_a_tar_without_files_is_whole():
    assert read(bytes(10240)) == {}


def test_content_that_is_not_read_is_passed_over():
    names = [name for name, _ in files_in_tar(InDrops(tar(ONE, ("b", b"2", {}))), most_files=5, most_bytes=10_000)]
    assert names == ["2-one.fits", "b"]


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (("/etc/passwd", b"x", {}), "leads out of its folder"),
        (("../x.fits", b"x", {}), "leads out of its folder"),
        (("a/../../x.fits", b"x", {}), "leads out of its folder"),
        (("a\\..\\x.fits", b"x", {}), "leads out of its folder"),
        (("a/\x1b[31m.fits", b"x", {}), "leads out of its folder"),
        (("a", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}), "link"),
        (("a", b"", {"type": tarfile.LNKTYPE, "linkname": "arch/2-one.fits"}), "link"),
        (("a", b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}), "device"),
        (("a", b"", {"type": tarfile.BLKTYPE}), "device"),
        (("a", b"", {"type": tarfile.FIFOTYPE}), "device"),
        (("a", b"", {"type": tarfile.GNUTYPE_SPARSE}), "no file"),
        (("arch/2-one.fits", b"again", {}), "one name twice"),
        (("./arch//2-one.fits", b"again", {}), "one name twice"),
        (("a", b"x" * 10_001, {}), "a file of 10001 bytes; wanted at most 10000"),
    ],
)
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_that_no_honest_tar_has_is_refused(member, words, form):
    came = {}
    found = files_in_tar(InDrops(tar(ONE, member, form=form)), most_files=5, most_bytes=10_000)
    with pytest.raises(RefusedError, match=words):
        came.update((name, file.read()) for name, file in found)
    assert list(came) == ["2-one.fits"]


def test_more_files_than_expected_are_refused():
    with pytest.raises(RefusedError, match="wanted 5 files"):
        read(tar(*((f"{number}", b"", {}) for number in range(40))))


def header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory_is_refused_before_it_is_read(kind):
    class Endless(InDrops):
        def read(self, number):
            return super().read(number) or pytest.fail("read on after the header")

    endless = Endless(header("x", 2**33, kind) + bytes(20_000))
    with pytest.raises(RefusedError, match="a header of 8589934592 bytes"):
        list(files_in_tar(endless, most_files=5, most_bytes=10_000))


def test_a_size_that_hides_in_a_long_header_is_refused():
    hidden = b"20 size=99999999999\n"
    pax = header("x", len(hidden), tarfile.XHDTYPE) + hidden.ljust(512, b"\0") + header("a", 5, tarfile.REGTYPE)
    with pytest.raises((RefusedError, BrokenError)):
        read(pax + bytes(20_000))


@pytest.mark.parametrize("kept", [0, 100, 512, 600, 3583, 3584])
def test_a_tar_that_is_cut_short_is_broken_wherever_it_is_cut(kept):
    whole = tar(ONE, ("b", b"2", {}))
    assert len(whole) > 3584
    with pytest.raises(BrokenError):
        read(whole[:kept])


@pytest.mark.parametrize("content", [b"<html>no</html>", b'{"error": 1}' * 100, b"\x1f\x8b" + bytes(600), b"x" * 5000])
def test_what_is_no_tar_is_broken(content):
    with pytest.raises(BrokenError):
        read(content)
