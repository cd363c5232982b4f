/** A mail to who has registered. A new group would greet all whom the topic remembers: SINCE says from when on. */
import { text } from './event';
import { post } from './http';
import { run, setting } from './main';

const url = setting('MAILER_URL');

run('welcome-mail', {
	types: ['user.registered'],
	send: (event) => post(url, event, { userId: text(event.payload, 'userId'), template: 'welcome' }),
});
