#include "engine/cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "engine/cli/config.h"
#include "engine/cli/help.h"
#include "schemas/wire/buffer.h"
#include "schemas/wire/ensure.h"

enum { COMMAND_WORDS_MAX = 2 };

/* What was said of one option of the table. */
struct value {
	bool given, by_line; /* at all; on the command line */
	const char *text;
	int64_t integer;
	const char **items; /* of a list: those of the file, then those of the command line */
	size_t item_count;
};

struct options {
	const struct program *program;
	const struct cli_command *command;
	struct value *values; /* as many as the table has options */
	size_t value_count;
	const char **arguments;
	size_t argument_count;
	bool wants_help;
	FILE *err;
	struct arena arena;
};

/* ---- the table ---- */

static size_t table_size(const struct option *table)
{
	size_t count = 0;
	while (table && table[count].name)
		count++;
	return count;
}

static struct value *find(const struct options *options, const char *name, size_t size, const struct option **found)
{
	for (size_t i = 0; i < options->value_count; i++) {
		const struct option *option = &options->command->options[i];
		if (strlen(option->name) != size || memcmp(option->name, name, size) != 0)
			continue;
		*found = option;
		return &options->values[i];
	}
	return NULL;
}

static const struct value *known(const struct options *options, const char *name, enum option_kind kind)
{
	const struct option *option;
	const struct value *value = find(options, name, strlen(name), &option);
	ENSURE(value && option->kind == kind);
	return value;
}

/* ---- values ---- */

static enum ll_code read_integer(const struct option *option, const char *text, int64_t *integer, const char *dashes,
				 struct error *error)
{
	bool bounded = option->min || option->max;
	int64_t min = bounded ? option->min : INT64_MIN, max = bounded ? option->max : INT64_MAX;
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	bool is_number =
		*text && !*end && ((*text >= '0' && *text <= '9') || *text == '-') && text[strcspn(text, " \t")] == 0;
	if (is_number && !errno && number >= min && number <= max) {
		*integer = number;
		return LL_OK;
	}
	if (!bounded)
		return error_set(error, LL_USAGE, "%s%s takes a whole number, not \"%s\"", dashes, option->name, text);
	return error_set(error, LL_USAGE, "%s%s takes a whole number from %" PRId64 " to %" PRId64 ", not \"%s\"",
			 dashes, option->name, min, max, text);
}

static void add_item(struct options *options, struct value *value, const char *text)
{
	const char **items = arena_alloc(&options->arena, (value->item_count + 1) * sizeof *items);
	if (value->item_count)
		memcpy(items, value->items, value->item_count * sizeof *items);
	items[value->item_count++] = text;
	value->items = items;
}

/* `text` must live as long as the options. `dashes`: how the name is shown in messages. */
static enum ll_code set_value(struct options *options, const struct option *option, struct value *value,
			      const char *text, const char *dashes, struct error *error)
{
	if (option->kind == OPTION_LIST) {
		add_item(options, value, text);
		value->given = true;
		return LL_OK;
	}
	if (value->given)
		return error_set(error, LL_USAGE, "%s%s is given twice", dashes, option->name);
	if (option->kind == OPTION_INTEGER) {
		enum ll_code code = read_integer(option, text, &value->integer, dashes, error);
		if (code != LL_OK)
			return code;
	}
	value->text = text;
	value->given = true;
	return LL_OK;
}

/* ---- the file ---- */

struct from_file {
	struct options *options;
	bool *seen; /* one an option: a name that stands twice in the file is told apart from one of the command line */
};

static const char *keep(struct options *options, const char *text)
{
	return (const char *)arena_copy(&options->arena, slice_of(text, strlen(text) + 1)).at;
}

static enum ll_code flag_of_file(const struct option *option, struct value *value, const char *text,
				 struct error *error)
{
	bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
	if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0)
		return error_set(error, LL_USAGE, "%s is yes or no, not \"%s\"", option->name, text);
	value->given = yes;
	return LL_OK;
}

static enum ll_code item_of_file(struct options *options, const char *section, const char *name, const char *text,
				 struct error *error)
{
	const struct option *option;
	struct value *value = find(options, section, strlen(section), &option);
	if (!value || option->kind != OPTION_LIST)
		return error_set(error, LL_USAGE, "unknown section [%s]", section);
	size_t size = strlen(name) + strlen(text) + 2;
	char *item = arena_take(&options->arena, size, 1);
	snprintf(item, size, "%s=%s", name, text);
	return set_value(options, option, value, item, "", error);
}

