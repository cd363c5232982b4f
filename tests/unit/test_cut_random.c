/*
 * Cuts of a journal that a writer made by chance: sales, cancellations, refunds, holds, tokens, and all that runs out. At each entry a cut is what a
 * plain fold of so many entries is, row by row: over nothing, over the nearest snapshot, over one far away, and by the long way; and when calls
 * of LMDB fail meanwhile it is that, or an error.
 *
 * The plain fold is one of another journal, of the same entries, each alone in its block: so it never stops within one.
 */
#include "tests/unit/writer_world.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/audit/cut.h"
#include "engine/snapshots/snapshots.h"
#include "projections/store/environment.h"
#include "projections/views/rows.h"
#include "schemas/codes.h"
#include "tests/support/policy_no_change.h"
#include "tests/unit/scratch.h"

enum { ASKS = 400, USERS = 4, SEATS = 6, SCHEDULES = 2, ENTRIES_MAX = 4096 };
enum thing { THING_USE, THING_HOLD, THING_RESERVATION, THING_PAYMENT, THING_TOKEN, THINGS };

#define SHOW (WORLD_TIME + INT64_C(30) * 86400000)

static struct world *world;
static struct {
	uint64_t ids[COMMANDS_MAX];
	unsigned count;
	struct slice user; /* of the last one */
} things[THINGS];
static unsigned noted; /* asks whose answers were looked at */
static uint32_t seat_nos[COMMANDS_MAX][2];
static char tokens[COMMANDS_MAX][24];

/* ---- what is asked ---- */

static struct slice a_user(void)
{
	static const char *const users[USERS] = {"u0", "u1", "u2", "u3"};
	return slice_text(users[draw(world, USERS)]);
}

static struct slice a_schedule(void)
{
	return draw(world, 2) ? SLICE("s0") : SLICE("s1");
}

static uint64_t one_of(enum thing thing)
{
	return things[thing].count ? things[thing].ids[draw(world, things[thing].count)] : 1;
}

static struct ask *new_ask(void)
{
	char id[24];
	snprintf(id, sizeof id, "k%u", world->ask_count);
	return world_new_ask(world, id);
}

static void of_points(struct command *command)
{
	switch (draw(world, 7)) {
	case 0:
	case 1:
		command->type = COMMAND_POINTS_CHARGE;
		command->points_charge = (struct points_charge){a_user(), 1000 * (1 + draw(world, 5)),
								draw(world, 2) ? SOURCE_PAID : SOURCE_BONUS, NONE_TIME};
		break;
	case 2:
		command->type = COMMAND_POINTS_USE;
		command->points_use = (struct points_use){.user_id = a_user(), .amount = 1 + draw(world, 3000)};
		break;
	case 3:
		command->type = COMMAND_POINTS_REFUND;
		command->points_refund =
			(struct points_refund){one_of(THING_USE), draw(world, 2) ? NONE_I64 : 1 + draw(world, 500)};
		break;
	case 4:
		command->type = COMMAND_POINTS_HOLD;
		command->points_hold = (struct points_hold){a_user(), 1 + draw(world, 2000), NONE_U32};
		break;
	case 5:
		command->type = COMMAND_POINTS_CAPTURE;
		command->points_capture = (struct points_capture){one_of(THING_HOLD), NONE_I64};
		break;
	default:
		command->type = COMMAND_POINTS_RELEASE;
		command->points_release.hold_id = one_of(THING_HOLD);
		break;
	}
}

static void of_seats(struct command *command, unsigned number)
{
	uint32_t first = 1 + draw(world, SEATS), count = 1 + (first < SEATS && draw(world, 2));
	const unsigned held = things[THING_RESERVATION].count;
	switch (draw(world, 7)) {
	case 0:
	case 1:
	case 2:
		seat_nos[number][0] = first;
		seat_nos[number][1] = first + 1;
		command->type = COMMAND_RESERVATION_CREATE;
		command->reservation_create = (struct reservation_create){
			.user_id = a_user(), .schedule_id = a_schedule(), .seat_nos = {seat_nos[number], count}};
		break;
	case 3:
	case 4:
		command->type = COMMAND_PAYMENT_CREATE;
		command->payment_create =
			(struct payment_create){held ? things[THING_RESERVATION].ids[held - 1] : 1,
						held ? things[THING_RESERVATION].user : a_user(), NONE_I64};
		break;
	case 5:
		command->type = COMMAND_RESERVATION_CANCEL;
		command->reservation_cancel.reservation_id = one_of(THING_RESERVATION);
		break;
	default:
		command->type = COMMAND_PAYMENT_CANCEL;
		command->payment_cancel.payment_id = one_of(THING_PAYMENT);
		break;
	}
}

