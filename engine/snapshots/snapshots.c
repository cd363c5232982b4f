#include "engine/snapshots/snapshots.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/data/catch_up.h"
#include "engine/data/scratch.h"
#include "projections/store/copy.h"
#include "projections/store/environment.h"
#include "projections/store/generation.h"
#include "projections/views/rows.h"
#include "projections/views/snapshot_view.h"
#include "projections/views/specs.h"

enum { NAME_DIGITS = 12 };

static enum ll_code io_failed(const char *what, const char *path, struct error *error)
{
	int number = errno;
	return error_set(error, environment_code(number), "cannot %s %s: %s", what, path, strerror(number));
}

/* ---- what the rows hash to ---- */

struct hashing {
	struct hash_stream *stream;
	uint64_t rows;
};

static void add_sized(struct hash_stream *stream, struct slice bytes)
{
	uint8_t size[4];
	store_u32(size, (uint32_t)bytes.size);
	hash_stream_add(stream, slice_of(size, sizeof size));
	hash_stream_add(stream, bytes);
}

static bool add_row(void *context, struct slice key, struct slice value)
{
	struct hashing *hashing = context;
	add_sized(hashing->stream, key);
	add_sized(hashing->stream, value);
	hashing->rows++;
	return true;
}

static void hash_projection(struct view *view, enum projection_id id, struct snapshot_of_projection *one)
{
	const struct projection_layout *layout = &projection_layouts[id];
	struct hashing hashing = {.stream = hash_stream_new()};
	for (unsigned i = 0; i < layout->table_count; i++)
		view_scan(view, (enum table_id)(layout->first_table + i), SLICE_EMPTY, SLICE_EMPTY, false, add_row,
			  &hashing);
	struct hash hash = hash_stream_end(hashing.stream);
	hex_text(one->hash, hash.bytes, sizeof hash.bytes);
	one->rows = hashing.rows;
	one->version = layout->version;
}

/* ---- taking ---- */

static enum ll_code copy_one(enum projection_id id, const char *from, const char *scratch,
			     char path[GENERATION_PATH_MAX], struct error *error)
{
	const char *name = projection_layouts[id].name;
	enum ll_code code = LL_OK;
	snprintf(path, GENERATION_PATH_MAX, "%s/%s", scratch, name);
	if (mkdir(path, 0775) != 0)
		code = io_failed("make", path, error);
	if (code == LL_OK)
		code = generation_copy(projection_spec(id), from, path, error);
	return code == LL_OK ? LL_OK : error_prefix(error, "projection %s", name);
}

static enum ll_code copy_all(const struct data *data, const char *scratch, struct ledger_options *options,
			     char paths[PROJECTIONS_COUNT][GENERATION_PATH_MAX], struct error *error)
{
	char root[DATA_PATH_MAX], current[GENERATION_PATH_MAX];
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		data_projection_root(data, id, root);
		enum ll_code code = generation_current(root, current, NULL, error);
		if (code == LL_NOT_FOUND)
			return error_set(error, code,
					 "%s has no projection %s yet: rebuild it, or let an engine build it, first",
					 data->path, projection_layouts[id].name);
		if (code != LL_OK)
			return error_prefix(error, "projection %s", projection_layouts[id].name);
		code = copy_one(id, current, scratch, paths[id], error);
		if (code != LL_OK)
			return code;
		options->directories[id] = paths[id];
	}
	return LL_OK;
}

static enum ll_code describe(struct ledger *ledger, struct snapshot_manifest *manifest, struct error *error)
{
	const struct fold *fold = ledger_fold_state(ledger);
	struct view *view = ledger_view(ledger);
	*manifest = (struct snapshot_manifest){
		.entries = fold->next_seq, .next_offset = fold->next_offset, .time = fold->time};
	uuid_text(manifest->ledger, fold->ledger);
	hex_text(manifest->chain, fold->chain.bytes, sizeof fold->chain.bytes);
	snprintf(manifest->software, sizeof manifest->software, "%s", LEDGERLINE_VERSION);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		hash_projection(view, id, &manifest->projections[id]);
	enum ll_code code = digest_of_view(view, manifest->digest, error);
	ledger_view_reset(ledger);
	return code;
}

static enum ll_code look_for_interruption(const bool *interrupted, struct error *error)
{
	if (interrupted && __atomic_load_n(interrupted, __ATOMIC_RELAXED))
		return error_set(error, LL_UNAVAILABLE, "it was interrupted");
	return LL_OK;
}

