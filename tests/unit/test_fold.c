/* The fold rule: which records of a log are history. A table of records against one state, and the bytes of blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "projections/fold/fold.h"

#define TIME INT64_C(1767225600000) /* 2026-01-01 */

/* As they were written in formats 1 and 2, and as they are. */
#define GOLDEN_GENESIS_1                                                                                               \
	"4c47524c000101006c65646765722d6f662d7465737473000000000000000000000000000000000000000000000000000000"         \
	"019b76daa800000000000000000000000000000000000000000000000000000000000000000000000058000000005cbd0634"         \
	"6cf7d97c94a5746573747301a5302e312e30dc0014cd012ccd03e8ce000f42400004ce01e13380000101ce00278d0000aa41"         \
	"7369612f53656f756ccd0258c232cd0258cd025895920a6492075a92035092014692000ace00015180c2"
#define GOLDEN_CLAIM_1                                                                                                 \
	"4c47524c000102006c65646765722d6f662d7465737473000000000000000000000000000000000700000000000007320000"         \
	"019b76daa80500000000000000000000000000000000000000000000000000000000000000000000003000000000e552f496"         \
	"4cd0642194c41030313233343536373839616263646566b5687474703a2f2f3132372e302e302e313a38303830a5302e312e"         \
	"3001"
#define GOLDEN_ENTRIES_1                                                                                               \
	"4c47524c000103006c65646765722d6f662d7465737473000000000000000002000000000000000700000000000007320000"         \
	"019b76daa87b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00000018000000002ef46474"         \
	"0d6027c69803c0c003c0000191923d019803c0c003c0000191923d01"
#define GOLDEN_GENESIS_2                                                                                               \
	"4c47524c000201006c65646765722d6f662d746573747300000000000000000000000000000000000000000000000000"             \
	"0000019b76daa80000000000000000000000000000000000000000000000000000000000000000000000005800000000"             \
	"b218059f011c000094a5746573747301a5302e312e30dc0014cd012ccd03e8ce000f42400004ce01e13380000101ce00"             \
	"278d0000aa417369612f53656f756ccd0258c232cd0258cd025895920a6492075a92035092014692000ace00015180c2"
#define GOLDEN_CLAIM_2                                                                                                 \
	"4c47524c000202006c65646765722d6f662d746573747300000000000000000000000000000000070000000000000732"             \
	"0000019b76daa80500000000000000000000000000000000000000000000000000000000000000000000003000000000"             \
	"b739d2c34685c7d294c41030313233343536373839616263646566b5687474703a2f2f3132372e302e302e313a383038"             \
	"30a5302e312e3001"
#define GOLDEN_ENTRIES_2                                                                                               \
	"4c47524c000203006c65646765722d6f662d746573747300000000000000000200000000000000070000000000000732"             \
	"0000019b76daa87b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000001800000000"             \
	"f6bcf05d0e75c9ef9803c0c003c0000191923d019803c0c003c0000191923d01"
#define GOLDEN_GENESIS_3                                                                                               \
	"4c47524c000301006c65646765722d6f662d7465737473000000000000000000000000000000000000000000000000000000"         \
	"019b76daa80000000000000000000000000000000000000000000000000000000000000000000000005800000000a52a592d"         \
	"dfe1641394a5746573747301a5302e312e30dc0014cd012ccd03e8ce000f42400004ce01e13380000101ce00278d0000aa41"         \
	"7369612f53656f756ccd0258c232cd0258cd025895920a6492075a92035092014692000ace00015180c2"
#define GOLDEN_CLAIM_3                                                                                                 \
	"4c47524c000302006c65646765722d6f662d7465737473000000000000000000000000000000000700000000000007320000"         \
	"019b76daa80500000000000000000000000000000000000000000000000000000000000000000000003000000000432061ce"         \
	"12b721e194c41030313233343536373839616263646566b5687474703a2f2f3132372e302e302e313a38303830a5302e312e"         \
	"3001"
#define GOLDEN_ENTRIES_3                                                                                               \
	"4c47524c000303006c65646765722d6f662d7465737473000000000000000002000000000000000700000000000007320000"         \
	"019b76daa87b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000001800000000eb58a9f9"         \
	"0ab1528f9803c0c003c0000191923d019803c0c003c0000191923d01"

