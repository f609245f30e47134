"""The clinic of notebook 12: ten programs with one fault each, their charts, and the test of a cure."""

import contextlib
import io

import numpy as np
from matplotlib.figure import Figure

from helpers.arguments import check_settings
from helpers.data import CLASSES, load_data
from helpers.errors import ArgumentError
from helpers.figures import in_series_style, new_figure
from helpers.plots.templates import hang, signed_image, usual_scale
from helpers.runs import GUESSING

TEST_IMAGES = 2_000  # that a cure is judged on
SOFTMAX = """\
import numpy as np

rng = np.random.default_rng(seed)
order = rng.permutation(50_000)
learn, validation = order[:45_000], order[45_000:]
mean = images[learn[:5_000]].mean(axis=0)
truth = labels

def to_pixels(images):
    return (images - mean) / 255

def answer(images):
    return np.argmax(to_pixels(images) @ weights + biases, axis=1)

weights, biases = np.zeros((3072, 10)), np.zeros(10)
for step in range(steps):
    rows = learn[np.arange(100 * step, 100 * step + 100) % len(learn)]
    pixels = to_pixels(images[rows])
    logits = pixels @ weights + biases
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    errors = probabilities - np.eye(10)[truth[rows]]
    note(step, probabilities, truth[rows])
    rate = 0.5 * (1 - step / steps)
    weights -= rate * pixels.T @ errors / len(rows)
    biases -= rate * errors.mean(axis=0)
pictures = weights.T.reshape(10, 3, 32, 32).transpose(0, 2, 3, 1)
accuracy = np.mean(answer(images[validation]) == labels[validation])
"""
NETWORK = """\
import numpy as np

rng = np.random.default_rng(seed)
order = rng.permutation(50_000)
learn, validation = order[:45_000], order[45_000:]
mean = images[learn[:5_000]].mean(axis=0)

def to_pixels(images):
    return (images - mean) / 255

def hidden_values(pixels):
    return np.maximum(0, pixels @ weights + biases)

def answer(images):
    return np.argmax(hidden_values(to_pixels(images)) @ mix + offset, axis=1)

weights, biases = rng.normal(0, np.sqrt(2 / 3072), (3072, 20)), np.zeros(20)
mix, offset = rng.normal(0, np.sqrt(2 / 20), (20, 10)), np.zeros(10)
for step in range(steps):
    rows = learn[np.arange(100 * step, 100 * step + 100) % len(learn)]
    pixels = to_pixels(images[rows])
    hidden = hidden_values(pixels)
    logits = hidden @ mix + offset
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    errors = (probabilities - np.eye(10)[labels[rows]]) / len(rows)
    note(step, probabilities, labels[rows])
    rate = 0.3 * (1 - step / steps)
    back = (errors @ mix.T) * (hidden > 0)
    mix -= rate * hidden.T @ errors
    offset -= rate * errors.sum(axis=0)
    weights -= rate * pixels.T @ back
    biases -= rate * back.sum(axis=0)
pictures = weights.T.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)[:10]
accuracy = np.mean(answer(images[validation]) == labels[validation])
"""
FEW = ("learn, validation = order[:45_000], order[45_000:]", "learn, validation = order[:1_000], order[1_000:6_000]")
# The name of each fault, the healthy lines, the faulty ones, and the accuracy that a cured program must reach.
PATIENTS = {
    1: ("wrong sign", SOFTMAX, [("weights -= rate * pixels.T", "weights += rate * pixels.T")], 0.33),
    2: ("pixels from 0 to 255", SOFTMAX, [("return (images - mean) / 255", "return images - mean")], 0.33),
    3: ("batches sorted by class", SOFTMAX, [
        ("truth = labels\n", "truth = labels\nlearn = learn[np.argsort(labels[learn], kind='stable')]\n"),
    ], 0.33),
    4: ("softmax taken twice", SOFTMAX, [(
        "    errors = probabilities",
        "    powers = np.exp(probabilities)\n    probabilities = powers / powers.sum(axis=1, keepdims=True)\n"
        "    errors = probabilities",
    )], 0.33),
    5: ("labels off by one", SOFTMAX, [("truth = labels\n", "truth = labels - 1\n")], 0.33),
    6: ("zeros in a hidden layer", NETWORK, [
        ("rng.normal(0, np.sqrt(2 / 3072), (3072, 20)), np.zeros(20)", "np.zeros((3072, 20)), np.zeros(20)"),
        ("rng.normal(0, np.sqrt(2 / 20), (20, 10)), np.zeros(10)", "np.zeros((20, 10)), np.zeros(10)"),
    ], 0.33),
    7: ("arithmetic in uint8", SOFTMAX, [("5_000]].mean(axis=0)\n", "5_000]].mean(axis=0).astype(np.uint8)\n")], 0.33),
    8: ("a batch of one", SOFTMAX, [(
        "rows = learn[np.arange(100 * step, 100 * step + 100) % len(learn)]", "rows = learn[[step % len(learn)]]",
    )], 0.33),
    9: ("missing transpose", SOFTMAX, [
        ("reshape(10, 3, 32, 32).transpose(0, 2, 3, 1)", "reshape(10, 32, 32, 3)"),
    ], 0.33),
    10: ("training images in the validation set", SOFTMAX, [
        (FEW[0], FEW[1].replace("order[1_000:6_000]", "order[:2_000]")),
    ], 0.18),
}  # fmt: skip


