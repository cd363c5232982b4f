/*
 * What descriptors cannot say: other ways of naming a thing, lists in their order, waiting-room credentials, and that a
 * change must change something.
 *
 * A reservation names its seats as seatNos, seatNo or seatNumber, and its schedule by its id or by concert and day. All become
 * the same command, so that the same wish is the same body.
 */
#include <stdlib.h>

#include "engine/api/command_reading.h"
#include "engine/decide/queue.h"
#include "engine/read/read.h"
#include "schemas/wire/time.h"
#include "schemas/wire/zone.h"

enum other_member form_take(struct reading *reading, uint16_t type, struct forms *forms, const struct json_node *member)
{
	const struct json_node **place = NULL;
	if (type != COMMAND_RESERVATION_CREATE)
		return MEMBER_UNKNOWN;
	if (slice_equal(member->key, SLICE("seatNo")))
		place = &forms->seat_no;
	else if (slice_equal(member->key, SLICE("seatNumber")))
		place = &forms->seat_number;
	else if (reading->resolve->view && slice_equal(member->key, SLICE("concertId")))
		place = &forms->concert_id;
	else if (reading->resolve->view && slice_equal(member->key, SLICE("date")))
		place = &forms->date;
	if (!place)
		return MEMBER_UNKNOWN;
	if (member->type != JSON_NULL)
		*place = member;
	return MEMBER_TAKEN;
}

static bool resolve_seat(struct reading *reading, const struct forms *forms, struct reservation_create *command,
			 uint32_t *seen)
{
	uint32_t bit = field_bit(&reservation_create_record, "seatNos");
	const struct json_node *node = forms->seat_no ? forms->seat_no : forms->seat_number;
	const struct place place = {.name = forms->seat_no ? "seatNo" : "seatNumber"};
	int64_t number;
	if (!node)
		return true;
	if ((*seen & bit) || (forms->seat_no && forms->seat_number))
		return refuse(
			reading, &place,
			"stands beside another way of naming the seats: one of seatNo, seatNos and seatNumber is wanted");
	if (!integer_read(reading, node, &place, 1, SEAT_NO_MAX, &number))
		return false;
	uint32_t *at = arena_alloc(reading->arena, sizeof *at);
	*at = (uint32_t)number;
	command->seat_nos = (struct u32_list){at, 1};
	*seen |= bit;
	return true;
}

static bool resolve_day(struct reading *reading, struct slice concert_id, int32_t day,
			struct reservation_create *command)
{
	const struct resolve_context *resolve = reading->resolve;
	struct slice found;
	if (resolve->busy) {
		reading->parsed->later = true;
		return false;
	}
	const struct zone *zone = resolve->zone(resolve->context);
	int code = zone ? read_schedule_of_day(resolve->view, concert_id, day, zone, &found) : CODE_INTERNAL;
	/* Who has no token where one is needed is not told what there is and what not. */
	if (code && command->queue_token.size == 0 && resolve->token_required &&
	    resolve->token_required(resolve->context))
		code = CODE_TOKEN_REQUIRED;
	if (code) {
		reading->parsed->code = (uint16_t)code;
		return false;
	}
	command->schedule_id = arena_copy(reading->arena, found);
	return true;
}

/* Looked up last of all: what is wrong with the form comes before what is not there. */
static bool resolve_schedule(struct reading *reading, const struct forms *forms, struct reservation_create *command,
			     uint32_t seen)
{
	const struct place concert = {.name = "concertId"}, date = {.name = "date"}, both = {.name = "scheduleId"};
	uint32_t others = ~field_bit(&reservation_create_record, "scheduleId");
	struct error error;
	int32_t day;
	if (seen & ~others)
		return refuse(reading, forms->concert_id ? &concert : &date,
			      "stands beside scheduleId: one way of naming the schedule is wanted");
	if (!forms->concert_id)
		return refuse_missing(reading, &concert);
	if (!forms->date)
		return refuse_missing(reading, &date);
	if (forms->concert_id->type != JSON_STRING || !id_is_fine(forms->concert_id->text))
		return refuse(reading, &concert, "must be a string of 1 to %d characters of A-Z a-z 0-9 . _ : -",
			      ID_BYTES_MAX);
	if (forms->date->type != JSON_STRING)
		return refuse(reading, &date, "must be a day YYYY-MM-DD");
	if (day_parse(forms->date->text, &day, &error) != LL_OK)
		return refuse(reading, &date, "%s", error.text);
	return members_complete(reading, &reservation_create_record, &both, seen | ~others) &&
	       resolve_day(reading, forms->concert_id->text, day, command);
}

/* ---- waiting-room credentials ---- */

bool token_is_ours(struct reading *reading, struct slice token)
{
	uint64_t id;
	if (!reading->resolve->secret || token_check(reading->resolve->secret, token, &id))
		return true;
	reading->parsed->code = CODE_TOKEN_INVALID;
	return false;
}

