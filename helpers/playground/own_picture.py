"""A learner's own picture, made into an image like those of CIFAR-10."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.errors import PlainError

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
MOST_BYTES = 10_000_000
MOST_PIXELS = 50_000_000
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, OverflowError, MemoryError)  # say decoders


class PictureError(PlainError):
    """A file that is no picture, or none that can be shown to the model."""


def read_picture(source: str | Path | bytes, name: str = "") -> tuple[np.ndarray, list[tuple[str, Image.Image]], str]:
    """Turn any picture into an image of 32 x 32 pixels, as CIFAR-10 stores them.

    Args:
        source: the file's path, or its content.
        name: of the file, for what is said about it.

    Returns:
        The image (3072,) uint8, channel first; the pictures on the way, each with its caption; and a sentence that says
        what was done.

    Raises:
        PictureError: it is no picture, is damaged, or is too large.
    """
    try:
        size = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
    except OSError as error:
        raise PictureError(
            f"{source!s} can't be read: {error.strerror or error}. Give the path of a picture."
        ) from error
    name = name or ("This file" if isinstance(source, bytes) else Path(source).name)
    problem = f"has {size / 1e6:,.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB are read. Make the picture smaller first."
    if size <= MOST_BYTES:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Pillow about large pictures and odd metadata: both are dealt with
                with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as file:
                    if file.width * file.height > MOST_PIXELS:
                        raise Image.DecompressionBombError
                    return _shrink(file)
        except UnidentifiedImageError:
            problem = f"is no picture of a kind that can be read: {', '.join(FORMATS)}. Choose one."
        except Image.DecompressionBombError:
            problem = f"has more than {MOST_PIXELS / 1e6:.0f} million pixels. Make the picture smaller first."
        except DAMAGED:
            problem = "is damaged: it can't be decoded. Save the picture anew, or choose another."
    raise PictureError(f"{name} {problem}")


def _shrink(file: Image.Image) -> tuple[np.ndarray, list[tuple[str, Image.Image]], str]:
    done = ["took the first frame"] if getattr(file, "n_frames", 1) > 1 else []
    file.seek(0)
    file.load()
    upright = ImageOps.exif_transpose(file)
    if file.getexif().get(0x0112, 1) not in (0, 1):
        done.append("turned it upright")
    if upright.mode.startswith("I"):  # 16 bits a pixel, of which Pillow would cut off all but the lowest eight
        upright = Image.fromarray((np.asarray(upright, np.float64) / 65535 * 255).clip(0, 255).astype(np.uint8))
    if upright.has_transparency_data:
        see_through = upright.convert("RGBA")
        if np.asarray(see_through)[..., 3].min() < 255:
            done.append("put white behind what is transparent")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), see_through)
    upright = upright.convert("RGB")
    side = min(upright.size)
    left, top = ((length - side) // 2 for length in upright.size)
    square = upright.crop((left, top, left + side, top + side))
    if square.size != upright.size:
        done.append(f"cut out the {side:,} × {side:,} pixels in the middle")
    small = square.resize((32, 32), Image.Resampling.BOX if side >= 32 else Image.Resampling.BICUBIC)
    done.append(f"{'shrank' if side > 32 else 'enlarged'} that to 32 × 32" if side != 32 else "kept its 32 × 32 pixels")
    row = np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1)).reshape(3072)
    sentence = f"Your picture has {upright.width:,} × {upright.height:,} pixels: {', '.join(done)}."
    for picture in (upright, square):
        picture.thumbnail((256, 256))
    return row, [("your picture", upright), ("the middle", square), ("32 × 32", small)], sentence
