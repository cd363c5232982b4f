#include "engine/audit/facts.h"

#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/balances/account.h"
#include "projections/balances/lots.h"
#include "projections/views/rows.h"
#include "schemas/wire/record_json.h"

/* Is it one of the words of a text with blanks between? */
static bool has_word(const char *words, const char *word)
{
	size_t size = strlen(word);
	for (const char *at = strstr(words, word); at; at = strstr(at + 1, word))
		if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == 0))
			return true;
	return false;
}

/* ---- adding one ---- */

static struct drawn_fact *find(const struct facts *facts, const char *name)
{
	for (uint32_t i = 0; i < facts->count; i++)
		if (strcmp(facts->at[i].name, name) == 0)
			return &facts->at[i];
	return NULL;
}

static bool is_there(const struct facts *facts, const char *name, const struct watch *watch)
{
	for (uint32_t i = 0; i < facts->count; i++)
		if (strcmp(facts->at[i].name, name) == 0 && watch_is_same(&facts->at[i].watch, watch))
			return true;
	return false;
}

static struct slice keep_watched(struct facts *facts, struct slice text)
{
	return arena_copy(facts->arena, text);
}

static void add(struct facts *facts, const char *name, const struct watch *watch, const struct buffer *json)
{
	if (is_there(facts, name, watch))
		return;
	if (facts->count == facts->capacity) {
		uint32_t capacity = facts->capacity ? 2 * facts->capacity : 32;
		struct drawn_fact *grown = arena_alloc(facts->arena, capacity * sizeof *grown);
		if (facts->count)
			memcpy(grown, facts->at, facts->count * sizeof *grown);
		facts->at = grown;
		facts->capacity = capacity;
	}
	struct drawn_fact *fact = &facts->at[facts->count++];
	*fact = (struct drawn_fact){name, arena_copy(facts->arena, buffer_slice(json)), *watch};
	fact->watch.text = keep_watched(facts, watch->text);
	fact->watch.other = keep_watched(facts, watch->other);
}

static void add_number(struct facts *facts, const char *name, enum watch_kind kind, struct slice text, int64_t number)
{
	struct buffer json = {0};
	struct json_writer writer;
	struct watch watch = {.kind = kind, .text = text};
	json_writer_init(&writer, &json, false);
	json_int64(&writer, number);
	add(facts, name, &watch, &json);
	buffer_release(&json);
}

static void add_time(struct facts *facts, const char *name, const struct watch *watch, int64_t time)
{
	struct buffer json = {0};
	struct json_writer writer;
	json_writer_init(&writer, &json, false);
	json_time(&writer, time);
	add(facts, name, watch, &json);
	buffer_release(&json);
}

/* ---- what rows have to tell ---- */

