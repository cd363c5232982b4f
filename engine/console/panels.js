// What each panel shows of an answer. A drawing gets its panel's body, the answer, and `go`: what its buttons lead to
// (go.cut(position), go.seat(schedule, number), go.account(user), go.reservation(id), go.explain(what), go.schedule(id)).
import {facts, line, link, make, quiet, table} from "./draw.js";
import * as words from "./words.js";

const SEATS_SHOWN = 10000;
const ENTRIES_SHOWN = 1000;

function toCut(position, go) {
	return link(position, `Move the timeline to entry ${position}`, () => go.cut(position));
}

function maybe(value, make) {
	return value === null || value === undefined ? "–" : make(value);
}

function toAccount(user, go) {
	return maybe(user, () => link(user, `Show the account of ${user}`, () => go.account(user)));
}

function toReservation(id, go) {
	return maybe(id, () => link(id, `Show ${id} and its story`, () => go.reservation(id)));
}

// ---- seats ----

// One stop for Tab; arrows go on from there, up and down by what stands above one another.
function walk(event) {
	const seats = [...event.currentTarget.querySelectorAll("button")];
	const at = seats.indexOf(document.activeElement);
	if (at < 0)
		return;
	const {top, left} = seats[at].getBoundingClientRect();
	const below = (step) => {
		for (let i = at + step; i >= 0 && i < seats.length; i += step) {
			const box = seats[i].getBoundingClientRect();
			if (Math.abs(box.left - left) < 2 && Math.abs(box.top - top) > 2)
				return i;
		}
		return at;
	};
	const to = {ArrowRight: () => at + 1, ArrowLeft: () => at - 1, ArrowDown: () => below(1), ArrowUp: () => below(-1), Home: () => 0, End: () => seats.length - 1}[event.key]?.();
	if (to === undefined)
		return;
	event.preventDefault();
	const next = seats[Math.min(seats.length - 1, Math.max(0, to))];
	seats[at].tabIndex = -1;
	next.tabIndex = 0;
	next.focus();
}

function setSeat(button, seat) {
	if (button.dataset.status === seat.status)
		return;
	button.dataset.status = seat.status;
	const label = words.seatLabel(seat);
	button.setAttribute("aria-label", `${label}; show its story`);
	button.title = label;
}

function seatButton(seat, schedule, go) {
	const button = make("button", {type: "button", class: "seat", tabindex: "-1", dataset: {seat: seat.seatNo}, onclick: () => go.seat(schedule, seat.seatNo)}, String(seat.seatNo));
	setSeat(button, seat);
	return button;
}

function legend(counts) {
	return make("ul", {class: "legend"}, ...Object.entries(counts).map(([status, count]) => make("li", {dataset: {count: status}},
		make("span", {class: "seat", dataset: {status}, "aria-hidden": "true"}), `${words.amount(count)} ${status.toLowerCase()}`)));
}

// The same seats as before only change their look: the focus stays where it is, and dragging is cheap.
export function drawSeats(body, answer, go) {
	const shown = answer.seats.slice(0, SEATS_SHOWN);
	const shape = JSON.stringify([answer.scheduleId, shown.map((seat) => [seat.seatNo, seat.section, seat.grade, String(seat.price)])]);
	if (body.shape === shape) {
		const buttons = body.querySelectorAll(".map button");
		words.bySection(shown).flatMap(([, seats]) => seats).forEach((seat, index) => setSeat(buttons[index], seat));
		body.querySelector(".legend").replaceWith(legend(words.countSeats(answer.seats)));
		return;
	}
	const map = make("div", {class: "map", role: "group", "aria-label": `Seats of ${answer.scheduleId}; arrow keys go from seat to seat`, onkeydown: walk});
	for (const [section, seats] of words.bySection(shown))
		map.append(section ? make("h3", {}, `Section ${section}`) : "", make("div", {class: "seats"}, ...seats.map((seat) => seatButton(seat, answer.scheduleId, go))));
	const first = map.querySelector("button");
	if (first)
		first.tabIndex = 0;
	const rest = answer.seats.length - shown.length;
	body.replaceChildren(legend(words.countSeats(answer.seats)), map, ...(rest > 0 ? [quiet(`${words.amount(rest)} further seats are counted, but not drawn.`)] : []));
	body.shape = shape;
}

// ---- accounts and reservations ----

