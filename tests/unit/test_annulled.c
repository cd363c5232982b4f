/*
 * Annulled entries: a fold that begins before the poison and one that begins after the annulment end in the same state, whatever the
 * poison is and whoever has folded how far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/audit/cut.h"
#include "engine/audit/replay.h"
#include "engine/audit/walk.h"
#include "engine/data/annulled.h"
#include "engine/data/catch_up.h"
#include "engine/data/operator_entry.h"
#include "engine/journal/memory.h"
#include "engine/snapshots/snapshots.h"
#include "projections/views/rows.h"
#include "tests/unit/scratch.h"

enum { ENTRIES = 40, BAD = 21, ROOM = 64 * 1024 };

static struct journal *journal;
static struct fold at_end; /* where the journal ends */
static uint8_t room[ROOM];
static unsigned directories;

/* ---- a journal with poison in it ---- */

enum kind { WRONG_BALANCE, UNKNOWN_VERSION, LEFT_OVER, KINDS };

static struct event charge(unsigned user, int64_t balance_after)
{
	static char names[8][8];
	struct event event = {.type = EVENT_POINT_CHARGED, .version = event_info(EVENT_POINT_CHARGED)->version};
	snprintf(names[user % 8], sizeof names[0], "user-%u", user % 8);
	event.point_charged = (struct point_charged){.user_id = slice_text(names[user % 8]),
						     .amount = 10,
						     .source = SOURCE_PAID,
						     .balance_after = balance_after,
						     .available_after = balance_after};
	return event;
}

static void encode(struct packer *p, unsigned i, struct event event)
{
	char id[16];
	struct short_hash hash = {{(uint8_t)i}};
	snprintf(id, sizeof id, "charge-%u", i);
	struct entry entry = {.events = &event, .event_count = 1};
	entry.head = (struct entry_head){.outcome = OUTCOME_ACCEPTED,
					 .command_id = slice_text(id),
					 .command_hash = short_hash_slice(&hash),
					 .actor_type = ACTOR_TYPE_USER,
					 .actor_id = SLICE("ann"),
					 .command = COMMAND_POINTS_CHARGE,
					 .policy = 1};
	entry_encode(p, &entry);
}

static void append(struct slice value)
{
	struct journal_appender *appender;
	struct journal_report report;
	struct error error;
	enum fold_verdict verdict;
	struct block block;
	assert_int_equal(journal_appender_open(journal, &appender, &error), LL_OK);
	assert_int_equal(journal_append(appender, value, 1, NULL, 0, &error), LL_OK);
	assert_int_equal(journal_report(appender, 1000, &report), LL_OK);
	assert_int_equal(report.code, LL_OK);
	journal_appender_close(appender);
	if (fold_record(&at_end, at_end.next_offset, value, &verdict, &block, &error) != LL_OK)
		fail_msg("%s", error.text);
}

/* Each user is charged ten at a time. Entry `bad` (UINT_MAX: none) of the block is one that cannot be folded; the balances of those
 * behind it are as if it were not there. */
static void append_block(unsigned first, unsigned count, unsigned bad, enum kind kind)
{
	static int64_t balances[8];
	struct packer p = packer_over(room + ENVELOPE_SIZE, sizeof room - ENVELOPE_SIZE);
	if (first == 0)
		memset(balances, 0, sizeof balances);
	for (unsigned i = first; i < first + count; i++) {
		bool is_bad = i == bad;
		struct event event = charge(i, is_bad ? 5 : (balances[i % 8] += 10));
		event.point_charged.lot_id = (at_end.next_seq + i - first) << 16;
		encode(&p, i, event);
		if (is_bad && kind == UNKNOWN_VERSION)
			p.at[-1] = 0xc1; /* no msgpack at all */
		if (is_bad && kind == LEFT_OVER)
			*p.at++ = 0xc0;
	}
	struct block block = {.kind = BLOCK_ENTRIES,
			      .ledger = slice_of(at_end.ledger, sizeof at_end.ledger),
			      .count = count,
			      .epoch = at_end.epoch,
			      .first_seq = at_end.next_seq,
			      .time = 1000 + first,
			      .chain = hash_slice(&at_end.chain)};
	block.body.size = (size_t)(p.at - room) - ENVELOPE_SIZE;
	append(block_write(room, &block));
}

