"""What archives and packages, broken or hostile, try, and what the learner gets all the same.

Each `fault` or `row` is a row of the table in docs/data.md.
"""

import gzip
import io
import json
import sys
import tarfile

import pytest
from PIL import Image

from helpers.data import main
from tests.copies import FILE_BYTES, NAMES, fault, official_bytes, pack, python, row, sprite

ONE, TWO = NAMES[:2]
BREAKS_OFF = "the archive breaks off before its end"
DIFFERS = f"{ONE} is not the published file: its SHA-256 differs"
TOO_MUCH = "an archive that unpacks to far more than CIFAR-10"
NOT_ONE = f"{', '.join([ONE, *NAMES[2:]])} missing"
linux = pytest.mark.skipif(sys.platform != "linux", reason="measures and limits memory as Linux does")


@pytest.mark.parametrize("kind", ["unpacked", "six files", "another cache", "plain tar", "gzip in parts"])
def test_a_copy_on_disk_is_taken(kind, world, archive, tmp_path):
    if kind in ("plain tar", "gzip in parts"):  # Safari unpacks halfway
        copy = tmp_path / "cifar-10-binary.tar"
        with gzip.open(archive) as packed, open(copy, "wb") as file:
            while part := packed.read(50_000_000):
                file.write(part if kind == "plain tar" else gzip.compress(part, 0))
    elif kind == "another cache":
        copy = world.sound
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path, filter="data")
        copy = tmp_path if kind == "unpacked" else tmp_path / "cifar-10-batches-bin"
        (copy / "test.bin").write_bytes((world.sound / "test.bin").read_bytes())  # one file in both ways
    assert main(["--from", str(copy)]) == 0
    world.is_sound()


# Members of an archive: a name, then bytes, or the number of a published file, then what else the header says.
ELSEWHERE = [(ONE, b"", {"type": tarfile.SYMTYPE, "linkname": name}) for name in ("/etc/passwd", "../../outside")]
KINDS = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CONTTYPE)
SPECIAL = [(ONE, b"", {"type": kind}) for kind in KINDS]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        row("An archive of another data set", [("mnist/train-images", b"\x80\x02}")],
            "an archive, but not the one of CIFAR-10's binary version"),
        row("A file is missing from the archive", [(TWO, 1)], NOT_ONE),
        row("A member that is a link, a device, a pipe or a folder",
            [("elsewhere", 0), (TWO, 1), *SPECIAL, *ELSEWHERE,
             (ONE, b"", {"type": tarfile.LNKTYPE, "linkname": "elsewhere"})], NOT_ONE),
        row("A member whose path leads outside",
            [(name, b"evil" * 1_000) for name in ("../outside", "C:\\x.bin", f"../planted/{ONE}")],
            f"{ONE} has 4,000 bytes where 30,730,000 belong"),
        row("Two members of one name", [(ONE, 0), (ONE, 1)], f"{ONE} is in it twice"),
        pytest.param([(ONE, 0), (ONE, 0)], f"{ONE} is in it twice", id="both right"),
        pytest.param([(ONE, 1), (ONE, 0)], DIFFERS, id="wrong first"),
    ],
)  # fmt: skip
def test_an_archive_is_refused(world, tmp_path, data_folder, monkeypatch, members, said):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    members = [
        (name, official_bytes(data_folder, content) if isinstance(content, int) else content, *more)
        for name, content, *more in members
    ]
    assert world.refuses(pack(tmp_path / "copy.tar.gz", members)) == said


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)  # which writes a size below 0 too


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        row("A truncated tar", lambda packed: packed[:10_000_000], [BREAKS_OFF]),
        pytest.param(lambda packed: gzip.decompress(packed)[:10_000_000], [BREAKS_OFF], id="not packed"),
        pytest.param(lambda packed: packed[:300], [BREAKS_OFF], id="truncated in the first header"),
        row("A garbled archive", lambda packed: packed[:10_000_000] + bytes(40) + packed[10_000_040:],
            ["not a whole tar.gz", DIFFERS]),
        # It ends after the header: whoever reads on would say that it breaks off.
        row("A member of the wrong size", lambda _: gzip.compress(header(ONE, FILE_BYTES + 1)),
            [f"{ONE} has 30,730,001 bytes where 30,730,000 belong"]),
    ],
)  # fmt: skip
def test_a_broken_archive_is_refused(world, tmp_path, data_folder, damage, said):
    path = pack(tmp_path / "copy.tar.gz", [(ONE, official_bytes(data_folder, 0))], compresslevel=1)
    path.write_bytes(damage(path.read_bytes()))
    assert any(words in world.refuses(path) for words in said)


