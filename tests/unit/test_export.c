/* The canonical export and its digest: what they say, and that they do not depend on what holds the state. */
#include "tests/unit/fold_fixture.h"

#include <ftw.h>
#include <unistd.h>

#include "projections/export/export.h"
#include "projections/store/snapshot.h"
#include "projections/views/snapshot_view.h"
#include "projections/views/specs.h"
#include "schemas/wire/record_json.h"

/* A state with something of every kind. Lots: `in_row` of them in the account's row, the others in the table. */
static void fill(struct view *view, uint32_t in_row)
{
	static struct lot lots[] = {
		{.lot_id = LOT_ID(1, 0),
		 .source = SOURCE_BONUS,
		 .amount = 500,
		 .remaining = 200,
		 .expires_at = INT64_C(1775000000000),
		 .duration_ms = 1000},
		{.lot_id = LOT_ID(2, 0),
		 .source = SOURCE_PAID,
		 .amount = 1000,
		 .remaining = 1000,
		 .duration_ms = NONE_U64},
		{.lot_id = LOT_ID(3, 1), .source = SOURCE_PAID, .amount = 30, .remaining = 30, .duration_ms = NONE_U64},
	};
	static struct use_lot taken[] = {{.lot_id = LOT_ID(1, 0),
					  .taken = 300,
					  .source = SOURCE_BONUS,
					  .amount = 500,
					  .expires_at = INT64_C(1775000000000),
					  .duration_ms = 1000}};
	static uint32_t seat_nos[] = {7};
	struct accounts_row ann = {.registered_at = 5000,
				   .updated_at = 9000,
				   .lots_total = 1230,
				   .held = 300,
				   .lots = {lots, in_row},
				   .more_lots = 3 - in_row};
	struct accounts_row bob = {.updated_at = 1, .debt = 40};
	accounts_put(view, accounts_key(SLICE("ann")), &ann);
	accounts_put(view, accounts_key(SLICE("bob")), &bob);
	for (uint32_t i = in_row; i < 3; i++) {
		struct lots_row row = {lots[i].source, lots[i].amount, lots[i].remaining, lots[i].duration_ms};
		lots_put(view,
			 lots_key(SLICE("ann"), lots[i].expires_at, lots[i].source == SOURCE_BONUS ? 0 : 1,
				  lots[i].lot_id),
			 &row);
	}
	struct uses_row use = {.user_id = SLICE("ann"),
			       .amount = 300,
			       .payment_id = NONE_U64,
			       .hold_id = 4,
			       .reference = SLICE("order \"7\""),
			       .lots = {taken, 1}};
	uses_put(view, uses_key(5), &use);
	struct point_holds_row hold = {.user_id = SLICE("ann"),
				       .amount = 300,
				       .status = HOLD_STATUS_HELD,
				       .expires_at = 9,
				       .use_id = NONE_U64,
				       .lots = {taken, 1}};
	point_holds_put(view, point_holds_key(4), &hold);
	struct policies_row policy = {.since = 1, .changed_by = NONE_U64, .policy = policy_first};
	policies_put(view, policies_key(1), &policy);
	policy.policy.hold_seconds = 60;
	policy.since = 2;
	policies_put(view, policies_key(2), &policy);
	struct totals_row totals = {.users = 1};
	totals_put(view, totals_key(0), &totals);
	struct concerts_row concert = {.title = SLICE("Spring"), .created_at = 3};
	concerts_put(view, concerts_key(SLICE("c1")), &concert);
	struct schedules_row schedule = {.concert_id = SLICE("c1"),
					 .concert_date = 10,
					 .created_at = 4,
					 .status = SCHEDULE_STATUS_OPEN,
					 .total = 1,
					 .reserved = 1,
					 .confirmations = 1};
	schedules_put(view, schedules_key(SLICE("s1")), &schedule);
	struct seats_row seat = {
		.section = SLICE("A"), .price = 300, .status = SEAT_STATUS_RESERVED, .reservation_id = 6};
	seats_put(view, seats_key(SLICE("s1"), 7), &seat);
	struct reservations_row reservation = {.user_id = SLICE("ann"),
					       .schedule_id = SLICE("s1"),
					       .concert_id = SLICE("c1"),
					       .seat_nos = {seat_nos, 1},
					       .price = 300,
					       .status = RESERVATION_STATUS_CONFIRMED,
					       .created_at = 5,
					       .expires_at = 8,
					       .payment_id = 7,
					       .confirmed_at = 6,
					       .confirmed_day = 0};
	reservations_put(view, reservations_key(6), &reservation);
	struct payments_row payment = {.reservation_id = 6,
				       .user_id = SLICE("ann"),
				       .amount = 300,
				       .status = PAYMENT_STATUS_SUCCESS,
				       .paid_at = 6,
				       .use_id = 5,
				       .balance_after = 1530};
	payments_put(view, payments_key(7), &payment);
	struct tokens_row token = {.user_id = SLICE("ann"),
				   .queue_id = SLICE("default"),
				   .status = TOKEN_STATUS_EXPIRED,
				   .issued_at = 1,
				   .position = 1,
				   .expires_at = 2,
				   .activated_at = 1,
				   .ended_at = 2,
				   .reason = TOKEN_END_PAID};
	tokens_put(view, tokens_key(3), &token);
	popular_put(view, popular_key(WINDOW_ALL, 0, ~1u, 7, SLICE("s1")), &(struct popular_row){});
	sold_out_put(view, sold_out_key(ORIGIN_FIRST, 1500, 7, SLICE("s1")), &(struct sold_out_row){});
}

