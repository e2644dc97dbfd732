"""One bad entry of an archive harms itself alone: the other lines are whole, and the night names what it misses."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paths import SUPPORT
from plants import NIGHT, make_plant

from steelflow.archive.discovery import discover, objects
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import plan
from steelflow.archive.unlisted import Unlisted
from steelflow.config import ArchiveSettings, LimitSettings, ModelSettings, ReportSettings, Settings
from steelflow.errors import ObjectUnreadable
from steelflow.inspection.infer import inspect_source
from steelflow.night.run import NightResult, inspect_night
from steelflow.records import Failure, Partition, RawImage
from steelflow.report.runs import run_records
from steelflow.store import open_store
from steelflow.store.foreign import foreign_objects
from steelflow.store.local import LocalStore

TEMPLATE = KeyTemplate("line={line}/date={date}/coil={coil}/{name}")
LIMITS = LimitSettings()
IMAGES = 3  # of each line
LINES = ("L1", "L2", "L3")
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
ONE_NIGHT = """
import sys
from pathlib import Path
from plants import NIGHT
from steelflow.config import ArchiveSettings, ModelSettings, ReportSettings, Settings
from steelflow.errors import SteelflowError
from steelflow.night.run import inspect_night
archive, report = sys.argv[1:]
settings = Settings(home=Path(report) / "home", archive=ArchiveSettings(uri=archive),
    report=ReportSettings(uri=report), model=ModelSettings(batch_size=16, workers=2))
try:
    inspect_night(settings, NIGHT)
except SteelflowError as exc:
    print(exc)
    sys.exit(1)
