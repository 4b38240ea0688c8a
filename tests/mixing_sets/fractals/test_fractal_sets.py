"""Sets of fractals: the same bytes however they are rendered, no degenerate pictures, and plain errors."""

import errno
import fcntl
import json
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from layermix_gen.errors import Interrupted, LayerMixError
from layermix_gen.mixing_sets.fractals import (
    KINDS,
    contact_sheet,
    diversity,
    make_fractal,
    measure,
    render,
    render_fractal,
    render_record,
    render_set,
    sets,
    write_sheet,
)
from layermix_gen.mixing_sets.fractals.measures import BOUNDS, faults, spectral_slope, thumbnails
from layermix_gen.mixing_sets.store import SetWriter, digest_of
from tests.helpers import COMMAND

QUICK = ("fold", "noise")  # the kinds that are rendered fastest


def rendered(out: Path, count: int, **options: Any) -> np.ndarray:
    settings = {"size": 36, "kinds": QUICK, "workers": 1, "progress": False, **options}
    return np.load(render_set(out, count, **settings))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------------------------------------ pictures


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_faultless_and_rendered_again_from_their_records(kind: str) -> None:
    fractal = make_fractal(7, 3, 256, (kind,))
    assert fractal.record["kind"] == kind
    assert faults(measure(fractal.pixels)) == []
    record = json.loads(json.dumps(fractal.record))
    assert np.array_equal(render_record(record, 256), fractal.pixels)


def test_a_small_picture_is_the_large_one_reduced() -> None:
    large = render_fractal(0, 5, 256, QUICK)
    small = cv2.resize(large, (36, 36), interpolation=cv2.INTER_AREA)
    assert np.array_equal(render_fractal(0, 5, 36, QUICK), small)


def test_seed_and_index_matter() -> None:
    pictures = [render_fractal(seed, index, 64, QUICK) for seed, index in ((0, 0), (0, 1), (1, 0), (2**40, 1))]
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_all_kinds_come_in_about_their_shares() -> None:
    found = [render._choose(tuple(KINDS.values()), (n + 0.5) / 200).name for n in range(200)]
    total = sum(kind.share for kind in KINDS.values())
    for kind in KINDS.values():
        assert found.count(kind.name) / 200 == pytest.approx(kind.share / total, abs=0.011)


# ------------------------------------------------------------------------------------------------------ measures

RAMP = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
DEGENERATE = {
    "blank": (np.full((256, 256), 128, np.uint8), "entropy"),
    "a dot": (cv2.circle(np.zeros((256, 256), np.uint8), (90, 99), 9, 255, -1), "coverage"),
    "saturated": (cv2.resize(np.eye(64, dtype=np.uint8) * 255, (256, 256)), "saturated"),
    "a flat gradient": (RAMP, "edges"),
    "plain noise": (np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8), "slope"),
    "too dark": (np.random.default_rng(0).integers(0, 40, (256, 256), np.uint8), "mean"),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_pictures_are_refused(name: str) -> None:
    picture, measured = DEGENERATE[name]
    assert measured in {fault.split()[0] for fault in faults(measure(picture))}


def test_measures_that_are_known() -> None:
    ramp = measure(RAMP)
    assert ramp.entropy == pytest.approx(8)
    assert ramp.mean == pytest.approx(127.5)
    assert ramp.saturated == pytest.approx(4 / 256)
    halves = np.repeat(np.array([[50, 200]], np.uint8), 128, axis=1).repeat(256, axis=0)
    assert measure(halves).entropy == pytest.approx(1)
    assert measure(halves).edges == pytest.approx(2 / 256)
    assert set(BOUNDS) == set(measure(halves).__dataclass_fields__)


def test_white_noise_has_a_flat_spectrum() -> None:
    assert spectral_slope(DEGENERATE["plain noise"][0]) == pytest.approx(0, abs=0.2)


