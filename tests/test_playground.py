"""The playground without a browser: runs that stop and go on, tables, files, pictures of any kind, panels."""

import csv
import io
import re
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from helpers import evaluate, predict_logits, to_image, train
from helpers.errors import ArgumentError
from helpers.playground import PRESETS, Playground, Settings, change_image, explain, read_picture
from helpers.playground.panels import ComparePanel, PredictionPanel, TrainPanel
from helpers.playground.pictures import draw_comparison, draw_run, draw_templates
from helpers.playground.prediction import PictureError
from helpers.playground.trials import html_table, status, table_rows
from helpers.plots.figure import CLASS_COLOURS

SHORT = Settings(batch_size=20, steps=60, images=400)


@pytest.fixture
def playground():
    playground = Playground(**asdict(SHORT))
    playground.validation = playground.validation[:500]  # a tenth: five seconds less a run
    yield playground
    playground.stop()


@pytest.fixture(scope="module")
def trained():
    """Return a playground with two short runs; tests add none and change none."""
    playground = Playground(**asdict(SHORT))
    playground.run(guess="about 20%")
    playground.run(replace(SHORT, learning_rate=0.005, divide_by=1.0, schedule="constant"))
    return playground


def until(condition):
    """Wait for a condition, and return whether it came true."""
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def near(picture, colour):
    """Return where a picture has about this colour, "#rrggbb"."""
    rgb = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    pixels = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"), int)
    return np.abs(pixels - rgb).max(axis=2) < 40


class TestTraining:
    def test_a_run_in_slices_paused_and_gone_on_with_is_the_run_of_notebook_6_on_a_smaller_set(self, playground, data):
        assert len(Playground().validation) == 5_000
        with pytest.raises(ArgumentError, match="no run"):
            playground.go_on(0.1, 100)
        rows = np.random.default_rng(3).permutation(playground.training)[:400]
        assert not set(rows) & set(playground.validation)
        run = train(
            data.images_train, data.labels_train, indices=rows, validation=playground.validation, validate_every=3,
            steps=60, batch_size=20, seed=3, progress=False,
        )  # fmt: skip
        playground.start(replace(SHORT, seed=3), "", "", most=17)
        playground.wait()
        assert (playground.current.step, playground.current.done) == (17, False)
        trial = playground.go_on(SHORT.learning_rate, SHORT.steps)
        for name, value in asdict(run).items():
            np.testing.assert_array_equal(getattr(trial.run, name), value, err_msg=name)
        with pytest.raises(ArgumentError, match="has done 60 steps"):
            playground.go_on(0.1, 60)
        later = playground.go_on(0.1, 61)
        assert (later.number, later.rates, later.done) == (1, ((0, 0.3), (60, 0.1)), True)

    def test_starts_from_many_threads_start_one_run_and_a_new_playground_ends_it(self, playground):
        playground.pace = 20
        with ThreadPoolExecutor(10) as pool:
            starts = [pool.submit(playground.start, replace(SHORT, steps=5_000), "", "") for _ in range(10)]
        refused = [str(start.exception()) for start in starts if start.exception()]
        assert refused == ["A run is under way. Press Stop, or wait for its end."] * 9
        assert until(lambda: playground.current.step > 0)
        for change in (lambda: playground.remove(1), lambda: playground.run(SHORT)):
            with pytest.raises(ArgumentError, match="under way"):
                change()
        Playground()
        assert not playground.running
        playground.run()
        assert [*playground.trials] == [1, 2]

    @pytest.mark.skipif(sys.platform == "win32", reason="there an interrupt can't be sent to one thread")
    def test_an_interrupt_returns_when_the_run_has_stopped(self, playground):
        playground.pace = 20
        playground.start(replace(SHORT, steps=100_000), "", "")
        assert until(lambda: playground.current.step > 0)
        main = threading.main_thread().ident
        threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
        playground.wait()
        assert not playground.running
        assert 0 < playground.current.step < 100_000

    def test_a_run_that_overflows_stops_and_says_so(self, playground):
        trial = playground.run("learning_rate=3e38, divide_by=1, steps=500, schedule=constant, images=400")
        assert trial.overflowed
        assert trial.step < 500
        assert (trial.outcome, "Go on" in status(trial)) == ("diverges", False)
        with pytest.raises(ArgumentError, match="overflowed"):
            playground.go_on(0.1, 1_000)
        with pytest.raises(ArgumentError, match="Train one first"):
            playground.look_inside()
        assert len(draw_run(trial)) == 2
        assert draw_templates(trial.run.weights)

    def test_an_error_in_the_thread_becomes_a_sentence(self, playground, monkeypatch):
        monkeypatch.setattr("helpers.playground.train", None)
        with pytest.raises(ArgumentError, match=re.escape("broke off (TypeError: ")):
            playground.run()
        monkeypatch.undo()
        assert playground.run().done


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("learning_rate", " 1e-3 ", 0.001), ("learning_rate", "0,005", 0.005), ("batch_size", "45,000", 45_000),
        ("batch_size", "45.000", 45_000), ("steps", "100 000", 100_000), ("steps", "1e3", 1_000), ("images", 500, 500),
        ("schedule", "linear", "linear"), ("learning_rate", "fast", None), ("learning_rate", "", None),
        ("batch_size", "2,5", None), ("images", "45,001", None), ("images", 0, None), ("weight_decay", "nan", None),
        ("schedule", "steep", None), ("seed", -1, None), ("rate", 3, None),
    ],
)  # fmt: skip
def test_what_is_written_is_read_as_it_is_meant_or_gets_a_sentence(name, written, value):
    if value is None:
        with pytest.raises(ArgumentError, match=name):
            SHORT.changed(**{name: written})
    else:
        read = getattr(SHORT.changed(**{name: written}), name)
        assert (read, type(read)) == (value, type(value))


