/* The command line: options, configuration files, help, tables, progress; and the log's lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/cli/config.h"
#include "engine/cli/listing.h"
#include "engine/cli/options.h"
#include "engine/cli/progress.h"
#include "engine/log/log.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- a program that writes down what it was given ---- */

static struct buffer seen;

static int run(const struct options *options, void *context)
{
	(void)context;
	const char *data = option_text(options, "data"), *listen = option_text(options, "listen");
	buffer_printf(&seen, "data=%s listen=%s limit=%lld json=%d", data ? data : "(none)", listen ? listen : "(none)",
		      (long long)option_integer(options, "limit"), option_flag(options, "json"));
	for (size_t i = 0; i < option_count(options, "kafka"); i++)
		buffer_printf(&seen, " kafka:%s", option_item(options, "kafka", i));
	for (size_t i = 0; i < option_arguments(options); i++)
		buffer_printf(&seen, " arg:%s", option_argument(options, i));
	assert_null(option_argument(options, option_arguments(options)));
	return 7;
}

static const struct option table[] = {
	{"data", OPTION_TEXT, "DIR", "where the ledger lies", NULL, 0, 0, true},
	{"listen", OPTION_TEXT, "HOST:PORT", "address to listen on", "127.0.0.1:8080", 0, 0, false},
	{"limit", OPTION_INTEGER, "N", "at most so many", "10", 1, 100, false},
	{"json", OPTION_FLAG, NULL, "for programs", NULL, 0, 0, false},
	{"kafka", OPTION_LIST, "NAME=VALUE", "a setting of the client,\nword for word", NULL, 0, 0, false},
	{"config", OPTION_TEXT, "FILE", "more options", NULL, 0, 0, false},
	{0},
};

static int refuse(const struct options *options, void *context)
{
	(void)context;
	return option_complain(options, EXIT_FAILED, "no disk at %s", "/x");
}

static const struct cli_command commands[] = {
	{"serve", "[FILE|-]", "the engine", "Takes commands.", table, 0, 1, "More about 1.", run},
	{"journal create", NULL, "makes one", "Makes one.", NULL, 0, 0, NULL, refuse},
	{"journal info", "URL", "shows one", "Shows one.", NULL, 1, 1, NULL, refuse},
};

static const struct program program = {"ledgerline", "0.1.0", "an engine", commands, COUNT(commands)};

/* Runs a line of words with blanks between; gives what went to one stream. */
static int run_line(const char *line, struct buffer *out, struct buffer *err)
{
	char words[32][256], *argv[33];
	int argc = 0;
	for (const char *at = line; *at; argc++) {
		size_t size = strcspn(at, " ");
		snprintf(words[argc], sizeof words[argc], "%.*s", (int)size, at);
		argv[argc] = words[argc];
		at += size + (at[size] == ' ');
	}
	argv[argc] = NULL;
	char *out_text = NULL, *err_text = NULL;
	size_t out_size = 0, err_size = 0;
	FILE *out_file = open_memstream(&out_text, &out_size), *err_file = open_memstream(&err_text, &err_size);
	buffer_clear(&seen);
	int status = program_run(&program, argc, argv, out_file, err_file, NULL);
	fclose(out_file);
	fclose(err_file);
	buffer_clear(out);
	buffer_clear(err);
	buffer_append(out, out_text, out_size);
	buffer_append(err, err_text, err_size);
	free(out_text);
	free(err_text);
	return status;
}

static int release(void **state)
{
	(void)state;
	buffer_release(&seen);
	return 0;
}

/* Both forms of values, lists, standards, arguments and `--` are understood, and the status is the command's. */
static void good_lines_are_understood(void **state)
{
	(void)state;
	static const struct {
		const char *line, *expected;
	} cases[] = {
		{"ledgerline serve --data d", "data=d listen=127.0.0.1:8080 limit=10 json=0"},
		{"ledgerline serve --data=d --listen=a:1 --limit 100 --json file",
		 "data=d listen=a:1 limit=100 json=1 arg:file"},
		{"ledgerline serve - --data d --kafka a=1 --kafka=b=2",
		 "data=d listen=127.0.0.1:8080 limit=10 json=0 kafka:a=1 kafka:b=2 arg:-"},
		{"ledgerline serve --data d -- --json", "data=d listen=127.0.0.1:8080 limit=10 json=0 arg:--json"},
		{"ledgerline serve --data --json", "data=--json listen=127.0.0.1:8080 limit=10 json=0"},
		{"ledgerline serve --data=", "data= listen=127.0.0.1:8080 limit=10 json=0"},
	};
	struct buffer out = {0}, err = {0};
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(run_line(cases[i].line, &out, &err), 7);
		assert_string_equal(buffer_text(&seen), cases[i].expected);
		assert_int_equal(err.size, 0);
	}
	buffer_release(&out);
	buffer_release(&err);
}

