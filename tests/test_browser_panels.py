"""The panels in a real browser: mouse, keyboard, touch, upload, either theme, any width, and no kernel."""

import io
import json
import re

import nbformat
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from tests.browser import RED, browser, end_kernel, jupyterlab, needs_chromium, open_notebook, run_all, shot
from tests.series import PATHS

expect.set_options(timeout=120_000)
pytestmark = [pytest.mark.slow, needs_chromium]

PLAYGROUND = [
    "from helpers.playground import Playground\n\nplayground = Playground(batch_size=20, images=2_000, steps=1_000)",
    'print(playground.run("batch_size=20, images=2000, steps=5").name)',
    "playground.show()",
    "playground.look_inside()",
]
LABELLING = """import numpy as np
from helpers.labelling import Labelling

images = np.repeat(np.arange(4)[:, np.newaxis] * 80, 3_072, axis=1)
Labelling(images, [0, 1, 2, 3], [0, 1, 9, 9]).show()"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Give a context of a browser with fingers, the address of a JupyterLab, and the folder of its notebooks."""
    folder = tmp_path_factory.mktemp("panels")
    for name, cells in (("playground", PLAYGROUND), ("labelling", [LABELLING])):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        nbformat.write(notebook, folder / f"{name}.ipynb")
    nbformat.write(nbformat.read(next(path for path in PATHS if path.stem[:2] == "08"), 4), folder / "saved.ipynb")
    with jupyterlab(folder) as address, browser() as started:
        yield started.new_context(has_touch=True), address, folder


@pytest.fixture(scope="module")
def shown(opened):
    """Give a page with the playground's panels."""
    context, address, _ = opened
    page = context.new_page()
    open_notebook(page, address, "playground.ipynb")
    yield page
    end_kernel(page)


@pytest.fixture
def page(shown):
    """Give the page with a fresh playground: all cells run again."""
    shown.set_viewport_size({"width": 1100, "height": 2_400})
    assert run_all(shown) == []
    expect(shown.locator(".series-panel")).to_have_count(3)
    yield shown
    assert shown.locator(RED).count() == 0


def training(page):
    return page.locator(".series-panel").nth(0)


def comparing(page):
    return page.locator(".series-panel").nth(1)


def inside(page):
    return page.locator(".series-panel").nth(2)


def button(panel, name):
    return panel.get_by_role("button", name=name, exact=True)


def said(panel):
    return panel.locator(".urgent")


def words(panel):
    return panel.locator(".words:not(.urgent)").first


def picture(panel, name):
    return panel.locator(f"[data-picture={name}] img")


def steps_done(panel) -> int:
    return int(re.search(r"step ([\d,]+) of", words(panel).inner_text())[1].replace(",", ""))


def pictures_seen(image, count):
    """Wait until a picture has changed `count` times; return the heights and places in its panel that it had."""
    return image.evaluate(
        """(image, count) => new Promise(yes => {
            const places = new Set(), panel = image.closest('.series-panel'), look = () => {
                const box = image.getBoundingClientRect();
                places.add(box.height + ' at ' + (box.top - panel.getBoundingClientRect().top));
                if (--count === 0) yes([...places]);
            };
            new MutationObserver(() => image.decode().then(look, look)).observe(image, {attributeFilter: ['src']});
        })""",
        count,
    )