#define GOLDEN_GENESIS                                                                                                   \
	"4c47524c000401006c65646765722d6f662d7465737473000000000000000000000000000000000000000000000000000000019b76daa8" \
	"0000000000000000000000000000000000000000000000000000000000000000000000005800000000945d76bfd66b7bf194a574657374" \
	"7301a5302e312e30dc0014cd012ccd03e8ce000f42400004ce01e13380000101ce00278d0000aa417369612f53656f756ccd0258c232cd" \
	"0258cd025895920a6492075a92035092014692000ace00015180c2"
#define GOLDEN_CLAIM                                                                                                     \
	"4c47524c000402006c65646765722d6f662d7465737473000000000000000000000000000000000700000000000007320000019b76daa8" \
	"05000000000000000000000000000000000000000000000000000000000000000000000030000000000a01476b356fcba894c410303132" \
	"33343536373839616263646566b5687474703a2f2f3132372e302e302e313a38303830a5302e312e3001"
#define GOLDEN_ENTRIES                                                                                                   \
	"4c47524c000403006c65646765722d6f662d7465737473000000000000000002000000000000000700000000000007320000019b76daa8" \
	"7b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000001800000000f7f6149a6a3111889803c0c003c0" \
	"000191923d019803c0c003c0000191923d01"

static const uint8_t ours[LEDGER_UUID_BYTES] = "ledger-of-tests", theirs[LEDGER_UUID_BYTES] = "somebody-else's";
static uint8_t room[BLOCK_BYTES_MAX];

static struct slice uuid(const uint8_t *bytes)
{
	return slice_of(bytes, LEDGER_UUID_BYTES);
}

static struct slice genesis(void)
{
	struct genesis_body body = {SLICE("tests"), 1, SLICE("0.1.0"), policy_first};
	return block_write_genesis(room, uuid(ours), TIME, &body);
}

static struct slice claim(uint64_t epoch, uint64_t next_seq, uint32_t format)
{
	struct claim_body body = {SLICE("0123456789abcdef"), SLICE("http://127.0.0.1:8080"), SLICE("0.1.0"), format};
	return block_write_claim(room, uuid(ours), TIME + 5, epoch, next_seq, &body);
}

/* `count` entries that say that time has passed. */
static struct slice entries(uint64_t epoch, uint64_t first_seq, uint32_t count, int64_t time, const struct hash *chain)
{
	struct packer p = packer_over(room + ENVELOPE_SIZE, sizeof room - ENVELOPE_SIZE);
	struct event tick = {.type = EVENT_TICK, .version = event_info(EVENT_TICK)->version};
	struct entry entry = {.events = &tick, .event_count = 1};
	entry.head = (struct entry_head){.outcome = OUTCOME_SYSTEM, .actor_type = ACTOR_TYPE_SYSTEM, .policy = 1};
	for (uint32_t i = 0; i < count; i++)
		entry_encode(&p, &entry);
	assert_false(p.full);
	struct block block = {.kind = BLOCK_ENTRIES,
			      .ledger = uuid(ours),
			      .count = count,
			      .epoch = epoch,
			      .first_seq = first_seq,
			      .time = time,
			      .chain = hash_slice(chain)};
	block.body.size = (size_t)(p.at - room) - ENVELOPE_SIZE;
	return block_write(room, &block);
}

static void fold(struct fold *state, struct slice value, enum fold_verdict expected)
{
	enum fold_verdict verdict;
	struct block block;
	struct error error;
	if (fold_record(state, state->next_offset, value, &verdict, &block, &error) != LL_OK)
		fail_msg("%s", error.text);
	assert_int_equal(verdict, expected);
}

/* After genesis, claims 1 and 2, and entries 0..2: offset 4 is next, in epoch 2, entry 3. */
static struct fold folded(void)
{
	struct fold state = {0};
	fold(&state, genesis(), FOLD_GENESIS);
	fold(&state, claim(1, 0, 1), FOLD_CLAIM);
	fold(&state, claim(2, 0, 1), FOLD_CLAIM);
	fold(&state, entries(2, 0, 3, TIME + 10, &state.chain), FOLD_ENTRIES);
	return state;
}

