/**
 * The skeleton that all these services share: a consumer group over public topics, with an effect for each event.
 *
 *	an event again     known by its eventId, which is noted in the transaction of its effect
 *	order              as the partition has it: so by key. `sequence` orders over topics
 *	what fails         its partition waits, longer each time, for as long as it takes; others go on
 *	what never works   (Poison) waits in TOPIC.dlq, as `ledgerline dlq` shows and redrives it
 *	offsets            committed behind the effects: whoever is killed reads some events again
 *	stop()             ends with the event at hand, commits, leaves the group
 */
import { Admin, Consumer, EachBatchPayload, IHeaders, Kafka, KafkaMessage, Partitioners, Producer, logLevel } from 'kafkajs';
import { LedgerEvent, Poison, parseEvent } from './event';
import './lz4';
import { HANDLED_EVENTS, Store, Transaction, isHandled, noteHandled } from './store';

export interface Reaction {
	types: string[];
	/** Statements that make its tables where they are not there. */
	tables?: string[];
	/** An effect in the service's own database, in one transaction with the note that the event was handled: it happens once. */
	change?(event: LedgerEvent, tx: Transaction): Promise<void>;
	/** An effect outside of it, before the note: at least once. The other side knows the second time by the eventId, if it is told. */
	send?(event: LedgerEvent): Promise<void>;
}

export interface Settings {
	brokers: string[];
	group: string;
	prefix: string; // of the topics, as the relay has it
	since: number; // events from before are passed over: no mails about last week. Milliseconds since 1970
	sessionTimeoutMs: number;
	backOffMaxMs: number;
	log(what: string, fields?: Record<string, unknown>): void;
	/** It cannot go on: let the process end, and be started again. */
	failed(error: Error): void;
}

const COMMIT_EVERY_MS = 1000, BACK_OFF_FIRST_MS = 100, LETTER_BYTES_MAX = 8 << 20;

export class EventConsumer {
	readonly counts = { handled: 0, repeated: 0, passed: 0, dead: 0 };
	private readonly consumer: Consumer;
	private readonly producer: Producer;
	private readonly admin: Admin;
	private readonly failures = new Map<string, number>(); // by partition: how often its next event has failed
	private readonly pauses = new Set<NodeJS.Timeout>();
	private stopping = false;

