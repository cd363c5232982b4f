/* Clients: few users, few seats, so that they are always in each other's way. */
#include <inttypes.h>

#include "engine/reply/reply.h"
#include "schemas/command_hash.h"
#include "schemas/wire/ensure.h"
#include "tests/simulation/simulation.h"
#include "tests/support/policy_no_change.h"

enum { TIMEOUT_MS_MIN = 60, TIMEOUT_MS_MAX = 900, PAUSE_MS_MAX = 200, BEGIN_KEYS = 4 + USERS, AGAIN = 12 };

#define SHOW INT64_C(1774000000000) /* some weeks after the beginning */

static const char *const users[USERS] = {"u0", "u1", "u2", "u3"};
static const char *const schedules[SCHEDULES] = {"s0", "s1"};

/* ---- what is asked ---- */

static struct slice a_user(struct simulation *simulation)
{
	return slice_text(users[draw(simulation, USERS)]);
}

/* One of `count` ids that stand `step` bytes apart in the books, or one that may be none. */
static uint64_t an_id(struct simulation *simulation, const uint64_t *first, size_t step, unsigned count)
{
	uint64_t id = draw(simulation, 64);
	if (count && draw(simulation, 16))
		memcpy(&id, (const char *)first + step * draw(simulation, count), sizeof id);
	return id;
}

static void a_charge(struct simulation *simulation, struct command *command)
{
	command->type = COMMAND_POINTS_CHARGE;
	command->points_charge = (struct points_charge){a_user(simulation), 1000 * (1 + draw(simulation, 5)),
							draw(simulation, 3) ? SOURCE_PAID : SOURCE_BONUS, NONE_TIME};
}

static void a_reservation(struct simulation *simulation, struct body *body)
{
	const struct books *books = &simulation->referee.books;
	uint32_t first = 1 + draw(simulation, SEATS), count = 0;
	for (uint32_t seat = first; seat <= SEATS && count < 1 + draw(simulation, 2); seat++)
		body->seat_nos[count++] = seat;
	body->command.type = COMMAND_RESERVATION_CREATE;
	body->command.reservation_create =
		(struct reservation_create){.user_id = a_user(simulation),
					    .schedule_id = slice_text(schedules[draw(simulation, SCHEDULES)]),
					    .seat_nos = {body->seat_nos, count}};
	if (books->token_count && draw(simulation, 2)) {
		const struct book_token *token = &books->tokens[draw(simulation, books->token_count)];
		snprintf(body->token, sizeof body->token, "tok-%" PRIu64, token->id);
		body->command.reservation_create.queue_token = slice_text(body->token);
		body->command.reservation_create.user_id = slice_text(users[token->user]);
	}
}

static void a_payment(struct simulation *simulation, struct command *command)
{
	const struct books *books = &simulation->referee.books;
	command->type = COMMAND_PAYMENT_CREATE;
	command->payment_create = (struct payment_create){draw(simulation, 64), a_user(simulation), NONE_I64};
	if (!books->reservation_count)
		return;
	/* Mostly one of the last, which may still be held. */
	unsigned last = books->reservation_count < 4 ? books->reservation_count : 4;
	const struct book_reservation *chosen =
		&books->reservations[books->reservation_count - 1 - draw(simulation, last)];
	command->payment_create.reservation_id = chosen->id;
	command->payment_create.user_id = slice_text(users[chosen->user]);
}

static void a_command_of_seats(struct simulation *simulation, struct body *body)
{
	const struct books *books = &simulation->referee.books;
	struct command *command = &body->command;
	switch (draw(simulation, 8)) {
	case 0:
	case 1:
	case 2: a_reservation(simulation, body); break;
	case 3:
	case 4:
	case 5: a_payment(simulation, command); break;
	case 6:
		command->type = COMMAND_RESERVATION_CANCEL;
		command->reservation_cancel.reservation_id = an_id(
			simulation, &books->reservations->id, sizeof *books->reservations, books->reservation_count);
		break;
	default:
		command->type = COMMAND_PAYMENT_CANCEL;
		command->payment_cancel.payment_id = an_id(simulation, &books->reservations->payment,
							   sizeof *books->reservations, books->reservation_count);
		break;
	}
}

