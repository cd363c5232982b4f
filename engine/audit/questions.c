#include "engine/audit/questions.h"

#include <string.h>

#include "engine/audit/compare.h"
#include "engine/read/read.h"
#include "engine/reply/reply.h"
#include "projections/export/export.h"
#include "projections/views/rows.h"
#include "schemas/codes.h"

unsigned audit_mask(enum audit_question question)
{
	switch (question) {
	case AUDIT_ACCOUNT: return 1u << PROJECTION_BALANCES;
	case AUDIT_SCHEDULE:
	case AUDIT_RESERVATION: return 1u << PROJECTION_SEATS;
	case AUDIT_POPULAR:
	case AUDIT_SOLD_OUT: return 1u << PROJECTION_RANKINGS | 1u << PROJECTION_BALANCES;
	case AUDIT_TOTALS:
		return 1u << PROJECTION_BALANCES | 1u << PROJECTION_SEATS | 1u << PROJECTION_QUEUE |
		       1u << PROJECTION_RANKINGS;
	case AUDIT_STORY_OF_ACCOUNT:
	case AUDIT_STORY_OF_RESERVATION:
	case AUDIT_STORY_OF_SEAT: break;
	}
	return 1u << PROJECTION_HISTORY;
}

/* ---- single answers ---- */

static int reservation(struct view *view, struct slice subject, struct json_writer *writer, bool story)
{
	uint64_t id;
	if (!reference_parse(subject, "reservation", &id))
		return CODE_RESERVATION_NOT_FOUND;
	return story ? read_reservation_story(view, id, writer) : read_reservation(view, id, writer);
}

/* The window is the one that the cut lies in. */
static int popular(const struct audit_asked *asked, struct view *view, struct json_writer *writer, struct error *error)
{
	struct policy policy;
	uint32_t version;
	struct zone *zone = NULL;
	if (!read_policy(view, &policy, &version)) {
		error_set(error, LL_CORRUPT, "there is no policy at this cut: the journal has no genesis");
		return 0;
	}
	if (zone_load(policy.time_zone, &zone, error) != LL_OK)
		return 0;
	int code = read_popular(view, asked->window, zone, asked->limit, writer);
	zone_free(zone);
	return code;
}

static int totals(struct cut *cut, struct json_writer *writer, struct error *error)
{
	struct view *view = cut_view(cut);
	char digest[DIGEST_TEXT_SIZE + 1];
	json_object_begin(writer);
	int code = read_totals_points(view, writer);
	if (!code)
		code = read_totals_seats(view, writer);
	if (!code && cut_digest(cut, digest, error) == LL_OK)
		json_member_text(writer, "digest", digest);
	json_object_end(writer);
	return code;
}

static int answer(const struct audit_asked *asked, struct cut *cut, struct json_writer *writer, struct error *error)
{
	struct view *view = cut_view(cut);
	switch (asked->question) {
	case AUDIT_ACCOUNT: return read_balance(view, asked->subject, writer);
	case AUDIT_SCHEDULE: return read_seats(view, asked->subject, writer);
	case AUDIT_RESERVATION: return reservation(view, asked->subject, writer, false);
	case AUDIT_POPULAR: return popular(asked, view, writer, error);
	case AUDIT_SOLD_OUT: return read_sold_out(view, asked->origin, asked->limit, writer);
	case AUDIT_TOTALS: return totals(cut, writer, error);
	case AUDIT_STORY_OF_ACCOUNT: return read_account_story(view, asked->subject, writer);
	case AUDIT_STORY_OF_RESERVATION: return reservation(view, asked->subject, writer, true);
	case AUDIT_STORY_OF_SEAT: break;
	}
	return read_seat_story(view, asked->subject, asked->seat_no, writer);
}

/* Puts "at" behind the answer's last member. */
static void add_at(struct buffer *out, const struct cut *cut)
{
	struct json_writer writer;
	out->size--; /* the brace that closes it */
	buffer_append_text(out, ",\"at\":");
	json_writer_init(&writer, out, false);
	cut_write_at(cut, &writer);
	buffer_append_byte(out, '}');
}