/* ---- the table ---- */

/* Changes bytes of a sealed block and seals it again. */
static struct slice with(struct slice value, size_t at, const void *bytes, size_t size)
{
	uint8_t *to = room;
	memcpy(to + at, bytes, size);
	uint64_t seed = checksum_of(slice_of(room, ENVELOPE_CHECK), 0);
	store_u64(room + ENVELOPE_CHECK, checksum_of(slice_of(room + ENVELOPE_SIZE, value.size - ENVELOPE_SIZE), seed));
	return value;
}

static struct slice with_byte(struct slice value, size_t at, uint8_t byte)
{
	return with(value, at, &byte, 1);
}

static struct slice damaged(struct slice value)
{
	room[ENVELOPE_SIZE + 1] ^= 1;
	return value;
}

enum case_of {
	NEXT_ENTRIES,
	NEXT_CLAIM,
	OLDER_TIME,
	NOT_A_BLOCK,
	EMPTY,
	OTHER_LEDGER,
	OTHER_LEDGER_CLAIM,
	OLD_EPOCH,
	OLD_EPOCH_AHEAD,
	FOLDED_ALREADY,
	OVERLAPPING,
	CLAIM_AGAIN,
	CLAIM_OLD,
	EPOCH_UNCLAIMED,
	GAP,
	OTHER_CHAIN,
	CLAIM_TOO_FAR,
	NO_ENTRIES,
	SECOND_GENESIS,
	OTHER_PARTITION,
	DAMAGED,
	CUT_SHORT,
	CUT_TO_MAGIC,
	NEWER_FORMAT,
	NEWER_KIND,
	NEWER_WRITER,
	BAD_CLAIM,
	RECORDS,
};

static struct slice make(enum case_of record, const struct fold *s)
{
	static const struct hash other = {{1, 2, 3}};
	switch (record) {
	case NEXT_ENTRIES: return entries(2, 3, 2, TIME + 20, &s->chain);
	case NEXT_CLAIM: return claim(3, 3, 1);
	case OLDER_TIME: return entries(2, 3, 2, TIME - 1000, &s->chain);
	case NOT_A_BLOCK: return SLICE("hello, journal");
	case EMPTY: return SLICE_EMPTY;
	case OTHER_LEDGER: return with(entries(2, 3, 2, TIME, &s->chain), ENVELOPE_LEDGER, theirs, sizeof theirs);
	case OTHER_LEDGER_CLAIM: return with(claim(3, 3, 1), ENVELOPE_LEDGER, theirs, sizeof theirs);
	case OLD_EPOCH: return entries(1, 3, 2, TIME, &s->chain);
	case OLD_EPOCH_AHEAD: return entries(1, 999, 2, TIME, &other);
	case FOLDED_ALREADY: return entries(2, 0, 3, TIME + 10, &s->chain_before);
	case OVERLAPPING: return entries(2, 2, 5, TIME, &s->chain);
	case CLAIM_AGAIN: return claim(2, 3, 1);
	case CLAIM_OLD: return claim(1, 0, 1);
	case EPOCH_UNCLAIMED: return entries(3, 3, 2, TIME, &s->chain);
	case GAP: return entries(2, 4, 2, TIME, &s->chain);
	case OTHER_CHAIN: return entries(2, 3, 2, TIME, &other);
	case CLAIM_TOO_FAR: return claim(4, 3, 1);
	case NO_ENTRIES: return entries(2, 3, 0, TIME, &s->chain);
	case SECOND_GENESIS: return genesis();
	case OTHER_PARTITION: return with_byte(entries(2, 3, 2, TIME, &s->chain), ENVELOPE_PARTITION + 3, 1);
	case DAMAGED: return damaged(entries(2, 3, 2, TIME, &s->chain));
	case CUT_SHORT: return slice_of(room, entries(2, 3, 2, TIME, &s->chain).size - 1);
	case CUT_TO_MAGIC: return slice_of(entries(2, 3, 2, TIME, &s->chain).at, 4);
	case NEWER_FORMAT: return with_byte(entries(2, 3, 2, TIME, &s->chain), ENVELOPE_FORMAT + 1, BLOCK_FORMAT + 1);
	case NEWER_KIND: return with_byte(entries(2, 3, 2, TIME, &s->chain), ENVELOPE_KIND, 4);
	case NEWER_WRITER: return claim(3, 3, BLOCK_FORMAT + 1);
	case BAD_CLAIM: return with_byte(claim(3, 3, 1), ENVELOPE_SIZE, 0xc1);
	case RECORDS: break;
	}
	return SLICE_EMPTY;
}