static void a_command_of_points(struct simulation *simulation, struct body *body)
{
	const struct books *books = &simulation->referee.books;
	struct command *command = &body->command;
	switch (draw(simulation, 8)) {
	case 0:
	case 1: a_charge(simulation, command); break;
	case 2:
	case 3:
		command->type = COMMAND_POINTS_USE;
		command->points_use =
			(struct points_use){.user_id = a_user(simulation), .amount = 1 + draw(simulation, 4000)};
		break;
	case 4:
		command->type = COMMAND_POINTS_REFUND;
		command->points_refund =
			(struct points_refund){an_id(simulation, books->uses, sizeof *books->uses, books->use_count),
					       draw(simulation, 2) ? NONE_I64 : 1 + draw(simulation, 1000)};
		break;
	case 5:
		command->type = COMMAND_POINTS_HOLD;
		command->points_hold = (struct points_hold){a_user(simulation), 1 + draw(simulation, 2000), NONE_U32};
		break;
	case 6:
		command->type = COMMAND_POINTS_CAPTURE;
		command->points_capture = (struct points_capture){
			an_id(simulation, &books->holds->id, sizeof *books->holds, books->hold_count),
			draw(simulation, 2) ? NONE_I64 : 1 + draw(simulation, 1000)};
		break;
	default:
		command->type = COMMAND_POINTS_RELEASE;
		command->points_release.hold_id =
			an_id(simulation, &books->holds->id, sizeof *books->holds, books->hold_count);
		break;
	}
}

static void a_command_of_queue(struct simulation *simulation, struct body *body)
{
	const struct books *books = &simulation->referee.books;
	body->command.type = COMMAND_QUEUE_ENTER;
	body->command.queue_enter = (struct queue_enter){a_user(simulation), SLICE("default")};
	if (!books->token_count || draw(simulation, 4))
		return;
	snprintf(body->token, sizeof body->token, "tok-%" PRIu64,
		 books->tokens[draw(simulation, books->token_count)].id);
	body->command.type = COMMAND_QUEUE_LEAVE;
	body->command.queue_leave.queue_token = slice_text(body->token);
}

static void draw_body(struct simulation *simulation, struct body *body)
{
	unsigned kind = draw(simulation, 10);
	body->command = (struct command){.type = 0};
	if (kind < 5)
		a_command_of_seats(simulation, body);
	else if (kind < 9)
		a_command_of_points(simulation, body);
	else
		a_command_of_queue(simulation, body);
	body->hash = command_hash(&body->command);
}

/* ---- keys ---- */

static struct wish *new_key(struct simulation *simulation)
{
	struct wish *key = &simulation->keys[simulation->key_count];
	snprintf(key->id, sizeof key->id, "k%u", simulation->key_count++);
	return key;
}

/* Lives of a second or so, so that much ends while it is wanted. */
static void a_policy(struct simulation *simulation, struct command *command)
{
	struct policy_change change = policy_no_change();
	change.hold_seconds = 1 + draw(simulation, 2);
	change.point_hold_seconds = 1 + draw(simulation, 2);
	change.bonus_expires_seconds = 1 + draw(simulation, 3);
	change.paid_expires_seconds = draw(simulation, 2) ? 2 + draw(simulation, 4) : 0;
	change.regrant_expires_seconds = 1 + draw(simulation, 4);
	change.queue_active_max = 1 + draw(simulation, 2);
	change.queue_wait_seconds = 1 + draw(simulation, 3);
	change.queue_active_seconds = 1 + draw(simulation, 2);
	change.queue_required = draw(simulation, 4) == 0;
	command->type = COMMAND_POLICY_SET;
	command->policy_set.change = change;
}