export function drawAccount(body, answer) {
	const lots = answer.lots.map((lot) => ({cells: [lot.lotId, lot.source, words.amount(lot.remaining), words.amount(lot.amount), lot.expiresAt ? words.moment(lot.expiresAt) : "never"]}));
	body.replaceChildren(
		facts([
			["Balance", words.amount(answer.balance), "balance"],
			["Available", words.amount(answer.available), "available"],
			["Held", words.amount(answer.held), "held"],
			["Debt", words.amount(answer.debt), "debt"],
			["Last changed", words.moment(answer.lastUpdated), "lastUpdated"],
		]),
		lots.length ? table(`Lots of ${answer.userId}`, [["Lot", ""], ["Source", ""], ["Remaining", "number"], ["Of", "number"], ["Expires", ""]], lots.slice(0, ENTRIES_SHOWN)) : quiet("No lots."),
		...(lots.length > ENTRIES_SHOWN ? [quiet(`${words.amount(lots.length - ENTRIES_SHOWN)} further lots are not drawn.`)] : []),
	);
}

export function drawReservation(body, answer, go) {
	body.replaceChildren(facts([
		["Status", answer.status, "status"],
		["User", toAccount(answer.userId, go)],
		["Schedule", link(answer.scheduleId, `Show the seats of ${answer.scheduleId}`, () => go.schedule(answer.scheduleId))],
		["Seats", words.valueText(answer.seatNos)],
		["Price", words.amount(answer.price)],
		["Made", words.moment(answer.createdAt)],
		["Held until", words.moment(answer.expiresAt)],
	]));
}

// ---- rankings ----

function drawRanking(body, answer, go, title, value) {
	const rows = answer.rankings.map((one) => ({cells: [
		String(one.rank),
		link(one.scheduleId, `Show the seats of ${one.scheduleId}`, () => go.schedule(one.scheduleId)),
		one.concertTitle ?? "–",
		value(one),
	]}));
	const caption = body.parentElement.querySelector("h2").textContent;
	body.replaceChildren(rows.length ? table(caption, [["", "number"], ["Schedule", ""], ["Concert", ""], [title, "number"]], rows) : quiet("Nothing yet."));
}

export function drawPopular(body, answer, go) {
	drawRanking(body, answer, go, "Reservations", (one) => words.amount(one.reservationCount));
}

export function drawSoldOut(body, answer, go) {
	drawRanking(body, answer, go, "Took", (one) => words.seconds(one.soldOutDurationSec));
}

// ---- totals ----

function group(title, part) {
	return make("div", {}, make("h3", {}, title), facts(Object.entries(part).map(([name, value]) => [name.toLowerCase(), words.amount(value), `${title}.${name}`])));
}

export function drawTotals(body, answer) {
	const laws = words.equations(answer).map(({left, sum, right, whole, holds}) => make("li", {class: holds ? "holds" : "broken", dataset: {holds: String(holds)}},
		make("strong", {}, holds ? "✓ true: " : "✗ false: "), `${left} = ${words.amount(sum)} ${holds ? "=" : "≠"} ${words.amount(whole)} ${right}`));
	body.replaceChildren(
		make("ul", {class: "laws", "aria-label": "What must be equal at every cut"}, ...laws),
		make("div", {class: "columns"},
			group("Points", answer.points), group("Seats", answer.seats), group("Reservations", answer.reservations),
			group("Entries", {all: answer.entries, accepted: answer.accepted, refused: answer.refused}),
			make("div", {}, make("h3", {}, "Digest of the state"), make("p", {class: "digest", dataset: {name: "digest"}}, answer.digest))),
	);
}

// ---- stories ----

const STORY_COLUMNS = {
	account: [["Amount", "number", (one) => words.signed(one.amount)], ["Balance after", "number", (one) => words.amount(one.balanceAfter)], ["Reference", "", (one) => one.reference ?? "–"]],
	seat: [["Status", "", (one) => one.status], ["User", "", (one, go) => toAccount(one.userId, go)], ["Reservation", "", (one, go) => toReservation(one.reservationId, go)]],
	reservation: [["User", "", (one, go) => toAccount(one.userId, go)], ["Amount", "number", (one) => words.amount(one.amount)], ["Payment", "", (one) => one.paymentId ?? "–"]],
};

function actorText(actor) {
	return actor.id ? `${actor.type} ${actor.id}` : actor.type;
}

