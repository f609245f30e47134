"""The playground in a real browser: mouse, keyboard, upload, dark theme, narrow window, and no kernel."""

import io
import re
import statistics
import time

import nbformat
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser import RED, SHOTS, browser, end_kernel, jupyterlab, needs_chromium, open_notebook, run_all, shot
from tests.series import PATHS

expect.set_options(timeout=30_000)
pytestmark = [pytest.mark.slow, needs_chromium]

CELLS = [
    "from helpers.playground import Playground\n\nplayground = Playground(batch_size=20, images=2_000, steps=1_000)",
    "print(playground.run().name)",
    "playground.show()",
    "playground.look_inside()",
]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Give a page with a short notebook in it that shows both panels, and the address of its JupyterLab."""
    folder = tmp_path_factory.mktemp("playground")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, folder / "short.ipynb")
    nbformat.write(nbformat.read(next(path for path in PATHS if path.stem[:2] == "08"), 4), folder / "saved.ipynb")
    with jupyterlab(folder) as address, browser() as started:
        page = started.new_context().new_page()
        page.set_viewport_size({"width": 1100, "height": 2_400})
        open_notebook(page, address, "short.ipynb")
        yield page, address, folder
        end_kernel(page)


@pytest.fixture
def page(opened):
    """Give the page with a fresh playground: all cells run again."""
    page, _, _ = opened
    page.set_viewport_size({"width": 1100, "height": 2_400})
    assert run_all(page) == []
    training(page).wait_for()
    expect(page.locator(".playground")).to_have_count(2)
    yield page
    assert page.locator(RED).count() == 0


def training(page):
    return page.locator(".playground").nth(0)


def inside(page):
    return page.locator(".playground").nth(1)


def button(panel, name):
    return panel.get_by_role("button", name=re.compile(rf"\W*{re.escape(name)}$"))  # its icon is a letter to Chromium


def words(panel):
    return panel.locator(".words").first


def step(page) -> int:
    found = re.search(r"step ([\d,]+) of", words(training(page)).inner_text())
    return int(found[1].replace(",", "")) if found else 0


def pictures_seen(panel, count, place=0):
    """Wait until a picture has changed `count` times; return the milliseconds that took."""
    return (
        panel.locator("img")
        .nth(place)
        .evaluate(
            """(image, count) => new Promise((yes, no) => {
            const begun = performance.now();
            setTimeout(() => no(new Error('the picture stands still')), 20000);
            let last = image.src;
            new MutationObserver(() => {
                if (image.src === last) return;
                last = image.src;
                if (--count === 0) yes(performance.now() - begun);
            }).observe(image, {attributes: true, attributeFilter: ['src']});
        })""",
            count,
        )
    )


def test_start_turn_stop_go_on_and_compare(page):
    panel = training(page)
    shot(panel, "playground-1-ready")
    panel.get_by_label("My guess").select_option("diverges")
    button(panel, "Start").click()
    pictures_seen(panel, 3)
    expect(button(panel, "Start")).to_be_disabled()
    before = panel.get_by_label("Learning rate").input_value()
    panel.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    expect(panel.get_by_label("Learning rate")).not_to_have_value(before)
    pictures_seen(panel, 2)
    shot(panel, "playground-2-training")
    button(panel, "Stop").click()
    expect(words(panel)).to_contain_text("Stopped")
    stopped = step(page)
    assert 0 < stopped < 1_000
    time.sleep(1)
    assert step(page) == stopped
    panel.get_by_label("Speed").select_option("full speed")
    button(panel, "Go on").click()
    expect(words(panel)).to_contain_text("Done")
    expect(words(panel)).to_contain_text("You guessed “diverges”; the truth is")
    rows = panel.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("0.3 → ")
    assert panel.locator("tr.best").count() == 1
    drawn = panel.locator("img").nth(3).get_attribute("src")
    panel.get_by_label("Run 1").uncheck()
    expect(panel.locator("img").nth(3)).not_to_have_attribute("src", drawn)
    panel.get_by_label("Run 1").check()
    button(panel, "Set these in notebook 6").click()
    expect(panel.locator("textarea")).to_have_value(re.compile("seed = 0\nlearning_rate = "))
    shot(panel, "playground-3-compared")


def test_files_are_written_beside_the_notebook_or_a_sentence_says_why_not(page, opened):
    panel, folder = training(page), opened[2]
    button(panel, "Save table (CSV)").click()
    expect(panel.locator(".words").last).to_contain_text("Saved all runs to my-runs.csv")
    button(panel, "Save picture (PNG)").click()
    expect(panel.locator(".words").last).to_contain_text("my-runs.png")
    assert (folder / "my-runs.csv").read_text().startswith("run,seed,")
    assert Image.open(folder / "my-runs.png").size[0] > 400
    panel.get_by_label("File name").fill("no/such/folder/x")
    button(panel, "Save table (CSV)").click()
    expect(panel.locator(".words").last).to_contain_text("can't be written")


def test_ten_clicks_on_start_start_one_run(page):
    panel = training(page)
    button(panel, "Start").evaluate("button => { for (let i = 0; i < 10; i++) button.click() }")
    pictures_seen(panel, 2)
    button(panel, "Stop").click()
    expect(words(panel)).to_contain_text("Stopped")
    expect(panel.locator("tbody tr")).to_have_count(2)


def test_the_pictures_keep_their_place_while_they_change(page):
    panel = training(page)
    button(panel, "Start").click()
    heights = panel.locator("img").first.evaluate(
        """image => new Promise(yes => {
            const heights = [], end = performance.now() + 2500;
            const look = () => {
                heights.push(image.getBoundingClientRect().height);
                performance.now() < end ? requestAnimationFrame(look) : yes(heights);
            };
            look();
        })"""
    )
    assert len(set(heights)) == 1
    assert heights[0] > 100
    button(panel, "Stop").click()
    expect(words(panel)).to_contain_text("Stopped")


def test_the_keyboard_alone_is_enough(page):
    panel = training(page)
    panel.get_by_label("Preset").focus()
    visited = []
    for _ in range(40):
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.className"))
        if visited[-1] == "Start":
            break
    assert visited[-1] == "Start", visited
    assert sum("noUi-handle" in name for name in visited) == 5, "a slider is left out"
    page.keyboard.press("Enter")
    pictures_seen(panel, 2)
    button(panel, "Stop").focus()
    page.keyboard.press("Space")
    expect(words(panel)).to_contain_text("Stopped")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Go on"
    page.keyboard.press("Enter")
    pictures_seen(panel, 1)
    button(panel, "Stop").click()
    expect(words(panel)).to_contain_text("Stopped")
    expect(panel.locator("tbody tr")).to_have_count(2)


def test_a_screen_reader_finds_names_and_news(page):
    panel = training(page)
    for name in ("Learning rate", "Weight decay", "Batch size", "Steps", "Images", "Schedule", "Pixels", "Seed",
                 "Preset", "My guess", "Speed", "File name"):  # fmt: skip
        assert panel.get_by_label(name).first.is_visible(), name
    assert panel.get_by_role("alert").or_(panel.get_by_role("status")).count() >= 1
    assert panel.get_by_role("region", name="All runs").is_visible()
    assert "accuracy and loss against steps" in panel.inner_text()


def upload(page, name, content):
    with page.expect_file_chooser() as chooser:
        inside(page).get_by_role("button", name="Your own picture").click()
    chooser.value.set_files({"name": name, "mimeType": "", "buffer": content})


def test_a_picture_of_ones_own(page):
    panel, photo = inside(page), io.BytesIO()
    picture = Image.new("RGB", (300, 200), "#3070c0")
    picture.paste("white", (100, 90, 200, 130))
    picture.save(photo, "PNG")
    answer = panel.locator("img").nth(1)  # the first shows how a picture was shrunk
    drawn = answer.get_attribute("src")
    upload(page, "sea.png", photo.getvalue())
    expect(words(panel)).to_contain_text("Your picture has 300 × 200 pixels")
    expect(answer).not_to_have_attribute("src", drawn)
    shot(panel, "playground-4-own-picture")
    shown = answer.get_attribute("src")
    for name, content, sentence in (
        ("letter.txt", b"Dear model", "letter.txt is no picture"),
        ("half.png", photo.getvalue()[:100], "half.png is damaged"),
        ("<b>.png", b"", ""),
    ):
        upload(page, name, content)
        if sentence:
            expect(words(panel)).to_contain_text(sentence)
    assert answer.get_attribute("src") == shown


def test_a_mistake_and_its_changes(page):
    panel = inside(page)
    panel.get_by_label("Class").select_option("ship")
    button(panel, "A mistake").click()
    expect(panel).to_contain_text("The label says ship")
    spoken = panel.locator(".words").last.inner_text()
    panel.get_by_label("Colours").select_option("inverted")
    expect(panel.locator(".words").last).not_to_have_text(spoken)
    shot(panel, "playground-5-inside")


def test_latency_is_measured(page):
    """How long from a key on a slider to the new picture: noted in _build/browser/latency.txt, no limit checked."""
    panel = inside(page)
    handles = panel.locator(".noUi-handle")
    taken = []
    for _ in range(15):
        handles.first.focus()
        waiting = (
            panel.locator("img")
            .nth(2)
            .evaluate_handle(
                """image => ({begun: performance.now(), seen: new Promise(yes => new MutationObserver(() =>
                image.decode().then(() => yes(performance.now()))).observe(image, {attributeFilter: ['src']}))})"""
            )
        )
        page.keyboard.press("ArrowRight")
        taken.append(waiting.evaluate("async it => await it.seen - it.begun"))
    SHOTS.mkdir(parents=True, exist_ok=True)
    (SHOTS / "latency.txt").write_text(
        f"slider to new picture, ms: median {statistics.median(taken):.0f}, all {[round(ms) for ms in taken]}\n"
    )
    assert len(taken) == 15


def luminance(colour):
    parts = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_text_is_readable_in_either_theme_and_fits_a_narrow_window(page, theme):
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    panel = training(page)
    page.wait_for_function("dark => (document.body.dataset.jpThemeLight === 'false') === dark", arg="Dark" in theme)
    page.wait_for_timeout(500)
    background = panel.evaluate(
        """it => {
            while (/^rgba\\(.*, 0\\)$/.test(getComputedStyle(it).backgroundColor)) it = it.parentElement;
            return getComputedStyle(it).backgroundColor;
        }"""
    )
    for part in (words(panel), panel.locator("label").first, panel.locator("th").first, panel.locator("h4").first):
        light, dark = sorted((luminance(part.evaluate("it => getComputedStyle(it).color")), luminance(background)))[
            ::-1
        ]
        assert (light + 0.05) / (dark + 0.05) > 4.5, part
    name = theme.split()[1].lower()
    shot(panel, f"playground-6-{name}")
    page.set_viewport_size({"width": 480, "height": 3_200})
    page.wait_for_timeout(500)
    for each, place in ((panel, "training"), (inside(page), "inside")):
        too_wide = each.evaluate(
            """it => [...it.querySelectorAll('*')].filter(part => !part.closest('.runs') &&
                part.getBoundingClientRect().right > it.getBoundingClientRect().right + 1)
                .map(part => part.outerHTML)"""
        )
        assert not too_wide
        shot(each, f"playground-7-{name}-narrow-{place}")
    page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")


def test_without_a_kernel_there_is_a_word_and_the_last_picture(opened):
    page, address, _ = opened
    other = page.context.new_page()
    open_notebook(other, address, "saved.ipynb")
    note = other.locator(".playground-note").first
    note.scroll_into_view_if_needed()
    expect(note).to_contain_text("choose Run > Run All Cells")
    assert note.is_visible()
    cell = other.locator(".jp-Cell", has=other.locator(".playground-note")).first
    expect(cell.locator(".jp-RenderedImage img")).to_be_visible()
    shot(cell, "playground-8-no-kernel")
    end_kernel(other)
    other.close()


def test_the_note_gives_way_to_the_controls(page):
    expect(page.locator(".playground-note").first).to_be_hidden()
    assert page.locator(".jp-RenderedImage:visible").count() == 0