static void of_queue(struct command *command, unsigned number)
{
	command->type = COMMAND_QUEUE_ENTER;
	command->queue_enter = (struct queue_enter){a_user(), SLICE("default")};
	if (!things[THING_TOKEN].count || draw(world, 3))
		return;
	snprintf(tokens[number], sizeof tokens[number], "tok-%llu", (unsigned long long)one_of(THING_TOKEN));
	command->type = COMMAND_QUEUE_LEAVE;
	command->queue_leave.queue_token = slice_text(tokens[number]);
}

static void ask_something(void)
{
	struct ask *ask = new_ask();
	struct command *command = &ask->pending.command;
	unsigned number = world->ask_count - 1, kind = draw(world, 10);
	if (kind < 5)
		of_seats(command, number);
	else if (kind < 9)
		of_points(command);
	else
		of_queue(command, number);
	world_submit(world->nodes[0], ask);
}

/* ---- the journal ---- */

static void note_thing(const struct ask *ask)
{
	enum thing thing = THINGS;
	switch (ask->pending.command.type) {
	case COMMAND_POINTS_USE: thing = THING_USE; break;
	case COMMAND_POINTS_HOLD: thing = THING_HOLD; break;
	case COMMAND_RESERVATION_CREATE: thing = THING_RESERVATION; break;
	case COMMAND_PAYMENT_CREATE: thing = THING_PAYMENT; break;
	case COMMAND_QUEUE_ENTER: thing = THING_TOKEN; break;
	default: return;
	}
	if (ask->kind == ANSWER_DECIDED && ask->outcome == OUTCOME_ACCEPTED)
		things[thing].ids[things[thing].count++] = ask->seq;
	if (thing == THING_RESERVATION)
		things[thing].user = ask->pending.command.reservation_create.user_id;
}

static void wait_for_all(void)
{
	for (unsigned i = 0; i < world->ask_count; i++)
		for (unsigned waited = 0; !world->asks[i].answers; waited++) {
			assert_true(waited < 2000);
			world_step(world);
		}
	for (; noted < world->ask_count; noted++)
		note_thing(&world->asks[noted]);
}

static void begin_world(void)
{
	static struct seat seats[SEATS];
	struct ask *ask = new_ask();
	struct policy_change change = policy_no_change();
	change.hold_seconds = 1 + draw(world, 2);
	change.point_hold_seconds = 1 + draw(world, 2);
	change.bonus_expires_seconds = 1 + draw(world, 3);
	change.regrant_expires_seconds = 1 + draw(world, 4);
	change.queue_active_max = 1 + draw(world, 2);
	change.queue_wait_seconds = 1 + draw(world, 3);
	change.queue_active_seconds = 1 + draw(world, 2);
	ask->pending.command = (struct command){.type = COMMAND_POLICY_SET};
	ask->pending.command.policy_set.change = change;
	world_submit(world->nodes[0], ask);
	ask = new_ask();
	ask->pending.command.type = COMMAND_CONCERT_CREATE;
	ask->pending.command.concert_create = (struct concert_create){SLICE("c"), SLICE("C")};
	world_submit(world->nodes[0], ask);
	for (unsigned i = 0; i < SEATS; i++)
		seats[i] = (struct seat){i + 1, SLICE("A"), SLICE("R"), 500 * i};
	for (unsigned i = 0; i < SCHEDULES; i++) {
		ask = new_ask();
		ask->pending.command.type = COMMAND_SCHEDULE_CREATE;
		ask->pending.command.schedule_create =
			(struct schedule_create){.schedule_id = i ? SLICE("s1") : SLICE("s0"),
						 .concert_id = SLICE("c"),
						 .concert_date = SHOW,
						 .booking_opens_at = NONE_TIME,
						 .booking_closes_at = NONE_TIME,
						 .queue_id = SLICE_EMPTY,
						 .seats = {seats, SEATS}};
		world_submit(world->nodes[0], ask);
	}
	wait_for_all();
}

