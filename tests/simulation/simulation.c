#include "tests/simulation/simulation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/data/catch_up.h"
#include "engine/journal/memory.h"
#include "schemas/wire/ensure.h"
#include "tests/simulation/disk.h"

#define TIME_BEGIN INT64_C(1767225600000)

enum {
	RATE = 10000,
	STEPS_MIN = 100,
	STEPS_MORE = 250,
	BEGIN_STEPS_MAX = 4000,
	HEAL_STEPS_MAX = 12000,
	ROWS_EVERY = 64,
	DELAY_TICKS_MAX = 150,
	TICKS_MAX = 400,
	HOUR_MS = 3600 * 1000,
	SEEN_US = 2 * 1000 * 1000,
};

const char *const fault_texts[FAULT_KINDS] = {
#define X(name, text) [FAULT_##name] = (text),
	FAULTS(X)
#undef X
};

static const char *const property_texts[] = {
#define X(name, text) [PROPERTY_##name] = (text),
	PROPERTIES(X)
#undef X
};

/* ---- chance ---- */

/* splitmix64 */
static uint64_t next_random(struct simulation *simulation)
{
	simulation->random += 0x9e3779b97f4a7c15u;
	uint64_t mixed = simulation->random;
	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
	return mixed ^ mixed >> 31;
}

uint32_t draw(struct simulation *simulation, uint32_t below)
{
	uint64_t number = next_random(simulation) >> 32;
	return below ? (uint32_t)(number * below >> 32) : 0;
}

bool chance(struct simulation *simulation, unsigned rate)
{
	return draw(simulation, RATE) < rate;
}

bool fault_comes(struct simulation *simulation, enum fault fault)
{
	bool comes = !simulation->healing && simulation->rates[fault] && chance(simulation, simulation->rates[fault]);
	simulation->tally->faults[fault] += comes;
	return comes;
}

/* ---- telling ---- */

void note(struct simulation *simulation, int engine, const char *format, ...)
{
	if (!simulation->trace)
		return;
	va_list args;
	fprintf(simulation->trace, "%5" PRIu64 " %9.3f s  ", simulation->step, (double)simulation->now_us / 1e6);
	if (engine >= 0)
		fprintf(simulation->trace, "engine %d  ", engine);
	else
		fprintf(simulation->trace, "-         ");
	va_start(args, format);
	vfprintf(simulation->trace, format, args);
	va_end(args);
	fputc('\n', simulation->trace);
}

void violated(struct simulation *simulation, enum property property, const char *format, ...)
{
	if (simulation->failed)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(simulation->detail, sizeof simulation->detail, format, args);
	va_end(args);
	simulation->failed = true;
	simulation->property = property;
	note(simulation, -1, "VIOLATED: %s: %s", property_texts[property], simulation->detail);
}

/* ---- the swarm's draw ---- */

/* How often a fault comes when it is on: in 10,000, at most. */
static const unsigned rates_max[FAULT_KINDS] = {
	[FAULT_APPEND_FAILED] = 1500,
	[FAULT_APPEND_DELAYED] = 2500,
	[FAULT_REPORT_DELAYED] = 3000,
	[FAULT_APPEND_DOUBLED] = 2000,
	[FAULT_APPEND_REORDERED] = 1000,
	[FAULT_APPEND_LOST] = 1500,
	[FAULT_REPORT_LOST] = 1500,
	[FAULT_REPORT_LIED_WRITTEN] = 1000,
	[FAULT_REPORT_LIED_FAILED] = 1500,
	[FAULT_REPORT_WRONG_OFFSET] = 1500,
	[FAULT_APPENDER_DIED] = 1000,
	[FAULT_JOURNAL_FULL] = 800,
	[FAULT_JOURNAL_AWAY] = 80,
	[FAULT_LINE_CUT] = 150,
	[FAULT_READS_LATE] = 200,
	[FAULT_PAUSED] = 200,
	[FAULT_CRASHED] = 150,
	[FAULT_DISK_REWOUND] = 5000,
	[FAULT_DISK_LOST] = 2500,
	[FAULT_FLUSH_LATE] = 9000,
	[FAULT_FLUSH_FAILED] = 60,
	[FAULT_CLOCK_JUMPED] = 150,
	[FAULT_LEAD_TAKEN] = 150,
	[FAULT_FOREIGN_RECORD] = 100,
	[FAULT_ZOMBIE_RECORD] = 200,
	[FAULT_LOG_CUT] = 40,
	[FAULT_LOG_REPLACED] = 30,
	[FAULT_CLIENT_GAVE_UP] = 10000,
	[FAULT_OTHER_BODY] = 1000,
};

