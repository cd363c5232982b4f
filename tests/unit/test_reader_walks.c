/* libledgerline: walks over tables, totals, histories; waiting for a position; parts. */
#include "tests/unit/reader_world.h"

struct noted {
	char text[400];
	int stop_after; /* 0: never */
	int visits;
};

__attribute__((format(printf, 2, 3))) static int note(struct noted *noted, const char *format, ...)
{
	size_t used = strlen(noted->text);
	va_list args;
	va_start(args, format);
	vsnprintf(noted->text + used, sizeof noted->text - used, format, args);
	va_end(args);
	return ++noted->visits == noted->stop_after;
}

static int note_account(void *context, const struct ll_account *account)
{
	return note(context, "%s %d; ", account->user_id, (int)account->balance.balance);
}

/* All accounts by id; pages go on behind an id, whether it is there or not; a visitor or a limit ends them. */
static void accounts_in_pages(void **state)
{
	(void)state;
	struct data data;
	struct noted all = {.text = ""}, two = {.text = ""}, rest = {.text = ""}, between = {.text = ""},
		     stopped = {.stop_after = 1};
	data_init(&data);
	put_balance(&data, "ann", 100);
	put_balance(&data, "ann:2", 200);
	put_balance(&data, "bob", 300);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_walk_accounts(reader, NULL, 0, note_account, &all), LL_MISUSED);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_walk_accounts(reader, NULL, 0, note_account, &all), LL_DONE);
	assert_string_equal(all.text, "ann 140; ann:2 240; bob 340; ");
	assert_int_equal(ll_walk_accounts(reader, "", 2, note_account, &two), LL_DONE);
	assert_string_equal(two.text, "ann 140; ann:2 240; ");
	assert_int_equal(ll_walk_accounts(reader, "ann", 0, note_account, &rest), LL_DONE);
	assert_string_equal(rest.text, "ann:2 240; bob 340; ");
	assert_int_equal(ll_walk_accounts(reader, "ann:5", 0, note_account, &between), LL_DONE);
	assert_string_equal(between.text, "bob 340; ");
	assert_int_equal(ll_walk_accounts(reader, NULL, 0, note_account, &stopped), LL_DONE);
	assert_string_equal(stopped.text, "ann 140; ");
	ll_close(reader);
	data_release(&data);
}

static int note_concert(void *context, const struct ll_concert *concert)
{
	return note(context, "%s %s %u; ", concert->concert_id, concert->title, concert->schedule_count);
}

static int note_schedule(void *context, const struct ll_schedule *schedule)
{
	return note(context, "%s of %s %s %u/%u/%u %s; ", schedule->schedule_id, schedule->concert_id, schedule->status,
		    schedule->seat_count, schedule->held_count, schedule->reserved_count, schedule->queue_id);
}

static void put_schedule(struct data *data, const char *concert_id, const char *schedule_id, const char *queue_id)
{
	struct schedules_row row = {.concert_id = slice_text(concert_id),
				    .queue_id = slice_text(queue_id),
				    .status = SCHEDULE_STATUS_OPEN,
				    .total = 9,
				    .held = 2,
				    .reserved = 3};
	schedules_put(&data->live, schedules_key(slice_text(schedule_id)), &row);
	concert_schedules_put(&data->live, concert_schedules_key(slice_text(concert_id), slice_text(schedule_id)),
			      &(struct concert_schedules_row){});
}

