import { LedgerEvent, Poison } from './event';

const TIMEOUT_MS = 10000;

/** Posts what an event gives rise to. The eventId goes with it: whoever gets it twice can tell. */
export async function post(url: string, event: LedgerEvent, body: unknown, headers: Record<string, string> = {}): Promise<void> {
	const answer = await fetch(url, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json', 'Idempotency-Key': event.eventId, ...headers },
		body: JSON.stringify(body),
		redirect: 'manual',
		signal: AbortSignal.timeout(TIMEOUT_MS),
	});
	await answer.arrayBuffer();
	judge(answer.status);
}

/** What may pass is an error, and is tried again; what will not is poison. */
export function judge(status: number): void {
	if (status >= 200 && status < 300)
		return;
	if (status >= 500 || [408, 425, 429].includes(status))
		throw new Error(`answered ${status}`);
	throw new Poison(`answered ${status}`, status);
}