static void a_schedule(unsigned number, struct command *command)
{
	static struct seat seats[SEATS];
	for (unsigned i = 0; i < SEATS; i++)
		seats[i] = (struct seat){i + 1, SLICE("A"), SLICE("R"), 500 * i};
	command->type = COMMAND_SCHEDULE_CREATE;
	command->schedule_create = (struct schedule_create){.schedule_id = slice_text(schedules[number]),
							    .concert_id = SLICE("c"),
							    .concert_date = SHOW,
							    .booking_opens_at = NONE_TIME,
							    .booking_closes_at = NONE_TIME,
							    .queue_id = SLICE_EMPTY,
							    .seats = {seats, SEATS}};
}

void clients_begin(struct simulation *simulation)
{
	for (unsigned i = 0; i < BEGIN_KEYS; i++) {
		struct wish *key = new_key(simulation);
		struct command *command = &key->bodies[0].command;
		if (i == 0) {
			a_policy(simulation, command);
		} else if (i == 1) {
			command->type = COMMAND_CONCERT_CREATE;
			command->concert_create = (struct concert_create){SLICE("c"), SLICE("C")};
		} else if (i < 2 + SCHEDULES) {
			a_schedule(i - 2, command);
		} else {
			a_charge(simulation, command);
			command->points_charge.user_id = slice_text(users[i - 2 - SCHEDULES]);
			command->points_charge.amount = 10000;
		}
		key->bodies[0].hash = command_hash(command);
	}
}

/* ---- what is told ---- */

static struct short_hash reply_of(struct simulation *simulation, const struct entry *entry)
{
	struct json_writer writer;
	buffer_clear(&simulation->reply);
	json_writer_init(&writer, &simulation->reply, false);
	int status = reply_render(entry, &writer);
	buffer_append(&simulation->reply, &status, sizeof status);
	return short_hash_of(buffer_slice(&simulation->reply));
}

/* Of the key's entry, if it has one: may any asking still be why? When the log lost a claim, a block that it had made void may be
 * history after all, and what was told of it wrong. */
static void check_possible(struct simulation *simulation, const struct wish *key)
{
	if (key->there && !simulation->was_damaged && !key->bodies[key->there_body].possible)
		violated(simulation, PROPERTY_NOT_TAKEN,
			 "%s is entry %" PRIu64 ", and whoever asked was told that it is not", key->id, key->seq);
}

void clients_entry(struct simulation *simulation, const struct entry *entry)
{
	if (entry->head.outcome == OUTCOME_SYSTEM)
		return;
	unsigned number = 0;
	for (size_t i = 1; i < entry->head.command_id.size; i++)
		number = number * 10 + entry->head.command_id.at[i] - '0';
	ENSURE(number < simulation->key_count);
	struct wish *key = &simulation->keys[number];
	if (key->there) {
		violated(simulation, PROPERTY_DECIDED_ONCE, "%s is entry %" PRIu64 " and entry %" PRIu64, key->id,
			 key->seq, entry->seq);
		return;
	}
	key->there = true;
	key->seq = entry->seq;
	key->there_body = !slice_equal(entry->head.command_hash, short_hash_slice(&key->bodies[0].hash));
	key->reply = reply_of(simulation, entry);
	check_possible(simulation, key);
}

void clients_forget_history(struct simulation *simulation)
{
	for (unsigned i = 0; i < simulation->key_count; i++) {
		struct wish *key = &simulation->keys[i];
		key->there = false;
		key->told = false;
	}
}

