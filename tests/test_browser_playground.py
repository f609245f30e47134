"""The playground in a real browser: mouse, keyboard, touch, upload, either theme, any width, and no kernel."""

import io
import re
import time

import nbformat
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from tests.browser import PATIENCE, RED, browser, end_kernel, jupyterlab, needs_chromium, open_notebook, run_all, shot
from tests.series import PATHS

expect.set_options(timeout=30_000)
pytestmark = [pytest.mark.slow, needs_chromium]

CELLS = [
    "from helpers.playground import Playground\n\nplayground = Playground(batch_size=20, images=2_000, steps=1_000)",
    'print(playground.run("batch_size=20, images=2000, steps=5").name)',
    "playground.show()",
    "playground.look_inside()",
]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Give a page with a short notebook in it that shows all panels, the address of its JupyterLab, and its folder."""
    folder = tmp_path_factory.mktemp("playground")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for name in ("short", "touched"):
        nbformat.write(notebook, folder / f"{name}.ipynb")
    nbformat.write(nbformat.read(next(path for path in PATHS if path.stem[:2] == "08"), 4), folder / "saved.ipynb")
    with jupyterlab(folder) as address, browser() as started:
        page = started.new_context().new_page()
        open_notebook(page, address, "short.ipynb")
        assert run_all(page) == []
        yield page, address, folder
        end_kernel(page)


@pytest.fixture
def page(opened):
    """Give the page as the test before left it."""
    page, _, _ = opened
    page.set_viewport_size({"width": 1100, "height": 2_400})
    expect(page.locator(".playground")).to_have_count(3)
    yield page
    assert page.locator(RED).count() == 0


@pytest.fixture
def fresh(page):
    """Give the page with a fresh playground: all cells run again."""
    assert run_all(page) == []
    training(page).wait_for()
    expect(page.locator(".playground")).to_have_count(3)
    return page


def training(page):
    return page.locator(".playground").nth(0)


def comparing(page):
    return page.locator(".playground").nth(1)


def inside(page):
    return page.locator(".playground").nth(2)


def button(panel, name):
    return panel.get_by_role("button", name=name, exact=True)


def said(panel):
    return panel.locator(".urgent")


def words(panel):
    return panel.locator(".words:not(.urgent)").first


def picture(panel, name):
    return panel.locator(f"[data-picture={name}] img")


def step(page) -> int:
    found = re.search(r"step ([\d,]+) of", words(training(page)).inner_text())
    return int(found[1].replace(",", "")) if found else 0


def pictures_seen(image, count):
    """Wait until a picture has changed `count` times; return the milliseconds that took."""
    return image.evaluate(
        """(image, count) => new Promise((yes, no) => {
            const begun = performance.now();
            setTimeout(() => no(new Error('the picture stands still')), 25000);
            new MutationObserver(() => --count === 0 && yes(performance.now() - begun))
                .observe(image, {attributes: true, attributeFilter: ['src']});
        })""",
        count,
    )


def stopped(page):
    button(training(page), "Stop").click()
    expect(words(training(page))).to_contain_text("Stopped")


def test_start_turn_stop_go_on_compare_and_save(fresh, opened):
    page, panel, compare, folder = fresh, training(fresh), comparing(fresh), opened[2]
    shot(panel, "playground-1-ready")
    panel.get_by_label("My guess").select_option("diverges")
    button(panel, "Start").click()
    pictures_seen(picture(panel, "accuracy"), 2)
    for name in ("Start", "One step", "Go on"):
        expect(button(panel, name)).to_be_disabled()
    for label in ("Batch size", "Weight decay", "Images", "Seed", "Preset", "My guess"):
        expect(panel.get_by_label(label).first).to_be_disabled()
    rate = panel.get_by_label("Learning rate").first
    rate.fill("0,2")
    pictures_seen(picture(panel, "accuracy"), 2)
    expect(rate).to_have_value("0,2")  # what is being typed stays, whatever is drawn meanwhile
    rate.fill("0.3")
    panel.get_by_role("slider", name="Learning rate").press("ArrowRight")
    expect(rate).to_have_value("0.4")
    pictures_seen(picture(panel, "loss"), 1)
    shot(panel, "playground-2-training")
    stopped(page)
    done = step(page)
    assert 0 < done < 1_000
    time.sleep(1)
    assert step(page) == done
    panel.get_by_label("Speed").select_option("full speed")
    button(panel, "Go on").click()
    expect(words(panel)).to_contain_text("Done", timeout=PATIENCE)
    expect(words(panel)).to_contain_text("You guessed “diverges”; the truth is")
    expect(words(panel)).to_contain_text("0 of 1 right")
    expect(compare.locator("tbody tr")).to_have_count(2)
    expect(compare.locator("tbody tr").nth(1)).to_contain_text("0.3 → 0.4")
    assert compare.locator("tr.best").count() == 1
    drawn = picture(compare, "accuracy").get_attribute("src")
    compare.get_by_label("Show the curves of Run 1").uncheck()
    expect(picture(compare, "accuracy")).not_to_have_attribute("src", drawn)
    compare.get_by_label("Name of Run 2").fill("mine")
    compare.get_by_label("Name of Run 2").press("Enter")
    compare.get_by_label("Templates of").select_option(label="Run 2: mine")
    button(compare, "Set these in notebook 6").click()
    expect(compare.locator("textarea")).to_have_value(re.compile("seed = 0\nlearning_rate = "))
    shot(compare, "playground-3-compared")
    button(compare, "Remove Run 1").click()
    expect(compare.locator("tbody tr")).to_have_count(1)
    button(compare, "Save table (CSV)").click()
    expect(said(compare)).to_contain_text("Saved all runs to my-runs.csv")
    button(compare, "Save picture (PNG)").click()
    expect(said(compare)).to_contain_text("my-runs.png")
    assert Image.open(folder / "my-runs.png").size[0] > 400
    with page.expect_file_chooser() as chooser:
        compare.get_by_text("Load a table").click()
    chooser.value.set_files(folder / "my-runs.csv")
    expect(said(compare)).to_contain_text("Added 1 runs of my-runs.csv")
    expect(compare.locator("tbody tr")).to_have_count(2)


def test_ten_clicks_on_start_start_one_run_and_the_pictures_keep_their_place(fresh):
    page, panel = fresh, training(fresh)
    button(panel, "Start").evaluate("button => { for (let i = 0; i < 10; i++) button.click() }")
    boxes = panel.evaluate(
        """panel => new Promise(yes => {
            const boxes = new Set(), end = performance.now() + 3000, image = panel.querySelector('img');
            const look = () => {
                boxes.add(image.getBoundingClientRect().height + ' at ' + (image.getBoundingClientRect().top -
                    panel.getBoundingClientRect().top));
                performance.now() < end ? requestAnimationFrame(look) : yes([...boxes]);
            };
            setTimeout(look, 1000);
        })"""
    )
    assert len(boxes) == 1, boxes
    stopped(page)
    expect(comparing(page).locator("tbody tr")).to_have_count(2)


def test_the_keyboard_alone_is_enough(fresh):
    page, panel = fresh, training(fresh)
    found = panel.get_by_role("slider").evaluate_all("all => all.map(one => [one.name, JSON.parse(one.dataset.stops)])")
    stops = dict(found)
    assert stops["learning_rate"][::10] == [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10]
    assert stops["weight_decay"][:3] == [0, 1e-5, 1.3e-5]
    assert (stops["batch_size"][:4], stops["images"][-1]) == ([1, 2, 3, 4], 45_000)
    for label, written, held in (("Learning rate", "0,05", "0.05"), ("Batch size", "many", "20")):
        panel.get_by_label(label, exact=True).fill(written)
        page.keyboard.press("Enter")
        expect(panel.get_by_label(label, exact=True)).to_have_value(held)
    expect(said(panel)).to_contain_text("batch_size = 'many' makes no sense")
    panel.get_by_label("Preset").focus()
    visited = []
    for _ in range(40):
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.name"))
        if visited[-1] == "start":
            break
    assert visited == ["guess", *[name for name in ("weight_decay", "batch_size", "steps", "images") for _ in range(2)],
                       "schedule", "divide_by", "seed", "line", *["learning_rate"] * 2, "start"]  # fmt: skip
    page.keyboard.press("Enter")
    pictures_seen(picture(panel, "accuracy"), 1)
    button(panel, "Stop").focus()
    page.keyboard.press("Space")
    expect(words(panel)).to_contain_text("Stopped")
    done = step(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # One step
    expect(words(panel)).to_contain_text(f"step {done + 1:,} of")


def test_a_value_is_read_off_a_curve(fresh):
    page, panel = fresh, comparing(fresh)
    picture(panel, "accuracy").scroll_into_view_if_needed()
    box = picture(panel, "accuracy").bounding_box()
    tip = panel.locator("[data-picture=accuracy] .tip")
    for share in (0.3, 0.4, 0.5, 0.6, 0.7):
        page.mouse.move(box["x"] + 0.65 * box["width"], box["y"] + share * box["height"])
        if tip.is_visible():
            break
    expect(tip).to_have_text(re.compile(r"Run 1, step [\d,]+: \d\d\.\d%"))
    shot(panel, "playground-9-value")
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    expect(tip).to_be_hidden()


def upload(page, name, content):
    with page.expect_file_chooser() as chooser:
        inside(page).get_by_text("Your own picture").click()
    if isinstance(content, bytes):
        content = {"name": name, "mimeType": "", "buffer": content}
    chooser.value.set_files(content)


def png(width, height):
    photo = io.BytesIO()
    Image.new("RGB", (width, height), "#3070c0").save(photo, "PNG")
    return photo.getvalue()


def test_a_picture_of_ones_own_is_read_shrunk_on_its_way_or_refused(page, tmp_path):
    """JupyterLab's messages hold 10 MiB; more ends the connection without a word."""
    panel, path = inside(page), tmp_path / "large.bmp"
    drawn = picture(panel, "image").get_attribute("src")
    upload(page, "sea.png", png(300, 200))
    expect(said(panel)).to_contain_text("Your picture has 300 × 200 pixels")
    expect(picture(panel, "image")).not_to_have_attribute("src", drawn)
    shot(panel, "playground-4-own-picture")
    refused = [("letter.txt", b"Dear model", "letter.txt is no picture"),
               ("half.png", png(300, 200)[:100], "half.png is damaged")]  # fmt: skip
    for megabytes in (10.4, 10.8, 14, 200):
        side = round((megabytes * 1e6 / 3) ** 0.5 / 4) * 4
        Image.new("RGB", (side, side), "#3070c0").save(path)  # a BMP is not compressed
        upload(page, path.name, path)
        expect(said(panel)).to_contain_text(re.compile(r"large.bmp has .*shrunk on its way"), timeout=60_000)
        garbage = tmp_path / f"{megabytes}.bmp"
        garbage.write_bytes(bytes(round(megabytes * 1e6)))
        refused.append(
            (garbage.name, garbage, f"{garbage.name} has {megabytes:.0f} MB, and your browser can't read it")
        )
    for name, content, sentence in refused:
        upload(page, name, content)
        expect(said(panel)).to_contain_text(sentence)
        expect(picture(panel, "image")).to_be_hidden()
        upload(page, "small.png", png(40, 40))
        expect(said(panel)).to_contain_text("Your picture has 40 × 40 pixels")
        expect(picture(panel, "image")).to_be_visible()


