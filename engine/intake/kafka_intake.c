#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/intake/engines.h"
#include "engine/intake/intake.h"
#include "engine/log/log.h"
#include "engine/sink/kafka_member.h"
#include "schemas/wire/ensure.h"

enum { GATHER_MS = 2, BODY_BYTES_MAX = 4 << 20 /* but for one long command alone */ };

static const struct board_count counted[INTAKE_COUNTS] = {
	[INTAKE_ACCEPTED] = {"commands_total", "Commands that were answered, by outcome.", "outcome", "accepted"},
	[INTAKE_REFUSED] = {"commands_total", NULL, "outcome", "refused"},
	[INTAKE_REPEATED] = {"commands_total", NULL, "outcome", "repeated"},
	[INTAKE_READ] = {"commands_total", NULL, "outcome", "read"},
	[INTAKE_REJECTED] = {"commands_total", NULL, "outcome", "rejected"},
	[INTAKE_REPLIES] = {"replies_total", "Receipts that went to the topic of replies.", NULL, NULL},
	[INTAKE_LETTERS_REJECTED] = {"dead_letters_total", "Records that became dead letters, by why.", "reason",
				     "rejected"},
	[INTAKE_LETTERS_POISON] = {"dead_letters_total", NULL, "reason", "poison"},
};

const struct board_words intake_words = {
	.kind = "intake",
	.record = "record",
	.other_side = "engines",
	.down = "no engine takes commands",
	.counts = counted,
	.counts_count = INTAKE_COUNTS,
};

struct intake {
	const struct intake_options *options;
	struct member member;
	struct engines engines;
	struct json_reader reader;           /* of records */
	size_t commands[INTAKE_BATCH_MAX];   /* indexes of pending records: those of the batch that are posted */
	unsigned attempts[INTAKE_BATCH_MAX]; /* posts of each */
	size_t count, done;                  /* of commands; those before `done` are answered */
	size_t limit;                        /* commands in one request, now */
	struct buffer array, reply;
};

static struct slice value_of(const rd_kafka_message_t *message)
{
	return slice_of(message->payload, message->len);
}

/* ---- what is no command ---- */

/* What an engine would not even look at, or could not take once only: without an id a command that is sent again is another one. */
static bool is_command(struct intake *intake, struct slice value, char reason[ENGINES_REASON_MAX])
{
	const struct json_node *root, *id;
	struct error error;
	if (value.size == 0) {
		snprintf(reason, ENGINES_REASON_MAX, "not a command: the record has no value");
	} else if (value.size > intake->options->bytes_max) {
		snprintf(reason, ENGINES_REASON_MAX, "not a command: it has %zu bytes, more than %zu", value.size,
			 intake->options->bytes_max);
	} else if (json_read(&intake->reader, value, &root, &error) != LL_OK) {
		snprintf(reason, ENGINES_REASON_MAX, "not a command: %s", error.text);
	} else if (root->type != JSON_OBJECT) {
		snprintf(reason, ENGINES_REASON_MAX, "not a command: a record holds one object, not %s %s",
			 root->type == JSON_ARRAY ? "an" : "a", json_type_name(root->type));
	} else if (!(id = json_member(&intake->reader, root, SLICE("id"))) || id->type != JSON_STRING ||
		   !id->text.size) {
		snprintf(reason, ENGINES_REASON_MAX,
			 "not a command: it has no id, by which it would be applied once, however often it is sent");
	} else {
		return true;
	}
	return false;
}

/* Counts a letter that was written. */
static enum ll_code bury(struct intake *intake, enum intake_count kind, const rd_kafka_message_t *message,
			 const struct letter_why *why, struct error *error)
{
	enum ll_code code = member_bury(&intake->member, message, why, error);
	intake->member.standing.counts[kind] += code == LL_OK;
	return code;
}

/* ---- a batch ---- */

/* Those of the first pending records that go into one batch; *records: how many these are. */
static enum ll_code choose(struct intake *intake, size_t *records, struct error *error)
{
	struct member *member = &intake->member;
	size_t bytes = 0;
	char reason[ENGINES_REASON_MAX];
	enum ll_code code = LL_OK;
	intake->count = intake->done = 0;
	for (*records = 0; *records < member->pending_count && intake->count < intake->options->batch_max; ++*records) {
		const rd_kafka_message_t *message = member->pending[*records].message;
		if (intake->count && bytes + message->len > BODY_BYTES_MAX)
			break;
		if (is_command(intake, value_of(message), reason)) {
			bytes += message->len;
			intake->attempts[intake->count] = 0;
			intake->commands[intake->count++] = *records;
		} else if ((code = bury(intake, INTAKE_LETTERS_POISON, message,
					&(struct letter_why){.reason = reason, .permanent = true}, error)) != LL_OK) {
			break;
		}
	}
	return code;
}