/* Each wrong line is one sentence on standard error and exit status 2; nothing runs. */
static void bad_lines_are_one_sentence(void **state)
{
	(void)state;
	static const struct {
		const char *line, *expected;
	} cases[] = {
		{"ledgerline", "ledgerline: a command is needed; ledgerline --help lists them\n"},
		{"ledgerline swerve", "ledgerline: unknown command \"swerve\"; ledgerline --help lists them\n"},
		{"ledgerline journal",
		 "ledgerline: journal needs one more word; ledgerline journal --help lists them\n"},
		{"ledgerline journal burn",
		 "ledgerline: journal needs one more word; ledgerline journal --help lists them\n"},
		{"ledgerline serve", "ledgerline serve: --data DIR is needed\n"},
		{"ledgerline serve --data", "ledgerline serve: --data needs a value: --data DIR\n"},
		{"ledgerline serve --dta x",
		 "ledgerline serve: unknown option --dta; usage: ledgerline serve --data DIR [OPTIONS] [FILE|-] (--help explains)\n"},
		{"ledgerline serve --dta=x",
		 "ledgerline serve: unknown option --dta; usage: ledgerline serve --data DIR [OPTIONS] [FILE|-] (--help explains)\n"},
		{"ledgerline serve -d x",
		 "ledgerline serve: unknown option -d; usage: ledgerline serve --data DIR [OPTIONS] [FILE|-] (--help explains)\n"},
		{"ledgerline journal info --journal x",
		 "ledgerline journal info: unknown option --journal; usage: ledgerline journal info URL (--help explains)\n"},
		{"ledgerline serve --data d --json=1", "ledgerline serve: --json takes no value\n"},
		{"ledgerline serve --data d --data e", "ledgerline serve: --data is given twice\n"},
		{"ledgerline serve --data d --limit 0",
		 "ledgerline serve: --limit takes a whole number from 1 to 100, not \"0\"\n"},
		{"ledgerline serve --data d --limit 101",
		 "ledgerline serve: --limit takes a whole number from 1 to 100, not \"101\"\n"},
		{"ledgerline serve --data d --limit=1e1",
		 "ledgerline serve: --limit takes a whole number from 1 to 100, not \"1e1\"\n"},
		{"ledgerline serve --data d --limit=99999999999999999999",
		 "ledgerline serve: --limit takes a whole number from 1 to 100, not \"99999999999999999999\"\n"},
		{"ledgerline serve --data d a b", "ledgerline serve: unexpected argument \"b\"\n"},
		{"ledgerline journal info", "ledgerline journal info: too few arguments; it takes URL\n"},
	};
	struct buffer out = {0}, err = {0};
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(run_line(cases[i].line, &out, &err), EXIT_USAGE);
		assert_string_equal(buffer_text(&err), cases[i].expected);
		assert_int_equal(out.size, 0);
		assert_int_equal(seen.size, 0);
	}
	assert_int_equal(run_line("ledgerline journal create", &out, &err), EXIT_FAILED);
	assert_string_equal(buffer_text(&err), "ledgerline journal create: no disk at /x\n");
	buffer_release(&out);
	buffer_release(&err);
}

/* Help names usage, every option with its standard, and the exit statuses; it needs none of what the command needs. */
static void help_comes_from_the_tables(void **state)
{
	(void)state;
	struct buffer out = {0}, err = {0}, again = {0};
	assert_int_equal(run_line("ledgerline serve --help", &out, &err), EXIT_DONE);
	assert_string_equal(buffer_text(&out),
			    "Usage: ledgerline serve --data DIR [OPTIONS] [FILE|-]\n\nTakes commands.\n\nOptions:\n"
			    "  --data DIR                   where the ledger lies (needed)\n"
			    "  --listen HOST:PORT           address to listen on (default: 127.0.0.1:8080)\n"
			    "  --limit N                    at most so many (default: 10)\n"
			    "  --json                       for programs\n"
			    "  --kafka NAME=VALUE           a setting of the client,\n"
			    "                               word for word (may be repeated)\n"
			    "  --config FILE                more options\n"
			    "  --help                       this text\n\n"
			    "Exit status: 0 done; 1 the answer is no; 2 usage; 3 the world failed (disk, network, "
			    "...).\n"
			    "More about 1.\n");
	assert_int_equal(run_line("ledgerline help serve", &again, &err), EXIT_DONE);
	assert_string_equal(buffer_text(&again), buffer_text(&out));
	assert_int_equal(run_line("ledgerline --help", &out, &err), EXIT_DONE);
	assert_non_null(strstr(buffer_text(&out), "  journal create     makes one\n"));
	assert_int_equal(run_line("ledgerline journal --help", &out, &err), EXIT_DONE);
	assert_non_null(strstr(buffer_text(&out), "  journal info       shows one\n"));
	assert_null(strstr(buffer_text(&out), "serve"));
	assert_int_equal(run_line("ledgerline --version", &out, &err), EXIT_DONE);
	assert_string_equal(buffer_text(&out), "ledgerline 0.1.0\n");
	assert_int_equal(err.size, 0);
	buffer_release(&out);
	buffer_release(&err);
	buffer_release(&again);
}