static void make_journal(uint64_t seed)
{
	memset(things, 0, sizeof things);
	noted = 0;
	world = world_leading(seed);
	begin_world();
	while (world->ask_count < ASKS) {
		for (unsigned i = 1 + draw(world, 6); i && world->ask_count < ASKS; i--)
			ask_something();
		wait_for_all();
		if (draw(world, 8) == 0)
			world->now_us += 1000 * draw(world, 2500); /* much runs out */
		world_steps(world, draw(world, 4));
	}
	for (unsigned i = 0; i < THINGS; i++)
		assert_true(things[i].count > 0);
}

/* ---- the other journal, and what is expected ---- */

static uint64_t entries, records;
static int64_t times[ENTRIES_MAX]; /* of the last of so many entries */
/* By how many entries; of rows without offsets, and with them: the other journal has others, so a cut over nothing says these. */
static char (*expected)[2 * HASH_BYTES + 1], (*told)[2 * HASH_BYTES + 1];

struct rows_hash {
	struct hash_stream *stream;
	struct view *view;
	enum table_id table;
};

static bool has_offsets(enum projection_id id)
{
	return id == PROJECTION_RECEIPTS || id == PROJECTION_HISTORY;
}

static bool hash_row(void *context, struct slice key, struct slice value)
{
	struct rows_hash *rows = context;
	struct slice again;
	hash_stream_add(rows->stream, key);
	hash_stream_add(rows->stream, value);
	assert_true(view_get(rows->view, rows->table, key, &again) && slice_equal(again, value));
	return true;
}

/* Of every table that holds no offsets, or does, forwards and backwards, and in a scan each row by its key. */
static void hash_view(struct view *view, bool with_offsets, char text[2 * HASH_BYTES + 1])
{
	struct rows_hash rows = {.stream = hash_stream_new(), .view = view};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct projection_layout *layout = &projection_layouts[id];
		for (unsigned i = 0; i < layout->table_count && has_offsets(id) == with_offsets; i++) {
			rows.table = (enum table_id)(layout->first_table + i);
			for (unsigned backwards = 0; backwards < 2; backwards++)
				view_scan(view, rows.table, SLICE_EMPTY, SLICE_EMPTY, backwards, hash_row, &rows);
		}
	}
	struct hash hash = hash_stream_end(rows.stream);
	hex_text(text, hash.bytes, sizeof hash.bytes);
	assert_int_equal(view->failure.code, LL_OK);
}

struct other {
	struct journal *journal;
	struct journal_appender *appender;
	struct ledger *ledger;
};

static void append_and_fold(struct other *other, struct slice value)
{
	struct journal_report report;
	struct error error;
	enum fold_verdict verdict;
	if (journal_append(other->appender, value, 1, NULL, 0, &error) != LL_OK ||
	    journal_report(other->appender, 1000, &report) != LL_OK ||
	    ledger_fold(other->ledger, ledger_fold_state(other->ledger)->next_offset, value, &verdict, NULL, NULL,
			&error) != LL_OK)
		fail_msg("%s", error.text);
	assert_true(verdict == FOLD_GENESIS || verdict == FOLD_CLAIM || verdict == FOLD_ENTRIES);
}

static void entry_by_entry(struct other *other, const struct block *block, uint64_t offset)
{
	static uint8_t room[BLOCK_BYTES_MAX];
	struct arena arena = {0};
	struct cursor cursor = cursor_over(block->body, &arena);
	for (uint32_t i = 0; i < block->count; i++) {
		const struct fold *fold = ledger_fold_state(other->ledger);
		struct entry entry = {.seq = block->first_seq + i, .offset = offset, .index = i};
		struct block alone = *block;
		const uint8_t *begin = cursor.at;
		cursor.seq = entry.seq;
		assert_true(entry_decode(&cursor, &entry));
		alone.first_seq = entry.seq;
		alone.count = 1;
		alone.chain = hash_slice(&fold->chain);
		alone.body.size = (size_t)(cursor.at - begin);
		memcpy(room + ENVELOPE_SIZE, begin, alone.body.size);
		append_and_fold(other, block_write(room, &alone));
		assert_true(++entries < ENTRIES_MAX);
		times[entries] = ledger_fold_state(other->ledger)->time;
		hash_view(ledger_view(other->ledger), false, expected[entries]);
		ledger_view_reset(other->ledger);
	}
	arena_release(&arena);
}

