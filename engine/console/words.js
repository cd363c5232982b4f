// What the page says and counts, without the page: every function here is pure, and tests/e2e/test_console.py asks each of them.

// Amounts may be larger than what a JavaScript number holds exactly: integers of 16 digits and more are read as BigInt.
export function parseExact(text) {
	const marked = text.replace(/"(?:\\.|[^"\\])*"|-?\d{16,}(?![\d.eE])/g, (piece) =>
		piece[0] === '"' ? piece : `"\\u0001${piece}"`);
	return JSON.parse(marked, (_, value) =>
		typeof value === "string" && /^\u0001-?\d{16,}$/.test(value) ? BigInt(value.slice(1)) : value);
}

// ---- cuts: the timeline counts entries, the API names the last one ----

export function cutOf(entries) {
	return entries > 0 ? `0:${entries - 1}` : "start";
}

// null: it names no entry.
export function entriesAt(position) {
	if (position === "start")
		return 0;
	const found = /^0:(0|[1-9]\d{0,14})$/.exec(position ?? "");
	return found ? Number(found[1]) + 1 : null;
}

// What somebody typed as a cut: 1842 is 0:1842; everything else is for the engine to judge.
export function typedCut(text) {
	const plain = text.trim();
	return /^\d+$/.test(plain) ? `0:${plain}` : plain;
}

// ---- numbers and times ----

export function amount(value) {
	if (value === null || value === undefined)
		return "–";
	const [, sign, whole, rest] = /^(-?)(\d+)(.*)$/.exec(String(value)) ?? [null, "", String(value), ""];
	return sign + whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",") + rest;
}

export function signed(value) {
	return typeof value === "number" && value > 0 || typeof value === "bigint" && value > 0n ? `+${amount(value)}` : amount(value);
}

// Times are shown as they are recorded: UTC.
export function moment(time) {
	return time ? time.replace("T", " ").replace(/Z$/, " UTC") : "–";
}

export function seconds(value) {
	if (value < 120)
		return `${value} s`;
	return value < 7200 ? `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s` : `${Math.floor(value / 3600)} h ${Math.floor(value % 3600 / 60)} min`;
}

// Entries a second between the first and the last sample [[milliseconds, entries]...]; null: too few.
export function rateOf(samples) {
	if (samples.length < 2)
		return null;
	const [from, to] = [samples[0], samples[samples.length - 1]];
	return to[0] > from[0] ? Math.max(0, (to[1] - from[1]) * 1000 / (to[0] - from[0])) : null;
}

// ---- what must be equal at every cut ----

export function equations(totals) {
	const big = (part) => Object.fromEntries(Object.entries(part).map(([name, value]) => [name, BigInt(value)]));
	const [points, seats] = [big(totals.points), big(totals.seats)];
	const made = [
		["charged − used + refunded − expired + adjusted", points.charged - points.used + points.refunded - points.expired + points.adjusted, "balances", points.balances],
		["available + held + reserved", seats.available + seats.held + seats.reserved, "seats", seats.total],
	];
	return made.map(([left, sum, right, whole]) => ({left, sum, right, whole, holds: sum === whole}));
}

// ---- seats ----

export const STATUSES = ["AVAILABLE", "HELD", "RESERVED"];

export function countSeats(seats) {
	const counts = Object.fromEntries(STATUSES.map((status) => [status, 0]));
	for (const seat of seats)
		counts[seat.status] = (counts[seat.status] ?? 0) + 1;
	return counts;
}

// [section, its seats] in the order in which sections come.
export function bySection(seats) {
	const sections = new Map();
	for (const seat of seats) {
		if (!sections.has(seat.section))
			sections.set(seat.section, []);
		sections.get(seat.section).push(seat);
	}
	return [...sections];
}

export function seatLabel(seat) {
	const parts = [`Seat ${seat.seatNo}`, seat.section && `section ${seat.section}`, seat.grade, `${amount(seat.price)} points`, seat.status.toLowerCase()];
	return parts.filter(Boolean).join(", ");
}

// ---- values of facts, in a line ----

export function valueText(value) {
	if (value === null || value === undefined)
		return "–";
	if (Array.isArray(value))
		return value.length ? value.map(valueText).join(", ") : "none";
	if (typeof value === "object")
		return Object.entries(value).map(([name, of]) => `${name} ${valueText(of)}`).join(" · ");
	if (typeof value === "boolean")
		return value ? "yes" : "no";
	return typeof value === "string" ? value : amount(value);
}

// ---- errors, as sentences ----

const ADVICE = {
	CUT_NOT_FINAL: "Choose a moment that has passed.",
	CUT_NOT_FOUND: "Choose an entry that is there.",
	RECEIPT_NOT_FOUND: "A command that was rejected leaves no trace; entries of the engine's own are asked for by position.",
	OVERLOADED: "Others ask for past states, too. Try again in a moment.",
	JOURNAL_UNAVAILABLE: "The engine cannot read its journal now.",
};
const AT_A_CUT = new Set(["USER_NOT_FOUND", "SCHEDULE_NOT_FOUND", "RESERVATION_NOT_FOUND", "SEAT_NOT_FOUND", "CONCERT_NOT_FOUND"]);

// status 0: no answer came. `past`: it was asked at a cut.
export function sentence({status, code, message, details}, past = false) {
	if (status === 0)
		return "The engine does not answer. It is asked again by itself.";
	if (status === 401 || status === 403)
		return `${message || "This needs an access key."} Enter a key that may read, under "Access key" at the top.`;
	if (code === "VALIDATION_ERROR" && details?.field)
		return `${details.field} ${details.reason}.`;
	const said = message || `The engine answered with status ${status}.`;
	if (past && AT_A_CUT.has(code))
		return `${said.replace(/\.$/, "")} at this cut.`;
	return ADVICE[code] ? `${said} ${ADVICE[code]}` : said;
}
