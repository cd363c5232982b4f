#include "engine/seed/seed.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

#include "schemas/wire/ensure.h"
#include "schemas/wire/hash.h"
#include "schemas/wire/json.h"

enum { COLUMNS_MAX = 64, ID_MAX = 64 };

/* What is looked at, and how it may be called. */
enum field {
	EVENT_TYPE,
	EVENT_ID,
	ROW_ID,
	USER_ID,
	AMOUNT,
	TIME,
	PAYMENT_ID,
	PAYLOAD,
	TOPIC,
	PARTITION,
	OFFSET,
	FIELDS
};

static const struct {
	const char *name;
	enum field field;
} names[] = {
	{"eventType", EVENT_TYPE},
	{"event_type", EVENT_TYPE},
	{"eventId", EVENT_ID},
	{"event_id", EVENT_ID},
	{"id", ROW_ID},
	{"userId", USER_ID},
	{"user_id", USER_ID},
	{"amount", AMOUNT},
	{"time", TIME},
	{"eventTime", TIME},
	{"event_time", TIME},
	{"created_at", TIME},
	{"createdAt", TIME},
	{"paymentId", PAYMENT_ID},
	{"payment_id", PAYMENT_ID},
	{"payload", PAYLOAD},
	{"topic", TOPIC},
	{"partition", PARTITION},
	{"offset", OFFSET},
};

struct same {
	struct short_hash hash;
	uint64_t count;
};

struct seed {
	struct json_reader outer, inner; /* of a line, and of a text in it */
	enum field columns[COLUMNS_MAX];
	size_t columns_count; /* 0: there was no header */
	struct buffer cells;  /* of a row: their texts */
	struct buffer command;
	void *seen; /* tsearch: struct same */
};

/* An event as it was found. Empty: absent. Numbers are their texts. */
struct legacy {
	struct slice at[FIELDS];
};

struct seed *seed_new(void)
{
	struct seed *seed = calloc(1, sizeof *seed);
	ENSURE(seed);
	return seed;
}

void seed_free(struct seed *seed)
{
	if (!seed)
		return;
	json_reader_release(&seed->outer);
	json_reader_release(&seed->inner);
	buffer_release(&seed->cells);
	buffer_release(&seed->command);
	tdestroy(seed->seen, free);
	free(seed);
}

static enum field field_named(struct slice name)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_equal(name, slice_text(names[i].name)))
			return names[i].field;
	return FIELDS;
}

/* ---- JSON ---- */

static void take_members(const struct json_reader *reader, const struct json_node *node, struct legacy *legacy)
{
	for (const struct json_node *member = json_first(reader, node); member; member = json_next(reader, member)) {
		enum field field = field_named(member->key);
		if (field != FIELDS && member->type != JSON_NULL && (field != PAYLOAD || member->type == JSON_STRING))
			legacy->at[field] = member->text;
	}
}

static enum ll_code read_json(struct seed *seed, struct slice line, struct legacy *legacy, struct error *error)
{
	struct json_reader *reader = &seed->outer;
	const struct json_node *root, *payload;
	enum ll_code code = json_read(reader, line, &root, error);
	if (code != LL_OK)
		return code;
	take_members(reader, root, legacy);
	if (legacy->at[PAYLOAD].size) {
		code = json_read(&seed->inner, legacy->at[PAYLOAD], &root, error);
		if (code != LL_OK)
			return error_prefix(error, "its payload");
		reader = &seed->inner;
		take_members(reader, root, legacy);
	}
	payload = json_member(reader, root, SLICE("payload"));
	if (payload && payload->type == JSON_OBJECT)
		take_members(reader, payload, legacy);
	return LL_OK;
}

/* ---- CSV ---- */

/* The next cell of a row (RFC 4180) into seed->cells; *rest: what is behind it. false: a quote is not closed. */
static bool next_cell(struct seed *seed, struct slice *rest, bool *last)
{
	const uint8_t *at = rest->at, *end = rest->at + rest->size;
	bool quoted = at < end && *at == '"';
	at += quoted;
	for (; at < end; at++) {
		if (quoted && *at == '"' && at + 1 < end && at[1] == '"')
			at++;
		else if (quoted ? *at == '"' : *at == ',')
			break;
		buffer_append_byte(&seed->cells, *at);
	}
	if (quoted && (at == end || (at + 1 < end && at[1] != ',')))
		return false;
	at += quoted;
	*last = at == end;
	*rest = *last ? SLICE_EMPTY : slice_of(at + 1, (size_t)(end - at - 1));
	return true;
}

