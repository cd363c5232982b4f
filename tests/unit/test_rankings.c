/* The rankings' projection and what is read from it. */
#include "tests/unit/fold_fixture.h"

#include "engine/read/read.h"
#include "projections/rankings/windows.h"

static const struct projection *const rankings = &projection_rankings;

static const int64_t HOUR = 3600 * 1000;
static const int64_t DAY = 24 * 3600 * 1000;

static void create(struct ledger *ledger, const char *schedule, uint32_t seats, int64_t opens_at)
{
	static struct seat many[100];
	FOLD(ledger, rankings,
	     {.type = EVENT_CONCERT_SCHEDULE_CREATED,
	      .concert_schedule_created = {.schedule_id = TEXT(schedule),
					   .concert_id = SLICE("c1"),
					   .concert_date = INT64_C(1775000000000),
					   .booking_opens_at = opens_at,
					   .seats = {many, seats}}});
	assert_int_equal(ledger->code, LL_OK);
}

static uint32_t any_seats[100];

static uint64_t confirm(struct ledger *ledger, const char *schedule, uint32_t seats, int32_t day)
{
	return FOLD(
		ledger, rankings,
		{.type = EVENT_RESERVATION_CONFIRMED,
		 .reservation_confirmed = {.schedule_id = TEXT(schedule), .seat_nos = {any_seats, seats}, .day = day}});
}

static void cancel(struct ledger *ledger, const char *schedule, uint32_t seats, int32_t confirmed_day)
{
	FOLD(ledger, rankings,
	     {.type = EVENT_RESERVATION_CANCELLED,
	      .reservation_cancelled = {
		      .schedule_id = TEXT(schedule), .seat_nos = {any_seats, seats}, .confirmed_day = confirmed_day}});
}

/* The ids of a ranking with their values, "s1=3 s2=1 ". */
static const char *popular_in(const char *zone_name, struct ledger *ledger, enum window window)
{
	static char text[512];
	struct zone *zone;
	assert_int_equal(zone_load(slice_text(zone_name), &zone, NULL), LL_OK);
	assert_int_equal(read_popular(ledger->view, window, zone, 100, ledger_ask(ledger)), 0);
	zone_free(zone);
	struct json_reader reader = {0};
	const struct json_node *root;
	assert_int_equal(json_read(&reader, buffer_slice(&ledger->out), &root, NULL), LL_OK);
	const struct json_node *list = json_member(&reader, root, SLICE("rankings"));
	text[0] = 0;
	int64_t rank = 1;
	for (const struct json_node *n = json_first(&reader, list); n; n = json_next(&reader, n)) {
		size_t used = strlen(text);
		assert_int_equal(json_member(&reader, n, SLICE("rank"))->integer, rank++);
		snprintf(text + used, sizeof text - used, "%.*s=%d ",
			 SLICE_PRINT(json_member(&reader, n, SLICE("scheduleId"))->text),
			 (int)json_member(&reader, n, SLICE("reservationCount"))->integer);
	}
	json_reader_release(&reader);
	return text;
}

static const char *popular(struct ledger *ledger, enum window window)
{
	return popular_in("UTC", ledger, window);
}

static void begin(struct ledger *ledger)
{
	ledger_init(ledger);
	FOLD(ledger, rankings,
	     {.type = EVENT_CONCERT_CREATED, .concert_created = {.concert_id = SLICE("c1"), .title = SLICE("Spring")}});
	create(ledger, "s1", 10, NONE_TIME);
	create(ledger, "s2", 10, NONE_TIME);
	create(ledger, "s3", 10, NONE_TIME);
}

/* Windows begin where the calendar says: weeks on Mondays, months on the first, all time at 0. */
static void windows_begin_where_the_calendar_says(void **state)
{
	(void)state;
	int32_t sunday = day_of_civil((struct civil){2026, 3, 1});
	assert_int_equal(window_first_day(WINDOW_ALL, sunday), 0);
	assert_int_equal(window_first_day(WINDOW_DAY, sunday), sunday);
	assert_int_equal(window_first_day(WINDOW_WEEK, sunday), sunday - 6);
	assert_int_equal(window_first_day(WINDOW_WEEK, sunday + 1), sunday + 1);
	assert_int_equal(window_first_day(WINDOW_MONTH, sunday + 30), sunday);
	assert_int_equal(window_first_day(WINDOW_MONTH, sunday - 1), day_of_civil((struct civil){2026, 2, 1}));
	assert_int_equal(window_first_day(WINDOW_WEEK, 1), 0);
}

/* Popular counts seats, largest first; a schedule with none is not shown; what is cancelled is taken away. */
static void popular_counts_seats(void **state)
{
	(void)state;
	struct ledger ledger;
	begin(&ledger);
	int32_t day = time_utc_day(ledger.view->time);
	assert_string_equal(popular(&ledger, WINDOW_ALL), "");
	confirm(&ledger, "s1", 2, day);
	confirm(&ledger, "s2", 3, day);
	assert_string_equal(popular(&ledger, WINDOW_ALL), "s2=3 s1=2 ");
	cancel(&ledger, "s2", 2, day);
	assert_string_equal(popular(&ledger, WINDOW_ALL), "s1=2 s2=1 ");
	cancel(&ledger, "s2", 1, day);
	assert_string_equal(popular(&ledger, WINDOW_DAY), "s1=2 ");
	/* A hold that is given up never counted. */
	cancel(&ledger, "s1", 1, NONE_DAY);
	assert_string_equal(popular(&ledger, WINDOW_ALL), "s1=2 ");
	ledger_release(&ledger);
}

