"""The panels in a real browser: mouse, keyboard, touch, upload, either theme, any width, and no kernel."""

import io
import json
import re

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests import browser
from tests.browser import no_serious_fault, open_notebook, run_all, shot
from tests.series import PATHS

expect.set_options(timeout=120_000)
pytestmark = [pytest.mark.slow, browser.needs_chromium]

CELLS = {
    "playground": [
        "from helpers.playground import Playground\nplayground = Playground(batch_size=20, images=2_000, steps=1_000)",
        'print(playground.run("batch_size=20, images=2000, steps=5").name)',
        "playground.show()",
        "playground.look_inside()",
    ],
    "labelling": [
        "import numpy as np\nfrom helpers.labelling import Labelling\n\n"
        "images = np.repeat(np.arange(4)[:, np.newaxis] * 80, 3_072, axis=1)\n"
        "Labelling(images, [0, 1, 2, 3], [0, 1, 9, 9]).show()"
    ],
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Give a context of a browser with fingers, the address of a JupyterLab, and the folder of its notebooks."""
    folder = tmp_path_factory.mktemp("panels")
    for name, cells in CELLS.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        nbformat.write(notebook, folder / f"{name}.ipynb")
    nbformat.write(nbformat.read(next(path for path in PATHS if path.stem[:2] == "08"), 4), folder / "saved.ipynb")
    with browser.jupyterlab(folder) as address, browser.browser() as started:
        yield started.new_context(has_touch=True), address, folder


@pytest.fixture(scope="module")
def shown(opened):
    """Give a page with the playground's panels."""
    context, address, _ = opened
    page = context.new_page()
    open_notebook(page, address, "playground.ipynb")
    yield page
    browser.end_kernel(page)


@pytest.fixture
def panels(shown):
    """Give the three panels of a fresh playground: all cells run again."""
    shown.set_viewport_size({"width": 1100, "height": 2_400})
    assert run_all(shown) == []
    found = shown.locator(".series-panel")
    expect(found).to_have_count(3)
    return [found.nth(place) for place in range(3)]


def button(panel, name):
    return panel.get_by_role("button", name=name, exact=True)


def words(panel):
    return panel.locator(".words:not(.urgent)").first


def said(panel):
    return panel.locator(".urgent")


def picture(panel, name):
    return panel.locator(f"[data-picture={name}] img")


def steps_done(panel) -> int:
    return int(re.search(r"step ([\d,]+) of", words(panel).inner_text())[1].replace(",", ""))


def write(panel, label, value):
    field = panel.get_by_label(label, exact=True).first
    field.fill(value)
    field.press("Enter")
    return field


def pictures_seen(image, count):
    """Wait until a picture has changed `count` times; return the places and sizes that it had."""
    places = set()
    for _ in range(count):
        expect(image).not_to_have_attribute("src", image.get_attribute("src"))
        places.add(tuple(image.bounding_box().values()))
    return places


def test_start_turn_stop_go_on_and_compare(panels, opened):
    train, compare, _ = panels
    write(train, "Steps", "20000")
    button(train, "Start").evaluate("button => { for (let i = 0; i < 10; i++) button.click() }")
    assert len(pictures_seen(picture(train, "accuracy"), 4)) == 1, "the picture keeps its place"
    for field in (button(train, "Start"), button(train, "Go on"), train.get_by_label("Batch size", exact=True).first):
        expect(field).to_be_disabled()
    rate = train.get_by_label("Learning rate").first
    rate.fill("0,2")
    pictures_seen(picture(train, "accuracy"), 2)
    expect(rate).to_have_value("0,2")  # what is being typed stays, whatever is drawn meanwhile
    rate.fill("0.3")
    train.get_by_role("slider", name="Learning rate").press("ArrowRight")
    expect(rate).to_have_value("0.4")
    pictures_seen(picture(train, "loss"), 2)
    button(train, "Stop").click()
    expect(words(train)).to_contain_text("Stopped")
    write(train, "Steps", str(steps_done(train) + 20))
    train.get_by_label("Speed").select_option("full speed")
    button(train, "Go on").click()
    expect(words(train)).to_contain_text("Done")
    train.get_by_text("Set these in notebook 6").click()
    expect(train.locator("textarea")).to_have_value(re.compile("seed = 0\nlearning_rate = 0.4"))
    expect(compare.locator("tbody tr")).to_have_count(2)
    expect(compare.locator("tbody tr").nth(1)).to_contain_text("0.3 → 0.4")
    drawn = picture(compare, "accuracy").get_attribute("src")
    compare.get_by_label("Show the curves of Run 1").uncheck()
    expect(picture(compare, "accuracy")).not_to_have_attribute("src", drawn)
    write(compare, "Name of Run 2", "mine")
    compare.get_by_label("Templates of").select_option(label="Run 2: mine")
    shot(compare, "playground-compared")
    button(compare, "Remove Run 1").click()
    expect(compare.locator("tbody tr")).to_have_count(1)
    button(compare, "Save table (CSV)").click()
    expect(said(compare)).to_contain_text("Saved all runs to my-runs.csv")
    assert (opened[2] / "my-runs.csv").read_text().count("mine") == 1


def test_the_keyboard_alone_is_enough(panels):
    train, page = panels[0], panels[0].page
    expect(write(train, "Steps", "20,000")).to_have_value("20000")
    expect(write(train, "Batch size", "many")).to_have_value("20")
    expect(said(train)).to_contain_text("batch_size = 'many' makes no sense")
    train.get_by_label("Preset").focus()
    visited = []
    while "start" not in visited and len(visited) < 40:
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.name ?? document.activeElement.localName"))
    assert {"guess", "schedule", "divide_by", "seed", "line", "summary", "start"} <= {*visited}
    page.keyboard.press("Enter")
    pictures_seen(picture(train, "accuracy"), 1)
    button(train, "Stop").focus()
    page.keyboard.press("Space")
    expect(words(train)).to_contain_text("Stopped")
    done = steps_done(train)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # One step
    expect(words(train)).to_contain_text(f"step {done + 1:,} of")


def test_a_value_is_read_off_a_curve_and_strokes_and_fingers_reach_an_image(panels):
    _, compare, inside = panels
    page, curve = compare.page, picture(compare, "accuracy")
    curve.scroll_into_view_if_needed()
    box, tip = curve.bounding_box(), compare.locator("[data-picture=accuracy] .tip")
    for share in np.arange(0.2, 0.8, 0.05):
        page.mouse.move(box["x"] + 0.93 * box["width"], box["y"] + share * box["height"])
        if tip.is_visible():
            break
    expect(tip).to_have_text(re.compile(r"Run 1, step 5: \d\d\.\d%"))
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    expect(tip).to_be_hidden()
    image = picture(inside, "image")
    image.scroll_into_view_if_needed()
    box, before = image.bounding_box(), image.get_attribute("src")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=10)
    page.mouse.up()
    expect(image).not_to_have_attribute("src", before)
    page.wait_for_function("document.querySelectorAll('[data-draw] img')[0].complete")
    shot(inside, "playground-inside")
    drawn = np.asarray(Image.open(io.BytesIO(image.screenshot())).convert("RGB"), int)
    middle = drawn[int(0.55 * len(drawn)), int(0.5 * len(drawn[0]))]
    assert np.ptp(middle) < 40, "the stroke's middle has the mean image's grey"
    slider = inside.get_by_role("slider", name="Shift right")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    expect(inside.get_by_label("Shift right").first).not_to_have_value("0")
    button(inside, "Undo all changes").click()
    expect(inside.get_by_label("Shift right").first).to_have_value("0")
    box, before = image.bounding_box(), image.get_attribute("src")
    page.touchscreen.tap(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    expect(image).not_to_have_attribute("src", before)


def test_a_picture_of_ones_own_is_read_shrunk_on_its_way_or_refused(panels, tmp_path):
    """JupyterLab's messages hold 10 MiB; more ends the connection without a word."""
    inside, small, large, long = panels[2], tmp_path / "small.png", tmp_path / "large.bmp", tmp_path / "long.tif"
    Image.new("RGB", (300, 200), "#3070c0").save(small)
    Image.new("RGB", (4_000, 3_000), "#3070c0").save(large)  # 36 MB: a BMP is not compressed
    (tmp_path / "half.png").write_bytes(small.read_bytes()[:100])
    long.write_bytes(bytes(200_000_000))
    for path, sentence, shown in (
        (tmp_path / "half.png", "half.png is damaged", False),
        (large, "large.bmp has 4,000 × 3,000 pixels and 36.0 MB: shrunk on its way", True),
        (long, "long.tif has 200.0 MB, and your browser can't read it", False),
        (small, "Your picture has 300 × 200 pixels", True),
    ):
        with inside.page.expect_file_chooser() as chooser:
            inside.get_by_text("Your own picture").click()
        chooser.value.set_files(path)
        expect(said(inside)).to_contain_text(sentence)
        expect(picture(inside, "image")).to_be_visible(visible=shown)


def test_in_either_theme_at_any_width_all_fits_and_axe_finds_no_serious_fault(panels, opened):
    """And there is a word for who points; without a kernel there is one, and the last picture."""
    page = panels[0].page
    for theme in ("Dark", "Light"):
        page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_function("dark => (document.body.dataset.jpThemeLight === 'false') === dark", arg=theme == "Dark")
        for width in (1280, 700, 400):
            page.set_viewport_size({"width": width, "height": 4_200})
            for place, each in enumerate(panels):
                # Of the table, which scrolls on a small screen, only the frame has to fit there.
                page.wait_for_function(
                    """([it, narrow]) => [...it.querySelectorAll('*')].every(part => part.closest('.unseen') ||
                        (narrow && part.closest('.runs')) ||
                        part.getBoundingClientRect().right <= it.getBoundingClientRect().right + 1)""",
                    arg=[each.element_handle(), width < 1280],
                )
                shot(each, f"playground-{theme.lower()}-{width}-{place}")
        no_serious_fault(page, ".series-panel")
    assert not page.locator(".series-panel :is(input, select, button):is(:not([title]), [title=''])").count()
    assert page.locator(".series-kept:visible").count() == 0
    other = opened[0].new_page()
    other.goto(f"{opened[1]}/lab/tree/saved.ipynb?reset")
    cell = other.locator(".jp-Cell", has=other.locator(".series-note")).first
    cell.scroll_into_view_if_needed(timeout=120_000)
    expect(cell.locator(".series-note")).to_contain_text("choose Run > Run All Cells")
    expect(cell.locator(".series-kept img")).to_have_attribute("alt", re.compile("accuracy"))
    other.close()


def test_mouse_keys_and_touch_label_and_nothing_happens_to_the_cell(opened):
    context, address, folder = opened
    page = context.new_page()
    open_notebook(page, address, "labelling.ipynb")
    assert run_all(page) == []
    panel = page.locator(".series-panel")
    news = panel.get_by_role("status")
    for act, sentence in (
        (lambda: button(panel, "0 plane").click(), "Image 2 of 4. You called the last one plane."),
        (lambda: page.keyboard.press("6"), "Image 3 of 4. You called the last one frog."),  # to JupyterLab a heading
        (lambda: page.keyboard.press("u"), "Image 2 of 4."),
        (lambda: button(panel, "1 car").tap(), "Image 3 of 4."),
        (lambda: button(panel, "2 bird").press("Enter"), "Image 4 of 4. You called the last one bird."),
        (lambda: page.keyboard.press("s"), "Saved in my-labels.json: 3 labels."),
        (lambda: page.keyboard.press("9"), "You: 75% ± 22% (3 of 4). The model: 50% ± 25% (2 of 4)."),
    ):
        act()
        expect(news).to_contain_text(sentence)
    assert list(json.loads((folder / "my-labels.json").read_text()).values()) == [["plane", "car", "bird"]]
    expect(panel.get_by_role("img", name=re.compile("Only you are right on 1, only the model on 0"))).to_be_visible()
    expect(panel.get_by_role("img", name="Image 4 of 4.")).to_be_hidden()
    shot(panel, "labelling")
    no_serious_fault(page, ".series-panel")
    button(panel, "Forget").click()
    expect(panel.get_by_role("img", name="Image 1 of 4.")).to_have_js_property("naturalWidth", 32)
    assert page.locator(".jp-CodeCell").count() == 1
    expect(page.locator(".series-kept")).to_be_hidden()
    browser.end_kernel(page)