class Clinic:
    """Ten programs with a fault each.

    Args:
        seed: of the programs' random numbers.
        steps: that each of them takes.
    """

    def __init__(self, seed: int = 0, steps: int = 300) -> None:
        check_settings(seed=seed, steps=steps)
        self.seed, self.steps = seed, steps
        self._data = load_data()
        self.mended: dict[int, bool] = {}  # of each patient that was treated, whether the last cure held

    @property
    def faults(self) -> list[str]:
        """The ten faults' names, in the order of the alphabet."""
        return sorted(name for name, *_ in PATIENTS.values())

    def _patient(self, number: int):
        if not isinstance(number, int) or number not in PATIENTS:
            raise ArgumentError(f"There is no patient {number!r}. The patients have the numbers 1 to {len(PATIENTS)}.")
        return PATIENTS[number]

    def healthy(self, number: int) -> str:
        """Return the text of the program that patient `number` would be without its fault."""
        _, program, changes, _ = self._patient(number)
        return program.replace(*FEW) if "order[:1_000]" in changes[0][1] else program

    def program(self, number: int) -> str:
        """Return the text of patient `number`, fault and all; `print` it to read it."""
        _, program, changes, _ = self._patient(number)
        for healthy, faulty in changes:
            assert program.count(healthy) == 1, healthy
            program = program.replace(healthy, faulty)
        return program

    def run(self, text: str) -> dict:
        """Run a program on `images` and `labels`, those of the training file.

        Returns:
            Its variables; and "log", (steps, 2), the loss and accuracy of each batch.

        Raises:
            ArgumentError: the program stops with an error.
        """
        log = []

        def note(step: int, probabilities: np.ndarray, labels: np.ndarray) -> None:
            true = np.maximum(probabilities[np.arange(len(labels)), labels], 1e-30)
            log.append((-np.log(true).mean(), np.mean(probabilities.argmax(axis=1) == labels)))

        variables = {"seed": self.seed, "steps": self.steps, "note": note}
        variables |= {"images": self._data.images_train, "labels": self._data.labels_train}
        try:
            with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
                exec(compile(text, "<patient>", "exec"), variables)
        except Exception as error:
            raise ArgumentError(
                f"The program stops with {type(error).__name__}: {error}. Change it, run again."
            ) from None
        return {**variables, "log": np.array(log, dtype=float).reshape(-1, 2)}

    def chart(self, number: int) -> Figure:
        """Run patient `number`, print its log, and return its chart: the loss, and the templates it draws."""
        return self.chart_of(self.program(number))

    def chart_of(self, text: str) -> Figure:
        """Run a program, print its log in the post's form, and return the chart of its loss and its templates."""
        ran = self.run(text)
        for step in range(0, len(ran["log"]), max(1, len(ran["log"]) // 5)):
            loss, accuracy = ran["log"][step]
            print(f"Step {step:4}: loss {loss:8.2f}, training accuracy {accuracy:.2f}")
        print(f"Validation accuracy {ran['accuracy']:.2f}")
        return _draw(ran["log"][:, 0], ran["pictures"])

    def name(self, number: int, fault: str) -> None:
        """Say whether patient `number` has the fault of that name, one of `faults`."""
        right = self._patient(number)[0]
        if fault not in self.faults:
            raise ArgumentError(f"{fault!r} is none of the ten. They are: {', '.join(self.faults)}.")
        print(f"Right: {right}." if fault == right else f"No, not {fault}. Look at the chart again.")

    def treat(self, number: int, old: str, new: str) -> None:
        """Replace a piece of patient `number`'s program by another, run it, and say whether it is mended.

        Args:
            number: 1 to 10.
            old: what stands in the program, once or more often.
            new: what shall stand there instead.

        Raises:
            ArgumentError: `old` does not stand there, or the new program stops with an error.
        """
        text = self.program(number)
        if not old or old not in text:
            raise ArgumentError(f"{old!r} does not stand in the program. Copy it from print(clinic.program({number})).")
        self.judge(number, text.replace(old, new))

    def judge(self, number: int, text: str) -> None:
        """Run a whole program as the cure of patient `number`, and say whether it is mended."""
        problem = self._problem(self.run(text), self._patient(number)[3])
        self.mended[number] = problem is None
        print("Mended." if problem is None else f"Not mended yet: {problem}")

    def _problem(self, ran: dict, least: float) -> str | None:
        """Return what is still wrong with a program that ran, in a sentence, or None."""
        images, labels = self._data.images_test, self._data.labels_test
        loss = ran["log"][:, 0]
        if not np.isfinite(loss).all() or loss[-max(1, len(loss) // 10) :].mean() > GUESSING:
            return "the loss ends no lower than that of guessing."
        with np.errstate(all="ignore"):
            honest = np.mean(ran["answer"](images[:TEST_IMAGES]) == labels[:TEST_IMAGES])
        if honest < least:
            return f"of images that it has never seen it gets {honest:.0%} right, and could get more."
        if abs(ran["accuracy"] - honest) > 0.06:
            return f"it claims {ran['accuracy']:.0%} on new images, and gets {honest:.0%} of other new images right."
        if np.isin(ran.get("validation", ()), ran.get("learn", ())).any():
            return "some of its validation images are among those that it learns from."
        weights, pictures = np.asarray(ran["weights"]), np.asarray(ran["pictures"])
        expected = weights.T.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)[: len(pictures)]
        if pictures.shape != expected.shape or not np.allclose(pictures, expected):
            return "its pictures are not the templates that it has learned."
        return None


@in_series_style
def _draw(loss: np.ndarray, pictures: np.ndarray) -> Figure:
    """Draw a run's loss, averaged over up to 20 steps, and its ten pictures (10, 32, 32, 3) on one scale."""
    figure, axes = new_figure(2, 8, height=2.6, gridspec_kw={"width_ratios": [1.2] * 3 + [1] * 5})
    grid = axes[0, 0].get_gridspec()
    for axis in axes[:, :3].flat:
        axis.remove()
    curve = figure.add_subplot(grid[:, :3])
    window = min(20, len(loss))
    curve.plot(np.convolve(loss, np.ones(window) / window, "valid"))
    curve.axhline(GUESSING, color="grey", linestyle=":", linewidth=1.5)
    curve.set(title="loss; dotted: guessing", xlabel="step")
    names = CLASSES if len(pictures) == 10 else [str(number) for number in range(len(pictures))]
    hang(axes[:, 3:], [signed_image(picture, usual_scale(pictures)) for picture in pictures], names, fontsize=10)
    return figure