static void append_claim(void)
{
	struct claim_body body = {SLICE("0123456789abcdef"), SLICE_EMPTY, SLICE("0.1.0"), BLOCK_FORMAT};
	append(block_write_claim(room, slice_of(at_end.ledger, sizeof at_end.ledger), 1000, at_end.epoch + 1,
				 at_end.next_seq, &body));
}

/* genesis, claim, four blocks of ten entries: offset 4 has entries 20..29, of which one is bad. */
static void make_journal(enum kind kind)
{
	struct journal_options options = {.create = true};
	struct error error;
	uint8_t *bytes;
	size_t size;
	int64_t time_ms;
	enum fold_verdict verdict;
	struct block block;
	unsigned bad = kind == LEFT_OVER ? 29 : BAD;
	assert_int_equal(journal_open("memory:annulled", &options, &journal, &error), LL_OK);
	assert_int_equal(write_genesis(journal, "tests", 1, &error), LL_OK);
	assert_int_equal(journal_read_at(journal, 0, &bytes, &size, &time_ms, &error), LL_OK);
	at_end = (struct fold){.begun = false};
	assert_int_equal(fold_record(&at_end, 0, slice_of(bytes, size), &verdict, &block, &error), LL_OK);
	free(bytes);
	append_claim();
	append_block(0, 10, UINT32_MAX, kind);
	append_block(10, 10, UINT32_MAX, kind);
	if (kind == UNKNOWN_VERSION) /* what follows it in its block cannot be read either */
		append_block(20, 2, bad, kind);
	else
		append_block(20, 10, bad, kind);
	append_block(30, 10, UINT32_MAX, kind);
}

static uint64_t annul(uint64_t offset, uint32_t index)
{
	struct event event = {.type = EVENT_ANNULLED, .version = event_info(EVENT_ANNULLED)->version};
	struct error error;
	uint64_t by = 0;
	event.annulled =
		(struct annulled){.offset = offset, .reason = SLICE("a bug"), .approver = SLICE("kim"), .index = index};
	if (operator_entry_append(journal, &at_end, &event, &by, &error) != LL_OK)
		fail_msg("%s", error.text);
	return by;
}

static int set_up(void **state)
{
	directories = 0;
	return scratch_make(state);
}

static int tear_down(void **state)
{
	journal_close(journal);
	journal = NULL;
	memory_journal_forget_all();
	return scratch_remove(state);
}

/* ---- ledgers ---- */

struct place {
	char paths[PROJECTIONS_COUNT][96];
};

static struct place new_place(void)
{
	struct place place;
	directories++;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		snprintf(place.paths[id], sizeof place.paths[id], "%s/%u-%u", scratch, directories, id);
	return place;
}

static enum ll_code open_at(const struct place *place, const struct annulments *annulled, struct ledger **ledger,
			    enum projection_id *which, struct error *error)
{
	struct ledger_options options = {.create = true, .clean_bytes_max = 1 << 20, .annulled = annulled};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		options.directories[id] = place->paths[id];
	return ledger_open(&options, ledger, which, error);
}

static struct ledger *opened(const struct place *place, const struct annulments *annulled)
{
	struct ledger *ledger;
	struct error error;
	if (open_at(place, annulled, &ledger, NULL, &error) != LL_OK)
		fail_msg("%s", error.text);
	return ledger;
}

static void close_ledger(struct ledger *ledger)
{
	struct error error;
	if (ledger_close(ledger, &error) != LL_OK)
		fail_msg("%s", error.text);
}