static void is_told_entry(struct asking *asking, const struct entry *entry)
{
	struct simulation *simulation = asking->simulation;
	struct wish *key = asking->key;
	const struct engine *engine = &simulation->engines[asking->engine];
	key->settled = true;
	if (engine->is_of_another_past)
		return;
	key->told = true;
	if (ledger_fold_state(engine->ledger)->next_seq <= entry->seq)
		violated(simulation, PROPERTY_COMMITTED_FIRST,
			 "%s was told entry %" PRIu64 " by engine %u, which has not read it", key->id, entry->seq,
			 engine->number);
	struct short_hash reply = reply_of(simulation, entry);
	if (!key->there || key->seq != entry->seq || key->there_body != asking->body)
		violated(simulation, PROPERTY_ACKNOWLEDGED, "%s was told to be entry %" PRIu64 " by engine %u", key->id,
			 entry->seq, engine->number);
	else if (!slice_equal(short_hash_slice(&reply), short_hash_slice(&key->reply)))
		violated(simulation, PROPERTY_ONE_REPLY, "%s was answered with what entry %" PRIu64 " does not say",
			 key->id, entry->seq);
}

static bool is_for_good(uint16_t code)
{
	return code != CODE_OVERLOADED && code != CODE_NOT_LEADER && code != CODE_JOURNAL_UNAVAILABLE &&
	       code != CODE_OUTCOME_UNKNOWN && code != CODE_SKIPPED;
}

static void try_later(struct simulation *simulation, struct wish *key)
{
	key->next_try_us = simulation->now_us + (1 + (int64_t)draw(simulation, PAUSE_MS_MAX)) * 1000;
}

static void is_told_code(struct asking *asking, uint16_t code)
{
	struct simulation *simulation = asking->simulation;
	struct wish *key = asking->key;
	if (code == CODE_IDEMPOTENCY_KEY_REUSED && !simulation->engines[asking->engine].is_of_another_past &&
	    !(key->there && key->there_body != asking->body))
		violated(simulation, PROPERTY_ACKNOWLEDGED, "%s was told that its key stands for another command",
			 key->id);
	key->settled |= is_for_good(code);
	try_later(simulation, key);
}

static const char *answer_text(const struct answer *answer)
{
	static const char *const kinds[] = {"decided", "found", "rejected", "read"};
	return answer->kind == ANSWER_REJECTED ? code_info(answer->code)->name : kinds[answer->kind];
}

static void answered(struct pending *pending, const struct answer *answer)
{
	struct asking *asking = (struct asking *)pending;
	struct simulation *simulation = asking->simulation;
	struct wish *key = asking->key;
	if (asking->answered)
		violated(simulation, PROPERTY_ANSWERED_ONCE, "%s was answered twice", key->id);
	asking->answered = true;
	key->outstanding--;
	if (simulation->engines[asking->engine].dying) {
		try_later(simulation, key);
		return;
	}
	simulation->tally->answers++;
	note(simulation, (int)asking->engine, "answers %s.%u: %s", key->id, asking->body, answer_text(answer));
	referee_read(simulation);
	bool in_doubt = answer->kind == ANSWER_REJECTED && answer->code == CODE_OUTCOME_UNKNOWN;
	if (answer->kind != ANSWER_DECIDED && !in_doubt) {
		key->bodies[asking->body].possible--;
		check_possible(simulation, key);
	}
	if (answer->kind == ANSWER_REJECTED)
		is_told_code(asking, answer->code);
	else if (answer->kind == ANSWER_READ)
		key->settled = true;
	else
		is_told_entry(asking, answer->entry);
}

/* ---- sending ---- */

/* Mostly whoever leads. */
static struct engine *choose_engine(struct simulation *simulation)
{
	unsigned first = draw(simulation, simulation->engine_count);
	bool any = !simulation->beginning && draw(simulation, 5) == 0;
	struct engine *found = NULL;
	for (unsigned i = 0; i < simulation->engine_count; i++) {
		struct engine *engine = &simulation->engines[(first + i) % simulation->engine_count];
		if (!engine_runs(engine))
			continue;
		if (any || writer_state(engine->writer) == WRITER_LEADING)
			return engine;
		found = simulation->beginning ? NULL : engine;
	}
	return found;
}