/* Concerts, and the schedules of all or of one of them; ids that begin alike are not mixed up. */
static void concerts_and_schedules(void **state)
{
	(void)state;
	struct data data;
	struct noted concerts = {.text = ""}, all = {.text = ""}, of_one = {.text = ""}, behind = {.text = ""};
	struct ll_concert concert;
	struct ll_schedule schedule;
	data_init(&data);
	concerts_put(&data.live, concerts_key(SLICE("c")), &(struct concerts_row){.title = SLICE("C"), .schedules = 2});
	concerts_put(&data.live, concerts_key(SLICE("c1")), &(struct concerts_row){.title = SLICE("C 1")});
	put_schedule(&data, "c", "s2", "door");
	put_schedule(&data, "c", "s1", "");
	put_schedule(&data, "c1", "s3", "");
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_concert(reader, "c1", &concert), LL_DONE);
	assert_string_equal(concert.title, "C 1");
	assert_int_equal(ll_read_concert(reader, "c2", &concert), LL_ABSENT);
	assert_int_equal(ll_walk_concerts(reader, NULL, 0, note_concert, &concerts), LL_DONE);
	assert_string_equal(concerts.text, "c C 2; c1 C 1 0; ");
	assert_int_equal(ll_read_schedule(reader, "s2", &schedule), LL_DONE);
	assert_string_equal(schedule.queue_id, "door");
	assert_int_equal(ll_walk_schedules(reader, NULL, "s1", 0, note_schedule, &all), LL_DONE);
	assert_string_equal(all.text, "s2 of c OPEN 9/2/3 door; s3 of c1 OPEN 9/2/3 ; ");
	assert_int_equal(ll_walk_schedules(reader, "c", NULL, 0, note_schedule, &of_one), LL_DONE);
	assert_string_equal(of_one.text, "s1 of c OPEN 9/2/3 ; s2 of c OPEN 9/2/3 door; ");
	assert_int_equal(ll_walk_schedules(reader, "c", "s1", 1, note_schedule, &behind), LL_DONE);
	assert_string_equal(behind.text, "s2 of c OPEN 9/2/3 door; ");
	assert_int_equal(ll_walk_schedules(reader, "c2", NULL, 0, note_schedule, &all), LL_ABSENT);
	ll_close(reader);
	data_release(&data);
}

static int note_reservation(void *context, const char *reservation_id, const struct ll_reservation *reservation)
{
	return note(context, "%s %s %u %s; ", reservation_id, reservation->user_id, reservation->seat_nos[0],
		    reservation->payment_id);
}

static int note_payment(void *context, const struct ll_payment *payment)
{
	return note(context, "%s for %s by %s %s %d %s; ", payment->payment_id, payment->reservation_id,
		    payment->user_id, payment->use_id, (int)payment->amount, payment->status);
}

/* Reservations and payments by entry, and the waiting room's counts. */
static void reservations_and_payments(void **state)
{
	(void)state;
	struct data data;
	struct noted all = {.text = ""}, behind = {.text = ""}, payments = {.text = ""};
	struct ll_payment payment;
	struct ll_queue queue;
	struct ll_seat_totals totals;
	data_init(&data);
	for (uint32_t i = 0; i < 3; i++) {
		struct reservations_row row = {.user_id = SLICE("ann"),
					       .schedule_id = SLICE("s1"),
					       .concert_id = SLICE("c1"),
					       .seat_nos = {(uint32_t[]){7 + i}, 1},
					       .status = RESERVATION_STATUS_CONFIRMED,
					       .payment_id = 40,
					       .confirmed_day = NONE_DAY};
		reservations_put(&data.live, reservations_key(300 - 100 * i), &row);
	}
	struct payments_row paid = {.reservation_id = 100,
				    .user_id = SLICE("ann"),
				    .amount = 9,
				    .status = PAYMENT_STATUS_SUCCESS,
				    .use_id = NONE_U64};
	payments_put(&data.live, payments_key(40), &paid);
	queues_put(&data.live, queues_key(SLICE("door")),
		   &(struct queues_row){.waiting = 4, .active = 2, .activated = 6, .rate_before = NONE_U32});
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_walk_reservations(reader, NULL, 0, note_reservation, &all), LL_DONE);
	assert_string_equal(all.text, "reservation-100 ann 9 payment-40; reservation-200 ann 8 payment-40; "
				      "reservation-300 ann 7 payment-40; ");
	assert_int_equal(ll_walk_reservations(reader, "reservation-100", 1, note_reservation, &behind), LL_DONE);
	assert_string_equal(behind.text, "reservation-200 ann 8 payment-40; ");
	assert_int_equal(ll_walk_reservations(reader, "payment-100", 1, note_reservation, &behind), LL_MISUSED);
	assert_int_equal(ll_read_payment(reader, "payment-40", &payment), LL_DONE);
	assert_string_equal(payment.use_id, "");
	assert_int_equal(ll_walk_payments(reader, NULL, 0, note_payment, &payments), LL_DONE);
	assert_string_equal(payments.text, "payment-40 for reservation-100 by ann  9 SUCCESS; ");
	assert_int_equal(ll_read_payment(reader, "payment-41", &payment), LL_ABSENT);
	assert_int_equal(ll_read_queue(reader, "door", &queue), LL_DONE);
	assert_int_equal(queue.waiting, 4);
	assert_int_equal(queue.active, 2);
	assert_int_equal(queue.activated, 6);
	assert_int_equal(ll_read_queue(reader, "back", &queue), LL_ABSENT);
	assert_int_equal(ll_read_seat_totals(reader, &totals), LL_DONE);
	assert_int_equal(totals.seats, 0);
	ll_close(reader);
	data_release(&data);
}