/* The copies, folded on to one position; described, and on the disk. */
static enum ll_code make_whole(struct journal *journal, const struct ledger_options *options, const char *scratch,
			       const bool *interrupted, struct snapshot_manifest *manifest, struct error *error)
{
	struct ledger *ledger = NULL;
	struct catch_up how = {.end = UINT64_MAX, .interrupted = interrupted};
	struct error closing;
	enum ll_code code = ledger_open(options, &ledger, NULL, error);
	if (code != LL_OK)
		return code;
	code = catch_up(journal, ledger, &how, NULL, error);
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (ledger_failure(ledger, id))
			code = error_set(error, LL_POISON, "%s", ledger_failure(ledger, id)->text);
	if (code == LL_OK)
		code = look_for_interruption(interrupted, error);
	if (code == LL_OK)
		code = ledger_flush(ledger, error);
	if (code == LL_OK)
		code = describe(ledger, manifest, error);
	if (code != LL_OK)
		ledger_abandon(ledger);
	else if (ledger_close(ledger, &closing) != LL_OK)
		code = error_set(error, closing.code, "%s", closing.text);
	if (code == LL_OK)
		code = snapshot_sum(scratch, manifest, error);
	return code == LL_OK ? manifest_write(manifest, scratch, error) : code;
}

static enum ll_code move_into_place(const char *scratch, const char *root, const struct snapshot_manifest *manifest,
				    char path[SNAPSHOT_PATH_MAX], bool *was_there, struct error *error)
{
	struct snapshot_manifest there;
	snprintf(path, SNAPSHOT_PATH_MAX, "%s/%0*" PRIu64, root, NAME_DIGITS, manifest->entries);
	*was_there = manifest_read(path, &there, NULL) == LL_OK;
	if (*was_there)
		return LL_OK;
	enum ll_code code = environment_sync_directory(scratch, error);
	if (code == LL_OK && rename(scratch, path) != 0)
		code = io_failed("make", path, error);
	return code == LL_OK ? environment_sync_directory(root, error) : code;
}

/* Makes the root, and a directory in it for work. */
static enum ll_code begin(const char *root, char scratch[SNAPSHOT_PATH_MAX], struct error *error)
{
	if (strlen(root) > SNAPSHOT_PATH_MAX / 2)
		return error_set(error, LL_USAGE, "the directory's name is too long: %s", root);
	if (mkdir(root, 0775) != 0 && errno != EEXIST)
		return io_failed("make", root, error);
	enum ll_code code = environment_sync_name(root, error);
	return code == LL_OK ? scratch_make(root, "making", scratch, SNAPSHOT_PATH_MAX, error) : code;
}

enum ll_code snapshot_take(const struct data *data, struct journal *journal, const char *root, const bool *interrupted,
			   struct snapshot_manifest *manifest, char path[SNAPSHOT_PATH_MAX], bool *was_there,
			   struct error *error)
{
	char scratch[SNAPSHOT_PATH_MAX] = "", paths[PROJECTIONS_COUNT][GENERATION_PATH_MAX];
	struct ledger_options options = {.create = false};
	enum ll_code code = begin(root, scratch, error);
	if (code == LL_OK)
		code = copy_all(data, scratch, &options, paths, error);
	if (code == LL_OK)
		code = look_for_interruption(interrupted, error);
	if (code == LL_OK)
		code = make_whole(journal, &options, scratch, interrupted, manifest, error);
	if (code == LL_OK)
		code = move_into_place(scratch, root, manifest, path, was_there, error);
	scratch_remove(scratch);
	return code;
}

enum ll_code snapshot_of_ledger(struct ledger *ledger, const char *const directories[PROJECTIONS_COUNT],
				const char *root, struct snapshot_manifest *manifest, char path[SNAPSHOT_PATH_MAX],
				bool *was_there, struct error *error)
{
	char scratch[SNAPSHOT_PATH_MAX] = "", copy[GENERATION_PATH_MAX];
	enum ll_code code = begin(root, scratch, error);
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		code = copy_one(id, directories[id], scratch, copy, error);
	if (code == LL_OK)
		code = describe(ledger, manifest, error);
	if (code == LL_OK)
		code = snapshot_sum(scratch, manifest, error);
	if (code == LL_OK)
		code = manifest_write(manifest, scratch, error);
	if (code == LL_OK)
		code = move_into_place(scratch, root, manifest, path, was_there, error);
	scratch_remove(scratch);
	return code;
}

