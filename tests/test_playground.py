"""The playground without a browser: runs that stop and go on, presets, tables, files, pictures of any kind, panels."""

import csv
import io
import signal
import sys
import threading
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from helpers import evaluate, predict_logits, scale_pixels, to_image, train
from helpers.errors import ArgumentError
from helpers.playground import PRESETS, Playground, Settings, change_image, explain, read_picture, results
from helpers.playground.compare_panel import ComparePanel
from helpers.playground.own_picture import PictureError
from helpers.playground.pictures import Comparison, Curves, Scores, Templates
from helpers.playground.prediction_panel import PredictionPanel
from helpers.playground.train_panel import TrainPanel
from helpers.playground.training import Trainer, Trial, read_value
from helpers.plots.figure import CLASS_COLOURS
from helpers.plots.templates import usual_scale

SHORT = Settings(batch_size=20, steps=60, images=400)


def quick(trainer):
    """Let a trainer validate on a tenth of the images: five seconds less a run."""
    trainer.validation = trainer.validation[:500]
    return trainer


@pytest.fixture
def trainer(data):
    trainer = quick(Trainer(data))
    yield trainer
    trainer.stop()
    trainer.wait()


@pytest.fixture
def playground():
    playground = Playground(**asdict(SHORT))
    quick(playground.trainer)
    yield playground
    playground.trainer.stop()
    playground.trainer.wait()


@pytest.fixture(scope="module")
def trained():
    """Return a playground with two short runs; tests add none and change none."""
    playground = Playground()
    quick(playground.trainer)
    playground.run(SHORT, guess="about 20%")
    playground.run(replace(SHORT, learning_rate=0.005, divide_by=1.0, schedule="constant"))
    return playground


def until(condition):
    """Wait for a condition, and return whether it came true."""
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def slow_run(trainer, settings=SHORT):
    """Start a run that takes minutes, and return once it has taken its first steps."""
    trainer.pace = 20
    trainer.start(replace(settings, steps=5_000))
    assert until(lambda: trainer.current.step > 0)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)


