/* When a ledger's stores are flushed, and how much they may hold until then. */
#include "projections/ledger/internal.h"

/* Sizes of the filling layer, over all projections (of a bulk fold: of each): at which it is frozen; at twice as many nothing
 * more is taken in. */
enum { FREEZE_ROWS = 1200 * 1000 };
#define FREEZE_BYTES ((size_t)160 << 20)
#define SPILL_BYTES ((size_t)32 << 20) /* of a projection that is sorted outside: a larger layer gains nothing there */
/* Of a bulk fold: rows that come in order at a table's end are written out apart, as the others gain by staying; a position is
 * written at least after so many times, for who builds on after a kill. */
#define RUN_BYTES ((size_t)16 << 20)
enum { RUNS_PER_LAYER = 128, BULK_ROWS = 2400 * 1000 };

static void cannot_be_written(struct member *member, enum projection_id id, enum ll_code code, const struct error *why)
{
	error_set(&member->failure, code, "projection %s cannot be written: %s", projection_layouts[id].name,
		  why->text);
}

static void poll_member(struct ledger *ledger, enum projection_id id)
{
	struct error error;
	struct member *member = &ledger->members[id];
	enum ll_code code = store_poll(member->store, &error);
	if (code != LL_OK && code != LL_BUSY)
		cannot_be_written(member, id, code, &error);
}

void ledger_poll(struct ledger *ledger)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_well(&ledger->members[id]))
			poll_member(ledger, id);
}

bool ledger_is_flushing(const struct ledger *ledger)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_well(&ledger->members[id]) && store_fill(ledger->members[id].store).flushing)
			return true;
	return false;
}

bool ledger_is_dirty(const struct ledger *ledger)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_well(&ledger->members[id]) && ledger->members[id].dirty)
			return true;
	return false;
}

bool ledger_freeze(struct ledger *ledger)
{
	if (ledger_is_flushing(ledger) || !ledger_is_dirty(ledger))
		return false;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct member *member = &ledger->members[id];
		if (is_well(member) && member->dirty && store_freeze(member->store))
			member->dirty = false;
	}
	return true;
}

static struct store_fill fill_of_all(const struct ledger *ledger)
{
	struct store_fill all = {0};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_well(&ledger->members[id])) {
			struct store_fill one = store_fill(ledger->members[id].store);
			all.rows += one.rows;
			all.bytes += one.bytes;
			all.full |= one.full;
		}
	return all;
}

bool ledger_wants_freeze(const struct ledger *ledger)
{
	struct store_fill fill = fill_of_all(ledger);
	return fill.full || fill.rows >= FREEZE_ROWS || fill.bytes >= FREEZE_BYTES;
}

bool ledger_is_behind(const struct ledger *ledger)
{
	struct store_fill fill = fill_of_all(ledger);
	return ledger_is_flushing(ledger) &&
	       (fill.full || fill.rows >= 2 * FREEZE_ROWS || fill.bytes >= 2 * FREEZE_BYTES);
}

static void wait_for_member(struct ledger *ledger, enum projection_id id)
{
	struct error error;
	struct member *member = &ledger->members[id];
	enum ll_code code = store_wait_flushed(member->store, &error);
	if (code != LL_OK)
		cannot_be_written(member, id, code, &error);
}

void ledger_wait(struct ledger *ledger)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_well(&ledger->members[id]))
			wait_for_member(ledger, id);
}

/* How full the layer of one projection is: 1 and above: to be frozen. */
static unsigned fullness(const struct member *member, const struct store_fill *fill)
{
	size_t bytes = fill->spills ? SPILL_BYTES : FREEZE_BYTES;
	uint64_t by_rows = fill->spills ? 0 : (fill->rows - fill->run_rows) / BULK_ROWS;
	uint64_t by_bytes = (fill->bytes - fill->run_bytes) / bytes;
	unsigned by_runs = member->runs_written / RUNS_PER_LAYER;
	return (unsigned)(by_rows > by_bytes ? by_rows : by_bytes) + by_runs + (fill->full ? 2 : 0);
}

/* Poll, or when there is `much`: wait. */
static void poll_or_wait(struct ledger *ledger, enum projection_id id, bool much)
{
	if (much)
		wait_for_member(ledger, id);
	else
		poll_member(ledger, id);
}

static void make_room_in_bulk(struct ledger *ledger)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct member *member = &ledger->members[id];
		if (!is_well(member) || !member->dirty)
			continue;
		struct store_fill fill = store_fill(member->store);
		unsigned full = fullness(member, &fill);
		if (full) {
			poll_or_wait(ledger, id, full >= 2);
			if (is_well(member) && store_freeze(member->store)) {
				member->dirty = false;
				member->runs_written = 0;
			}
		} else if (fill.run_bytes >= RUN_BYTES) {
			poll_or_wait(ledger, id, fill.run_bytes >= 3 * RUN_BYTES);
			if (is_well(member))
				member->runs_written += store_freeze_runs(member->store);
		}
	}
}

void ledger_make_room(struct ledger *ledger)
{
	if (ledger->bulk) {
		make_room_in_bulk(ledger);
		return;
	}
	if (!ledger_wants_freeze(ledger))
		return;
	ledger_poll(ledger);
	if (ledger_is_behind(ledger))
		ledger_wait(ledger);
	ledger_freeze(ledger);
}

void ledger_finish_all(struct ledger *ledger)
{
	ledger_wait(ledger);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct member *member = &ledger->members[id];
		if (!is_well(member))
			continue;
		store_finish(member->store);
		if (store_freeze(member->store))
			member->dirty = false;
	}
}

enum ll_code ledger_flush(struct ledger *ledger, struct error *error)
{
	ledger_finish_all(ledger);
	ledger_wait(ledger);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger->members[id].failure.code != LL_OK)
			return error_set(error, ledger->members[id].failure.code, "%s",
					 ledger->members[id].failure.text);
	return LL_OK;
}