"""


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    images = make_plant(tmp_path_factory.mktemp("plant"))
    return next(images.rglob("*_00001.jpg")).read_bytes()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that another account can enter: pytest's own are closed. And ``rm`` deletes what is nested too deep."""
    folder = Path(tempfile.mkdtemp(prefix="steelflow-entries-"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(("rm", "-rf", str(folder)), check=True)


@pytest.fixture
def archive(place: Path, picture: bytes) -> Path:
    for line in LINES:
        folder = place / "images" / f"line={line}" / f"date={NIGHT}" / "coil=C1"
        folder.mkdir(parents=True)
        for number in range(IMAGES):
            (folder / f"{number}.jpg").write_bytes(picture)
    return place / "images"


def settings(archive: Path, report: Path) -> Settings:
    return Settings(
        home=report / "home",
        archive=ArchiveSettings(uri=str(archive)),
        report=ReportSettings(uri=str(report)),
        model=ModelSettings(batch_size=16, workers=2),
    )


def night_of(archive: Path) -> NightResult:
    return inspect_night(settings(archive, archive.parent / "report"), NIGHT)


def coil(archive: Path, line: str = "L2") -> Path:
    return archive / f"line={line}" / f"date={NIGHT}" / "coil=C1"


@contextlib.contextmanager
def at(folder: Path) -> Iterator[None]:
    before = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def loop(folder: Path) -> str:
    (folder / "again").symlink_to("again")
    return "again"


def image_loop(folder: Path) -> str:
    (folder / "x.jpg").symlink_to("y.jpg")
    (folder / "y.jpg").symlink_to("x.jpg")
    return "x.jpg"


def over_long(folder: Path) -> str:
    """Folders whose path is longer than the operating system takes in one piece."""
    with at(folder):
        for _ in range(20):
            Path("n" * 250).mkdir()
            os.chdir("n" * 250)
        Path("deep.jpg").write_bytes(b"x")
    return "n" * 100


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe.jpg")
    return "pipe.jpg"


def plug(folder: Path) -> str:
    with at(folder), socket.socket(socket.AF_UNIX) as end:
        end.bind("plug.jpg")
    return "plug.jpg"


def device(folder: Path) -> str:
    try:
        os.mknod(folder / "null.jpg", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root can make a device")
    return "null.jpg"


def linked_device(folder: Path) -> str:
    (folder / "zero.jpg").symlink_to("/dev/zero")
    return "zero.jpg"


def linked_folder(folder: Path) -> str:
    outside = folder.parents[3] / "elsewhere"
    outside.mkdir()
    shutil.copy(folder / "0.jpg", outside / "secret.jpg")
    (folder / "disk2").symlink_to(outside)
    return "disk2/"


def linked_file(folder: Path) -> str:
    outside = folder.parents[3] / "secret.jpg"
    shutil.copy(folder / "0.jpg", outside)
    (folder / "linked.jpg").symlink_to(outside)
    return "linked.jpg"


BAD: tuple[Callable[[Path], str], ...] = (
    *(loop, image_loop, over_long, pipe, plug, device, linked_device, linked_folder, linked_file),
)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
def test_a_bad_entry_is_named_and_every_line_is_whole(archive: Path, bad: Callable[[Path], str]) -> None:
    name = bad(coil(archive))
    result = night_of(archive)
    assert (result.found, result.ok, result.state) == (3 * IMAGES, 3 * IMAGES, "incomplete")
    assert any(name in one and "not inspected" in one for one in result.missing), result.missing
    record = next(iter(run_records(open_store(str(archive.parent / "report"), settings(archive, archive).store), 1)))
    assert record.missing == result.missing
    assert night_of(archive).judged == 0


@pytest.mark.parametrize("where", ["", "line=L2", f"line=L2/date={NIGHT}"])
def test_a_loop_beside_lines_and_nights_stops_none(archive: Path, where: str) -> None:
    loop(archive / where)
    result = night_of(archive)
    assert (result.found, result.ok) == (3 * IMAGES, 3 * IMAGES)
    assert any("again" in one for one in result.missing)


def test_folders_nested_a_thousand_deep_are_read(archive: Path, picture: bytes) -> None:
    with at(coil(archive)):
        for _ in range(1000):
            Path("a").mkdir()
            os.chdir("a")
        Path("deep.jpg").write_bytes(picture)
    result = night_of(archive)
    assert (result.found, result.ok, result.state) == (3 * IMAGES + 1, 3 * IMAGES + 1, "complete")


def test_a_name_that_is_not_utf8_is_a_failed_row(archive: Path, picture: bytes) -> None:
    (coil(archive) / os.fsdecode(b"Fl\xe4che.jpg")).write_bytes(picture)
    (archive / os.fsdecode(b"line=L\xff") / f"date={NIGHT}" / "coil=C1").mkdir(parents=True)
    (archive / os.fsdecode(b"line=L\xff") / f"date={NIGHT}" / "coil=C1" / "0.jpg").write_bytes(picture)
    result = night_of(archive)
    assert (result.found, result.ok, result.failed) == (3 * IMAGES + 2, 3 * IMAGES, 2)


def test_a_link_to_nothing_is_a_failed_row(archive: Path) -> None:
    (coil(archive) / "gone.jpg").symlink_to("nowhere.jpg")
    result = night_of(archive)
    assert (result.found, result.failed, result.state) == (3 * IMAGES + 1, 1, "complete")


def test_an_image_is_found_once(archive: Path) -> None:
    (archive / "line=L4").symlink_to("line=L1")
    (archive / "line=L1" / "date=2026-10-30").symlink_to(f"date={NIGHT}")
    (archive / "line=L2" / f"date={NIGHT}" / "coil=C9").symlink_to("coil=C1")
    (coil(archive) / "all").symlink_to(archive)
    (coil(archive) / "newest.jpg").symlink_to("0.jpg")
    found = discover(open_store(str(archive), settings(archive, archive).store), TEMPLATE)
    assert found.partitions == tuple(Partition(line, NIGHT) for line in LINES)
    result = night_of(archive)
    assert (result.found, result.state) == (3 * IMAGES, "complete")


def test_infer_reads_the_others_and_says_what_it_left_out(archive: Path) -> None:
    name = linked_folder(coil(archive))
    result = inspect_source(str(archive), str(archive.parent / "out"), settings(archive, archive.parent / "report"))
    assert (result.images, result.ok) == (3 * IMAGES, 3 * IMAGES)
    assert name in result.notes[0]


def test_links_of_our_own_folders_are_followed(tmp_path: Path) -> None:
    """A folder of reports can span several disks."""
    (tmp_path / "disk2").mkdir()
    (tmp_path / "disk2" / "x").write_bytes(b"1")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "more").symlink_to(tmp_path / "disk2")
    loop(tmp_path / "root")
    store = LocalStore(tmp_path / "root")
    assert [info.key for info in store.list()] == ["more/x"]
    assert [info.key for info in foreign_objects(store, "", Unlisted().add)] == []


# ---- entries that change between listing and reading


def rows(archive: Path, change: Callable[[Path], object]) -> list[RawImage]:
    """The rows of line L2, whose image ``1.jpg`` changes after it was listed."""
    store = open_store(str(archive), settings(archive, archive).store)
    partition = Partition("L2", NIGHT)
    (unit,) = plan(partition, list(objects(store, TEMPLATE, partition)), TEMPLATE, 100).units
    (coil(archive) / "1.jpg").unlink()
    change(coil(archive) / "1.jpg")
    return list(read_unit(store, unit, TEMPLATE, LIMITS))


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (os.mkfifo, "unreadable"),
        (lambda path: path.symlink_to(path.name), "unreadable"),
        (lambda path: path.symlink_to("/dev/zero"), "unreadable"),
        (lambda path: path.mkdir(), "missing"),
        (lambda path: None, "missing"),
    ],
    ids=["pipe", "loop", "device", "folder", "gone"],
)
def test_an_entry_that_changes_kind_is_a_failed_row(archive: Path, change: Callable[[Path], object], code: str) -> None:
    found = rows(archive, change)
    assert [isinstance(row.data, bytes) for row in found] == [True, False, True]
    assert isinstance(found[1].data, Failure)
    assert found[1].data.code == code


