// The page: what is chosen, and what is asked for when that changes.
//
//	chosen      the cut (how many entries are in it; `follow`: the last one, always), a schedule, a user, a reservation, a story;
//	            it stands behind # in the address, so that a view can be kept and sent to somebody
//	a Panel     asks for one thing at the cut and draws it; a new question cancels the one before
//	following   the same things are asked of today's state, which costs the engine next to nothing; totals every ten seconds
//
// words.js says and counts, ask.js asks, panels.js draws.
import {Trouble, ask, keepKey, keyNow, wasCancelled} from "./ask.js";
import * as panels from "./panels.js";
import {cutOf, entriesAt, moment, rateOf, sentence, typedCut} from "./words.js";

const DEBOUNCE_MS = 150;
const POLL_MS = 1500;
const ANSWER_MS = 5000; // a status that has not come by then is none
const TOTALS_MS = 10000;
const SAMPLES = 80;

const at = (id) => document.getElementById(id);
const chosen = {entries: 0, follow: true, schedule: "", user: "", reservation: "", window: "all", origin: "opening", story: null};
let end = 0; // entries of the journal, as far as is known
let cutTime = null; // of the chosen cut: null: not known yet

// ---- panels ----

class Panel {
	// path(cut): what to ask for, null: nothing is chosen. cut: "0:7", or null: today's state. hint: what stands there until something is.
	constructor(id, path, draw, hint = null) {
		Object.assign(this, {path, draw, hint, element: at(id), again: false, asked: 0});
		[this.where, this.said, this.body] = [".at", ".trouble", ".body"].map((name) => this.element.querySelector(name));
	}

	clear() {
		this.body.replaceChildren();
		this.body.shape = null;
		this.where.textContent = this.hint ?? "";
	}

	trouble(why, past) {
		this.clear();
		this.where.textContent = "";
		this.again = why.status === 0 || why.status === 429 || why.status === 503;
		this.said.textContent = sentence(why, past);
		this.said.hidden = false;
	}

	async load() {
		this.cancel?.abort();
		this.again = false;
		const cut = chosen.follow ? null : cutOf(chosen.entries);
		const path = this.path(cut);
		if (path === null) {
			this.said.hidden = true;
			this.clear();
			this.element.removeAttribute("aria-busy");
			return;
		}
		this.cancel = new AbortController();
		const {signal} = this.cancel;
		this.element.setAttribute("aria-busy", "true");
		this.asked = performance.now();
		try {
			const {body, position} = await ask(path, signal);
			if (signal.aborted)
				return;
			this.said.hidden = true;
			this.show(body, body.at?.position ?? position, cut);
		} catch (why) {
			if (wasCancelled(why) || signal.aborted)
				return;
			if (!(why instanceof Trouble))
				throw why;
			this.trouble(why, cut !== null);
		}
		this.element.dataset.cut = cut ?? "latest";
		this.element.removeAttribute("aria-busy");
	}

	show(body, position, cut) {
		if (this !== explain)
			this.where.textContent = position === "start" ? "before the first entry" : `after entry ${position}`;
		this.draw(this.body, body, go);
		if (cut !== null && cut === cutOf(chosen.entries) && body.at) {
			cutTime = body.at.time;
			sayCut();
		}
	}
}

const id = (text) => encodeURIComponent(text);
const pick = (value, path) => (value === "" ? null : path(id(value)));

const seats = new Panel("seats", (cut) => pick(chosen.schedule, (it) => (cut ? `api/audit/schedules/${it}?at=${cut}` : `api/concerts/seats?scheduleId=${it}`)), panels.drawSeats, "Choose a schedule.");
const account = new Panel("account", (cut) => pick(chosen.user, (it) => (cut ? `api/audit/accounts/${it}?at=${cut}` : `api/points/balance?userId=${it}`)), panels.drawAccount, "Choose a user.");
const reservation = new Panel("reservation", (cut) => pick(chosen.reservation, (it) => (cut ? `api/audit/reservations/${it}?at=${cut}` : `api/reservations/${it}`)), panels.drawReservation, "Choose a reservation, like reservation-3.");
const popular = new Panel("popular", (cut) => (cut ? `api/audit/rankings/popular?window=${chosen.window}&at=${cut}` : `api/rankings/popular?window=${chosen.window}`), panels.drawPopular);
const soldOut = new Panel("sold-out", (cut) => (cut ? `api/audit/rankings/sold-out?from=${chosen.origin}&at=${cut}` : `api/rankings/sold-out?from=${chosen.origin}`), panels.drawSoldOut);
const totals = new Panel("totals", (cut) => `api/audit/totals?at=${cut ?? "latest"}`, panels.drawTotals);
const AT_THE_CUT = [seats, account, reservation, popular, soldOut, totals]; // totals last: their digest reads the whole state

