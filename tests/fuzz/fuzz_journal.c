/*
 * An embedded journal with changed bytes: what the fold rule takes from it is what was written, or there is an error. LMDB has no
 * checksums and may crash on such a file, so it is read in a child; that it ends by a signal is allowed, that it reads something else as
 * history is not.
 *
 * Each five bytes of the input: four say where, one what is flipped there.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/data/catch_up.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLAIMS = 60, CHILD_SECONDS = 10, SILENTLY_WRONG = 77 };

static char directory[] = "/dev/shm/ledgerline-fuzz.XXXXXX";
static char url[128], path[128];
static uint8_t *image;
static size_t image_size;
static struct hash chains[CLAIMS + 2]; /* after each record */

static void clean(void)
{
	char command[160];
	snprintf(command, sizeof command, "rm -rf %s", directory);
	if (system(command) != 0) /* NOLINT(cert-env33-c): a text of our own */
		fprintf(stderr, "%s is left\n", directory);
}

static void append(struct journal_appender *appender, struct slice value)
{
	struct journal_report report;
	struct error error;
	ENSURE(journal_append(appender, value, 1, NULL, 0, &error) == LL_OK &&
	       journal_report(appender, 10000, &report) == LL_OK && report.code == LL_OK);
}

/* Folds all that is there. Returns how many records are history. */
static uint64_t fold_all(struct journal *journal, void (*folded)(const struct fold *))
{
	struct fold fold = {0};
	struct journal_reader *reader;
	struct error error;
	if (journal_reader_open(journal, 0, &reader, &error) != LL_OK)
		return 0;
	for (;;) {
		struct journal_record record;
		enum fold_verdict verdict;
		struct block block;
		if (journal_read(reader, 0, &record, &error) != LL_OK ||
		    fold_record(&fold, record.offset, record.value, &verdict, &block, &error) != LL_OK)
			break;
		folded(&fold);
	}
	journal_reader_close(reader);
	return fold.next_offset;
}

static void remember(const struct fold *fold)
{
	chains[fold->next_offset - 1] = fold->chain;
}

/* A record that has lost its magic is told as a foreign one, aloud; nothing that comes after it may be history. */
static void compare(const struct fold *fold)
{
	uint64_t history = fold->next_offset - fold->foreign_blocks;
	if (fold->next_offset > CLAIMS + 1 || fold->stale_blocks || fold->block_offset != history - 1 ||
	    memcmp(&chains[history - 1], &fold->chain, sizeof fold->chain) != 0)
		_exit(SILENTLY_WRONG);
}

static void load_image(void)
{
	FILE *file = fopen(path, "rb");
	ENSURE(file && fseek(file, 0, SEEK_END) == 0);
	image_size = (size_t)ftell(file);
	image = malloc(image_size);
	rewind(file);
	ENSURE(image && fread(image, 1, image_size, file) == image_size && fclose(file) == 0);
}

static void begin(void)
{
	struct journal *journal;
	struct journal_appender *appender;
	struct error error;
	uint8_t room[4096], *genesis;
	size_t size;
	int64_t time_ms;
	struct block block;
	struct claim_body body = {SLICE("0123456789abcdef"), SLICE("http://127.0.0.1:8080"), SLICE("0.1.0"), 1};
	ENSURE(mkdtemp(directory));
	atexit(clean);
	snprintf(url, sizeof url, "local:%s", directory);
	snprintf(path, sizeof path, "%s/data.mdb", directory);
	ENSURE(journal_open(url, &(struct journal_options){.create = true}, &journal, &error) == LL_OK &&
	       write_genesis(journal, "fuzz", 1, &error) == LL_OK &&
	       journal_read_at(journal, 0, &genesis, &size, &time_ms, &error) == LL_OK &&
	       block_read(slice_of(genesis, size), &block, &error) == LL_OK &&
	       journal_appender_open(journal, &appender, &error) == LL_OK);
	for (unsigned epoch = 1; epoch <= CLAIMS; epoch++)
		append(appender, block_write_claim(room, block.ledger, 1, epoch, 0, &body));
	free(genesis);
	journal_appender_close(appender);
	ENSURE(fold_all(journal, remember) == CLAIMS + 1);
	journal_close(journal);
	load_image();
}

static void write_changed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(image_size);
	ENSURE(copy);
	memcpy(copy, image, image_size);
	for (; size >= 5; data += 5, size -= 5)
		copy[load_u32(data) % image_size] ^= data[4];
	int file = open(path, O_WRONLY | O_CLOEXEC);
	ENSURE(file >= 0 && pwrite(file, copy, image_size, 0) == (ssize_t)image_size && close(file) == 0);
	free(copy);
}

__attribute__((noreturn)) static void child(void)
{
	struct journal *journal;
	struct error error;
	const struct rlimit no_core = {0, 0};
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (int number = 1; number < 32; number++)
		(void)signal(number, SIG_DFL); /* the fuzzer's own would report what is allowed here */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)dup2(nowhere, STDERR_FILENO);
	alarm(CHILD_SECONDS);
	if (journal_open(url, &(struct journal_options){.read_only = true}, &journal, &error) == LL_OK)
		(void)fold_all(journal, compare);
	_exit(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int status;
	if (!image)
		begin();
	write_changed(data, size);
	pid_t pid = fork();
	if (pid == 0)
		child();
	ENSURE(pid > 0 && waitpid(pid, &status, 0) == pid);
	ENSURE(!WIFEXITED(status) || WEXITSTATUS(status) != SILENTLY_WRONG);
	return 0;
}