	constructor(private readonly settings: Settings, private readonly reaction: Reaction, private readonly store: Store) {
		const kafka = new Kafka({ clientId: settings.group, brokers: settings.brokers, logLevel: logLevel.NOTHING });
		this.consumer = kafka.consumer({
			groupId: settings.group,
			sessionTimeout: settings.sessionTimeoutMs,
			heartbeatInterval: Math.floor(settings.sessionTimeoutMs / 10),
			maxWaitTimeInMs: 500, // for which stop() may have to wait
			allowAutoTopicCreation: false, // the relay makes them, with the partitions and the memory that they need
			retry: { retries: Number.MAX_SAFE_INTEGER, maxRetryTime: settings.backOffMaxMs },
		});
		this.producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false });
		this.admin = kafka.admin();
		this.consumer.on(this.consumer.events.CRASH, ({ payload }) => {
			settings.log('consumer.crash', { reason: payload.error.message, restarts: payload.restart });
			if (!payload.restart)
				settings.failed(payload.error);
		});
	}

	async start(): Promise<void> {
		for (const table of [HANDLED_EVENTS, ...(this.reaction.tables ?? [])])
			await this.store.query(table);
		await Promise.all([this.consumer.connect(), this.producer.connect(), this.admin.connect()]);
		const topics = this.reaction.types.map((type) => this.settings.prefix + type);
		await this.awaitTopics(topics);
		// A new group has everything that the topics remember.
		await this.consumer.subscribe({ topics, fromBeginning: true });
		await this.consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: (batch) => this.handleBatch(batch) });
		this.settings.log('consumer.begins', { group: this.settings.group, topics });
	}

	async stop(): Promise<void> {
		this.stopping = true;
		for (const timer of this.pauses)
			clearTimeout(timer);
		await this.consumer.disconnect(); // waits for handleBatch, which ends behind the event at hand
		await Promise.all([this.producer.disconnect(), this.admin.disconnect()]);
		this.settings.log('consumer.ends', this.counts);
	}

	private async awaitTopics(topics: string[]): Promise<void> {
		for (let told = false; !this.stopping; told = true) {
			const known = new Set(await this.admin.listTopics());
			const missing = topics.filter((topic) => !known.has(topic));
			if (missing.length === 0)
				return;
			if (!told)
				this.settings.log('consumer.waits', { missing, why: 'the relay has not made them yet; is the prefix right?' });
			await new Promise((resolve) => setTimeout(resolve, 1000));
		}
	}

	private async handleBatch(batch: EachBatchPayload): Promise<void> {
		const { topic, partition, messages } = batch.batch;
		let committed = Date.now(), done = 0;
		for (const message of messages) {
			if (this.stopping || !batch.isRunning() || batch.isStale())
				break;
			try {
				await this.handleMessage(topic, partition, message);
			} catch (error) {
				this.backOff(batch, message, error as Error);
				break;
			}
			this.failures.delete(`${topic}/${partition}`);
			batch.resolveOffset(message.offset);
			done++;
			if (Date.now() - committed >= COMMIT_EVERY_MS) {
				await batch.commitOffsetsIfNecessary(batch.uncommittedOffsets());
				committed = Date.now();
			}
			await batch.heartbeat(); // asks the broker only when it is time
		}
		if (done === messages.length) // behind the last event stands the mark of its transaction, which is no message
			batch.resolveOffset(batch.batch.lastOffset());
		await batch.commitOffsetsIfNecessary(batch.uncommittedOffsets());
	}

	/** The partition waits with its event, which is read again behind the pause. */
	private backOff(batch: EachBatchPayload, message: KafkaMessage, error: Error): void {
		const { topic, partition } = batch.batch;
		const failures = (this.failures.get(`${topic}/${partition}`) ?? 0) + 1;
		this.failures.set(`${topic}/${partition}`, failures);
		const longest = Math.min(this.settings.backOffMaxMs, BACK_OFF_FIRST_MS * 2 ** Math.min(failures - 1, 20));
		const wait = Math.round(longest * (0.5 + Math.random() / 2));
		const resume = batch.pause();
		const timer = setTimeout(() => {
			this.pauses.delete(timer);
			resume();
		}, wait);
		this.pauses.add(timer);
		this.settings.log('event.again', { topic, partition, offset: message.offset, failures, wait, reason: error.message });
	}

	private async handleMessage(topic: string, partition: number, message: KafkaMessage): Promise<void> {
		try {
			const event = parseEvent(message.value);
			this.counts[await this.handleOnce(event)]++;
		} catch (error) {
			if (!(error instanceof Poison))
				throw error;
			await this.bury(topic, partition, message, error);
			this.counts.dead++;
		}
	}

	private async handleOnce(event: LedgerEvent): Promise<'handled' | 'repeated' | 'passed'> {
		const { group, since } = this.settings, { change, send } = this.reaction;
		if (Date.parse(event.eventTime) < since)
			return 'passed';
		if (send) {
			if (await isHandled(this.store, group, event.eventId))
				return 'repeated';
			await send.call(this.reaction, event);
		}
		return this.store.transaction(async (tx) => {
			if (await isHandled(tx, group, event.eventId))
				return 'repeated';
			await noteHandled(tx, group, event);
			await change?.call(this.reaction, event, tx);
			return 'handled';
		});
	}

	private async bury(topic: string, partition: number, message: KafkaMessage, why: Poison): Promise<void> {
		const letters = `${topic}.dlq`;
		const configEntries = Object.entries({ 'cleanup.policy': 'delete', 'retention.ms': '-1', 'max.message.bytes': String(LETTER_BYTES_MAX) });
		await this.admin.createTopics({ // does nothing where it is there
			topics: [{ topic: letters, numPartitions: 1, configEntries: configEntries.map(([name, value]) => ({ name, value })) }],
		});
		const own = Object.entries(message.headers ?? {}).filter(([name]) => !name.startsWith('dlq-'));
		const headers: IHeaders = {
			...Object.fromEntries(own),
			'dlq-reason': why.message,
			'dlq-status': String(why.status),
			'dlq-attempts': '1',
			'dlq-topic': topic,
			'dlq-partition': String(partition),
			'dlq-offset': message.offset,
			'dlq-group': this.settings.group,
			'dlq-time': new Date().toISOString(),
		};
		await this.producer.send({ topic: letters, acks: -1, messages: [{ key: message.key, value: message.value, headers, partition: 0 }] });
		this.settings.log('event.dead.letter', { topic, partition, offset: message.offset, waits: letters, reason: why.message });
	}
}