static void draw_swarm(struct simulation *simulation)
{
	bool damage = draw(simulation, 16) == 0; /* it ends what can be promised: seldom */
	unsigned on = 1 + draw(simulation, 3);   /* of four */
	for (unsigned i = 0; i < FAULT_KINDS; i++) {
		bool is_on = draw(simulation, 4) < on;
		unsigned rate = 1 + draw(simulation, rates_max[i]);
		bool damages = i == FAULT_LOG_CUT || i == FAULT_LOG_REPLACED;
		simulation->rates[i] = is_on && (damage || !damages) ? rate : 0;
	}
	simulation->engine_count = 1 + draw(simulation, ENGINES_MAX);
	simulation->key_max = 24 + draw(simulation, KEYS_MAX - 24);
	simulation->elsewhere_ms = draw(simulation, 3) * draw(simulation, 20);
	simulation->busy_us = draw(simulation, 2) * draw(simulation, 2000);
	simulation->takeover_us = (20 + (int64_t)draw(simulation, 600)) * 1000;
	simulation->clean_bytes = draw(simulation, 2) ? 1 << 20 : 1 << 12;
	simulation->options = (struct writer_options){
		.address = "http://engine",
		.queue_max = draw(simulation, 8) ? 0 : 4,
		.append_timeout_ms = 20 + draw(simulation, 150),
		.answer_timeout_ms = 100 + draw(simulation, 800),
		.block_entries_max = draw(simulation, 4) ? 0 : 1 + draw(simulation, 4),
	};
}

/* ---- faults of appends: planned ahead of them ---- */

static const struct {
	enum fault fault;
	enum memory_fault_kind kind;
	enum ll_code code;
} append_faults[] = {
	{FAULT_APPEND_FAILED, MEMORY_FAIL, LL_OK},
	{FAULT_APPEND_DELAYED, MEMORY_DELAY, LL_OK},
	{FAULT_REPORT_DELAYED, MEMORY_DELAY_REPORT, LL_OK},
	{FAULT_APPEND_DOUBLED, MEMORY_DUPLICATE, LL_OK},
	{FAULT_APPEND_REORDERED, MEMORY_REORDER, LL_OK},
	{FAULT_APPEND_LOST, MEMORY_LOSE, LL_OK},
	{FAULT_REPORT_LOST, MEMORY_SILENT, LL_OK},
	{FAULT_REPORT_LIED_WRITTEN, MEMORY_LIE_WRITTEN, LL_OK},
	{FAULT_REPORT_LIED_FAILED, MEMORY_LIE_FAILED, LL_OK},
	{FAULT_REPORT_WRONG_OFFSET, MEMORY_WRONG_OFFSET, LL_OK},
	{FAULT_JOURNAL_FULL, MEMORY_FAIL, LL_FULL},
};

static unsigned amount_of(struct simulation *simulation, enum memory_fault_kind kind)
{
	switch (kind) {
	case MEMORY_DUPLICATE: return 1 + draw(simulation, 2);
	case MEMORY_REORDER: return 1 + draw(simulation, 3);
	case MEMORY_WRONG_OFFSET: return 1 + draw(simulation, 200);
	default: return 1 + draw(simulation, DELAY_TICKS_MAX);
	}
}

