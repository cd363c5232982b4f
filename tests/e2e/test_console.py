"""The console: its files as they are served, and the page itself, in a real browser (browser.py), against `ledgerline audit`."""

import json
import os
import random
import re
import shutil
from pathlib import Path

import browser
import pytest
from engine import Engine
from samples import must

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "engine" / "console"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in TYPES)
HOSTILE = "<img src=x onerror='document.title=1'>"
SEATS, BUYERS = 24, 8


def path_of(file):
    return "/console" if file.name == "console.html" else f"/console/{file.name}"


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    """An engine with a little sale: eight buyers charge, hold and pay, one is refused, one holds only."""
    directory = tmp_path_factory.mktemp("console")
    engine = Engine(binary, directory / "data").start()
    must(engine.post("/api/admin/concerts", {"concertId": "jazz", "title": f"Jazz {HOSTILE}"}), 201)
    seats = [{"seatNo": n, "price": 1000 + n, "section": "AB"[n > 16], "grade": "R"} for n in range(1, SEATS + 1)]
    must(engine.post("/api/admin/schedules", {"scheduleId": "jazz-1", "concertId": "jazz", "concertDate": "2090-05-01T10:00:00Z", "seats": seats}), 201)
    for number in range(BUYERS):
        user = f"user-{number}"
        must(engine.post("/api/points/charge", {"userId": user, "amount": 5000}), 200)
        held = must(engine.post("/api/reservations", {"userId": user, "scheduleId": "jazz-1", "seatNo": 3 * number + 1}, key=f"r{number}"), 201)
        if number % 3 != 2:
            must(engine.post("/api/payments", {"userId": user, "reservationId": held["reservationId"]}), 200)
    must(engine.post("/api/reservations", {"userId": "user-1", "scheduleId": "jazz-1", "seatNo": 1}, key="refused"), 409)
    must(engine.post("/api/admin/points/adjust", {"userId": "user-1", "amount": 7, "reason": HOSTILE, "approver": "ann"}), 200)
    yield engine
    engine.kill()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def chromium():
    try:
        with browser.open(1280, 1600) as page:
            yield page
    except browser.Unavailable as why:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no browser ({why}), and CI=true, where that is a failure", pytrace=False)
        pytest.skip(f"no browser: {why}")


@pytest.fixture
def page(chromium, server):
    """The console, drawn. What it complains of fails the test, as does an element that the ledger's texts made."""
    open_at(chromium, server, "at=latest&schedule=jazz-1&user=user-1")
    yield chromium
    assert chromium.complaints() == []
    assert chromium.all("img, body script, body style, [style*='url'], iframe, object") == []


def open_at(page, server, view):
    page.get(f"{server.url}/console#{view}")
    settle(page)


def settle(page):
    """Waits until what is shown is what is chosen: no panel is busy, and each has the cut of the timeline."""
    script = """
        const cut = new URLSearchParams(location.hash.slice(1)).get("at");
        const panels = [...document.querySelectorAll("#seats, #account, #popular, #sold-out, #totals")];
        return document.querySelectorAll("[aria-busy]").length === 0 && panels.every((one) => one.dataset.cut === cut)"""
    page.wait(lambda: page.run(script), "the panels to show the cut")


def audit(ledgerline, server, *arguments):
    return json.loads(ledgerline("audit", *arguments, "--data", server.data, "--json", check=0).stdout)


def seats_shown(page):
    return dict(page.run("return [...document.querySelectorAll('#seats [data-seat]')].map((one) => [Number(one.dataset.seat), one.dataset.status])"))


def trouble(page, panel):
    return page.run("const it = document.querySelector(arguments[0] + ' .trouble'); return it.hidden ? null : it.textContent", panel)


def named(page, panel):
    """{name: text} of the values of a panel."""
    script = "return [...document.querySelectorAll(arguments[0] + ' [data-name]')].map((one) => [one.dataset.name, one.textContent])"
    return dict(page.run(script, panel))


def rows(page, panel):
    return page.run("return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))", panel)


def grouped(number):
    return f"{number:,}"


