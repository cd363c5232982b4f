#!/usr/bin/python3
"""Takes the pictures of docs/console.md: plays `ledgerline demo`, serves what it left, and looks at it with a browser.

	docs/console/shots.py [BUILD]
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "e2e"))

import browser  # noqa: E402
import processes  # noqa: E402
from engine import Engine, run  # noqa: E402

READY = """
    const cut = new URLSearchParams(location.hash.slice(1)).get("at");
    const panels = [...document.querySelectorAll("#seats, #account, #popular, #sold-out, #totals")];
    return document.querySelectorAll("[aria-busy]").length === 0 && panels.every((one) => one.dataset.cut === cut)"""
BYTES_MAX = 200_000


def take(page, name):
    path = HERE / f"{name}.png"
    page.run("document.activeElement.blur()")
    page.driver.save_screenshot(str(path))
    size = path.stat().st_size
    assert size < BYTES_MAX, f"{path} has {size} bytes"
    print(f"{path.name}: {size} bytes")


def look(page, engine, view):
    page.get(f"{engine.url}/console#{view}")
    page.wait(lambda: page.run(READY) and page.text("#live [data-name='rate']") not in (None, "–"), "the page to be drawn")


def pictures(engine):
    def story(seat):
        return engine.get(f"/api/audit/history/seat/{hall}/{seat}").json["entries"]

    concerts = [concert["concertId"] for concert in engine.get("/api/concerts").json["concerts"]]
    dates = [one for concert in concerts for one in engine.get(f"/api/concerts/dates?concertId={concert}").json["dates"]]
    hall = sorted(dates, key=lambda one: one["totalSeats"])[1]["scheduleId"]
    stories = [story(seat["seatNo"]) for seat in engine.get(f"/api/concerts/seats?scheduleId={hall}").json["seats"]]
    # In the middle of the sale of this hall: half of its seats are paid for. The story is of a seat that was paid for shortly after.
    paid = sorted((int(one["position"].split(":")[1]), seat) for seat, told in enumerate(stories, 1) for one in told if one["status"] == "RESERVED")
    cut, (_, seat) = f"0:{paid[len(paid) // 2][0]}", paid[len(paid) // 2 + 5]
    held = stories[seat - 1][1]
    view = f"at={cut}&schedule={hall}&user={held['userId']}&reservation={held['reservationId']}&story=seat {hall} {seat}"
    with browser.open(1280, 860) as page:
        look(page, engine, view)
        take(page, "cut")
        page.click("#story tr:last-child td:last-child button")
        page.wait(lambda: page.text("#explain [data-name='redecided']"), "the facts")
        page.run("scrollTo(0, document.querySelector('#story').offsetTop - 200)")
        take(page, "why")
        page.run("scrollTo(0, document.querySelector('#popular').offsetTop - 200)")
        take(page, "totals")
    with browser.open(390, 844, dark=True) as page:
        look(page, engine, view)
        take(page, "phone")


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parents[1] / "build")
    place = processes.directory("shots")
    engine = None
    try:
        run(build / "ledgerline", "demo", "--data", place / "demo", check=0)
        engine = Engine(build / "ledgerline", place / "demo").start()
        pictures(engine)
    finally:
        if engine:
            engine.kill()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