static enum ll_code on_setting(void *context, const char *section, const char *name, const char *text,
			       struct error *error)
{
	struct from_file *file = context;
	struct options *options = file->options;
	const struct option *option;
	if (*section)
		return item_of_file(options, section, name, text, error);
	struct value *value = find(options, name, strlen(name), &option);
	if (!value || strcmp(name, "config") == 0)
		return error_set(error, LL_USAGE, "unknown setting %s", name);
	bool *seen = &file->seen[value - options->values];
	if (*seen && option->kind != OPTION_LIST)
		return error_set(error, LL_USAGE, "%s is given twice", name);
	*seen = true;
	if (value->by_line && option->kind != OPTION_LIST)
		return LL_OK;
	if (option->kind == OPTION_FLAG)
		return flag_of_file(option, value, text, error);
	return set_value(options, option, value, keep(options, text), "", error);
}

static enum ll_code read_file(struct options *options, struct error *error)
{
	const struct option *option;
	const struct value *config = find(options, "config", strlen("config"), &option);
	if (!config || !config->given)
		return LL_OK;
	struct from_file file = {options, arena_alloc(&options->arena, options->value_count * sizeof(bool))};
	memset(file.seen, 0, options->value_count * sizeof(bool));
	return config_read(config->text, on_setting, &file, error);
}

/* Puts the file's items of every list before the `on_line` ones of the command line, which were there first. */
static void reorder_lists(struct options *options, const size_t *on_line)
{
	for (size_t i = 0; i < options->value_count; i++) {
		struct value *value = &options->values[i];
		size_t ours = on_line[i], count = value->item_count;
		if (!ours || ours == count)
			continue;
		const char **items = arena_alloc(&options->arena, count * sizeof *items);
		memcpy(items, value->items + ours, (count - ours) * sizeof *items);
		memcpy(items + count - ours, value->items, ours * sizeof *items);
		value->items = items;
	}
}

/* ---- the line ---- */

/* Who gives an option that is not there mostly means an argument, or another command: so the right form is told. */
static enum ll_code unknown_option(const struct options *options, const char *word, size_t size, struct error *error)
{
	struct buffer usage = {0};
	help_usage(options->program, options->command, &usage);
	enum ll_code code = error_set(error, LL_USAGE, "unknown option %.*s; usage: %s (--help explains)", (int)size,
				      word, buffer_text(&usage));
	buffer_release(&usage);
	return code;
}

/* The option at argv[*at], and its value, which may be the next word. */
static enum ll_code read_option(struct options *options, char **argv, int argc, int *at, struct error *error)
{
	const char *word = argv[*at];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		options->wants_help = true;
		return LL_OK;
	}
	const char *name = word[1] == '-' ? word + 2 : "";
	size_t size = strcspn(name, "=");
	const struct option *option;
	struct value *value = find(options, name, size, &option);
	if (!value)
		return unknown_option(options, word, size + (*name ? 2 : strlen(word)), error);
	const char *text = name[size] == '=' ? name + size + 1 : NULL;
	if (option->kind == OPTION_FLAG) {
		value->given = value->by_line = true;
		return text ? error_set(error, LL_USAGE, "--%s takes no value", option->name) : LL_OK;
	}
	if (!text && *at + 1 < argc)
		text = argv[++*at];
	if (!text)
		return error_set(error, LL_USAGE, "--%s needs a value: --%s %s", option->name, option->name,
				 option->value);
	value->by_line = true;
	return set_value(options, option, value, text, "--", error);
}

static enum ll_code read_words(struct options *options, char **argv, int argc, int at, struct error *error)
{
	bool ended = false;
	options->arguments = arena_alloc(&options->arena, (size_t)(argc + 1) * sizeof *options->arguments);
	for (; at < argc; at++) {
		if (!ended && strcmp(argv[at], "--") == 0) {
			ended = true;
		} else if (!ended && argv[at][0] == '-' && argv[at][1]) {
			enum ll_code code = read_option(options, argv, argc, &at, error);
			if (code != LL_OK || options->wants_help)
				return code;
		} else {
			options->arguments[options->argument_count++] = argv[at];
		}
	}
	return LL_OK;
}

static enum ll_code check(struct options *options, struct error *error)
{
	const struct cli_command *command = options->command;
	for (size_t i = 0; i < options->value_count; i++) {
		const struct option *option = &command->options[i];
		struct value *value = &options->values[i];
		if (option->required && !value->given)
			return error_set(error, LL_USAGE, "--%s %s is needed", option->name, option->value);
		if (value->given || !option->standard)
			continue;
		value->text = option->standard;
		if (option->kind == OPTION_INTEGER)
			ENSURE(read_integer(option, option->standard, &value->integer, "", NULL) == LL_OK);
	}
	size_t count = options->argument_count;
	if (count > command->arguments_max)
		return error_set(error, LL_USAGE, "unexpected argument \"%s\"",
				 options->arguments[command->arguments_max]);
	if (count < command->arguments_min)
		return error_set(error, LL_USAGE, "too few arguments; it takes %s", command->arguments);
	return LL_OK;
}