static const struct rule {
	enum case_of record;
	const char *name;
	enum ll_code code;
	enum fold_verdict verdict; /* with LL_OK */
	const char *says;          /* part of the error's text */
} rules[] = {
	{NEXT_ENTRIES, "the next entries", LL_OK, FOLD_ENTRIES, NULL},
	{NEXT_CLAIM, "the next claim", LL_OK, FOLD_CLAIM, NULL},
	{OLDER_TIME, "entries with an earlier time", LL_OK, FOLD_ENTRIES, NULL},
	{NOT_A_BLOCK, "a record without the magic", LL_OK, FOLD_FOREIGN, NULL},
	{EMPTY, "an empty record", LL_OK, FOLD_FOREIGN, NULL},
	{OTHER_LEDGER, "entries of another ledger", LL_OK, FOLD_FOREIGN, NULL},
	{OTHER_LEDGER_CLAIM, "a claim of another ledger", LL_OK, FOLD_FOREIGN, NULL},
	{OLD_EPOCH, "entries of an epoch that is over", LL_OK, FOLD_STALE, NULL},
	{OLD_EPOCH_AHEAD, "entries of an epoch that is over, of another past", LL_OK, FOLD_STALE, NULL},
	{FOLDED_ALREADY, "the block before once more", LL_OK, FOLD_STALE, NULL},
	{OVERLAPPING, "entries that begin before the next one", LL_OK, FOLD_STALE, NULL},
	{CLAIM_AGAIN, "a claim of the current epoch", LL_OK, FOLD_STALE, NULL},
	{CLAIM_OLD, "a claim of an epoch that is over", LL_OK, FOLD_STALE, NULL},
	{EPOCH_UNCLAIMED, "entries of an epoch that nobody claimed", LL_DIVERGED, 0, "entries of epoch 3, expected 2"},
	{GAP, "entries behind a gap", LL_DIVERGED, 0, "the first entry is 4, expected 3"},
	{OTHER_CHAIN, "entries of another past", LL_DIVERGED, 0, "the chain hash does not match"},
	{CLAIM_TOO_FAR, "a claim that skips an epoch", LL_DIVERGED, 0, "a claim of epoch 4, expected 3"},
	{NO_ENTRIES, "a block of entries without any", LL_CORRUPT, 0, "without any"},
	{SECOND_GENESIS, "a second genesis", LL_DIVERGED, 0, "a second genesis"},
	{OTHER_PARTITION, "a block of another partition", LL_DIVERGED, 0, "a block of partition 1, expected 0"},
	{DAMAGED, "a block with a byte changed", LL_CORRUPT, 0, "checksum"},
	{CUT_SHORT, "a block without its last byte", LL_CORRUPT, 0, "its envelope says"},
	{CUT_TO_MAGIC, "a block's first four bytes", LL_CORRUPT, 0, "cut short"},
	{NEWER_FORMAT, "a block of a later format", LL_NEWER, 0, "newer version (format 5"},
	{NEWER_KIND, "a block of a kind that is not known", LL_NEWER, 0, "kind 4"},
	{NEWER_WRITER, "a claim by a writer of a later format", LL_NEWER, 0, "a writer of format 5 took over"},
	{BAD_CLAIM, "a claim that cannot be decoded", LL_CORRUPT, 0, "the claim cannot be decoded"},
};

static void assert_same(const struct fold *a, const struct fold *b)
{
	assert_memory_equal(a, b, sizeof *a);
}

