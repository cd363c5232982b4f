/*
 * Power cuts: real work on an embedded journal and its projections is recorded, call by call; then the power fails after any of these
 * calls, and the disk has of what was not synced what it likes (disk.h). What is found must be right, or be told from what is right and built
 * anew: never silently wrong, and nothing lost that was acknowledged (judge.h).
 *
 * LEDGERLINE_IMAGES says how many (250), LEDGERLINE_SEED from which seed on (1). Threads write in another order each time, so a seed is not
 * the same images again: LEDGERLINE_KEEP=1 ends at the first one that is wrong, and leaves it there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "schemas/wire/ensure.h"
#include "tests/powercuts/disk.h"
#include "tests/powercuts/judge.h"
#include "tests/powercuts/work.h"
#include "tests/unit/scratch.h"

enum { IMAGES = 250, IMAGES_OF_ONE_WORK = 125, PATHS = 256 };

struct tally {
	unsigned images, found[FOUND_WRONG + 1], projections_distrusted, works;
	size_t operations;
};

static char boot_file[PATHS];

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void clear(const char *path)
{
	struct stat status;
	if (lstat(path, &status) == 0)
		ENSURE(nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

static struct promised promised_before(const struct recording *recording, size_t at)
{
	struct promised promised = {0};
	for (size_t i = 0; i < at; i++) {
		const struct operation *operation = &recording->operations[i];
		if (operation->kind == OPERATION_MARK && operation->mark == MARK_ACKNOWLEDGED)
			promised.records = operation->size;
		else if (operation->kind == OPERATION_MARK)
			promised.snapshot_entries = operation->size;
	}
	return promised;
}

static struct cut draw(const struct recording *recording, uint64_t seed, uint64_t image)
{
	return (struct cut){.recording = recording,
			    .at = drawn(seed, image, 1) % (recording->count + 1),
			    .bytes = (enum cut_bytes)(drawn(seed, image, 2) % CUT_BYTES_COUNT),
			    .names = (enum cut_names)(drawn(seed, image, 3) % NAMES_COUNT),
			    .seed = drawn(seed, image, 4)};
}

static void try_image(const struct recording *recording, const struct truth *truth, uint64_t seed, uint64_t image,
		      struct tally *tally)
{
	char path[PATHS], data[PATHS + 8];
	struct finding finding;
	struct cut cut = draw(recording, seed, image);
	struct promised promised = promised_before(recording, cut.at);
	snprintf(path, sizeof path, "%s/image", scratch);
	snprintf(data, sizeof data, "%s/data", path);
	ENSURE(mkdir(path, 0770) == 0);
	disk_image(&cut, path);
	judge(data, cut.bytes == CUT_KILLED ? NULL : boot_file, truth, &promised, &finding);
	tally->images++;
	tally->found[finding.found]++;
	tally->projections_distrusted += finding.distrusted;
	if (finding.found == FOUND_WRONG) {
		print_error("seed %llu, image %llu in %s: cut before call %zu of %zu, bytes: %s, names: "
			    "%s: %s\n",
			    (unsigned long long)seed, (unsigned long long)image, data, cut.at, recording->count,
			    cut_bytes_names[cut.bytes], cut_names_names[cut.names], finding.sentence);
		if (getenv("LEDGERLINE_KEEP"))
			exit(1); /* and leaves the image there */
	}
	clear(path);
}

/* Records the work of one seed, and cuts it. */
static void try_work(uint64_t seed, unsigned images, struct tally *tally)
{
	char root[PATHS], replayed[PATHS], url[PATHS + 24];
	struct truth truth;
	snprintf(root, sizeof root, "%s/work", scratch);
	snprintf(replayed, sizeof replayed, "%s/replayed", scratch);
	snprintf(url, sizeof url, "local:%s/data/journal", root);
	ENSURE(mkdir(root, 0770) == 0 && mkdir(replayed, 0770) == 0);
	recorder_begin(root);
	work(root, seed);
	struct recording *recording = recorder_end();
	truth_of(url, replayed, &truth);
	tally->works++;
	tally->operations += recording->count;
	for (uint64_t image = 0; image < images; image++)
		try_image(recording, &truth, seed, image, tally);
	truth_release(&truth);
	recording_free(recording);
	clear(root);
	clear(replayed);
}

/* No image is wrong without being told from a right one. */
static void test_images(void **state)
{
	struct tally tally = {0};
	unsigned images = (unsigned)number_of("LEDGERLINE_IMAGES", IMAGES);
	uint64_t seed = number_of("LEDGERLINE_SEED", 1);
	(void)state;
	for (unsigned left = images; left; seed++) {
		unsigned some = left < IMAGES_OF_ONE_WORK ? left : IMAGES_OF_ONE_WORK;
		try_work(seed, some, &tally);
		left -= some;
	}
	print_message(
		"power cuts: %u images of %u works of %zu calls: %u right, %u detected and rebuilt (%u projections), "
		"%u before there was a journal, %u wrong\n",
		tally.images, tally.works, tally.operations, tally.found[FOUND_RIGHT], tally.found[FOUND_REBUILT],
		tally.projections_distrusted, tally.found[FOUND_NEW], tally.found[FOUND_WRONG]);
	assert_int_equal(tally.found[FOUND_WRONG], 0);
}

static int set_up(void **state)
{
	if (scratch_make(state) != 0)
		return -1;
	snprintf(boot_file, sizeof boot_file, "%s/boot_id", scratch);
	FILE *file = fopen(boot_file, "w");
	return file && fputs("11111111-2222-4333-8444-555555555555\n", file) >= 0 && fclose(file) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_images)};
	return cmocka_run_group_tests(tests, set_up, scratch_remove);
}