/* One that is answered is of no more use to anybody. NULL: all are on their way. */
static struct asking *free_asking(struct simulation *simulation)
{
	for (unsigned i = 0; i < ASKINGS_MAX; i++) {
		struct asking *asking = &simulation->askings[(simulation->next_asking + i) % ASKINGS_MAX];
		if (asking->key && !asking->answered)
			continue;
		simulation->next_asking = (simulation->next_asking + i + 1) % ASKINGS_MAX;
		return asking;
	}
	return NULL;
}

static void send(struct simulation *simulation, struct wish *key, unsigned body)
{
	enum code code;
	struct engine *engine = choose_engine(simulation);
	key->next_try_us = simulation->now_us +
			   (TIMEOUT_MS_MIN + (int64_t)draw(simulation, TIMEOUT_MS_MAX - TIMEOUT_MS_MIN)) * 1000;
	struct asking *asking = free_asking(simulation);
	if (!engine || !asking)
		return;
	*asking = (struct asking){
		.pending = {.command = key->bodies[body].command,
			    .id = slice_text(key->id),
			    .actor_type = ACTOR_TYPE_SYSTEM,
			    .actor_id = SLICE("client"),
			    .answer = answered},
		.simulation = simulation,
		.key = key,
		.body = body,
		.engine = engine->number,
	};
	key->tries++;
	key->outstanding++;
	key->bodies[body].possible++;
	simulation->tally->commands++;
	note(simulation, (int)engine->number, "is asked %s.%u: %s", key->id, body,
	     command_info(key->bodies[body].command.type)->record->name);
	if (writer_submit(engine->writer, &asking->pending, &code) != LL_OK) {
		struct answer answer = {.kind = ANSWER_REJECTED, .code = (uint16_t)code};
		answered(&asking->pending, &answer);
	}
}

static void send_again(struct simulation *simulation, struct wish *key)
{
	if (key->outstanding) {
		if (!simulation->healing && !fault_comes(simulation, FAULT_CLIENT_GAVE_UP))
			return;
		note(simulation, -1, "%s waits no longer", key->id);
	}
	if (key->tries && fault_comes(simulation, FAULT_OTHER_BODY)) {
		while (!key->has_other) {
			draw_body(simulation, &key->bodies[1]);
			key->has_other = !slice_equal(short_hash_slice(&key->bodies[0].hash),
						      short_hash_slice(&key->bodies[1].hash));
		}
		send(simulation, key, 1);
	} else {
		send(simulation, key, 0);
	}
}

void clients_step(struct simulation *simulation, bool fresh)
{
	for (unsigned i = 0; i < simulation->key_count; i++) {
		struct wish *key = &simulation->keys[i];
		bool again = key->settled && !simulation->healing && draw(simulation, 1000) < AGAIN;
		if (again || (!key->settled && simulation->now_us >= key->next_try_us))
			send_again(simulation, key);
	}
	if (fresh && simulation->key_count < simulation->key_max && draw(simulation, 3) == 0)
		for (unsigned burst = draw(simulation, 4) ? 1 : 4;
		     burst-- && simulation->key_count < simulation->key_max;) {
			struct wish *key = new_key(simulation);
			draw_body(simulation, &key->bodies[0]);
			send(simulation, key, 0);
		}
}

bool clients_are_settled(const struct simulation *simulation)
{
	for (unsigned i = 0; i < simulation->key_count; i++)
		if (!simulation->keys[i].settled || simulation->keys[i].outstanding)
			return false;
	return true;
}

void clients_check_end(struct simulation *simulation)
{
	for (unsigned i = 0; i < simulation->key_count; i++) {
		const struct wish *key = &simulation->keys[i];
		if (key->told && !key->there)
			violated(simulation, PROPERTY_ACKNOWLEDGED, "%s was acknowledged, and is not there", key->id);
	}
	for (unsigned i = 0; i < simulation->key_count; i++)
		if (!simulation->keys[i].settled || simulation->keys[i].outstanding)
			violated(simulation, PROPERTY_ANSWERED_ONCE,
				 "after all was well for long, %s has no answer (%u askings under way)",
				 simulation->keys[i].id, simulation->keys[i].outstanding);
}
