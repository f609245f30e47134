"""Whether a cell's fresh outputs are those that were saved: text exactly, numbers within a tolerance.

A picture is held by what it shows, not by its pixels: by the description made from its data, and by the brightness of
the four quarters of each image in it. Where an axis ends, and so where a label stands, may differ.

Another processor rounds otherwise, so a trained model's numbers differ a little from machine to machine. Decimals may
differ by 2% or 0.002 (a percentage counts as its hundredth); whole numbers and all text around them may not. A cell
whose metadata holds `tolerance` (only where a run is chaotic by nature) lets each of its decimals differ by that much,
as a share of the number where it is above 1.
"""

import re
from collections import defaultdict

from tests.series import code_cells, tags
from tools import tidy

DECIMAL = re.compile(r"[-+−]?(?:\d[\d,]*\.\d+(?:e[-+]?\d+)?|\d+e[-+]?\d+|\d+(?:\.\d+)?(?=%))(%?)", re.IGNORECASE)
PIXELS = re.compile(r"(?<=;base64,)[A-Za-z0-9+/=]+")  # of a picture that HTML holds itself


def _values(text: str) -> list[tuple[float, float]]:
    """Return each decimal in `text` with its last digit, both in the units of a fraction for percentages."""
    values = []
    for match in DECIMAL.finditer(text.replace("−", "-")):
        mantissa, _, exponent = match[0].rstrip("%").replace(",", "").lower().partition("e")
        unit = 10.0 ** (int(exponent or 0) - 2 * bool(match[1]))
        values.append((float(mantissa) * unit, unit * 0.1 ** len(mantissa.partition(".")[2])))
    return values


def texts_match(saved: str, fresh: str, tolerance: float | None = None) -> bool:
    """Return True if two texts differ in nothing but decimals, and in those by no more than is allowed."""
    # White space that aligns a column moves with a number's width, so its amount does not count where numbers do.
    skeletons = [re.sub(r"[ \t]+", " ", DECIMAL.sub(r"#\1", text)) for text in (saved, fresh)]
    if saved == fresh or skeletons[0] != skeletons[1]:
        return saved == fresh
    for (a, digit), (b, _) in zip(_values(saved), _values(fresh), strict=True):
        allowed = max(0.002, 0.02 * abs(a)) if tolerance is None else tolerance * max(1.0, abs(a))
        if abs(a - b) > allowed + 1.001 * digit:
            return False
    return True


def comparable(outputs: list) -> dict[str, str]:
    """Return what is compared of a cell's outputs, by kind: no progress bars, live widgets or pixels.

    Of a picture, what it shows is written down. What is printed in several pieces counts as one.
    """
    texts: dict[str, str] = defaultdict(str)
    for output in outputs:
        data = dict(output.get("data", {}))
        data.pop(tidy.LIVE, None)
        if data.pop("image/png", None):
            shown = output.get("metadata", {}).get("image/png", {}).get("shows", [])
            data["shows"] = "\n".join(" ".join(f"{level:.3f}" for level in quarters) for quarters in shown)
        if output["output_type"] == "stream":
            texts[output["name"]] += output["text"]
        elif output["output_type"] == "error":
            data["error"] = f"{output['ename']}: {output['evalue']}"
        for kind, value in data.items():
            texts[kind] += f"{PIXELS.sub('', str(value))}\n"
    tidied = {kind: tidy.without_bars(text) for kind, text in texts.items()}
    return {kind: text for kind, text in tidied.items() if text.strip() or kind == "shows"}


def differences(saved: list, fresh: list, tolerance: float | None = None) -> str:
    """Return what differs between two lists of outputs, or an empty string."""
    before, now = comparable(saved), comparable(fresh)
    for kind in before | now:
        if kind not in before or kind not in now or not texts_match(before[kind], now[kind], tolerance):
            return f"{kind} before: {before.get(kind, '')[:500]}\nnow: {now.get(kind, '')[:500]}"
    return ""


def changed(saved, fresh) -> dict[str, str]:
    """Return what differs between two runs of a notebook, by the cell's id; the cell for Colab apart."""
    found = {
        old.id: differences(old.outputs, new.outputs, old.metadata.get("tolerance"))
        for old, new in zip(code_cells(saved), code_cells(fresh), strict=True)
        if "colab" not in tags(old)
    }
    return {cell: difference for cell, difference in found.items() if difference}
