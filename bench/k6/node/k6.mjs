// `k6`, as far as the scripts use it.
import {add, builtin} from './world.mjs';

export function check(value, conditions, tags) {
	let fine = true;
	for (const condition of Object.values(conditions)) {
		const holds = Boolean(typeof condition === 'function' ? condition(value) : condition);
		add(builtin.checks, holds, tags);
		fine = fine && holds;
	}
	return fine;
}

export const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
export const group = (name, body) => body();
export function fail(reason) {
	throw new Error(reason);
}

export default {check, sleep, group, fail};