static const struct drawing {
	enum table_id table;
	const char *fact;
	enum watch_kind watch;
	const char *reference; /* of a key that is a number: what it is the id of */
	const char *fields;    /* of the row; one alone, with `plain`, is the value itself */
	bool plain;
} drawings[] = {
	{SEATS_CONCERTS, "concert", WATCH_CONCERT, NULL, "title", false},
	{SEATS_SCHEDULES, "schedule", WATCH_SCHEDULE_MADE, NULL, "concertId queueId", false},
	{SEATS_SCHEDULES, "scheduleStatus", WATCH_SCHEDULE_STATUS, NULL, "status", true},
	{SEATS_SCHEDULES, "concertDate", WATCH_CONCERT_DATE, NULL, "concertDate", true},
	{SEATS_SCHEDULES, "bookingOpensAt", WATCH_BOOKING_OPENS, NULL, "bookingOpensAt", true},
	{SEATS_SCHEDULES, "bookingClosesAt", WATCH_BOOKING_CLOSES, NULL, "bookingClosesAt", true},
	{SEATS_SCHEDULES, "totalSeats", WATCH_TOTAL_SEATS, NULL, "total", true},
	{SEATS_SCHEDULES, "confirmations", WATCH_CONFIRMATIONS, NULL, "confirmations", true},
	{SEATS_SCHEDULES, "liveReservations", WATCH_LIVE_RESERVATIONS, NULL, "liveReservations", true},
	{SEATS_SEATS, "seat", WATCH_SEAT, NULL, "price status reservationId", false},
	{SEATS_RESERVATIONS, "reservation", WATCH_RESERVATION, "reservation",
	 "userId scheduleId seatNos price status expiresAt paymentId", false},
	{SEATS_PAYMENTS, "payment", WATCH_PAYMENT, "payment", "reservationId userId amount status paidAt useId", false},
	{SEATS_SCHEDULE_USERS, "seatsOfUser", WATCH_SEATS_OF_USER, NULL, "seats", true},
	{BALANCES_USES, "use", WATCH_USE, "use", "userId amount refunded paymentId", false},
	{BALANCES_POINT_HOLDS, "hold", WATCH_HOLD, "hold", "userId amount status expiresAt captured", false},
	{QUEUE_QUEUES, "queue", WATCH_QUEUE, NULL, "waiting active", false},
	{QUEUE_TOKENS, "token", WATCH_TOKEN, "tok", "userId queueId status expiresAt", false},
	{QUEUE_QUEUE_USERS, "liveToken", WATCH_LIVE_TOKEN, NULL, "tokenId", true},
};

/* The parts of a key, into the watch: the first id, the second one, the number. */
static bool read_key(const struct table_place *place, struct slice key, struct watch *watch)
{
	for (unsigned i = 0; i < place->key_parts; i++) {
		const struct key_part *part = &place->key[i];
		size_t size = part->kind == KEY_PART_U32 ? 4 : 8;
		const uint8_t *at;
		if (part->kind == KEY_PART_ID) {
			if (!key_take_id(&key, i ? &watch->other : &watch->text, i + 1u == place->key_parts))
				return false;
			continue;
		}
		if (!key_take(&key, size, &at))
			return false;
		watch->number = size == 4 ? load_u32(at) : load_u64(at);
	}
	return true;
}

static void write_key(struct json_writer *writer, const struct drawing *drawing, const struct watch *watch)
{
	const struct table_place *place = &table_places[drawing->table];
	for (unsigned i = 0; i < place->key_parts; i++) {
		const struct key_part *part = &place->key[i];
		json_key(writer, part->json);
		if (part->kind == KEY_PART_ID)
			json_string(writer, i ? watch->other : watch->text);
		else if (drawing->reference)
			json_reference(writer, drawing->reference, watch->number);
		else
			json_uint64(writer, watch->number);
	}
}

static void write_fields(struct json_writer *writer, const struct record *record, const char *fields, const void *row)
{
	for (uint16_t i = 0; i < record->count; i++) {
		const struct record alone = {record->name, &record->fields[i], 1, record->size};
		if (has_word(fields, record->fields[i].json))
			record_json_members(writer, &alone, row);
	}
}

/* One field as a value: what stands behind the colon of {"name":value}. */
static void write_plain(struct json_writer *writer, const struct record *record, const char *field, const void *row)
{
	struct buffer object = {0};
	struct json_writer alone;
	json_writer_init(&alone, &object, false);
	json_object_begin(&alone);
	write_fields(&alone, record, field, row);
	json_object_end(&alone);
	struct slice text = buffer_slice(&object);
	size_t before = strlen(field) + 4;
	json_raw(writer, slice_of(text.at + before, text.size - before - 1));
	buffer_release(&object);
}