static const rd_kafka_message_t *command_at(const struct intake *intake, size_t index)
{
	return intake->member.pending[intake->commands[index]].message;
}

/* The commands that are not answered yet, `limit` of them at most; returns how many. */
static size_t write_array(struct intake *intake)
{
	size_t count = intake->count - intake->done;
	count = count < intake->limit ? count : intake->limit;
	buffer_clear(&intake->array);
	for (size_t i = 0; i < count; i++) {
		buffer_append_byte(&intake->array, i ? ',' : '[');
		buffer_append_slice(&intake->array, value_of(command_at(intake, intake->done + i)));
		intake->attempts[intake->done + i]++;
	}
	buffer_append_byte(&intake->array, ']');
	return count;
}

/* ---- answers ---- */

static enum intake_count count_of(const struct receipt *receipt)
{
	if (receipt->hit)
		return INTAKE_REPEATED;
	if (receipt->rejected)
		return INTAKE_REJECTED;
	if (slice_equal(receipt->outcome, SLICE("accepted")))
		return INTAKE_ACCEPTED;
	return slice_equal(receipt->outcome, SLICE("refused")) ? INTAKE_REFUSED : INTAKE_READ;
}

static enum ll_code send_reply(struct intake *intake, const rd_kafka_message_t *message, const struct receipt *receipt,
			       struct error *error)
{
	char status[12];
	rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
	snprintf(status, sizeof status, "%d", receipt->status);
	rd_kafka_header_add(headers, "commandId", -1, receipt->id.at, (ssize_t)receipt->id.size);
	rd_kafka_header_add(headers, "status", -1, status, -1);
	rd_kafka_header_add(headers, "outcome", -1, receipt->outcome.at, (ssize_t)receipt->outcome.size);
	if (receipt->hit)
		rd_kafka_header_add(headers, "hit", -1, "true", -1);
	intake->member.standing.counts[INTAKE_REPLIES]++;
	return member_send(&intake->member, intake->options->replies, RD_KAFKA_PARTITION_UA,
			   slice_of(message->key, message->key_len), buffer_slice(&intake->reply), headers, error);
}

/* An engine has answered for the record alone, and left no trace of it. A thing that is not there may come, and a role be given; but what
 * has no form, is too large, or has another command's id, stays so. */
static enum ll_code bury_rejected(struct intake *intake, const rd_kafka_message_t *message,
				  const struct receipt *receipt, struct error *error)
{
	const struct letter_why why = {.reason = receipt->reason,
				       .status = receipt->status,
				       .attempts = intake->attempts[intake->done],
				       .permanent = receipt->status == 400 || receipt->status == 413 ||
						    receipt->status == 422};
	return bury(intake, INTAKE_LETTERS_REJECTED, message, &why, error);
}

/* Receipts up to the first one that says: again. *reason is that one's. */
static enum ll_code take_receipts(struct intake *intake, const struct post_answer *answer,
				  char reason[ENGINES_REASON_MAX], struct error *error)
{
	struct receipt receipt;
	enum ll_code code = LL_OK;
	reason[0] = 0;
	for (const struct json_node *node = json_first(&intake->engines.reader, answer->receipts);
	     node && code == LL_OK; node = json_next(&intake->engines.reader, node)) {
		const rd_kafka_message_t *message = command_at(intake, intake->done);
		receipt_read(&intake->engines, node, &receipt, &intake->reply);
		if (receipt.again) {
			memcpy(reason, receipt.reason, sizeof receipt.reason);
			return LL_OK;
		}
		intake->member.standing.counts[count_of(&receipt)]++;
		if (receipt.id.size)
			code = send_reply(intake, message, &receipt, error);
		if (code == LL_OK && receipt.rejected)
			code = bury_rejected(intake, message, &receipt, error);
		intake->done++;
	}
	return code;
}

/* The whole array was refused: half of it is tried, and what is alone is at fault. */
static enum ll_code halve(struct intake *intake, const struct post_answer *answer, size_t count, struct error *error)
{
	intake->limit = (count + 1) / 2;
	if (count > 1)
		return LL_OK;
	const rd_kafka_message_t *message = command_at(intake, intake->done);
	const struct letter_why why = {.reason = answer->reason,
				       .status = answer->status,
				       .attempts = intake->attempts[intake->done++],
				       .permanent = !answer->by_another};
	return bury(intake, INTAKE_LETTERS_POISON, message, &why, error);
}