def test_start_turn_stop_go_on_and_compare(page, opened):
    panel, compare = training(page), comparing(page)
    steps = panel.get_by_label("Steps", exact=True)
    steps.fill("20000")
    steps.press("Enter")
    button(panel, "Start").evaluate("button => { for (let i = 0; i < 10; i++) button.click() }")
    assert len(pictures_seen(picture(panel, "accuracy"), 4)) == 1, "the picture keeps its place"
    expect(button(panel, "Start")).to_be_disabled()
    rate = panel.get_by_label("Learning rate").first
    rate.fill("0,2")
    pictures_seen(picture(panel, "accuracy"), 2)
    expect(rate).to_have_value("0,2")  # what is being typed stays, whatever is drawn meanwhile
    rate.fill("0.3")
    panel.get_by_role("slider", name="Learning rate").press("ArrowRight")
    expect(rate).to_have_value("0.4")
    pictures_seen(picture(panel, "loss"), 2)
    button(panel, "Stop").click()
    expect(words(panel)).to_contain_text("Stopped")
    steps.fill(str(steps_done(panel) + 20))
    steps.press("Enter")
    panel.get_by_label("Speed").select_option("full speed")
    button(panel, "Go on").click()
    expect(words(panel)).to_contain_text("Done")
    expect(compare.locator("tbody tr")).to_have_count(2)
    expect(compare.locator("tbody tr").nth(1)).to_contain_text("0.3 → 0.4")
    drawn = picture(compare, "accuracy").get_attribute("src")
    compare.get_by_label("Show the curves of Run 1").uncheck()
    expect(picture(compare, "accuracy")).not_to_have_attribute("src", drawn)
    compare.get_by_label("Name of Run 2").fill("mine")
    compare.get_by_label("Name of Run 2").press("Enter")
    compare.get_by_label("Templates of").select_option(label="Run 2: mine")
    button(compare, "Set these in notebook 6").click()
    expect(compare.locator("textarea")).to_have_value(re.compile("seed = 0\nlearning_rate = "))
    shot(compare, "playground-compared")
    button(compare, "Remove Run 1").click()
    expect(compare.locator("tbody tr")).to_have_count(1)
    button(compare, "Save table (CSV)").click()
    expect(said(compare)).to_contain_text("Saved all runs to my-runs.csv")
    with page.expect_file_chooser() as chooser:
        compare.get_by_text("Load a table").click()
    chooser.value.set_files(opened[2] / "my-runs.csv")
    expect(said(compare)).to_contain_text("Added 1 runs of my-runs.csv")
    expect(compare.locator("tbody tr")).to_have_count(2)


def test_the_keyboard_alone_is_enough(page):
    panel = training(page)
    found = panel.get_by_role("slider").evaluate_all("all => all.map(one => [one.name, JSON.parse(one.dataset.stops)])")
    stops = dict(found)
    assert stops["learning_rate"][::10] == [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10]
    assert stops["weight_decay"][:3] == [0, 1e-5, 1.3e-5]
    assert (stops["batch_size"][:4], stops["images"][-1]) == ([1, 2, 3, 4], 45_000)
    for label, written, held in (
        ("Learning rate", "0,05", "0.05"), ("Steps", "20,000", "20000"), ("Batch size", "many", "20"),
    ):  # fmt: skip
        panel.get_by_label(label, exact=True).fill(written)
        page.keyboard.press("Enter")
        expect(panel.get_by_label(label, exact=True)).to_have_value(held)
    expect(said(panel)).to_contain_text("batch_size = 'many' makes no sense")
    panel.get_by_label("Preset").focus()
    visited = [""]
    while visited[-1] != "start" and len(visited) < 40:
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.name"))
    assert visited[1:] == ["guess", *[name for name in ("weight_decay", "batch_size", "steps", "images") for _ in "12"],
                           "schedule", "divide_by", "seed", "line", *["learning_rate"] * 2, "start"]  # fmt: skip
    page.keyboard.press("Enter")
    pictures_seen(picture(panel, "accuracy"), 1)
    button(panel, "Stop").focus()
    page.keyboard.press("Space")
    expect(words(panel)).to_contain_text("Stopped")
    done = steps_done(panel)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # One step
    expect(words(panel)).to_contain_text(f"step {done + 1:,} of")