/* The totals rows; zeros while there is none. */
static void totals_of_all(void **state)
{
	(void)state;
	struct data data;
	struct ll_totals totals;
	struct ll_seat_totals seats;
	data_init(&data);
	flush(&data, 1);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_totals(reader, &totals), LL_DONE);
	assert_int_equal(totals.balances, 0);
	totals_put(&data.live, totals_key(0),
		   &(struct totals_row){.charged = 10, .adjusted = -3, .balances = 7, .accounts = 2, .accepted = 5});
	seat_totals_put(&data.live, seat_totals_key(0),
			&(struct seat_totals_row){.total = 9, .reserved = 3, .reservations_confirmed = 2});
	flush(&data, 2);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_totals(reader, &totals), LL_DONE);
	assert_int_equal(totals.charged, 10);
	assert_int_equal(totals.adjusted, -3);
	assert_int_equal(totals.balances, 7);
	assert_int_equal(totals.account_count, 2);
	assert_int_equal(totals.accepted, 5);
	assert_int_equal(ll_read_seat_totals(reader, &seats), LL_DONE);
	assert_int_equal(seats.seats, 9);
	assert_int_equal(seats.reserved, 3);
	assert_int_equal(seats.reservations_confirmed, 2);
	ll_close(reader);
	data_release(&data);
}

static int note_posting(void *context, const struct ll_posting *posting)
{
	return note(context, "%d.%u %s %d %s %s %s; ", (int)posting->entry, posting->index, posting->event,
		    (int)posting->amount, posting->reference, posting->actor_type, posting->reason);
}

static void put_posting(struct data *data, const char *user_id, uint64_t entry, uint8_t index, int64_t amount)
{
	struct account_history_row row = {.event = EVENT_POINT_CHARGED,
					  .amount = amount,
					  .balance_after = amount,
					  .reference = SLICE("gift"),
					  .actor_type = ACTOR_TYPE_ADMIN,
					  .reason = SLICE("why not")};
	account_history_put(&data->live, account_history_key(slice_text(user_id), entry, index), &row);
}

/* Newest first, of this account alone, below an entry, in pages. */
static void histories(void **state)
{
	(void)state;
	struct data data;
	struct noted all = {.text = ""}, below = {.text = ""}, none = {.text = ""};
	data_init(&data);
	put_posting(&data, "ann", 4, 0, 10);
	put_posting(&data, "ann", 7, 0, 20);
	put_posting(&data, "ann", 7, 1, 30);
	put_posting(&data, "anna", 8, 0, 40);
	flush(&data, 9);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_walk_history(reader, "ann", UINT64_MAX, 2, note_posting, &all), LL_DONE);
	assert_string_equal(all.text,
			    "7.1 point.charged 30 gift admin why not; 7.0 point.charged 20 gift admin why not; ");
	assert_int_equal(ll_walk_history(reader, "ann", 7, 0, note_posting, &below), LL_DONE);
	assert_string_equal(below.text, "4.0 point.charged 10 gift admin why not; ");
	assert_int_equal(ll_walk_history(reader, "an", UINT64_MAX, 0, note_posting, &none), LL_DONE);
	assert_string_equal(none.text, "");
	ll_close(reader);
	data_release(&data);
}

static int count_ranked(void *context, const struct ll_ranked *ranked)
{
	return note(context, "%s %u; ", ranked->schedule_id, ranked->reservation_count);
}