static void plan_append(struct simulation *simulation, uint64_t append)
{
	unsigned char *planned = &simulation->plan[append % PLAN_AHEAD];
	*planned = FAULT_KINDS;
	for (size_t i = 0; i < sizeof append_faults / sizeof *append_faults; i++) {
		unsigned rate = simulation->rates[append_faults[i].fault];
		if (!rate || !chance(simulation, rate))
			continue;
		struct memory_fault fault = {
			.append = append,
			.kind = append_faults[i].kind,
			.amount = amount_of(simulation, append_faults[i].kind),
			.code = append_faults[i].code,
			.dies = append_faults[i].code == LL_OK &&
				chance(simulation, simulation->rates[FAULT_APPENDER_DIED]),
		};
		memory_journal_fault(SIMULATION_JOURNAL, fault);
		simulation->tally->faults[FAULT_APPENDER_DIED] += fault.dies;
		*planned = (unsigned char)append_faults[i].fault;
		return;
	}
}

static void plan_appends(struct simulation *simulation)
{
	uint64_t appends = memory_journal_appends(SIMULATION_JOURNAL);
	for (; simulation->faults_counted < appends; simulation->faults_counted++) {
		uint64_t append = simulation->faults_counted + 1;
		if (append > simulation->faults_planned || simulation->plan[append % PLAN_AHEAD] == FAULT_KINDS)
			continue;
		enum fault fault = simulation->plan[append % PLAN_AHEAD];
		simulation->tally->faults[fault]++;
		note(simulation, -1, "append %" PRIu64 ": %s", append, fault_texts[fault]);
	}
	if (simulation->faults_planned < appends)
		simulation->faults_planned = appends;
	while (simulation->faults_planned < appends + PLAN_AHEAD)
		plan_append(simulation, ++simulation->faults_planned);
}

/* ---- who writes what no engine does ---- */

static void write_record(struct simulation *simulation, struct slice value)
{
	struct journal_appender *appender;
	struct error error;
	ENSURE(journal_appender_open(simulation->stranger, &appender, &error) == LL_OK);
	(void)!journal_append(appender, value, TIME_BEGIN, NULL, 0, &error);
	journal_appender_close(appender);
}

static void foreign_record(struct simulation *simulation)
{
	uint8_t room[4096], uuid[LEDGER_UUID_BYTES];
	note(simulation, -1, "somebody writes a foreign record");
	if (draw(simulation, 2)) {
		write_record(simulation, SLICE("by hand"));
		return;
	}
	memset(uuid, 7, sizeof uuid);
	struct block block = {.kind = BLOCK_ENTRIES,
			      .ledger = slice_of(uuid, sizeof uuid),
			      .count = 1,
			      .epoch = simulation->referee.past[simulation->referee.next_offset].epoch,
			      .time = TIME_BEGIN};
	write_record(simulation, block_write(room, &block));
}

/* What stood in the log once more, or as a writer that does not know that it was deposed would have written it. */
static void zombie_record(struct simulation *simulation)
{
	uint8_t *bytes;
	size_t size;
	int64_t time_ms;
	struct block block;
	struct error error;
	const struct referee *referee = &simulation->referee;
	if (referee->next_offset < 2)
		return;
	uint64_t offset = 1 + draw(simulation, (uint32_t)referee->next_offset - 1);
	if (journal_read_at(simulation->stranger, offset, &bytes, &size, &time_ms, &error) != LL_OK)
		return;
	if (block_read(slice_of(bytes, size), &block, &error) == LL_OK && block.kind == BLOCK_ENTRIES &&
	    draw(simulation, 2)) {
		const struct past *past = &referee->past[referee->next_offset];
		uint8_t chain[HASH_BYTES], ledger[LEDGER_UUID_BYTES];
		memcpy(chain, past->chain.bytes, sizeof chain);
		memcpy(ledger, referee->uuid, sizeof ledger);
		block.ledger = slice_of(ledger, sizeof ledger);
		block.chain = slice_of(chain, sizeof chain);
		block.first_seq = past->next_seq;
		block.epoch = past->epoch - 1;
		(void)block_write(bytes, &block);
	}
	note(simulation, -1, "a zombie writes like record %" PRIu64, offset);
	write_record(simulation, slice_of(bytes, size));
	free(bytes);
}

