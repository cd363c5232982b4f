/*
 * `ledgerline rebuild`: projections from the journal's first record, as new generations.
 *
 *	begin       a new generation's directory beside the current one, or the one that a killed rebuild left
 *	fold        from offset 0, or from a snapshot; with --certify exactly as far as the current one stands, where both are compared row by row
 *	            and by their digests; then to the journal's end
 *	hand over   to the engine that serves from this directory, which catches up and swaps between two records; without one it is done
 *	            here. One rename each; the old one is marked retired, so that readers open the new one
 *	tidy        generations older than the one that was replaced are deleted: that one stays for one --rollback
 *
 * Whatever fails before the handing over leaves everything as it was. Interrupted or killed, it goes on at the next call.
 * The work is done in a child, because a damaged old generation can end the process that reads it; what both must know is in
 * shared memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "engine/audit/findings.h"
#include "engine/audit/guarded.h"
#include "engine/audit/replay.h"
#include "engine/cli/progress.h"
#include "engine/commands/commands.h"
#include "engine/data/adopt.h"
#include "engine/data/building.h"
#include "engine/data/data.h"
#include "engine/rebuild/successors.h"
#include "engine/snapshots/snapshots.h"
#include "projections/views/specs.h"
#include "schemas/wire/ensure.h"

enum { BESIDE_NICENESS = 10, TELL_EVERY_MS = 500 };

struct rebuilding {
	const struct options *options;
	struct data data;
	struct replay replay;
	struct successors *successors; /* shared with the child */
	struct verdict verdict;
	struct findings findings;
	struct progress progress;
	struct building building; /* as it was told last */
	uint64_t entries;
};

static bool is_chosen(const struct rebuilding *rebuilding, unsigned id)
{
	return rebuilding->replay.mask >> id & 1;
}

/* ---- the old ones ---- */

struct retiring {
	const struct data *data;
	enum projection_id id;
	unsigned number;
};

static int retire_one(void *context, char *place)
{
	const struct retiring *retiring = context;
	(void)place;
	(void)adopt_retire(retiring->data, retiring->id, retiring->number); /* if it cannot be opened nobody reads it */
	return EXIT_DONE;
}

/* In children: the old ones may be damaged. */
static void retire_replaced(const struct rebuilding *rebuilding)
{
	char place[GUARDED_PLACE_MAX];
	bool interrupted;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct successor *successor = &rebuilding->successors->of[id];
		struct retiring retiring = {&rebuilding->data, id, successor->before};
		if (successor->taken_here && successor->before &&
		    guarded_run(retire_one, &retiring, place, &interrupted) != EXIT_DONE)
			fprintf(stderr,
				"warning: who still reads generation %u of %s was not told that there is a newer one\n",
				successor->before, projection_layouts[id].name);
	}
}

/* ---- the work ---- */

/* The new generations begin as what the newest snapshot has. Of another ledger, or of a past that is not the journal's, it is
 * found out before anything is folded onto it (catch_up). */
static enum ll_code begin_at_snapshot(struct rebuilding *rebuilding, struct error *error)
{
	char root[DATA_PATH_MAX], path[SNAPSHOT_PATH_MAX];
	struct snapshot_manifest manifest;
	snprintf(root, sizeof root, "%s/snapshots", rebuilding->data.path);
	enum ll_code code = snapshot_newest(root, &manifest, path, error);
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (is_chosen(rebuilding, id))
			code = snapshot_restore(path, &manifest, id, rebuilding->replay.directories[id], error);
	return code;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin_progress(struct rebuilding *rebuilding)
{
	rebuilding->building = (struct building){
		.process = (int)getpid(),
		.began_entries = ledger_fold_state(rebuilding->replay.ledger)->next_seq,
		.began_ms = now_ms(),
	};
}

/* For an engine beside. */
static void tell_progress(struct rebuilding *rebuilding, uint64_t offset, uint64_t end)
{
	struct building *building = &rebuilding->building;
	int64_t now = now_ms();
	if (now - building->now_ms < TELL_EVERY_MS)
		return;
	if (ledger_fold_state(rebuilding->replay.ledger)->next_seq < building->began_entries)
		begin_progress(rebuilding); /* it has begun anew */
	building->entries = ledger_fold_state(rebuilding->replay.ledger)->next_seq;
	building->offset = offset;
	building->end = end;
	building->now_ms = now;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_chosen(rebuilding, id))
			building_tell(rebuilding->replay.directories[id], building);
}

static void on_progress(void *context, uint64_t offset, uint64_t end)
{
	struct rebuilding *rebuilding = context;
	rebuilding->progress.total = end;
	progress_update(&rebuilding->progress, offset);
	tell_progress(rebuilding, offset, end);
}