/* A window that is over is read by a time that lies in it. */
static void windows_of_the_past(void **state)
{
	(void)state;
	struct data data;
	struct noted now = {.text = ""}, then = {.text = ""};
	const int64_t position_ms = INT64_C(1772355600000), day_ms = 86400000; /* as the fixture flushes */
	data_init(&data);
	uint32_t today = (uint32_t)time_utc_day(position_ms);
	policies_put(&data.live, policies_key(1),
		     &(struct policies_row){.since = 1, .changed_by = NONE_U64, .policy = policy_first});
	ranked_put(&data.live, ranked_key(SLICE("s1")),
		   &(struct ranked_row){.concert_id = SLICE("c1"), .sold_out_seq = NONE_U64});
	popular_put(&data.live, popular_key(WINDOW_DAY, today, ~1u, 1, SLICE("s1")), &(struct popular_row){});
	popular_put(&data.live, popular_key(WINDOW_DAY, today - 1, ~5u, 1, SLICE("s1")), &(struct popular_row){});
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_popular(reader, LL_WINDOW_DAY, 9, count_ranked, &now), LL_DONE);
	assert_string_equal(now.text, "s1 1; ");
	assert_int_equal(ll_read_popular_at(reader, LL_WINDOW_DAY, position_ms - day_ms, 9, count_ranked, &then),
			 LL_DONE);
	assert_string_equal(then.text, "s1 5; ");
	assert_int_equal(ll_read_popular_at(reader, LL_WINDOW_DAY, -1, 9, count_ranked, &then), LL_MISUSED);
	ll_close(reader);
	data_release(&data);
}

struct later {
	struct data *data;
	uint64_t entries;
};

static void *flush_later(void *context)
{
	struct later *later = context;
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	flush(later->data, later->entries);
	return NULL;
}

/* Waits until an entry is there, pinned at it then; gives up in time, with nothing pinned; also when nothing was ever written. */
static void waiting_for_a_position(void **state)
{
	(void)state;
	struct data data;
	struct ll_position position;
	pthread_t thread;
	data_init(&data);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_wait(reader, 1, 5), LL_TRY_AGAIN);
	struct later later = {&data, 3};
	assert_int_equal(pthread_create(&thread, NULL, flush_later, &later), 0);
	assert_int_equal(ll_wait(reader, 3, 60000), LL_DONE);
	pthread_join(thread, NULL);
	assert_int_equal(ll_read_position(reader, &position), LL_DONE);
	assert_int_equal(position.entry_count, 3);
	assert_int_equal(ll_wait(reader, 2, 0), LL_DONE);
	assert_int_equal(ll_wait(reader, 4, 0), LL_TRY_AGAIN);
	assert_non_null(strstr(ll_message(reader), "stand at 3 entries"));
	assert_int_equal(ll_read_position(reader, &position), LL_MISUSED);
	assert_int_equal(ll_wait_offset(reader, 4, 0), LL_DONE); /* next_offset is 5 */
	assert_int_equal(ll_wait_offset(reader, 5, 3), LL_TRY_AGAIN);
	assert_int_equal(ll_wait_offset(reader, UINT64_MAX, 0), LL_MISUSED);
	later.entries = 4;
	assert_int_equal(pthread_create(&thread, NULL, flush_later, &later), 0);
	assert_int_equal(ll_wait_offset(reader, 5, 60000), LL_DONE);
	pthread_join(thread, NULL);
	ll_close(reader);
	data_release(&data);
}

/* A reader of some parts meets in these alone, and is told when it reads another one. */
static void parts_alone(void **state)
{
	(void)state;
	struct data data;
	struct ll_balance balance;
	struct ll_receipt receipt;
	struct ll_reader *reader;
	char message[LL_MESSAGE_SIZE];
	struct noted noted = {.text = ""};
	data_init(&data);
	put_balance(&data, "ann", 100);
	flush_one(&data, PROJECTION_BALANCES, 7);
	assert_int_equal(ll_open_parts(data.root, LL_BALANCES, &reader, message), LL_DONE);
	assert_int_equal(ll_pin(reader), LL_DONE);
	assert_int_equal(ll_read_balance(reader, "ann", &balance), LL_DONE);
	assert_int_equal(ll_read_receipt(reader, "x", &receipt), LL_MISUSED);
	assert_int_equal(ll_walk_history(reader, "ann", UINT64_MAX, 0, note_posting, &noted), LL_MISUSED);
	assert_string_equal(ll_message(reader), "the reader was not opened for this part");
	ll_close(reader);
	assert_int_equal(ll_open_parts(data.root, 0, &reader, message), LL_MISUSED);
	assert_int_equal(ll_open_parts(data.root, LL_ALL + 1, &reader, message), LL_MISUSED);
	data_release(&data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts_in_pages),
		cmocka_unit_test(concerts_and_schedules),
		cmocka_unit_test(reservations_and_payments),
		cmocka_unit_test(totals_of_all),
		cmocka_unit_test(histories),
		cmocka_unit_test(windows_of_the_past),
		cmocka_unit_test(waiting_for_a_position),
		cmocka_unit_test(parts_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