static void draw(struct facts *facts, const struct drawing *drawing, const struct row_read *read, const void *row)
{
	const struct table_place *place = &table_places[drawing->table];
	struct watch watch = {.kind = drawing->watch};
	struct buffer json = {0};
	struct json_writer writer;
	if (!read_key(place, read->key, &watch))
		return;
	json_writer_init(&writer, &json, false);
	if (!row) {
		json_null(&writer);
	} else if (drawing->plain) {
		write_plain(&writer, place->record, drawing->fields, row);
	} else {
		json_object_begin(&writer);
		write_key(&writer, drawing, &watch);
		write_fields(&writer, place->record, drawing->fields, row);
		json_object_end(&writer);
	}
	add(facts, drawing->fact, &watch, &json);
	buffer_release(&json);
}

/* Seats that are free, passed over on the way to one that is not, or not there yet, decide nothing. */
static bool is_passed_over(const struct entry *entry, const struct row_read *read, const void *row)
{
	const struct seats_row *seat = row;
	return read->table == SEATS_SEATS &&
	       (!row || (entry->head.outcome == OUTCOME_SYSTEM && seat->status == SEAT_STATUS_AVAILABLE));
}

/* Counts of a schedule decide what changes or ends it, nothing else. */
static bool is_no_matter(const struct entry *entry, const struct drawing *drawing)
{
	bool is_count = drawing->watch == WATCH_TOTAL_SEATS || drawing->watch == WATCH_CONFIRMATIONS ||
			drawing->watch == WATCH_LIVE_RESERVATIONS;
	return is_count && entry->head.outcome != OUTCOME_SYSTEM && entry->head.command != COMMAND_SCHEDULE_ADD_SEATS &&
	       entry->head.command != COMMAND_SCHEDULE_UPDATE && entry->head.command != COMMAND_SCHEDULE_CANCEL;
}

static void draw_row(struct facts *facts, const struct entry *entry, const struct row_read *read)
{
	const struct table_place *place = &table_places[read->table];
	struct cursor cursor = cursor_over(read->value, facts->arena);
	void *row = read->value.size ? arena_alloc(facts->arena, place->record->size + 1u) : NULL;
	if ((row && !place->decode(&cursor, row)) || is_passed_over(entry, read, row))
		return;
	for (size_t i = 0; i < sizeof drawings / sizeof *drawings; i++) {
		if (drawings[i].table != read->table || is_no_matter(entry, &drawings[i]))
			continue;
		draw(facts, &drawings[i], read, row);
		if (!row)
			return; /* that it is not there is said once */
	}
}

/* ---- accounts ---- */

static const struct taken_list *taken_by(const struct event *event)
{
	switch (event->type) {
	case EVENT_POINT_USED: return event->point_used.hold_id == NONE_U64 ? &event->point_used.lots : NULL;
	case EVENT_POINT_EXPIRED: return &event->point_expired.lots;
	case EVENT_POINT_HELD: return &event->point_held.lots;
	case EVENT_POINT_ADJUSTED: return &event->point_adjusted.lots;
	default: return NULL;
	}
}

static bool is_taken(const struct entry *entry, uint64_t lot_id)
{
	for (uint32_t i = 0; i < entry->event_count; i++) {
		const struct taken_list *lots = taken_by(&entry->events[i]);
		for (uint32_t j = 0; lots && j < lots->count; j++)
			if (lots->at[j].lot_id == lot_id)
				return true;
	}
	return false;
}

static void draw_lot(struct facts *facts, const struct entry *entry, const struct lot *lot)
{
	struct watch watch = {.kind = WATCH_LOT, .number = lot->lot_id};
	struct buffer json = {0};
	struct json_writer writer;
	if (!is_taken(entry, lot->lot_id))
		return;
	json_writer_init(&writer, &json, false);
	json_object_begin(&writer);
	write_fields(&writer, &lot_record, "lotId source amount remaining expiresAt", lot);
	json_object_end(&writer);
	add(facts, "lot", &watch, &json);
	buffer_release(&json);
	if (entry->head.outcome == OUTCOME_SYSTEM) {
		watch = (struct watch){.kind = WATCH_ENTRY, .number = lot->lot_id >> 16};
		add_time(facts, "deadline", &watch, lot->expires_at);
	}
}