static void digest_of(struct ledger *ledger, char digest[DIGEST_TEXT_SIZE + 1])
{
	struct error error;
	if (digest_of_view(ledger_view(ledger), digest, &error) != LL_OK)
		fail_msg("%s", error.text);
	ledger_view_reset(ledger);
}

/* Folds from 0 into a new place, beginning anew as often as the journal asks for it. */
static struct ledger *fold_anew(char digest[DIGEST_TEXT_SIZE + 1], unsigned *rounds)
{
	struct annulments annulled = {.count = 0};
	struct catch_up how = {.end = UINT64_MAX, .annulled = &annulled};
	struct error error;
	*rounds = 0;
	for (;;) {
		struct place place = new_place();
		size_t known = annulled.count;
		struct ledger *ledger = opened(&place, annulled.count ? &annulled : NULL);
		enum ll_code code = catch_up(journal, ledger, &how, NULL, &error);
		++*rounds;
		if (!catch_up_found_more(&how, code, known)) {
			annulments_release(&annulled);
			if (code != LL_OK)
				fail_msg("%s", error.text);
			digest_of(ledger, digest);
			return ledger;
		}
		ledger_abandon(ledger);
	}
}

/* ---- the tests ---- */

/* Poison stops the projections with the position of the entry; once that is annulled a fold from 0 goes through, twice to the same
 * state, in which the entry has left no trace and its neighbours are as they were. */
static void test_every_kind(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		make_journal(kind);
		uint64_t bad = kind == LEFT_OVER ? 29 : BAD;
		struct place place = new_place();
		struct ledger *ledger = opened(&place, NULL);
		struct catch_up how = {.end = UINT64_MAX};
		struct error error;
		struct poison poison;
		char first[DIGEST_TEXT_SIZE + 1], again[DIGEST_TEXT_SIZE + 1], sentence[32];
		unsigned rounds;
		assert_int_equal(catch_up(journal, ledger, &how, NULL, &error), LL_POISON);
		snprintf(sentence, sizeof sentence, "position 0:%u", (unsigned)bad);
		assert_non_null(strstr(error.text, sentence));
		assert_true(ledger_poison(ledger, PROJECTION_BALANCES, &poison));
		assert_int_equal(poison.offset, 4);
		assert_int_equal(poison.seq, bad);
		ledger_abandon(ledger);

		annul(poison.offset, poison.index);
		close_ledger(fold_anew(first, &rounds));
		assert_int_equal(rounds, 2);
		ledger = fold_anew(again, &rounds);
		assert_string_equal(first, again);
		struct receipts_row receipt;
		struct short_hash hash = short_hash_of(kind == LEFT_OVER ? SLICE("charge-29") : SLICE("charge-21"));
		assert_false(receipts_get(ledger_view(ledger), receipts_key(short_hash_slice(&hash)), &receipt));
		hash = short_hash_of(SLICE("charge-20"));
		assert_true(receipts_get(ledger_view(ledger), receipts_key(short_hash_slice(&hash)), &receipt));
		assert_true(slice_equal(hash_slice(&ledger_fold_state(ledger)->chain), hash_slice(&at_end.chain)));
		assert_int_equal(ledger_fold_state(ledger)->ahead.count, 0);
		close_ledger(ledger);
		journal_close(journal);
		journal = NULL;
		memory_journal_forget_all();
	}
}

/* Without an annulment of that very entry poison stays poison. */
static void test_another_entry(void **state)
{
	(void)state;
	make_journal(WRONG_BALANCE);
	annul(4, 2);
	struct place place = new_place();
	struct ledger *ledger;
	struct annulments annulled = {.count = 0};
	struct catch_up how = {.end = UINT64_MAX, .annulled = &annulled};
	struct error error;
	ledger = opened(&place, NULL);
	assert_int_equal(catch_up(journal, ledger, &how, NULL, &error),
			 LL_UNTRUSTED); /* 0:22 is to be left out, at any rate */
	ledger_abandon(ledger);
	place = new_place();
	ledger = opened(&place, &annulled);
	assert_int_equal(catch_up(journal, ledger, &how, NULL, &error), LL_POISON);
	ledger_abandon(ledger);
	annulments_release(&annulled);
}

