/**
 * The rankings, from public events alone, by ledgerline's own rules:
 *
 *	popular     seats confirmed minus cancelled, in a window of calendar days; a tie goes to who reached the number first
 *	sold-out    from the opening, or the first confirmation, to the last seat; the first sell-out stays, whatever is cancelled later
 *
 * A schedule leaves both when it is cancelled.
 *
 * A schedule's sales come on two topics, spread over partitions by user: they arrive in no order. So what is kept are facts with their
 * `sequence`, and the rankings are questions about the facts in that order. Whoever has read the same events has the same rankings, however
 * they came; and there is no clock in them, but the events' own.
 */
import { Reaction } from './consumer';
import { LedgerEvent, Poison, list, number, optional, text, time } from './event';
import { Store, Transaction } from './store';

const TABLES = [
	`CREATE TABLE IF NOT EXISTS sales (
		event_id CHAR(36) PRIMARY KEY, schedule_id VARCHAR(64) NOT NULL, sequence BIGINT NOT NULL,
		seats INTEGER NOT NULL, day CHAR(10) NOT NULL, sold_at BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS schedules (
		event_id CHAR(36) PRIMARY KEY, schedule_id VARCHAR(64) NOT NULL, sequence BIGINT NOT NULL,
		total_seats INTEGER NOT NULL, opens_at BIGINT NOT NULL, concert_id VARCHAR(64) NOT NULL, concert_date VARCHAR(32) NOT NULL)`,
	'CREATE TABLE IF NOT EXISTS cancelled_schedules (schedule_id VARCHAR(64) PRIMARY KEY)',
];

async function confirmed(event: LedgerEvent, tx: Transaction): Promise<void> {
	await sale(event, tx, list(event.payload, 'seatIds').length, text(event.payload, 'day'));
}

async function cancelled(event: LedgerEvent, tx: Transaction): Promise<void> {
	if (text(event.payload, 'reason') === 'SCHEDULE_CANCELLED')
		await leave(text(event.payload, 'concertScheduleId'), tx);
	if (optional(event.payload, 'confirmedDay') !== null) // a hold that is given up never counted
		await sale(event, tx, -list(event.payload, 'seatIds').length, text(event.payload, 'confirmedDay'));
}

async function sale(event: LedgerEvent, tx: Transaction, seats: number, day: string): Promise<void> {
	if (!/^\d{4}-\d\d-\d\d$/.test(day))
		throw new Poison(`"${day}" is no day`);
	await tx.query('INSERT INTO sales (event_id, schedule_id, sequence, seats, day, sold_at) VALUES (?, ?, ?, ?, ?, ?)', [
		event.eventId, text(event.payload, 'concertScheduleId'), event.sequence, seats, day, time(event, 'eventTime'),
	]);
}

/** A schedule as it is from this event on. What has no opening was open when it was made. */
async function schedule(event: LedgerEvent, tx: Transaction): Promise<void> {
	const { payload } = event, id = text(payload, 'concertScheduleId');
	if (text(payload, 'status') === 'CANCELLED')
		return leave(id, tx);
	if (event.eventType === 'concert.schedule.updated' && event.schemaVersion < 2)
		throw new Poison('an update of version 1 has not the whole schedule');
	const made = event.eventType === 'concert.schedule.created' ? time(event, 'eventTime') : 0;
	const opens = optional(payload, 'bookingOpensAt') === null ? made : time(payload, 'bookingOpensAt');
	await tx.query(
		'INSERT INTO schedules (event_id, schedule_id, sequence, total_seats, opens_at, concert_id, concert_date) VALUES (?, ?, ?, ?, ?, ?, ?)',
		[event.eventId, id, event.sequence, number(payload, 'totalSeats'), opens, text(payload, 'concertId'), text(payload, 'concertDate')],
	);
}

async function leave(id: string, tx: Transaction): Promise<void> {
	if ((await tx.query('SELECT 1 AS found FROM cancelled_schedules WHERE schedule_id = ?', [id])).length === 0)
		await tx.query('INSERT INTO cancelled_schedules (schedule_id) VALUES (?)', [id]);
}

const REACTIONS: Record<string, (event: LedgerEvent, tx: Transaction) => Promise<void>> = {
	'reservation.confirmed': confirmed,
	'reservation.cancelled': cancelled,
	'concert.schedule.created': schedule,
	'concert.schedule.updated': schedule,
};

export const ranking: Reaction = {
	types: Object.keys(REACTIONS),
	tables: TABLES,
	change: async (event, tx) => {
		const react = REACTIONS[event.eventType];
		if (!react)
			throw new Poison(`${event.eventType} is none of ${Object.keys(REACTIONS).join(', ')}`);
		await react(event, tx);
	},
};