class TestTraining:
    def test_a_run_in_slices_is_the_run_of_notebook_6_and_so_is_a_smaller_set(self, trainer, data):
        assert len(Trainer(data).validation) == 5_000
        assert trainer.learned_from(Settings()) is trainer.training
        rows = np.random.default_rng(3).permutation(trainer.training)[:400]
        assert not set(rows) & set(trainer.validation)
        trainer.start(replace(SHORT, seed=3))
        trainer.wait()
        run = train(
            data.images_train, data.labels_train, indices=rows, validation=trainer.validation, validate_every=3,
            steps=60, batch_size=20, seed=3, progress=False,
        )  # fmt: skip
        for name, value in asdict(run).items():
            np.testing.assert_array_equal(getattr(trainer.current.run, name), value, err_msg=name)
        assert trainer.current.done
        assert not trainer.problem

    def test_a_pause_keeps_and_go_on_continues_bit_for_bit(self, trainer):
        with pytest.raises(ArgumentError, match="no run"):
            trainer.go_on(0.1, 100)
        trainer.start(SHORT)
        trainer.wait()
        whole = trainer.current.run
        trainer.start(SHORT, pause_after=17)
        trainer.wait()
        assert trainer.current.step == 17
        trainer.go_on(SHORT.learning_rate, SHORT.steps)
        trainer.wait()
        np.testing.assert_array_equal(trainer.current.run.weights, whole.weights)
        np.testing.assert_array_equal(trainer.current.run.validation_loss, whole.validation_loss)
        with pytest.raises(ArgumentError, match="has done 60 steps"):
            trainer.go_on(0.1, 60)
        trainer.go_on(0.1, 61)
        trainer.wait()
        assert (trainer.current.number, trainer.current.rates) == (2, ((0, 0.3), (60, 0.1)))

    def test_starts_from_many_threads_start_one_run_and_start_after_stop_the_next(self, trainer):
        trainer.pace, refused = 20, []

        def start():
            try:
                trainer.start(replace(SHORT, steps=5_000))
            except ArgumentError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=start) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == ["A run is under way. Press Stop, or wait for its end."] * 9
        assert sum(thread.name == "playground" for thread in threading.enumerate()) == 1
        assert until(lambda: trainer.current.step > 0)
        trainer.stop()
        trainer.start(SHORT)
        assert [trial.number for trial in trainer.trials] == [1, 2]

    @pytest.mark.skipif(sys.platform == "win32", reason="there an interrupt can't be sent to one thread")
    def test_an_interrupt_returns_when_the_run_has_stopped(self, trainer):
        slow_run(trainer)
        main = threading.main_thread().ident
        threading.Timer(0.25, signal.pthread_kill, (main, signal.SIGINT)).start()
        trainer.wait()
        assert 0 < trainer.current.step < 5_000
        trainer.start(SHORT)

    def test_a_run_that_overflows_stops_and_says_so(self, trainer):
        trainer.start(Settings(learning_rate=3e38, divide_by=1.0, steps=500, schedule="constant", images=400))
        trainer.wait()
        assert trainer.current.overflowed
        assert trainer.current.step < 500
        assert "diverges" in results.status(trainer.current)
        with pytest.raises(ArgumentError, match="overflowed"):
            trainer.go_on(0.1, 1_000)
        assert Curves().draw(trainer.current)
        assert Templates().draw(trainer.current.run.weights)

    def test_an_error_in_the_thread_becomes_a_sentence(self, trainer, monkeypatch):
        def broken(*_, **__):
            raise MemoryError("none left")

        monkeypatch.setattr("helpers.playground.training.train", broken)
        trainer.start(SHORT)
        trainer.wait()
        assert "broke off (MemoryError: none left)" in trainer.problem
        monkeypatch.undo()
        trainer.start(SHORT)
        trainer.wait()
        assert not trainer.problem

    def test_a_new_playground_ends_the_run_of_the_one_before(self, playground):
        slow_run(playground.trainer)
        Playground()
        assert not playground.trainer.running


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("learning_rate", "0,3", 0.3), ("learning_rate", " 1e-3 ", 0.001), ("learning_rate", "0,005", 0.005),
        ("batch_size", "45,000", 45_000), ("batch_size", "45.000", 45_000), ("steps", "100 000", 100_000),
        ("steps", "1e3", 1_000), ("steps", "1_500", 1_500), ("images", 500, 500), ("schedule", "linear", "linear"),
        ("learning_rate", "0", None), ("learning_rate", "fast", None), ("learning_rate", "", None),
        ("batch_size", "2,5", None), ("steps", "-1", None), ("images", "45,001", None), ("images", "0", None),
        ("weight_decay", "nan", None), ("schedule", "steep", None), ("divide_by", 0.0, None), ("seed", -1, None),
        ("steps", 1.5, None), ("images", 0, None),
    ],
)  # fmt: skip
def test_what_is_written_is_read_as_it_is_meant_or_gets_a_sentence_and_never_comes_to_be(name, written, value):
    if value is not None:
        read = read_value(name, written)
        assert (read, type(read)) == (value, type(value))
    for make in [] if value is not None else [lambda: read_value(name, written), lambda: Settings(**{name: written})]:
        with pytest.raises(ArgumentError, match=name):
            make()


def test_a_line_of_text_holds_all_settings():
    settings = Settings(seed=3, learning_rate=1e-7, schedule="constant", batch_size=7, divide_by=128.0, images=99)
    assert Settings.parse(str(settings)) == settings
    assert Settings.parse("learning_rate = 0,1; steps=2,000 schedule='constant'") == Settings(
        learning_rate=0.1, steps=2_000, schedule="constant"
    )
    for line, word in (("rate=3", "'rate'"), ("hello", "hello"), ("steps=many", "steps")):
        with pytest.raises(ArgumentError, match=word):
            Settings.parse(line)