def test_a_mistake_its_changes_and_a_stroke_that_covers(page):
    panel = inside(page)
    panel.get_by_label("Class").select_option("ship")
    button(panel, "A mistake").click()
    expect(panel).to_contain_text("The label says ship")
    image = picture(panel, "image")
    image.scroll_into_view_if_needed()
    box, drawn = image.bounding_box(), image.get_attribute("src")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=10)
    page.mouse.up()
    expect(image).not_to_have_attribute("src", drawn)
    page.wait_for_timeout(1_000)
    shot(panel, "playground-5-inside")
    pixels = np.asarray(Image.open(io.BytesIO(image.screenshot())).convert("RGB"), int)
    middle = pixels[int(0.55 * len(pixels)), int(0.5 * len(pixels[0]))]
    assert np.ptp(middle) < 40, "the stroke's middle has the mean image's grey"
    button(panel, "Undo all changes").click()


def test_fingers_move_a_slider_and_draw(opened):
    """Touch, as a phone has it, on a page and a kernel of its own."""
    page, address, _ = opened
    context = page.context.browser.new_context(has_touch=True, viewport={"width": 700, "height": 1_000})
    other = context.new_page()
    open_notebook(other, address, "touched.ipynb")
    assert run_all(other) == []
    panel = other.locator(".playground").nth(2)
    slider = panel.get_by_role("slider", name="Shift right")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    other.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    expect(panel.get_by_label("Shift right").first).not_to_have_value("0")
    drawn = picture(panel, "image").get_attribute("src")
    picture(panel, "image").scroll_into_view_if_needed()
    box = picture(panel, "image").bounding_box()
    other.touchscreen.tap(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    expect(picture(panel, "image")).not_to_have_attribute("src", drawn)
    end_kernel(other)
    context.close()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_in_either_theme_at_any_width_all_fits_and_axe_finds_no_serious_fault(page, theme):
    """axe-core, which nobody here wrote, looks at names and at contrast; and there is a word for who points."""
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function("dark => (document.body.dataset.jpThemeLight === 'false') === dark", arg="Dark" in theme)
    panels = page.locator(".playground")
    for width in (1280, 700, 400):
        page.set_viewport_size({"width": width, "height": 4_200})
        page.wait_for_timeout(500)
        for place, each in enumerate(panels.all()):
            too_wide = each.evaluate(
                """(it, narrow) => [...it.querySelectorAll('*')].filter(part => !part.closest('.unseen') &&
                    !(narrow && part.closest('.runs')) &&
                    part.getBoundingClientRect().right > it.getBoundingClientRect().right + 1)
                    .map(part => part.outerHTML)""",
                width < 1280,  # there the table scrolls
            )
            assert not too_wide
            shot(each, f"playground-6-{theme.split()[1].lower()}-{width}-{place}")
        rate, curves = (training(page).locator(part).first.bounding_box() for part in ("[name=learning_rate]", "img"))
        assert curves["y"] - rate["y"] < 320, "the curves lie far below the rate"
    found = Axe().run(page, context={"include": [[".playground"]]}).response["violations"]
    assert not [each for each in found if each["impact"] in ("serious", "critical")], found
    assert not panels.locator(":is(input, select, button):not([title]), :is(input, select, button)[title='']").count()
    for image in panels.locator("img:visible").all():
        expect(image).to_have_attribute("alt", re.compile(".{15}"))
    page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")


def test_without_a_kernel_there_is_a_word_and_the_last_picture_and_beside_the_controls_neither(opened):
    page, address, _ = opened
    assert page.locator(".playground-kept").count() == 2
    assert page.locator(".playground-kept:visible").count() == 0
    other = page.context.new_page()
    open_notebook(other, address, "saved.ipynb")
    cell = other.locator(".jp-Cell", has=other.locator(".playground-note")).first
    cell.scroll_into_view_if_needed()
    expect(cell.locator(".playground-note")).to_contain_text("choose Run > Run All Cells")
    image = cell.locator(".playground-kept img")
    expect(image).to_be_visible()
    assert "accuracy" in image.get_attribute("alt")
    shot(cell, "playground-8-no-kernel")
    end_kernel(other)
    other.close()
