// Asking the engine: GETs of the public API, relative to the page, so that a prefix in front of it does no harm.
//
//	const {body, position} = await ask("api/status", signal)     Trouble: no answer, or an error's
//
// Questions about past states take their turn, two at once, as the engine itself works on two: one that is cancelled while it waits is never sent.
import {parseExact} from "./words.js";

const AT_ONCE = 2;
const KEY = "ledgerline.key";

export class Trouble extends Error {
	constructor(status, error = {}) {
		super(error.message ?? "");
		Object.assign(this, {status, code: error.code, details: error.details});
	}
}

export function wasCancelled(why) {
	return why.name === "AbortError";
}

// ---- the key: of this tab, until it is closed ----

export function keyNow() {
	return sessionStorage.getItem(KEY) ?? "";
}

export function keepKey(key) {
	if (key)
		sessionStorage.setItem(KEY, key);
	else
		sessionStorage.removeItem(KEY);
}

// ---- turns ----

const waiting = [];
let busy = 0;

function turn(signal) {
	return new Promise((resolve, reject) => {
		const one = {resolve, reject, signal};
		waiting.push(one);
		signal?.addEventListener("abort", () => {
			const index = waiting.indexOf(one);
			if (index >= 0)
				waiting.splice(index, 1);
			reject(signal.reason);
		});
		next();
	});
}

function next() {
	while (busy < AT_ONCE && waiting.length) {
		busy++;
		waiting.shift().resolve();
	}
}

// ---- one question ----

async function fetchJson(path, signal) {
	const key = keyNow();
	let answer, text;
	try {
		answer = await fetch(path, {signal, headers: key ? {"X-Api-Key": key} : {}, cache: "no-store", credentials: "same-origin"});
		text = await answer.text();
	} catch (why) {
		if (wasCancelled(why))
			throw why;
		throw new Trouble(0);
	}
	let body;
	try {
		body = parseExact(text);
	} catch {
		throw new Trouble(answer.status, {message: `What came from ${path} is not the ledger's JSON (status ${answer.status}).`});
	}
	if (!answer.ok)
		throw new Trouble(answer.status, body);
	return {body, position: answer.headers.get("Ledger-Position")};
}

export async function ask(path, signal) {
	if (!path.startsWith("api/audit/") || path.startsWith("api/audit/history/"))
		return fetchJson(path, signal);
	signal?.throwIfAborted();
	await turn(signal);
	try {
		return await fetchJson(path, signal);
	} finally {
		busy--;
		next();
	}
}