def test_a_line_of_text_and_the_cell_for_notebook_6_hold_all_settings():
    settings = Settings(seed=3, learning_rate=1e-7, schedule="constant", batch_size=7, divide_by=128.0, images=99)
    assert Settings.parse(str(settings)) == settings
    parsed = Settings.parse("learning_rate = 0,1; steps=2,000 schedule='constant'")
    assert parsed == Settings(learning_rate=0.1, steps=2_000, schedule="constant")
    with pytest.raises(ArgumentError, match="hello"):
        Settings.parse("hello")
    cell, found = settings.parameters_cell(), {}
    exec(cell, found)
    for name in ("seed", "learning_rate", "batch_size", "steps", "weight_decay"):
        assert found[name] == getattr(settings, name)


class TestPlayground:
    def test_presets_and_lines_can_be_run_and_what_is_known_becomes_the_newest_again(self, playground, monkeypatch):
        monkeypatch.setitem(PRESETS, "too slow", replace(SHORT, images=20))
        playground.pace = 0.1  # which holds for a run that is watched
        named, other = playground.run("too slow"), playground.run("steps=3, learning_rate=0,1")
        assert (named.title, other.settings) == ("too slow", Settings(steps=3, learning_rate=0.1))
        first = playground.run()
        assert playground.run("too slow") is named
        assert [*playground.trials.values()] == [other, first, named]
        assert playground.run(first.settings) is first
        assert playground.go_on(0.1, 70).number == first.number
        assert playground.run(replace(first.settings, steps=70)).number == 4, "a run whose rate was turned is another"
        assert re.search(r"Run 2 +learning rate 0\.1, steps 3 .*\nRun 1 +too slow ", playground.table())
        for wrong, word in ((("just wrong",), "just wrong"), ((SHORT, "31"), "about 30%")):
            with pytest.raises(ArgumentError, match=word):
                playground.run(*wrong)

    def test_the_best_is_marked_and_the_truth_stands_beside_the_guess(self, trained):
        images, labels, rows = trained.data.images_train, trained.data.labels_train, trained.validation
        reached = [evaluate(images, labels, trial.run, rows)[1] for trial in trained.trained]
        assert trained.best is trained.trained[int(np.argmax(reached))]
        rows = table_rows(trained.trained)
        assert [row["run"] for row in rows if "★" in row["validation"]] == [trained.best.name]
        guessed, diverging = trained.trained
        assert f"the truth is “{guessed.outcome}”" in status(replace(guessed, guess="diverges"))
        assert diverging.outcome == "diverges"
        assert abs(int(guessed.outcome.split()[1].rstrip("%")) / 100 - guessed.validation_accuracy) < 0.05

    def test_a_saved_table_holds_settings_and_results(self, trained, tmp_path):
        path = trained.save_table(tmp_path / "runs.csv")
        assert [file.name for file in tmp_path.iterdir()] == ["runs.csv"]
        for trial, row in zip(trained.trained, csv.DictReader(path.open()), strict=True):
            assert Settings().changed(**{name: row[name] for name in asdict(SHORT)}) == trial.settings
            assert float(row["validation_accuracy"]) == trial.validation_accuracy
            assert (row["number"], row["guess"], row["outcome"]) == (str(trial.number), trial.guess, trial.outcome)

    def test_no_two_runs_that_are_shown_look_the_same_and_none_hides_another(self, trained):
        trial, written = trained.trained[0], r"$\frac$ of mine"
        stopped = replace(trial, title=written, settings=replace(trial.settings, steps=20_000))
        assert draw_templates(trial.run.weights, title=stopped.label).png
        for picture in draw_comparison([replace(stopped, number=number) for number in (1, 11, 21)]):
            assert picture.points[-1][0] > 0.9, "what was not done takes no place"
            assert written in picture.points[-1][2]
            for colour in CLASS_COLOURS[:3]:
                assert near(picture, colour)[80:].sum() > 20, "below the legend"

    def test_a_value_can_be_read_off_each_curve(self, trained):
        trial = trained.trained[0]
        accuracy, loss = draw_run(trial)
        assert accuracy.points[-1][2] == f"validation, step 60: {trial.validation_accuracy:.1%}"
        nats = f"validation, step 60: {trial.run.validation_loss[-1]:.3f} nats"
        reached = [f"ends at {trial.validation_accuracy:.1%}", f"ends at {trial.run.validation_loss[-1]:.2f}"]
        for picture, words in zip(draw_comparison([trial]), reached, strict=True):
            assert words in picture.alt
        assert nats in [words for _, _, words in loss.points]
        orange = near(accuracy, "#E69F00")
        for x, y, words in accuracy.points:
            row, column = round(y * orange.shape[0]), round(x * orange.shape[1])
            if words.startswith("validation"):
                assert orange[row - 3 : row + 4, column - 3 : column + 4].any(), words