static bool append(void *context, struct slice lines)
{
	buffer_append_slice(context, lines);
	return true;
}

static const char *digest(struct view *view)
{
	static char texts[4][DIGEST_TEXT_SIZE + 1];
	static unsigned next;
	struct error error;
	char *text = texts[next++ % 4];
	assert_int_equal(digest_of_view(view, text, &error), LL_OK);
	return text;
}

static const char lines_wanted[] =
	"{\"type\":\"policy\",\"version\":2,\"since\":\"1970-01-01T00:00:00.002Z\",\"holdSeconds\":60,\"chargeMin\":1000,"
	"\"chargeMax\":1000000,\"balanceMax\":0,\"seatsPerReservation\":4,\"bonusExpiresSeconds\":31536000,"
	"\"paidExpiresSeconds\":0,\"lotOrder\":\"expiry-bonus-oldest\",\"refundExpiredLot\":\"regrant\","
	"\"regrantExpiresSeconds\":2592000,\"seatsPerUserPerSchedule\":0,\"timeZone\":\"Asia/Seoul\",\"pointHoldSeconds\":600,"
	"\"queueRequired\":false,\"queueActiveMax\":50,\"queueWaitSeconds\":600,\"queueActiveSeconds\":600,"
	"\"refundTable\":[[10,100],[7,90],[3,80],[1,70],[0,10]],\"refundFullWithinSeconds\":86400,"
	"\"registrationRequired\":false}\n"
	"{\"type\":\"user\",\"userId\":\"ann\",\"registeredAt\":\"1970-01-01T00:00:05.000Z\"}\n"
	"{\"type\":\"account\",\"userId\":\"ann\",\"balance\":1530,\"held\":300,\"debt\":0,"
	"\"updatedAt\":\"1970-01-01T00:00:09.000Z\",\"lots\":["
	"{\"lotId\":\"lot-1\",\"remaining\":200,\"source\":\"bonus\",\"amount\":500,"
	"\"expiresAt\":\"2026-03-31T23:33:20.000Z\",\"durationMs\":1000},"
	"{\"lotId\":\"lot-2\",\"remaining\":1000,\"source\":\"paid\",\"amount\":1000,\"expiresAt\":null,\"durationMs\":null},"
	"{\"lotId\":\"lot-3-1\",\"remaining\":30,\"source\":\"paid\",\"amount\":30,\"expiresAt\":null,\"durationMs\":null}]}\n"
	"{\"type\":\"account\",\"userId\":\"bob\",\"balance\":-40,\"held\":0,\"debt\":40,"
	"\"updatedAt\":\"1970-01-01T00:00:00.001Z\",\"lots\":[]}\n"
	"{\"type\":\"use\",\"useId\":\"use-5\",\"userId\":\"ann\",\"amount\":300,\"refunded\":0,\"paymentId\":null,"
	"\"holdId\":\"hold-4\",\"reference\":\"order \\\"7\\\"\",\"lots\":[{\"lotId\":\"lot-1\",\"taken\":300,"
	"\"source\":\"bonus\",\"amount\":500,\"expiresAt\":\"2026-03-31T23:33:20.000Z\",\"durationMs\":1000}]}\n"
	"{\"type\":\"hold\",\"holdId\":\"hold-4\",\"userId\":\"ann\",\"amount\":300,\"status\":\"HELD\","
	"\"expiresAt\":\"1970-01-01T00:00:00.009Z\",\"captured\":0,\"useId\":null,\"lots\":[{\"lotId\":\"lot-1\","
	"\"taken\":300,\"source\":\"bonus\",\"amount\":500,\"expiresAt\":\"2026-03-31T23:33:20.000Z\",\"durationMs\":1000}]}\n"
	"{\"type\":\"concert\",\"concertId\":\"c1\",\"title\":\"Spring\",\"createdAt\":\"1970-01-01T00:00:00.003Z\"}\n"
	"{\"type\":\"schedule\",\"scheduleId\":\"s1\",\"concertId\":\"c1\",\"concertDate\":\"1970-01-01T00:00:00.010Z\","
	"\"bookingOpensAt\":null,\"bookingClosesAt\":null,\"queueId\":null,\"createdAt\":\"1970-01-01T00:00:00.004Z\","
	"\"status\":\"OPEN\",\"total\":1,\"held\":0,\"reserved\":1,\"confirmations\":1}\n"
	"{\"type\":\"seat\",\"scheduleId\":\"s1\",\"seatNo\":7,\"section\":\"A\",\"grade\":null,\"price\":300,"
	"\"status\":\"RESERVED\",\"reservationId\":\"reservation-6\"}\n"
	"{\"type\":\"reservation\",\"reservationId\":\"reservation-6\",\"userId\":\"ann\",\"scheduleId\":\"s1\",\"concertId\":\"c1\","
	"\"seatNos\":[7],\"price\":300,\"status\":\"CONFIRMED\",\"createdAt\":\"1970-01-01T00:00:00.005Z\","
	"\"expiresAt\":\"1970-01-01T00:00:00.008Z\",\"paymentId\":\"payment-7\",\"confirmedAt\":\"1970-01-01T00:00:00.006Z\","
	"\"confirmedDay\":\"1970-01-01\",\"endedAt\":null,\"refundAmount\":0,\"fee\":0}\n"
	"{\"type\":\"payment\",\"paymentId\":\"payment-7\",\"reservationId\":\"reservation-6\",\"userId\":\"ann\",\"amount\":300,"
	"\"status\":\"SUCCESS\",\"paidAt\":\"1970-01-01T00:00:00.006Z\",\"useId\":\"use-5\",\"balanceAfter\":1530,"
	"\"cancelledAt\":null,\"refundAmount\":0,\"fee\":0}\n"
	"{\"type\":\"token\",\"tokenId\":\"tok-3\",\"userId\":\"ann\",\"queueId\":\"default\",\"status\":\"EXPIRED\","
	"\"issuedAt\":\"1970-01-01T00:00:00.001Z\",\"position\":1,\"expiresAt\":\"1970-01-01T00:00:00.002Z\","
	"\"activatedAt\":\"1970-01-01T00:00:00.001Z\",\"endedAt\":\"1970-01-01T00:00:00.002Z\",\"reason\":\"paid\"}\n"
	"{\"type\":\"popular\",\"window\":\"all\",\"firstDay\":\"1970-01-01\",\"scheduleId\":\"s1\",\"count\":1,\"reachedBy\":7}\n"
	"{\"type\":\"sold-out\",\"origin\":\"first\",\"scheduleId\":\"s1\",\"durationMs\":1500,\"reachedBy\":7}\n";

