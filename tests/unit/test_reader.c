/* libledgerline: other programs read what the engine wrote, at one position, and errors are codes with a sentence. */
#include "tests/unit/reader_world.h"

static int note_lot(void *context, const struct ll_lot *lot)
{
	char *text = context;
	size_t used = strlen(text);
	snprintf(text + used, 200 - used, "%s %s %d/%d %d; ", lot->lot_id, lot->source, (int)lot->remaining,
		 (int)lot->amount, (int)lot->expires_at_ms);
	return 0;
}

static int stop_at_once(void *context, const struct ll_lot *lot)
{
	(void)lot;
	++*(int *)context;
	return 1;
}

/* A balance and its lots, also those that do not lie in the account's row, in the order of spending. */
static void balances_with_lots(void **state)
{
	(void)state;
	struct data data;
	struct ll_balance balance;
	char lots[200] = "";
	int visited = 0;
	data_init(&data);
	put_balance(&data, "ann", 100);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_DONE);
	assert_int_equal(balance.balance, 140);
	assert_int_equal(balance.held, 10);
	assert_int_equal(balance.available, 130);
	assert_int_equal(balance.updated_at_ms, 77);
	assert_int_equal(ll_read_lots(reader, "ann", note_lot, lots), LL_DONE);
	assert_string_equal(lots, "lot-1 paid 100/105 0; lot-2-1 bonus 30/40 0; ");
	assert_int_equal(ll_read_lots(reader, "ann", stop_at_once, &visited), LL_DONE);
	assert_int_equal(visited, 1);
	assert_int_equal(ll_read_balance(reader, "bob", &balance), LL_ABSENT);
	assert_string_equal(ll_message(reader), "there is no account of bob");
	ll_close(reader);
	data_release(&data);
}

/* While it is pinned a reader sees one state; pinned again, the new one. */
static void a_pin_stands_still(void **state)
{
	(void)state;
	struct data data;
	struct ll_balance balance;
	struct ll_position position;
	data_init(&data);
	put_balance(&data, "ann", 100);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	put_balance(&data, "ann", 200);
	flush(&data, 4);
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_DONE);
	assert_int_equal(balance.balance, 140);
	assert_int_equal(ll_read_position(reader, &position), LL_DONE);
	assert_int_equal(position.entry_count, 3);
	assert_int_equal(position.next_offset, 5);
	assert_int_equal(position.ledger[0], 0xaa);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_DONE);
	assert_int_equal(balance.balance, 240);
	assert_int_equal(ll_read_position(reader, &position), LL_DONE);
	assert_int_equal(position.entry_count, 4);
	ll_close(reader);
	data_release(&data);
}

static void *flush_the_rest(void *context)
{
	struct data *data = context;
	for (unsigned id = 1; id < PROJECTIONS_COUNT; id++)
		flush_one(data, id, 4);
	return NULL;
}

/* Projections that stand at different places: waited for, and if they do not meet, told so with a name. */
static void projections_must_meet(void **state)
{
	(void)state;
	struct data data;
	struct ll_position position;
	data_init(&data);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	flush_one(&data, 0, 4);
	assert_int_equal(ll_pin(reader), LL_TRY_AGAIN);
	assert_non_null(strstr(ll_message(reader), "seats at entry 3, balances at 4"));
	assert_int_equal(ll_read_position(reader, &position), LL_MISUSED);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, flush_the_rest, &data), 0);
	enum ll_result result;
	while ((result = ll_pin(reader)) == LL_TRY_AGAIN) {
	}
	assert_int_equal(result, LL_DONE);
	pthread_join(thread, NULL);
	assert_int_equal(ll_read_position(reader, &position), LL_DONE);
	assert_int_equal(position.entry_count, 4);
	ll_close(reader);
	data_release(&data);
}

static int note_seat(void *context, const struct ll_seat *seat)
{
	char *text = context;
	size_t used = strlen(text);
	snprintf(text + used, 200 - used, "%u %s/%s %d %s %s; ", seat->seat_no, seat->section, seat->grade,
		 (int)seat->price, seat->status, seat->reservation_id);
	return 0;
}