export function drawStory(body, answer, go, {kind, title}) {
	const columns = [["Entry", "", (one) => toCut(one.position, go)], ["Recorded", "", (one) => words.moment(one.time)], ["What", "", (one) => one.type], ...STORY_COLUMNS[kind], ["By", "", (one) => actorText(one.actor)]];
	if (kind !== "seat")
		columns.push(["Reason", "", (one) => one.reason ?? "–"]);
	columns.push(["", "", (one) => link("Why?", `Why was entry ${one.position} decided so?`, () => go.explain(one.position))]);
	const shown = answer.entries.slice(-ENTRIES_SHOWN);
	const rows = shown.map((one) => ({cells: columns.map(([, , cell]) => cell(one, go))}));
	const drawn = table(title, columns, rows);
	drawn.querySelectorAll("tbody tr").forEach((row, index) => {
		row.dataset.position = shown[index].position;
	});
	const rest = answer.entries.length - shown.length;
	body.replaceChildren(make("p", {}, make("strong", {}, title), ", oldest first"), ...(rest > 0 ? [quiet(`${words.amount(rest)} older entries are not drawn.`)] : []), shown.length ? drawn : quiet("Nothing has happened."));
}

// What came after the cut is dimmed; the entry of the cut itself stands out.
export function markStory(body, entries) {
	for (const row of body.querySelectorAll("tr[data-position]")) {
		const at = words.entriesAt(row.dataset.position);
		row.classList.toggle("later", at > entries);
		if (at === entries)
			row.setAttribute("aria-current", "true");
		else
			row.removeAttribute("aria-current");
	}
}

// ---- explain ----

export function drawExplain(body, answer, go) {
	const rows = answer.facts.map((one) => ({cells: [one.fact, words.valueText(one.value), one.position ? toCut(one.position, go) : "–"]}));
	const before = words.cutOf((words.entriesAt(answer.position) ?? 1) - 1);
	body.replaceChildren(
		facts([
			["Command", answer.type ?? "–", "type"],
			["Id", answer.commandId ?? "–", "commandId"],
			["Outcome", answer.code ? `${answer.outcome}: ${answer.code}` : answer.outcome, "outcome"],
			["Entry", make("span", {}, toCut(answer.position, go), " · ", link("the state before it", `Move the timeline to right before entry ${answer.position}`, () => go.cut(before)))],
			["Recorded", words.moment(answer.time)],
			["By", actorText(answer.actor)],
			["Policy", `version ${answer.policyVersion}`],
			["Decided again", answer.redecided ? "✓ the same comes of it" : "✗ something else comes of it", "redecided"],
		]),
		...(answer.again ? [make("h3", {}, "What comes of it now"), quiet(words.valueText(answer.again))] : []),
		rows.length ? table("Facts that decided it", [["Fact", ""], ["Value", ""], ["Set by entry", ""]], rows) : quiet("No facts."),
	);
}

// ---- now ----

export function drawLive(body, status, rates) {
	const {leader} = status;
	const rate = rates.now === null ? "–" : `${words.amount(Math.round(rates.now))} a second`;
	const projections = Object.entries(status.projections).map(([name, one]) => ({
		class: one.state === "stopped" ? "broken" : null,
		cells: [name, one.failure ? `${one.state}: ${one.failure}` : one.state, words.amount(one.lag), one.position, `${one.readers} of ${one.readersMax}`, one.longReaders.length ? `${one.longReaders.length}, the longest ${words.seconds(Math.max(...one.longReaders.map((reader) => reader.seconds)))}` : "none"],
	}));
	const reader = body.querySelector(".scroll");
	const focused = reader && reader === document.activeElement;
	body.replaceChildren(
		facts([
			["Last entry", `${status.position}, ${words.moment(status.time)}`, "position"],
			["Entries", rate, "rate"],
			["This engine", `${leader.role}, ${leader.state}${status.ready ? "" : ", not ready"}`, "role"],
			["Leader", leader.self ? `this one${leader.address ? `, ${leader.address}` : ""}` : leader.known && leader.address ? leader.address : "not known", "leader"],
			["Standing by", leader.standbys.length ? leader.standbys.join(", ") : "nobody"],
			["Epoch", String(leader.epoch)],
			["Commands waiting", words.amount(leader.waiting), "waiting"],
			["Journal", status.journal.url],
		]),
		line(rates.past),
		table("Projections", [["Projection", ""], ["State", ""], ["Lag, entries", "number"], ["Position", ""], ["Readers", ""], ["Reading for long", ""]], projections),
	);
	if (focused)
		body.querySelector(".scroll").focus();
}