class TestPlayground:
    def test_presets_and_lines_of_text_can_be_run_and_what_is_known_becomes_the_newest_again(
        self, playground, monkeypatch
    ):
        monkeypatch.setitem(PRESETS, "overfitting on 500 images", replace(SHORT, images=20))
        playground.trainer.pace = 0.1  # which holds for a run that is watched
        named, other = playground.run("overfitting on 500 images"), playground.run("steps=3, learning_rate=0,1")
        assert playground.trainer.pace == 0.1
        assert (named.title, other.settings) == ("overfitting on 500 images", Settings(steps=3, learning_rate=0.1))
        assert named.title in playground.table()
        assert "learning rate 0.1, steps 3" in playground.table()
        first = playground.run()
        assert playground.run("overfitting on 500 images") is named
        assert playground.trials == [other, first, named]
        assert playground.run(first.settings) is first
        assert playground.go_on(0.1, 70).number == first.number
        assert playground.run(replace(first.settings, steps=70)).number == 4, "a run whose rate was turned is another"
        playground.trainer.keep(Trial(0, SHORT))
        assert "Run 5" not in playground.table()
        for wrong, word in ((("just wrong",), "just right"), ((SHORT, "31"), "about 30%")):
            with pytest.raises(ArgumentError, match=word):
                playground.run(*wrong)

    def test_the_best_is_marked_and_the_truth_stands_beside_the_guess(self, trained):
        images, labels, rows = trained.data.images_train, trained.data.labels_train, trained.trainer.validation
        reached = [evaluate(images, labels, trial.run, rows)[1] for trial in trained.trials]
        assert trained.best is trained.trials[int(np.argmax(reached))]
        rows = results.table_rows(trained.trials)
        assert [row["run"] for row in rows if "best" in row["validation"]] == [trained.best.name]
        guessed = trained.trials[0]
        assert results.verdict(replace(guessed, guess=guessed.outcome)).endswith("right.")
        assert f"the truth is “{guessed.outcome}”" in results.verdict(replace(guessed, guess="diverges"))
        assert results.verdict(replace(guessed, guess="")) == ""
        assert trained.trials[1].outcome == "diverges"

    def test_a_saved_table_comes_back(self, trained, tmp_path):
        path, other = trained.save_table(tmp_path / "runs.csv"), Playground()
        assert [file.name for file in tmp_path.iterdir()] == ["runs.csv"]
        other.trainer.keep(replace(trained.trials[0], title="=1+1"))
        assert "'=1+1" in other.save_table(tmp_path / "odd.csv").read_text()
        loaded = other.load_table(path)
        assert [trial.number for trial in other.trials] == [1, 2, 3]
        for old, new in zip(trained.trials, loaded, strict=True):
            for name in ("settings", "guess", "rates", "outcome", "step", "diverged"):
                assert getattr(new, name) == getattr(old, name)
            for name in results.RESULTS:
                assert getattr(new, name) == pytest.approx(getattr(old, name), abs=1e-6)
        assert other.trainer.current.number == 1
        for content, word in ((b"a,b\n1,2\n", "no table"), (b"", "no runs"), (b"\xff\xfe", "no text")):
            with pytest.raises(ArgumentError, match=word):
                other.load_table(content, "x.csv")
        for use, where in ((other.load_table, "none.csv"), (other.save_table, "nowhere/runs.csv")):
            with pytest.raises(ArgumentError, match=where):
                use(tmp_path / where)
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        assert float(rows[0]["validation_accuracy"]) == pytest.approx(trained.trials[0].validation_accuracy, abs=1e-6)
        assert pixels(trained.save_picture(tmp_path / "runs.png").read_bytes()).std() > 10

    def test_no_two_runs_that_are_shown_look_the_same_and_none_hides_another(self, trained):
        comparison, first = Comparison(), trained.trials[0]
        runs = [replace(first, number=number) for number in (1, 11, 21)]
        comparison.draw(runs[:1])
        pictures = comparison.draw(runs)
        looks = dict(comparison.looks)
        assert len(set(looks.values())) == 3
        assert looks[1] == 0
        for picture in pictures:
            drawn = pixels(picture.png)[100:]  # below the legend
            for look in looks.values():
                rgb = [int(CLASS_COLOURS[look][at : at + 2], 16) for at in (1, 3, 5)]
                assert (np.abs(drawn - rgb).max(axis=2) < 40).sum() > 20
        comparison.draw(runs[1:])
        assert comparison.looks == {number: looks[number] for number in (11, 21)}
        comparison.draw([replace(first, number=i, title=title) for i, title in enumerate([*PRESETS, *PRESETS], 1)])
        for axis in comparison.axes:
            (legend,) = axis.figure.legends
            left, _, right, _ = legend.get_window_extent().extents
            assert left >= 5
            assert right <= axis.figure.bbox.width - 5

    def test_a_value_can_be_read_off_each_curve(self, trained):
        trial = trained.trials[0]
        accuracy, loss = Curves().draw(trial)
        assert f"validation, step 60: {trial.validation_accuracy:.1%}" in [words for _, _, words in accuracy.points]
        assert f"validation, step 60: {trial.validation_loss:.3f} nats" in [words for _, _, words in loss.points]
        picture = pixels(accuracy.png)
        orange = np.abs(picture - [0xE6, 0x9F, 0x00]).max(axis=2) < 40
        for x, y, words in accuracy.points:
            row, column = round(y * picture.shape[0]), round(x * picture.shape[1])
            if words.startswith("validation"):
                assert orange[row - 3 : row + 4, column - 3 : column + 4].any(), words

    def test_the_cell_for_notebook_6_runs_and_says_what_it_cannot(self):
        settings = replace(PRESETS["overfitting on 500 images"], seed=4, divide_by=1.0)
        cell, found = results.parameters_cell(Trial(1, settings)), {}
        exec(cell, found)
        for name in ("seed", "learning_rate", "batch_size", "steps", "weight_decay"):
            assert found[name] == getattr(settings, name)
        assert all(words in cell for words in ("images=500", "divide_by=1.0", "constant"))


