"""What archives and packages, broken or hostile, try, and what the learner gets all the same.

Each `fault` is a row of the table in docs/data.md.
"""

import gzip
import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from helpers import download
from helpers.archive import read_copy, verified
from helpers.data import main
from helpers.errors import DatasetError
from tests.copies import FILE_BYTES, NAMES, add, contents, official_bytes

fault = pytest.mark.fault


@pytest.fixture
def refused(world, tmp_path):
    """Return a function that asserts that a copy is refused, with nothing written, and returns the reason."""

    def refuse(copy: Path) -> str:
        before = contents(tmp_path)
        with pytest.raises(DatasetError) as caught:
            download.fetch(world.home, [copy])
        assert contents(tmp_path) == before
        world.holds()
        return str(caught.value).split(f"  - {copy}: ")[1].split("\n")[0]

    return refuse


@pytest.fixture
def hostile(tmp_path):
    """Give an open archive to be filled, `hostile.path` when it is closed."""
    with tarfile.open(tmp_path / "hostile.tar.gz", "w:gz", compresslevel=0) as tar:
        tar.path = tmp_path / "hostile.tar.gz"
        yield tar


def read_through(path: Path) -> None:
    for _, pieces in verified(read_copy(path)):
        for _ in pieces:
            pass


def plain_tar(archive: Path, folder: Path) -> Path:
    """Unpack the archive halfway, as Safari does."""
    with gzip.open(archive) as packed, open(folder / "cifar-10-binary.tar", "wb") as file:
        shutil.copyfileobj(packed, file)
    return folder / "cifar-10-binary.tar"


class TestHonestCopies:
    @pytest.mark.parametrize("kind", ["unpacked", "six files", "another cache", "plain tar"])
    def test_a_copy_on_disk_is_taken(self, kind, world, archive, unpacked, capsys, tmp_path):
        copy = {
            "unpacked": lambda: unpacked,
            "six files": lambda: unpacked / "cifar-10-batches-bin",
            "another cache": lambda: world.sound,
            "plain tar": lambda: plain_tar(archive, tmp_path),
        }[kind]()
        assert main(["verify", "--from", str(copy)]) == 0
        world.holds()
        assert main(["--from", str(copy)]) == 0
        assert capsys.readouterr().out == f"CIFAR-10, verified: {copy}\nCIFAR-10, verified: {world.home}\n"
        world.is_sound()

    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's count of peak memory")
    @pytest.mark.parametrize("kind", ["archive", pytest.param("npm_archive", marks=pytest.mark.slow)])
    def test_reading_a_copy_takes_little_memory(self, kind, request):
        code = (
            "import sys, pathlib\n"
            "from helpers.archive import read_copy, verified\n"
            "def peak(): return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
            "before = peak()\n"
            "for name, pieces in verified(read_copy(pathlib.Path(sys.argv[1]))):\n"
            "    for piece in pieces: pass\n"
            "print(peak() - before)"
        )
        command = [sys.executable, "-c", code, str(request.getfixturevalue(kind))]
        grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert grown < {"archive": 5_000, "npm_archive": 70_000}[kind]  # KiB; a picture, decoded, is 40,000