/* Golden bytes: these lines are a contract. A change of them changes the digest of every past state. */
static void these_are_the_lines(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	fill(ledger.view, 3);
	assert_int_equal(export_state(ledger.view, append, &ledger.out, NULL), LL_OK);
	assert_string_equal(ledger_answer(&ledger), lines_wanted);
	struct hash hash = hash_of(buffer_slice(&ledger.out));
	char text[DIGEST_TEXT_SIZE + 1];
	hex_text(text, hash.bytes, HASH_BYTES);
	assert_string_equal(digest(ledger.view), text);
	ledger_release(&ledger);
}

/* Where lots are kept, and who changed a row last, does not matter. */
static void layout_does_not_matter(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	fill(ledger.view, 3);
	const char *wanted = digest(ledger.view);
	for (uint32_t in_row = 0; in_row < 3; in_row++) {
		layer_clear(ledger.layer);
		fill(ledger.view, in_row);
		assert_string_equal(digest(ledger.view), wanted);
	}
	struct seats_row seat;
	assert_true(seats_get(ledger.view, seats_key(SLICE("s1"), 7), &seat));
	seat.changed_by = 99;
	seats_put(ledger.view, seats_key(SLICE("s1"), 7), &seat);
	assert_string_equal(digest(ledger.view), wanted);
	ledger_release(&ledger);
}