def test_a_value_is_read_off_a_curve_and_strokes_and_fingers_reach_an_image(page):
    panel, curve = comparing(page), picture(comparing(page), "accuracy")
    curve.scroll_into_view_if_needed()
    box, tip = curve.bounding_box(), panel.locator("[data-picture=accuracy] .tip")
    for share in np.arange(0.2, 0.8, 0.05):
        page.mouse.move(box["x"] + 0.965 * box["width"], box["y"] + share * box["height"])
        if tip.is_visible():
            break
    expect(tip).to_have_text(re.compile(r"Run 1, step 5: \d\d\.\d%"))
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    expect(tip).to_be_hidden()
    panel, image = inside(page), picture(inside(page), "image")
    image.scroll_into_view_if_needed()
    box, before = image.bounding_box(), image.get_attribute("src")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=10)
    page.mouse.up()
    expect(image).not_to_have_attribute("src", before)
    page.wait_for_function("document.querySelectorAll('[data-picture=image] img')[0].complete")
    shot(panel, "playground-inside")
    drawn = np.asarray(Image.open(io.BytesIO(image.screenshot())).convert("RGB"), int)
    middle = drawn[int(0.55 * len(drawn)), int(0.5 * len(drawn[0]))]
    assert np.ptp(middle) < 40, "the stroke's middle has the mean image's grey"
    slider = panel.get_by_role("slider", name="Shift right")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    expect(panel.get_by_label("Shift right").first).not_to_have_value("0")
    button(panel, "Undo all changes").click()
    expect(panel.get_by_label("Shift right").first).to_have_value("0")
    box, before = image.bounding_box(), image.get_attribute("src")
    page.touchscreen.tap(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    expect(image).not_to_have_attribute("src", before)


def upload(page, path):
    with page.expect_file_chooser() as chooser:
        inside(page).get_by_text("Your own picture").click()
    chooser.value.set_files(path)


def test_a_picture_of_ones_own_is_read_shrunk_on_its_way_or_refused(page, tmp_path):
    """JupyterLab's messages hold 10 MiB; more ends the connection without a word."""
    panel, small = inside(page), tmp_path / "small.png"
    Image.new("RGB", (300, 200), "#3070c0").save(small)
    upload(page, small)
    expect(said(panel)).to_contain_text("Your picture has 300 × 200 pixels")
    refused = {"letter.txt": (b"Dear model", "is no picture"), "half.png": (small.read_bytes()[:100], "is damaged")}
    for megabytes in (10.8, 200):
        side, large = round((megabytes * 1e6 / 3) ** 0.5 / 4) * 4, tmp_path / f"{megabytes}.bmp"
        Image.new("RGB", (side, side), "#3070c0").save(large)  # a BMP is not compressed
        upload(page, large)
        expect(said(panel)).to_contain_text(re.compile(rf"{megabytes}.bmp has .*shrunk on its way"))
        sentence = f"has {megabytes:.0f} MB, and your browser can't read it"
        refused[f"{megabytes}.tif"] = (bytes(round(megabytes * 1e6)), sentence)
    for name, (content, sentence) in refused.items():
        (tmp_path / name).write_bytes(content)
        upload(page, tmp_path / name)
        expect(said(panel)).to_contain_text(f"{name} {sentence}")
        expect(picture(panel, "image")).to_be_hidden()
        upload(page, small)
        expect(picture(panel, "image")).to_be_visible()


def test_in_either_theme_at_any_width_all_fits_and_axe_finds_no_serious_fault(page):
    """axe-core, which nobody here wrote, looks at names and at contrast; and there is a word for who points."""
    panels = page.locator(".series-panel")
    for theme in ("Dark", "Light"):
        page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_function("dark => (document.body.dataset.jpThemeLight === 'false') === dark", arg=theme == "Dark")
        for width in (1280, 700, 400):
            page.set_viewport_size({"width": width, "height": 4_200})
            expect(panels).to_have_count(3)
            for place, each in enumerate(panels.all()):
                # Of the table, which scrolls on a small screen, only the frame has to fit there.
                page.wait_for_function(
                    """([it, narrow]) => [...it.querySelectorAll('*')].every(part => part.closest('.unseen') ||
                        (narrow && part.closest('.runs')) ||
                        part.getBoundingClientRect().right <= it.getBoundingClientRect().right + 1)""",
                    arg=[each.element_handle(), width < 1280],
                )
                shot(each, f"playground-{theme.lower()}-{width}-{place}")
            rate, curves = (
                training(page).locator(part).first.bounding_box() for part in ("[name=learning_rate]", "img")
            )
            assert curves["y"] - rate["y"] < 320, "the curves lie far below the rate"
        found = Axe().run(page, context={"include": [[".series-panel"]]}).response["violations"]
        assert not [each for each in found if each["impact"] in ("serious", "critical")], found
    assert not panels.locator(":is(input, select, button):not([title]), :is(input, select, button)[title='']").count()
    for image in panels.locator("img:visible").all():
        expect(image).to_have_attribute("alt", re.compile(".{15}"))


def test_without_a_kernel_there_is_a_word_and_the_last_picture_and_beside_the_controls_neither(page, opened):
    context, address, _ = opened
    expect(page.locator(".series-kept")).to_have_count(2)
    assert page.locator(".series-kept:visible").count() == 0
    other = context.new_page()
    other.goto(f"{address}/lab/tree/saved.ipynb?reset")
    cell = other.locator(".jp-Cell", has=other.locator(".series-note")).first
    cell.scroll_into_view_if_needed(timeout=120_000)
    expect(cell.locator(".series-note")).to_contain_text("choose Run > Run All Cells")
    image = cell.locator(".series-kept img")
    expect(image).to_be_visible()
    assert "accuracy" in image.get_attribute("alt")
    other.close()


def test_mouse_keys_and_touch_label_and_nothing_happens_to_the_cell(opened):
    context, address, folder = opened
    page, kept = context.new_page(), folder / "my-labels.json"
    open_notebook(page, address, "labelling.ipynb")
    assert run_all(page) == []
    panel = page.locator(".series-panel")
    news = panel.get_by_role("status")
    button(panel, "0 plane").click()
    expect(news).to_have_text("Image 2 of 4. You called the last one plane.")
    page.keyboard.press("6")  # JupyterLab's key for "make this cell a heading"
    expect(news).to_have_text("Image 3 of 4. You called the last one frog.")
    page.keyboard.press("u")
    expect(news).to_contain_text("Image 2 of 4.")
    button(panel, "1 car").tap()
    expect(news).to_contain_text("Image 3 of 4.")
    button(panel, "2 bird").focus()
    page.keyboard.press("Enter")
    expect(news).to_have_text("Image 4 of 4. You called the last one bird.")
    expect(panel.get_by_role("img", name="Image 4 of 4.")).to_have_js_property("naturalWidth", 32)
    shot(panel, "labelling")
    page.keyboard.press("s")
    expect(news).to_contain_text("Saved in my-labels.json: 3 labels.")
    assert list(json.loads(kept.read_text()).values()) == [["plane", "car", "bird"]]
    page.keyboard.press("9")
    expect(news).to_contain_text("You: 75% ± 22% (3 of 4). The model: 50% ± 25% (2 of 4).")
    expect(panel.get_by_role("img", name=re.compile("Only you are right on 1, only the model on 0"))).to_be_visible()
    expect(panel.get_by_role("img", name="Image 4 of 4.")).to_be_hidden()
    found = Axe().run(page, context={"include": [[".series-panel"]]}).response["violations"]
    assert not [each for each in found if each["impact"] in ("serious", "critical")], found
    button(panel, "Forget").click()
    expect(news).to_contain_text("Forgotten")
    assert not kept.exists()
    assert page.locator(".jp-CodeCell").count() == 1
    expect(page.locator(".series-kept")).to_be_hidden()
    assert page.locator(RED).count() == 0
    end_kernel(page)