@pytest.mark.timeout(30)
def test_a_pipe_is_no_object(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    store = LocalStore(tmp_path)
    with pytest.raises(ObjectUnreadable, match="a named pipe"):
        store.get("x")
    assert isinstance(dict(store.get_many(["x"]))["x"], ObjectUnreadable)


# ---- permissions: root may read everything, so another account inspects


def as_nobody(archive: Path, report: Path) -> subprocess.CompletedProcess[str]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to inspect as another account")
    report.mkdir(exist_ok=True)
    os.chown(report, NOBODY, NOBODY)
    command = (*AS_NOBODY, sys.executable, "-c", ONE_NIGHT, str(archive), str(report))
    return subprocess.run(
        command, cwd=SUPPORT, env={"PATH": os.environ["PATH"], "HOME": str(report)}, text=True, capture_output=True
    )


def outcome(archive: Path) -> tuple[int, int, str, str]:
    report = archive.parent / "report"
    done = as_nobody(archive, report)
    assert done.returncode == 0, done.stdout + done.stderr
    record = next(iter(run_records(open_store(str(report), settings(archive, report).store), 1)))
    return record.found, record.failed, record.state, " ".join(record.missing)


def closed(path: Path) -> Path:
    path.chmod(0)
    return path


def test_a_folder_without_permission_is_named(archive: Path, picture: bytes) -> None:
    folder = coil(archive).parent / "coil=C2"
    folder.mkdir()
    (folder / "x.jpg").write_bytes(picture)
    closed(folder)
    found, failed, state, missing = outcome(archive)
    assert (found, failed, state) == (3 * IMAGES, 0, "incomplete")
    assert f"line=L2/date={NIGHT}/coil=C2/: not inspected: permission denied" in missing


@pytest.mark.parametrize("where", ["line=L2", f"line=L2/date={NIGHT}"])
def test_a_line_without_permission_leaves_the_others_whole(archive: Path, where: str) -> None:
    closed(archive / where)
    found, failed, state, missing = outcome(archive)
    assert (found, failed, state) == (2 * IMAGES, 0, "incomplete")
    assert f"{where}/: not inspected: permission denied" in missing


def test_a_file_and_a_tar_without_permission_are_failed_rows(archive: Path) -> None:
    closed(coil(archive) / "1.jpg")
    shutil.make_archive(str(coil(archive) / "shard"), "tar", coil(archive, "L1"))
    closed(coil(archive) / "shard.tar")
    found, failed, state, missing = outcome(archive)
    assert (found, failed, state) == (3 * IMAGES + 1, 2, "incomplete")
    assert "shard.tar (unreadable" in missing


def test_a_root_without_permission_is_one_line(archive: Path) -> None:
    closed(archive)
    done = as_nobody(archive, archive.parent / "report")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("\n") == 1
    assert "permission denied; check owner and mode" in done.stdout