@fault("CIFAR-10's Python version, as Keras and torchvision keep it")
@pytest.mark.parametrize("copy", ["copy.tar.gz", "cifar-10-batches-py", "."])
def test_the_python_version_is_named(world, tmp_path, copy):
    with tarfile.open(pack(tmp_path / "copy.tar.gz", [("cifar-10-batches-py/data_batch_1", b"\x80\x02}")])) as tar:
        tar.extractall(tmp_path, filter="data")
    said = world.refuses(tmp_path / copy)
    assert said.startswith("this is CIFAR-10's Python version")
    assert said.endswith("Take the binary version, cifar-10-binary.tar.gz")


@fault("Reading a copy fails: an error of the disk, too little memory")
@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(5, "Input/output error"), "it cannot be read (Input/output error)"),
     (MemoryError(), "there is not enough memory to read it")],
)  # fmt: skip
def test_an_error_of_the_disk_is_no_verdict(world, monkeypatch, error, words):
    def fail(file, size):
        yield b"begun"
        raise error

    monkeypatch.setattr("helpers.archive.read_pieces", fail)
    assert world.refuses(world.sound) == words


@linux
@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        # It ends after the header: whoever looks beyond would say that it breaks off.
        row("A gzip bomb: a member far larger than CIFAR-10", lambda: [header("readme.html", 500_000_000)], TOO_MUCH),
        pytest.param(lambda: [header("readme.html", -512)], TOO_MUCH, id="less than nothing"),
        pytest.param(lambda: [header("a", 512), bytes(512), header("b", 399_999_900)], TOO_MUCH, id="together"),
        row("A bomb in a header: a name, an attribute or a list of holes hundreds of megabytes long",
            lambda: [header("header", 1 << 27, tarfile.XHDTYPE), bytes(1 << 27), header(ONE, 10), bytes(512)],
            f"{ONE} has 10 bytes where 30,730,000 belong"),
        pytest.param(lambda: [header("data_batch_1.png", 0), header("train_lables.json", 1 << 27), bytes(1 << 27)],
                     "train_lables.json is too long", id="labels"),
        row("A bomb of a million tiny members", lambda: [header("x", 0)] * 400_000, TOO_MUCH),
    ],
)  # fmt: skip
def test_a_bomb_is_refused_in_little_memory_and_time(tmp_path, blocks, said):
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(b"".join(blocks()), 1))
    code = """
import resource
size = int(open('/proc/self/status').read().split('VmSize:')[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 60_000_000,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
for name, pieces in archive.verified(archive.read_copy(pathlib.Path(sys.argv[1]))):
    for piece in pieces: pass
"""
    done = python(code, tmp_path / "bomb.tar.gz")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"helpers.errors.DatasetError: {said}"


@pytest.fixture(scope="module")
def pictures(data):
    """Return the first two pictures of the package, and the first with a wrong pixel, and those that are none."""
    wrong = data.images_train[:10_000].copy()
    wrong[5_000, 7] ^= 1
    right, second, wrong = (sprite(images) for images in (data.images_train[:10_000], data.images_train[10_000:20_000],
                                                          wrong))  # fmt: skip
    others = {"JPEG": ("RGB", (1024, 10_000)), "small": ("RGB", (32, 32)), "grey": ("L", (1024, 10_000))}
    for kind, given in others.items():
        Image.new(*given).save(file := io.BytesIO(), "JPEG" if kind == "JPEG" else "PNG")
        others[kind] = file.getvalue()
    huge = right[:16] + (200_000).to_bytes(4, "big") * 2 + right[24:]
    return others | {"right": right, "second": second, "wrong": wrong, "no picture": b"<svg/>", "huge": huge,
                     "truncated": right[: len(right) // 2]}  # fmt: skip


ROWS = ", 1" * 49_999 + "]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("picture", "labels", "differs"),
    [
        ("right", None, False),  # it is the next that is no picture
        row("A wrong sprite in the npm package: one pixel differs", "wrong", None, True),
        row("Two sprites in each other's place", "second", None, True),
        row("A sprite that is no picture, or of another size or kind", "no picture", None, False),
        *[(picture, None, False) for picture in ("JPEG", "small", "grey", "huge", "truncated")],
        # A number like any other: only the hash knows better. All else is noticed before a picture is unpacked.
        row("Labels that are none: too few, a label 10, a word", "right", f"[10{ROWS}", True),
        *[("right", labels, False) for labels in ("[1, 2]", f"[300{ROWS}", "nonsense", '["a"]', "[" * 100_000, "")],
    ],
    ids=lambda value: f"{value!s:.12}",
)  # fmt: skip
def test_a_senseless_package_is_refused(world, tmp_path, data, pictures, picture, labels, differs):
    files = {name.replace(".bin", ".png"): b"never looked at" for name in NAMES}
    files |= {f"{name}_lables.json": json.dumps(values.tolist()).encode()
              for name, values in (("train", data.labels_train), ("test", data.labels_test))}  # fmt: skip
    files["data_batch_1.png"] = pictures[picture]
    if labels is not None:
        files["train_lables.json"] = labels.encode()
    members = [(f"package/{name}", content) for name, content in files.items() if content]
    assert (world.refuses(pack(tmp_path / "package.tgz", members)) == DIFFERS) == differs
