/** Forwards each event of a payment to the data platform, whole. (`ledgerline sink` does the same without a program.) */
import { post } from './http';
import { run, setting } from './main';

const url = setting('DATA_PLATFORM_URL');

run('data-platform', {
	types: ['payment.completed', 'payment.cancelled'],
	send: (event) => post(url, event, event),
});