def test_the_slope_is_that_of_its_band() -> None:
    """Power falls with the frequency to the 2.5. Frequencies outside of 4 to 64 cycles do not count, however strong."""
    size = 256
    frequency = np.hypot(np.fft.fftfreq(size, 1 / size)[:, None], np.fft.fftfreq(size, 1 / size))
    spectrum = np.fft.fft2(np.random.default_rng(0).standard_normal((size, size))) * np.maximum(frequency, 1) ** -1.25
    slopes = []
    for outside in (frequency < 0, frequency < 2, frequency > 68):  # the window spreads power by a ring or two
        field = np.fft.ifft2(spectrum * np.where(outside, 8, 1)).real
        slopes.append(spectral_slope(np.rint(128 + 120 * field / np.abs(field).max()).astype(np.uint8)))
    assert slopes[0] == pytest.approx(-2.5, abs=0.25)
    assert slopes[1:] == pytest.approx(slopes[:1] * 2, abs=0.02)


def test_diversity_is_nothing_among_copies_and_much_among_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 64), np.uint8)
    assert diversity([noise[0], noise[0], 255 - noise[0]]) == pytest.approx(0, abs=1e-3)
    assert diversity(list(noise)) > 0.9
    np.testing.assert_allclose(np.linalg.norm(thumbnails(noise), axis=1), 1, rtol=1e-5)


# ---------------------------------------------------------------------------------------------------------- sets


def test_a_set_is_the_same_for_any_count_and_number_of_workers(tmp_path: Path) -> None:
    one, two = rendered(tmp_path / "one.npy", 20), rendered(tmp_path / "two.npy", 20, workers=2)
    assert one.shape == (20, 36, 36)
    assert np.array_equal(one, two)
    assert np.array_equal(one[:9], rendered(tmp_path / "short.npy", 9))
    assert np.array_equal(one[13], render_fractal(0, 13, 36, QUICK))
    about = [json.loads((tmp_path / name).read_text()) for name in ("one.json", "two.json")]
    assert [one.pop("file").keys() for one in about] == [{"size", "mtime_ns"}] * 2
    assert about[0] == about[1]
    assert about[0]["digest"] == digest_of(one)
    assert about[0]["shape"] == [20, 36, 36]
    assert len(about[0]["pictures"]) == 20
    assert np.array_equal(render_record(about[0]["pictures"][13], 36), one[13])


