/*
 * Whether a snapshot is what was written: its files by their sums, its place by what its projections say.
 *
 * The sum of a file is remembered by what changes with it (device, inode, size, times), so that cuts which begin at the same snapshots again
 * and again read each of them once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/snapshots/snapshots.h"
#include "projections/store/environment.h"
#include "schemas/wire/ensure.h"

enum { READ_BYTES = 1 << 20, REMEMBERED_MAX = 256 };

struct file {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed, written;
	uint64_t sum;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file remembered[REMEMBERED_MAX];
static unsigned remembered_next;

static bool is_same(const struct file *a, const struct file *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
	       a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec;
}

static bool recall(struct file *file)
{
	bool found = false;
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < REMEMBERED_MAX && !found; i++) {
		found = remembered[i].inode && is_same(&remembered[i], file);
		if (found)
			file->sum = remembered[i].sum;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

static void remember(const struct file *file)
{
	pthread_mutex_lock(&lock);
	remembered[remembered_next++ % REMEMBERED_MAX] = *file;
	pthread_mutex_unlock(&lock);
}

static bool add_all(int descriptor, XXH3_state_t *state)
{
	uint8_t *room = malloc(READ_BYTES);
	ENSURE(room && "memory is used up");
	ssize_t size;
	do {
		size = read(descriptor, room, READ_BYTES);
		if (size > 0)
			(void)XXH3_64bits_update(state, room, (size_t)size);
	} while (size > 0 || (size < 0 && errno == EINTR));
	int number = errno;
	free(room);
	errno = number;
	return size == 0;
}

static bool sum_of(int descriptor, struct file *file)
{
	struct stat status;
	if (fstat(descriptor, &status) != 0)
		return false;
	*file = (struct file){.device = status.st_dev,
			      .inode = status.st_ino,
			      .size = status.st_size,
			      .changed = status.st_ctim,
			      .written = status.st_mtim};
	if (recall(file))
		return true;
	XXH3_state_t *state = XXH3_createState();
	ENSURE(state && "memory is used up");
	(void)XXH3_64bits_reset(state);
	bool fine = add_all(descriptor, state);
	file->sum = XXH3_64bits_digest(state);
	int number = errno;
	(void)XXH3_freeState(state);
	if (fine)
		remember(file);
	errno = number;
	return fine;
}

static enum ll_code sum_file(const char *directory, enum projection_id id, struct file *file, struct error *error)
{
	char path[SNAPSHOT_PATH_MAX + 64];
	snprintf(path, sizeof path, "%s/%s/data.mdb", directory, projection_layouts[id].name);
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	bool fine = descriptor >= 0 && sum_of(descriptor, file);
	int number = errno;
	if (descriptor >= 0)
		close(descriptor);
	if (fine)
		return LL_OK;
	return error_set(error, environment_code(number), "cannot read %s: %s", path, strerror(number));
}

enum ll_code snapshot_sum(const char *directory, struct snapshot_manifest *manifest, struct error *error)
{
	struct file file;
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		struct snapshot_of_projection *one = &manifest->projections[id];
		code = sum_file(directory, id, &file, error);
		if (code == LL_OK)
			snprintf(one->sum, sizeof one->sum, "%016" PRIx64, file.sum);
	}
	return code;
}

enum ll_code snapshot_is_sound(const char *path, const struct snapshot_manifest *manifest, unsigned mask,
			       struct error *error)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct snapshot_of_projection *one = &manifest->projections[id];
		struct file file;
		char found[SNAPSHOT_SUM_SIZE];
		if (!(mask >> id & 1) || !*one->sum)
			continue;
		enum ll_code code = sum_file(path, id, &file, error);
		if (code != LL_OK)
			return code;
		snprintf(found, sizeof found, "%016" PRIx64, file.sum);
		if (strcmp(found, one->sum) != 0)
			return error_set(error, LL_CORRUPT,
					 "%s/%s/data.mdb: its bytes sum to %s, the manifest says %s: it was damaged",
					 path, projection_layouts[id].name, found, one->sum);
	}
	return LL_OK;
}

/* ---- its place ---- */

enum ll_code snapshot_is_of(const struct snapshot_manifest *manifest, const struct ledger *ledger, struct error *error)
{
	const struct fold *fold = ledger_fold_state(ledger);
	char chain[sizeof manifest->chain], uuid[sizeof manifest->ledger];
	hex_text(chain, fold->chain.bytes, sizeof fold->chain.bytes);
	uuid_text(uuid, fold->ledger);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (ledger_holds(ledger, id) && ledger_position(ledger, id) != manifest->entries)
			return error_set(error, LL_CORRUPT,
					 "its projection %s stands after %" PRIu64
					 " entries, its manifest says %" PRIu64 ": it was damaged",
					 projection_layouts[id].name, ledger_position(ledger, id), manifest->entries);
	if (fold->next_offset != manifest->next_offset || ledger_furthest(ledger) != manifest->next_offset ||
	    fold->time != manifest->time || strcmp(chain, manifest->chain) != 0 || strcmp(uuid, manifest->ledger) != 0)
		return error_set(error, LL_CORRUPT,
				 "its projections stand at offset %" PRIu64 " of ledger %s, its manifest says %" PRIu64
				 " of %s, or another time or chain hash: it was damaged",
				 fold->next_offset, uuid, manifest->next_offset, manifest->ledger);
	return LL_OK;
}