static void expect_all(void)
{
	struct other other = {0};
	struct journal *journal;
	struct error error;
	struct journal_watermarks marks;
	char directory[64];
	uint64_t count_of_blocks = 0;
	entries = 0;
	expected = calloc(ENTRIES_MAX, sizeof *expected);
	told = calloc(ENTRIES_MAX, sizeof *told);
	assert_int_equal(journal_open(world->url, &(struct journal_options){0}, &journal, &error), LL_OK);
	assert_int_equal(journal_watermarks(journal, &marks, &error), LL_OK);
	assert_int_equal(
		journal_open("memory:other", &(struct journal_options){.create = true}, &other.journal, &error), LL_OK);
	assert_int_equal(journal_appender_open(other.journal, &other.appender, &error), LL_OK);
	other.ledger = world_ledger(directory);
	records = marks.high;
	for (uint64_t offset = 0; offset < marks.high; offset++) {
		uint8_t *bytes;
		size_t size;
		int64_t time_ms;
		struct block block;
		assert_int_equal(journal_read_at(journal, offset, &bytes, &size, &time_ms, &error), LL_OK);
		assert_int_equal(block_read(slice_of(bytes, size), &block, &error), LL_OK);
		if (block.kind == BLOCK_ENTRIES)
			entry_by_entry(&other, &block, offset);
		else
			append_and_fold(&other, slice_of(bytes, size));
		count_of_blocks += block.kind == BLOCK_ENTRIES && block.count > 1;
		if (offset == 0)
			hash_view(ledger_view(other.ledger), false, expected[0]);
		free(bytes);
	}
	assert_true(count_of_blocks > 20);
	journal_appender_close(other.appender);
	ledger_abandon(other.ledger);
	journal_close(other.journal);
	journal_close(journal);
	bench_remove_tree(directory);
}

/* ---- snapshots ---- */

/* Under `root`, after each `step` records; at most `most` of them. They are folded from the writer's journal. */
static void take_snapshots(const char *root, uint64_t step, unsigned most)
{
	char directory[64], paths[PROJECTIONS_COUNT][96], path[SNAPSHOT_PATH_MAX];
	struct ledger *ledger = world_ledger(directory);
	struct journal *journal;
	struct error error;
	const char *directories[PROJECTIONS_COUNT];
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		snprintf(paths[id], sizeof paths[id], "%s/%u", directory, id);
		directories[id] = paths[id];
	}
	assert_int_equal(journal_open(world->url, &(struct journal_options){0}, &journal, &error), LL_OK);
	for (uint64_t end = step; end < records && most; end += step, most--) {
		struct snapshot_manifest manifest;
		struct catch_up how = {.end = end};
		bool was_there;
		if (catch_up(journal, ledger, &how, NULL, &error) != LL_OK || ledger_flush(ledger, &error) != LL_OK ||
		    snapshot_of_ledger(ledger, directories, root, &manifest, path, &was_there, &error) != LL_OK)
			fail_msg("%s", error.text);
	}
	ledger_abandon(ledger);
	journal_close(journal);
	bench_remove_tree(directory);
}

/* ---- the tests ---- */

struct way {
	const char *name, *snapshots;
	size_t bytes_max;
	uint64_t step; /* of entries */
};

/* It comes to lie after so many entries. */
static void point_at(const struct way *way, struct journal *journal, struct cut_point point, uint64_t count)
{
	struct cut_source source = {.journal = journal,
				    .snapshots = way->snapshots,
				    .scratch = scratch,
				    .mask = PROJECTIONS_ALL,
				    .bytes_max = way->bytes_max};
	struct cut *cut = NULL;
	struct error error;
	char found[2 * HASH_BYTES + 1], stories[2 * HASH_BYTES + 1];
	int refused = 0;
	if (cut_open(&source, &point, INT64_MAX, &cut, &refused, &error) != LL_OK)
		fail_msg("%s, %llu entries: %s", way->name, (unsigned long long)count, error.text);
	assert_int_equal(refused, 0);
	assert_int_equal(cut_entries(cut), count);
	for (unsigned twice = 0; twice < 2; twice++) {
		hash_view(cut_view(cut), false, found);
		hash_view(cut_view(cut), true, stories);
		cut_reset(cut);
		if (!*told[count]) /* by who folded all of it */
			memcpy(told[count], stories, sizeof stories);
		if (strcmp(found, expected[count]) != 0 || strcmp(stories, told[count]) != 0)
			fail_msg("%s, %llu entries: other rows than those of a fold", way->name,
				 (unsigned long long)count);
	}
	cut_close(cut);
}