def slide(page, entries):
    """Puts the timeline's thumb there, as a drag does: by the events of an input, many on the way."""
    page.run(
        """const range = document.getElementById("range"), from = Number(range.value), to = arguments[0];
        for (let step = 1; step <= 10; step++) {
            range.value = Math.round(from + (to - from) * step / 10);
            range.dispatchEvent(new Event("input", {bubbles: true}));
        }""",
        entries,
    )
    settle(page)


# ---- the files ----


# Each file of the folder is served as it stands there, with its type and headers that let nothing else in; HEAD answers alike; who has it already is
# told so; nothing else is there.
def test_files(server):
    assert {file.name for file in FILES} >= {"console.html", "console.css", "console.js"}
    tags = set()
    for file in FILES:
        reply = server.get(path_of(file))
        assert (reply.status, reply.headers["Content-Type"]) == (200, TYPES[file.suffix]) and reply.body == file.read_bytes()
        policy = dict(part.strip().split(" ", 1) for part in reply.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'" and "unsafe" not in str(policy)
        assert (reply.headers["X-Content-Type-Options"], reply.headers["Cache-Control"]) == ("nosniff", "no-cache")
        tag = reply.headers["ETag"]
        tags.add(tag)
        head = server.http("HEAD", path_of(file))
        assert (head.status, head.body, head.headers["Content-Length"], head.headers["ETag"]) == (200, b"", str(len(reply.body)), tag)
        for has, status in [(tag, 304), (f'"x", W/{tag} ', 304), ("*", 304), ('"x"', 200), (tag[:-1], 200), ("", 200), (",,", 200)]:
            again = server.get(path_of(file), headers={"If-None-Match": has})
            assert (again.status, again.headers["ETag"], len(again.body)) == (status, tag, 0 if status == 304 else len(reply.body)), has
    assert len(tags) == len(FILES)
    for wrong in ("files.c", "console.h", "nothing.js", "..%2fconsole.c", "console.html%00"):
        assert server.get(f"/console/{wrong}").code == "NOT_FOUND", wrong
    assert server.get("/console?x=1").code == server.get("/console/words.js?x=1").code == "VALIDATION_ERROR"
    assert server.post("/console").code == "METHOD_NOT_ALLOWED"


# What the files name is among them: no other host, nothing inline, and no text of the ledger as markup.
def test_files_are_all_there_is():
    names = {file.name for file in FILES}
    page = (FOLDER / "console.html").read_text()
    assert set(re.findall(r'(?:src|href)="(?!#)([^"]*)"', page)) <= {f"console/{name}" for name in names}
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
    for file in FILES:
        text = file.read_text()
        assert set(re.findall(r'from "\./([^"]*)"', text)) <= names
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|@import|url\(", text), file.name
        assert not [found for found in re.findall(r"https?://[^\s\"'`]*", text) if found != "http://www.w3.org/2000/svg"], file.name


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# All texts can be read, in light and dark: contrast of at least 4.5 to 1 (WCAG AA).
def test_contrast():
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in (FOLDER / "console.css").read_text().split("@media (prefers-color-scheme: dark)")[:2])
    assert light.keys() == dark.keys()
    for theme in (light, dark):
        for text, ground in [("text", "ground"), ("text", "card"), ("text", "mark"), ("quiet", "ground"), ("quiet", "card"), ("quiet", "mark"), ("accent", "card"),
                             ("accent", "mark"), ("on-accent", "accent"), ("held", "held-ground"), ("bad", "bad-ground"), ("bad", "card"), ("good", "card")]:  # fmt: skip
            high, low = sorted((luminance(theme[text]), luminance(theme[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground, theme)


# ---- what it says and counts ----


# The page's pure functions, asked one by one.
def test_words(page):
    cases = [
        ("cutOf(0)", "start"), ("cutOf(8)", "0:7"), ("entriesAt('start')", 0), ("entriesAt('0:7')", 8), ("entriesAt('0:07')", None), ("entriesAt('1:7')", None),
        ("entriesAt(null)", None), ("typedCut(' 17 ')", "0:17"), ("typedCut('2026-03-01T09:00:00Z')", "2026-03-01T09:00:00Z"),
        ("amount(1234567)", "1,234,567"), ("amount(-1234)", "-1,234"), ("amount(0)", "0"), ("amount(null)", "–"), ("amount(1234.5678)", "1,234.5678"),
        ("amount(parseExact('[9223372036854775807]')[0])", "9,223,372,036,854,775,807"), ("signed(5)", "+5"), ("signed(-5)", "-5"), ("signed(0)", "0"),
        ("parseExact('{\"a\":\"1234567890123456789\",\"b\":[1.5,\"\\\\\"9999999999999999\"]}')", {"a": "1234567890123456789", "b": [1.5, '"9999999999999999']}),
        ("String(parseExact('-9223372036854775808'))", "-9223372036854775808"), ("moment('2026-03-01T09:00:00.123Z')", "2026-03-01 09:00:00.123 UTC"), ("moment(null)", "–"),
        ("seconds(12.5)", "12.5 s"), ("seconds(125)", "2 min 5 s"), ("seconds(7260)", "2 h 1 min"),
        ("rateOf([[0, 5]])", None), ("rateOf([[0, 5], [500, 9], [2000, 15]])", 5), ("rateOf([[7, 5], [7, 9]])", None),
        ("equations({points: {charged: 9, used: 3, refunded: 1, expired: 2, adjusted: -1, balances: 4}, seats: {total: 3, available: 1, held: 1, reserved: 2}}).map((it) => it.holds)", [True, False]),
        ("equations({points: {charged: 9223372036854775807n, used: 1, refunded: 0, expired: 0, adjusted: 0, balances: 9223372036854775805n}, seats: {total: 0, available: 0, held: 0, reserved: 0}})[0].holds", False),
        ("countSeats([{status: 'HELD'}, {status: 'RESERVED'}, {status: 'HELD'}])", {"AVAILABLE": 0, "HELD": 2, "RESERVED": 1}),
        ("bySection([{section: 'B'}, {section: null}, {section: 'B'}]).map(([name, seats]) => [name, seats.length])", [["B", 2], [None, 1]]),
        ("seatLabel({seatNo: 7, section: null, grade: 'R', price: 30000, status: 'HELD'})", "Seat 7, R, 30,000 points, held"),
        ("valueText({lotId: 'lot-1', amount: 5000, expiresAt: null, seatNos: [1, 2], open: true})", "lotId lot-1 · amount 5,000 · expiresAt – · seatNos 1, 2 · open yes"),
        ("sentence({status: 0})", "The engine does not answer. It is asked again by itself."),
        ("sentence({status: 404, code: 'USER_NOT_FOUND', message: 'Nobody.'}, true)", "Nobody at this cut."), ("sentence({status: 404, code: 'USER_NOT_FOUND', message: 'Nobody.'})", "Nobody."),
        ("sentence({status: 400, code: 'VALIDATION_ERROR', message: 'x', details: {field: 'at', reason: 'is bad'}})", "at is bad."),
        ("sentence({status: 409, code: 'CUT_NOT_FINAL', message: 'Entries of that time may still come.'})", "Entries of that time may still come. Choose a moment that has passed."),
        ("sentence({status: 502})", "The engine answered with status 502."),
    ]  # fmt: skip
    names = re.findall(r"^export function (\w+)", (FOLDER / "words.js").read_text(), re.M)
    assert all(any(f"{name}(" in case for case, _ in cases) for name in names), "each function is asked"
    script = f"const {{{', '.join(names)}}} = await import('/console/words.js'); return [{', '.join(case for case, _ in cases)}]"
    for (case, wanted), found in zip(cases, page.run_module(script)):
        assert found == wanted, case


# ---- the page ----


# Wherever the timeline is dragged to, the map, the account, the rankings and the totals are those of `ledgerline audit` at that entry.
def test_cuts(ledgerline, server, page):
    end = server.status()["entries"]
    drawn = random.Random(7).sample(range(2, end + 1), 6)
    for entries in [*drawn, end, 2]:
        slide(page, entries)
        cut = f"0:{entries - 1}"
        assert page.find("#cut").text.startswith(f"After entry {cut}, 20")
        schedule = audit(ledgerline, server, "state", "schedule", "jazz-1", "--at", cut)
        assert seats_shown(page) == {seat["seatNo"]: seat["status"] for seat in schedule["seats"]}
        counts = [sum(seat["status"] == status for seat in schedule["seats"]) for status in ("AVAILABLE", "HELD", "RESERVED")]
        assert page.run("return [...document.querySelectorAll('#seats [data-count]')].map((one) => parseInt(one.textContent))") == counts
        done = ledgerline("audit", "state", "account", "user-1", "--data", server.data, "--at", cut, "--json")
        if done.returncode == 0:
            account = json.loads(done.stdout)
            assert {name: named(page, "#account")[name] for name in ("balance", "available", "held")} == {
                name: grouped(account[name]) for name in ("balance", "available", "held")}  # fmt: skip
            assert [row[0] for row in rows(page, "#account")] == [lot["lotId"] for lot in account["lots"]]
        else:
            assert trouble(page, "#account") == "Nobody of this name has points or is registered at this cut."
        popular = audit(ledgerline, server, "state", "popular", "--at", cut)["rankings"]
        assert [row[1:] for row in rows(page, "#popular")] == [[one["scheduleId"], one["concertTitle"], str(one["reservationCount"])] for one in popular]
        totals = audit(ledgerline, server, "totals", "--at", cut)
        shown = named(page, "#totals")
        assert shown["digest"] == totals["digest"] and shown["Points.balances"] == grouped(totals["points"]["balances"])
        assert shown["Seats.reserved"] == grouped(totals["seats"]["reserved"]) and shown["Entries.refused"] == grouped(totals["refused"])
        assert page.run("return [...document.querySelectorAll('#totals [data-holds]')].map((one) => one.dataset.holds)") == ["true", "true"]
    slide(page, 0)
    assert page.find("#cut").text == "Before the first entry" and seats_shown(page) == {}
    assert trouble(page, "#seats") == "There is no such schedule at this cut."


# An answer that comes late, when the timeline has moved on, is not drawn.
def test_late_answer(ledgerline, server, page):
    page.run("""const real = window.fetch; window.late = 0; window.release = [];
        window.fetch = async (path, options) => {
            if (path !== "api/audit/schedules/jazz-1?at=0:2") return real(path, options);
            await new Promise((resolve) => window.release.push(resolve));
            const answer = await real(path, {});
            setTimeout(() => setTimeout(() => window.late++));
            return answer; }""")
    page.run("const range = document.getElementById('range'); range.value = 3; range.dispatchEvent(new Event('input', {bubbles: true}))")
    page.wait(lambda: page.run("return window.release.length"), "the question about 0:2")
    end = server.status()["entries"]
    page.run("window.release.forEach((one) => setTimeout(one, 500))")  # what waits for its turn behind it must not wait for ever
    slide(page, end)
    page.wait(lambda: page.run("return window.late === window.release.length"), "the late answer")
    seats = audit(ledgerline, server, "state", "schedule", "jazz-1", "--at", f"0:{end - 1}")["seats"]
    assert seats_shown(page) == {seat["seatNo"]: seat["status"] for seat in seats}
    assert page.text("#seats .at") == f"after entry 0:{end - 1}"


# By keyboard alone: arrows on the timeline step by one entry, the seats are one stop whose arrows go from seat to seat, and Enter tells a story.
def test_keyboard(server, page):
    slide(page, 10)
    page.find("#range").send_keys("\ue012\ue012")  # arrow left, twice
    settle(page)
    assert page.run("return location.hash").startswith("#at=0%3A7")
    stops = page.run("return [...document.querySelectorAll('#seats [data-seat]')].filter((one) => one.tabIndex === 0).map((one) => one.dataset.seat)")
    assert stops == ["1"]
    focused = "return document.activeElement.dataset.seat"
    page.run("document.querySelector('#seats [data-seat]').focus()")
    for key, seat in [("\ue014", "2"), ("\ue014", "3"), ("\ue012", "2"), ("\ue010", str(SEATS)), ("\ue011", "1"), ("\ue015", None), ("\ue013", "1")]:
        page.find("#seats [tabindex='0'][data-seat]").send_keys(key)
        now = page.run(focused)
        assert now == seat or (seat is None and int(now) > 1), (key, now)
    page.find("#seats [tabindex='0'][data-seat]").send_keys("\ue007")
    page.wait(lambda: page.text("#story strong") == "Seat 1 of jazz-1", "the seat's story")


# Each field has a label and each button a name; nothing is wider than a phone.
def test_readable(server, page):
    nameless = "return [...document.querySelectorAll('input, select')].filter((one) => !one.labels.length).map((one) => one.outerHTML)"
    assert page.run(nameless) == []
    assert page.run("return [...document.querySelectorAll('button')].filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim())).length") == 0
    assert page.run("return [...document.querySelectorAll('section')].every((one) => document.getElementById(one.getAttribute('aria-labelledby')))")
    page.resize(360, 800)
    try:
        assert page.run("return document.documentElement.scrollWidth") == 360
    finally:
        page.resize(1280, 1600)


# A seat's story is that of `audit history`, and says what came after the cut; an entry's facts are those of `audit explain`, and a fact's entry is where
# the timeline goes.
def test_story_and_explain(ledgerline, server, page):
    slide(page, 4)
    page.click("#seats [data-seat='4']")
    page.wait(lambda: page.text("#story strong") == "Seat 4 of jazz-1", "the seat's story")
    told = audit(ledgerline, server, "history", "seat", "jazz-1", "4")["entries"]
    assert [[row[0], row[2], row[3], row[4]] for row in rows(page, "#story")] == [[one["position"], one["type"], one["status"], one["userId"] or "–"] for one in told]
    assert page.run("return [...document.querySelectorAll('#story tbody tr')].map((row) => row.classList.contains('later'))") == [False, True, True]
    page.click("#story tr:last-child td:last-child button")
    for what in (told[-1]["position"], "refused"):
        if what == "refused":
            page.type("#explain-what", what)
        explained = audit(ledgerline, server, "explain", what)
        page.wait(lambda: named(page, "#explain").get("commandId") == explained["commandId"], "the facts")
        assert [[row[0], row[2]] for row in rows(page, "#explain")] == [[one["fact"], one["position"] or "–"] for one in explained["facts"]]
        shown = named(page, "#explain")
        assert shown["type"] == explained["type"] and shown["redecided"] == "✓ the same comes of it"
        assert shown["outcome"] == (f"refused: {explained['code']}" if explained["code"] else "accepted")
    row, position = next((index, fact["position"]) for index, fact in enumerate(explained["facts"]) if fact["position"])
    page.run("document.querySelectorAll('#explain tbody tr')[arguments[0]].cells[2].querySelector('button').click()", row)
    settle(page)
    assert page.find("#cut").text.startswith(f"After entry {position},")


# Stories of an account and of a reservation, and the way from one to the other. The ledger's texts stay texts.
def test_stories(ledgerline, server, page):
    page.click("#account-story")
    page.wait(lambda: page.text("#story strong") == "Account user-1", "the account's story")
    told = audit(ledgerline, server, "history", "account", "user-1")["entries"]
    assert [[row[0], row[2], row[4]] for row in rows(page, "#story")] == [[one["position"], one["type"], grouped(one["balanceAfter"])] for one in told]
    assert any(HOSTILE in row for row in rows(page, "#story")) and HOSTILE in page.text("#popular tbody")
    page.click("#seats [data-seat='4']")
    page.wait(lambda: page.text("#story strong") == "Seat 4 of jazz-1", "the seat's story")
    page.click("#story [aria-label^='Show reservation-']")
    page.wait(lambda: "status" in named(page, "#reservation") and (page.text("#story strong") or "").startswith("reservation-"), "the reservation")
    assert named(page, "#reservation")["status"] == "CONFIRMED"
    view = page.run("return location.href")
    page.get(view)  # the address holds it all
    page.wait(lambda: "status" in named(page, "#reservation") and (page.text("#story strong") or "").startswith("reservation-"), "the same view again")


# What cannot be answered is said in a sentence, where it was asked.
def test_sentences(server, page):
    for typed, said in [
        ("2090-01-01T00:00:00Z", "Entries of that time may still come. Choose a moment that has passed."),
        ("99999", "The journal does not reach so far. Choose an entry that is there."),
        ("yesterday", "at must be latest, start, a position like 0:1842, or a time like 2026-03-01T09:00:00Z."),
    ]:
        page.type("#go-to", typed)
        page.wait(lambda: page.text("#go-trouble") == said, said)
    page.type("#go-to", "7")
    page.wait(lambda: (page.text("#cut") or "").startswith("After entry 0:7,") and page.run("return document.querySelector('#go-trouble').hidden"), "entry 7")
    settle(page)
    for panel, field, typed, said in [
        ("#account", "#user", "nobody", "Nobody of this name has points or is registered at this cut."),
        ("#account", "#user", "a b", "userId must have 1 to 64 characters of A-Z a-z 0-9 . _ : -."),
        ("#seats", "#schedule", "nowhere", "There is no such schedule at this cut."),
        ("#reservation", "#reservation-id", "reservation-999", "There is no such reservation at this cut."),
        ("#explain", "#explain-what", "never-sent", "No command with this id was decided. A command that was rejected leaves no trace; entries of the engine's own are asked for by position."),
    ]:  # fmt: skip
        page.type(field, typed)
        page.wait(lambda: trouble(page, panel) == said, said)


# A time leads to the entry that was the last one then.
def test_time(ledgerline, server, page):
    time = audit(ledgerline, server, "state", "popular", "--at", "0:9")["at"]["time"]
    position = audit(ledgerline, server, "state", "popular", "--at", time)["at"]["position"]
    page.type("#go-to", time)
    page.wait(lambda: (page.text("#cut") or "").startswith(f"After entry {position},"), position)


# A key goes with each request, stays in the tab, and can be forgotten; an answer that wants one says so.
def test_key(server, page):
    page.run("""window.sent = []; window.refuse = false; const real = window.fetch;
        window.fetch = (path, options) => { window.sent.push(options.headers["X-Api-Key"] ?? null);
            return window.refuse ? Promise.resolve(new Response('{"code":"KEY_REQUIRED","message":"An access key is needed in X-Api-Key.","details":{}}', {status: 401})) : real(path, options); }""")
    page.wait(lambda: None in page.run("return window.sent"), "a request without a key")
    page.click("#access summary")
    page.type("#key", "open sesame")
    page.wait(lambda: "open sesame" in page.run("return window.sent"), "a request with the key")
    assert page.run("return [sessionStorage.length, localStorage.length, document.cookie, document.querySelector('#key').value]") == [1, 0, "", ""]
    page.run("window.sent = []")
    page.click("#key-forget")
    page.wait(lambda: page.run("return window.sent.length"), "a request")
    assert set(page.run("return window.sent")) == {None} and page.run("return sessionStorage.length") == 0
    page.run("window.refuse = true; document.querySelector('#access').open = false")
    page.wait(lambda: "Enter a key that may read" in (page.text("#away") or ""), "the sentence")
    assert page.run("return document.querySelector('#access').open")


# Following shows what happens as it happens, and the view of now who leads; when the engine hangs, that is said, and once it answers again all is as before.
def test_live(binary, engines, chromium, tmp_path):
    engine = engines(tmp_path / "data", None).start()
    must(engine.post("/api/points/charge", {"userId": "kim", "amount": 1000}), 200)
    chromium.get(f"{engine.url}/console#at=latest&user=kim")
    chromium.wait(lambda: named(chromium, "#account").get("balance") == "1,000", "the first balance")
    assert named(chromium, "#live")["role"] == "leader, leading" and engine.url in named(chromium, "#live")["leader"]
    assert [row[:4] for row in rows(chromium, "#live")] == [[name, "live", "0", engine.status()["position"]] for name in engine.status()["projections"]]
    must(engine.post("/api/points/charge", {"userId": "kim", "amount": 2000}), 200)
    chromium.wait(lambda: named(chromium, "#account").get("balance") == "3,000", "the second balance")
    assert chromium.find("#cut").text == f"After entry {engine.status()['position']}: now, as it goes on"
    chromium.click("#follow")
    must(engine.post("/api/points/charge", {"userId": "kim", "amount": 4000}), 200)
    end = engine.status()["entries"]
    chromium.wait(lambda: chromium.run("return document.querySelector('#range').max") == str(end), "the timeline to grow")
    assert chromium.run("return document.querySelector('#range').value") == str(end - 1) and named(chromium, "#account")["balance"] == "3,000"
    engine.pause()
    chromium.wait(lambda: not chromium.run("return document.querySelector('#away').hidden"), "the sentence")
    assert chromium.text("#away") == "The engine does not answer. It is asked again by itself."
    engine.resume()
    chromium.click("#follow")
    chromium.wait(lambda: named(chromium, "#account").get("balance") == "7,000" and chromium.run("return document.querySelector('#away').hidden"), "all to be well again")
    assert chromium.complaints() == []
