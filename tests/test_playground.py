"""The playground without a browser: runs that stop and go on, presets, tables, files, pictures of any kind, panels."""

import csv
import io
import threading
import time
from dataclasses import asdict, replace

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from helpers import evaluate, predict_logits, scale_pixels, to_image, train
from helpers.errors import ArgumentError
from helpers.playground import PRESETS, Playground, Settings, change_image, explain, read_picture, results
from helpers.playground import widgets as shared
from helpers.playground.own_picture import PictureError
from helpers.playground.pictures import Comparison, Curves, Templates
from helpers.playground.prediction_panel import PredictionPanel
from helpers.playground.training import Trainer, Trial
from helpers.playground.training_panel import TrainingPanel
from helpers.plots.figure import CLASS_COLOURS

SHORT = Settings(batch_size=20, steps=60, images=400)


@pytest.fixture
def trainer(data):
    trainer = Trainer(data)
    yield trainer
    trainer.stop()
    trainer.wait()


@pytest.fixture(scope="module")
def trained():
    """Return a playground with two short runs; tests may add runs, but change none."""
    playground = Playground()
    playground.run(SHORT, guess="about 20%")
    playground.run(replace(SHORT, learning_rate=0.005, divide_by=1.0, schedule="constant"))
    return playground


def until(condition, seconds=30):
    """Wait for a condition, at the most so long, and return whether it came true."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def slow_run(trainer, settings=SHORT):
    """Start a run that takes minutes, and return once it has taken its first steps."""
    trainer.pace = 20
    assert trainer.start(replace(settings, steps=5_000))
    assert until(lambda: trainer.current.step > 0)


class TestTraining:
    def test_a_run_in_slices_is_the_run_of_notebook_5(self, trainer, data):
        assert trainer.start(Settings(steps=100))
        trainer.wait()
        run = train(
            data.images_train, data.labels_train, indices=trainer.training, validation=trainer.validation,
            validate_every=5, steps=100, progress=False,
        )  # fmt: skip
        for name, value in asdict(run).items():
            np.testing.assert_array_equal(getattr(trainer.current.run, name), value, err_msg=name)
        assert trainer.current.done
        assert not trainer.problem

    def test_a_smaller_set_is_the_one_of_notebook_5(self, trainer):
        rows = trainer.learned_from(replace(SHORT, seed=3))
        assert np.array_equal(rows, np.random.default_rng(3).permutation(trainer.training)[:400])
        assert not set(rows) & set(trainer.validation)

    @pytest.mark.parametrize("schedule", ["constant", "linear"])
    def test_stop_keeps_and_go_on_continues_bit_for_bit(self, trainer, schedule):
        settings = replace(SHORT, schedule=schedule)
        trainer.start(settings)
        trainer.wait()
        whole = trainer.current.run
        trainer.pace = 60
        trainer.start(settings)
        assert until(lambda: trainer.current.step > 5)
        trainer.stop()
        trainer.wait()
        stopped = trainer.current
        assert 5 < stopped.step < 60
        trainer.pace = np.inf
        assert trainer.go_on(settings.learning_rate, settings.steps)
        trainer.wait()
        np.testing.assert_array_equal(trainer.current.run.weights, whole.weights)
        np.testing.assert_array_equal(trainer.current.run.validation_loss, whole.validation_loss)
        assert trainer.current.number == stopped.number == 2

    def test_ten_starts_start_one_run(self, trainer):
        slow_run(trainer)
        assert not any(trainer.start(SHORT) for _ in range(10))
        assert len(trainer.trials) == 1
        assert sum(thread.name == "playground" for thread in threading.enumerate()) == 1

    def test_starts_from_many_threads_start_one_run(self, trainer):
        trainer.pace, started = 20, []
        settings = replace(SHORT, steps=5_000)
        threads = [threading.Thread(target=lambda: started.append(trainer.start(settings))) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(started) == [False] * 9 + [True]

    def test_start_right_after_stop_begins_the_next_run(self, trainer):
        slow_run(trainer)
        trainer.stop()
        assert trainer.start(SHORT)
        assert [trial.number for trial in trainer.trials] == [1, 2]
        assert trainer.trials[0].step > 0

    def test_the_rate_turns_while_the_run_is_under_way(self, trainer):
        slow_run(trainer, replace(SHORT, schedule="constant"))
        trainer.turn(0.01)
        assert until(lambda: len(trainer.current.rates) == 2)
        (zero, first), (step, second) = trainer.current.rates
        assert (zero, first, second) == (0, 0.3, 0.01)
        assert step > 0

    def test_a_run_that_overflows_stops_and_says_so(self, trainer):
        trainer.start(Settings(learning_rate=3e38, divide_by=1.0, steps=500, schedule="constant"))
        trainer.wait()
        assert trainer.current.overflowed
        assert trainer.current.step < 500
        assert "diverges" in results.status(trainer.current, False)
        with pytest.raises(ArgumentError, match="overflowed"):
            trainer.go_on(0.1, 1_000)
        assert Curves().draw(trainer.current)
        assert Templates().draw(trainer.current)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("learning_rate", 0.0), ("batch_size", 500), ("steps", 0), ("weight_decay", -1.0), ("images", 45_001)],
    )
    def test_senseless_settings_start_nothing_and_lose_nothing(self, trainer, field, value):
        trainer.start(SHORT)
        trainer.wait()
        with pytest.raises(ArgumentError, match=field):
            trainer.start(replace(SHORT, **{field: value}))
        assert len(trainer.trials) == 1
        assert not trainer.running

    def test_going_on_needs_a_run_and_more_steps(self, trainer):
        with pytest.raises(ArgumentError, match="no run"):
            trainer.go_on(0.1, 100)
        trainer.start(SHORT)
        trainer.wait()
        with pytest.raises(ArgumentError, match="has done 60 steps"):
            trainer.go_on(0.1, 60)
        assert trainer.go_on(0.1, 70)
        trainer.wait()
        assert trainer.current.step == 70

    def test_an_error_in_the_thread_becomes_a_sentence(self, trainer, monkeypatch):
        def broken(*_, **__):
            raise MemoryError("none left")

        monkeypatch.setattr("helpers.playground.training.train", broken)
        trainer.start(SHORT)
        trainer.wait()
        assert "broke off (MemoryError: none left)" in trainer.problem
        monkeypatch.undo()
        assert trainer.start(SHORT)

    def test_a_new_playground_ends_the_run_of_the_one_before(self, trained):
        earlier = Playground()
        slow_run(earlier.trainer)
        Playground()
        assert not earlier.trainer.running
        assert earlier.trials[0].step > 0


class TestPlayground:
    def test_all_presets_are_settings_that_can_be_trained(self, trainer):
        for settings in PRESETS.values():
            assert trainer.start(replace(settings, steps=5))
            trainer.wait()
            assert trainer.current.done

    def test_unknown_presets_and_guesses_get_a_sentence(self, trained):
        with pytest.raises(ArgumentError, match="just right"):
            trained.run("just wrong")
        with pytest.raises(ArgumentError, match="about 30%"):
            trained.run(SHORT, guess="31")

    def test_the_best_is_chosen_on_the_validation_set(self, trained):
        reached = [
            evaluate(trained.data.images_train, trained.data.labels_train, trial.run, trained.trainer.validation)[1]
            for trial in trained.trials
        ]
        assert trained.best is trained.trials[int(np.argmax(reached))]
        rows = results.table_rows(trained.trials)
        assert [row["run"] for row in rows if "best" in row["validation"]] == [trained.best.name]

    def test_the_truth_stands_beside_the_guess(self, trained):
        guessed = trained.trials[0]
        assert results.verdict(replace(guessed, guess=guessed.outcome)).endswith("right.")
        assert f"the truth is “{guessed.outcome}”" in results.verdict(replace(guessed, guess="diverges"))
        assert results.verdict(replace(guessed, guess="")) == ""
        assert trained.trials[1].outcome == "diverges"

    def test_the_table_survives_as_csv(self, trained, tmp_path):
        path = trained.save_table(tmp_path / "runs.csv")
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(trained.trials)
        assert float(rows[0]["learning_rate"]) == 0.3
        assert float(rows[0]["validation_accuracy"]) == pytest.approx(trained.trials[0].validation_accuracy, abs=1e-6)
        assert rows[1]["diverged"] == "True"
        assert [file.name for file in tmp_path.iterdir()] == ["runs.csv"]

    def test_the_picture_is_a_png(self, trained, tmp_path):
        with Image.open(trained.save_picture(tmp_path / "runs.png")) as picture:
            assert picture.format == "PNG"
            assert np.asarray(picture).std() > 10

    def test_equal_runs_do_not_hide_each_other(self, trained):
        first = trained.run(replace(SHORT, steps=600))
        for picture in Comparison().draw([replace(first, number=number) for number in (1, 2, 3)]):
            pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), int)[90:]  # below the legend
            for colour in CLASS_COLOURS[:3]:
                rgb = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
                assert (np.abs(pixels - rgb).max(axis=2) < 40).sum() > 20

    @pytest.mark.parametrize("name", ["nowhere/runs", "", "a\0b", "x" * 300])
    def test_a_bad_place_gets_a_sentence_and_leaves_no_file(self, trained, tmp_path, name):
        with pytest.raises(ArgumentError):
            trained.save_table(f"{tmp_path}/{name}" if name else "")
        assert not list(tmp_path.iterdir())

    def test_what_was_saved_before_survives_a_failure(self, trained, tmp_path, monkeypatch):
        path = trained.save_table(tmp_path / "runs.csv")
        before = path.read_bytes()

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(results.os, "replace", full)
        with pytest.raises(ArgumentError, match="No space left"):
            trained.save_table(path)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == ["runs.csv"]

    def test_the_cell_for_notebook_5_runs_and_says_what_it_cannot(self):
        settings = Settings(seed=4, learning_rate=0.05, batch_size=20, steps=1_500, weight_decay=0.01)
        found = {}
        exec(results.parameters_cell(Trial(1, settings)), found)
        names = ("seed", "learning_rate", "batch_size", "steps", "weight_decay")
        assert {name: found[name] for name in names} == {name: getattr(settings, name) for name in names}
        cell = results.parameters_cell(Trial(1, replace(PRESETS["overfitting on 500 images"], divide_by=1.0)))
        assert "500 images" in cell
        assert "divide_by=1.0" in cell
        assert "constant" in cell


class TestPrediction:
    def test_contributions_and_bias_are_the_score(self, trained, data):
        run, row = trained.trials[0].run, data.images_test[7]
        found = explain(run, row, int(data.labels_test[7]))
        logits = predict_logits(data.images_test[7:8], run)[0]
        np.testing.assert_allclose(found["contributions"].sum(axis=(1, 2)) + run.biases, logits, atol=1e-4)
        assert found["probabilities"].sum() == pytest.approx(1)
        assert found["winner"] == logits.argmax()
        pixels = scale_pixels(data.images_test[7:8], run.mean)[0]
        at = 3, 5, 9  # class, row, column
        by_hand = sum(run.weights[c * 1024 + 5 * 32 + 9, 3] * pixels[c * 1024 + 5 * 32 + 9] for c in range(3))
        assert found["contributions"][at] == pytest.approx(by_hand, abs=1e-6)

    def test_a_covered_patch_takes_its_contributions_away(self, trained, data):
        run, row = trained.trials[0].run, data.images_test[0]
        covered = change_image(row, run.mean, patch=8, patch_left=4, patch_top=10)
        before, after = (explain(run, image)["contributions"] for image in (row, covered))
        np.testing.assert_allclose(after[:, 10:18, 4:12], 0, atol=0.05)
        after[:, 10:18, 4:12] = before[:, 10:18, 4:12]
        np.testing.assert_array_equal(before, after)

    def test_changes_do_what_they_say(self, data):
        row, mean = data.images_test[0], np.zeros(3072)
        picture = to_image(row)
        assert np.array_equal(change_image(row, mean), row)
        assert np.array_equal(to_image(change_image(row, mean, mirrored=True)), picture[:, ::-1])
        assert np.array_equal(to_image(change_image(row, mean, right=3))[:, 3:], picture[:, :-3])
        assert np.array_equal(to_image(change_image(row, mean, down=-2))[:-2], picture[2:])
        assert np.array_equal(to_image(change_image(row, mean, colours="inverted")), 255 - picture)
        assert np.array_equal(to_image(change_image(row, mean, colours="red and blue swapped")), picture[:, :, ::-1])
        assert np.ptp(to_image(change_image(row, mean, colours="grey")), axis=2).max() == 0
        corner = change_image(row, mean, patch=32, patch_left=31, patch_top=31)
        assert (to_image(corner) != picture).any(axis=2).sum() <= 1


def encoded(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def photo(data):
    return Image.fromarray(to_image(data.images_test[0]))


class TestOwnPicture:
    def test_a_picture_of_the_right_size_is_taken_as_it_is(self, photo, data):
        row, pictures, done = read_picture(encoded(photo))
        assert np.array_equal(row, data.images_test[0])
        assert len(pictures) == 3
        assert "32 × 32" in done

    def test_the_middle_is_cut_out(self, photo, data):
        wide = Image.new("RGB", (96, 32), "white")
        wide.paste(photo, (32, 0))
        assert np.array_equal(read_picture(encoded(wide))[0], data.images_test[0])

    def test_a_file_is_read_as_its_content_is(self, photo, tmp_path):
        (tmp_path / "photo.png").write_bytes(encoded(photo))
        assert np.array_equal(read_picture(tmp_path / "photo.png")[0], read_picture(encoded(photo))[0])
        with pytest.raises(PictureError, match="No such file"):
            read_picture(tmp_path / "none.png")

    def test_a_sideways_photo_is_turned_upright(self, photo):
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        turned = photo.transpose(Image.Transpose.ROTATE_90)
        row, _, done = read_picture(encoded(turned, exif=exif))
        assert np.array_equal(row, read_picture(encoded(photo))[0])
        assert "upright" in done

    def test_transparency_becomes_white(self):
        row, _, done = read_picture(encoded(Image.new("RGBA", (40, 40), (255, 0, 0, 0))))
        assert (row == 255).all()
        assert "transparent" in done
        palette = Image.new("P", (40, 40), 0)
        assert (read_picture(encoded(palette, transparency=0))[0] == 255).all()

    def test_an_animation_gives_its_first_frame(self):
        frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
        row, _, done = read_picture(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        assert "first frame" in done
        assert to_image(row)[0, 0, 0] > 200

    def test_other_kinds_of_pixels(self):
        assert read_picture(encoded(Image.new("CMYK", (50, 50), (0, 255, 255, 0)), "JPEG"))[0][0] > 200
        deep = Image.fromarray(np.full((40, 40), 32_768, np.uint16))
        assert abs(int(read_picture(encoded(deep))[0][0]) - 127) <= 1
        assert (read_picture(encoded(Image.new("1", (40, 40), 1)))[0] == 255).all()
        assert (read_picture(encoded(Image.new("L", (1, 7), 9)))[0] == 9).all()

    @pytest.mark.parametrize("content", [b"", b"hello", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x89PNG\r\n\x1a\n"])
    def test_no_picture_gets_one_sentence(self, content):
        with pytest.raises(PictureError, match=r"PNG|damaged"):
            read_picture(content, "letter.txt")

    def test_a_broken_picture_gets_one_sentence(self, data):
        noisy = Image.fromarray(data.images_test[:64].reshape(256, 256, 3))
        for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP"):
            whole = encoded(noisy, kind)
            with pytest.raises(PictureError):
                read_picture(whole[: len(whole) // 3], "half." + kind.lower())

    def test_damaged_bytes_never_give_another_kind_of_error(self, data):
        rng = np.random.default_rng(0)
        noisy = Image.fromarray(data.images_test[:16].reshape(128, 128, 3))
        for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP"):
            whole = np.frombuffer(encoded(noisy, kind), np.uint8)
            for _ in range(40):
                broken = whole.copy()
                broken[rng.integers(len(whole), size=8)] = rng.integers(256, size=8)
                try:
                    row, _, _ = read_picture(broken.tobytes())
                except PictureError:
                    continue
                assert row.shape == (3072,)
                assert row.dtype == np.uint8

    def test_too_large_is_refused_before_it_is_decoded(self, tmp_path):
        bomb = encoded(Image.new("1", (20_000, 20_000)))
        assert len(bomb) < 100_000
        with pytest.raises(PictureError, match="pixels"):
            read_picture(bomb)
        with pytest.raises(PictureError, match="MB"):
            read_picture(bytes(11_000_000))


class TestPanels:
    """The panels as Python objects; tests/test_browser_playground.py uses them with mouse and keyboard."""

    @pytest.fixture
    def panel(self):
        playground = Playground(steps=60, batch_size=20, images=400)
        panel = TrainingPanel(playground)
        panel.show()
        yield panel
        playground.trainer.stop()
        playground.trainer.wait()

    def test_every_control_has_a_label(self, panel):
        def walk(widget):
            yield widget
            for child in getattr(widget, "children", ()):
                yield from walk(child)

        kinds = ipywidgets.Text, ipywidgets.BoundedIntText, ipywidgets.BoundedFloatText, ipywidgets.Dropdown
        named = [widget for widget in walk(panel.root) if isinstance(widget, (*kinds, ipywidgets.Button))]
        assert len(named) > 15
        assert all(widget.description for widget in named)

    def test_the_controls_begin_with_the_settings(self, panel):
        assert {name: field.value for name, field in panel.fields.items()} == asdict(
            Settings(steps=60, batch_size=20, images=400)
        )

    def test_a_browser_that_puts_the_slider_into_a_notch_changes_no_number(self):
        field, box = shared.number("Learning rate", 0.3, 1e-7, 10.0)
        slider = box.children[1]
        slider.value = 10**-0.5
        assert field.value == 0.3
        slider.value = 10**-0.4
        assert field.value == 0.4
        field.value = 0.05
        assert slider.value == pytest.approx(0.05)

    def test_the_left_end_of_the_weight_decay_is_zero(self):
        field, box = shared.number("Weight decay", 0.03, 1e-5, 1.0, zero=True)
        box.children[1].value = 1e-5
        assert field.value == 0

    def test_start_stop_go_on_and_reset(self, panel):
        trainer = panel._trainer
        panel.speed.value = "slow motion"
        for _ in range(10):
            panel.start.click()
        assert until(lambda: trainer.current and trainer.current.step > 0)
        assert panel.start.disabled
        assert not panel.stop.disabled
        panel.stop.click()
        trainer.wait()
        assert len(trainer.trials) == 1
        assert until(lambda: "Stopped" in panel.status.value)
        panel.speed.value = "full speed"
        panel.go_on.click()
        trainer.wait()
        assert until(lambda: "Done" in panel.status.value)
        panel.fields["learning_rate"].value = 1.0
        panel.reset.click()
        assert panel.fields["learning_rate"].value == 0.3
        assert "Ready" in panel.status.value
        assert len(trainer.trials) == 1

    def test_sliders_at_every_extreme_break_nothing(self, panel):
        panel.speed.value = "full speed"
        for end in ("min", "max"):
            for name in ("learning_rate", "weight_decay", "batch_size", "images"):
                panel.reset.click()
                panel.fields[name].value = getattr(panel.fields[name], end)
                before = len(panel._trainer.trials)
                panel.start.click()
                panel._trainer.wait()
                if len(panel._trainer.trials) == before:
                    assert "Choose" in panel.message.value or "Give" in panel.message.value
                assert not panel._trainer.problem
        assert all(trial.run is not None for trial in panel._trainer.trials)

    def test_presets_move_the_controls_and_a_move_leaves_the_preset(self, panel):
        panel.preset.value = "smooth templates"
        assert panel.fields["weight_decay"].value == 0.03
        assert panel.fields["images"].value == 45_000
        panel.fields["weight_decay"].value = 0.1
        assert panel.preset.value not in PRESETS

    def test_an_untrained_playground_cannot_be_looked_into(self):
        with pytest.raises(ArgumentError, match="Train one first"):
            PredictionPanel(Playground())

    def test_a_prediction_follows_image_changes_and_uploads(self, trained, photo):
        panel = PredictionPanel(trained)
        panel.show()
        first = panel.pictures[1].value
        panel.patch.value = 16
        assert panel.pictures[1].value != first
        panel.undo.click()
        assert panel.pictures[1].value == first
        panel.name.value = "ship"
        panel.mistake.click()
        index, trial = panel.index.value, panel._chosen()
        assert trained.data.labels_test[index] == 8
        assert predict_logits(trained.data.images_test[[index]], trial.run).argmax() != 8
        before = panel.pictures[0].value
        panel.open(b"no picture", "letter.txt")
        assert "letter.txt is no picture" in panel.said.value
        assert panel.pictures[0].value == before
        panel.open(encoded(photo), "photo.png")
        assert panel.pictures[0].value != before

    @pytest.mark.parametrize("shape", ["ipywidgets 7", "ipywidgets 8"])
    def test_an_upload_is_understood_in_either_shape(self, trained, photo, shape):
        content = encoded(photo)
        value = {"p.png": {"metadata": {}, "content": content}}
        if shape == "ipywidgets 8":
            value = ({"name": "p.png", "content": memoryview(content)},)
        panel = PredictionPanel(trained)
        panel._on_upload({"new": value})
        assert "32 × 32" in panel.said.value

    def test_an_old_ipywidgets_gets_a_sentence(self, trained, monkeypatch):
        monkeypatch.setattr(ipywidgets, "__version__", "7.6.5")
        with pytest.raises(shared.WidgetsError, match=r"need ipywidgets 7\.7 or later; this is 7\.6\.5"):
            TrainingPanel(trained)

    def test_names_are_escaped(self, trained):
        panel = PredictionPanel(trained)
        panel.open(b"x", "<img src=x onerror=alert(1)>")
        assert "<img" not in panel.said.value
