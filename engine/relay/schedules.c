#include "engine/relay/schedules.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"

enum { ID_MAX = 64, SLOTS_FIRST = 64 };

struct schedule {
	char id[ID_MAX], concert_id[ID_MAX];
	uint8_t id_size, concert_size; /* id_size 0: a free slot */
	int64_t date, opens_at, closes_at;
	uint32_t total_seats;
};

/* A hash table with open addressing; nothing is ever removed. */
struct schedules {
	struct schedule *slots;
	size_t size, count; /* size: a power of two */
};

struct schedules *schedules_new(void)
{
	struct schedules *made = calloc(1, sizeof *made);
	ENSURE(made);
	made->size = SLOTS_FIRST;
	made->slots = calloc(made->size, sizeof *made->slots);
	ENSURE(made->slots);
	return made;
}

void schedules_free(struct schedules *schedules)
{
	if (!schedules)
		return;
	free(schedules->slots);
	free(schedules);
}

/* The slot that holds the id, or where it would go. */
static struct schedule *find(const struct schedules *schedules, struct slice id)
{
	size_t at = checksum_of(id, 0) & (schedules->size - 1);
	while (schedules->slots[at].id_size &&
	       !slice_equal(slice_of(schedules->slots[at].id, schedules->slots[at].id_size), id))
		at = (at + 1) & (schedules->size - 1);
	return &schedules->slots[at];
}

static void grow(struct schedules *schedules)
{
	struct schedules larger = {.size = 2 * schedules->size, .count = schedules->count};
	larger.slots = calloc(larger.size, sizeof *larger.slots);
	ENSURE(larger.slots);
	for (size_t i = 0; i < schedules->size; i++) {
		const struct schedule *row = &schedules->slots[i];
		if (row->id_size)
			*find(&larger, slice_of(row->id, row->id_size)) = *row;
	}
	free(schedules->slots);
	*schedules = larger;
}

static struct schedule *put(struct schedules *schedules, struct slice id)
{
	ENSURE(id.size > 0 && id.size <= ID_MAX);
	struct schedule *row = find(schedules, id);
	if (row->id_size == 0) {
		memcpy(row->id, id.at, id.size);
		row->id_size = (uint8_t)id.size;
		row->opens_at = row->closes_at = row->date = NONE_TIME;
		schedules->count++;
	}
	return row;
}

static struct slice concert_of(const struct schedule *row)
{
	return slice_of(row->concert_id, row->concert_size);
}

static void on_created(struct schedules *schedules, const struct concert_schedule_created *event)
{
	struct schedule *row = put(schedules, event->schedule_id);
	ENSURE(event->concert_id.size <= ID_MAX);
	memcpy(row->concert_id, event->concert_id.at, event->concert_id.size);
	row->concert_size = (uint8_t)event->concert_id.size;
	row->date = event->concert_date;
	row->opens_at = event->booking_opens_at;
	row->closes_at = event->booking_closes_at;
	row->total_seats = event->seats.count;
}

static void on_added(struct schedules *schedules, struct concert_schedule_seats_added *event, bool older)
{
	struct schedule *row = put(schedules, event->schedule_id);
	row->total_seats = event->total_seats;
	if (!older)
		return;
	event->concert_id = concert_of(row);
	event->concert_date = row->date;
	event->booking_opens_at = row->opens_at;
	event->booking_closes_at = row->closes_at;
}

static void on_updated(struct schedules *schedules, struct concert_schedule_updated *event, bool older)
{
	struct schedule *row = put(schedules, event->schedule_id);
	row->date = event->concert_date;
	row->opens_at = event->booking_opens_at;
	row->closes_at = event->booking_closes_at;
	if (!older)
		return;
	event->concert_id = concert_of(row);
	event->total_seats = row->total_seats;
}

static void on_cancelled(struct schedules *schedules, struct concert_schedule_cancelled *event, bool older)
{
	const struct schedule *row = put(schedules, event->schedule_id);
	if (!older)
		return;
	event->concert_id = concert_of(row);
	event->concert_date = row->date;
	event->booking_opens_at = row->opens_at;
	event->booking_closes_at = row->closes_at;
	event->total_seats = row->total_seats;
}

void schedules_apply(struct schedules *schedules, struct entry *entry)
{
	/* Before any of them: rows that events point to stay where they are. */
	while (2 * (schedules->count + entry->event_count) > schedules->size)
		grow(schedules);
	for (uint32_t i = 0; i < entry->event_count; i++) {
		struct event *event = &entry->events[i];
		bool older = event->version < 2;
		switch (event->type) {
		case EVENT_CONCERT_SCHEDULE_CREATED: on_created(schedules, &event->concert_schedule_created); break;
		case EVENT_CONCERT_SCHEDULE_SEATS_ADDED:
			on_added(schedules, &event->concert_schedule_seats_added, older);
			break;
		case EVENT_CONCERT_SCHEDULE_UPDATED:
			on_updated(schedules, &event->concert_schedule_updated, older);
			break;
		case EVENT_CONCERT_SCHEDULE_CANCELLED:
			on_cancelled(schedules, &event->concert_schedule_cancelled, older);
			break;
		default: break;
		}
	}
}