static enum ll_code certify(struct rebuilding *rebuilding, char *place, struct error *error)
{
	char root[DATA_PATH_MAX];
	struct verdict *verdict = &rebuilding->verdict;
	snprintf(root, sizeof root, "%s/projections", rebuilding->data.path);
	enum ll_code code = replay_compare(&rebuilding->replay, root, false, findings_add, &rebuilding->findings,
					   verdict, place, GUARDED_PLACE_MAX, error);
	if (code != LL_OK)
		return error_prefix(error, "cannot certify");
	if (verdict->compared.differences)
		return error_set(error, LL_DIVERGED, "not certified: %" PRIu64 " rows differ; nothing was changed",
				 verdict->compared.differences);
	if (verdict->has_digests && strcmp(verdict->live_digest, verdict->replayed_digest) != 0)
		return error_set(error, LL_DIVERGED,
				 "not certified: the digest is %s, rebuilt it is %s; nothing was changed",
				 verdict->live_digest, verdict->replayed_digest);
	return LL_OK;
}

static enum ll_code open_replay(struct rebuilding *rebuilding, struct error *error)
{
	const struct successors *successors = rebuilding->successors;
	bool resumed = successors_are_resumed(successors);
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		memcpy(rebuilding->replay.directories[id], successors->of[id].path, GENERATION_PATH_MAX);
	rebuilding->replay.resume = true;
	if (!resumed && option_flag(rebuilding->options, "from-snapshot"))
		code = begin_at_snapshot(rebuilding, error);
	if (code == LL_OK)
		code = replay_open(&rebuilding->replay, error);
	if (code == LL_OK)
		begin_progress(rebuilding);
	return code;
}

static enum ll_code build(struct rebuilding *rebuilding, char *place, struct error *error)
{
	enum ll_code code = open_replay(rebuilding, error);
	if (code == LL_OK && option_flag(rebuilding->options, "certify"))
		code = certify(rebuilding, place, error);
	snprintf(place, GUARDED_PLACE_MAX, "the journal");
	if (code == LL_OK)
		code = replay_to(&rebuilding->replay, UINT64_MAX, error);
	if (code != LL_OK) {
		replay_abandon(&rebuilding->replay);
		return code;
	}
	rebuilding->entries = ledger_fold_state(rebuilding->replay.ledger)->next_seq;
	return replay_close(&rebuilding->replay, error);
}

/* What a killed rebuild left is of use only if it is sound, and of this journal and this program's layout: else it is begun anew. */
static bool is_of_no_use(const struct rebuilding *rebuilding, enum ll_code code)
{
	bool compared = rebuilding->verdict.compared.differences || rebuilding->verdict.has_digests;
	return successors_are_resumed(rebuilding->successors) && !compared &&
	       (code == LL_UNTRUSTED || code == LL_OLDER || code == LL_NEWER || code == LL_FOREIGN ||
		code == LL_CORRUPT || code == LL_DIVERGED || code == LL_POISON);
}

static enum ll_code build_or_begin_anew(struct rebuilding *rebuilding, char *place, struct error *error)
{
	enum ll_code code = build(rebuilding, place, error);
	if (!is_of_no_use(rebuilding, code))
		return code;
	fprintf(stderr, "what an earlier rebuild left is of no use (%s): beginning anew\n", error->text);
	code = successors_begin_anew(rebuilding->successors, error);
	return code == LL_OK ? build(rebuilding, place, error) : code;
}

/* Worth building on when the rebuild is called again. */
static bool may_go_on(enum ll_code code)
{
	return code == LL_UNAVAILABLE || code == LL_TIMEOUT;
}

static void tell_waiting(int pid)
{
	fprintf(stderr,
		"built; waiting for process %d, which holds the directory, to take it into use (it also does so at its next start)\n",
		pid);
}

/* An engine of an older program cannot take what this one built: it is there for the new engine's start. */
static enum ll_code hand_over(struct rebuilding *rebuilding, struct error *error)
{
	enum ll_code code = successors_ready(rebuilding->successors, error);
	if (code == LL_OK)
		code = successors_hand_over(rebuilding->successors, tell_waiting, error);
	if (code != LL_NEWER)
		return code;
	fprintf(stderr, "%s\nit stays ready: an engine of this version takes it into use when it starts\n",
		error->text);
	return LL_OK;
}

