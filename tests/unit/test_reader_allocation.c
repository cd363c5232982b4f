/*
 * libledgerline: a read of one thing takes no memory, and neither does pinning anew.
 *
 * Every malloc of the process is counted, those of LMDB included: by this program's own malloc in front of the C library's, or,
 * under a sanitizer that has its own, by its hooks.
 */
#include "tests/unit/reader_world.h"

static uint64_t taken; /* pieces of memory, by any thread; atomic */

static void count_one(void)
{
	__atomic_add_fetch(&taken, 1, __ATOMIC_RELAXED);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *at, size_t size)
{
	(void)at, (void)size;
	count_one();
}

static void on_free(const volatile void *at)
{
	(void)at;
}

static void begin_to_count(void)
{
	assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
}
#else
/* The C library's own, behind these. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);

void *malloc(size_t size)
{
	count_one();
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	count_one();
	return __libc_calloc(count, size);
}

void *realloc(void *at, size_t size)
{
	count_one();
	return __libc_realloc(at, size);
}

static void begin_to_count(void)
{
}
#endif

static uint64_t taken_now(void)
{
	return __atomic_load_n(&taken, __ATOMIC_RELAXED);
}

static void fill(struct data *data)
{
	static uint32_t seat_nos[500];
	struct reservations_row reservation = {.user_id = SLICE("ann"),
					       .schedule_id = SLICE("s1"),
					       .concert_id = SLICE("c1"),
					       .seat_nos = {seat_nos, 500},
					       .status = RESERVATION_STATUS_HELD,
					       .payment_id = NONE_U64,
					       .confirmed_day = NONE_DAY};
	struct short_hash hash = short_hash_of(SLICE("pay-it"));
	put_balance(data, "ann", 100);
	concerts_put(&data->live, concerts_key(SLICE("c1")), &(struct concerts_row){.title = SLICE("Spring")});
	schedules_put(&data->live, schedules_key(SLICE("s1")),
		      &(struct schedules_row){.concert_id = SLICE("c1"), .status = SCHEDULE_STATUS_OPEN});
	reservations_put(&data->live, reservations_key(5), &reservation);
	payments_put(&data->live, payments_key(6),
		     &(struct payments_row){.reservation_id = 5,
					    .user_id = SLICE("ann"),
					    .status = PAYMENT_STATUS_SUCCESS,
					    .use_id = NONE_U64});
	queues_put(&data->live, queues_key(SLICE("door")), &(struct queues_row){.rate_before = NONE_U32});
	receipts_put(&data->live, receipts_key(short_hash_slice(&hash)),
		     &(struct receipts_row){.seq = 9, .command_hash = SLICE("0123456789abcdef")});
}

/* The number of calls that were not as they should be. */
static unsigned read_everything(struct ll_reader *reader)
{
	struct ll_position position;
	struct ll_balance balance;
	struct ll_totals totals;
	struct ll_concert concert;
	struct ll_schedule schedule;
	struct ll_reservation reservation;
	struct ll_payment payment;
	struct ll_seat_totals seats;
	struct ll_queue queue;
	struct ll_receipt receipt;
	const enum ll_result results[] = {
		ll_pin(reader),
		ll_read_position(reader, &position),
		ll_read_balance(reader, "ann", &balance),
		ll_read_totals(reader, &totals),
		ll_read_concert(reader, "c1", &concert),
		ll_read_schedule(reader, "s1", &schedule),
		ll_read_reservation(reader, "reservation-5", &reservation),
		ll_read_payment(reader, "payment-6", &payment),
		ll_read_seat_totals(reader, &seats),
		ll_read_queue(reader, "door", &queue),
		ll_read_receipt(reader, "pay-it", &receipt),
		ll_wait(reader, 3, 0),
	};
	unsigned wrong = 0;
	for (size_t i = 0; i < sizeof results / sizeof *results; i++)
		wrong += results[i] != LL_DONE;
	wrong += ll_read_balance(reader, "nobody", &balance) != LL_ABSENT;
	wrong += ll_wait(reader, 1000, 0) != LL_TRY_AGAIN;
	return wrong;
}

static void nothing_is_taken(void **state)
{
	(void)state;
	struct data data;
	data_init(&data);
	fill(&data);
	flush(&data, 3);
	struct ll_reader *reader = open_reader(&data);
	assert_int_equal(ll_pin(reader), LL_DONE); /* takes a slot, and memory for it */
	ll_unpin(reader);
	begin_to_count();
	uint64_t before = taken_now();
	void *volatile piece = malloc(1);
	free(piece);
	assert_true(taken_now() > before); /* it does count */
	before = taken_now();
	unsigned wrong = 0;
	for (int i = 0; i < 100; i++)
		wrong += read_everything(reader);
	uint64_t after = taken_now();
	assert_int_equal(wrong, 0);
	assert_int_equal(after - before, 0);
	ll_close(reader);
	data_release(&data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_taken)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