class TestPrediction:
    def test_contributions_and_bias_are_the_score_and_a_patch_takes_its_own_away(self, trained, data):
        run, row = trained.trained[0].run, data.images_test[7]
        found, logits = explain(run, row), predict_logits(data.images_test[7:8], run)[0]
        np.testing.assert_allclose(found["contributions"].sum(axis=(1, 2)) + run.biases, logits, atol=1e-4)
        assert found["winner"] == logits.argmax()
        np.testing.assert_allclose(found["probabilities"], np.exp(logits) / np.exp(logits).sum(), rtol=1e-4)
        after = explain(run, change_image(row, run.mean, patch=8, patch_left=4, patch_top=10))["contributions"]
        np.testing.assert_allclose(after[:, 10:18, 4:12], 0, atol=0.05)
        after[:, 10:18, 4:12] = found["contributions"][:, 10:18, 4:12]
        np.testing.assert_array_equal(found["contributions"], after)

    def test_changes_do_what_they_say(self, data):
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


class TestOwnPicture:
    def test_the_middle_is_cut_out_and_a_picture_of_the_right_size_is_taken_as_it_is(self, data, tmp_path):
        photo = Image.fromarray(to_image(data.images_test[0]))
        wide = Image.new("RGB", (96, 32), "white")
        wide.paste(photo, (32, 0))
        (tmp_path / "photo.png").write_bytes(encoded(photo))
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        sideways = encoded(photo.transpose(Image.Transpose.ROTATE_90), exif=exif)
        animated = encoded(photo, save_all=True, append_images=[Image.new("RGB", (32, 32))])
        sources = tmp_path / "photo.png", encoded(wide), sideways, animated
        for source, word in zip(sources, ("32 × 32", "in the middle", "upright", "first frame"), strict=True):
            row, pictures, done = read_picture(source)
            assert np.array_equal(row, data.images_test[0])
            assert len(pictures) == 3
            assert word in done
        with pytest.raises(PictureError, match="No such file"):
            read_picture(tmp_path / "none.png")

    @pytest.mark.parametrize(
        ("content", "first"),
        [
            (encoded(Image.new("RGBA", (40, 40), (255, 0, 0, 0))), 255),
            (encoded(Image.new("CMYK", (50, 50), (0, 255, 255, 0)), "JPEG"), 254),
            (encoded(Image.fromarray(np.full((40, 40), 32_768, np.uint16))), 127),
            (encoded(Image.new("L", (1, 7), 9), "GIF"), 9),
            (b"%!PS-Adobe-3.0", "PNG"),
            (encoded(Image.new("1", (8_000, 8_000)))[:200], "50 million pixels"),  # refused before it is decoded
        ],
        ids=["transparent", "CMYK", "16 bits", "thin", "PS", "pixels"],
    )
    def test_every_kind_of_pixels_is_read_and_what_is_no_picture_gets_a_sentence(self, content, first):
        if isinstance(first, int):
            assert abs(int(read_picture(content)[0][0]) - first) <= 1
        else:
            with pytest.raises(PictureError, match=f"letter.txt .*({first})"):
                read_picture(content, "letter.txt")


