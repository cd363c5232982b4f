// A steady mix, RATE users' doings a second, DURATION long. Of a hundred: 30 lists of concerts, 20 of dates, 20 seat maps, 10 seats that are
// held and given back, 10 that are held, paid and cancelled, 10 charges. What cannot be begun in time is counted as dropped_iterations.
import exec from 'k6/execution';
import {Counter} from 'k6/metrics';
import {ask, DURATION, halls, limits, number, numbers, openHalls, prepareAll, runName, TRENDS} from './ledgerline.js';

export {handleSummary} from './ledgerline.js';

const RATE = number('RATE', 1000);
const USERS = number('USERS', 1000);
const HALLS = numbers('HALLS', '50,50,50,50,50,50,50,50,50,50');

const taken = new Counter('seats_taken_already');

export const options = {
	scenarios: {
		steady: {
			executor: 'constant-arrival-rate', rate: RATE, timeUnit: '1s', duration: DURATION,
			preAllocatedVUs: number('VUS', 200), maxVUs: number('VUS', 200), exec: 'one',
		},
	},
	thresholds: {...limits(100, 500, 0.01), dropped_iterations: [`count<=${number('DROPPED', 0)}`]},
	summaryTrendStats: TRENDS,
};

export async function setup() {
	const run = runName();
	const open = halls(HALLS, run);
	await openHalls(open, run);
	const rich = [];
	for (let user = 0; user < USERS; user++) rich.push({type: 'points.charge', userId: `k6-${run}-${user}`, amount: 1000000});
	await prepareAll(rich);
	return {run, open};
}

const anyOf = (list) => list[Math.floor(Math.random() * list.length)];

// What is held is given back, and what is paid is cancelled: so there are seats and points for as long as it goes on.
async function reserve(user, hall) {
	const seatNo = 1 + Math.floor(Math.random() * hall.seats);
	const reply = await ask('POST', '/api/reservations', {name: 'reserve', statuses: [201, 409], body: {userId: user, scheduleId: hall.scheduleId, seatNo}});
	if (reply.status === 409) taken.add(1);
	return reply.status === 201 ? reply.json().reservationId : null;
}

async function giveBack(user, reservationId) {
	await ask('DELETE', `/api/reservations/${reservationId}?userId=${user}`, {name: 'cancel'});
}

export async function one({run, open}) {
	const iteration = exec.scenario.iterationInTest;
	const user = `k6-${run}-${iteration % USERS}`, hall = anyOf(open), kind = iteration % 10;
	if (kind < 3) {
		await ask('GET', '/api/concerts', {name: 'concerts'});
	} else if (kind < 5) {
		await ask('GET', `/api/concerts/dates?concertId=k6-${run}`, {name: 'dates'});
	} else if (kind < 7) {
		await ask('GET', `/api/concerts/seats?scheduleId=${hall.scheduleId}`, {name: 'seats'});
	} else if (kind < 8) {
		const reservationId = await reserve(user, hall);
		if (reservationId) await giveBack(user, reservationId);
	} else if (kind < 9) {
		const reservationId = await reserve(user, hall);
		if (!reservationId) return;
		const paid = await ask('POST', '/api/payments', {name: 'pay', body: {userId: user, reservationId}});
		if (paid.status === 200) await ask('POST', `/api/payments/${paid.json().paymentId}/cancel`, {name: 'refund'});
	} else {
		await ask('POST', '/api/points/charge', {name: 'charge', body: {userId: user, amount: 50000}});
	}
}