/* An engine that nobody knows claims the journal, and is never heard of again. */
static void unknown_claim(struct simulation *simulation)
{
	uint8_t room[4096], uuid[LEDGER_UUID_BYTES];
	const struct referee *referee = &simulation->referee;
	for (unsigned i = 0; i < sizeof uuid; i++)
		uuid[i] = (uint8_t)draw(simulation, 256);
	struct claim_body body = {.writer = slice_of(uuid, sizeof uuid),
				  .address = SLICE("http://unknown"),
				  .software = SLICE("0"),
				  .format = BLOCK_FORMAT};
	const struct past *past = &referee->past[referee->next_offset];
	note(simulation, -1, "an unknown writer claims the journal");
	write_record(simulation, block_write_claim(room, slice_of(referee->uuid, LEDGER_UUID_BYTES), TIME_BEGIN,
						   past->epoch + 1, past->next_seq, &body));
}

/* ---- damage ---- */

static void mark_of_another_past(struct simulation *simulation, uint64_t high)
{
	simulation->was_damaged = true;
	for (unsigned i = 0; i < simulation->engine_count; i++) {
		struct engine *engine = &simulation->engines[i];
		engine->is_of_another_past |= !engine->up || ledger_fold_state(engine->ledger)->next_offset > high;
	}
}

static void write_new_genesis(struct simulation *simulation)
{
	struct error error;
	memory_journal_heal(SIMULATION_JOURNAL);
	simulation->faults_planned = 0; /* planned anew behind the genesis */
	ENSURE(write_genesis(simulation->stranger, "simulation", TIME_BEGIN, &error) == LL_OK);
}

static void damage_log(struct simulation *simulation)
{
	if (simulation->was_damaged || simulation->away_until_us || simulation->referee.next_offset < 4)
		return;
	if (fault_comes(simulation, FAULT_LOG_CUT)) {
		uint64_t high = simulation->referee.next_offset - 1 -
				draw(simulation, (uint32_t)simulation->referee.next_offset / 2);
		note(simulation, -1, "the log is cut to end before %" PRIu64, high);
		mark_of_another_past(simulation, high);
		memory_journal_cut(SIMULATION_JOURNAL, high);
	} else if (fault_comes(simulation, FAULT_LOG_REPLACED)) {
		note(simulation, -1, "the log is replaced by another");
		mark_of_another_past(simulation, 0);
		memory_journal_replace(SIMULATION_JOURNAL, draw(simulation, 2));
		write_new_genesis(simulation);
	} else {
		return;
	}
	referee_start_over(simulation);
}

/* ---- faults of engines ---- */

static int64_t until(struct simulation *simulation, uint32_t ms_max)
{
	return simulation->now_us + (1 + (int64_t)draw(simulation, ms_max)) * 1000;
}

static bool is_over(const struct simulation *simulation, int64_t *until_us)
{
	bool over = *until_us && simulation->now_us >= *until_us;
	if (over)
		*until_us = 0;
	return over;
}

static void jump_clock(struct engine *engine)
{
	struct simulation *simulation = engine->simulation;
	switch (draw(simulation, 4)) {
	case 0: engine->clock_ahead_ms = 0; break;
	case 1: engine->clock_ahead_ms = draw(simulation, 2) ? HOUR_MS : -HOUR_MS; break;
	default: engine->clock_ahead_ms += (int64_t)draw(simulation, 4000) - 2000; break;
	}
	note(simulation, (int)engine->number, "has a clock that is %" PRId64 " ms off", engine->clock_ahead_ms);
}