class TestBrokenArchives:
    @fault("A truncated tar", "It is refused: the archive breaks off.")
    @pytest.mark.parametrize("share", [0.00001, 0.4])
    def test_a_truncated_archive_is_refused(self, archive, refused, tmp_path, share):
        short = tmp_path / "short.tar.gz"
        with open(archive, "rb") as file:
            short.write_bytes(file.read(int(share * archive.stat().st_size)))
        assert refused(short) == "the archive breaks off before its end"

    @fault("A garbled archive", "It is refused.")
    @pytest.mark.parametrize("place", [0, 10_000_000])
    def test_a_garbled_archive_is_refused(self, compressed_file, refused, tmp_path, place):
        data = bytearray(compressed_file.read_bytes())
        data[place : place + 40] = bytes(255 - byte for byte in data[place : place + 40])
        (tmp_path / "garbled.tar.gz").write_bytes(data)
        reason = refused(tmp_path / "garbled.tar.gz")
        assert any(words in reason for words in ("not a tar.gz", "not a whole tar.gz", "not the published file"))

    @fault("An archive of another data set", "It is refused, and named.")
    def test_an_archive_of_something_else_is_named(self, hostile, refused):
        add(hostile, "mnist/train-images", b"\x80\x02}")
        hostile.close()
        assert refused(hostile.path) == "an archive, but not the one of CIFAR-10's binary version"

    @fault(
        "CIFAR-10's Python version, as Keras and torchvision keep it", "It is not read; the message says what to take."
    )
    @pytest.mark.parametrize("kind", ["archive", "folder", "folder within"])
    def test_the_python_version_is_named(self, hostile, refused, tmp_path, kind):
        add(hostile, "cifar-10-batches-py/data_batch_1", b"\x80\x02}")
        hostile.close()
        with tarfile.open(hostile.path) as tar:
            tar.extractall(tmp_path, filter="data")
        copy = {"archive": hostile.path, "folder": tmp_path / "cifar-10-batches-py", "folder within": tmp_path}[kind]
        said = refused(copy)
        assert said.startswith("this is CIFAR-10's Python version")
        assert said.endswith("Take the binary version, cifar-10-binary.tar.gz")

    @fault(
        "Reading a copy fails: an error of the disk, too little memory", "The reason is named, and nothing else blamed."
    )
    @pytest.mark.parametrize(
        ("error", "words"),
        [(OSError(5, "Input/output error"), "it cannot be read (Input/output error)"),
         (MemoryError(), "there is not enough memory to read it")],
    )  # fmt: skip
    def test_an_error_of_the_disk_is_no_verdict(self, refused, unpacked, monkeypatch, error, words):
        def fail(file, size=0):
            yield b"begun"
            raise error

        with monkeypatch.context() as broken:
            broken.setattr("helpers.archive.read_pieces", fail)
            assert refused(unpacked) == words

    @fault("A file is missing from the archive", "It is named.")
    def test_an_archive_with_a_file_missing_is_refused(self, hostile, refused, data_folder):
        for number in range(5):
            add(hostile, NAMES[number], official_bytes(data_folder, number))
        hostile.close()
        assert refused(hostile.path) == "test_batch.bin missing"


