/* How the sale ended: tables, rankings, and sums over the whole state. */
#include <inttypes.h>

#include "engine/cli/listing.h"
#include "engine/commands/demo.h"
#include "engine/read/read.h"
#include "projections/export/export.h"
#include "projections/views/rows.h"

/* ---- sums ---- */

struct summing {
	struct demo_sums *sums;
	struct json_reader reader;
	struct error *error;
	enum ll_code code;
};

static int64_t number_of(const struct json_reader *reader, const struct json_node *node, struct slice name)
{
	const struct json_node *member = json_member(reader, node, name);
	return member ? member->integer : 0;
}

static bool has(const struct json_reader *reader, const struct json_node *node, struct slice name, struct slice text)
{
	const struct json_node *member = json_member(reader, node, name);
	return member && json_is_text(member, text);
}

static void add_line(struct summing *summing, const struct json_node *line)
{
	struct demo_sums *sums = summing->sums;
	const struct json_reader *reader = &summing->reader;
	if (has(reader, line, SLICE("type"), SLICE("account"))) {
		sums->accounts++;
		sums->balances += number_of(reader, line, SLICE("balance"));
	} else if (has(reader, line, SLICE("type"), SLICE("seat"))) {
		sums->seats++;
		sums->available += has(reader, line, SLICE("status"), SLICE("AVAILABLE"));
		sums->held += has(reader, line, SLICE("status"), SLICE("HELD"));
		sums->reserved += has(reader, line, SLICE("status"), SLICE("RESERVED"));
	} else if (has(reader, line, SLICE("type"), SLICE("payment")) &&
		   has(reader, line, SLICE("status"), SLICE("SUCCESS"))) {
		sums->paid += number_of(reader, line, SLICE("amount"));
	}
}

static bool take_lines(void *context, struct slice lines)
{
	struct summing *summing = context;
	const struct json_node *root;
	while (lines.size && summing->code == LL_OK) {
		size_t size = (size_t)((const uint8_t *)memchr(lines.at, '\n', lines.size) - lines.at) + 1;
		summing->code = json_read(&summing->reader, slice_of(lines.at, size), &root, summing->error);
		if (summing->code == LL_OK)
			add_line(summing, root);
		lines = slice_of(lines.at + size, lines.size - size);
	}
	return summing->code == LL_OK;
}

enum ll_code demo_sum(struct ledger *ledger, struct demo_sums *sums, struct error *error)
{
	struct view *view = ledger_view(ledger);
	struct summing summing = {.sums = sums, .error = error};
	*sums = (struct demo_sums){.next_seq = ledger_fold_state(ledger)->next_seq};
	enum ll_code code = export_state(view, take_lines, &summing, error);
	if (code == LL_OK)
		code = digest_of_view(view, sums->digest, error);
	json_reader_release(&summing.reader);
	ledger_view_reset(ledger);
	return code;
}

bool demo_equations(struct ledger *ledger, const struct demo_sums *sums)
{
	struct totals_row points = {0};
	struct buffer out = {0};
	struct view *view = ledger_view(ledger);
	if (!totals_get(view, totals_key(0), &points))
		points = (struct totals_row){0};
	ledger_view_reset(ledger);
	int64_t flow = points.charged - points.used + points.refunded - points.expired + points.adjusted;
	bool points_hold = flow == points.balances && flow == sums->balances;
	bool seats_hold = sums->available + sums->held + sums->reserved == sums->seats && sums->seats > 0;
	bool sales_hold = points.used >= sums->paid;
	buffer_append_text(&out, "  points: charged ");
	listing_amount(&out, points.charged);
	buffer_append_text(&out, " - used ");
	listing_amount(&out, points.used);
	buffer_append_text(&out, " + refunded ");
	listing_amount(&out, points.refunded);
	buffer_append_text(&out, " = balances ");
	listing_amount(&out, sums->balances);
	buffer_printf(&out, " of %" PRIu64 " accounts: %s\n", sums->accounts, points_hold ? "holds" : "DOES NOT HOLD");
	buffer_printf(&out,
		      "  seats: available %" PRIu64 " + held %" PRIu64 " + reserved %" PRIu64 " = total %" PRIu64
		      ": %s\n",
		      sums->available, sums->held, sums->reserved, sums->seats, seats_hold ? "holds" : "DOES NOT HOLD");
	fputs(buffer_text(&out), stdout);
	buffer_release(&out);
	return points_hold && seats_hold && sales_hold;
}

