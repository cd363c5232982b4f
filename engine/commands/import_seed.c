/* `ledgerline import seed`: events of the service that kept points before. */
#include "engine/commands/commands.h"
#include "engine/commands/load.h"
#include "engine/seed/seed.h"

static enum ll_code translate(void *context, struct slice line, struct slice *command, struct error *error)
{
	return seed_translate(context, line, command, error);
}

static int run(const struct options *options, void *context)
{
	struct seed *seed = seed_new();
	struct load load = {
		.options = options,
		.keep_going = true,
		.list_refusals = true,
		.translate = translate,
		.translate_context = seed,
	};
	(void)context;
	int status = load_run(&load);
	seed_free(seed);
	return status;
}

static const struct option options[] = {LOAD_OPTIONS, {0}};

const struct cli_command command_import_seed = {
	.name = "import seed",
	.arguments = "[FILE|-]",
	.summary = "points of a service that went before, from its events",
	.description =
		"Each line is an event: a row of its point_events as JSON or CSV (PointCharged, PointUsed), a payment's\n"
		"payload, bare or in its envelope, or such a one as `kcat -J` writes it. Charges and uses of points\n"
		"become commands whose ids are made of the events' own: importing the same again changes nothing, and a\n"
		"payment counts once, whether its row or its message comes, or both. What cannot be imported, and what\n"
		"the rules refuse, is told with its line and reason, and passed over. Ends as `load` does.\n"
		"docs/intake.md",
	.options = options,
	.arguments_max = 1,
	.exits = "1: a line could not be imported",
	.run = run,
};