static void fault_engine(struct engine *engine)
{
	struct simulation *simulation = engine->simulation;
	int number = (int)engine->number;
	if (is_over(simulation, &engine->paused_until_us))
		note(simulation, number, "goes on");
	if (is_over(simulation, &engine->cut_until_us)) {
		engine->line.cut = false;
		note(simulation, number, "has its line again");
	}
	if (is_over(simulation, &engine->late_until_us))
		engine->line.reads_late = false;
	if (fault_comes(simulation, FAULT_CLOCK_JUMPED))
		jump_clock(engine);
	if (!engine_runs(engine))
		return;
	if (fault_comes(simulation, FAULT_PAUSED)) {
		engine->paused_until_us = until(simulation, draw(simulation, 4) ? 200 : 3000);
		note(simulation, number, "is paused");
	}
	if (!engine->cut_until_us && fault_comes(simulation, FAULT_LINE_CUT)) {
		engine->cut_until_us = until(simulation, draw(simulation, 4) ? 150 : 2000);
		engine->line.cut = true;
		engine->line.keeps = draw(simulation, 2);
		note(simulation, number, "has its line cut");
	}
	if (!engine->late_until_us && fault_comes(simulation, FAULT_READS_LATE)) {
		engine->late_until_us = until(simulation, 150);
		engine->line.reads_late = true;
		note(simulation, number, "reads late");
	}
	if (fault_comes(simulation, FAULT_CRASHED))
		engine_crash(engine, "by a fault", false);
	else if (fault_comes(simulation, FAULT_LEAD_TAKEN))
		writer_lead(engine->writer);
}

static void faults(struct simulation *simulation)
{
	plan_appends(simulation);
	for (unsigned i = 0; i < simulation->engine_count; i++)
		fault_engine(&simulation->engines[i]);
	if (is_over(simulation, &simulation->away_until_us)) {
		memory_journal_set_away(SIMULATION_JOURNAL, false);
		note(simulation, -1, "the journal is back");
	} else if (!simulation->away_until_us && fault_comes(simulation, FAULT_JOURNAL_AWAY)) {
		simulation->away_until_us = until(simulation, draw(simulation, 4) ? 100 : 1500);
		memory_journal_set_away(SIMULATION_JOURNAL, true);
		note(simulation, -1, "the journal is away");
	}
	if (fault_comes(simulation, FAULT_FOREIGN_RECORD))
		foreign_record(simulation);
	if (fault_comes(simulation, FAULT_ZOMBIE_RECORD)) {
		if (draw(simulation, 6))
			zombie_record(simulation);
		else
			unknown_claim(simulation);
	}
	damage_log(simulation);
}

/* ---- a step ---- */

/* Somebody claims when nobody has led for a while. */
static void see_to_leader(struct simulation *simulation)
{
	struct engine *followers[ENGINES_MAX];
	unsigned count = 0;
	for (unsigned i = 0; i < simulation->engine_count; i++) {
		struct engine *engine = &simulation->engines[i];
		if (!engine_runs(engine) || engine->cut_until_us)
			continue;
		if (writer_state(engine->writer) != WRITER_FOLLOWING) {
			simulation->no_leader_since_us = simulation->now_us;
			return;
		}
		followers[count++] = engine;
	}
	if (simulation->now_us - simulation->no_leader_since_us < simulation->takeover_us || !count)
		return;
	simulation->no_leader_since_us = simulation->now_us;
	writer_lead(followers[draw(simulation, count)]->writer);
}

static void let_time_pass(struct simulation *simulation)
{
	unsigned kind = draw(simulation, 100);
	int64_t us = kind < 70   ? 200 + draw(simulation, 4000)
		     : kind < 97 ? 1000 + draw(simulation, 40000)
				 : 1000 + draw(simulation, 1500000);
	int64_t ticks = (simulation->now_us + us) / 1000 - simulation->now_us / 1000;
	simulation->now_us += us;
	memory_journal_tick(SIMULATION_JOURNAL, (unsigned)(ticks < TICKS_MAX ? ticks : TICKS_MAX));
}

static void step(struct simulation *simulation, bool with_faults, bool fresh)
{
	simulation->step++;
	simulation->tally->steps++;
	let_time_pass(simulation);
	referee_read(simulation);
	if (with_faults)
		faults(simulation);
	see_to_leader(simulation);
	unsigned first = draw(simulation, simulation->engine_count);
	for (unsigned i = 0; i < simulation->engine_count && !simulation->failed; i++) {
		unsigned number = (first + i) % simulation->engine_count;
		engine_step(&simulation->engines[number]);
		referee_read(simulation);
		referee_compare(simulation, number);
		if (simulation->step % ROWS_EVERY == number && !simulation->engines[number].is_of_another_past)
			referee_compare_rows(simulation, number);
	}
	clients_step(simulation, fresh);
}