static void try_another(struct intake *intake, const char *reason, unsigned *failures, int64_t retry_after_ms)
{
	const struct intake_options *options = intake->options;
	log_debug("intake.again", LOG_TEXT("url", options->urls[intake->engines.current]), LOG_TEXT("reason", reason));
	member_failed(&intake->member, options->urls[intake->engines.current], reason);
	engines_turn(&intake->engines);
	if (++*failures % options->engines_count == 0)
		member_wait(&intake->member, member_back_off(*failures / (unsigned)options->engines_count,
							     options->back_off_ms_max, retry_after_ms));
}

static enum ll_code post_all(struct intake *intake, struct error *error)
{
	struct post_answer answer;
	char reason[ENGINES_REASON_MAX];
	unsigned failures = 0;
	enum ll_code code = LL_OK;
	while (code == LL_OK && intake->done < intake->count && !member_is_over(&intake->member)) {
		const char *url = intake->options->urls[intake->engines.current];
		size_t before = intake->done, count = write_array(intake);
		member_show(&intake->member);
		engines_post(&intake->engines, buffer_slice(&intake->array), count, &answer);
		if (answer.end == POSTED_REFUSED) {
			code = halve(intake, &answer, count, error);
			continue;
		}
		if (answer.end == POSTED_ANSWERED) {
			code = take_receipts(intake, &answer, reason, error);
			intake->limit = 2 * intake->limit < intake->options->batch_max ? 2 * intake->limit
										       : intake->options->batch_max;
			failures = intake->done > before ? 0 : failures;
			if (!reason[0]) {
				member_answered(&intake->member, url);
				continue;
			}
		}
		if (code == LL_OK)
			try_another(intake, answer.end == POSTED_ANSWERED ? reason : answer.reason, &failures,
				    answer.retry_after_ms);
	}
	return code;
}

static enum ll_code work(void *context, struct error *error)
{
	struct intake *intake = context;
	struct member *member = &intake->member;
	size_t records;
	while (member->pending_count < intake->options->batch_max && member->pending_bytes < BODY_BYTES_MAX &&
	       member_serve(member, GATHER_MS))
		continue;
	if (member_is_over(member))
		return LL_OK;
	enum ll_code code = choose(intake, &records, error);
	if (code == LL_OK)
		code = post_all(intake, error);
	if (code == LL_OK && intake->done == intake->count)
		member_settle(member, records);
	return code;
}

/* ---- its life ---- */

static void tell(void *context)
{
	const struct board_standing *standing = &((const struct intake *)context)->member.standing;
	const uint64_t *counts = standing->counts;
	log_info("intake.progress", LOG_NUMBER("accepted", counts[INTAKE_ACCEPTED]),
		 LOG_NUMBER("refused", counts[INTAKE_REFUSED]), LOG_NUMBER("repeated", counts[INTAKE_REPEATED]),
		 LOG_NUMBER("read", counts[INTAKE_READ]), LOG_NUMBER("rejected", counts[INTAKE_REJECTED]),
		 LOG_NUMBER("poison", counts[INTAKE_LETTERS_POISON]), LOG_NUMBER("again", standing->again),
		 LOG_TEXT("engines", standing->down ? "down" : "up"));
}

static void begins(void *context)
{
	const struct intake_options *options = ((struct intake *)context)->options;
	log_info("intake.begins", LOG_TEXT("topic", options->topic), LOG_TEXT("group", options->group),
		 LOG_TEXT("replies", options->replies), LOG_TEXT("deadLetters", options->letters));
}

enum ll_code intake_run(const struct intake_options *options, struct error *error)
{
	const struct topic_wanted wanted[] = {
		{.name = options->topic, .partitions = 1},
		{.name = options->replies, .partitions = 3},
		{.name = options->letters, .partitions = 1, .kept = true},
	};
	const struct member_options member = {
		.name = "intake",
		.other_side = "engines",
		.outside = {options->brokers, options->settings, options->settings_count, options->stop},
		.topic = options->topic,
		.group = options->group,
		.letters = options->letters,
		.topics = wanted,
		.topics_count = sizeof wanted / sizeof *wanted,
		.replication = options->replication,
		.pending_max = INTAKE_BATCH_MAX,
		.alert = options->alert,
		.stop = options->stop,
		.begins = begins,
		.work = work,
		.tell = tell,
		.board = options->board,
	};
	struct intake *intake = calloc(1, sizeof *intake);
	ENSURE(intake);
	intake->options = options;
	intake->limit = options->batch_max;
	intake->engines = (struct engines){.clients = options->engines,
					   .urls = options->urls,
					   .count = options->engines_count,
					   .timeout_ms = options->timeout_ms};
	struct member_options own = member;
	own.context = intake;
	enum ll_code code = member_run(&intake->member, &own, error);
	engines_release(&intake->engines);
	json_reader_release(&intake->reader);
	buffer_release(&intake->array);
	buffer_release(&intake->reply);
	free(intake);
	return code;
}