/* One won more in one place is another digest. */
static void every_won_matters(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	fill(ledger.view, 2);
	const char *before = digest(ledger.view);
	struct uses_row use;
	assert_true(uses_get(ledger.view, uses_key(5), &use));
	use.refunded++;
	uses_put(ledger.view, uses_key(5), &use);
	assert_string_not_equal(digest(ledger.view), before);
	ledger_release(&ledger);
}

/* A row that cannot be decoded is an error that names its table, not a digest. */
static void damage_is_an_error(void **state)
{
	(void)state;
	struct ledger ledger;
	struct error error;
	char text[DIGEST_TEXT_SIZE + 1];
	ledger_init(&ledger);
	fill(ledger.view, 3);
	view_put(ledger.view, SEATS_PAYMENTS, SLICE("12345678"), SLICE("nonsense"));
	assert_int_equal(digest_of_view(ledger.view, text, &error), LL_CORRUPT);
	assert_non_null(strstr(error.text, "payments"));
	ledger.view->failure.code = LL_OK;
	ledger_release(&ledger);
}

static bool stop(void *context, struct slice lines)
{
	(void)context, (void)lines;
	return false;
}

/* Who receives lines may stop. */
static void an_export_can_be_stopped(void **state)
{
	(void)state;
	struct ledger ledger;
	struct error error;
	ledger_init(&ledger);
	fill(ledger.view, 3);
	assert_int_equal(export_state(ledger.view, stop, NULL, &error), LL_END);
	ledger_release(&ledger);
}

/* ---- the same state in stores and snapshots ---- */

struct stores {
	char root[64];
	struct store *stores[PROJECTIONS_COUNT];
	char directories[PROJECTIONS_COUNT][128];
	struct view live;
	struct arena arena;
};

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	(void)info, (void)type, (void)walk;
	return remove(path);
}

static void open_stores(struct stores *s)
{
	memset(s, 0, sizeof *s);
	snprintf(s->root, sizeof s->root, "/tmp/test_export.XXXXXX");
	assert_non_null(mkdtemp(s->root));
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct error error;
		struct slice position;
		snprintf(s->directories[id], sizeof s->directories[id], "%s/%s", s->root, projection_layouts[id].name);
		struct store_options options = {.directory = s->directories[id], .create = true, .map_bytes = 64 << 20};
		if (store_open(projection_spec(id), &options, &s->stores[id], &position, &error) != LL_OK)
			fail_msg("%s", error.text);
		free((void *)position.at);
	}
	s->live = (struct view){.stores = s->stores, .arena = &s->arena};
}

static void flush_stores(struct stores *s)
{
	struct fold fold = {.begun = true, .next_offset = 10, .next_seq = 8, .time = INT64_C(1772355600000)};
	uint8_t room[POSITION_BYTES_MAX];
	memcpy(fold.journal_kind, "memory", 7);
	struct slice position = fold_to_position(&fold, room);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct error error;
		store_mark_block(s->stores[id], position);
		assert_true(store_freeze(s->stores[id]));
		assert_int_equal(store_wait_flushed(s->stores[id], &error), LL_OK);
	}
}