/* Whole blocks can be annulled, as version 1 of the event said it: here the poisonous one, and the one that builds on it. */
static void test_whole_block(void **state)
{
	(void)state;
	char digest[DIGEST_TEXT_SIZE + 1];
	unsigned rounds;
	struct receipts_row receipt;
	make_journal(UNKNOWN_VERSION);
	annul(4, ANNULMENT_WHOLE_BLOCK);
	annul(5, ANNULMENT_WHOLE_BLOCK);
	struct ledger *ledger = fold_anew(digest, &rounds);
	struct short_hash hash = short_hash_of(SLICE("charge-20"));
	assert_false(receipts_get(ledger_view(ledger), receipts_key(short_hash_slice(&hash)), &receipt));
	ledger_abandon(ledger);
}

/* A ledger that runs meets the annulment of what it has folded: it stops, and its directories are refused by who knows of it. Other
 * directories, which stand before the entry, are good. */
static void test_met_while_running(void **state)
{
	(void)state;
	struct error error;
	enum projection_id which = PROJECTIONS_COUNT;
	struct annulments annulled = {.count = 0};
	struct catch_up how = {.end = 4, .annulled = &annulled};
	make_journal(WRONG_BALANCE);
	struct place before = new_place(), behind = new_place();
	struct ledger *ledger = opened(&before, NULL);
	assert_int_equal(catch_up(journal, ledger, &how, NULL, &error), LL_OK);
	close_ledger(ledger);

	/* One that does not hold the balances folds the entry: nothing is wrong with it for receipts. */
	struct ledger_options options = {.create = true, .clean_bytes_max = 1 << 20};
	options.directories[PROJECTION_RECEIPTS] = behind.paths[PROJECTION_RECEIPTS];
	assert_int_equal(ledger_open(&options, &ledger, NULL, &error), LL_OK);
	how.end = UINT64_MAX;
	assert_int_equal(catch_up(journal, ledger, &how, NULL, &error), LL_OK);
	assert_int_equal(ledger_flush(ledger, &error), LL_OK);
	annul(4, 1);
	assert_int_equal(catch_up(journal, ledger, &how, NULL, &error), LL_UNTRUSTED);
	assert_true(catch_up_found_more(&how, LL_UNTRUSTED, 0));
	ledger_abandon(ledger);

	options.annulled = &annulled;
	options.create = false;
	assert_int_not_equal(ledger_open(&options, &ledger, &which, &error), LL_OK);
	assert_int_equal(error.code, LL_UNTRUSTED);
	assert_int_equal(which, PROJECTION_RECEIPTS);

	ledger = opened(&before, &annulled);
	if (catch_up(journal, ledger, &how, NULL, &error) != LL_OK)
		fail_msg("%s", error.text);
	close_ledger(ledger);
	annulments_release(&annulled);
}

/* A ledger that was closed between the entry that it left out and the annulment looks ahead when it goes on, and so does one that was
 * folded by record. */
static void test_closed_in_between(void **state)
{
	(void)state;
	struct error error;
	char digest[DIGEST_TEXT_SIZE + 1], again[DIGEST_TEXT_SIZE + 1];
	unsigned rounds;
	make_journal(WRONG_BALANCE);
	annul(4, 1);
	close_ledger(fold_anew(digest, &rounds));

	struct annulments annulled = {.count = 0};
	struct catch_up how = {.end = 6, .annulled = &annulled};
	(void)annulments_add(&annulled, (struct annulment){4, 1, 7});
	struct place place = new_place();
	struct ledger *ledger = opened(&place, &annulled);
	assert_int_equal(catch_up(journal, ledger, &how, NULL, &error), LL_OK);
	assert_int_equal(ledger_fold_state(ledger)->ahead.count, 1);
	close_ledger(ledger);

	annulments_release(&annulled);
	ledger = opened(&place, NULL);
	assert_true(ledger_leans_on_annulments(ledger));
	how.end = UINT64_MAX;
	if (catch_up(journal, ledger, &how, NULL, &error) != LL_OK)
		fail_msg("%s", error.text);
	digest_of(ledger, again);
	assert_string_equal(digest, again);
	close_ledger(ledger);
	annulments_release(&annulled);
}