/* ---- a run ---- */

static void heal(struct simulation *simulation)
{
	simulation->healing = true;
	memory_journal_heal(SIMULATION_JOURNAL);
	memory_journal_set_away(SIMULATION_JOURNAL, false);
	simulation->away_until_us = 0;
	for (unsigned i = 0; i < simulation->engine_count; i++) {
		struct engine *engine = &simulation->engines[i];
		engine->line = (struct line){.cut = false};
		engine->paused_until_us = engine->cut_until_us = engine->late_until_us = 0;
		engine->clock_ahead_ms = 0;
	}
	note(simulation, -1, "from here on all is well");
}

static bool all_stand_at_the_end(const struct simulation *simulation)
{
	for (unsigned i = 0; i < simulation->engine_count; i++) {
		const struct engine *engine = &simulation->engines[i];
		if (!engine->up || ledger_fold_state(engine->ledger)->next_offset != simulation->referee.next_offset)
			return false;
	}
	return true;
}

static void play(struct simulation *simulation)
{
	unsigned steps = STEPS_MIN + draw(simulation, STEPS_MORE);
	simulation->beginning = true;
	clients_begin(simulation);
	for (unsigned i = 0; i < BEGIN_STEPS_MAX && !simulation->failed && !clients_are_settled(simulation); i++)
		step(simulation, false, false);
	simulation->beginning = false;
	for (unsigned i = 0; i < steps && !simulation->failed; i++)
		step(simulation, true, true);
	heal(simulation);
	bool settled = false;
	int64_t looked_us = simulation->now_us + SEEN_US; /* by then everybody has looked at the log */
	for (unsigned i = 0; i < HEAL_STEPS_MAX && !simulation->failed && !simulation->referee.damaged && !settled;
	     i++) {
		step(simulation, false, false);
		settled = clients_are_settled(simulation) && all_stand_at_the_end(simulation) &&
			  (!simulation->was_damaged || simulation->now_us >= looked_us);
	}
	if (simulation->failed || simulation->referee.damaged)
		return; /* of a damaged log nothing more is promised */
	clients_check_end(simulation);
	if (!settled)
		violated(simulation, PROPERTY_RUNNING,
			 "after all was well for long, not every engine stands at the end");
	for (unsigned i = 0; i < simulation->engine_count; i++)
		referee_compare_rows(simulation, i);
}

static void begin(struct simulation *simulation)
{
	struct error error;
	disk_reset(simulation->seed);
	ENSURE(journal_open("memory:" SIMULATION_JOURNAL, &(struct journal_options){.create = true},
			    &simulation->stranger, &error) == LL_OK);
	ENSURE(write_genesis(simulation->stranger, "simulation", TIME_BEGIN, &error) == LL_OK);
	memory_journal_set_manual(SIMULATION_JOURNAL, true);
	draw_swarm(simulation);
	engines_init(simulation);
	referee_open(simulation);
	referee_read(simulation);
}

static void end(struct simulation *simulation)
{
	for (unsigned i = 0; i < simulation->engine_count; i++)
		engine_free(&simulation->engines[i]);
	referee_close(simulation);
	journal_close(simulation->stranger);
	buffer_release(&simulation->reply);
	memory_journal_forget_all();
	disk_reset(0);
}

bool simulate(uint64_t seed, FILE *trace, struct tally *tally, char *failure, size_t failure_size)
{
	struct simulation *simulation = calloc(1, sizeof *simulation);
	ENSURE(simulation);
	simulation->seed = simulation->random = seed;
	simulation->trace = trace;
	simulation->tally = tally;
	begin(simulation);
	play(simulation);
	end(simulation);
	bool fine = !simulation->failed;
	tally->seeds++;
	if (!fine)
		snprintf(failure, failure_size, "%s: %s", property_texts[simulation->property], simulation->detail);
	free(simulation);
	return fine;
}