static void draw_account(struct facts *facts, const struct entry *entry, const struct redecided *redecided,
			 const struct row_read *read)
{
	struct accounts_key key;
	struct accounts_row row = {0};
	struct cursor cursor = cursor_over(read->value, facts->arena);
	if (!accounts_key_read(read->key, &key) || (read->value.size && !accounts_row_decode(&cursor, &row)))
		return;
	struct watch watch = {.kind = WATCH_USER, .text = key.user_id};
	add_number(facts, "balance", WATCH_BALANCE, key.user_id, account_balance(&row));
	add_number(facts, "available", WATCH_AVAILABLE, key.user_id, account_available(&row));
	if (row.held)
		add_number(facts, "held", WATCH_HELD, key.user_id, row.held);
	if (row.debt)
		add_number(facts, "debt", WATCH_DEBT, key.user_id, row.debt);
	if (row.registered_at != NONE_TIME || redecided->policy.registration_required ||
	    entry->head.command == COMMAND_USER_REGISTER)
		add_time(facts, "registeredAt", &watch, row.registered_at);
	for (uint32_t i = 0; i < row.lots.count; i++)
		draw_lot(facts, entry, &row.lots.at[i]);
}

static void draw_further_lot(struct facts *facts, const struct entry *entry, const struct row_read *read,
			     struct view *view)
{
	struct lot lot;
	if (read->value.size && lots_read_lot(view, read->key, read->value, &lot))
		draw_lot(facts, entry, &lot);
}

/* ---- the policy ---- */

static const struct {
	uint16_t command;
	const char *fields;
} used[] = {
	{COMMAND_POINTS_CHARGE,
	 "registrationRequired chargeMin chargeMax balanceMax bonusExpiresSeconds paidExpiresSeconds"},
	{COMMAND_POINTS_USE, "registrationRequired lotOrder"},
	{COMMAND_POINTS_REFUND, "refundExpiredLot regrantExpiresSeconds"},
	{COMMAND_POINTS_HOLD, "registrationRequired pointHoldSeconds lotOrder"},
	{COMMAND_POINTS_CAPTURE, "refundExpiredLot regrantExpiresSeconds"},
	{COMMAND_POINTS_RELEASE, "refundExpiredLot regrantExpiresSeconds"},
	{COMMAND_POINTS_ADJUST, "registrationRequired bonusExpiresSeconds paidExpiresSeconds lotOrder"},
	{COMMAND_SCHEDULE_CREATE, "timeZone"},
	{COMMAND_SCHEDULE_UPDATE, "timeZone"},
	{COMMAND_RESERVATION_CREATE, "queueRequired holdSeconds seatsPerReservation seatsPerUserPerSchedule"},
	{COMMAND_RESERVATION_CANCEL,
	 "refundTable refundFullWithinSeconds timeZone refundExpiredLot regrantExpiresSeconds"},
	{COMMAND_PAYMENT_CANCEL, "refundTable refundFullWithinSeconds timeZone refundExpiredLot regrantExpiresSeconds"},
	{COMMAND_PAYMENT_CREATE, "lotOrder timeZone"},
	{COMMAND_QUEUE_ENTER, "queueActiveMax queueWaitSeconds queueActiveSeconds"},
};

static const char *used_by_system(const struct entry *entry)
{
	switch (entry->event_count ? entry->events[0].type : EVENT_TICK) {
	case EVENT_POINT_HOLD_RELEASED:
	case EVENT_RESERVATION_CANCELLED: return "refundExpiredLot regrantExpiresSeconds";
	case EVENT_QUEUE_TOKEN_ACTIVATED: return "queueActiveMax queueActiveSeconds";
	default: return "";
	}
}