static struct slice trimmed(struct slice text)
{
	while (text.size && (text.at[0] == ' ' || text.at[0] == '\t'))
		text.at++, text.size--;
	while (text.size &&
	       (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t' || text.at[text.size - 1] == '\r'))
		text.size--;
	return text;
}

static enum ll_code read_cells(struct seed *seed, struct slice line, struct slice cells[COLUMNS_MAX], size_t *count,
			       struct error *error)
{
	size_t begins[COLUMNS_MAX + 1];
	bool last = false;
	buffer_clear(&seed->cells);
	for (*count = 0; !last; ++*count) {
		if (*count == COLUMNS_MAX)
			return error_set(error, LL_USAGE, "a row of more than %d cells", COLUMNS_MAX);
		begins[*count] = seed->cells.size;
		if (!next_cell(seed, &line, &last))
			return error_set(error, LL_USAGE, "cell %zu: a quote that is not closed, or text behind one",
					 *count + 1);
	}
	begins[*count] = seed->cells.size;
	for (size_t i = 0; i < *count; i++)
		cells[i] = trimmed(slice_of(seed->cells.at + begins[i], begins[i + 1] - begins[i]));
	return LL_OK;
}

static enum ll_code read_row(struct seed *seed, struct slice line, struct legacy *legacy, struct error *error)
{
	struct slice cells[COLUMNS_MAX];
	size_t count;
	unsigned known = 0;
	enum ll_code code = read_cells(seed, line, cells, &count, error);
	if (code != LL_OK)
		return code;
	if (seed->columns_count) {
		if (count != seed->columns_count)
			return error_set(error, LL_USAGE, "a row of %zu cells under a header of %zu", count,
					 seed->columns_count);
		for (size_t i = 0; i < count; i++)
			if (seed->columns[i] != FIELDS)
				legacy->at[seed->columns[i]] = cells[i];
		return LL_OK;
	}
	for (size_t i = 0; i < count; i++) {
		seed->columns[i] = field_named(cells[i]);
		known |= seed->columns[i] != FIELDS ? 1U << seed->columns[i] : 0;
	}
	if (!(known & 1U << USER_ID) || !(known & 1U << AMOUNT))
		return error_set(error, LL_USAGE, "neither JSON, nor a header of rows that names userId and amount");
	seed->columns_count = count;
	return LL_END;
}

/* ---- meaning ---- */

struct meaning {
	bool is_charge;
	struct slice user, payment;
	int64_t amount;
};

/* "PointUsed (payment1)" -> "PointUsed", "payment1". */
static struct slice split_type(struct slice type, struct slice *payment)
{
	const uint8_t *open = type.size ? memchr(type.at, '(', type.size) : NULL;
	type = trimmed(type);
	if (!open || type.at[type.size - 1] != ')')
		return type;
	*payment = trimmed(slice_of(open + 1, (size_t)(type.at + type.size - 1 - (open + 1))));
	return trimmed(slice_of(type.at, (size_t)(open - type.at)));
}

static enum ll_code read_type(struct legacy *legacy, struct meaning *meaning, struct error *error)
{
	meaning->payment = legacy->at[PAYMENT_ID];
	struct slice type = split_type(legacy->at[EVENT_TYPE], &meaning->payment);
	if (type.size == 0 && legacy->at[PAYMENT_ID].size)
		return LL_OK; /* a bare payload */
	if (type.size == 0)
		return error_set(error, LL_USAGE, "it has neither an eventType nor a paymentId");
	meaning->is_charge = slice_equal(type, SLICE("PointCharged")) || slice_equal(type, SLICE("point.charged"));
	bool is_use = slice_equal(type, SLICE("PointUsed")) || slice_equal(type, SLICE("point.used"));
	bool is_payment = slice_equal(type, SLICE("payment.completed"));
	if (is_payment && !legacy->at[PAYMENT_ID].size)
		return error_set(error, LL_USAGE, "a payment without a paymentId");
	if (meaning->is_charge)
		meaning->payment = SLICE_EMPTY;
	return meaning->is_charge || is_use || is_payment
		       ? LL_OK
		       : error_set(
				 error, LL_USAGE,
				 "eventType %.*s is not imported: only PointCharged, PointUsed and payment.completed are",
				 SLICE_PRINT(type));
}

/* Whole won, perhaps with a sign. What was used may be told as less or as more than 0. */
static enum ll_code read_amount(struct slice text, struct meaning *meaning, struct error *error)
{
	char digits[24], *end = digits;
	if (text.size == 0)
		return error_set(error, LL_USAGE, "it has no amount");
	snprintf(digits, sizeof digits, "%.*s", SLICE_PRINT(text));
	bool sign = digits[0] == '+' || digits[0] == '-';
	if (text.size < 18 && digits[sign] >= '0' && digits[sign] <= '9')
		meaning->amount = strtoll(digits, &end, 10);
	if (end == digits || *end)
		return error_set(error, LL_USAGE, "amount is %.*s: whole won are wanted", SLICE_PRINT(text));
	if (meaning->amount < 0 && meaning->is_charge)
		return error_set(error, LL_USAGE, "amount is %" PRId64 ": a charge adds points", meaning->amount);
	meaning->amount = llabs(meaning->amount);
	return LL_OK;
}

/* ---- ids ---- */

static void put_id(char id[ID_MAX + 1], const char *kind, struct slice name)
{
	static const char fine[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	char hex[2 * SHORT_HASH_BYTES + 1];
	bool is_fine = strlen(kind) + 6 + name.size <= ID_MAX;
	for (size_t i = 0; i < name.size && is_fine; i++)
		is_fine = name.at[i] && strchr(fine, name.at[i]);
	if (is_fine) {
		snprintf(id, ID_MAX + 1, "seed-%s-%.*s", kind, SLICE_PRINT(name));
		return;
	}
	struct short_hash hash = short_hash_of(name);
	hex_text(hex, hash.bytes, SHORT_HASH_BYTES);
	snprintf(id, ID_MAX + 1, "seed-%s:%s", kind, hex);
}

static int compare_same(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct short_hash));
}

/* How many events of this content there were in this input, with this one. */
static uint64_t count_same(struct seed *seed, const struct short_hash *hash)
{
	struct same *same = calloc(1, sizeof *same);
	ENSURE(same);
	same->hash = *hash;
	struct same **found = tsearch(same, &seed->seen, compare_same);
	ENSURE(found);
	if (*found != same)
		free(same);
	return ++(*found)->count;
}

static void name_by_content(struct seed *seed, const struct legacy *legacy, const struct meaning *meaning,
			    char id[ID_MAX + 1])
{
	char hex[2 * SHORT_HASH_BYTES + 1];
	struct buffer content = {0};
	buffer_printf(&content, "%d|%.*s|%" PRId64 "|%.*s", meaning->is_charge, SLICE_PRINT(meaning->user),
		      meaning->amount, SLICE_PRINT(legacy->at[TIME]));
	struct short_hash hash = short_hash_of(buffer_slice(&content));
	buffer_release(&content);
	hex_text(hex, hash.bytes, SHORT_HASH_BYTES);
	snprintf(id, ID_MAX + 1, "seed-same-%s-%" PRIu64, hex, count_same(seed, &hash));
}

static void make_id(struct seed *seed, const struct legacy *legacy, const struct meaning *meaning, char id[ID_MAX + 1])
{
	char place[512];
	if (meaning->payment.size) {
		put_id(id, "payment", meaning->payment);
	} else if (legacy->at[EVENT_ID].size) {
		put_id(id, "event", legacy->at[EVENT_ID]);
	} else if (legacy->at[ROW_ID].size) {
		put_id(id, "row", legacy->at[ROW_ID]);
	} else if (legacy->at[TOPIC].size && legacy->at[PARTITION].size && legacy->at[OFFSET].size) {
		snprintf(place, sizeof place, "%.*s-%.*s-%.*s", SLICE_PRINT(legacy->at[TOPIC]),
			 SLICE_PRINT(legacy->at[PARTITION]), SLICE_PRINT(legacy->at[OFFSET]));
		put_id(id, "at", slice_text(place));
	} else {
		name_by_content(seed, legacy, meaning, id);
	}
}

/* ---- a line ---- */

static void write_command(struct seed *seed, const char *id, const struct meaning *meaning)
{
	struct json_writer writer;
	buffer_clear(&seed->command);
	json_writer_init(&writer, &seed->command, false);
	json_object_begin(&writer);
	json_member_text(&writer, "id", id);
	json_member_text(&writer, "type", meaning->is_charge ? "points.charge" : "points.use");
	json_member_string(&writer, "userId", meaning->user);
	json_member_int64(&writer, "amount", meaning->amount);
	if (meaning->payment.size)
		json_member_string(&writer, "reference", meaning->payment);
	json_object_end(&writer);
}

enum ll_code seed_translate(struct seed *seed, struct slice line, struct slice *command, struct error *error)
{
	char id[ID_MAX + 1];
	struct legacy legacy = {0};
	struct meaning meaning = {0};
	line = trimmed(line);
	bool is_json = line.size && (line.at[0] == '{' || line.at[0] == '[');
	enum ll_code code = is_json ? read_json(seed, line, &legacy, error) : read_row(seed, line, &legacy, error);
	if (code == LL_OK)
		code = read_type(&legacy, &meaning, error);
	meaning.user = legacy.at[USER_ID];
	if (code == LL_OK && meaning.user.size == 0)
		code = error_set(error, LL_USAGE, "it names no userId");
	if (code == LL_OK)
		code = read_amount(legacy.at[AMOUNT], &meaning, error);
	if (code != LL_OK)
		return code == LL_END ? LL_END : LL_USAGE;
	make_id(seed, &legacy, &meaning, id);
	write_command(seed, id, &meaning);
	*command = buffer_slice(&seed->command);
	return LL_OK;
}