/* ---- tables ---- */

static void print_schedules(const struct demo *demo)
{
	static const struct listing_column columns[] = {
		{"CONCERT", "concert", LISTING_TEXT}, {"HALL", "hall", LISTING_TEXT},
		{"SEATS", "seats", LISTING_AMOUNT},   {"SOLD", "sold", LISTING_AMOUNT},
		{"LEFT", "left", LISTING_AMOUNT},     {0}};
	struct listing listing;
	listing_init(&listing, columns);
	for (unsigned i = 0; i < DEMO_SCHEDULES; i++) {
		const struct demo_schedule *schedule = &demo->schedules[i];
		listing_text(&listing, slice_text(schedule->title));
		listing_text(&listing, slice_text(schedule->hall));
		listing_number(&listing, schedule->seats);
		listing_number(&listing, schedule->sold);
		listing_number(&listing, schedule->seats - schedule->sold);
	}
	listing_print(&listing, stdout);
	listing_release(&listing);
}

static void row(struct listing *listing, const char *what, uint64_t number)
{
	listing_text(listing, slice_text(what));
	listing_number(listing, (int64_t)number);
}

static void print_counts(const struct demo *demo)
{
	static const struct listing_column columns[] = {
		{"WHAT HAPPENED", "what", LISTING_TEXT}, {"TIMES", "times", LISTING_AMOUNT}, {0}};
	const struct demo_counts *c = &demo->counts;
	struct listing listing;
	listing_init(&listing, columns);
	row(&listing, "seats held", c->holds);
	row(&listing, "paid", c->payments);
	row(&listing, "holds that ran out", c->holds_expired);
	row(&listing, "tickets given back", c->cancellations);
	row(&listing, "topped up and tried again", c->top_ups);
	row(&listing, "went home without", c->went_home);
	for (uint16_t code = 1; code < 256; code++)
		if (c->refusals[code])
			row(&listing, code_info(code)->name, c->refusals[code]);
	listing_print(&listing, stdout);
	listing_release(&listing);
}

/* A ranking as the API answers it. */
static void print_ranking(const struct buffer *json, const char *title, const char *key)
{
	struct listing_column columns[] = {{"", "rank", LISTING_NUMBER},
					   {"CONCERT", "concertTitle", LISTING_TEXT},
					   {"SCHEDULE", "scheduleId", LISTING_TEXT},
					   {"DATE", "concertDate", LISTING_TEXT},
					   {title, key, LISTING_AMOUNT},
					   {0}};
	struct json_reader reader = {0};
	const struct json_node *root;
	struct listing listing;
	listing_init(&listing, columns);
	if (json_read(&reader, buffer_slice(json), &root, NULL) == LL_OK) {
		const struct json_node *rankings = json_member(&reader, root, SLICE("rankings"));
		for (const struct json_node *line = rankings ? json_first(&reader, rankings) : NULL; line;
		     line = json_next(&reader, line))
			for (unsigned i = 0; columns[i].title; i++) {
				const struct json_node *cell = json_member(&reader, line, slice_text(columns[i].key));
				if (cell && cell->is_integer)
					listing_number(&listing, cell->integer);
				else
					listing_text(&listing, cell ? i == 3 ? slice_of(cell->text.at, 10) : cell->text
								    : SLICE_EMPTY);
			}
	}
	listing_print(&listing, stdout);
	listing_release(&listing);
	json_reader_release(&reader);
}

void demo_report(struct demo *demo)
{
	struct ledger *ledger = engine_ledger(demo->engine);
	struct view *view = ledger_view(ledger);
	const struct zone *zone = NULL;
	struct buffer json = {0};
	struct json_writer writer;
	puts("");
	print_schedules(demo);
	puts("");
	print_counts(demo);
	if (engine_policy(demo->engine, &zone)) {
		puts("\nMost wanted (seats confirmed minus cancelled)");
		json_writer_init(&writer, &json, false);
		read_popular(view, WINDOW_ALL, zone, 10, &writer);
		print_ranking(&json, "SEATS", "reservationCount");
	}
	puts("\nFastest to sell out (seconds from the opening)");
	buffer_clear(&json);
	json_writer_init(&writer, &json, false);
	read_sold_out(view, ORIGIN_OPENING, 10, &writer);
	print_ranking(&json, "SECONDS", "soldOutDurationSec");
	ledger_view_reset(ledger);
	buffer_release(&json);
}