def test_a_larger_set_spares_rendering_and_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the larger one is longer or shorter, or has pictures that were drawn again."""
    made = make_fractal
    alone = rendered(tmp_path / "alone.npy", 12)
    for count in (8, 14):
        larger, indices = tmp_path / f"larger-{count}.npy", []
        rendered(larger, count, size=256)
        attempts = [record["attempt"] for record in json.loads(larger.with_suffix(".json").read_text())["pictures"]]
        assert any(attempts)

        def noted(seed: int, index: int, *rest: Any, **options: Any) -> Any:
            indices.append(index)  # noqa: B023 - called in this round alone
            return made(seed, index, *rest, **options)

        monkeypatch.setattr(sets, "make_fractal", noted)
        out = tmp_path / f"reduced-{count}.npy"
        assert np.array_equal(rendered(out, 12, larger=larger), alone)
        assert out.read_bytes() == (tmp_path / "alone.npy").read_bytes()
        records = [json.loads(path.with_suffix(".json").read_text()) for path in (out, tmp_path / "alone.npy")]
        assert records[0]["pictures"] == records[1]["pictures"]
        assert records[0]["made_by"] == records[1]["made_by"]
        assert indices == [index for index in range(12) if index >= count or attempts[index]]
        monkeypatch.setattr(sets, "make_fractal", made)


def test_another_set_or_a_damaged_one_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    larger = tmp_path / "larger.npy"
    rendered(larger, 4, size=256)
    rendered(tmp_path / "other.npy", 4, size=64)
    asked: dict[str, Any] = {"count": 4, "size": 36, "seed": 0, "kinds": QUICK}
    assert sets._usable(larger, sets.describe(**asked)) is not None
    for change in ({"seed": 1}, {"kinds": ("fold",)}, {"size": 300}):
        assert sets._usable(larger, sets.describe(**asked | change)) is None
    assert sets._usable(tmp_path / "other.npy", sets.describe(**asked)) is None
    assert sets._usable(tmp_path / "none.npy", sets.describe(**asked)) is None
    status = larger.stat()
    with larger.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([255 - np.load(larger).flat[-1]]))
    os.utime(larger, ns=(status.st_atime_ns, status.st_mtime_ns))  # as if the disk had done it
    assert sets._usable(larger, sets.describe(**asked)) is None


def test_a_stopped_set_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rendered(tmp_path / "whole.npy", 20)
    render_batch, calls = sets._render_batch, []

    def stopping(work: Any, indices: range) -> object:
        calls.append(indices)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return render_batch(work, indices)

    monkeypatch.setattr(sets, "_render_batch", stopping)
    with pytest.raises(Interrupted, match="stopped with 8 of 20 pictures; run the same command to go on"):
        rendered(tmp_path / "halves.npy", 20)
    assert names(tmp_path) == ["halves.json.part", "halves.npy.part", "whole.json", "whole.npy"]
    with (tmp_path / "halves.json.part").open("a") as records:
        records.write('{"kind": "fo')  # what a killed process may leave
    assert np.array_equal(rendered(tmp_path / "halves.npy", 20), whole)
    assert [indices.start for indices in calls] == [0, 8, 8, 16]
    assert names(tmp_path) == ["halves.json", "halves.npy", "whole.json", "whole.npy"]
    halves, unbroken = (json.loads((tmp_path / name).read_text()) for name in ("halves.json", "whole.json"))
    assert halves | {"file": None} == unbroken | {"file": None}
    assert (tmp_path / "halves.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


GATE = """
import sys, time
from pathlib import Path
from layermix_gen.mixing_sets.fractals import sets

render_batch, folder = sets._render_batch, Path(sys.argv[1])


def gated(made_by, indices):
    if indices.start >= 2 * sets.BATCH:  # two batches are let through
        (folder / f"waiting-{indices.start}").touch()
        while not (folder / "open").exists():
            time.sleep(0.05)
    return render_batch(made_by, indices)


sets._render_batch = gated
"""
GATED = """
import signal
from gate import folder
from layermix_gen.mixing_sets.fractals import render_set

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in a shell's background
render_set(folder / "set.npy", 50, 36, kinds=("noise",), workers=2)
"""


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_leaves_no_half_set_and_no_process(tmp_path: Path, blow: signal.Signals) -> None:
    script = tmp_path / "script.py"
    script.write_text(GATED)
    script.with_name("gate.py").write_text(GATE)  # workers import it, and not the script
    process = subprocess.Popen(
        [sys.executable, script, tmp_path], stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    records = tmp_path / "set.json.part"
    wait_until(lambda: len(list(tmp_path.glob("waiting-*"))) == 2)  # both workers
    wait_until(lambda: records.read_bytes().count(b"\n") == 1 + 2 * sets.BATCH)
    if blow == signal.SIGINT:
        os.killpg(process.pid, blow)  # Ctrl-C reaches every process of the terminal
        (tmp_path / "open").touch()  # a batch that is begun is ended
    else:
        process.kill()
    _, errors = process.communicate(timeout=PATIENCE)
    assert bool(re.search(r"Interrupted: stopped with \d+ of 50 pictures", errors)) == (blow == signal.SIGINT)
    wait_until(lambda: not alive(process.pid))
    parts = ["set.json.part", "set.npy.part"]
    assert [name for name in names(tmp_path) if name.startswith("set")] == parts


PATIENCE = 120  # seconds, for a machine with much else to do


def alive(group: int) -> bool:
    """Whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_near_duplicates_are_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "ALIKE", 0.3)
    strict = rendered(tmp_path / "strict.npy", 12)
    rows = thumbnails(strict)
    assert np.triu(rows @ rows.T, 1).max() < 0.3
    assert np.array_equal(rendered(tmp_path / "shorter.npy", 7), strict[:7])
    monkeypatch.undo()
    usual = rendered(tmp_path / "usual.npy", 12)
    assert not np.array_equal(usual, strict)
    assert np.array_equal(usual[0], strict[0])