int audit_answer(const struct audit_asked *asked, struct cut *cut, struct buffer *out, struct error *error)
{
	struct json_writer writer;
	struct view *view = cut_view(cut);
	size_t begin = out->size;
	error->code = LL_OK;
	json_writer_init(&writer, out, false);
	int code = answer(asked, cut, &writer, error);
	if (error->code == LL_OK && view->failure.code != LL_OK)
		*error = view->failure;
	if (code || error->code != LL_OK)
		out->size = begin;
	else
		add_at(out, cut);
	return code;
}

/* ---- differences ---- */

struct diffing {
	struct view *before, *after;
	struct json_writer *writer;
	uint64_t differences;
};

/* What a read answers on one side; null: it has no such row. */
static void write_side(struct diffing *diffing, const char *name, struct view *view, bool there, enum table_id table,
		       struct slice key)
{
	struct json_writer *writer = diffing->writer;
	struct accounts_key account;
	struct seats_key seat;
	struct reservations_key of_reservation;
	int code = 0;
	json_key(writer, name);
	if (!there)
		json_null(writer);
	else if (table == BALANCES_ACCOUNTS && accounts_key_read(key, &account))
		code = read_balance(view, account.user_id, writer);
	else if (table == SEATS_SEATS && seats_key_read(key, &seat))
		code = read_seat(view, seat.schedule_id, seat.seat_no, writer);
	else if (table == SEATS_RESERVATIONS && reservations_key_read(key, &of_reservation))
		code = read_reservation(view, of_reservation.reservation_id, writer);
	else
		json_null(writer);
	if (code)
		view_fail(view, LL_CORRUPT, "a row that was seen cannot be read");
}

static void write_name(struct json_writer *writer, enum table_id table, struct slice key)
{
	struct accounts_key account;
	struct seats_key seat;
	struct reservations_key reservation;
	char text[REFERENCE_TEXT_MAX];
	if (table == BALANCES_ACCOUNTS && accounts_key_read(key, &account)) {
		json_member_string(writer, "userId", account.user_id);
	} else if (table == SEATS_SEATS && seats_key_read(key, &seat)) {
		json_member_string(writer, "scheduleId", seat.schedule_id);
		json_member_uint64(writer, "seatNo", seat.seat_no);
	} else if (table == SEATS_RESERVATIONS && reservations_key_read(key, &reservation)) {
		size_t size = reference_text(text, "reservation", reservation.reservation_id);
		json_member_string(writer, "reservationId", slice_of(text, size));
	}
}

static void on_difference(void *context, const struct difference *difference)
{
	struct diffing *diffing = context;
	diffing->differences++;
	json_object_begin(diffing->writer);
	write_name(diffing->writer, difference->table, difference->key);
	write_side(diffing, "before", diffing->before, difference->left.size, difference->table, difference->key);
	write_side(diffing, "after", diffing->after, difference->right.size, difference->table, difference->key);
	json_object_end(diffing->writer);
}

enum ll_code audit_diff(struct cut *from, struct cut *to, struct buffer *out, uint64_t *differences,
			struct error *error)
{
	static const struct {
		const char *name;
		enum table_id table;
	} lists[] = {{"accounts", BALANCES_ACCOUNTS}, {"seats", SEATS_SEATS}, {"reservations", SEATS_RESERVATIONS}};
	struct json_writer writer;
	struct diffing diffing = {.before = cut_view(from), .after = cut_view(to), .writer = &writer};
	json_writer_init(&writer, out, false);
	json_object_begin(&writer);
	json_key(&writer, "from");
	cut_write_at(from, &writer);
	json_key(&writer, "to");
	cut_write_at(to, &writer);
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		json_key(&writer, lists[i].name);
		json_array_begin(&writer);
		compare_table_of(lists[i].table, diffing.before, diffing.after, on_difference, &diffing);
		json_array_end(&writer);
	}
	json_object_end(&writer);
	*differences = diffing.differences;
	const struct error *failure =
		diffing.before->failure.code != LL_OK ? &diffing.before->failure : &diffing.after->failure;
	return failure->code == LL_OK ? LL_OK : error_set(error, failure->code, "%s", failure->text);
}
