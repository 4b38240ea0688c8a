"""The gallery in a browser: filter, hover, click and keys, and no request leaves the page. `make test-browser`."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from layermix_gen import LayerMixError
from layermix_gen.inspection.drawings import gallery
from layermix_gen.inspection.drawings.gallery import write_gallery

pytestmark = pytest.mark.browser
HOSTILE = "</script><img src=x onerror=\"document.title='taken'\">"
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1300,900",
    "--force-prefers-reduced-motion",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.fail("expected chromium and chromedriver; run: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options, Service(driver)) as opened:
        opened.set_script_timeout(60)
        yield opened


@pytest.fixture(scope="module")
def path(squares, tmp_path_factory):
    """A gallery of 200 small samples, of which one has a hostile name."""
    path = tmp_path_factory.mktemp("gallery") / "page.html"
    columns = gallery._columns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "_columns", lambda rows: _with_a_hostile_name(columns(rows)))
        write_gallery(squares, path, order_by="key", progress=False)
    return path


def _with_a_hostile_name(columns):
    columns["class_name"][0] = columns["source"][0] = HOSTILE
    return columns


@pytest.fixture
def opened(browser, path):
    browser.get_log("performance")
    browser.get(path.as_uri())
    return browser


@pytest.fixture(scope="module")
def rows(squares):
    return squares.query(order_by="key")


def cells(browser):
    return browser.find_elements(By.CLASS_NAME, "cell")


def count(browser):
    return browser.find_element(By.ID, "count").text


def choose(browser, name, text):
    Select(browser.find_element(By.NAME, name)).select_by_visible_text(text)


def active(browser):
    grid = browser.find_element(By.ID, "grid")
    selected = grid.find_elements(By.CSS_SELECTOR, '[aria-selected="true"]')
    assert [one.get_attribute("id") for one in selected] == [grid.get_attribute("aria-activedescendant")]
    return int(selected[0].get_attribute("aria-posinset")) - 1


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()


def dialog(browser):
    return browser.find_element(By.ID, "sample")


def is_open(browser):
    return dialog(browser).get_attribute("open") is not None


def test_all_samples_and_their_pictures(opened):
    assert count(opened) == "200 samples"
    assert opened.title == "LayerMix samples"
    shown = opened.execute_async_script(
        "const done = arguments[0]; Promise.all([...document.images].map((image) => image.decode()))"
        ".then(() => done([...document.images].map((image) => image.naturalWidth)))"
    )
    assert set(shown) == {28}


def test_filters(opened, rows):
    opened.find_element(By.CSS_SELECTOR, '#layers button[value="3"]').click()
    opened.find_element(By.CSS_SELECTOR, '#layers button[value="2"]').click()
    of_layers = [row for row in rows if row["layer"] >= 2]
    assert count(opened) == f"{len(of_layers)} of 200 samples"
    choose(opened, "blend", "pixel")
    matches = [row for row in of_layers if "pixel" in row["blends"]]
    assert count(opened) == f"{len(matches)} of 200 samples"
    titles = [cell.find_element(By.TAG_NAME, "b").text for cell in cells(opened)]
    assert titles == [" · ".join(filter(None, (row["op"], *row["blends"]))) for row in matches][: len(titles)]
    choose(opened, "plane", "v01")
    matches = [row for row in matches if row["plane"] == "v01"]
    choose(opened, "op", matches[0]["op"])
    choose(opened, "class_name", matches[0]["class_name"])
    matches = [row for row in matches if (row["op"], row["label"]) == (matches[0]["op"], matches[0]["label"])]
    assert count(opened) == f"{len(matches)} of 200 samples"
    choose(opened, "plane", "clean")
    assert opened.find_element(By.ID, "nothing").is_displayed()
    opened.find_element(By.CSS_SELECTOR, 'button[type="reset"]').click()
    WebDriverWait(opened, 10).until(lambda browser: count(browser) == "200 samples")


def test_the_recipe_on_hover(opened, rows):
    hint = opened.find_element(By.ID, "hint")
    assert not hint.is_displayed()
    ActionChains(opened).move_to_element(cells(opened)[3]).perform()
    assert hint.is_displayed()
    assert rows[3]["recipe"] in hint.text
    assert rows[3]["key"] in hint.text
    ActionChains(opened).move_to_element(opened.find_element(By.TAG_NAME, "h1")).perform()
    assert not hint.is_displayed()


def test_the_explained_tree_on_click(opened, rows):
    place = next(i for i, row in enumerate(rows) if row["layer"] == 3 and set(row["blends"]) == {"pixel", "add"})
    opened.execute_script("activate(arguments[0])", place)
    opened.find_element(By.ID, f"cell-{place}").click()
    assert is_open(opened)
    assert opened.find_element(By.ID, "recipe").text == rows[place]["recipe"]
    assert opened.find_element(By.ID, "title").text == " · ".join(
        ["Layer 3", rows[place]["op"], *rows[place]["blends"]]
    )
    names = [name.text for name in dialog(opened).find_elements(By.CSS_SELECTOR, ".card b")]
    op, blends = rows[place]["op"], rows[place]["blends"]
    assert names == ["view", op, op, blends[0], "picture", blends[1], op]
    assert len(dialog(opened).find_elements(By.CLASS_NAME, "mask")) == 1
    boxes = [card.rect for card in dialog(opened).find_elements(By.CSS_SELECTOR, ".card .frame")]
    for number, a in enumerate(boxes):
        for b in boxes[:number]:
            apart = [a[at] + a[by] <= b[at] or b[at] + b[by] <= a[at] for at, by in (("x", "width"), ("y", "height"))]
            assert any(apart)
    opened.find_element(By.ID, "close").click()
    assert not is_open(opened)
    assert opened.switch_to.active_element.get_attribute("id") == "grid"


def test_the_strip_has_a_picture_for_every_step(opened, rows):
    script = """
        const done = arguments[0];
        const widths = samples.key.map((_, i) => new Promise((resolve) => {
          const image = new Image();
          image.onload = () => resolve(image.naturalWidth / image.naturalHeight);
          image.src = picture("steps", i);
        }));
        const frames = samples.key.map((_, i) => treeOf(i).nodes.filter((node) => node.name !== "image")
          .reduce((sum, node) => sum + (data.masked.includes(node.name) ? 2 : 1), 1));
        Promise.all(widths).then((found) => done([found, frames]));
    """
    found, frames = opened.execute_async_script(script)
    assert found == frames
    assert len(frames) == len(rows)


def test_the_tree_of_each_sample_is_that_of_its_recipe(opened, rows):
    script = """
        const inside = (node) => [...node.operands.map(text), ...node.numbers.filter(Boolean)].join(", ");
        const text = (node) => inside(node) ? `${node.name}(${inside(node)})` : node.name;
        return samples.key.map((_, i) => text(treeOf(i).nodes.at(-1)));
    """
    assert opened.execute_script(script) == [row["recipe"] for row in rows]


def test_cards_have_their_numbers_and_the_view_its_row(opened, rows):
    place = next(i for i, row in enumerate(rows) if row["layer"] == 2 and row["op"] == "rotate")
    opened.execute_script("open(arguments[0])", place)
    cards = {}
    for card in dialog(opened).find_elements(By.CLASS_NAME, "card"):
        caption = tuple(part.text for part in card.find_elements(By.CSS_SELECTOR, "b, span"))
        frame = card.find_element(By.CLASS_NAME, "frame").rect
        cards[caption] = frame["y"] + frame["height"] / 2
    angles = [f"{number}°" for number in rows[place]["op_args"][:2]]
    assert {("view", ""), *(("rotate", angle) for angle in angles)} <= cards.keys()
    first, second = (cards["rotate", angle] for angle in angles)
    assert cards["view", ""] == pytest.approx((first + second) / 2, abs=1)


def test_keys(opened, rows):
    press(opened, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert active(opened) == 1
    columns = opened.execute_script("return columns")
    press(opened, Keys.ARROW_DOWN)
    assert active(opened) == 1 + columns
    assert rows[1 + columns]["recipe"] in opened.find_element(By.ID, "hint").text
    press(opened, Keys.END)
    assert active(opened) == 199
    press(opened, Keys.PAGE_UP, Keys.ARROW_UP)
    assert active(opened) < 199 - columns
    press(opened, Keys.HOME)
    assert active(opened) == 0
    press(opened, Keys.ENTER)
    assert is_open(opened)
    press(opened, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert opened.find_element(By.ID, "recipe").text == rows[1]["recipe"]
    press(opened, Keys.ESCAPE)
    assert not is_open(opened)
    assert active(opened) == 1
    press(opened, Keys.ARROW_RIGHT)  # the focus is back on the samples
    assert active(opened) == 2


def test_hostile_names_are_text(opened):
    assert HOSTILE in cells(opened)[0].find_element(By.TAG_NAME, "span").get_property("textContent")
    ActionChains(opened).move_to_element(cells(opened)[0]).perform()
    press(opened, Keys.ENTER)
    assert HOSTILE in opened.find_element(By.ID, "subtitle").text
    choose_all = Select(opened.find_element(By.NAME, "class_name")).options
    assert HOSTILE in [option.get_property("textContent") for option in choose_all]
    assert opened.title == "LayerMix samples"


class Nothing(BaseHTTPRequestHandler):
    """A server that is told of every request and answers none of them well."""

    def do_GET(self):
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        self.send_error(404)

    def log_message(self, *_):
        pass


def test_no_request_leaves_the_page(opened, path):
    press(opened, Keys.ENTER, Keys.ARROW_RIGHT, Keys.ESCAPE, Keys.END)
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    urls = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith("data:")} == {path.as_uri()}


def test_the_page_may_request_nothing(opened):
    """What a script in the page could try, had one got into it."""
    server = HTTPServer(("127.0.0.1", 0), Nothing)
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        script = """
            const [url, done] = arguments;
            new Image().src = `${url}/image`;
            document.head.append(Object.assign(document.createElement("script"), { src: `${url}/script` }));
            document.head.append(Object.assign(document.createElement("script"), { textContent: "window.ran = true" }));
            fetch(`${url}/fetch`).then(() => done("sent"), () => setTimeout(() => done("refused"), 300));
        """
        assert opened.execute_async_script(script, f"http://127.0.0.1:{server.server_port}") == "refused"
        assert opened.execute_script("return window.ran") is None
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert server.seen == []  # type: ignore[attr-defined]


def test_only_the_rows_that_are_seen_are_in_the_page(browser, squares, tmp_path, monkeypatch):
    """5,000 samples: the 200 of the dataset again and again."""
    select = type(squares).query
    monkeypatch.setattr(type(squares), "query", lambda self, *_, **__: 25 * select(self))
    monkeypatch.setattr(gallery, "replayed", _without_a_source)
    browser.get(write_gallery(squares, tmp_path / "page.html", progress=False).as_uri())
    assert browser.execute_script("return matches.length") == 5000
    script = """
        const [speed, done] = arguments;
        const seen = [];
        function step() {
          scroller.scrollTop += speed;
          const box = scroller.getBoundingClientRect();
          const middle = document.elementFromPoint(box.left + 80, box.top + box.height / 2);
          seen.push([grid.querySelectorAll(".cell").length, Boolean(middle.closest(".cell, #grid"))]);
          if (scroller.scrollTop + scroller.clientHeight < scroller.scrollHeight - 1) requestAnimationFrame(step);
          else requestAnimationFrame(() => done([seen, Boolean(document.getElementById("cell-4999"))]));
        }
        requestAnimationFrame(step);
    """
    seen, reached = browser.execute_async_script(script, 600)
    assert len(seen) > 100
    assert max(cells for cells, _ in seen) < 200
    assert all(filled for _, filled in seen)
    assert reached


def test_steps_as_text(browser, squares, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "replayed", _without_a_source)
    browser.get(write_gallery(squares, tmp_path / "page.html", "layer = 3", progress=False).as_uri())
    press(browser, Keys.ENTER)
    assert len(dialog(browser).find_elements(By.CSS_SELECTOR, ".card.text")) == 6
    assert len(dialog(browser).find_elements(By.CSS_SELECTOR, ".card img")) == 1  # the result
    assert browser.find_element(By.ID, "note").text == "Steps as text: the source is gone."


def _without_a_source(*_):
    raise LayerMixError("the source is gone")
