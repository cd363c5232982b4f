/** Tells users what became of their seats, and when it is their turn. */
import { LedgerEvent, Poison, list, text } from './event';
import { post } from './http';
import { run, setting } from './main';

const url = setting('NOTIFICATION_URL');

// Each text says all by itself: those of one user's events on different topics may come in any order.
const texts: Record<string, (payload: LedgerEvent['payload']) => string> = {
	'queue.token.issued': () => 'You are in line.',
	'queue.token.activated': () => 'It is your turn.',
	'reservation.created': (p) => `Held for you until ${text(p, 'expiresAt')}: ${list(p, 'seatIds').join(', ')}`,
	'reservation.expired': (p) => `No longer held for you: ${list(p, 'seatIds').join(', ')}`,
	'payment.completed': (p) => `Yours: ${list(p, 'seatIds').join(', ')}`,
};

run('notification', {
	types: Object.keys(texts),
	send: async (event) => {
		const say = texts[event.eventType];
		if (!say)
			throw new Poison(`nothing is to be said of ${event.eventType}`);
		await post(url, event, { userId: text(event.payload, 'userId'), text: say(event.payload) });
	},
});
