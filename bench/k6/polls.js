// Polls of a waiting room: USERS have a token and wait; VUS of them at a time ask for their place, each again after POLL seconds (0: at
// once), DURATION long.
import {sleep} from 'k6';
import exec from 'k6/execution';
import {ask, DURATION, limits, number, prepare, runName, TRENDS} from './ledgerline.js';

export {handleSummary} from './ledgerline.js';

const USERS = number('USERS', 10000);
const POLL = number('POLL', 0);

export const options = {
	scenarios: {polls: {executor: 'constant-vus', vus: number('VUS', 100), duration: DURATION, exec: 'poll'}},
	thresholds: limits(50, 200, 0.001),
	summaryTrendStats: TRENDS,
};

export async function setup() {
	const run = runName(), tokens = [];
	await prepare('PUT', '/api/admin/policies', {queueRequired: true, queueActiveMax: 1, queueActiveSeconds: 3600, queueWaitSeconds: 86400});
	for (let at = 0; at < USERS; at += 1000) {
		const commands = [];
		for (let user = at; user < Math.min(at + 1000, USERS); user++) commands.push({type: 'queue.enter', userId: `k6-${run}-${user}`});
		for (const receipt of await prepare('POST', '/api/commands', commands)) tokens.push(receipt.body.token);
	}
	return {tokens};
}

export async function teardown() {
	await prepare('PUT', '/api/admin/policies', {queueRequired: false});
}

export async function poll({tokens}) {
	const token = tokens[exec.scenario.iterationInTest % tokens.length];
	await ask('GET', '/api/queue/status', {name: 'poll', token});
	if (POLL) await sleep(POLL);
}