/* ---- files ---- */

static void write_file(char path[64], const char *text)
{
	snprintf(path, 64, "/tmp/ledgerline-options-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* A file's settings count like options; the command line goes before them, and lists come after the file's. */
static void files_stand_behind_the_line(void **state)
{
	(void)state;
	char path[64], line[256];
	struct buffer out = {0}, err = {0};
	write_file(path, "# a comment\nlisten = b:2\nlimit=20 ; so many\njson = yes\ndata = elsewhere\n"
			 "[kafka]\nsecurity.protocol = SSL\nssl.ca.location=/etc/ca\n");
	snprintf(line, sizeof line, "ledgerline serve --config %s --data d --kafka x=1 --kafka y=2", path);
	assert_int_equal(run_line(line, &out, &err), 7);
	assert_string_equal(buffer_text(&seen), "data=d listen=b:2 limit=20 json=1 kafka:security.protocol=SSL "
						"kafka:ssl.ca.location=/etc/ca kafka:x=1 kafka:y=2");
	assert_int_equal(unlink(path), 0);
	buffer_release(&out);
	buffer_release(&err);
}

/* What is wrong in a file is told with its name and line. */
static void files_are_refused_with_their_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"listen = a:1\nlisen = b:2\n", ":2: unknown setting lisen\n"},
		{"\n\nlimit = 500\n", ":3: limit takes a whole number from 1 to 100, not \"500\"\n"},
		{"listen = a:1\nlisten = b:2\n", ":2: listen is given twice\n"},
		{"json = maybe\n", ":1: json is yes or no, not \"maybe\"\n"},
		{"[rabbit]\nx = y\n", ":2: unknown section [rabbit]\n"},
		{"config = other\n", ":1: unknown setting config\n"},
		{"listen = a:1\nwhat is this\n", ":2: this is neither `name = value` nor a [section]\n"},
	};
	struct buffer out = {0}, err = {0};
	char path[64], line[256], expected[256];
	for (size_t i = 0; i < COUNT(cases); i++) {
		write_file(path, cases[i].text);
		snprintf(line, sizeof line, "ledgerline serve --data d --config %s", path);
		snprintf(expected, sizeof expected, "ledgerline serve: %s%s", path, cases[i].expected);
		assert_int_equal(run_line(line, &out, &err), EXIT_USAGE);
		assert_string_equal(buffer_text(&err), expected);
		assert_int_equal(unlink(path), 0);
	}
	char longest[400] = "listen = ";
	memset(longest + 9, 'x', sizeof longest - 11);
	longest[sizeof longest - 2] = '\n';
	write_file(path, longest);
	snprintf(line, sizeof line, "ledgerline serve --data d --config %s", path);
	assert_int_equal(run_line(line, &out, &err), EXIT_USAGE);
	assert_non_null(strstr(buffer_text(&err), ":1: the line is longer than "));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(run_line(line, &out, &err), EXIT_USAGE);
	assert_non_null(strstr(buffer_text(&err), "cannot read the configuration file /tmp/ledgerline-options-"));
	buffer_release(&out);
	buffer_release(&err);
}

/* ---- tables, progress, log ---- */

