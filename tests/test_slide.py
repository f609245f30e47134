"""The slider over pictures made beforehand: what it puts into a notebook, and how it moves in a browser."""

import base64
import html
import io
import json
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from PIL import Image

from helpers.errors import ArgumentError
from helpers.plots import live
from tests.browser import browser, needs_chromium, no_serious_fault


def line(power):
    figure, axes = plt.subplots()
    axes.plot(np.arange(1, 9), np.arange(1, 9.0) ** power)
    axes.set(xlabel="number", ylabel=f"power {power}")
    return figure


def noise(seed):
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.imshow(np.random.default_rng(seed).random((32, 64, 3)) ** (1 + seed))
    return figure


@pytest.fixture
def slide(monkeypatch):
    """Return a function that calls `slide` and gives the one output that the cell then has."""

    def call(*args, **kwargs):
        shown = []
        monkeypatch.setattr(live, "display", lambda data, metadata, raw: shown.append((data, metadata)))
        live.slide(*args, **kwargs)
        ((data, metadata),) = shown
        return nbformat.v4.new_output("display_data", data, metadata=metadata)

    return call


def kept(output):
    return json.loads(html.unescape(re.search('data-slide="([^"]*)"', output.data["text/html"])[1]))


def test_every_picture_is_part_of_the_output_with_words_of_its_own(slide):
    output = slide("Power", [1, 2, 3], line, start=2)
    inside = kept(output)
    assert (inside["values"], inside["start"]) == (["1", "2", "3"], 1)
    assert [re.search(r"power \d", alt)[0] for alt in inside["alts"]] == ["power 1", "power 2", "power 3"]
    assert output.data["text/plain"] == output.metadata["image/png"]["alt"] == inside["alts"][1]
    assert "512" in inside["alts"][2], "the highest value of the picture itself"
    pixels = [np.asarray(Image.open(io.BytesIO(base64.b64decode(f.partition(",")[2])))) for f in inside["frames"]]
    whole = np.asarray(Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert("RGB"))
    assert np.array_equal(pixels[1], whole)
    assert not np.array_equal(pixels[1], pixels[2])
    assert not plt.get_fignums()
    assert kept(slide("Power", [1, 2], line, "All is {}."))["alts"] == ["All is 1.", "All is 2."]


def test_the_worst_pictures_stay_below_the_limit_and_of_many_values_some_are_drawn(slide, monkeypatch):
    monkeypatch.setattr(live, "MOST_BYTES", 150_000)
    output = slide("Noise", range(4), noise)
    assert sum(len(part) for part in output.data.values()) < live.MOST_BYTES
    assert (len(kept(output)["frames"]), len(output.metadata["image/png"]["shows"])) == (4, 4)
    monkeypatch.setattr(live, "MOST_FRAMES", 4)
    inside = kept(slide("Power", range(1_000), lambda value: line(1), start=123))
    assert (len(inside["values"]), inside["values"][inside["start"]]) == (5, "123")
    assert (inside["values"][0], inside["values"][-1]) == ("0", "999")


def test_a_start_that_is_no_value_and_a_draw_without_a_figure_get_a_sentence(slide):
    for values, draw, words in (([], line, "none of"), ([1, 2], line, "none of"), ([3], print, "return figure")):
        with pytest.raises(ArgumentError, match=words):
            slide("Power", values, draw, start=3 if values else None)


@needs_chromium
@pytest.mark.slow
def test_it_moves_without_a_kernel_and_stands_still_without_scripts(slide):
    page_text = "<!doctype html><html lang=en><title>A page</title><body><main><h1>A page</h1>{}</main>"
    output = slide("Power <i>", [1, 2, 3], line, start=2)
    with browser() as started:
        page = started.new_page()
        page.set_content(page_text.format(output.data["text/html"] + slide("Noise", [0, 1], noise).data["text/html"]))
        range_ = page.get_by_role("slider", name="Power <i>")
        image = page.locator("img").first
        assert range_.input_value() == "1"
        before = image.get_attribute("src")
        range_.press("ArrowRight")
        assert image.get_attribute("src") != before
        assert image.get_attribute("alt") == kept(output)["alts"][2]
        assert range_.get_attribute("aria-valuetext") == page.locator("output").first.inner_text() == "3"
        page.get_by_role("slider", name="Noise").press("ArrowRight")
        assert page.locator("output").all_inner_texts() == ["3", "1"]
        no_serious_fault(page)
        still = started.new_context(java_script_enabled=False).new_page()
        still.set_content(page_text.format(output.data["text/html"]))
        assert still.locator("img").get_attribute("alt") == kept(output)["alts"][1]
        assert still.locator("input").count() == 0