class TestHostileMembers:
    @fault("A member that is a link, a device, a pipe or a folder", "It is passed over; nothing is extracted to disk.")
    def test_members_that_are_no_regular_files_are_not_taken(self, hostile, refused, data_folder):
        add(hostile, "elsewhere", official_bytes(data_folder, 0))  # what the hard link leads to
        for number in range(1, 6):
            add(hostile, NAMES[number], official_bytes(data_folder, number))
        for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CONTTYPE):
            add(hostile, "data_batch_1.bin", type=kind)
        for kind, target in (
            (tarfile.SYMTYPE, "/etc/passwd"), (tarfile.SYMTYPE, "../../outside"), (tarfile.LNKTYPE, "elsewhere"),
        ):  # fmt: skip
            add(hostile, "data_batch_1.bin", type=kind, linkname=target)
        hostile.close()
        assert refused(hostile.path) == "data_batch_1.bin missing"

    @fault("A member whose path leads outside", "Only its name counts; nothing is written there.")
    def test_a_path_that_leads_outside_writes_nothing_there(self, hostile, refused, tmp_path):
        for name in ("../outside", "/tmp/data_batch", "C:\\x.bin", str(tmp_path / "planted" / "test_batch.bin")):
            add(hostile, name, b"evil" * 1_000)
        hostile.close()
        assert refused(hostile.path) == "test_batch.bin has 4,000 bytes where 30,730,000 belong"
        assert not (tmp_path / "planted").exists()

    @fault("Two members of one name", "The archive is refused, whichever of them is right.")
    @pytest.mark.parametrize(
        ("numbers", "said"),
        [((0, 1), "data_batch_1.bin is in it twice"), ((0, 0), "data_batch_1.bin is in it twice"),
         ((1, 0), "data_batch_1.bin is not the published file: its SHA-256 differs")],
        ids=["right first", "both right", "wrong first"],
    )  # fmt: skip
    def test_of_two_members_of_one_name_none_is_kept(self, hostile, refused, data_folder, numbers, said):
        for number in numbers:
            add(hostile, "cifar-10-batches-bin/data_batch_1.bin", official_bytes(data_folder, number))
        hostile.close()
        assert refused(hostile.path) == said

    @fault("A member of the wrong size", "The archive is refused before the member is read.")
    @pytest.mark.parametrize("size", [0, FILE_BYTES + 1])
    def test_a_member_of_the_wrong_size_is_refused(self, hostile, refused, size):
        add(hostile, "data_batch_1.bin", bytes(size))
        hostile.close()
        assert refused(hostile.path) == f"data_batch_1.bin has {size:,} bytes where 30,730,000 belong"

    @fault("A sparse member, which holds less than its size says", "The archive is refused.")
    def test_a_sparse_member_is_not_taken(self, hostile, refused, data_folder):
        header = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "data_batch_1.bin",
                  "GNU.sparse.realsize": str(FILE_BYTES)}  # fmt: skip
        body = f"1\n0\n{FILE_BYTES}\n".encode().ljust(512, b"\0") + official_bytes(data_folder, 0)
        add(hostile, "data_batch_1.bin", body, pax_headers=header)
        hostile.close()
        assert refused(hostile.path) == "data_batch_1.bin has 30,730,512 bytes where 30,730,000 belong"


class _Zeros:
    """As many zeros as asked for, for a tar that is not held in memory."""

    @staticmethod
    def read(size: int) -> bytes:
        return bytes(size)


