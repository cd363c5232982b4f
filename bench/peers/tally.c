#include "bench/peers/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/bench/bench.h"
#include "schemas/events.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"
#include "schemas/wire/msgpack.h"

enum { VALUE_FIELDS = 4, LINE_BYTES_MAX = 64, PLACES_AT_FIRST = 1 << 16 };

size_t tally_value(uint8_t *value, uint64_t seq, int64_t time, struct slice command_id, struct slice event)
{
	struct packer p = packer_over(value, TALLY_VALUE_BYTES_MAX);
	pack_array(&p, VALUE_FIELDS);
	pack_u64(&p, seq);
	pack_i64(&p, time);
	pack_string(&p, command_id);
	pack_raw(&p, event);
	ENSURE(!p.full);
	return (size_t)(p.at - value);
}

bool tally_account_number(struct slice id, uint64_t *number)
{
	size_t at = id.size;
	uint64_t place = 1, sum = 0;
	for (; at > 0 && id.at[at - 1] >= '0' && id.at[at - 1] <= '9' && place < 1000000000; place *= 10)
		sum += place * (uint64_t)(id.at[--at] - '0');
	*number = sum;
	return at < id.size;
}

bool tally_read(struct slice key, struct slice value, struct tally_event *event)
{
	struct cursor c = cursor_over(value, NULL);
	struct slice command_id, user_id;
	uint64_t seq, type, version;
	uint32_t fields;
	int64_t time, amount;
	if (!cursor_array_of(&c, VALUE_FIELDS, "record") || !cursor_u64(&c, &seq, "record") ||
	    !cursor_i64(&c, &time, "record") || !cursor_id(&c, &command_id, "record") ||
	    !cursor_array(&c, &fields, "record") || fields < 4 || !cursor_u64(&c, &type, "record") ||
	    !cursor_u64(&c, &version, "record") || !cursor_id(&c, &user_id, "record") ||
	    !cursor_amount(&c, &amount, "record"))
		return false;
	if (type != EVENT_POINT_CHARGED && type != EVENT_POINT_USED)
		return false;
	event->change = type == EVENT_POINT_CHARGED ? amount : -amount;
	return tally_account_number(key, &event->account);
}

struct tally_account *tally_place(struct tally *tally, uint64_t number)
{
	uint64_t room = tally->room ? tally->room : PLACES_AT_FIRST;
	while (room <= number)
		room *= 2;
	if (room > tally->room) {
		tally->accounts = realloc(tally->accounts, room * sizeof *tally->accounts);
		ENSURE(tally->accounts && "memory is used up");
		memset(tally->accounts + tally->room, 0, (room - tally->room) * sizeof *tally->accounts);
		tally->room = room;
	}
	return &tally->accounts[number];
}

/* ---- cost ---- */

void tally_cost_begin(struct tally_cost *cost)
{
	*cost = (struct tally_cost){.seconds = bench_seconds(), .cpu_seconds = bench_cpu_seconds()};
}

void tally_cost_end(struct tally_cost *cost)
{
	cost->seconds = bench_seconds() - cost->seconds;
	cost->cpu_seconds = bench_cpu_seconds() - cost->cpu_seconds;
	cost->resident_bytes_max = bench_resident_bytes_max();
}

/* ---- the result ---- */

void tally_print(const struct tally *tally, const struct tally_cost *cost)
{
	char line[LINE_BYTES_MAX], id[24], digest[2 * HASH_BYTES + 1];
	uint64_t accounts = 0;
	int64_t balances = 0;
	struct hash_stream *stream = hash_stream_new();
	for (uint64_t number = 0; number < tally->room; number++) {
		const struct tally_account *account = &tally->accounts[number];
		if (!account->named)
			continue;
		int size = snprintf(line, sizeof line, "%.*s %" PRId64 "\n", (int)bench_account_id(id, number), id,
				    account->balance);
		hash_stream_add(stream, slice_of(line, (size_t)size));
		balances += account->balance;
		accounts++;
	}
	struct hash hash = hash_stream_end(stream);
	hex_text(digest, hash.bytes, sizeof hash.bytes);
	printf("{\"events\":%" PRIu64 ",\"charged\":%" PRId64 ",\"used\":%" PRId64 ",\"accounts\":%" PRIu64
	       ",\"balances\":%" PRId64 ",\"digest\":\"%s\"",
	       tally->events, tally->charged, tally->used, accounts, balances, digest);
	if (cost)
		printf(",\"seconds\":%.3f,\"cpuSeconds\":%.3f,\"residentBytesMax\":%" PRIu64, cost->seconds,
		       cost->cpu_seconds, cost->resident_bytes_max);
	printf("}\n");
}

void tally_release(struct tally *tally)
{
	free(tally->accounts);
	*tally = (struct tally){0};
}
