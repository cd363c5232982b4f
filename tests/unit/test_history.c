/* Histories and receipts: what is posted, and how it is read. */
#include "tests/unit/fold_fixture.h"

#include "engine/read/read.h"

static const struct projection *const history = &projection_history;

/* Folds one event of points with what all of them have. */
#define POINTS(ledger, TYPE, name, ...)                                                                                \
	FOLD(ledger, history, {.type = EVENT_##TYPE, .name = {.user_id = SLICE("ann"), __VA_ARGS__}})

static uint64_t charge(struct ledger *ledger, int64_t amount, int64_t balance)
{
	return POINTS(ledger, POINT_CHARGED, point_charged, .amount = amount, .balance_after = balance);
}

/* The values of one member over all entries, "1 2 3 ". */
static const char *column(struct ledger *ledger, const char *member)
{
	static char text[512];
	struct json_reader reader = {0};
	const struct json_node *root;
	assert_int_equal(json_read(&reader, buffer_slice(&ledger->out), &root, NULL), LL_OK);
	const struct json_node *list = json_member(&reader, root, SLICE("entries"));
	text[0] = 0;
	for (const struct json_node *n = json_first(&reader, list); n; n = json_next(&reader, n)) {
		size_t used = strlen(text);
		snprintf(text + used, sizeof text - used, "%.*s ",
			 SLICE_PRINT(json_member(&reader, n, slice_text(member))->text));
	}
	json_reader_release(&reader);
	return text;
}

static const char *page(struct ledger *ledger, unsigned limit, uint64_t before, const char *member)
{
	assert_int_equal(read_points_history(ledger->view, SLICE("ann"), limit, before, ledger_ask(ledger)), 0);
	return column(ledger, member);
}

/* Each posting carries its sign by its effect on the balance, and names what it belongs to. */
static void postings_are_signed_and_say_what_they_belong_to(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	charge(&ledger, 1000, 1000);
	POINTS(&ledger, POINT_USED, point_used, .use_id = 1, .amount = 100, .reference = SLICE("order-7"),
	       .payment_id = NONE_U64, .hold_id = NONE_U64, .balance_after = 900);
	POINTS(&ledger, POINT_USED, point_used, .use_id = 2, .amount = 50, .payment_id = 2, .hold_id = NONE_U64,
	       .balance_after = 850);
	POINTS(&ledger, POINT_REFUNDED, point_refunded, .use_id = 2, .amount = 50, .payment_id = 2,
	       .balance_after = 900);
	POINTS(&ledger, POINT_REFUNDED, point_refunded, .use_id = 1, .amount = 10, .payment_id = NONE_U64,
	       .balance_after = 910);
	POINTS(&ledger, POINT_HELD, point_held, .hold_id = 5, .amount = 200, .balance_after = 910);
	FOLD(&ledger, history,
	     {.type = EVENT_POINT_HOLD_CAPTURED,
	      .point_hold_captured = {.user_id = SLICE("ann"), .hold_id = 5, .captured = 150, .balance_after = 760}},
	     {.type = EVENT_POINT_USED,
	      .point_used = {.use_id = 6,
			     .user_id = SLICE("ann"),
			     .amount = 150,
			     .payment_id = NONE_U64,
			     .hold_id = 5,
			     .balance_after = 760}});
	POINTS(&ledger, POINT_EXPIRED, point_expired, .amount = 60, .balance_after = 700);
	POINTS(&ledger, POINT_ADJUSTED, point_adjusted, .amount = -800, .reason = SLICE("fraud"),
	       .approver = SLICE("bob"), .balance_after = -100);
	assert_int_equal(read_account_story(ledger.view, SLICE("ann"), ledger_ask(&ledger)), 0);
	assert_string_equal(column(&ledger, "amount"), "1000 -100 -50 50 10 0 0 -150 -60 -800 ");
	assert_string_equal(column(&ledger, "reference"),
			    "null order-7 payment-2 payment-2 use-1 hold-5 hold-5 hold-5 null null ");
	assert_string_equal(column(&ledger, "position"), "0:0 0:1 0:2 0:3 0:4 0:5 0:6 0:6 0:7 0:8 ");
	assert_string_equal(column(&ledger, "reason"), "null null null null null null null null null fraud ");
	assert_string_equal(column(&ledger, "balanceAfter"), "1000 900 850 900 910 910 760 760 700 -100 ");
	ledger_release(&ledger);
}

/* An entry has exactly these members, for users and for auditors. */
static void an_entry_has_these_members(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	charge(&ledger, 1000, 1000);
	const char *entries = "{\"entries\":[{\"position\":\"0:0\",\"offset\":2,\"time\":\"2026-03-01T09:00:00.000Z\","
			      "\"type\":\"point.charged\",\"amount\":1000,\"balanceAfter\":1000,\"reference\":null,"
			      "\"actor\":{\"type\":\"user\",\"id\":\"ann\"},\"reason\":null}],\"next\":null}";
	assert_int_equal(read_points_history(ledger.view, SLICE("ann"), 10, NONE_U64, ledger_ask(&ledger)), 0);
	assert_string_equal(ledger_answer(&ledger), entries);
	assert_int_equal(read_account_story(ledger.view, SLICE("ann"), ledger_ask(&ledger)), 0);
	assert_string_equal(ledger_answer(&ledger), entries);
	ledger_release(&ledger);
}

/* Pages go from the newest on, `next` begins the one that follows, and the last one has none. */
static void pages_follow_one_another(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	for (int i = 1; i <= 5; i++)
		charge(&ledger, i, i);
	assert_string_equal(page(&ledger, 2, NONE_U64, "amount"), "5 4 ");
	assert_non_null(strstr(ledger_answer(&ledger), "\"next\":\"0:3\""));
	assert_string_equal(page(&ledger, 2, 3, "amount"), "3 2 ");
	assert_string_equal(page(&ledger, 2, 1, "amount"), "1 ");
	assert_non_null(strstr(ledger_answer(&ledger), "\"next\":null"));
	assert_string_equal(page(&ledger, 5, NONE_U64, "amount"), "5 4 3 2 1 ");
	assert_non_null(strstr(ledger_answer(&ledger), "\"next\":null"));
	assert_string_equal(page(&ledger, 5, 0, "amount"), "");
	ledger_release(&ledger);
}

/* A page never tears an entry apart, or the next one would miss a part. */
static void pages_hold_whole_entries(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	charge(&ledger, 1, 1);
	FOLD(&ledger, history, {.type = EVENT_POINT_EXPIRED, .point_expired = {.user_id = SLICE("ann"), .amount = 1}},
	     {.type = EVENT_POINT_EXPIRED, .point_expired = {.user_id = SLICE("ann"), .amount = 2}});
	assert_string_equal(page(&ledger, 1, NONE_U64, "amount"), "-2 -1 ");
	assert_non_null(strstr(ledger_answer(&ledger), "\"next\":\"0:1\""));
	assert_string_equal(page(&ledger, 1, 1, "amount"), "1 ");
	ledger_release(&ledger);
}

/* One user's story has nothing of another whose name begins alike; who has none is not found. */
static void stories_are_kept_apart(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	charge(&ledger, 1, 1);
	FOLD(&ledger, history, {.type = EVENT_POINT_CHARGED, .point_charged = {.user_id = SLICE("anna"), .amount = 2}});
	assert_string_equal(page(&ledger, 10, NONE_U64, "amount"), "1 ");
	assert_int_equal(read_points_history(ledger.view, SLICE("an"), 10, NONE_U64, ledger_ask(&ledger)),
			 CODE_USER_NOT_FOUND);
	assert_int_equal(read_account_story(ledger.view, SLICE("bob"), ledger_ask(&ledger)), CODE_USER_NOT_FOUND);
	assert_int_equal(read_reservation_story(ledger.view, 3, ledger_ask(&ledger)), CODE_RESERVATION_NOT_FOUND);
	assert_int_equal(read_seat_story(ledger.view, SLICE("s1"), 3, ledger_ask(&ledger)), CODE_SCHEDULE_NOT_FOUND);
	assert_string_equal(ledger_answer(&ledger), "");
	ledger_release(&ledger);
}

/* A registration belongs to the account's story, not to the history of its points. */
static void a_registration_is_for_auditors(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	charge(&ledger, 7, 7);
	POINTS(&ledger, USER_REGISTERED, user_registered, );
	assert_string_equal(page(&ledger, 10, NONE_U64, "type"), "point.charged ");
	assert_int_equal(read_account_story(ledger.view, SLICE("ann"), ledger_ask(&ledger)), 0);
	assert_string_equal(column(&ledger, "type"), "point.charged user.registered ");
	assert_string_equal(column(&ledger, "balanceAfter"), "7 7 ");
	ledger_release(&ledger);
}

/* From offer to sale and back: the reservation's story with its payment, and that of each of its seats. */
static void a_reservation_and_its_seats(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	struct seat seats[] = {{.seat_no = 1}, {.seat_no = 2}};
	uint32_t both[] = {1, 2};
	struct u32_list seat_nos = {both, 2};
	FOLD(&ledger, history,
	     {.type = EVENT_CONCERT_SCHEDULE_CREATED,
	      .concert_schedule_created = {.schedule_id = SLICE("s1"), .seats = {seats, 2}}});
	FOLD(&ledger, history,
	     {.type = EVENT_RESERVATION_CREATED,
	      .reservation_created = {.reservation_id = 1,
				      .user_id = SLICE("ann"),
				      .schedule_id = SLICE("s1"),
				      .seat_nos = seat_nos,
				      .price = 300}});
	FOLD(&ledger, history,
	     {.type = EVENT_RESERVATION_CONFIRMED,
	      .reservation_confirmed = {.reservation_id = 1,
					.user_id = SLICE("ann"),
					.schedule_id = SLICE("s1"),
					.seat_nos = seat_nos,
					.price = 300,
					.payment_id = 2}});
	FOLD(&ledger, history,
	     {.type = EVENT_RESERVATION_CANCELLED,
	      .reservation_cancelled = {.reservation_id = 1,
					.user_id = SLICE("ann"),
					.schedule_id = SLICE("s1"),
					.seat_nos = seat_nos,
					.price = 300,
					.payment_id = 2,
					.refund_amount = 270,
					.reason = CANCEL_REASON_USER_REQUEST}});
	assert_int_equal(read_reservation_story(ledger.view, 1, ledger_ask(&ledger)), 0);
	assert_string_equal(column(&ledger, "type"),
			    "reservation.created reservation.confirmed reservation.cancelled ");
	assert_string_equal(column(&ledger, "amount"), "300 300 270 ");
	assert_string_equal(column(&ledger, "paymentId"), "null payment-2 payment-2 ");
	assert_string_equal(column(&ledger, "reason"), "null null USER_REQUEST ");
	assert_int_equal(read_seat_story(ledger.view, SLICE("s1"), 2, ledger_ask(&ledger)), 0);
	assert_string_equal(column(&ledger, "status"), "AVAILABLE HELD RESERVED AVAILABLE ");
	assert_string_equal(column(&ledger, "reservationId"), "null reservation-1 reservation-1 reservation-1 ");
	assert_string_equal(column(&ledger, "offset"), "2 3 4 5 ");
	assert_int_equal(read_seat_story(ledger.view, SLICE("s1"), 3, ledger_ask(&ledger)), CODE_SEAT_NOT_FOUND);
	ledger_release(&ledger);
}

/* A client's entry leaves a receipt under the hash of its command's id; the engine's own leaves none. */
static void clients_get_receipts(void **state)
{
	(void)state;
	struct ledger ledger;
	ledger_init(&ledger);
	FOLD(&ledger, &projection_receipts, {.type = EVENT_TICK});
	assert_int_equal(ledger.code, LL_OK);
	struct short_hash hash = short_hash_of(SLICE("cmd"));
	struct receipts_row row;
	assert_true(receipts_get(ledger.view, receipts_key(short_hash_slice(&hash)), &row));
	assert_int_equal(row.seq, 0);
	assert_int_equal(row.offset, 2);
	assert_true(slice_equal(row.command_hash, SLICE("0123456789abcdef")));
	struct entry system = {.head = {.outcome = OUTCOME_SYSTEM, .command_id = SLICE("other")}};
	assert_int_equal(projection_receipts.apply(ledger.view, &system, NULL), LL_OK);
	hash = short_hash_of(SLICE("other"));
	assert_false(receipts_get(ledger.view, receipts_key(short_hash_slice(&hash)), &row));
	ledger_release(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(postings_are_signed_and_say_what_they_belong_to),
		cmocka_unit_test(an_entry_has_these_members),
		cmocka_unit_test(pages_follow_one_another),
		cmocka_unit_test(pages_hold_whole_entries),
		cmocka_unit_test(stories_are_kept_apart),
		cmocka_unit_test(a_registration_is_for_auditors),
		cmocka_unit_test(a_reservation_and_its_seats),
		cmocka_unit_test(clients_get_receipts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