/* An annulment that goes away with the log's end leaves directories behind that say so. */
static void test_annulment_is_gone(void **state)
{
	(void)state;
	struct error error;
	struct annulments annulled = {.count = 0}, none = {.count = 0};
	struct catch_up how = {.end = 6};
	make_journal(WRONG_BALANCE);
	(void)annulments_add(&annulled, (struct annulment){4, 1, 7});
	struct place place = new_place();
	struct ledger *ledger = opened(&place, &annulled);
	assert_int_equal(catch_up(journal, ledger, &how, NULL, &error), LL_OK);
	close_ledger(ledger);
	assert_int_equal(open_at(&place, &none, &ledger, NULL, &error), LL_UNTRUSTED);
	annulments_release(&annulled);
}

/* An annulment by a writer that was deposed, one that shares its block, and one of a block that is not before it: all nothing. */
static void test_what_annuls_nothing(void **state)
{
	(void)state;
	struct error error;
	struct annulments found = {.count = 0};
	struct fold from = {.begun = false};
	make_journal(WRONG_BALANCE);
	struct fold zombie = at_end;
	append_claim();
	struct fold now = at_end;
	at_end = zombie;
	at_end.next_offset = now.next_offset;
	struct event event = {.type = EVENT_ANNULLED, .version = 2};
	event.annulled = (struct annulled){.offset = 4, .reason = SLICE("x"), .approver = SLICE("x"), .index = 1};
	struct packer p = packer_over(room + ENVELOPE_SIZE, sizeof room - ENVELOPE_SIZE);
	struct entry entry = {.events = &event, .event_count = 1};
	entry.head = (struct entry_head){.outcome = OUTCOME_SYSTEM, .actor_type = ACTOR_TYPE_ADMIN};
	entry_encode(&p, &entry);
	struct block block = {.kind = BLOCK_ENTRIES,
			      .ledger = slice_of(at_end.ledger, sizeof at_end.ledger),
			      .count = 1,
			      .epoch = zombie.epoch,
			      .first_seq = zombie.next_seq,
			      .time = 2000,
			      .chain = hash_slice(&zombie.chain)};
	block.body.size = (size_t)(p.at - room) - ENVELOPE_SIZE;
	append(block_write(room, &block));
	at_end = now;
	at_end.next_offset++;
	entry_encode(&p, &entry);
	block.count = 2;
	block.epoch = now.epoch;
	block.chain = hash_slice(&now.chain);
	block.body.size = (size_t)(p.at - room) - ENVELOPE_SIZE;
	append(block_write(room, &block));
	annul(at_end.next_offset + 5, 0);
	assert_int_equal(annulled_find(journal, &from, &found, &error), LL_OK);
	assert_int_equal(found.count, 0);
	annulments_release(&found);

	struct place place = new_place();
	struct ledger_options options = {.create = true, .clean_bytes_max = 1 << 20};
	struct catch_up how = {.end = UINT64_MAX};
	struct ledger *ledger;
	options.directories[PROJECTION_RECEIPTS] = place.paths[PROJECTION_RECEIPTS];
	assert_int_equal(ledger_open(&options, &ledger, NULL, &error), LL_OK);
	if (catch_up(journal, ledger, &how, NULL, &error) != LL_OK)
		fail_msg("%s", error.text);
	close_ledger(ledger);
}

