"""Whether a cell's fresh outputs are those that were saved: text exactly, numbers within a tolerance.

A picture is held by what it shows, not by its pixels: by the description made from its data, and by the brightness of
the four quarters of each image in it. Where an axis ends, and so where a label stands, may differ.

Another processor rounds otherwise, so a trained model's numbers differ a little from machine to machine. Decimals may
differ by 2% or 0.002 (a percentage counts as its hundredth); whole numbers and all text around them may not. A cell
whose metadata holds `tolerance` (only where a run is chaotic by nature) lets each of its decimals differ by that much,
as a share of the number where it is above 1.
"""

import re

from tools import tidy

DECIMAL = re.compile(r"[-+−]?(?:\d[\d,]*\.\d+(?:e[-+]?\d+)?|\d+e[-+]?\d+|\d+(?:\.\d+)?(?=%))", re.IGNORECASE)

PIXELS = re.compile(r"(?<=;base64,)[A-Za-z0-9+/=]+")  # of a picture that HTML holds itself


def _values(text: str) -> list[tuple[float, float]]:
    """Return each decimal in `text` with the half of its last digit, in the units of a fraction for percentages."""
    values = []
    for match in DECIMAL.finditer(text):
        written = match[0].replace("−", "-").replace(",", "").lower()
        mantissa, _, exponent = written.partition("e")
        digit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        share = 0.01 if text[match.end() : match.end() + 1] == "%" else 1.0
        values.append((float(written) * share, digit * share))
    return values


def texts_match(saved: str, fresh: str, tolerance: float | None = None) -> bool:
    """Return True if two texts differ in nothing but decimals, and in those by no more than is allowed."""
    if saved == fresh:
        return True
    # White space that aligns a column moves with a number's width, so its amount does not count where numbers do.
    skeletons = [re.sub(r"[ \t]+", " ", DECIMAL.sub("#", text)) for text in (saved, fresh)]
    if skeletons[0] != skeletons[1]:
        return False
    for (a, digit), (b, _) in zip(_values(saved), _values(fresh), strict=True):
        allowed = max(0.002, 0.02 * abs(a)) if tolerance is None else tolerance * max(1.0, abs(a))
        if abs(a - b) > allowed + 1.001 * digit:
            return False
    return True


def comparable(outputs: list) -> list[dict]:
    """Return what is compared of a cell's outputs, each as its parts by kind: no progress bars, live widgets or pixels.

    Of a picture, what it shows is written down. What is printed in several pieces counts as one.
    """
    parts: list[dict] = []
    printed: dict[str, dict] = {}  # stdout and stderr, each as one part where it first speaks
    for output in outputs:
        data = {kind: value for kind, value in output.get("data", {}).items() if kind != tidy.LIVE}
        if output["output_type"] == "stream":
            name = output["name"]
            if name not in printed:
                printed[name] = {name: ""}
                parts.append(printed[name])
            printed[name][name] += output["text"]
        elif output["output_type"] == "error":
            data["error"] = f"{output['ename']}: {output['evalue']}"
        if data.pop("image/png", None):
            levels = output.get("metadata", {}).get("image/png", {}).get("shows", [])
            lines = [" ".join(f"{level:.3f}" for level in quarters) for quarters in levels]
            data["text/plain"] = "\n".join([data.get("text/plain", ""), *lines])
        if "text/html" in data:
            data["text/html"] = PIXELS.sub("", data["text/html"])
        parts += [data] if data else []
    for name, part in printed.items():
        part[name] = tidy.without_bars(part[name])
    return [part for part in parts if any(part.values())]


def differences(saved: list, fresh: list, tolerance: float | None = None) -> str:
    """Return what differs between two lists of outputs, or an empty string."""
    before, now = comparable(saved), comparable(fresh)
    if [part.keys() for part in before] != [part.keys() for part in now]:
        return f"before: {[list(part) for part in before]}\nnow: {[list(part) for part in now]}"
    for old, new in zip(before, now, strict=True):
        for kind, value in old.items():
            if value != new[kind] and not (isinstance(value, str) and texts_match(value, new[kind], tolerance)):
                return f"before: {str(value)[:500]}\nnow: {str(new[kind])[:500]}"
    return ""