static void write_result(const struct rebuilding *rebuilding, struct json_writer *writer)
{
	bool certified = option_flag(rebuilding->options, "certify");
	json_object_begin(writer);
	json_member_uint64(writer, "entries", rebuilding->entries);
	json_member_bool(writer, "certified", certified);
	if (certified) {
		json_member_uint64(writer, "rows", rebuilding->verdict.compared.rows);
		if (rebuilding->verdict.compared.declared)
			json_member_uint64(writer, "differAsDeclared", rebuilding->verdict.compared.declared);
		json_member_text(writer, "digest",
				 rebuilding->verdict.has_digests ? rebuilding->verdict.replayed_digest : NULL);
	}
	json_key(writer, "projections");
	json_array_begin(writer);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct successor *successor = &rebuilding->successors->of[id];
		if (!is_chosen(rebuilding, id))
			continue;
		json_object_begin(writer);
		json_member_text(writer, "projection", projection_layouts[id].name);
		json_member_uint64(writer, "generation", successor->made);
		json_key(writer, "replaced");
		if (successor->before)
			json_uint64(writer, successor->before);
		else
			json_null(writer);
		json_member_bool(writer, "resumed", successor->resumed);
		json_member_bool(writer, "inUse", successor->taken);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_object_end(writer);
}

static void print_result(const struct rebuilding *rebuilding)
{
	struct buffer buffer = {0};
	struct json_writer writer;
	json_writer_init(&writer, &buffer, false);
	write_result(rebuilding, &writer);
	command_print(rebuilding->options, &buffer);
	buffer_release(&buffer);
}

static int work(void *context, char *place)
{
	struct rebuilding *rebuilding = context;
	struct error error;
	snprintf(place, GUARDED_PLACE_MAX, "the journal");
	int status = command_open_journal(rebuilding->options, rebuilding->data.url, false, false,
					  &rebuilding->replay.journal);
	if (status == EXIT_DONE && data_remember(&rebuilding->data, &error) != LL_OK)
		status = command_failed(rebuilding->options, &error);
	if (status != EXIT_DONE)
		return status;
	if (data_holder(rebuilding->data.path))
		(void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + BESIDE_NICENESS);
	rebuilding->replay.progress = on_progress;
	rebuilding->replay.context = rebuilding;
	findings_init(&rebuilding->findings);
	progress_begin(&rebuilding->progress, stderr, "rebuilding", "blocks", 0);
	enum ll_code code = build_or_begin_anew(rebuilding, place, &error);
	progress_end(&rebuilding->progress);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_chosen(rebuilding, id))
			building_forget(rebuilding->replay.directories[id]);
	if (code == LL_OK)
		code = hand_over(rebuilding, &error);
	if (code != LL_OK)
		successors_give_up(rebuilding->successors, may_go_on(code));
	if (code == LL_OK)
		print_result(rebuilding);
	else if (rebuilding->verdict.compared.differences)
		printf("%s", buffer_text(&rebuilding->findings.words));
	journal_close(rebuilding->replay.journal);
	findings_release(&rebuilding->findings);
	if (code == LL_OK)
		return EXIT_DONE;
	bool is_no = code == LL_DIVERGED && option_flag(rebuilding->options, "certify");
	return is_no ? option_complain(rebuilding->options, EXIT_NO, "%s", error.text)
		     : command_failed(rebuilding->options, &error);
}

static int rebuild(struct rebuilding *rebuilding)
{
	char place[GUARDED_PLACE_MAX];
	bool interrupted = false;
	struct error error;
	if (successors_begin(rebuilding->successors, &error) != LL_OK) {
		successors_give_up(rebuilding->successors, false);
		return command_failed(rebuilding->options, &error);
	}
	int status = guarded_run(work, rebuilding, place, &interrupted);
	retire_replaced(rebuilding);
	successors_tidy(rebuilding->successors, true);
	if (status >= 0)
		return status;
	successors_give_up(rebuilding->successors, interrupted);
	if (interrupted)
		return option_complain(
			rebuilding->options, EXIT_FAILED,
			"it was interrupted, nothing was changed; called again it goes on, --cancel gives it up");
	return option_complain(
		rebuilding->options, EXIT_FAILED,
		"%s cannot be read: its file is damaged; nothing was changed (a projection can be rebuilt without --certify)",
		place);
}

/* ---- going back, giving up ---- */

static int roll_back(struct rebuilding *rebuilding)
{
	struct error error;
	enum ll_code code = successors_go_back(rebuilding->successors, &error);
	if (code == LL_NOT_FOUND)
		return option_complain(rebuilding->options, EXIT_NO, "%s", error.text);
	if (code == LL_OK)
		code = successors_hand_over(rebuilding->successors, tell_waiting, &error);
	if (code != LL_OK)
		return command_failed(rebuilding->options, &error);
	retire_replaced(rebuilding);
	successors_tidy(rebuilding->successors, false);
	printf(rebuilding->successors->by_engine
		       ? "the generations before are in use again\n"
		       : "the generations before are in use again; what the journal has more is folded at the next start\n");
	return EXIT_DONE;
}

static bool any_cancelled;

static void tell_cancelled(enum projection_id id, unsigned generation, int pid)
{
	any_cancelled = true;
	printf("%s: ", projection_layouts[id].name);
	if (pid)
		printf("the rebuild of process %d is ended; ", pid);
	printf("generation %u is given up\n", generation);
}