static enum ll_code read_line(struct options *options, char **argv, int argc, int at, struct error *error)
{
	options->value_count = table_size(options->command->options);
	options->values = arena_alloc(&options->arena, (options->value_count + 1) * sizeof *options->values);
	memset(options->values, 0, (options->value_count + 1) * sizeof *options->values);
	enum ll_code code = read_words(options, argv, argc, at, error);
	if (code != LL_OK || options->wants_help)
		return code;
	size_t *on_line = arena_alloc(&options->arena, (options->value_count + 1) * sizeof *on_line);
	for (size_t i = 0; i < options->value_count; i++)
		on_line[i] = options->values[i].item_count;
	code = read_file(options, error);
	if (code != LL_OK)
		return code;
	reorder_lists(options, on_line);
	return check(options, error);
}

/* ---- the program ---- */

/* How many words at argv[at] name the command; 0: they do not. */
static int matches(const struct cli_command *command, char **argv, int argc, int at)
{
	const char *rest = command->name;
	int words = 0;
	for (; *rest; words++) {
		size_t size = strcspn(rest, " ");
		if (at + words >= argc || strlen(argv[at + words]) != size || memcmp(argv[at + words], rest, size) != 0)
			return 0;
		rest += size + (rest[size] == ' ');
	}
	ENSURE(words <= COMMAND_WORDS_MAX);
	return words;
}

static const struct cli_command *find_command(const struct program *program, char **argv, int argc, int at, int *words)
{
	const struct cli_command *best = NULL;
	*words = 0;
	for (size_t i = 0; i < program->command_count; i++) {
		int matched = matches(&program->commands[i], argv, argc, at);
		if (matched <= *words)
			continue;
		*words = matched;
		best = &program->commands[i];
	}
	return best;
}

static int no_command(const struct program *program, char **argv, int argc, int at, FILE *out, FILE *err)
{
	if (at < argc && help_print_group(program, argv[at], out, argc > at + 1 && strcmp(argv[at + 1], "--help") == 0))
		return EXIT_DONE;
	if (at >= argc)
		fprintf(err, "%s: a command is needed; %s --help lists them\n", program->name, program->name);
	else if (help_is_group(program, argv[at]))
		fprintf(err, "%s: %s needs one more word; %s %s --help lists them\n", program->name, argv[at],
			program->name, argv[at]);
	else
		fprintf(err, "%s: unknown command \"%s\"; %s --help lists them\n", program->name, argv[at],
			program->name);
	return EXIT_USAGE;
}

int program_run(const struct program *program, int argc, char **argv, FILE *out, FILE *err, void *context)
{
	struct options options = {.program = program, .err = err};
	struct error error;
	const char *first = argc > 1 ? argv[1] : "";
	bool asks_help = strcmp(first, "help") == 0 || strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0;
	int at = asks_help ? 2 : 1, words;
	if (asks_help && argc == 2) {
		help_print_program(program, out);
		return EXIT_DONE;
	}
	if (strcmp(first, "--version") == 0) {
		fprintf(out, "%s %s\n", program->name, program->version);
		return EXIT_DONE;
	}
	options.command = find_command(program, argv, argc, at, &words);
	if (!options.command)
		return no_command(program, argv, argc, at, out, err);
	int status;
	if (!asks_help && read_line(&options, argv, argc, at + words, &error) != LL_OK)
		status = option_complain(&options, EXIT_USAGE, "%s", error.text);
	else if (asks_help || options.wants_help)
		status = (help_print_command(program, options.command, out), EXIT_DONE);
	else
		status = options.command->run(&options, context);
	arena_release(&options.arena);
	return status;
}

/* ---- for commands ---- */

bool option_given(const struct options *options, const char *name)
{
	const struct option *option;
	const struct value *value = find(options, name, strlen(name), &option);
	ENSURE(value);
	return value->given;
}

bool option_flag(const struct options *options, const char *name)
{
	return known(options, name, OPTION_FLAG)->given;
}

const char *option_text(const struct options *options, const char *name)
{
	return known(options, name, OPTION_TEXT)->text;
}

int64_t option_integer(const struct options *options, const char *name)
{
	return known(options, name, OPTION_INTEGER)->integer;
}

size_t option_count(const struct options *options, const char *name)
{
	return known(options, name, OPTION_LIST)->item_count;
}

const char *option_item(const struct options *options, const char *name, size_t index)
{
	const struct value *value = known(options, name, OPTION_LIST);
	ENSURE(index < value->item_count);
	return value->items[index];
}

size_t option_arguments(const struct options *options)
{
	return options->argument_count;
}

const char *option_argument(const struct options *options, size_t index)
{
	return index < options->argument_count ? options->arguments[index] : NULL;
}

int option_complain(const struct options *options, int status, const char *format, ...)
{
	va_list args;
	struct buffer text = {0};
	va_start(args, format);
	buffer_vprintf(&text, format, args);
	va_end(args);
	fprintf(options->err, "%s %s: %s\n", options->program->name, options->command->name, buffer_text(&text));
	buffer_release(&text);
	return status;
}