static void close_stores(struct stores *s)
{
	struct error error;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		assert_int_equal(store_close(s->stores[id], &error), LL_OK);
	arena_release(&s->arena);
	nftw(s->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The digest is the same from memory, from live stores before and after a flush, from snapshots, and from a layer over these. */
static void the_digest_is_the_same_wherever_the_state_is(void **state)
{
	(void)state;
	struct ledger ledger;
	struct stores stores;
	struct error error;
	ledger_init(&ledger);
	fill(ledger.view, 3);
	const char *wanted = digest(ledger.view);
	open_stores(&stores);
	fill(&stores.live, 1);
	assert_string_equal(digest(&stores.live), wanted);
	flush_stores(&stores);
	assert_string_equal(digest(&stores.live), wanted);

	struct snapshot_places places = {0};
	struct snapshot_view *snapshots;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		places.directories[id] = stores.directories[id];
	assert_int_equal(snapshot_view_open(&places, &snapshots, &error), LL_OK);
	assert_int_equal(snapshot_view_pin(snapshots, 1000, &error), LL_OK);
	assert_int_equal(snapshot_view_view(snapshots)->next_seq, 8);
	assert_string_equal(digest(snapshot_view_view(snapshots)), wanted);

	struct layer *cut = layer_new(snapshot_view_view(snapshots), &ledger.arena);
	assert_string_equal(digest(layer_view(cut)), wanted);
	fill(layer_view(cut), 3); /* the table's lots stay under the row: but the row says that there are none */
	assert_string_equal(digest(layer_view(cut)), wanted);
	accounts_remove(layer_view(cut), accounts_key(SLICE("bob")));
	assert_string_not_equal(digest(layer_view(cut)), wanted);
	layer_free(cut);

	snapshot_view_close(snapshots);
	close_stores(&stores);
	ledger_release(&ledger);
}

/* Every kind of field has its form in JSON; what is absent is null. */
static void records_are_rendered_by_their_descriptions(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	uint8_t bytes[32] = {0xab};
	struct period_closed closed = {.name = SLICE("2026-02"),
				       .approver = SLICE("bob"),
				       .last_seq = NONE_U64,
				       .totals_digest = slice_of(bytes, 32),
				       .state_digest = slice_of(bytes, 32)};
	record_json(ledger_ask(&ledger), &period_closed_record, &closed);
	assert_non_null(strstr(ledger_answer(&ledger), "{\"name\":\"2026-02\",\"approver\":\"bob\",\"lastSeq\":null,"
						       "\"totalsDigest\":\"ab000000"));
	struct concert_schedule_updated updated = {.schedule_id = SLICE("s1"), .date_given = -1 - 20513};
	record_json(ledger_ask(&ledger), &concert_schedule_updated_record, &updated);
	assert_non_null(strstr(ledger_answer(&ledger), "\"dateGiven\":\"2026-03-01\",\"opensGiven\":null,"));
	struct taken taken = {.lot_id = LOT_ID(4, 2), .amount = 5};
	struct point_expired expired = {.user_id = SLICE("ann"), .amount = 5, .lots = {&taken, 1}};
	record_json(ledger_ask(&ledger), &point_expired_record, &expired);
	assert_string_equal(ledger_answer(&ledger),
			    "{\"userId\":\"ann\",\"amount\":5,\"lots\":[{\"lotId\":\"lot-4-2\",\"amount\":5}],"
			    "\"balanceAfter\":0,\"availableAfter\":0}");
	struct policy_change change;
	memset(&change, 0, sizeof change);
	change.queue_required = -1;
	change.registration_required = 1;
	record_json(ledger_ask(&ledger), &policy_change_record, &change);
	assert_non_null(strstr(ledger_answer(&ledger), "\"queueRequired\":null"));
	assert_non_null(strstr(ledger_answer(&ledger), "\"registrationRequired\":true"));
	ledger_release(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(these_are_the_lines),
		cmocka_unit_test(layout_does_not_matter),
		cmocka_unit_test(every_won_matters),
		cmocka_unit_test(damage_is_an_error),
		cmocka_unit_test(an_export_can_be_stopped),
		cmocka_unit_test(the_digest_is_the_same_wherever_the_state_is),
		cmocka_unit_test(records_are_rendered_by_their_descriptions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