def test_the_same_set_is_kept_and_another_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "set.npy"
    rendered(out, 2)
    before = out.stat().st_mtime_ns
    rendered(out, 2)
    assert out.stat().st_mtime_ns == before
    with pytest.raises(LayerMixError, match=r"set.npy exists; remove it or give another name"):
        rendered(out, 2, seed=1)
    assert names(tmp_path) == ["set.json", "set.npy"]


@pytest.mark.parametrize("content", ['{"precious": 1}', '{"digest": "of something else"}', "[1]", "\xff", None])
def test_a_file_of_the_users_is_not_overwritten(tmp_path: Path, content: str | None) -> None:
    mine = tmp_path / "mine.json"
    if content is None:
        mine.symlink_to("elsewhere.json")
    else:
        mine.write_text(content, encoding="latin-1")
    with pytest.raises(LayerMixError, match=r"mine.json exists; remove it or give another name$"):
        rendered(tmp_path / "mine.npy", 2)
    assert content is None or mine.read_text(encoding="latin-1") == content
    assert names(tmp_path) == ["mine.json"]


def test_a_description_of_ours_that_has_lost_its_pictures_is_replaced(tmp_path: Path) -> None:
    before = rendered(tmp_path / "set.npy", 2)
    (tmp_path / "set.npy").unlink()
    assert not np.array_equal(rendered(tmp_path / "set.npy", 2, seed=1), before)


def test_what_is_rendered_is_said_once_where_there_is_no_bar(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "set.npy"
    caplog.set_level(logging.INFO, "layermix_gen")
    rendered(out, 2, progress=True)
    assert caplog.messages == [f"rendering 2 fractals of 36 px into {out}"]
    rendered(out, 2, progress=True)
    rendered(tmp_path / "quiet.npy", 2)
    assert len(caplog.messages) == 1


# -------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("set.npy", {"count": 0}, r"count must be a whole number in \[1, 10000000\], got 0; change --count"),
        ("set.npy", {"size": 0}, r"size must be a whole number in \[1, 8192\], got 0; change --size"),
        ("set.npy", {"count": 10**7 + 1}, "got 10000001; change --count"),
        ("set.npy", {"count": 99999999999999999999}, "got 99999999999999999999; change --count"),
        ("set.npy", {"size": 8193}, "got 8193; change --size"),
        ("set.npy", {"detail": 255}, r"detail must be a whole number in \[256, 8192\], got 255; change --detail"),
        ("set.npz", {}, "to end in .npy, got .*set.npz; name it set.npz.npy"),
        ("set.npy", {"kinds": ("julia",)}, "got julia"),
        ("set.npy", {"workers": 0}, "workers must be a whole number from 1 on, got 0; change --workers"),
        ("file/set.npy", {}, "cannot write to .*/file: file exists; "),
        (f"{'x' * 300}.npy", {}, "cannot write to .*x.npy: file name too long; "),
        (f"{'x' * 248}.npy", {}, "cannot write to .*x.npy: file name too long; "),  # as that of its parts is
    ],
)
def test_mistakes_get_a_line_and_leave_nothing(
    tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LayerMixError, match=message) as caught:
        rendered(tmp_path / name, **{"count": 2, **options})
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file"]


def test_a_full_disk_gets_a_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(LayerMixError, match=r"no space left on device; make room"):
        rendered(tmp_path / "set.npy", 2)
    assert names(tmp_path) == []


