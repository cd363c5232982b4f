/**
 * Schedules in a search index of Elasticsearch or OpenSearch. Each event has the whole schedule; two topics have no common order. So the
 * document's version is the event's sequence, and the index itself refuses what is older than what it has: 409 is as good as 200.
 */
import { LedgerEvent, Poison, number, optional, text } from './event';
import { judge } from './http';
import { run, setting } from './main';

const url = setting('SEARCH_URL'); // of the index
const TIMEOUT_MS = 10000;

function documentOf({ payload }: LedgerEvent): Record<string, unknown> {
	return {
		concertId: text(payload, 'concertId'),
		concertDate: text(payload, 'concertDate'),
		bookingOpensAt: optional(payload, 'bookingOpensAt'),
		bookingClosesAt: optional(payload, 'bookingClosesAt'),
		totalSeats: number(payload, 'totalSeats'),
		status: text(payload, 'status'),
	};
}

run('search-index', {
	types: ['concert.schedule.created', 'concert.schedule.updated'],
	send: async (event) => {
		if (event.eventType === 'concert.schedule.updated' && event.schemaVersion < 2)
			throw new Poison('an update of version 1 has not the whole schedule');
		const id = encodeURIComponent(text(event.payload, 'concertScheduleId'));
		const answer = await fetch(`${url}/_doc/${id}?version=${event.sequence}&version_type=external_gte`, {
			method: 'PUT',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify(documentOf(event)),
			signal: AbortSignal.timeout(TIMEOUT_MS),
		});
		await answer.arrayBuffer();
		if (answer.status !== 409)
			judge(answer.status);
	},
});