static void cut_at(const struct way *way, struct journal *journal, uint64_t count)
{
	point_at(way, journal, (struct cut_point){.kind = count ? CUT_ENTRY : CUT_START, .entry = count - 1, .time = 0},
		 count);
}

/* Many entries have one time: a moment comes after the last of them, and that of the journal's last entry is not over. */
static void test_every_time(void **state)
{
	struct journal *journal;
	struct error error;
	char root[96];
	uint64_t after = 0, shared = 0;
	(void)state;
	snprintf(root, sizeof root, "%s/near", scratch);
	assert_int_equal(journal_open(world->url, &(struct journal_options){0}, &journal, &error), LL_OK);
	for (uint64_t count = 1; count <= entries; count++) {
		struct cut_point point = {.kind = CUT_TIME, .time = times[count]};
		for (after = count; after < entries && times[after + 1] == times[count];)
			after++;
		shared += after > count;
		if (after < entries) {
			point_at(&(struct way){"at a time, over the nearest", root, 0, 1}, journal, point, after);
			point.time = times[after + 1] - 1; /* the latest moment that comes to the same */
			point_at(&(struct way){"at a time, over nothing", NULL, 0, 1}, journal, point, after);
		}
	}
	assert_true(shared > 50);
	struct cut_source source = {.journal = journal, .snapshots = root, .scratch = scratch, .mask = PROJECTIONS_ALL};
	struct cut_point last = {.kind = CUT_TIME, .time = times[entries]};
	struct cut *cut = NULL;
	int refused = 0;
	assert_int_equal(cut_open(&source, &last, INT64_MAX, &cut, &refused, &error), LL_OK);
	assert_int_equal(refused, CODE_CUT_NOT_FINAL);
	journal_close(journal);
}

/* Nothing stays behind in the directory for work. */
static void test_every_entry(void **state)
{
	struct journal *journal;
	struct error error;
	char near[96], far[96];
	snprintf(near, sizeof near, "%s/near", scratch);
	snprintf(far, sizeof far, "%s/far", scratch);
	(void)state;
	take_snapshots(near, 11, 1000);
	take_snapshots(far, 5, 1);
	const struct way ways[] = {{"over nothing", NULL, 0, 1},
				   {"over the nearest", near, 0, 1},
				   {"over one far away", far, 0, 3},
				   {"through a directory", NULL, 1, 61},
				   {"through a copy of the nearest", near, 1, 61}};
	assert_int_equal(journal_open(world->url, &(struct journal_options){0}, &journal, &error), LL_OK);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		for (uint64_t count = 0; count <= entries; count += ways[i].step)
			cut_at(&ways[i], journal, count);
	DIR *directory = opendir(scratch);
	for (struct dirent *one; (one = readdir(directory));)
		assert_true(strncmp(one->d_name, "cut-", 4) != 0);
	closedir(directory);
	journal_close(journal);
}

/* What a process that was killed left of a long way is removed by the next one, also when it had several under way. */
static void test_left_by_another(void **state)
{
	struct journal *journal;
	struct error error;
	char left[96];
	int status;
	pid_t gone_by = fork();
	(void)state;
	if (gone_by == 0)
		_exit(0);
	assert_int_equal(waitpid(gone_by, &status, 0), gone_by);
	snprintf(left, sizeof left, "%s/cut-3.%d", scratch, (int)gone_by);
	assert_int_equal(mkdir(left, 0770), 0);
	assert_int_equal(journal_open(world->url, &(struct journal_options){0}, &journal, &error), LL_OK);
	cut_at(&(struct way){"through a directory", NULL, 1, 1}, journal, entries);
	assert_int_equal(access(left, F_OK), -1);
	journal_close(journal);
}

static long calls, fail_at, injected;
static bool for_ever;

static int fail_call(const char *call)
{
	(void)call;
	if (!(++calls == fail_at || (for_ever && calls > fail_at)))
		return 0;
	injected++;
	return -30796; /* MDB_CORRUPTED */
}