/* A tie goes to who reached the number first, also on the way down; in one entry, to the smaller id. */
static void ties_go_to_who_was_first(void **state)
{
	(void)state;
	struct ledger ledger;
	begin(&ledger);
	int32_t day = time_utc_day(ledger.view->time);
	confirm(&ledger, "s3", 2, day);
	confirm(&ledger, "s1", 2, day);
	assert_string_equal(popular(&ledger, WINDOW_ALL), "s3=2 s1=2 ");
	confirm(&ledger, "s3", 1, day);
	cancel(&ledger, "s3", 1, day);
	assert_string_equal(popular(&ledger, WINDOW_ALL), "s1=2 s3=2 ");
	ledger_release(&ledger);
}

/* A confirmation counts in the windows of its day, a cancellation takes away there; the windows shown are those of now. */
static void windows_are_those_of_now(void **state)
{
	(void)state;
	struct ledger ledger;
	begin(&ledger);
	int32_t sunday = time_utc_day(ledger.view->time);
	confirm(&ledger, "s1", 1, sunday - 1); /* Saturday, in February */
	confirm(&ledger, "s2", 2, sunday);
	assert_string_equal(popular(&ledger, WINDOW_DAY), "s2=2 ");
	assert_string_equal(popular(&ledger, WINDOW_WEEK), "s2=2 s1=1 ");
	assert_string_equal(popular(&ledger, WINDOW_MONTH), "s2=2 ");
	ledger.view->time += DAY;
	assert_string_equal(popular(&ledger, WINDOW_DAY), "");
	assert_string_equal(popular(&ledger, WINDOW_WEEK), "");
	assert_string_equal(popular(&ledger, WINDOW_MONTH), "s2=2 ");
	cancel(&ledger, "s2", 2, sunday);
	assert_string_equal(popular(&ledger, WINDOW_MONTH), "");
	assert_string_equal(popular(&ledger, WINDOW_ALL), "s1=1 ");
	ledger_release(&ledger);
}

/* The windows of now change at midnight in the policy's zone, 15:00 UTC, and not before: day, week and month. */
static void days_end_at_midnight_in_seoul(void **state)
{
	(void)state;
	static const struct {
		const char *time;
		const char *day, *week, *month;
	} cases[] = {
		/* 2026-03-01 is a Sunday; s1 was confirmed on Saturday 02-28, s2 on Sunday 03-01, s3 on Monday 03-02 */
		{"2026-02-28T14:59:59.999Z", "s1=1 ", "s2=2 s1=1 ", "s1=1 "},
		{"2026-02-28T15:00:00.000Z", "s2=2 ", "s2=2 s1=1 ", "s3=3 s2=2 "},
		{"2026-03-01T14:59:59.999Z", "s2=2 ", "s2=2 s1=1 ", "s3=3 s2=2 "},
		{"2026-03-01T15:00:00.000Z", "s3=3 ", "s3=3 ", "s3=3 s2=2 "},
	};
	struct ledger ledger;
	begin(&ledger);
	int32_t sunday = day_of_civil((struct civil){2026, 3, 1});
	confirm(&ledger, "s1", 1, sunday - 1);
	confirm(&ledger, "s2", 2, sunday);
	confirm(&ledger, "s3", 3, sunday + 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(time_parse(slice_text(cases[i].time), &ledger.view->time, NULL), LL_OK);
		assert_string_equal(popular_in("Asia/Seoul", &ledger, WINDOW_DAY), cases[i].day);
		assert_string_equal(popular_in("Asia/Seoul", &ledger, WINDOW_WEEK), cases[i].week);
		assert_string_equal(popular_in("Asia/Seoul", &ledger, WINDOW_MONTH), cases[i].month);
	}
	ledger_release(&ledger);
}

