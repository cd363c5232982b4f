/**
 * Balances in a table of one's own, as an older service has them, which may go on reading them there. A user's points change on five
 * topics, which have no common order: the highest sequence wins.
 */
import { number, text } from './event';
import { run } from './main';

run('balances', {
	types: ['point.charged', 'point.used', 'point.refunded', 'point.expired', 'point.adjusted'],
	tables: ['CREATE TABLE IF NOT EXISTS user_point (user_id VARCHAR(64) PRIMARY KEY, balance BIGINT NOT NULL, sequence BIGINT NOT NULL)'],
	change: async ({ payload, sequence }, tx) => {
		const userId = text(payload, 'userId'), balance = number(payload, 'balanceAfter');
		const known = await tx.query('SELECT sequence FROM user_point WHERE user_id = ?', [userId]);
		if (known.length === 0)
			await tx.query('INSERT INTO user_point (user_id, balance, sequence) VALUES (?, ?, ?)', [userId, balance, sequence]);
		else
			await tx.query('UPDATE user_point SET balance = ?, sequence = ? WHERE user_id = ? AND sequence <= ?', [balance, sequence, userId, sequence]);
	},
});
