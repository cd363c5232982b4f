/* A snapshot's manifest.json. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/snapshots/snapshots.h"
#include "projections/store/environment.h"
#include "schemas/wire/time.h"

enum { MANIFEST_BYTES_MAX = 64 << 10 };

void manifest_to_json(const struct snapshot_manifest *manifest, struct json_writer *writer)
{
	json_object_begin(writer);
	json_member_uint64(writer, "format", SNAPSHOT_FORMAT);
	json_member_text(writer, "ledger", manifest->ledger);
	json_key(writer, "position");
	if (manifest->entries)
		json_textf(writer, "0:%" PRIu64, manifest->entries - 1);
	else
		json_text(writer, "start");
	json_member_uint64(writer, "entries", manifest->entries);
	json_member_uint64(writer, "nextOffset", manifest->next_offset);
	json_member_int64(writer, "timeMs", manifest->time);
	json_member_text(writer, "chain", manifest->chain);
	json_member_text(writer, "software", manifest->software);
	json_member_text(writer, "digest", manifest->digest);
	json_key(writer, "projections");
	json_array_begin(writer);
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct snapshot_of_projection *one = &manifest->projections[id];
		json_object_begin(writer);
		json_member_text(writer, "projection", projection_layouts[id].name);
		json_member_uint64(writer, "version", one->version);
		json_member_uint64(writer, "rows", one->rows);
		json_member_text(writer, "hash", one->hash);
		if (*one->sum)
			json_member_text(writer, "sum", one->sum);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_object_end(writer);
}

static enum ll_code io_failed(const char *what, const char *path, struct error *error)
{
	int number = errno;
	return error_set(error, environment_code(number), "cannot %s %s: %s", what, path, strerror(number));
}

enum ll_code manifest_write(const struct snapshot_manifest *manifest, const char *directory, struct error *error)
{
	char path[SNAPSHOT_PATH_MAX + 32];
	struct buffer buffer = {0};
	struct json_writer writer;
	snprintf(path, sizeof path, "%s/manifest.json", directory);
	json_writer_init(&writer, &buffer, true);
	manifest_to_json(manifest, &writer);
	buffer_append_byte(&buffer, '\n');
	FILE *file = fopen(path, "we");
	bool fine = file && fwrite(buffer.at, 1, buffer.size, file) == buffer.size;
	fine = file && fclose(file) == 0 && fine;
	enum ll_code code = fine ? environment_sync_file(path, error) : io_failed("write", path, error);
	buffer_release(&buffer);
	return code;
}

/* ---- reading ---- */

struct reading {
	struct json_reader json;
	const char *path;
	struct error *error;
	enum ll_code code;
};

static const struct json_node *member(struct reading *reading, const struct json_node *object, const char *name,
				      enum json_type type)
{
	const struct json_node *node = object ? json_member(&reading->json, object, slice_text(name)) : NULL;
	if (node && node->type == type)
		return node;
	if (reading->code == LL_OK)
		reading->code =
			error_set(reading->error, LL_CORRUPT,
				  "%s: %s is missing or of the wrong type: take another snapshot", reading->path, name);
	return NULL;
}

static uint64_t number_of(struct reading *reading, const struct json_node *object, const char *name)
{
	const struct json_node *node = member(reading, object, name, JSON_NUMBER);
	if (!node)
		return 0;
	if ((!node->is_integer || node->integer < 0) && reading->code == LL_OK)
		reading->code = error_set(reading->error, LL_CORRUPT, "%s: %s is not a count", reading->path, name);
	return node->is_integer ? (uint64_t)node->integer : 0;
}

static void text_of(struct reading *reading, const struct json_node *object, const char *name, char *text, size_t size)
{
	const struct json_node *node = member(reading, object, name, JSON_STRING);
	text[0] = 0;
	if (!node)
		return;
	if (node->text.size >= size && reading->code == LL_OK)
		reading->code = error_set(reading->error, LL_CORRUPT, "%s: %s is too long", reading->path, name);
	else
		snprintf(text, size, "%.*s", SLICE_PRINT(node->text));
}

static void read_projections(struct reading *reading, const struct json_node *list, struct snapshot_manifest *manifest)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT && list && reading->code == LL_OK; id++) {
		const struct json_node *node = json_first(&reading->json, list);
		struct slice name = slice_text(projection_layouts[id].name);
		while (node) {
			const struct json_node *said = member(reading, node, "projection", JSON_STRING);
			if (!said || slice_equal(said->text, name))
				break;
			node = json_next(&reading->json, node);
		}
		if (!node) {
			reading->code = error_set(reading->error, LL_CORRUPT, "%s: there is no projection %.*s",
						  reading->path, SLICE_PRINT(name));
			return;
		}
		struct snapshot_of_projection *one = &manifest->projections[id];
		one->version = (uint32_t)number_of(reading, node, "version");
		one->rows = number_of(reading, node, "rows");
		text_of(reading, node, "hash", one->hash, sizeof one->hash);
		if (json_member(&reading->json, node, SLICE("sum")))
			text_of(reading, node, "sum", one->sum, sizeof one->sum);
	}
}

static void read_manifest(struct reading *reading, struct slice text, struct snapshot_manifest *manifest)
{
	const struct json_node *root = NULL;
	reading->code = json_read(&reading->json, text, &root, reading->error);
	if (reading->code != LL_OK) {
		reading->code = LL_CORRUPT;
		reading->error->code = LL_CORRUPT;
		error_prefix(reading->error, "%s", reading->path);
		return;
	}
	uint64_t format = number_of(reading, root, "format");
	if (reading->code == LL_OK && format > SNAPSHOT_FORMAT)
		reading->code = error_set(reading->error, LL_NEWER,
					  "%s: is of format %" PRIu64 ", this version knows %d: use a newer version",
					  reading->path, format, SNAPSHOT_FORMAT);
	if (reading->code != LL_OK)
		return;
	manifest->entries = number_of(reading, root, "entries");
	manifest->next_offset = number_of(reading, root, "nextOffset");
	manifest->time = (int64_t)number_of(reading, root, "timeMs");
	text_of(reading, root, "ledger", manifest->ledger, sizeof manifest->ledger);
	text_of(reading, root, "chain", manifest->chain, sizeof manifest->chain);
	text_of(reading, root, "software", manifest->software, sizeof manifest->software);
	text_of(reading, root, "digest", manifest->digest, sizeof manifest->digest);
	read_projections(reading, member(reading, root, "projections", JSON_ARRAY), manifest);
}

enum ll_code manifest_read(const char *directory, struct snapshot_manifest *manifest, struct error *error)
{
	char path[SNAPSHOT_PATH_MAX + 32], *text = NULL;
	struct error unwanted;
	struct reading reading = {.path = path, .error = error ? error : &unwanted};
	*manifest = (struct snapshot_manifest){0};
	snprintf(path, sizeof path, "%s/manifest.json", directory);
	FILE *file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? error_set(error, LL_NOT_FOUND, "%s is not there: %s is not a whole snapshot",
						   path, directory)
				       : io_failed("read", path, error);
	text = malloc(MANIFEST_BYTES_MAX);
	size_t size = text ? fread(text, 1, MANIFEST_BYTES_MAX, file) : 0;
	bool failed = !text || ferror(file);
	fclose(file);
	if (failed)
		reading.code = io_failed("read", path, error);
	else
		read_manifest(&reading, slice_of(text, size), manifest);
	json_reader_release(&reading.json);
	free(text);
	return reading.code;
}
