/**
 * The service's own database, where events leave their effects. TypeORM's DataSource is such a store as it is; for other clients these are
 * two short functions (sqlite.ts). The SQL of these examples is understood by SQLite and MySQL 8 alike.
 */
export type Row = Record<string, unknown>;

export interface Transaction {
	query(sql: string, parameters?: unknown[]): Promise<Row[]>;
}

export interface Store extends Transaction {
	/** All of it or nothing: committed when `work` returns, rolled back when it throws. */
	transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}

/**
 * Which events were handled. Rows may be deleted when their time is further back than the topics remember, and never before: whoever
 * forgets sooner counts an event twice when it is read or published again.
 */
export const HANDLED_EVENTS = `CREATE TABLE IF NOT EXISTS handled_events (
	consumer VARCHAR(64) NOT NULL, event_id CHAR(36) NOT NULL, event_time VARCHAR(32) NOT NULL, PRIMARY KEY (consumer, event_id))`;

export async function isHandled(tx: Transaction, consumer: string, eventId: string): Promise<boolean> {
	return (await tx.query('SELECT 1 AS found FROM handled_events WHERE consumer = ? AND event_id = ?', [consumer, eventId])).length > 0;
}

/** Two that handle one event at once meet at the primary key: the second fails, is tried again, and finds it handled. */
export async function noteHandled(tx: Transaction, consumer: string, event: { eventId: string; eventTime: string }): Promise<void> {
	await tx.query('INSERT INTO handled_events (consumer, event_id, event_time) VALUES (?, ?, ?)', [consumer, event.eventId, event.eventTime]);
}