/* Each kind of record has its verdict, or its error with the offset in it; an error changes nothing. */
static void test_rules(void **unused)
{
	(void)unused;
	assert_int_equal(sizeof rules / sizeof *rules, RECORDS);
	for (unsigned i = 0; i < RECORDS; i++) {
		const struct rule *rule = &rules[i];
		struct fold state = folded(), before = state;
		enum fold_verdict verdict = FOLD_GENESIS;
		struct block block;
		struct error error = {LL_OK, ""};
		enum ll_code code = fold_record(&state, 4, make(rule->record, &state), &verdict, &block, &error);
		if (code != rule->code || (code == LL_OK && verdict != rule->verdict))
			fail_msg("%s: %s, verdict %d: %s", rule->name, error_code_text(code), verdict, error.text);
		if (code != LL_OK) {
			if (!strstr(error.text, rule->says) || !strstr(error.text, "offset 4"))
				fail_msg("%s: it says: %s", rule->name, error.text);
			assert_same(&state, &before);
			continue;
		}
		assert_int_equal(state.next_offset, 5);
		assert_int_equal(state.stale_blocks, verdict == FOLD_STALE);
		assert_int_equal(state.foreign_blocks, verdict == FOLD_FOREIGN);
		bool valid = verdict == FOLD_CLAIM || verdict == FOLD_ENTRIES;
		assert_int_equal(state.block_offset, valid ? 4 : 3);
		assert_int_equal(memcmp(&state.chain, &before.chain, sizeof state.chain) != 0, valid);
	}
}

/* Time never goes back, claims do not move it, and a void block moves nothing. */
static void test_time(void **unused)
{
	(void)unused;
	struct fold state = folded();
	assert_int_equal(state.time, TIME + 10);
	fold(&state, make(OLDER_TIME, &state), FOLD_ENTRIES);
	assert_int_equal(state.time, TIME + 10);
	assert_int_equal(state.next_seq, 5);
	fold(&state, claim(3, 5, 1), FOLD_CLAIM);
	assert_int_equal(state.time, TIME + 10);
	fold(&state, entries(2, 5, 1, TIME + 9999, &state.chain), FOLD_STALE);
	assert_int_equal(state.time, TIME + 10);
	fold(&state, entries(3, 5, 1, TIME + 20, &state.chain), FOLD_ENTRIES);
	assert_int_equal(state.time, TIME + 20);
}

/* A log begins with a genesis at offset 0, and with nothing else. */
static void test_beginning(void **unused)
{
	(void)unused;
	struct hash none = {{0}};
	for (unsigned i = 0; i < 4; i++) {
		struct fold state = {0}, before = {0};
		enum fold_verdict verdict;
		struct block block;
		struct error error;
		struct slice value = i == 0   ? SLICE("hello")
				     : i == 1 ? claim(1, 0, 1)
				     : i == 2 ? entries(0, 0, 1, TIME, &none)
					      : genesis();
		enum ll_code code = fold_record(&state, i == 3 ? 1 : 0, value, &verdict, &block, &error);
		assert_int_equal(code, i == 3 ? LL_DIVERGED : LL_FOREIGN);
		if (i < 3)
			assert_non_null(strstr(error.text, "journal create"));
		assert_same(&state, &before);
	}
}

/* The chain is SHA-256 over what is valid; the block at one's own position is known again, and no other one. */
static void test_chain(void **unused)
{
	(void)unused;
	struct fold state = {0};
	fold(&state, genesis(), FOLD_GENESIS);
	struct hash expected = hash_of(genesis());
	assert_memory_equal(&state.chain, &expected, sizeof expected);
	assert_true(fold_knows(&state, genesis()));
	fold(&state, claim(1, 0, 1), FOLD_CLAIM);
	expected = hash_of_two(hash_slice(&expected), claim(1, 0, 1));
	assert_memory_equal(&state.chain, &expected, sizeof expected);
	assert_true(fold_knows(&state, claim(1, 0, 1)));
	assert_false(fold_knows(&state, claim(1, 1, 1)));
	fold(&state, SLICE("void"), FOLD_FOREIGN);
	assert_memory_equal(&state.chain, &expected, sizeof expected);
	assert_true(fold_knows(&state, claim(1, 0, 1)));
}

