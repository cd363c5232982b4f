"""A real browser, without a window: Debian's Chromium, driven by Selenium.

	with browser.open(width=1200, height=900) as page:      Unavailable where there is none
		page.get(url)
		page.find("#cut").text; page.wait(lambda: ..., "what is waited for")

It speaks to 127.0.0.1 only, keeps nothing, and its pages' errors and refused loads are collected: `page.complaints()`.
"""

import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "kafka"))

import processes  # noqa: E402

GIVE_UP_SECONDS = 60
CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"


class Unavailable(Exception):
    """No browser here; says what is missing."""


class Page:
    def __init__(self, driver):
        self.driver = driver

    def get(self, url):
        self.driver.get("about:blank")  # another fragment alone would not load the page again
        self.driver.get(url)

    def resize(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def find(self, selector):
        found = self.all(selector)
        assert found, f"the page has no {selector}"
        return found[0]

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.textContent ?? null", selector)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def run_module(self, script, *arguments):
        """A script that may await, and imports with `await import(...)`. Returns what it returns."""
        made = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async (arguments_) => {{ {script} }})([...arguments].slice(0, -1))"
            ".then((value) => done({value}), (why) => done({why: String(why && why.stack || why)}));",
            *arguments,
        )
        assert "why" not in made, made["why"]
        return made["value"]

    def type(self, selector, text, enter=True):
        field = self.find(selector)
        field.clear()
        field.send_keys(text + ("\n" if enter else ""))

    def click(self, selector):
        self.find(selector).click()

    def wait(self, condition, what):
        """Until it is true; the limit is for giving up only."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited in vain for: {what}\n{self.complaints()}\n{self.text('body')[:2000]}"
            time.sleep(0.03)
        return value

    def complaints(self):
        """What the browser logged as errors since it was asked last: exceptions, what the security policy refused, files that are not there. Not that
        the API answered with an error: that is the page's business."""
        logged = [one["message"] for one in self.driver.get_log("browser") if one["level"] == "SEVERE"]
        return [one for one in logged if "/api/" not in one.split(" ")[0]]


def driver(width, height, profile, dark):
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError as why:
        raise Unavailable(f"Debian's python3-selenium is not there ({why})") from None
    for program, package in ((CHROMIUM, "chromium"), (DRIVER, "chromium-driver")):
        if not Path(program).exists():
            raise Unavailable(f"Debian's {package} is not there")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update",
        "disable-sync", "disable-dev-shm-usage", "hide-scrollbars", "force-device-scale-factor=1", f"window-size={width},{height}", f"user-data-dir={profile}",
        "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        *(["force-dark-mode", "blink-settings=preferredColorScheme=0"] if dark else []),
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(DRIVER))
    made.set_script_timeout(GIVE_UP_SECONDS)
    return made


@contextmanager
def open(width=1280, height=900, dark=False):
    profile = processes.directory("browser")
    made = None
    try:
        made = driver(width, height, profile, dark)
        page = Page(made)
        page.resize(width, height)
        yield page
    finally:
        if made:
            made.quit()
        shutil.rmtree(profile, ignore_errors=True)