const story = new Panel("story", () => {
	const of = chosen.story;
	if (!of)
		return null;
	return of.kind === "seat" ? `api/audit/history/seat/${id(of.id)}/${id(of.seat)}` : `api/audit/history/${of.kind}/${id(of.id)}`;
}, (body, answer, lead) => {
	const of = chosen.story;
	panels.drawStory(body, answer, lead, {kind: of.kind, title: of.kind === "seat" ? `Seat ${of.seat} of ${of.id}` : of.kind === "account" ? `Account ${of.id}` : of.id});
	panels.markStory(body, chosen.entries);
}, "Choose a seat of the map, or the story of an account or of a reservation.");

const explain = new Panel("explain", () => pick(at("explain-what").value.trim(), (it) => `api/audit/explain/${it}`), panels.drawExplain, "");

// ---- the cut ----

function sayCut() {
	const words = chosen.entries === 0 ? "Before the first entry" : `After entry ${cutOf(chosen.entries)}`;
	at("cut").textContent = chosen.follow ? `${words}: now, as it goes on` : cutTime ? `${words}, ${moment(cutTime)}` : words;
	at("range").setAttribute("aria-valuetext", words);
}

function drawTimeline() {
	const range = at("range");
	range.max = end;
	range.value = chosen.entries;
	at("follow").setAttribute("aria-pressed", String(chosen.follow));
	at("first").disabled = at("back").disabled = chosen.entries === 0;
	at("on").disabled = chosen.entries >= end;
	at("explain-cut").disabled = chosen.entries === 0;
	sayCut();
}

let timer = 0;

function loadSoon() {
	clearTimeout(timer);
	timer = setTimeout(() => AT_THE_CUT.forEach((panel) => panel.load()), DEBOUNCE_MS);
}

function moveTo(entries, time = null) {
	chosen.follow = false;
	chosen.entries = Math.min(Math.max(0, entries), end);
	cutTime = time;
	at("go-trouble").hidden = true;
	drawTimeline();
	panels.markStory(story.body, chosen.entries);
	AT_THE_CUT.forEach((panel) => panel.element.setAttribute("aria-busy", "true"));
	remember();
	loadSoon();
}

function follow() {
	chosen.follow = true;
	chosen.entries = end;
	drawTimeline();
	panels.markStory(story.body, end);
	remember();
	AT_THE_CUT.forEach((panel) => panel.load());
}

// A time, or an entry: the engine says where that is.
async function goTo(text) {
	const said = at("go-trouble");
	try {
		const {body} = await ask(`api/audit/rankings/popular?limit=1&at=${id(text)}`);
		const entries = entriesAt(body.at.position);
		end = Math.max(end, entries);
		moveTo(entries, body.at.time);
	} catch (why) {
		if (!(why instanceof Trouble))
			throw why;
		said.textContent = sentence(why);
		said.hidden = false;
	}
}

// ---- where buttons lead ----

function reveal(panel) {
	panel.element.scrollIntoView({block: "nearest"});
	panel.element.focus?.({preventScroll: true});
}

function tell(kind, subject, seat = null) {
	chosen.story = {kind, id: subject, seat};
	remember();
	story.load();
}

const go = {
	cut: (position) => moveTo(entriesAt(position) ?? chosen.entries),
	schedule(subject) {
		at("schedule").value = chosen.schedule = subject;
		remember();
		seats.load();
	},
	account(subject) {
		at("user").value = chosen.user = subject;
		account.load();
		tell("account", subject);
	},
	reservation(subject) {
		at("reservation-id").value = chosen.reservation = subject;
		reservation.load();
		tell("reservation", subject);
	},
	seat: (subject, number) => tell("seat", subject, String(number)),
	explain(what) {
		at("explain-what").value = what;
		explain.load();
		reveal(explain);
	},
};

// ---- the address ----

function remember() {
	const view = new URLSearchParams();
	view.set("at", chosen.follow ? "latest" : cutOf(chosen.entries));
	for (const name of ["schedule", "user", "reservation"])
		if (chosen[name])
			view.set(name, chosen[name]);
	if (chosen.story)
		view.set("story", [chosen.story.kind, chosen.story.id, chosen.story.seat].filter(Boolean).join(" "));
	history.replaceState(null, "", `#${view}`);
}

function recall() {
	const view = new URLSearchParams(location.hash.slice(1));
	for (const name of ["schedule", "user", "reservation"])
		chosen[name] = view.get(name) ?? "";
	const [kind, subject, seat] = (view.get("story") ?? "").split(" ");
	chosen.story = ["account", "seat", "reservation"].includes(kind) && subject && (kind !== "seat" || seat) ? {kind, id: subject, seat} : null;
	const entries = entriesAt(view.get("at"));
	chosen.follow = entries === null;
	chosen.entries = entries ?? end;
	[at("schedule").value, at("user").value, at("reservation-id").value] = [chosen.schedule, chosen.user, chosen.reservation];
}

// ---- now ----

