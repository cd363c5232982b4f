import Database from 'libsql';
import { Row, Store, Transaction } from './store';

/** A file of SQLite. One connection: transactions and queries from outside of them wait for each other. */
export class SqliteStore implements Store {
	private readonly database: Database.Database;
	private last: Promise<unknown> = Promise.resolve();

	constructor(file: string) {
		this.database = new Database(file);
		this.database.exec('PRAGMA journal_mode = WAL');
		this.database.exec('PRAGMA synchronous = NORMAL');
		this.database.exec('PRAGMA busy_timeout = 10000');
	}

	query(sql: string, parameters: unknown[] = []): Promise<Row[]> {
		return this.afterTheLast(async () => this.run(sql, parameters));
	}

	transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
		return this.afterTheLast(async () => {
			this.database.exec('BEGIN IMMEDIATE');
			try {
				const result = await work({ query: async (sql, parameters = []) => this.run(sql, parameters) });
				this.database.exec('COMMIT');
				return result;
			} catch (error) {
				this.database.exec('ROLLBACK');
				throw error;
			}
		});
	}

	close(): void {
		this.database.close();
	}

	private run(sql: string, parameters: unknown[]): Row[] {
		const statement = this.database.prepare(sql);
		if (/^\s*(SELECT|WITH)\b/i.test(sql))
			return statement.all(...parameters) as Row[];
		statement.run(...parameters);
		return [];
	}

	private afterTheLast<T>(work: () => Promise<T>): Promise<T> {
		const result = this.last.then(work);
		this.last = result.catch(() => undefined);
		return result;
	}
}
