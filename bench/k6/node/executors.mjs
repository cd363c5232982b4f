// Scenarios: who begins which iteration when.
import {oneLine} from './complain.mjs';
import {add, builtin, world} from './world.mjs';

const UNITS = {ms: 1, s: 1000, m: 60000, h: 3600000};

export function milliseconds(text) {
	const parts = [...String(text).matchAll(/([\d.]+)(ms|s|m|h)/g)];
	if (!parts.length || parts.map((one) => one[0]).join('') !== String(text)) throw new Error(`"${text}" is no duration like 30s or 1m30s`);
	return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * UNITS[unit], 0);
}

class Run {
	constructor(name, body, data) {
		Object.assign(this, {name, body, data, begun: 0, failures: 0});
	}

	// One iteration of a user.
	async iterate(vu, iteration) {
		const began = performance.now();
		world.iteration = {scenario: this.name, vu, number: this.begun++};
		globalThis.__VU = vu;
		globalThis.__ITER = iteration;
		try {
			await this.body(this.data);
		} catch (error) {
			if (this.failures++ < 10) console.error(`run_with_node.mjs: ${this.name}: ${oneLine(error, 'the script')}`);
		}
		add(builtin.iterations, 1);
		add(builtin.iterationDuration, performance.now() - began);
	}

	// One user, for as long as there is a next iteration.
	async user(vu, next) {
		for (let iteration = 0; next(); iteration++) await this.iterate(vu, iteration);
	}

	users(count, next) {
		return Promise.all(Array.from({length: count}, (_, index) => this.user(index + 1, next)));
	}
}

const until = (limit) => {
	const end = performance.now() + milliseconds(limit);
	return () => performance.now() < end;
};

// Begins rate iterations a unit, evenly; what finds no user free is dropped.
async function atRate(run, {rate, timeUnit = '1s', duration, preAllocatedVUs, maxVUs = preAllocatedVUs}) {
	const began = performance.now(), length = milliseconds(duration), each = milliseconds(timeUnit) / rate;
	const free = Array.from({length: maxVUs}, (_, index) => maxVUs - index), open = new Set();
	for (let due = 0; due * each < length;) {
		for (; due * each <= performance.now() - began && due * each < length; due++) {
			const vu = free.pop();
			if (!vu) {
				add(builtin.dropped, 1);
				continue;
			}
			const one = run.iterate(vu, due).then(() => {
				open.delete(one);
				free.push(vu);
			});
			open.add(one);
		}
		await new Promise((done) => setTimeout(done, 1));
	}
	await Promise.all(open);
}

const EXECUTORS = {
	'shared-iterations': (run, {vus = 1, iterations = 1, maxDuration = '10m'}) => {
		const inTime = until(maxDuration);
		return run.users(vus, () => run.begun < iterations && inTime());
	},
	'per-vu-iterations': (run, {vus = 1, iterations = 1, maxDuration = '10m'}) => {
		const inTime = until(maxDuration);
		return Promise.all(Array.from({length: vus}, (_, index) => {
			let left = iterations;
			return run.user(index + 1, () => left-- > 0 && inTime());
		}));
	},
	'constant-vus': (run, {vus = 1, duration}) => run.users(vus, until(duration)),
	'constant-arrival-rate': atRate,
};

export async function play(name, scenario, script, data) {
	const executor = EXECUTORS[scenario.executor];
	if (!executor) throw new Error(`scenario ${name}: the executor ${scenario.executor} is not there with node: ${Object.keys(EXECUTORS).join(', ')}`);
	const body = script[scenario.exec || 'default'];
	if (!body) throw new Error(`scenario ${name}: the script exports no ${scenario.exec || 'default'}`);
	const run = new Run(name, body, data);
	await executor(run, scenario);
	return run.failures;
}