/* A replay, which verify and rebuild are made of, empties its directories and goes through. */
static void test_replay(void **state)
{
	(void)state;
	struct error error;
	make_journal(UNKNOWN_VERSION);
	annul(4, 1);
	struct place place = new_place();
	struct replay replay = {.journal = journal, .mask = PROJECTIONS_ALL};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		snprintf(replay.directories[id], sizeof replay.directories[id], "%s", place.paths[id]);
	if (replay_open(&replay, &error) != LL_OK || replay_to(&replay, UINT64_MAX, &error) != LL_OK)
		fail_msg("%s", error.text);
	assert_int_equal(replay.annulled.count, 1);
	if (replay_close(&replay, &error) != LL_OK)
		fail_msg("%s", error.text);

	struct walk walk = {.end = UINT64_MAX, .decode = true};
	struct fold fold = {.begun = false};
	if (walk_journal(journal, &walk, &fold, &error) != LL_OK)
		fail_msg("%s", error.text);
}

/* A cut looks ahead like a replay: before and behind the entry, and inside its block. What is not annulled stays poison. */
static void test_cuts(void **state)
{
	struct cut_source source = {.scratch = scratch, .mask = PROJECTIONS_ALL};
	struct error error;
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		char folded[DIGEST_TEXT_SIZE + 1], cut_digest[DIGEST_TEXT_SIZE + 1];
		unsigned rounds;
		uint32_t index = kind == LEFT_OVER ? 9 : 1;
		struct cut_point points[] = {{.kind = CUT_ENTRY, .entry = 20},
					     {.kind = CUT_ENTRY, .entry = 20 + index},
					     {.kind = CUT_TIME, .time = 1020},
					     {.kind = CUT_LATEST}};
		struct cut *cut = NULL;
		int refused = 0;
		make_journal(kind);
		source.journal = journal;
		assert_int_equal(cut_open(&source, &points[3], INT64_MAX, &cut, &refused, &error), LL_POISON);
		annul(4, index);
		close_ledger(fold_anew(folded, &rounds));
		for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
			if (cut_open(&source, &points[i], INT64_MAX, &cut, &refused, &error) != LL_OK)
				fail_msg("%s", error.text);
			assert_int_equal(refused, 0);
			if (points[i].kind == CUT_ENTRY)
				assert_int_equal(cut_entries(cut), points[i].entry + 1);
			if (points[i].kind == CUT_LATEST) {
				assert_int_equal(digest_of_view(cut_view(cut), cut_digest, &error), LL_OK);
				assert_string_equal(cut_digest, folded);
			}
			cut_close(cut);
		}
		journal_close(journal);
		journal = NULL;
		memory_journal_forget_all();
	}
}

/* Under `root`, at each place of the journal that a snapshot may be taken at, by a ledger that knows what is annulled. */
static void take_snapshots(const char *root, const struct annulments *annulled, uint64_t end)
{
	struct place place = new_place();
	struct ledger *ledger = opened(&place, annulled && annulled->count ? annulled : NULL);
	const char *places[PROJECTIONS_COUNT];
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		places[id] = place.paths[id];
	for (uint64_t offset = 2; offset < end; offset++) {
		struct snapshot_manifest manifest;
		struct catch_up how = {.end = offset + 1};
		struct error error;
		char path[SNAPSHOT_PATH_MAX];
		bool was_there;
		if (catch_up(journal, ledger, &how, NULL, &error) != LL_OK || ledger_flush(ledger, &error) != LL_OK ||
		    snapshot_of_ledger(ledger, places, root, &manifest, path, &was_there, &error) != LL_OK)
			fail_msg("%s", error.text);
	}
	close_ledger(ledger);
}

static void digest_at(struct cut_source *source, const char *snapshots, size_t bytes_max, uint64_t seq,
		      char digest[DIGEST_TEXT_SIZE + 1])
{
	struct cut_point point = {.kind = CUT_ENTRY, .entry = seq};
	struct cut *cut = NULL;
	struct error error;
	int refused = 0;
	source->snapshots = snapshots;
	source->bytes_max = bytes_max;
	if (cut_open(source, &point, INT64_MAX, &cut, &refused, &error) != LL_OK ||
	    cut_digest(cut, digest, &error) != LL_OK)
		fail_msg("0:%u over %s: %s", (unsigned)seq, snapshots ? snapshots : "nothing", error.text);
	assert_int_equal(refused, 0);
	assert_int_equal(cut_entries(cut), seq + 1);
	cut_close(cut);
}

