"""One slider and the picture that follows it, made beforehand: it moves with a kernel, without one, and on the site."""

import base64
import io
import json
from collections.abc import Callable, Sequence
from html import escape

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from helpers.errors import ArgumentError
from helpers.figures import bundle, picture_bundle
from helpers.progress import progress_bar

__all__ = ["slide"]

MOST_BYTES = 400_000  # of one slider in the saved notebook
MOST_FRAMES = 25
FORMS = ((100, 1), (85, 1), (65, 1), (65, 2), (40, 2))  # WebP's quality (100 loses nothing); times smaller

# Where no script may run, the first picture stays, with its value below. The script brings to life all that it finds,
# so that it does not matter where a notebook's viewer puts it, nor how often.
SCRIPT = """<script>
for (const box of document.querySelectorAll(".series-slide:not([data-alive])")) {
  const {label, values, frames, alts, start} = JSON.parse(box.dataset.slide);
  const [shown, image] = box.querySelectorAll("output, img");
  const range = Object.assign(document.createElement("input"), {type: "range", min: 0, max: values.length - 1});
  range.value = start;
  range.style.cssText = "width: min(320px, 60%); margin: 0 10px; vertical-align: middle";
  range.setAttribute("aria-label", label);
  range.oninput = () => {
    [image.src, image.alt, shown.textContent] = [frames[range.value], alts[range.value], values[range.value]];
    range.setAttribute("aria-valuetext", shown.textContent);
  };
  range.oninput();
  shown.before(range);
  box.dataset.alive = range.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves it the arrow keys
}
</script>"""


def _webp(png: bytes, quality: int, smaller: int) -> str:
    """Return a PNG as the address of a WebP picture."""
    written, picture = io.BytesIO(), Image.open(io.BytesIO(png)).convert("RGB")
    picture.reduce(smaller).save(written, "WEBP", method=2, lossless=quality == 100, quality=quality)
    return "data:image/webp;base64," + base64.b64encode(written.getvalue()).decode()


def slide(label: str, values: Sequence, draw: Callable[..., Figure], alt: str = "", start=None) -> None:
    """Show a slider over `values`, and below it the picture that `draw(value)` gives for the chosen one.

    All pictures are drawn at once and become part of the output, in at most `MOST_BYTES`: it moves without a kernel.

    Args:
        label: what the slider changes.
        values: what can be chosen; of more than `MOST_FRAMES`, so many in even steps.
        draw: turns a value into a figure.
        alt: a sentence in place of the figure's own description; `{}` in it stands for the chosen value.
        start: the value to begin with; the first by default.

    Raises:
        ArgumentError: no values, a start that is not among them, no figure from `draw`, or pictures too large.
    """
    values = list(values)
    start = values[0] if start is None and values else start
    if start not in values:
        raise ArgumentError(f"start = {start!r} is none of the values {values}. Give one that the slider has.")
    if len(values) > MOST_FRAMES:
        picked = {round(place) for place in np.linspace(0, len(values) - 1, MOST_FRAMES)}
        values = [value for place, value in enumerate(values) if place in picked or value == start]
    drawn = []
    for value in progress_bar(values, desc="Pictures"):
        if not isinstance(figure := draw(value), Figure):
            raise ArgumentError(f"draw({value!r}) returned {figure!r}, no figure. End it with `return figure`.")
        drawn.append(bundle(figure))
        plt.close(figure)  # or it would be shown once more where the cell ends
    place, names = values.index(start), [f"{value}" for value in values]
    alts = [alt.format(value) if alt else data["text/plain"] for value, (data, _) in zip(values, drawn, strict=True)]
    shows = [levels for _, metadata in drawn for levels in metadata["image/png"]["shows"]]
    pngs = [base64.b64decode(data["image/png"]) for data, _ in drawn]
    width, height = Image.open(io.BytesIO(pngs[place])).size
    for form in FORMS:
        frames = [_webp(png, *form) for png in pngs]
        if len(drawn[place][0]["image/png"]) + len(frames[place]) + sum(map(len, frames)) < MOST_BYTES - 5_000:
            break
    else:
        raise ArgumentError(f"{len(values)} pictures of this size are too many for a slider. Give fewer values.")
    kept = {"label": label, "values": names, "frames": frames, "alts": alts, "start": place}
    html = (
        f'<div class="series-slide" data-slide="{escape(json.dumps(kept, ensure_ascii=False))}">'
        f"<p>{escape(label)}: <output>{escape(names[place])}</output></p>"
        f'<img src="{frames[place]}" alt="{escape(alts[place])}" width="{width}" height="{height}" '
        f'style="max-width: 100%; height: auto"></div>\n{SCRIPT}'
    )
    data, metadata = picture_bundle(pngs[place], alts[place], shows=shows)
    display(data | {"text/html": html}, metadata=metadata, raw=True)
