/**
 *	node dist/ranking-service.js                  consumes, until SIGTERM
 *	node dist/ranking-service.js show [LIMIT]     prints the rankings of what was consumed so far
 */
import { openStore, run, setting, usage } from './main';
import { popular, ranking, soldOut } from './ranking';

/** Today, where the ledger's policy has its days (timeZone in GET /api/admin/policies). */
function today(): string {
	return new Intl.DateTimeFormat('sv-SE', { timeZone: setting('TIME_ZONE', 'Asia/Seoul') }).format(new Date());
}

async function show(limit: number): Promise<void> {
	const store = openStore(), day = today();
	const [all, ofDay, week, month] = await Promise.all((['all', 'day', 'week', 'month'] as const).map((window) => popular(store, window, day, limit)));
	const [opening, first] = await Promise.all((['opening', 'first'] as const).map((from) => soldOut(store, from, limit)));
	console.log(JSON.stringify({ popular: { all, day: ofDay, week, month }, 'sold-out': { opening, first } }));
}

const [command, limit = '10'] = process.argv.slice(2);
if (command === undefined)
	run('ranking', ranking);
else if (command !== 'show' || !/^[1-9]\d{0,2}$/.test(limit))
	usage('usage: node dist/ranking-service.js [show [LIMIT]]');
else
	void show(Number(limit));