def ask(panel, name, value=True):
    """Use a control of a panel as the browser does."""
    others = {other: asked for other, asked in panel.asked.items() if other != name}
    panel.asked = others | {name: [value, panel.asked.get(name, (0, 0))[1] + 1]}


class TestPanels:
    """The panels as Python objects; tests/test_browser_panels.py uses them with mouse and keyboard."""

    @pytest.fixture
    def panel(self, playground):
        panel = TrainPanel(playground)
        ask(panel, "speed", "full speed")
        return panel

    @pytest.fixture
    def compare(self, playground, panel):
        return ComparePanel(playground, panel.use)

    def click(self, panel, name):
        ask(panel, name)
        panel._playground.wait()

    def test_a_value_that_makes_no_sense_is_told_and_the_old_one_stays(self, panel, playground):
        ask(panel, "watched", "10000")
        assert panel.texts["said"] == "test image = 10000 makes no sense. Give a whole number, 0 to 9,999."
        assert panel.values["watched"] == [0, 1], "the answer says which question it is to"
        ask(panel, "batch_size", "45,000")
        self.click(panel, "start")
        assert "batch_size = 45000 is too large for 400 images" in panel.texts["said"]
        assert not playground.trials
        ask(panel, "line", "steps=5, divide_by=100")
        assert (panel.value("steps"), panel.value("divide_by")) == (5, 100.0)
        assert Settings.parse(panel.value("line")) == Settings(steps=5, divide_by=100.0)
        ask(panel, "preset", "smooth templates")
        assert (panel.value("weight_decay"), panel.value("images")) == (0.03, 45_000)
        ask(panel, "weight_decay", "0.1")
        assert panel.value("preset") not in PRESETS

    def test_guesses_are_counted_and_each_run_has_its_own(self, panel, playground):
        ask(panel, "steps", "5")
        ask(panel, "guess", "diverges")
        self.click(panel, "start")
        ask(panel, "guess", playground.current.outcome)
        self.click(panel, "start")
        self.click(panel, "start")
        assert [trial.guessed_right for trial in playground.trained] == [False, True, None]
        assert "1 of 2 right" in panel.texts["status"]
        table = html_table(playground.trained)
        assert (table.count("✓"), table.count("✗")) == (1, 1)

    def test_one_step_and_the_step_after_and_the_chosen_images_scores_and_reset(self, panel, playground):
        ask(panel, "watched", "17")
        before = panel.pictures["scores"].png
        panel.asked = {**panel.asked, "steps": ["70", 1], "one_step": [True, 1]}
        playground.wait()
        assert playground.current.settings.steps == 70, "what was typed counts before what was pressed"
        self.click(panel, "one_step")
        assert [trial.step for trial in playground.trained] == [2]
        assert "step 2 of 70 (0.10 epochs)" in panel.texts["status"]
        assert panel.pictures["scores"].png != before
        logits = predict_logits(playground.data.images_test[17:18], playground.current.run)[0]
        assert "test image 17" in panel.pictures["scores"].alt
        assert f"plane {logits[0]:+.1f}".replace("-", "−") in panel.pictures["scores"].alt
        ask(panel, "learning_rate", "0.2")
        ask(panel, "reset")
        assert (panel.value("learning_rate"), panel.value("steps")) == (0.3, 60)

    def test_runs_are_shown_named_used_and_removed(self, trained, panel, compare, playground):
        playground.trials = {n: replace(trained.trained[0], number=n, title="", guess="") for n in range(1, 13)}
        compare.on_runs()
        assert "newest 10 of 12 runs" in compare.texts["more"]
        for number in (12, 11):
            ask(compare, f"show:{number}", False)
        assert not compare.texts["more"]
        assert [number for number in range(1, 13) if compare.value(f"show:{number}")] == [*range(1, 11)]
        ask(compare, "title:12", " <b>mine</b>\n" + "x" * 99)
        assert len(playground.trials[12].title) == 30
        assert "<b>mine" not in compare.html["table"] + compare.html["one"]
        ask(panel, "learning_rate", "0.01")
        ask(compare, "again:12")
        assert panel.value("learning_rate") == 0.3

    def test_a_file_name_leads_nowhere_else(self, compare, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("", " ", "../x", "/x", "a/b", "a\\b", ".x", "..", ".csv", "mine"):
            ask(compare, "file", name)
            ask(compare, "save_table")
            assert ("no name for a file beside this notebook" in compare.texts["said"]) == (name != "mine")
            assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"] * (name == "mine")

    def test_templates_of_two_runs_stand_side_by_side_on_one_scale(self, trained, compare, playground):
        for number, trial in enumerate([trained.trained[0], trained.trained[1]], 1):
            playground.trials |= {number: replace(trial, number=number, title="")}
            compare.on_runs()
            assert compare.hidden["templates"] == (number < 2)
        scale = max(np.percentile(np.abs(trial.run.weights), 99.5) for trial in trained.trained)
        ask(compare, "one", "2")
        ask(compare, "other", "1")
        for name, number in (("one", 2), ("other", 1)):
            weights = playground.trials[number].run.weights
            assert compare.pictures[name] == draw_templates(weights, scale, f"Run {number}")

    def test_a_prediction_follows_image_and_changes_and_a_mistake_is_one(self, trained, playground):
        with pytest.raises(ArgumentError, match="index = 10000"):
            trained.look_inside(10_000)
        playground.trials = {number: replace(trained.trained[0], number=number, title="") for number in (1, 2)}
        panel = PredictionPanel(playground)
        ask(panel, "trial", "1")
        playground.remove(1)
        assert panel.texts["answer"].startswith("Run 2"), "a run that is removed is asked no more"
        first = panel.pictures
        for name, value in (("patch", "16"), ("right", "9"), ("colours", "inverted"), ("drawn", [[5, 5]])):
            ask(panel, name, value)
        assert panel.pictures["bars"].png != first["bars"].png
        ask(panel, "class", "ship")
        for _ in range(2):
            ask(panel, "mistake")
            assert trained.data.labels_test[panel._chosen] == 8
            assert predict_logits(trained.data.images_test[[panel._chosen]], panel._trial.run).argmax() != 8
            assert "The label says ship" in panel.texts["answer"]