/* A position row brings the whole state back; one with a byte too many or too few is an error. */
static void test_position(void **unused)
{
	(void)unused;
	uint8_t row[POSITION_BYTES_MAX + 1], again[POSITION_BYTES_MAX];
	struct fold state = folded(), read;
	struct error error;
	snprintf(state.journal_kind, sizeof state.journal_kind, "memory");
	snprintf(state.journal_topic, sizeof state.journal_topic, "x");
	struct slice bytes = fold_to_position(&state, row);
	assert_int_equal(fold_from_position(&read, bytes, &error), LL_OK);
	assert_true(slice_equal(fold_to_position(&read, again), bytes));
	assert_int_equal(read.next_seq, 3);
	assert_string_equal(read.claim_address, state.claim_address);
	assert_int_equal(fold_from_position(&read, slice_of(row, bytes.size - 1), &error), LL_CORRUPT);
	row[bytes.size] = 0xc0;
	assert_int_equal(fold_from_position(&read, slice_of(row, bytes.size + 1), &error), LL_CORRUPT);
}

/* ---- golden bytes ---- */

/* What is written now. */
static void assert_golden(const char *name, struct slice value, const char *golden)
{
	char *hex = malloc(2 * value.size + 1);
	hex_text(hex, value.at, value.size);
	if (strcmp(hex, golden) != 0)
		fail_msg("a %s has other bytes than when format %d was made:\n%s", name, BLOCK_FORMAT, hex);
	free(hex);
}

/* What was written in an earlier format is read as the same but for its format. */
static void assert_read(struct slice value, const char *golden, uint16_t format)
{
	static uint8_t old_room[sizeof room];
	struct block now, old;
	struct error error;
	size_t size = strlen(golden) / 2;
	for (size_t i = 0; i < size; i++)
		old_room[i] = (uint8_t)strtoul((char[]){golden[2 * i], golden[2 * i + 1], 0}, NULL, 16);
	assert_int_equal(block_read(value, &now, &error), LL_OK);
	if (block_read(slice_of(old_room, size), &old, &error) != LL_OK)
		fail_msg("%s", error.text);
	assert_int_equal(old.format, format);
	assert_int_equal(old.kind, now.kind);
	assert_int_equal(old.count, now.count);
	assert_int_equal(old.epoch, now.epoch);
	assert_int_equal(old.first_seq, now.first_seq);
	assert_int_equal(old.time, now.time);
	assert_true(slice_equal(old.ledger, now.ledger) && slice_equal(old.chain, now.chain));
	assert_true(slice_equal(old.body, now.body));
}

/* Bytes of a format never change, and are read for ever: journals are kept so long. */
static void test_golden(void **unused)
{
	(void)unused;
	struct hash chain;
	for (unsigned i = 0; i < sizeof chain.bytes; i++)
		chain.bytes[i] = (uint8_t)i;
	assert_golden("genesis", genesis(), GOLDEN_GENESIS);
	assert_golden("claim", claim(7, 1842, 1), GOLDEN_CLAIM);
	assert_golden("block of entries", entries(7, 1842, 2, TIME + 123, &chain), GOLDEN_ENTRIES);
	assert_read(genesis(), GOLDEN_GENESIS_1, 1);
	assert_read(genesis(), GOLDEN_GENESIS_2, 2);
	assert_read(genesis(), GOLDEN_GENESIS_3, 3);
	assert_read(claim(7, 1842, 1), GOLDEN_CLAIM_1, 1);
	assert_read(claim(7, 1842, 1), GOLDEN_CLAIM_2, 2);
	assert_read(claim(7, 1842, 1), GOLDEN_CLAIM_3, 3);
	assert_read(entries(7, 1842, 2, TIME + 123, &chain), GOLDEN_ENTRIES_1, 1);
	assert_read(entries(7, 1842, 2, TIME + 123, &chain), GOLDEN_ENTRIES_2, 2);
	assert_read(entries(7, 1842, 2, TIME + 123, &chain), GOLDEN_ENTRIES_3, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules), cmocka_unit_test(test_time),     cmocka_unit_test(test_beginning),
		cmocka_unit_test(test_chain), cmocka_unit_test(test_position), cmocka_unit_test(test_golden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