static int cancel(struct rebuilding *rebuilding)
{
	struct error error;
	if (successors_cancel(rebuilding->successors, tell_cancelled, &error) != LL_OK)
		return command_failed(rebuilding->options, &error);
	if (!any_cancelled)
		printf("nothing is being rebuilt\n");
	return EXIT_DONE;
}

/* ---- the command line ---- */

static int choose(const struct options *options, unsigned *mask)
{
	size_t count = option_arguments(options);
	if (count && option_flag(options, "all"))
		return option_complain(options, EXIT_USAGE, "name projections or say --all, not both");
	*mask = count ? 0 : PROJECTIONS_ALL;
	for (size_t i = 0; i < count; i++) {
		enum projection_id id = projection_named(slice_text(option_argument(options, i)));
		if (id == PROJECTIONS_COUNT)
			return option_complain(
				options, EXIT_USAGE,
				"there is no projection %s: balances, seats, queue, receipts, rankings, history",
				option_argument(options, i));
		*mask |= 1u << id;
	}
	return EXIT_DONE;
}

/* Those that build nothing go alone. */
static int check_flags(const struct options *options)
{
	static const char *const building[] = {"certify", "from-snapshot", "rate"};
	bool rollback = option_flag(options, "rollback"), cancels = option_flag(options, "cancel");
	if (rollback && cancels)
		return option_complain(options, EXIT_USAGE, "say --rollback or --cancel, not both");
	for (unsigned i = 0; i < sizeof building / sizeof *building; i++)
		if ((rollback || cancels) && option_given(options, building[i]))
			return option_complain(options, EXIT_USAGE, "--%s builds nothing: it does not go with --%s",
					       rollback ? "rollback" : "cancel", building[i]);
	return EXIT_DONE;
}

static int run(const struct options *options, void *context)
{
	struct rebuilding rebuilding = {.options = options};
	struct error error;
	(void)context;
	int status = choose(options, &rebuilding.replay.mask);
	if (status != EXIT_DONE)
		return status;
	status = check_flags(options);
	if (status != EXIT_DONE)
		return status;
	if (data_open(option_text(options, "data"), option_text(options, "journal"), DATA_READ, &rebuilding.data,
		      &error) != LL_OK)
		return command_failed(options, &error);
	rebuilding.replay.rate = (uint64_t)option_integer(options, "rate");
	rebuilding.successors =
		mmap(NULL, sizeof *rebuilding.successors, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ENSURE(rebuilding.successors != MAP_FAILED);
	successors_init(rebuilding.successors, &rebuilding.data, rebuilding.replay.mask);
	if (option_flag(options, "cancel"))
		status = cancel(&rebuilding);
	else if (successors_lock(rebuilding.successors, &error) != LL_OK)
		status = command_failed(options, &error);
	else if (option_flag(options, "rollback"))
		status = roll_back(&rebuilding);
	else
		status = rebuild(&rebuilding);
	successors_release(rebuilding.successors);
	munmap(rebuilding.successors, sizeof *rebuilding.successors);
	data_close(&rebuilding.data);
	return status;
}

static const struct option options[] = {
	OPTION_DATA,
	OPTION_JOURNAL,
	{.name = "all", .kind = OPTION_FLAG, .help = "all projections; so it is when none is named"},
	{.name = "certify",
	 .kind = OPTION_FLAG,
	 .help = "swap only if the new ones equal the old ones, where those stand"},
	{.name = "from-snapshot", .kind = OPTION_FLAG, .help = "begin at the newest snapshot instead of offset 0"},
	{.name = "rate",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .min = 1,
	 .max = 1000000000,
	 .help = "fold at most so many entries a second (default: as fast as it goes)"},
	{.name = "rollback", .kind = OPTION_FLAG, .help = "use the generations before the current ones again"},
	{.name = "cancel",
	 .kind = OPTION_FLAG,
	 .help = "end a rebuild that runs, and give up what is built and not in use"},
	OPTION_KAFKA,
	OPTION_CONFIG,
	OPTION_JSON,
	{0},
};

const struct cli_command command_rebuild = {
	.name = "rebuild",
	.arguments = "[PROJECTION...]",
	.summary = "build projections anew from the journal, and swap them in",
	.description =
		"Folds the journal from offset 0 into new generations, and puts them in the place of the old ones, which are kept for\n"
		"one --rollback. Projections: balances, seats, queue, receipts, rankings, history. An engine that serves from the\n"
		"directory goes on serving, and takes the new ones into use between two records. Interrupted or killed, it goes on\n"
		"where it was when it is called again.",
	.options = options,
	.arguments_max = PROJECTIONS_COUNT,
	.exits = "1: with --certify: they differ, and nothing was swapped; where is told",
	.run = run,
};
