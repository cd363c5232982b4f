/** A process around a consumer: settings from the environment, signals, exit status. In NestJS a module takes its place (README.md). */
import { EventConsumer, Reaction, Settings } from './consumer';
import { SqliteStore } from './sqlite';

export function setting(name: string, otherwise?: string): string {
	const value = process.env[name] ?? otherwise;
	if (value === undefined)
		usage(`${name} is not set`);
	return value;
}

export function usage(what: string): never {
	console.error(`${what}; README.md lists the settings`);
	process.exit(2);
}

function milliseconds(name: string, otherwise: number): number {
	const value = Number(setting(name, String(otherwise)));
	if (!Number.isSafeInteger(value) || value <= 0)
		usage(`${name} takes milliseconds`);
	return value;
}

function moment(name: string): number {
	const value = Date.parse(setting(name, '1970-01-01T00:00:00Z'));
	if (Number.isNaN(value))
		usage(`${name} takes a time like 2026-11-26T09:00:00Z`);
	return value;
}

function log(what: string, fields: Record<string, unknown> = {}): void {
	console.error(JSON.stringify({ time: new Date().toISOString(), what, ...fields }));
}

export function openStore(): SqliteStore {
	return new SqliteStore(setting('DATABASE'));
}

export function run(group: string, reaction: Reaction): void {
	const fail = (error: Error): never => {
		log('consumer.failed', { reason: error.message });
		process.exit(1);
	};
	const settings: Settings = {
		brokers: setting('BROKERS').split(','),
		group: setting('GROUP', group),
		prefix: setting('TOPIC_PREFIX', ''),
		since: moment('SINCE'),
		sessionTimeoutMs: milliseconds('SESSION_TIMEOUT_MS', 30000),
		backOffMaxMs: milliseconds('BACK_OFF_MAX_MS', 30000),
		log,
		failed: fail,
	};
	const store = openStore();
	const consumer = new EventConsumer(settings, reaction, store);
	const end = async (): Promise<void> => {
		await consumer.stop();
		store.close();
		process.exit(0);
	};
	for (const name of ['SIGTERM', 'SIGINT'] as const)
		process.once(name, () => void end().catch(fail));
	consumer.start().catch(fail);
}