/* Columns line up on the terminal also with Hangul and combining marks; JSON has the same rows. */
static void tables_line_up(void **state)
{
	(void)state;
	static const struct listing_column columns[] = {{"CONCERT", "concertTitle", LISTING_TEXT},
							{"SEATS", "seats", LISTING_AMOUNT},
							{"YEAR", "year", LISTING_NUMBER},
							{"OPEN", "open", LISTING_TEXT},
							{0}};
	struct listing shown;
	char *text = NULL;
	size_t size = 0;
	listing_init(&shown, columns);
	listing_text(&shown, SLICE("서울의 밤"));
	listing_number(&shown, 10000);
	listing_number(&shown, 2026);
	listing_bool(&shown, true);
	listing_text(&shown, SLICE("cafe\xCC\x81\x01\xFF"));
	listing_number(&shown, -7);
	listing_null(&shown);
	listing_bool(&shown, false);
	FILE *out = open_memstream(&text, &size);
	listing_print(&shown, out);
	fclose(out);
	assert_string_equal(text, "CONCERT     SEATS  YEAR  OPEN\n"
				  "서울의 밤  10,000  2026  yes\n"
				  "cafe\xCC\x81??         -7     -  no\n");
	free(text);
	struct buffer json = {0};
	struct json_writer writer;
	json_writer_init(&writer, &json, false);
	listing_json(&shown, &writer);
	assert_string_equal(
		buffer_text(&json),
		"[{\"concertTitle\":\"서울의 밤\",\"seats\":10000,\"year\":2026,\"open\":true},"
		"{\"concertTitle\":\"cafe\xCC\x81\\u0001\xEF\xBF\xBD\",\"seats\":-7,\"year\":null,\"open\":false}]");
	buffer_clear(&json);
	listing_amount(&json, INT64_MIN);
	assert_string_equal(buffer_text(&json), "-9,223,372,036,854,775,808");
	buffer_release(&json);
	listing_release(&shown);
}

/* Progress says how much, how fast and how long; nothing at all where no terminal is. */
static void progress_is_for_terminals(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	struct buffer line = {0};
	FILE *out = tmpfile();
	struct progress progress;
	progress_begin(&progress, out, "rebuilding balances", "events", 10000000);
	for (uint64_t i = 0; i < 1000; i++)
		progress_update(&progress, i);
	progress_end(&progress);
	assert_int_equal(ftell(out), 0);
	fclose(out);
	progress_render(&progress, 2500000, UINT64_C(2000000000), &line);
	assert_string_equal(buffer_text(&line),
			    "rebuilding balances  2,500,000 of 10,000,000 events  1,250,000/s  6 s left");
	buffer_clear(&line);
	progress.total = 0;
	progress_render(&progress, 90, UINT64_C(60000000000), &line);
	assert_string_equal(buffer_text(&line), "rebuilding balances  90 events  1/s");
	buffer_clear(&line);
	progress.total = 10000;
	progress_render(&progress, 90, UINT64_C(60000000000), &line);
	assert_string_equal(buffer_text(&line), "rebuilding balances  90 of 10,000 events  1/s  1 h 50 min left");
	buffer_release(&line);
	free(text);
	(void)size;
}

/* A line of the log is words or JSON, one line whatever is in it. */
static void log_lines_are_one_line(void **state)
{
	(void)state;
	const struct log_field fields[] = {LOG_TEXT("host", "127.0.0.1"), LOG_NUMBER("port", 80),
					   LOG_TEXT("why", "a \"b\"\n"), LOG_TEXT("none", "")};
	struct buffer line = {0};
	enum log_level level = LOG_DEBUG;
	log_render(&line, LOG_WORDS, 1772355600123, LOG_INFO, "http.listening", fields, COUNT(fields));
	assert_string_equal(buffer_text(&line), "2026-03-01T09:00:00.123Z info http.listening host=127.0.0.1 port=80 "
						"why=\"a \\\"b\\\"\\n\" none=\"\"\n");
	buffer_clear(&line);
	log_render(&line, LOG_JSON, 1772355600123, LOG_ERROR, "disk.full", fields, 2);
	assert_string_equal(buffer_text(&line),
			    "{\"time\":\"2026-03-01T09:00:00.123Z\",\"level\":\"error\",\"event\":\"disk.full\","
			    "\"host\":\"127.0.0.1\",\"port\":80}\n");
	log_debug("not.shown");
	log_debug("not.shown", LOG_NUMBER("n", 1), LOG_SLICE("s", SLICE("x")));
	assert_int_equal(log_level_parse("warn", &level, NULL), LL_OK);
	assert_int_equal(level, LOG_WARN);
	assert_int_equal(log_level_parse("loud", &level, NULL), LL_USAGE);
	buffer_release(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines_are_understood),         cmocka_unit_test(bad_lines_are_one_sentence),
		cmocka_unit_test(help_comes_from_the_tables),        cmocka_unit_test(files_stand_behind_the_line),
		cmocka_unit_test(files_are_refused_with_their_line), cmocka_unit_test(tables_line_up),
		cmocka_unit_test(progress_is_for_terminals),         cmocka_unit_test(log_lines_are_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