def test_contributions_and_bias_are_the_score_and_a_patch_takes_its_own_away(trained, data):
    run, row = trained.trials[0].run, data.images_test[7]
    found, logits = explain(run, row), predict_logits(data.images_test[7:8], run)[0]
    np.testing.assert_allclose(found["contributions"].sum(axis=(1, 2)) + run.biases, logits, atol=1e-4)
    assert found["winner"] == logits.argmax()
    np.testing.assert_allclose(found["probabilities"], np.exp(logits) / np.exp(logits).sum(), rtol=1e-4)
    scaled = scale_pixels(data.images_test[7:8], run.mean)[0]
    by_hand = sum(run.weights[c * 1024 + 5 * 32 + 9, 3] * scaled[c * 1024 + 5 * 32 + 9] for c in range(3))
    assert found["contributions"][3, 5, 9] == pytest.approx(by_hand, abs=1e-6)
    after = explain(run, change_image(row, run.mean, patch=8, patch_left=4, patch_top=10))["contributions"]
    np.testing.assert_allclose(after[:, 10:18, 4:12], 0, atol=0.05)
    after[:, 10:18, 4:12] = found["contributions"][:, 10:18, 4:12]
    np.testing.assert_array_equal(found["contributions"], after)


def test_changes_do_what_they_say(data):
    picture = to_image(data.images_test[0])

    def changed(**changes):
        return to_image(change_image(data.images_test[0], np.zeros(3072), **changes))

    assert np.array_equal(changed(), picture)
    assert np.array_equal(changed(mirrored=True), picture[:, ::-1])
    assert np.array_equal(changed(right=3)[:, 3:], picture[:, :-3])
    assert np.array_equal(changed(down=-2)[:-2], picture[2:])
    assert np.array_equal(changed(colours="inverted"), 255 - picture)
    assert np.array_equal(changed(colours="red and blue swapped"), picture[:, :, ::-1])
    assert np.ptp(changed(colours="grey"), axis=2).max() == 0
    assert (changed(patch=32, patch_left=31, patch_top=31) != picture).any(axis=2).sum() <= 1


