// What the scripts share: how ledgerline is asked, what counts as failed, and what is said at the end.
//
// Calls of k6 are awaited, although k6 makes them at once: so the same scripts run under run_with_node.mjs too.
import http from 'k6/http';
import {check} from 'k6';

const env = __ENV;
function asNumber(name, given) {
	if (!/^\d+(\.\d+)?$/.test(given)) throw new Error(`${name}: "${given}" is no number`);
	return Number(given);
}
export const number = (name, otherwise) => (env[name] === undefined || env[name] === '' ? otherwise : asNumber(name, env[name]));
export const text = (name, otherwise) => env[name] || otherwise;
export const numbers = (name, otherwise) => text(name, otherwise).split(',').map((one) => asNumber(name, one));

export const URL = text('URL', 'http://127.0.0.1:8080').replace(/\/$/, '');
if (!/^https?:\/\/[^/]/.test(URL)) throw new Error(`URL is http://HOST:PORT or https://HOST:PORT, not "${URL}"`);
const KEY = text('KEY', '');
const ADMIN_KEY = text('ADMIN_KEY', KEY);
export const DURATION = text('DURATION', '30s');
// Ids of this run; another run beside it, or after it, meets none of them.
export const RUN = text('RUN', '');

// What an answer may be without being a failure: a seat that somebody else has is none.
const fine = {};
function expected(statuses) {
	const name = statuses.join(' ');
	return (fine[name] = fine[name] || http.expectedStatuses(...statuses));
}

// `name`: what the request is called in the figures. `statuses`: what it may be answered with.
export async function ask(method, path, {name, body, statuses = [200, 201], token, key = KEY, idempotency} = {}) {
	const headers = {};
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	if (key) headers['X-Api-Key'] = key;
	if (token) headers.Authorization = `Bearer ${token}`;
	if (idempotency) headers['Idempotency-Key'] = idempotency;
	const parameters = {headers, tags: {name}, responseCallback: expected(statuses)};
	const reply = await http.request(method, URL + path, body === undefined ? null : JSON.stringify(body), parameters);
	check(reply, {[`${name} is answered as expected`]: (one) => statuses.includes(one.status)});
	return reply;
}

const ADVICE = {
	0: 'is an engine there? -e URL=http://HOST:PORT names another one',
	401: 'the engine asks for keys: -e ADMIN_KEY=... is what sets the scene, -e KEY=... the others',
	403: 'what sets the scene wants a key of role admin: -e ADMIN_KEY=...',
};

// A key that was not shown since the engine began costs it a slow look, for one request at a time: a crowd that comes with it all at once is
// told 429. So it is shown once before.
let isKeyShown = KEY === ADMIN_KEY;
async function showKey() {
	isKeyShown = true;
	const reply = await ask('GET', '/api/concerts', {name: 'setup'});
	if (reply.status === 401 || reply.status === 403) throw new Error(`GET ${URL}/api/concerts: ${reply.status} ${reply.body}; -e KEY=... is no key of role client or admin`);
}

// For setup: what fails there ends the run.
export async function prepare(method, path, body, statuses = [200, 201]) {
	if (!isKeyShown) await showKey();
	const reply = await ask(method, path, {name: 'setup', body, statuses, key: ADMIN_KEY});
	const what = `${method} ${URL}${path}`, advice = ADVICE[reply.status] ? `; ${ADVICE[reply.status]}` : '';
	if (!statuses.includes(reply.status)) throw new Error(`${what}: ${reply.status ? `${reply.status} ${reply.body}` : `no answer: ${reply.error}`}${advice}`);
	try {
		return reply.status < 300 && reply.body ? reply.json() : null;
	} catch {
		throw new Error(`${what}: ${reply.status}, but no JSON: is that an engine?`);
	}
}

// Commands in arrays of a thousand.
export async function prepareAll(commands) {
	for (let at = 0; at < commands.length; at += 1000) {
		const receipts = await prepare('POST', '/api/commands', commands.slice(at, at + 1000));
		const other = receipts.find((one) => one.outcome !== 'accepted');
		if (other) throw new Error(`a command of the preparation was not accepted: ${JSON.stringify(other)}`);
	}
}

export function halls(sizes, run) {
	return sizes.map((seats, index) => ({scheduleId: `k6-${run}-${index}`, seats}));
}

export async function openHalls(wanted, run) {
	await prepare('POST', '/api/admin/concerts', {concertId: `k6-${run}`, title: 'Load test'});
	for (const hall of wanted) {
		const seats = [];
		for (let seatNo = 1; seatNo <= hall.seats; seatNo++) seats.push({seatNo, price: seatNo * 10 <= hall.seats ? 150000 : 77000});
		await prepare('POST', '/api/admin/schedules', {scheduleId: hall.scheduleId, concertId: `k6-${run}`, concertDate: '2099-01-01', seats});
	}
}

export const runName = () => RUN || Date.now().toString(36);

// p95, p99 and failures that the script allows: P95=, P99= (ms) and FAILURES= (a share) change them.
export function limits(p95, p99, failures) {
	return {
		http_req_duration: [`p(95)<${number('P95', p95)}`, `p(99)<${number('P99', p99)}`],
		http_req_failed: [`rate<=${number('FAILURES', failures)}`],
		checks: [`rate>=${1 - number('FAILURES', failures)}`],
	};
}

export const TRENDS = ['avg', 'med', 'p(95)', 'p(99)', 'max'];

const ms = (value) => (value === undefined ? '-' : `${value.toFixed(1)} ms`);

// A short table, and with SUMMARY=FILE all of it as JSON.
export function handleSummary(data) {
	const metrics = data.metrics;
	const lines = [''];
	for (const [name, metric] of Object.entries(metrics).sort()) {
		const values = metric.values;
		let shown;
		if (metric.type === 'trend') shown = TRENDS.map((one) => `${one} ${metric.contains === 'time' ? ms(values[one]) : values[one]}`).join('  ');
		else if (metric.type === 'rate') shown = `${(values.rate * 100).toFixed(2)} %  of ${values.passes + values.fails}`;
		else if (metric.type === 'counter') shown = `${values.count}  ${values.rate.toFixed(1)}/s`;
		else continue;
		const broken = Object.entries(metric.thresholds || {}).filter(([, one]) => !one.ok).map(([one]) => one);
		lines.push(`${name.padEnd(34)} ${shown}${broken.length ? `  MISSED: ${broken.join(', ')}` : ''}`);
	}
	const out = {stdout: `${lines.join('\n')}\n`};
	if (env.SUMMARY) out[env.SUMMARY] = JSON.stringify(data);
	return out;
}