/* Opens a cut and reads all of it while a call fails. LL_OK: it is right. */
static enum ll_code cut_with_faults(const struct cut_source *source, uint64_t count, char digest[DIGEST_TEXT_SIZE + 1])
{
	struct cut_point point = {.kind = CUT_ENTRY, .entry = count - 1};
	struct cut *cut = NULL;
	struct error error = {.text = ""};
	int refused = 0;
	calls = injected = 0;
	environment_fault_set(fail_call);
	enum ll_code code = cut_open(source, &point, INT64_MAX, &cut, &refused, &error);
	if (code == LL_OK) {
		assert_int_equal(refused, 0);
		assert_int_equal(cut_entries(cut), count);
		code = cut_digest(cut, digest, &error);
	}
	environment_fault_set(NULL);
	cut_close(cut);
	if (code != LL_OK)
		assert_true(*error.text && code != LL_POISON && code != LL_DIVERGED);
	return code;
}

/* The N-th call of LMDB fails, once and from then on, while a cut is opened over a snapshot and all of it is read. */
static void test_faults(void **state)
{
	struct journal *journal;
	struct error error;
	char root[96], wanted[DIGEST_TEXT_SIZE + 1], found[DIGEST_TEXT_SIZE + 1];
	long points = 0, right = 0, step = getenv("LEDGERLINE_FAULTS") ? 1 : 7;
	(void)state;
	snprintf(root, sizeof root, "%s/faults", scratch);
	take_snapshots(root, records * 2 / 3, 1);
	assert_int_equal(journal_open(world->url, &(struct journal_options){0}, &journal, &error), LL_OK);
	struct cut_source source = {.journal = journal, .snapshots = root, .scratch = scratch, .mask = PROJECTIONS_ALL};
	fail_at = 0;
	assert_int_equal(cut_with_faults(&source, entries - 3, wanted), LL_OK);
	for (int ever = 0; ever < 2; ever++)
		for (fail_at = 1;; fail_at += step) {
			for_ever = ever;
			enum ll_code code = cut_with_faults(&source, entries - 3, found);
			if (code == LL_OK)
				assert_string_equal(found, wanted);
			right += code == LL_OK && injected;
			points += injected > 0;
			if (!injected)
				break;
		}
	print_message("%ld points, %ld of them without effect, 0 wrong\n", points, right);
	assert_true(points > right);
	journal_close(journal);
}

/* The snapshot that was found goes away before it is opened, as when it is thinned out: the one before it is begun at. */
static char going[96], gone[96];

static int take_it_away(const char *call)
{
	if (strcmp(call, "mdb_env_create") == 0 && *going) {
		assert_int_equal(rename(going, gone), 0);
		*going = 0;
	}
	return 0;
}

static void test_thinned_meanwhile(void **state)
{
	struct journal *journal;
	struct error error;
	struct snapshot_manifest newest;
	char root[96], path[SNAPSHOT_PATH_MAX];
	(void)state;
	snprintf(root, sizeof root, "%s/thinned", scratch);
	take_snapshots(root, records / 3, 2);
	assert_int_equal(snapshot_newest(root, &newest, path, &error), LL_OK);
	snprintf(going, sizeof going, "%s", path);
	snprintf(gone, sizeof gone, "%s/deleting", root);
	assert_int_equal(journal_open(world->url, &(struct journal_options){0}, &journal, &error), LL_OK);
	environment_fault_set(take_it_away);
	cut_at(&(struct way){"over one that goes away", root, 0, 1}, journal, entries);
	environment_fault_set(NULL);
	assert_int_equal(*going, 0);
	journal_close(journal);
}

static int set_up(void **state)
{
	const char *seed = getenv("LEDGERLINE_SEED");
	if (scratch_make(state) != 0)
		return -1;
	make_journal(seed ? strtoull(seed, NULL, 10) : 11);
	expect_all();
	print_message("%llu entries in %llu records\n", (unsigned long long)entries, (unsigned long long)records);
	return 0;
}

static int tear_down(void **state)
{
	free(expected);
	free(told);
	world_free(world);
	return scratch_remove(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_entry), cmocka_unit_test(test_every_time),
					   cmocka_unit_test(test_left_by_another), cmocka_unit_test(test_faults),
					   cmocka_unit_test(test_thinned_meanwhile)};
	return cmocka_run_group_tests_name("cuts of a journal made by chance", tests, set_up, tear_down);
}