/* Seats by number, and the reservation that has one of them. */
static void seats_and_reservations(void **state)
{
	(void)state;
	struct data data;
	char seats[200] = "";
	uint32_t seat_nos[] = {10, 300};
	struct ll_reservation reservation;
	data_init(&data);
	struct schedules_row schedule = {.concert_id = SLICE("c1"), .status = SCHEDULE_STATUS_OPEN, .total = 2};
	struct seats_row one = {.section = SLICE("A"),
				.grade = SLICE("VIP"),
				.price = 9,
				.status = SEAT_STATUS_HELD,
				.reservation_id = 5};
	struct seats_row other = {.price = 0, .status = SEAT_STATUS_AVAILABLE, .reservation_id = NONE_U64};
	struct reservations_row row = {.user_id = SLICE("ann"),
				       .schedule_id = SLICE("s1"),
				       .concert_id = SLICE("c1"),
				       .seat_nos = {seat_nos, 2},
				       .price = 9,
				       .status = RESERVATION_STATUS_HELD,
				       .created_at = 1,
				       .expires_at = 2,
				       .payment_id = NONE_U64,
				       .confirmed_day = NONE_DAY};
	schedules_put(&data.live, schedules_key(SLICE("s1")), &schedule);
	seats_put(&data.live, seats_key(SLICE("s1"), 300), &one);
	seats_put(&data.live, seats_key(SLICE("s1"), 10), &other);
	seats_put(&data.live, seats_key(SLICE("s10"), 11), &other);
	reservations_put(&data.live, reservations_key(5), &row);
	flush(&data, 6);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_seats(reader, "s1", note_seat, seats), LL_DONE);
	assert_string_equal(seats, "10 / 0 AVAILABLE ; 300 A/VIP 9 HELD reservation-5; ");
	assert_int_equal(ll_read_seats(reader, "s2", note_seat, seats), LL_ABSENT);
	assert_int_equal(ll_read_reservation(reader, "reservation-5", &reservation), LL_DONE);
	assert_string_equal(reservation.user_id, "ann");
	assert_int_equal(reservation.seat_count, 2);
	assert_int_equal(reservation.seat_nos[1], 300);
	assert_string_equal(reservation.status, "HELD");
	assert_string_equal(reservation.payment_id, "");
	assert_int_equal(ll_read_reservation(reader, "reservation-6", &reservation), LL_ABSENT);
	assert_int_equal(ll_read_reservation(reader, "nonsense", &reservation), LL_ABSENT);
	ll_close(reader);
	data_release(&data);
}

static int note_ranked(void *context, const struct ll_ranked *ranked)
{
	char *text = context;
	size_t used = strlen(text);
	snprintf(text + used, 200 - used, "%u %s %s %u %d; ", ranked->rank, ranked->schedule_id, ranked->concert_title,
		 ranked->reservation_count, (int)ranked->sold_out_duration_ms);
	return 0;
}