STDERR_CLOSED = """
import os, sys
os.close(2)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def command(*arguments: object, before: str = "", **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run the command line as a process; `before` is a script that starts it."""
    start = (sys.executable, "-c", before, *COMMAND[1:]) if before else COMMAND
    text: dict[str, Any] = {"capture_output": True, "text": True, "errors": "surrogateescape"}
    return subprocess.run([*start, *map(str, arguments)], timeout=PATIENCE, check=False, **text, **options)


def test_standard_error_may_be_closed(tmp_path: Path) -> None:
    out, folder = tmp_path / "set.npy", tmp_path / "folder"
    run = command("fractals", "render", out, "--count", 1, "--size", 16, "--kinds", "noise", before=STDERR_CLOSED)
    assert (run.returncode, run.stdout[: len(str(out))]) == (0, str(out))
    folder.mkdir()
    PillowImage.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no picture")
    run = command("fractals", "pack", folder, tmp_path / "own.npy", "--size", 8, before=STDERR_CLOSED)
    assert run.returncode == 0
    assert "1 pictures of 8 px, 1 skipped" in run.stdout
    assert names(tmp_path) == ["folder", "own.json", "own.npy", "set.json", "set.npy"]


@pytest.mark.parametrize("error", [MemoryError(), cv2.error("OpenCV(5.0.0) a.cpp:71: error: (-4:Insufficient memory)")])
def test_memory_that_runs_out_gets_a_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: object, **__: Any) -> object:
        raise error

    monkeypatch.setattr(sets, "_render_batch", failing)
    with pytest.raises(LayerMixError, match=r"^the memory has run out; .*with fewer --workers, or .* smaller --size$"):
        rendered(tmp_path / "set.npy", 2)
    assert names(tmp_path) == []


def test_other_faults_of_opencv_are_no_lack_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: Any) -> object:
        raise cv2.error("OpenCV(5.0.0) a.cpp:71: error: (-215:Assertion failed)")

    monkeypatch.setattr(sets, "_render_batch", failing)
    with pytest.raises(cv2.error):
        rendered(tmp_path / "set.npy", 2)
    assert names(tmp_path) == []


def test_memory_does_run_out(tmp_path: Path) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 28, 3 << 28))

    options = ("--count", 1, "--size", 4096, "--kinds", "noise", "--workers", 1)
    run = command("fractals", "render", tmp_path / "set.npy", *options, preexec_fn=little)
    assert (run.returncode, run.stderr.splitlines()[-1][:35]) == (1, "Error: the memory has run out; run ")
    assert "Traceback" not in run.stderr
    assert names(tmp_path) == []


def test_the_memory_of_earlier_pictures_grows_with_them() -> None:
    """A set of ten million would need 10 GB at once; and each row is kept as it grows."""
    fractals = [make_fractal(0, index, 36, QUICK) for index in range(6)]
    made_by = sets.describe(10**7, 36, 0, QUICK)
    earlier = sets._Earlier(np.zeros((0, 36, 36), np.uint8))
    for start in range(0, 6, 2):
        assert earlier.distinct(fractals[start : start + 2], made_by) == fractals[start : start + 2]
        assert len(earlier._rows) <= 3 * (start + 2)
    np.testing.assert_array_equal(earlier._rows[:6], thumbnails(fractal.pixels for fractal in fractals))


def test_pictures_beyond_the_detail_are_enlarged(tmp_path: Path) -> None:
    enlarged = rendered(tmp_path / "set.npy", 2, size=300, detail=256)
    for index, picture in enumerate(enlarged):
        small = render_fractal(0, index, 256, QUICK)
        assert np.array_equal(picture, cv2.resize(small, (300, 300), interpolation=cv2.INTER_CUBIC))
    about = json.loads((tmp_path / "set.json").read_text())
    assert about["made_by"]["detail"] == 256
    whole = rendered(tmp_path / "whole.npy", 2, size=300)
    assert not np.array_equal(whole, enlarged)
    assert np.array_equal(rendered(tmp_path / "same.npy", 2, size=300, detail=300), whole)
    assert "detail" not in json.loads((tmp_path / "same.json").read_text())["made_by"]


