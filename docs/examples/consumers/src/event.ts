/** A public event, as `ledgerline relay` writes it. docs/schemas/ describes each payload. */
export interface LedgerEvent {
	eventId: string; // the same for ever, whoever publishes the event again
	eventType: string;
	eventTime: string;
	schemaVersion: number;
	sequence: number; // the place in the ledger's order, over all topics and partitions
	payload: Record<string, unknown>;
}

/** What can never be handled, however often it is tried: it becomes a dead letter, and the next event has its turn. */
export class Poison extends Error {
	constructor(message: string, readonly status = 0) {
		super(message);
	}
}

export function parseEvent(value: Buffer | null): LedgerEvent {
	let event: unknown;
	try {
		event = JSON.parse(value?.toString('utf8') ?? '');
	} catch {
		throw new Poison('not an event: not JSON');
	}
	if (!isObject(event) || !isObject(event.payload))
		throw new Poison('not an event: no object with a payload');
	text(event, 'eventId');
	text(event, 'eventType');
	time(event, 'eventTime');
	number(event, 'schemaVersion');
	number(event, 'sequence');
	return event as unknown as LedgerEvent;
}

// Fields of a payload. What is not as the schema has it is poison: records of others may stand on a public topic.

export function text(from: object, name: string): string {
	const value = optional(from, name);
	if (typeof value !== 'string' || value === '')
		throw new Poison(`${name} is no text`);
	return value;
}

export function number(from: object, name: string): number {
	const value = optional(from, name);
	if (!Number.isSafeInteger(value))
		throw new Poison(`${name} is no whole number`);
	return value as number;
}

export function list(from: object, name: string): unknown[] {
	const value = optional(from, name);
	if (!Array.isArray(value))
		throw new Poison(`${name} is no list`);
	return value;
}

/** In milliseconds since 1970. */
export function time(from: object, name: string): number {
	const value = Date.parse(text(from, name));
	if (Number.isNaN(value))
		throw new Poison(`${name} is no time`);
	return value;
}

/** null, too, when the field is not there: optional fields are left out. */
export function optional(from: object, name: string): unknown {
	return (from as Record<string, unknown>)[name] ?? null;
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}