const char *facts_policy_used(const struct entry *entry)
{
	if (entry->head.outcome == OUTCOME_SYSTEM)
		return used_by_system(entry);
	if (entry->head.command == COMMAND_POLICY_SET)
		return "";
	for (size_t i = 0; i < sizeof used / sizeof *used; i++)
		if (used[i].command == entry->head.command)
			return used[i].fields;
	return "";
}

/* From the newest version back: which one brought the value that holds? */
struct versions {
	struct view *view;
	const char *field;
	struct buffer now, then;
	uint64_t changed_by;
};

static bool look_at_version(void *context, struct slice key, struct slice value)
{
	struct versions *versions = context;
	struct policies_row row;
	struct json_writer writer;
	if (!policies_read(versions->view, key, value, &row))
		return false;
	bool first = versions->now.size == 0;
	struct buffer *text = first ? &versions->now : &versions->then;
	buffer_clear(text);
	json_writer_init(&writer, text, false);
	write_plain(&writer, &policy_record, versions->field, &row.policy);
	if (!first && !slice_equal(buffer_slice(&versions->now), buffer_slice(&versions->then)))
		return false;
	versions->changed_by = row.changed_by;
	return true;
}

static void draw_policy(struct facts *facts, const struct entry *entry, struct view *view)
{
	const char *fields = facts_policy_used(entry);
	for (uint16_t i = 0; i < policy_record.count; i++) {
		struct versions versions = {.view = view, .field = policy_record.fields[i].json};
		if (!has_word(fields, versions.field))
			continue;
		view_scan(view, BALANCES_POLICIES, SLICE_EMPTY, SLICE_EMPTY, true, look_at_version, &versions);
		struct watch watch = {.kind = WATCH_NOTHING, .number = i};
		if (versions.changed_by != NONE_U64)
			watch = (struct watch){.kind = WATCH_ENTRY, .number = versions.changed_by};
		add(facts, versions.field, &watch, &versions.now);
		buffer_release(&versions.now);
		buffer_release(&versions.then);
	}
}

/* ---- what a refusal says ---- */

static enum watch_kind total_of(const struct entry *entry)
{
	switch (entry->head.command) {
	case COMMAND_POINTS_CHARGE: return WATCH_CHARGED;
	case COMMAND_POINTS_ADJUST: return WATCH_ADJUSTED;
	default: return WATCH_USED;
	}
}

/* The facts from which a refusal's own one is taken, in words: the first of them that was drawn has set it. */
static const struct {
	uint8_t name;
	uint16_t code; /* 0: of every one */
	const char *drawn[3];
} origins[] = {
	{FACT_NAME_STATUS, CODE_SCHEDULE_CANCELLED, {"scheduleStatus"}},
	{FACT_NAME_STATUS, 0, {"token", "hold", "reservation"}},
	{FACT_NAME_USERID, 0, {"token", "reservation", "registeredAt"}},
	{FACT_NAME_CONCERTID, 0, {"concert"}},
	{FACT_NAME_SCHEDULEID, 0, {"schedule"}},
	{FACT_NAME_SEATNOS, 0, {"seat"}},
	{FACT_NAME_HELD, 0, {"seatsOfUser"}},
	{FACT_NAME_RESERVATIONID, 0, {"reservation"}},
	{FACT_NAME_PAYMENTID, 0, {"use", "reservation", "payment"}},
	{FACT_NAME_EXPIRESAT, 0, {"reservation", "hold"}},
	{FACT_NAME_PRICE, 0, {"reservation", "seat"}},
	{FACT_NAME_USEID, 0, {"use"}},
	{FACT_NAME_REFUNDABLE, 0, {"use"}},
	{FACT_NAME_HOLDID, 0, {"hold"}},
	{FACT_NAME_QUEUEID, 0, {"schedule"}},
};