@pytest.mark.parametrize("name", ["a\nb.npy", "a\udcffb.npy"])
def test_a_set_may_have_any_name_and_is_told_of_in_a_line(tmp_path: Path, name: str) -> None:
    rendered(tmp_path / name, 1)
    run = command("fractals", "render", tmp_path / name, "--count", 2, "--size", 36, "--kinds", "noise")
    assert (run.returncode, len(run.stderr.splitlines())) == (1, 1)
    assert run.stderr.endswith("exists; remove it or give another name\n")
    run = command("fractals", "preview", tmp_path / name, tmp_path / "missing" / name.replace("npy", "png"))
    assert (run.returncode, len(run.stderr.splitlines())) == (1, 1)
    assert run.stderr.endswith("no such file or directory; give another path\n")


def test_two_processes_do_not_write_one_set(tmp_path: Path) -> None:
    with (tmp_path / "set.json.part").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LayerMixError, match="another process is writing"):
            rendered(tmp_path / "set.npy", 2)


def test_the_header_has_the_same_length_for_any_count(tmp_path: Path) -> None:
    with SetWriter(tmp_path / "set.npy", (10**7, 2, 2), {}) as writer:
        writer.shape = (1, 2, 2)  # room for one is enough
        writer.append([np.ones((2, 2), np.uint8)], [{}])
        assert np.load(writer.finish()).tolist() == [[[1, 1], [1, 1]]]


# -------------------------------------------------------------------------------------------------------- sheets


@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_sheet_shows_the_first_pictures_in_order(tmp_path: Path, channels: tuple[int, ...]) -> None:
    pictures = np.arange(0, 100, 10, dtype=np.uint8).reshape(10, 1, 1, *(1 for _ in channels))
    pictures = np.broadcast_to(pictures, (10, 8, 8, *channels)).copy()
    sheet = contact_sheet(pictures, count=5, side=4)
    assert sheet.shape == (8, 12, *channels)
    assert (sheet[:4, 8:] == 20).all()
    assert (sheet[4:, :4] == 30).all()
    assert (sheet[4:, 8:] == 0).all()
    with PillowImage.open(write_sheet(pictures, tmp_path / "sheet.png", side=4)) as written:
        assert written.size == (16, 12)


def test_a_sheet_that_cannot_be_written_gets_a_line(tmp_path: Path) -> None:
    for name, found in (
        ("missing/sheet.png", "no such file or directory"),
        (f"{'x' * 300}.png", "file name too long"),
    ):
        with pytest.raises(LayerMixError) as caught:
            write_sheet(np.zeros((1, 8, 8), np.uint8), tmp_path / name)
        assert str(caught.value) == f"cannot write {tmp_path / name}: {found}; give another path"
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["sheet.xyz", "sheet", "sheet.psd"])
def test_a_sheet_is_a_file_of_a_known_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(LayerMixError) as caught:
        write_sheet(np.zeros((1, 8, 8), np.uint8), tmp_path / name)
    expected = "expected a picture's name ending in .png, .jpg, .jpeg, .webp"
    assert str(caught.value) == f"{expected}, got {tmp_path / name}; change the suffix"
    assert names(tmp_path) == []


@pytest.mark.parametrize("count", [0, -5])
def test_a_sheet_has_pictures(tmp_path: Path, count: int) -> None:
    with pytest.raises(
        LayerMixError, match=f"at least one picture of at least one pixel, got {count} of 96; give more"
    ):
        write_sheet(np.zeros((9, 8, 8), np.uint8), tmp_path / "sheet.png", count)
    assert names(tmp_path) == []


def test_a_sheet_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = write_sheet(np.zeros((9, 8, 8), np.uint8), tmp_path / "sheet.png")
    before = out.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LayerMixError, match=r"sheet.png: no space left on device; give another path"):
        write_sheet(np.ones((9, 8, 8), np.uint8), out)
    assert out.read_bytes() == before
    assert names(tmp_path) == ["sheet.png"]