/* The first sell-out is kept, from the opening as it stood then, or from the first confirmation; decimals are kept. */
static void the_first_sell_out_is_kept(void **state)
{
	(void)state;
	struct ledger ledger;
	begin(&ledger);
	int64_t opens_at = ledger.view->time;
	int32_t day = time_utc_day(opens_at);
	create(&ledger, "fast", 3, opens_at);
	ledger.view->time += HOUR;
	confirm(&ledger, "fast", 1, day);
	ledger.view->time += 1500;
	confirm(&ledger, "fast", 2, day);
	const char *opening = "{\"rankings\":[{\"rank\":1,\"scheduleId\":\"fast\",\"concertTitle\":\"Spring\","
			      "\"concertDate\":\"2026-03-31T23:33:20.000Z\",\"soldOutDurationSec\":3601.5}]}";
	read_sold_out(ledger.view, ORIGIN_OPENING, 10, ledger_ask(&ledger));
	assert_string_equal(ledger_answer(&ledger), opening);
	FOLD(&ledger, rankings,
	     {.type = EVENT_CONCERT_SCHEDULE_UPDATED,
	      .concert_schedule_updated = {.schedule_id = SLICE("fast"),
					   .concert_date = INT64_C(1775000000000),
					   .booking_opens_at = opens_at + HOUR}});
	cancel(&ledger, "fast", 1, day);
	ledger.view->time += HOUR;
	confirm(&ledger, "fast", 1, day);
	read_sold_out(ledger.view, ORIGIN_OPENING, 10, ledger_ask(&ledger));
	assert_string_equal(ledger_answer(&ledger), opening);
	read_sold_out(ledger.view, ORIGIN_FIRST, 10, ledger_ask(&ledger));
	assert_non_null(strstr(ledger_answer(&ledger), "\"soldOutDurationSec\":1.5}"));
	ledger_release(&ledger);
}

/* The shorter sell-out stands first; equal ones in the order in which they happened; no more are shown than asked for. */
static void sell_outs_are_ordered(void **state)
{
	(void)state;
	struct ledger ledger;
	begin(&ledger);
	int64_t start = ledger.view->time;
	int32_t day = time_utc_day(start);
	create(&ledger, "b", 1, start);
	create(&ledger, "a", 1, start);
	create(&ledger, "slow", 1, start - HOUR);
	ledger.view->time += 10;
	confirm(&ledger, "slow", 1, day);
	confirm(&ledger, "b", 1, day);
	confirm(&ledger, "a", 1, day);
	read_sold_out(ledger.view, ORIGIN_OPENING, 3, ledger_ask(&ledger));
	const char *text = ledger_answer(&ledger);
	const char *a = strstr(text, "\"a\""), *b = strstr(text, "\"b\""), *slow = strstr(text, "\"slow\"");
	assert_true(b && a && slow && b < a && a < slow);
	read_sold_out(ledger.view, ORIGIN_OPENING, 1, ledger_ask(&ledger));
	assert_null(strstr(ledger_answer(&ledger), "\"a\""));
	ledger_release(&ledger);
}

/* A schedule leaves both rankings when its cancellation begins, and its refunds that follow change nothing. */
static void cancelled_schedules_leave(void **state)
{
	(void)state;
	struct ledger ledger;
	begin(&ledger);
	int32_t day = time_utc_day(ledger.view->time);
	create(&ledger, "gone", 2, NONE_TIME);
	confirm(&ledger, "gone", 1, day - 40);
	confirm(&ledger, "gone", 1, day);
	confirm(&ledger, "s1", 1, day);
	FOLD(&ledger, rankings,
	     {.type = EVENT_CONCERT_SCHEDULE_CANCELLING,
	      .concert_schedule_cancelling = {.schedule_id = SLICE("gone"), .reason = SLICE("rain")}});
	assert_int_equal(ledger.code, LL_OK);
	assert_string_equal(popular(&ledger, WINDOW_ALL), "s1=1 ");
	assert_string_equal(popular(&ledger, WINDOW_DAY), "s1=1 ");
	read_sold_out(ledger.view, ORIGIN_FIRST, 10, ledger_ask(&ledger));
	assert_string_equal(ledger_answer(&ledger), "{\"rankings\":[]}");
	cancel(&ledger, "gone", 1, day);
	assert_int_equal(ledger.code, LL_OK);
	FOLD(&ledger, rankings,
	     {.type = EVENT_CONCERT_SCHEDULE_CANCELLED, .concert_schedule_cancelled = {.schedule_id = SLICE("gone")}});
	assert_int_equal(ledger.code, LL_OK);
	assert_string_equal(popular(&ledger, WINDOW_ALL), "s1=1 ");
	ledger_release(&ledger);
}

/* What contradicts the state is poison, with the schedule's name. */
static void contradictions_are_poison(void **state)
{
	(void)state;
	struct ledger ledger;
	begin(&ledger);
	confirm(&ledger, "nowhere", 1, 0);
	assert_int_equal(ledger.code, LL_POISON);
	assert_non_null(strstr(ledger.error.text, "nowhere"));
	confirm(&ledger, "s1", 11, 0);
	assert_int_equal(ledger.code, LL_POISON);
	cancel(&ledger, "s1", 1, 0);
	assert_int_equal(ledger.code, LL_POISON);
	ledger_release(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_begin_where_the_calendar_says),
		cmocka_unit_test(popular_counts_seats),
		cmocka_unit_test(ties_go_to_who_was_first),
		cmocka_unit_test(windows_are_those_of_now),
		cmocka_unit_test(days_end_at_midnight_in_seoul),
		cmocka_unit_test(the_first_sell_out_is_kept),
		cmocka_unit_test(sell_outs_are_ordered),
		cmocka_unit_test(cancelled_schedules_leave),
		cmocka_unit_test(contradictions_are_poison),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