const samples = [];
const past = [];
let polling = false;
let known = false; // the engine has answered once

function take(status) {
	const now = performance.now();
	const last = samples[samples.length - 1];
	if (last && status.entries < last[1])
		samples.length = 0; // another engine, or another ledger
	samples.push([now, status.entries]);
	if (samples.length > 6)
		samples.shift();
	const rate = rateOf(samples);
	past.push(rateOf(samples.slice(-2)) ?? 0);
	if (past.length > SAMPLES)
		past.shift();
	at("ledger").textContent = `${status.ledger}, version ${status.version}`;
	panels.drawLive(at("live").querySelector(".body"), status, {now: rate, past});
}

function onStatus(status) {
	const grown = status.entries !== end;
	end = status.entries;
	at("away").hidden = true;
	take(status);
	if (!known) {
		known = true;
		listSchedules();
		recall();
		drawTimeline();
		AT_THE_CUT.forEach((panel) => panel.load());
		story.load();
		return;
	}
	if (grown && chosen.follow) {
		chosen.entries = end;
		AT_THE_CUT.filter((panel) => panel !== totals).forEach((panel) => panel.load());
	}
	if (chosen.follow && totals.element.dataset.of !== String(end) && performance.now() - totals.asked > TOTALS_MS) {
		totals.element.dataset.of = String(end);
		totals.load();
	}
	drawTimeline();
	[...AT_THE_CUT, story, explain].filter((panel) => panel.again).forEach((panel) => panel.load());
}

async function poll() {
	if (polling || document.visibilityState === "hidden")
		return;
	polling = true;
	try {
		onStatus((await ask("api/status", AbortSignal.timeout(ANSWER_MS))).body);
	} catch (why) {
		if (!(why instanceof Trouble))
			throw why;
		at("away").textContent = sentence(why);
		at("away").hidden = false;
		if (why.status === 401 || why.status === 403)
			at("access").open = true;
	} finally {
		polling = false;
	}
}

// Names to choose from. Where there are too many concerts, ids are typed.
async function listSchedules() {
	try {
		const {body} = await ask("api/concerts");
		const options = [];
		for (const {concertId} of body.concerts.slice(0, 50)) {
			const {body: dates} = await ask(`api/concerts/dates?concertId=${id(concertId)}`);
			for (const one of dates.dates) {
				const option = document.createElement("option");
				option.value = one.scheduleId;
				option.label = `${one.concertTitle}, ${moment(one.concertDate)}`;
				options.push(option);
			}
		}
		at("schedules").replaceChildren(...options);
		if (!chosen.schedule && options.length)
			go.schedule(options[0].value);
	} catch (why) {
		if (!(why instanceof Trouble))
			throw why; // ids can be typed all the same
	}
}

// ---- what people do ----

function onSubmit(form, act) {
	at(form).addEventListener("submit", (event) => {
		event.preventDefault();
		act();
	});
}

function wire() {
	at("range").addEventListener("input", () => moveTo(Number(at("range").value)));
	at("first").addEventListener("click", () => moveTo(0));
	at("back").addEventListener("click", () => moveTo(chosen.entries - 1));
	at("on").addEventListener("click", () => moveTo(chosen.entries + 1));
	at("follow").addEventListener("click", () => (chosen.follow ? moveTo(chosen.entries) : follow()));
	at("explain-cut").addEventListener("click", () => go.explain(cutOf(chosen.entries)));
	onSubmit("go", () => goTo(typedCut(at("go-to").value)));
	onSubmit("schedule-form", () => go.schedule(at("schedule").value.trim()));
	onSubmit("user-form", () => {
		chosen.user = at("user").value.trim();
		remember();
		account.load();
	});
	onSubmit("reservation-form", () => {
		chosen.reservation = at("reservation-id").value.trim();
		remember();
		reservation.load();
	});
	at("account-story").addEventListener("click", () => at("user").value.trim() && go.account(at("user").value.trim()));
	at("reservation-story").addEventListener("click", () => at("reservation-id").value.trim() && go.reservation(at("reservation-id").value.trim()));
	onSubmit("explain-form", () => explain.load());
	at("window").addEventListener("change", () => {
		chosen.window = at("window").value;
		popular.load();
	});
	at("origin").addEventListener("change", () => {
		chosen.origin = at("origin").value;
		soldOut.load();
	});
	const withKey = (key) => {
		keepKey(key);
		at("key").value = "";
		at("key").placeholder = keyNow() ? "a key is in use" : "";
		known = false;
		poll();
	};
	onSubmit("key-form", () => withKey(at("key").value.trim()));
	at("key-forget").addEventListener("click", () => withKey(""));
	document.addEventListener("visibilitychange", poll);
	window.addEventListener("hashchange", () => {
		recall();
		drawTimeline();
		[...AT_THE_CUT, story].forEach((panel) => panel.load());
	});
}

wire();
poll();
setInterval(poll, POLL_MS);