static struct watch origin_of(const struct facts *facts, const struct entry *entry, const struct fact *fact)
{
	struct watch none = {.kind = WATCH_NOTHING};
	if (fact->name == FACT_NAME_TOTAL)
		return (struct watch){.kind = total_of(entry)};
	for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
		if (origins[i].name != fact->name || (origins[i].code && origins[i].code != entry->code))
			continue;
		for (unsigned j = 0; j < 3 && origins[i].drawn[j]; j++) {
			const struct drawn_fact *drawn = find(facts, origins[i].drawn[j]);
			if (drawn)
				return drawn->watch;
		}
	}
	return none;
}

/* Of several seats: each seat's own fact says which entry took it; the list is of the first one. */
static struct watch seat_of(const struct facts *facts, const struct fact *fact)
{
	struct watch none = {.kind = WATCH_NOTHING};
	for (uint32_t i = 0; i < facts->count; i++)
		if (facts->at[i].watch.kind == WATCH_SEAT && fact->numbers.count &&
		    facts->at[i].watch.number == fact->numbers.at[0])
			return facts->at[i].watch;
	return none;
}

static void draw_refusal(struct facts *facts, const struct entry *entry, const struct fact_list *said)
{
	for (uint32_t i = 0; i < said->count; i++) {
		const struct fact *fact = &said->at[i];
		const char *name = enumeration_text(&fact_name_enumeration, fact->name);
		struct buffer json = {0};
		struct json_writer writer;
		if (find(facts, name))
			continue;
		json_writer_init(&writer, &json, false);
		json_object_begin(&writer);
		json_member_fact(&writer, "v", fact);
		json_object_end(&writer);
		struct slice text = buffer_slice(&json);
		struct buffer value = {0};
		buffer_append(&value, text.at + 5, text.size - 6);
		struct watch watch =
			fact->name == FACT_NAME_SEATNOS ? seat_of(facts, fact) : origin_of(facts, entry, fact);
		add(facts, name, &watch, &value);
		buffer_release(&value);
		buffer_release(&json);
	}
}

/* ---- deadlines ---- */

/* Of what came to its end by the engine's own entry: the time that was set for it, by the entry which set it. */
static void draw_deadline(struct facts *facts, const struct entry *entry)
{
	const struct event *event = &entry->events[0];
	const struct drawn_fact *drawn;
	struct watch watch = {.kind = WATCH_ENTRY};
	if (entry->head.outcome != OUTCOME_SYSTEM || entry->event_count == 0)
		return;
	if (event->type == EVENT_RESERVATION_EXPIRED) {
		watch.number = event->reservation_expired.reservation_id;
		add_time(facts, "deadline", &watch, event->reservation_expired.expires_at);
	} else if (event->type == EVENT_POINT_HOLD_RELEASED || event->type == EVENT_QUEUE_TOKEN_EXPIRED) {
		static const char label[] = "\"expiresAt\":";
		drawn = find(facts, event->type == EVENT_QUEUE_TOKEN_EXPIRED ? "token" : "hold");
		const uint8_t *at = drawn ? memmem(drawn->value.at, drawn->value.size, label, sizeof label - 1) : NULL;
		struct buffer json = {0};
		if (!at)
			return;
		at += sizeof label - 1;
		const uint8_t *end = drawn->value.at + drawn->value.size, *stop = at;
		while (stop < end && *stop != ',' && *stop != '}')
			stop++;
		buffer_append(&json, at, (size_t)(stop - at));
		add(facts, "deadline", &drawn->watch, &json);
		buffer_release(&json);
	}
}

void facts_draw(struct facts *facts, const struct entry *entry, const struct redecided *redecided,
		const struct row_read *rows, struct view *view)
{
	for (const struct row_read *read = rows; read; read = read->next) {
		if (read->table == BALANCES_ACCOUNTS)
			draw_account(facts, entry, redecided, read);
		else if (read->table == BALANCES_LOTS)
			draw_further_lot(facts, entry, read, view);
		else
			draw_row(facts, entry, read);
	}
	draw_deadline(facts, entry);
	draw_policy(facts, entry, view);
	draw_refusal(facts, entry, &entry->facts);
}
