"""One prediction taken apart, what can be done to its image, and how a learner's own picture becomes one."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.data import scale_pixels, to_image
from helpers.errors import PlainError
from helpers.softmax import Run, predict_logits

COLOURS = {
    "as they are": lambda picture: picture,
    "inverted": lambda picture: 255 - picture,
    "grey": lambda picture: np.repeat(picture.mean(axis=2, keepdims=True).round(), 3, axis=2),
    "red and blue swapped": lambda picture: picture[..., ::-1],
    "half as bright": lambda picture: picture // 2,
}
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
MOST_PIXELS = 50_000_000


class PictureError(PlainError):
    """A file that is no picture, or none that can be shown to the model."""


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of ten scores, (10,)."""
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def explain(run: Run, row: np.ndarray, truth: int | None = None) -> dict:
    """Take one prediction apart.

    Args:
        run: a trained `Run`.
        row: (3072,) uint8, one image.
        truth: its label, where it is known.

    Returns:
        `logits` and `probabilities`, (10,) float32 each; `winner` and `other`, labels: the answer, and the true class
        (the second-best class where the answer is right or the truth unknown); `contributions`, (10, 32, 32) float32:
        what each position adds to each class's score; the bias is the rest.
    """
    logits = predict_logits(row[np.newaxis], run)[0]
    pixels = scale_pixels(row[np.newaxis], run.mean, run.divide_by)[0]
    second, winner = logits.argsort()[-2:]
    return {
        "logits": logits,
        "probabilities": probabilities(logits),
        "winner": int(winner),
        "other": int(second if truth is None or truth == winner else truth),
        "contributions": (run.weights * pixels[:, np.newaxis]).T.reshape(10, 3, 32, 32).sum(axis=1),
    }


def change_image(
    row: np.ndarray,
    mean: np.ndarray,
    *,
    right: int = 0,
    down: int = 0,
    mirrored: bool = False,
    colours: str = "as they are",
    patch: int = 0,
    patch_left: int = 0,
    patch_top: int = 0,
    covered: np.ndarray | None = None,
) -> np.ndarray:
    """Return a changed copy of an image, (3072,) uint8: mirrored, shifted, recoloured, then partly covered.

    Args:
        row: (3072,) uint8.
        mean: (3072,) the mean image, which fills the patch: its pixels then add nothing to any score.
        right, down: shift in pixels, -31 to 31; the edge that is left behind is repeated.
        mirrored: exchange left and right.
        colours: one of `COLOURS`.
        patch: size of the square that is covered, in pixels; 0 covers nothing.
        patch_left, patch_top: its corner, 0 to 31.
        covered: (32, 32) bool, pixels to cover besides; none by default.
    """
    picture = to_image(row)[:, :: -1 if mirrored else 1]
    places = np.arange(32)
    picture = picture[np.clip(places - down, 0, 31)][:, np.clip(places - right, 0, 31)]
    picture = np.array(COLOURS[colours](picture), np.uint8)
    hidden = np.zeros((32, 32), bool) if covered is None else covered.copy()
    hidden[patch_top : patch_top + patch, patch_left : patch_left + patch] = True
    picture[hidden] = to_image(mean).round()[hidden]
    return picture.transpose(2, 0, 1).reshape(3072)


def read_picture(source: str | Path | bytes, name: str = "") -> tuple[np.ndarray, list[tuple[str, Image.Image]], str]:
    """Turn any picture into an image of 32 x 32 pixels, as CIFAR-10 stores them.

    Args:
        source: the file's path, or its content.
        name: of the file, for what is said about it.

    Returns:
        The image (3072,) uint8, channel first; the pictures on the way, each with its caption; and a sentence that says
        what was done.

    Raises:
        PictureError: it can't be read, is no picture, is damaged, or is too large.
    """
    name = name or ("This file" if isinstance(source, bytes) else str(source))
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow about large pictures and odd metadata: both are dealt with
            with Image.open(io.BytesIO(content), formats=FORMATS) as file:
                if file.width * file.height > MOST_PIXELS:
                    raise Image.DecompressionBombError
                return _shrink(file)
    except UnidentifiedImageError:
        problem = f"is no picture of a kind that can be read: {', '.join(FORMATS)}. Choose one."
    except Image.DecompressionBombError:
        problem = f"has more than {MOST_PIXELS / 1e6:.0f} million pixels. Make the picture smaller first."
    except Exception as error:  # decoders raise whatever they like
        problem = "is damaged: it can't be decoded. Save the picture anew, or choose another."
        if not isinstance(source, bytes) and isinstance(error, OSError) and error.strerror:
            problem = f"can't be read: {error.strerror}. Give the path of a picture."
    raise PictureError(f"{name} {problem}")


def _shrink(file: Image.Image) -> tuple[np.ndarray, list[tuple[str, Image.Image]], str]:
    done = ["took the first frame"] if getattr(file, "n_frames", 1) > 1 else []
    upright = ImageOps.exif_transpose(file)
    if file.getexif().get(0x0112, 1) != 1:
        done.append("turned it upright")
    if upright.mode.startswith("I"):  # 16 bits a pixel, of which Pillow would cut off all but the lowest eight
        upright = Image.fromarray((np.asarray(upright, np.float64) / 257).astype(np.uint8))
    if upright.has_transparency_data:
        done.append("put white behind what is transparent")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
    upright = upright.convert("RGB")
    side = min(upright.size)
    square = ImageOps.fit(upright, (side, side), Image.Resampling.NEAREST)
    if square.size != upright.size:
        done.append(f"cut out the {side:,} × {side:,} pixels in the middle")
    small = square.resize((32, 32), Image.Resampling.BOX if side >= 32 else Image.Resampling.BICUBIC)
    done.append(f"{'shrank' if side > 32 else 'enlarged'} that to 32 × 32" if side != 32 else "kept its 32 × 32 pixels")
    row = np.asarray(small).transpose(2, 0, 1).reshape(3072)
    sentence = f"Your picture has {upright.width:,} × {upright.height:,} pixels: {', '.join(done)}."
    for picture in (upright, square):
        picture.thumbnail((256, 256))
    return row, [("your picture", upright), ("the middle", square), ("32 × 32", small)], sentence