def bomb(path: Path, *members: tarfile.TarInfo, repeat: int = 1) -> Path:
    """Write an archive whose members hold nothing but zeros."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for _ in range(repeat):
            for member in members:
                tar.addfile(member, _Zeros)
    return path


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    return made


class TestBombs:
    """Memory is limited while the archive is read, so that a bomb that goes off is felt."""

    @staticmethod
    def refuse(path: Path) -> str:
        code = (
            "import resource, sys, pathlib\n"
            "from helpers.archive import read_copy, verified\n"
            "size = int(open('/proc/self/status').read().split('VmSize:')[1].split()[0]) * 1024\n"
            "resource.setrlimit(resource.RLIMIT_AS, (size + 60_000_000,) * 2)\n"
            "resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
            "for name, pieces in verified(read_copy(pathlib.Path(sys.argv[1]))):\n"
            "    for piece in pieces: pass\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 1, done
        return done.stderr.splitlines()[-1].removeprefix("helpers.errors.DatasetError: ")

    pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="limits memory as Linux does")

    @fault("A gzip bomb: a member far larger than CIFAR-10", "It is refused at its header, before it is unpacked.")
    def test_a_huge_member_is_refused(self, tmp_path):
        # Cut in the middle: whoever looks beyond the header would say that it breaks off.
        path = bomb(tmp_path / "bomb.tar.gz", member("readme.html", 500_000_000))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert self.refuse(path) == "an archive that unpacks to far more than CIFAR-10"

    @fault(
        "A bomb in a header: a name, an attribute or a list of holes hundreds of megabytes long",
        "It is passed over, in bounded memory.",
    )
    @pytest.mark.parametrize(
        "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE]
    )
    def test_a_huge_header_is_passed_over(self, tmp_path, kind):
        path = bomb(tmp_path / "bomb.tar.gz", member("header", 300_000_000, kind), member("data_batch_1.bin", 10))
        assert self.refuse(path) == "data_batch_1.bin has 10 bytes where 30,730,000 belong"

    @fault("A bomb of a million tiny members", "It is refused at the hundredth.")
    def test_a_million_members_are_refused(self, tmp_path):
        tiny = member("x", 0).tobuf()
        (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(tiny * 400_000, 1))
        assert self.refuse(tmp_path / "bomb.tar.gz") == "an archive that unpacks to far more than CIFAR-10"


@pytest.mark.slow
class TestNpmPackages:
    @pytest.fixture
    def package(self, tmp_path, data, sprites):
        """Return a function that builds the npm package with some of its files replaced."""

        def build(**replaced: bytes) -> Path:
            path = tmp_path / "package.tgz"
            files = {name: bytes(picture) for name, picture in sprites.items()}
            files["train_lables.json"] = json.dumps(data.labels_train.tolist()).encode()
            files["test_lables.json"] = json.dumps(data.labels_test.tolist()).encode()
            with tarfile.open(path, "w:gz", compresslevel=0) as tar:
                for name, content in files.items():
                    if (content := replaced.get(name.partition(".")[0], content)) is not None:
                        add(tar, f"package/{name}", content)
            return path

        return build

    @fault("A wrong sprite in the npm package: one pixel differs", "The package is refused, and the file named.")
    def test_a_wrong_pixel_is_refused(self, package, refused, data):
        import numpy as np
        from PIL import Image

        rows = data.images_train[:10_000].copy()
        rows[5_000, 7] ^= 1
        picture = io.BytesIO()
        Image.fromarray(np.stack(np.split(rows, 3, axis=1), axis=-1)).save(
            picture, "PNG", compress_level=1, compress_type=2
        )
        assert refused(package(data_batch_1=picture.getvalue())) == (
            "data_batch_1.bin is not the published file: its SHA-256 differs"
        )

    @fault("Two sprites in each other's place", "The package is refused.")
    def test_swapped_sprites_are_refused(self, package, refused, sprites):
        swapped = {"data_batch_1": sprites["data_batch_2.png"], "data_batch_2": sprites["data_batch_1.png"]}
        assert refused(package(**swapped)).startswith("data_batch_1.bin is not the published file")

    @fault("Labels that are none: too few, a label 10, a word", "The package is refused.")
    @pytest.mark.parametrize(
        "labels",
        ["[1, 2]", "[300" + ", 1" * 49_999 + "]", "[10" + ", 1" * 49_999 + "]", "nonsense", '["a"]', "[" * 100_000,
         "9" * 600_000, None],
        ids=["short", "too large", "label 10", "no JSON", "words", "deep", "long", "missing"],
    )  # fmt: skip
    def test_senseless_labels_are_refused(self, package, world, labels):
        others = dict.fromkeys([*(f"data_batch_{number}" for number in range(2, 6)), "test_batch"], b"never looked at")
        path = package(train_lables=labels and labels.encode(), **others)
        with pytest.raises(DatasetError) as caught:
            read_through(path)
        if labels and labels.startswith("[10,"):  # a number like any other: only the hash knows better
            assert str(caught.value) == "data_batch_1.bin is not the published file: its SHA-256 differs"

    @fault("A sprite that is no picture, or of another size or kind", "The package is refused.")
    @pytest.mark.parametrize("kind", ["no picture", "JPEG", "small", "huge", "truncated", "too long"])
    def test_senseless_pictures_are_refused(self, package, refused, sprites, kind):
        from PIL import Image

        right, picture = sprites["data_batch_1.png"], io.BytesIO()
        if kind == "no picture":
            picture.write(b"<svg/>")
        elif kind == "JPEG":
            Image.new("RGB", (1024, 10_000)).save(picture, "JPEG")
        elif kind == "small":
            Image.new("RGB", (32, 32)).save(picture, "PNG")
        elif kind == "huge":
            picture.write(right[:16] + (200_000).to_bytes(4, "big") * 2 + right[24:])
        elif kind == "truncated":
            picture.write(right[: len(right) // 2])
        else:
            picture.write(right + bytes(FILE_BYTES))
        assert refused(package(data_batch_1=picture.getvalue()))
