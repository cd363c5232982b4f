// An on-sale: USERS buyers, VUS at a time, through the waiting room to a paid seat.
//
//	charge -> token -> (polls until it is their turn) -> seats -> reserve -> pay
//	                                                        ^        |
//	                                                        +- taken +
//
// It sets the waiting room's policy and makes halls of its own: run it against a ledger for tests. docs/load-testing.md says more.
import {sleep} from 'k6';
import exec from 'k6/execution';
import {Counter, Trend} from 'k6/metrics';
import {ask, halls, limits, number, numbers, openHalls, prepare, runName, text, TRENDS} from './ledgerline.js';

export {handleSummary} from './ledgerline.js';

const USERS = number('USERS', 20000);
const ACTIVE = number('ACTIVE', 100); // places behind the waiting room: fewer than VUS, or nobody waits
const POLL = number('POLL', 0.5); // seconds between two polls
const LOOKS = number('LOOKS', 0.05); // the share of buyers that fetch the map of the hall; the others have one that is some seconds old
const TRIES = number('TRIES', 20);
const HALLS = numbers('HALLS', '50,500,2000,5000,10000');

const bought = new Counter('seats_bought');
const wentHome = new Counter('went_home');
const conflicts = new Counter('seats_taken_already');
const journey = new Trend('journey', true);

export const options = {
	scenarios: {
		onsale: {executor: 'shared-iterations', vus: number('VUS', 200), iterations: USERS, maxDuration: text('DURATION', '10m'), exec: 'buyer'},
	},
	thresholds: {
		...limits(500, 1000, 0.01),
		'http_req_duration{name:reserve}': [`p(99)<${number('P99', 1000)}`],
		'http_req_duration{name:pay}': [`p(99)<${number('P99', 1000)}`],
		seats_bought: ['count>0'],
	},
	summaryTrendStats: TRENDS,
};

export async function setup() {
	const run = runName();
	await prepare('PUT', '/api/admin/policies', {queueRequired: true, queueActiveMax: ACTIVE, queueActiveSeconds: 600, queueWaitSeconds: 3600});
	const open = halls(HALLS, run);
	await openHalls(open, run);
	return {run, open};
}

// Afterwards as a fresh ledger has it.
export async function teardown() {
	await prepare('PUT', '/api/admin/policies', {queueRequired: false});
}

// The larger the hall the more want to go there.
function chosen(open) {
	let at = Math.random() * open.reduce((sum, hall) => sum + hall.seats, 0);
	return open.find((hall) => (at -= hall.seats) < 0) || open[0];
}

async function turn(user, token) {
	for (;;) {
		const reply = await ask('GET', '/api/queue/status', {name: 'poll', token});
		if (reply.status !== 200) return false;
		const {status} = reply.json();
		if (status === 'ACTIVE') return true;
		if (status !== 'WAITING') return false;
		await sleep(POLL * (0.5 + Math.random()));
	}
}

async function freeSeats(hall) {
	const reply = await ask('GET', `/api/concerts/seats?scheduleId=${hall.scheduleId}`, {name: 'seats'});
	return reply.status === 200 ? reply.json().seats.filter((seat) => seat.status === 'AVAILABLE').map((seat) => seat.seatNo) : [];
}

async function reserve(user, token, hall) {
	let free = Math.random() < LOOKS ? await freeSeats(hall) : null;
	for (let tries = 0; tries < TRIES; tries++) {
		if (tries && tries % 8 === 0) free = await freeSeats(hall);
		if (free && !free.length) return null;
		const seatNo = free ? free[Math.floor(Math.random() * free.length)] : 1 + Math.floor(Math.random() * hall.seats);
		const reply = await ask('POST', '/api/reservations', {name: 'reserve', token, statuses: [201, 409], body: {userId: user, scheduleId: hall.scheduleId, seatNo}});
		if (reply.status === 201) return reply.json().reservationId;
		if (reply.status !== 409) return null;
		conflicts.add(1);
	}
	return null;
}

export async function buyer({run, open}) {
	const user = `k6-${run}-${exec.scenario.iterationInTest}`;
	const began = Date.now();
	await ask('POST', '/api/points/charge', {name: 'charge', body: {userId: user, amount: 600000}, idempotency: `${user}-charge`});
	const entered = await ask('POST', '/api/queue/token', {name: 'token', body: {userId: user}});
	if (entered.status >= 300) return;
	const {token} = entered.json();
	if (!(await turn(user, token))) return;
	const reservationId = await reserve(user, token, chosen(open));
	if (!reservationId) {
		wentHome.add(1);
		await ask('DELETE', '/api/queue/token', {name: 'leave', token, statuses: [200, 204]});
		return;
	}
	const paid = await ask('POST', '/api/payments', {name: 'pay', token, body: {userId: user, reservationId}, idempotency: `${user}-pay`});
	if (paid.status < 300) {
		bought.add(1);
		journey.add(Date.now() - began);
	}
}