/* Rankings in their order, in the window of the position, no more than asked for; receipts by the command's id. */
static void rankings_and_receipts(void **state)
{
	(void)state;
	struct data data;
	char text[200] = "";
	struct ll_receipt receipt;
	data_init(&data);
	struct policies_row policy = {.since = 1, .changed_by = NONE_U64, .policy = policy_first};
	struct concert_titles_row title = {.title = SLICE("Spring")};
	struct ranked_row ranked = {.concert_id = SLICE("c1"), .concert_date = 8, .total = 2, .sold_out_seq = NONE_U64};
	policies_put(&data.live, policies_key(1), &policy);
	concert_titles_put(&data.live, concert_titles_key(SLICE("c1")), &title);
	ranked_put(&data.live, ranked_key(SLICE("s1")), &ranked);
	ranked_put(&data.live, ranked_key(SLICE("s2")), &ranked);
	uint32_t today = (uint32_t)time_utc_day(INT64_C(1772355600000));
	popular_put(&data.live, popular_key(WINDOW_ALL, 0, ~9u, 1, SLICE("s2")), &(struct popular_row){});
	popular_put(&data.live, popular_key(WINDOW_ALL, 0, ~2u, 1, SLICE("s1")), &(struct popular_row){});
	popular_put(&data.live, popular_key(WINDOW_DAY, today, ~1u, 1, SLICE("s1")), &(struct popular_row){});
	popular_put(&data.live, popular_key(WINDOW_DAY, today - 1, ~5u, 1, SLICE("s2")), &(struct popular_row){});
	sold_out_put(&data.live, sold_out_key(ORIGIN_FIRST, 1500, 3, SLICE("s1")), &(struct sold_out_row){});
	struct short_hash hash = short_hash_of(SLICE("pay-it"));
	struct receipts_row row = {
		.offset = 4, .index = 2, .seq = 9, .time = 5, .command_hash = SLICE("0123456789abcdef")};
	receipts_put(&data.live, receipts_key(short_hash_slice(&hash)), &row);
	flush(&data, 10);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_popular(reader, LL_WINDOW_ALL, 10, note_ranked, text), LL_DONE);
	assert_string_equal(text, "1 s2 Spring 9 0; 2 s1 Spring 2 0; ");
	text[0] = 0;
	assert_int_equal(ll_read_popular(reader, LL_WINDOW_ALL, 1, note_ranked, text), LL_DONE);
	assert_int_equal(ll_read_popular(reader, LL_WINDOW_DAY, 10, note_ranked, text), LL_DONE);
	assert_int_equal(ll_read_sold_out(reader, LL_ORIGIN_FIRST, 10, note_ranked, text), LL_DONE);
	assert_string_equal(text, "1 s2 Spring 9 0; 1 s1 Spring 1 0; 1 s1 Spring 0 1500; ");
	assert_int_equal(ll_read_popular(reader, 9, 10, note_ranked, text), LL_MISUSED);
	assert_int_equal(ll_read_receipt(reader, "pay-it", &receipt), LL_DONE);
	assert_int_equal(receipt.entry, 9);
	assert_int_equal(receipt.offset, 4);
	assert_int_equal(receipt.index, 2);
	assert_int_equal(ll_read_receipt(reader, "other", &receipt), LL_ABSENT);
	ll_close(reader);
	data_release(&data);
}

/* A projection that was rebuilt and put in place is followed with the next pin. */
static void a_new_generation_is_followed(void **state)
{
	(void)state;
	struct data data;
	struct ll_balance balance;
	struct error error;
	data_init(&data);
	put_balance(&data, "ann", 100);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	struct store *old = data.stores[PROJECTION_BALANCES];
	data.stores[PROJECTION_BALANCES] = open_generation(&data, PROJECTION_BALANCES);
	put_balance(&data, "ann", 500);
	flush_one(&data, PROJECTION_BALANCES, 3);
	store_retire(old);
	assert_int_equal(store_close(old, &error), LL_OK);
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_DONE);
	assert_int_equal(balance.balance, 140);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_DONE);
	assert_int_equal(balance.balance, 540);
	ll_close(reader);
	data_release(&data);
}

/* What cannot be read says why: no ledger there, nothing written yet, no pin, no id. */
static void errors_are_codes_with_a_sentence(void **state)
{
	(void)state;
	struct data data;
	struct ll_reader *reader;
	struct ll_balance balance;
	char message[LL_MESSAGE_SIZE], long_id[80];
	assert_int_equal(ll_open("/nowhere/at/all", &reader, message), LL_NO_LEDGER);
	assert_non_null(strstr(message, "/nowhere/at/all"));
	assert_int_equal(ll_open("", &reader, NULL), LL_MISUSED);
	data_init(&data);
	reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_NO_LEDGER);
	assert_true(strlen(ll_message(reader)) > 0);
	flush(&data, 1);
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_MISUSED);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_balance(reader, "", &balance), LL_MISUSED);
	assert_int_equal(ll_read_balance(reader, NULL, &balance), LL_MISUSED);
	memset(long_id, 'a', sizeof long_id);
	long_id[65] = 0;
	assert_int_equal(ll_read_balance(reader, long_id, &balance), LL_MISUSED);
	ll_unpin(reader);
	ll_unpin(reader);
	ll_close(reader);
	ll_close(NULL);
	data_release(&data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(balances_with_lots),
		cmocka_unit_test(a_pin_stands_still),
		cmocka_unit_test(projections_must_meet),
		cmocka_unit_test(seats_and_reservations),
		cmocka_unit_test(rankings_and_receipts),
		cmocka_unit_test(a_new_generation_is_followed),
		cmocka_unit_test(errors_are_codes_with_a_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