def encoded(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def photo(data):
    return Image.fromarray(to_image(data.images_test[0]))


def test_the_middle_is_cut_out_and_a_picture_of_the_right_size_is_taken_as_it_is(photo, data, tmp_path):
    wide = Image.new("RGB", (96, 32), "white")
    wide.paste(photo, (32, 0))
    (tmp_path / "photo.png").write_bytes(encoded(photo))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    sideways = encoded(photo.transpose(Image.Transpose.ROTATE_90), exif=exif)
    animated = encoded(photo.convert("P"), "GIF", save_all=True, append_images=[Image.new("P", (32, 32))])
    still = read_picture(encoded(photo.convert("P"), "GIF"))[0]
    for source, expected, word in (
        (encoded(photo), data.images_test[0], "32 × 32"), (encoded(wide), data.images_test[0], "in the middle"),
        (tmp_path / "photo.png", data.images_test[0], "32 × 32"), (sideways, data.images_test[0], "upright"),
        (animated, still, "first frame"),
    ):  # fmt: skip
        row, pictures, done = read_picture(source)
        assert np.array_equal(row, expected)
        assert len(pictures) == 3
        assert word in done
    with pytest.raises(PictureError, match="No such file"):
        read_picture(tmp_path / "none.png")


@pytest.mark.parametrize(
    ("content", "first"),
    [
        (encoded(Image.new("RGBA", (40, 40), (255, 0, 0, 0))), 255),
        (encoded(Image.new("P", (40, 40), 0), transparency=0), 255),
        (encoded(Image.new("CMYK", (50, 50), (0, 255, 255, 0)), "JPEG"), 254),
        (encoded(Image.fromarray(np.full((40, 40), 32_768, np.uint16))), 127),
        (encoded(Image.new("1", (40, 40), 1)), 255),
        (encoded(Image.new("L", (1, 7), 9)), 9),
        (b"", "PNG|damaged"), (b"<svg/>", "PNG|damaged"), (b"%!PS-Adobe-3.0", "PNG|damaged"),
        (b"\x89PNG\r\n\x1a\n", "PNG|damaged"),
        (encoded(Image.new("1", (8_000, 8_000)))[:200], "50 million pixels"),  # refused before it is decoded
        (bytes(11_000_000), "11 MB"),
    ],
    ids=["transparent", "palette", "CMYK", "16 bits", "1 bit", "thin",
         "empty", "SVG", "PostScript", "header", "pixels", "bytes"],
)  # fmt: skip
def test_every_kind_of_pixels_is_read_and_what_is_no_picture_gets_a_sentence(content, first):
    if isinstance(first, int):
        assert abs(int(read_picture(content)[0][0]) - first) <= 1
    else:
        with pytest.raises(PictureError, match=f"letter.txt .*({first})"):
            read_picture(content, "letter.txt")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_damaged_bytes_never_give_another_kind_of_error(data, kind):
    rng = np.random.default_rng(0)
    whole = encoded(Image.fromarray(data.images_test[:16].reshape(128, 128, 3)), kind)
    with pytest.raises(PictureError):
        read_picture(whole[: len(whole) // 3], "half." + kind.lower())
    for _ in range(20):
        broken = np.frombuffer(whole, np.uint8).copy()
        broken[rng.integers(len(whole), size=8)] = rng.integers(256, size=8)
        try:
            row, _, _ = read_picture(broken.tobytes())
        except PictureError:
            continue
        assert (row.shape, row.dtype) == ((3072,), np.uint8)


def ask(panel, name, value=True):
    """Use a control of a panel as the browser does."""
    panel.asked = {**panel.asked, name: [value, panel.asked.get(name, (0, 0))[1] + 1]}


class TestPanels:
    """The panels as Python objects; tests/test_browser_panels.py uses them with mouse and keyboard."""

    @pytest.fixture
    def panel(self, playground):
        panel = TrainPanel(playground)
        playground.follow(panel)
        return panel

    @pytest.fixture
    def compare(self, playground, panel):
        compare = ComparePanel(playground, panel.use)
        playground.follow(compare)
        return compare

    def train(self, panel, *clicks):
        ask(panel, "speed", "full speed")
        for name in clicks or ("start",):
            ask(panel, name)
            panel._trainer.wait()

    def test_a_value_that_makes_no_sense_is_told_and_the_old_one_stays(self, panel):
        for name, written, said, held in (
            ("learning_rate", "fast", "learning_rate = 'fast' makes no sense", 0.3),
            ("learning_rate", "0,1", "", 0.1),
            ("watched", "17", "", 17),
            ("watched", "10000", "test image = 10000", 17),
        ):
            ask(panel, name, written)
            assert panel.texts["said"].startswith(said)
            assert bool(said) == bool(panel.texts["said"])
            assert panel.value(name) == held
        assert panel.values["learning_rate"] == [0.1, 2], "the answer says which question it is to"
        ask(panel, "batch_size", "45,000")
        self.train(panel)
        assert "batch_size = 45000 is too large for 400 images" in panel.texts["said"]
        assert not panel._trainer.trials
        ask(panel, "line", "steps=5, divide_by=100")
        assert (panel.value("steps"), panel.value("weight_decay"), panel.value("divide_by")) == (5, 0.0, "100.0")
        assert 'value="100.0"' in panel.html["divide_by"]
        assert Settings.parse(panel.value("line")) == Settings(steps=5, divide_by=100.0)
        ask(panel, "preset", "smooth templates")
        assert (panel.value("weight_decay"), panel.value("images")) == (0.03, 45_000)
        ask(panel, "weight_decay", "0.1")
        assert panel.value("preset") not in PRESETS

    def test_start_turn_stop_go_on_and_reset(self, panel):
        trainer = panel._trainer
        ask(panel, "speed", "slow motion")
        ask(panel, "steps", "20000")
        for _ in range(10):
            ask(panel, "start")
        assert until(lambda: trainer.current and trainer.current.step > 0)
        for name in ("start", "go_on", "batch_size", "images", "weight_decay", "stop", "learning_rate", "speed"):
            assert bool(panel.disabled.get(name)) == (name not in ("stop", "learning_rate", "speed"))
        ask(panel, "learning_rate", "0.2")
        assert until(lambda: [rate for _, rate in trainer.current.rates] == [0.3, 0.2])
        ask(panel, "stop")
        trainer.wait()
        assert [trial.done for trial in trainer.trials] == [False]
        assert "Stopped" in panel.texts["status"]
        ask(panel, "steps", str(trainer.current.step + 5))
        ask(panel, "batch_size", "7")
        assert "Go on keeps Run 1's batch size 20" in panel.texts["status"]
        self.train(panel, "go_on")
        assert "Done" in panel.texts["status"]
        assert "Go on keeps" not in panel.texts["status"]
        ask(panel, "reset")
        assert panel.value("learning_rate") == 0.3
        assert "Ready" in panel.texts["status"]
        assert len(trainer.trials) == 1

    def test_guesses_are_counted_and_each_run_has_its_own(self, panel):
        ask(panel, "steps", "5")
        ask(panel, "guess", "diverges")
        self.train(panel)
        ask(panel, "guess", panel._trainer.current.outcome)
        self.train(panel, "start", "start")
        assert [trial.guessed_right for trial in panel._trainer.trials] == [False, True, None]
        assert "1 of 2 right" in panel.texts["status"]
        table = results.html_table(panel._trainer.trials, {})
        assert (table.count("✓"), table.count("✗")) == (1, 1)

    def test_one_step_and_the_step_after_and_the_chosen_images_scores(self, panel):
        ask(panel, "watched", "17")
        before = panel.pictures["scores"].png
        panel.asked = {**panel.asked, "one_step": [True, 1], "steps": ["70", 1]}
        panel._trainer.wait()
        assert panel._trainer.current.settings.steps == 70, "what was typed counts before what was pressed"
        self.train(panel, "one_step")
        assert [trial.step for trial in panel._trainer.trials] == [2]
        assert "step 2 of 70 (0.10 epochs)" in panel.texts["status"]
        assert panel.pictures["scores"].png != before
        logits = predict_logits(panel._playground.data.images_test[17:18], panel._trainer.current.run)[0]
        assert "test image 17" in panel.pictures["scores"].alt
        assert f"plane {logits[0]:+.1f}".replace("-", "−") in panel.pictures["scores"].alt

    def test_runs_are_shown_named_used_and_removed(self, trained, panel, compare):
        for _ in range(12):
            panel._trainer.keep(replace(trained.trials[0], title="", guess=""))
        compare.on_runs()
        assert [number for number in range(1, 13) if compare.value(f"show:{number}")] == [*range(3, 13)]
        assert "Hidden now: Run 1, Run 2" in compare.texts["said"]
        ask(compare, "show:1", True)
        assert not compare.value("show:3")
        before = compare.pictures["accuracy"].png
        ask(compare, "show:12", False)
        assert compare.pictures["accuracy"].png != before
        assert not compare.texts["said"], "what was said of the tick before is gone"
        ask(compare, "title:12", " <b>mine</b>\n" + "x" * 99)
        assert len(panel._trainer.trial(12).title) == 30
        assert "&lt;b&gt;mine" in compare.html["table"]
        assert "<b>mine" not in compare.html["table"] + compare.html["one"]
        ask(panel, "learning_rate", "0.01")
        ask(compare, "again:12")
        assert panel.value("learning_rate") == 0.3
        slow_run(panel._trainer)  # it is the thirteenth
        for number, said in ((12, ""), (13, "Run 13 is under way"), (12, "There is no run 12")):
            ask(compare, f"remove:{number}")
            assert compare.texts["said"].startswith(said)
        assert "mine" not in compare.html["table"]

    def test_templates_of_two_runs_and_their_difference(self, trained, panel, compare):
        for place, trial in enumerate([trained.trials[0], trained.trials[0], trained.trials[1]]):
            assert compare.hidden["templates"] == (place < 2)
            panel._trainer.keep(replace(trial, title=""))
            compare.on_runs()
        ask(compare, "other", "2")
        same = pixels(compare.pictures["difference"].png)[30:-35, 12:-12]
        assert (np.ptp(same, axis=2) == 0).all(), "equal runs differ by nothing: all is grey"
        ask(compare, "other", "3")
        first, other = (panel._trainer.trial(number).run.weights for number in (1, 3))
        scale = max(usual_scale(first), usual_scale(other))
        assert compare.pictures["difference"] == Templates().draw(first - other, scale, "Run 1 less Run 3")

    def test_a_file_name_leads_nowhere_else(self, panel, compare, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        before = panel.texts["status"]
        for name in ("", " ", "../x", "/x", "a/b", "a\\b", ".x", "..", ".csv"):
            ask(compare, "file", name)
            ask(compare, "save_table")
            assert "no name for a file beside this notebook" in compare.texts["said"]
            assert not list(tmp_path.iterdir())
            assert panel.texts["status"] == before
        ask(compare, "file", "mine")
        assert not compare.texts["said"]
        ask(compare, "save_table")
        assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]

    def test_sliders_at_every_extreme_break_nothing(self, panel):
        ends = {"learning_rate": (1e-7, 10.0), "weight_decay": (0, 1), "batch_size": (1, 400)}
        for name, end in ((name, end) for name, both in ends.items() for end in both):
            ask(panel, "line", f"steps=2, batch_size=20, images=400, {name}={end}")
            self.train(panel)
            assert not panel._trainer.problem
        assert [trial.step for trial in panel._trainer.trials] == [2] * 6

    def test_what_cannot_be_looked_into_gets_a_sentence(self, trained):
        for index in ("0", 10_000, -1, 1.5):
            with pytest.raises(ArgumentError, match="index"):
                trained.look_inside(index)
        with pytest.raises(ArgumentError, match="Train one first"):
            PredictionPanel(Playground())

    def test_a_prediction_follows_image_and_changes(self, trained):
        panel = PredictionPanel(trained)
        first = panel.pictures
        ask(panel, "patch", "16")
        assert panel.pictures["bars"].png != first["bars"].png
        ask(panel, "drawn", [[20, 20], [21, 20]])
        assert panel._covered.sum() == 12
        ask(panel, "undo")
        assert panel.pictures == first
        ask(panel, "right", "17")
        assert "17" in panel.texts["said"]
        assert panel.value("right") == 0

    def test_a_mistake_is_one(self, trained):
        panel = PredictionPanel(trained)
        ask(panel, "class", "ship")
        for name, value in (("right", "9"), ("colours", "inverted"), ("drawn", [[5, 5]])):
            ask(panel, name, value)
        for _ in range(2):
            ask(panel, "mistake")
            assert trained.data.labels_test[panel._index] == 8
            assert predict_logits(trained.data.images_test[[panel._index]], panel._trial().run).argmax() != 8
            assert "The label says ship" in panel.texts["answer"]

    def test_after_a_refused_file_no_old_verdict_stays(self, trained, photo):
        panel = PredictionPanel(trained)
        before = panel.pictures["image"].png
        for name, content in (("<letter>.txt", b"no picture"), ("huge.tif", None)):
            panel._on_message(None, {"file": name, "bytes": 2e8, "shrunk": None}, [content] if content else [])
            assert name in panel.texts["said"]
            assert panel.hidden["result"]
            ask(panel, "index", "3")
            assert not panel.hidden["result"]
        panel._on_message(None, {"file": "photo.png", "bytes": 3e6, "shrunk": [4_000, 3_000]}, [encoded(photo)])
        assert "4,000 × 3,000" in panel.texts["said"]
        assert panel.pictures["image"].png != before
        assert not panel.hidden["result"]
        assert not panel.hidden["steps"]

    def test_a_run_that_is_removed_is_asked_no_more(self, trained, playground):
        for _ in range(2):
            playground.trainer.keep(trained.trials[0])
        panel = PredictionPanel(playground)
        playground.follow(panel)
        ask(panel, "trial", "1")
        playground.trainer.remove(1)
        assert panel.texts["answer"].startswith("Run 2")


@pytest.mark.parametrize("apart", [False, True])
def test_no_number_beside_a_bar_is_cut(apart):
    scores = Scores(apart)
    scores.draw(np.zeros(3072, np.uint8), np.array([0.0] * 9 + [12_345.6 if apart else 99.9]), "a truck", 9)
    *_, longest = scores._numbers
    assert longest.get_window_extent().x1 <= longest.figure.bbox.x1