/* At each entry every way to a cut comes to the same: over nothing, through a directory, over snapshots that were taken before the poison, or after it
 * without it, or between it and an annulment when another one was not there yet. */
static void test_cuts_over_snapshots(void **state)
{
	char roots[3][96];
	struct error error;
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		snprintf(roots[i], sizeof roots[i], "%s/snapshots-%u", scratch, i);
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct annulments annulled = {.count = 0};
		const struct fold beginning = {.begun = false};
		struct cut_source source = {.scratch = scratch, .mask = PROJECTIONS_ALL};
		make_journal(kind);
		source.journal = journal;
		take_snapshots(roots[0], NULL, 4);
		annul(4, kind == LEFT_OVER ? 9 : 1);
		assert_int_equal(annulled_find(journal, &beginning, &annulled, &error), LL_OK);
		take_snapshots(roots[1], &annulled, 6);
		annul(5, 3);
		assert_int_equal(annulled_find(journal, &beginning, &annulled, &error), LL_OK);
		take_snapshots(roots[2], &annulled, at_end.next_offset);
		for (uint64_t seq = 0; seq < at_end.next_seq; seq++) {
			char wanted[DIGEST_TEXT_SIZE + 1], found[DIGEST_TEXT_SIZE + 1];
			digest_at(&source, NULL, 0, seq, wanted);
			for (unsigned i = 0; i < 3; i++) {
				digest_at(&source, roots[i], seq % 10 == 5, seq, found);
				assert_string_equal(found, wanted);
			}
		}
		annulments_release(&annulled);
		journal_close(journal);
		journal = NULL;
		memory_journal_forget_all();
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(nftw(roots[i], scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	}
}

/* A replay of a part that folded the entry without noticing, and has it on the disk, begins anew when the annulment comes. */
static void test_replay_of_a_part(void **state)
{
	(void)state;
	struct error error;
	struct receipts_row receipt;
	make_journal(WRONG_BALANCE);
	struct place place = new_place();
	struct replay replay = {.journal = journal, .mask = 1u << PROJECTION_RECEIPTS};
	snprintf(replay.directories[PROJECTION_RECEIPTS], sizeof replay.directories[0], "%s",
		 place.paths[PROJECTION_RECEIPTS]);
	if (replay_open(&replay, &error) != LL_OK || replay_to(&replay, UINT64_MAX, &error) != LL_OK)
		fail_msg("%s", error.text);
	annul(4, 1);
	if (replay_to(&replay, UINT64_MAX, &error) != LL_OK)
		fail_msg("%s", error.text);
	struct short_hash hash = short_hash_of(SLICE("charge-21"));
	assert_false(receipts_get(ledger_view(replay.ledger), receipts_key(short_hash_slice(&hash)), &receipt));
	if (replay_close(&replay, &error) != LL_OK)
		fail_msg("%s", error.text);
}

/* The command's takeover: an engine that claims in between wins, and nothing is written then. */
static void test_takeover_is_fenced(void **state)
{
	(void)state;
	struct error error;
	uint64_t by;
	make_journal(WRONG_BALANCE);
	struct fold old = at_end;
	append_claim();
	append_claim();
	struct event event = {.type = EVENT_TICK, .version = 1};
	assert_int_equal(operator_entry_append(journal, &old, &event, &by, &error), LL_BUSY);
	assert_int_equal(old.next_seq, at_end.next_seq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_entry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_whole_block, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_met_while_running, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_closed_in_between, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_annulment_is_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_annuls_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cuts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cuts_over_snapshots, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replay_of_a_part, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_takeover_is_fenced, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
