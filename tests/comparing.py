"""Whether a cell's fresh output is the one that was saved: text exactly, numbers within a tolerance.

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


def comparable(outputs: list) -> list:
    """Drop progress bars, live widgets and pixels; write down what each picture shows."""
    cleaned = []
    for output in outputs:
        if output["output_type"] == "stream":
            text = tidy.without_bars(output["text"])
            cleaned += [{**output, "text": text}] if text else []
        else:
            data = {kind: value for kind, value in output.get("data", {}).items() if kind != tidy.LIVE}
            if data.pop("image/png", None):
                levels = output.get("metadata", {}).get("image/png", {}).get("shows", [])
                lines = [" ".join(f"{level:.3f}" for level in quarters) for quarters in levels]
                data["text/plain"] = "\n".join([data.get("text/plain", ""), *lines])
            if "text/html" in data:
                data["text/html"] = PIXELS.sub("", data["text/html"])
            cleaned.append({**output, "data": data} if "data" in output else output)
    return cleaned


def align(saved: list, fresh: list, tolerance: float | None = None) -> list:
    """Return `fresh` with all that matches its counterpart in `saved` replaced by it, for an exact comparison."""
    aligned = []
    for old, new in zip(saved, fresh, strict=False):
        new = {**new, **({"data": dict(new["data"])} if "data" in new else {})}
        if new["output_type"] == old["output_type"] == "stream":
            if old["name"] == new["name"] and texts_match(old["text"], new["text"], tolerance):
                new["text"] = old["text"]
        elif "data" in new and "data" in old:
            for kind in new["data"].keys() & old["data"].keys():
                a, b = old["data"][kind], new["data"][kind]
                if isinstance(a, str) and texts_match(a, b, tolerance):
                    new["data"][kind] = a
        aligned.append(new)
    return aligned + fresh[len(saved) :]


def differences(saved: list, fresh: list, tolerance: float | None = None) -> str:
    """Return what differs between two lists of outputs, or an empty string."""
    saved, fresh = comparable(saved), comparable(fresh)
    if len(saved) != len(fresh):
        return f"{len(saved)} outputs before, {len(fresh)} now"
    for old, new in zip(saved, align(saved, fresh, tolerance), strict=True):
        for key in ("text", "data"):
            if old.get(key) != new.get(key):
                return f"before: {str(old.get(key))[:500]}\nnow: {str(new.get(key))[:500]}"
    return ""