// ---- the questions ----

export type Window = 'all' | 'day' | 'week' | 'month';
export type Origin = 'opening' | 'first';

export interface Ranked {
	rank: number;
	scheduleId: string;
	concertId: string | null; // its title is the catalogue's
	concertDate: string | null;
	reservationCount?: number;
	soldOutDurationSec?: number;
}

/** `day`: the one in the policy's time zone whose day, week (from Monday) or month is asked for. */
export async function popular(store: Store, window: Window, day: string, limit: number): Promise<Ranked[]> {
	const [first, last] = daysOf(window, day);
	const rows = await store.query(
		`SELECT schedule_id, SUM(seats) AS sold FROM sales
		WHERE day BETWEEN ? AND ? AND schedule_id NOT IN (SELECT schedule_id FROM cancelled_schedules)
		GROUP BY schedule_id HAVING SUM(seats) > 0 ORDER BY SUM(seats) DESC, MAX(sequence), schedule_id LIMIT ${limit}`,
		[first, last],
	);
	return ranks(store, rows, (row) => ({ reservationCount: Number(row.sold) }));
}

/** Seats sold so far, beside how many there were, at each sale; the first sale at which they are equal is the sell-out. */
const SOLD_OUT = `WITH running AS (
	SELECT schedule_id, sequence, sold_at, seats, SUM(seats) OVER (PARTITION BY schedule_id ORDER BY sequence) AS sold,
		(SELECT s.total_seats FROM schedules s WHERE s.schedule_id = sales.schedule_id AND s.sequence < sales.sequence
			ORDER BY s.sequence DESC LIMIT 1) AS total_seats
	FROM sales WHERE schedule_id NOT IN (SELECT schedule_id FROM cancelled_schedules)
), sold_out AS (
	SELECT schedule_id, MIN(sequence) AS sequence FROM running WHERE seats > 0 AND sold = total_seats GROUP BY schedule_id
)
SELECT o.schedule_id, o.sequence, r.sold_at,
	(SELECT MIN(f.sold_at) FROM sales f WHERE f.schedule_id = o.schedule_id AND f.seats > 0) AS first_sold_at,
	(SELECT MAX(s.opens_at) FROM schedules s WHERE s.schedule_id = o.schedule_id AND s.sequence =
		(SELECT MAX(x.sequence) FROM schedules x WHERE x.schedule_id = o.schedule_id AND x.sequence < o.sequence AND x.opens_at > 0)) AS opens_at
FROM sold_out o JOIN running r ON r.schedule_id = o.schedule_id AND r.sequence = o.sequence`;

export async function soldOut(store: Store, from: Origin, limit: number): Promise<Ranked[]> {
	const rows = (await store.query(SOLD_OUT)).map((row) => {
		const began = Number(from === 'opening' ? row.opens_at : row.first_sold_at);
		return { ...row, id: String(row.schedule_id), sequence: Number(row.sequence), took: Math.max(0, Number(row.sold_at) - began) };
	});
	rows.sort((a, b) => a.took - b.took || a.sequence - b.sequence || (a.id < b.id ? -1 : 1));
	return ranks(store, rows.slice(0, limit), (row) => ({ soldOutDurationSec: Number(row.took) / 1000 }));
}

async function ranks(store: Store, rows: Record<string, unknown>[], figure: (row: Record<string, unknown>) => Partial<Ranked>): Promise<Ranked[]> {
	const ranked: Ranked[] = [];
	for (const row of rows) {
		const id = String(row.schedule_id);
		const [known] = await store.query(
			'SELECT concert_id, concert_date FROM schedules WHERE schedule_id = ? ORDER BY sequence DESC LIMIT 1', [id],
		);
		const { concert_id = null, concert_date = null } = (known ?? {}) as { concert_id?: string; concert_date?: string };
		ranked.push({ rank: ranked.length + 1, scheduleId: id, concertId: concert_id, concertDate: concert_date, ...figure(row) });
	}
	return ranked;
}

const DAY_MS = 86400000;

function daysOf(window: Window, day: string): [string, string] {
	const at = new Date(`${day}T00:00:00Z`), iso = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
	const monday = at.getTime() - ((at.getUTCDay() + 6) % 7) * DAY_MS;
	switch (window) {
	case 'all': return ['0000-01-01', '9999-12-31'];
	case 'day': return [day, day];
	case 'week': return [iso(monday), iso(monday + 6 * DAY_MS)];
	case 'month': return [`${day.slice(0, 7)}-01`, `${day.slice(0, 7)}-31`];
	}
}