/* ---- finding and restoring ---- */

bool snapshot_name(const char *name, uint64_t *entries)
{
	char *end;
	*entries = strtoull(name, &end, 10);
	return *end == 0 && end - name >= NAME_DIGITS;
}

enum ll_code snapshot_newest(const char *root, struct snapshot_manifest *manifest, char path[SNAPSHOT_PATH_MAX],
			     struct error *error)
{
	uint64_t newest = 0, entries;
	bool found = false;
	DIR *directory = opendir(root);
	if (!directory && errno != ENOENT)
		return io_failed("read", root, error);
	for (struct dirent *one; directory && (one = readdir(directory));) {
		if (!snapshot_name(one->d_name, &entries) || (found && entries < newest))
			continue;
		found = true;
		newest = entries;
	}
	if (directory)
		closedir(directory);
	if (!found)
		return error_set(error, LL_NOT_FOUND, "there is no snapshot in %s: take one with `ledgerline snapshot`",
				 root);
	snprintf(path, SNAPSHOT_PATH_MAX, "%s/%0*" PRIu64, root, NAME_DIGITS, newest);
	return manifest_read(path, manifest, error);
}

static bool is_within(const struct snapshot_manifest *manifest, const struct snapshot_limit *limit)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (limit->mask >> id & 1 && manifest->projections[id].version != projection_layouts[id].version)
			return false;
	return manifest->entries <= limit->entries && (manifest->entries == 0 || manifest->time <= limit->time);
}

enum ll_code snapshot_before(const char *root, const struct snapshot_limit *limit, struct snapshot_manifest *manifest,
			     char path[SNAPSHOT_PATH_MAX], struct error *error)
{
	uint64_t entries, best = 0;
	bool found = false;
	DIR *directory = opendir(root);
	for (struct dirent *one; directory && (one = readdir(directory));) {
		struct snapshot_manifest candidate;
		char candidate_path[SNAPSHOT_PATH_MAX];
		if (!snapshot_name(one->d_name, &entries) || (found && entries < best))
			continue;
		snprintf(candidate_path, sizeof candidate_path, "%s/%0*" PRIu64, root, NAME_DIGITS, entries);
		if (manifest_read(candidate_path, &candidate, NULL) != LL_OK || !is_within(&candidate, limit))
			continue;
		found = true;
		best = entries;
		*manifest = candidate;
		memcpy(path, candidate_path, sizeof candidate_path);
	}
	if (directory)
		closedir(directory);
	return found ? LL_OK : error_set(error, LL_NOT_FOUND, "there is no snapshot in %s for this", root);
}

static enum ll_code check_copy(const char *path, const struct snapshot_of_projection *expected, enum projection_id id,
			       const char *directory, struct error *error)
{
	struct snapshot_view *copy = NULL;
	struct snapshot_of_projection found = {0};
	struct snapshot_places places = {.root = NULL};
	places.directories[id] = directory;
	enum ll_code code = snapshot_view_open(&places, &copy, error);
	if (code == LL_OK)
		code = snapshot_view_pin(copy, 0, error);
	if (code == LL_OK)
		hash_projection(snapshot_view_view(copy), id, &found);
	snapshot_view_close(copy);
	if (code == LL_OK && strcmp(found.hash, expected->hash) != 0)
		code = error_set(error, LL_DIVERGED,
				 "%s: the %" PRIu64 " rows of %s hash to %s, its manifest says %" PRIu64
				 " rows and %s: it was damaged, delete it",
				 path, found.rows, projection_layouts[id].name, found.hash, expected->rows,
				 expected->hash);
	return code;
}

enum ll_code snapshot_restore(const char *path, const struct snapshot_manifest *manifest, enum projection_id id,
			      const char *directory, struct error *error)
{
	char from[SNAPSHOT_PATH_MAX + 32];
	snprintf(from, sizeof from, "%s/%s", path, projection_layouts[id].name);
	enum ll_code code = snapshot_is_sound(path, manifest, 1u << id, error);
	if (code == LL_OK)
		code = generation_copy(projection_spec(id), from, directory, error);
	return code == LL_OK ? check_copy(path, &manifest->projections[id], id, directory, error) : code;
}