/* A credential becomes the token's bare id, which is what is hashed, decided and journaled. */
static bool take_token(struct reading *reading, struct slice *token)
{
	uint64_t id;
	char text[REFERENCE_TEXT_MAX];
	if (!reading->resolve->secret || token->size == 0)
		return true;
	if (!token_is_ours(reading, *token) || !token_check(reading->resolve->secret, *token, &id))
		return false;
	*token = arena_copy(reading->arena, slice_of(text, reference_text(text, "tok", id)));
	return true;
}

bool forms_resolve(struct reading *reading, const struct forms *forms, struct command *command, uint32_t *seen)
{
	if (command->type != COMMAND_RESERVATION_CREATE)
		return true;
	struct reservation_create *create = &command->reservation_create;
	if (!take_token(reading, &create->queue_token) || !resolve_seat(reading, forms, create, seen))
		return false;
	if (!forms->concert_id && !forms->date)
		return true;
	if (!resolve_schedule(reading, forms, create, *seen))
		return false;
	*seen |= field_bit(&reservation_create_record, "scheduleId");
	return true;
}

/* ---- lists in their order ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static int by_seat_no(const void *a, const void *b)
{
	uint32_t x = ((const struct seat *)a)->seat_no, y = ((const struct seat *)b)->seat_no;
	return (x > y) - (x < y);
}

static bool sort_seats(struct reading *reading, struct seat_list *seats)
{
	const struct place place = {.name = "seats"};
	bool rising = true;
	for (uint32_t i = 1; i < seats->count; i++)
		rising &= seats->at[i].seat_no > seats->at[i - 1].seat_no;
	if (rising)
		return true;
	qsort(seats->at, seats->count, sizeof *seats->at, by_seat_no);
	for (uint32_t i = 1; i < seats->count; i++)
		if (seats->at[i].seat_no == seats->at[i - 1].seat_no)
			return refuse(reading, &place, "must have each seatNo once: %u stands twice",
				      seats->at[i].seat_no);
	return true;
}

static bool sort_numbers(struct reading *reading, struct u32_list *numbers)
{
	const struct place place = {.name = "seatNos"};
	qsort(numbers->at, numbers->count, sizeof *numbers->at, by_number);
	for (uint32_t i = 1; i < numbers->count; i++)
		if (numbers->at[i] == numbers->at[i - 1])
			return refuse(reading, &place, "must have each seat once: %u stands twice", numbers->at[i]);
	return true;
}

/* ---- the rest ---- */

static bool update_changes(struct reading *reading, const struct schedule_update *update)
{
	const struct place place = {.name = "body"};
	if (update->concert_date != NONE_I64 || update->booking_opens_at != NONE_TIME ||
	    update->booking_closes_at != NONE_TIME)
		return true;
	return refuse(reading, &place, "must name one of concertDate, bookingOpensAt and bookingClosesAt at least");
}

static bool policy_changes(struct reading *reading, const struct policy_change *change)
{
	const struct place place = {.name = "body"};
	struct policy_change nothing;
	memset(&nothing, 0, sizeof nothing);
	record_clear(&policy_change_record, &nothing);
	for (uint16_t i = 0; i < policy_change_record.count; i++) {
		const struct field *field = &policy_change_record.fields[i];
		size_t size = field->kind == FIELD_BOOL || field->kind == FIELD_ENUM ? 1
			      : field->kind == FIELD_U32                             ? 4
										     : 8;
		const uint8_t *ours = (const uint8_t *)change + field->offset,
			      *none = (const uint8_t *)&nothing + field->offset;
		if (memcmp(ours, none, size) != 0)
			return true;
	}
	return refuse(reading, &place, "must name one policy at least");
}

/* Deciding looks too, for those who send what was never read here. */
static bool zone_is_known(struct reading *reading, struct slice name)
{
	const struct place place = {.name = "timeZone"};
	struct zone *zone = NULL;
	bool known = !name.size || zone_load(name, &zone, NULL) == LL_OK;
	zone_free(zone);
	return known || refuse(reading, &place, "is no time zone that this machine knows");
}

bool command_finish(struct reading *reading, struct command *command)
{
	const struct place amount = {.name = "amount"};
	switch ((enum command_type)command->type) {
	case COMMAND_SCHEDULE_CREATE:
		/* A schedule's default room and none at all are the same wish. */
		if (slice_equal(command->schedule_create.queue_id, QUEUE_DEFAULT))
			command->schedule_create.queue_id = SLICE_EMPTY;
		return sort_seats(reading, &command->schedule_create.seats);
	case COMMAND_SCHEDULE_ADD_SEATS: return sort_seats(reading, &command->schedule_add_seats.seats);
	case COMMAND_SCHEDULE_UPDATE: return update_changes(reading, &command->schedule_update);
	case COMMAND_POLICY_SET:
		return policy_changes(reading, &command->policy_set.change) &&
		       zone_is_known(reading, command->policy_set.change.time_zone);
	case COMMAND_POINTS_ADJUST:
		return command->points_adjust.amount != 0 || refuse(reading, &amount, "must not be 0");
	case COMMAND_QUEUE_LEAVE: return take_token(reading, &command->queue_leave.queue_token);
	case COMMAND_RESERVATION_CREATE: return sort_numbers(reading, &command->reservation_create.seat_nos);
	default: return true;
	}
}
