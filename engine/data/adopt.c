#include "engine/data/adopt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "projections/store/snapshot.h"
#include "projections/views/specs.h"

enum { ANSWER_PATH_MAX = GENERATION_PATH_MAX + 16 };

enum ll_code adopt_waiting(const struct data *data, enum projection_id id, char path[GENERATION_PATH_MAX],
			   unsigned *number, struct error *error)
{
	char root[DATA_PATH_MAX], current_path[GENERATION_PATH_MAX];
	unsigned current = 0;
	data_projection_root(data, id, root);
	enum ll_code code = generation_named(root, GENERATION_READY, path, number, error);
	if (code != LL_OK)
		return code;
	if (generation_current(root, current_path, &current, NULL) == LL_OK && current == *number)
		return error_set(error, LL_NOT_FOUND, "%s: its ready generation is in use already", root);
	return LL_OK;
}

enum ll_code adopt_take(const struct data *data, enum projection_id id, unsigned number, struct error *error)
{
	char root[DATA_PATH_MAX];
	data_projection_root(data, id, root);
	enum ll_code code = generation_adopt(root, number, error);
	return code == LL_OK ? generation_take_name(root, GENERATION_READY, error) : code;
}

/* Whole, trusted, and of this program's layout? */
static enum ll_code can_be_read(enum projection_id id, const char *path, struct error *error)
{
	struct snapshot *snapshot = NULL;
	enum ll_code code = snapshot_open(projection_spec(id), path, &snapshot, error);
	snapshot_close(snapshot);
	return code;
}

enum ll_code adopt_all_waiting(const struct data *data, unsigned mask, void (*tell)(const char *sentence),
			       struct error *error)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX], before_path[GENERATION_PATH_MAX];
	struct error why;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		unsigned number = 0, before = 0;
		if (!(mask >> id & 1) || adopt_waiting(data, id, path, &number, &why) != LL_OK)
			continue;
		if (can_be_read(id, path, &why) != LL_OK) {
			(void)error_prefix(&why, "the rebuilt generation of %s is not used",
					   projection_layouts[id].name);
			if (tell)
				tell(why.text);
			continue;
		}
		data_projection_root(data, id, root);
		if (generation_current(root, before_path, &before, NULL) != LL_OK)
			before = 0;
		enum ll_code code = adopt_take(data, id, number, error);
		if (code != LL_OK)
			return code;
		if (before)
			(void)adopt_retire(data, id, before);
	}
	return LL_OK;
}

bool adopt_retire(const struct data *data, enum projection_id id, unsigned number)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	struct store *store = NULL;
	struct slice position = SLICE_EMPTY;
	struct error error;
	data_projection_root(data, id, root);
	if (snprintf(path, sizeof path, "%s/gen-%06u", root, number) >= (int)sizeof path)
		return false;
	struct store_options options = {.directory = path};
	if (store_open(projection_spec(id), &options, &store, &position, &error) != LL_OK)
		return false;
	free((void *)(uintptr_t)position.at);
	store_retire(store);
	return store_freeze(store) && store_close(store, &error) == LL_OK;
}

static bool has_name(const char *root, unsigned number)
{
	char path[GENERATION_PATH_MAX];
	unsigned named = 0;
	for (enum generation_name name = GENERATION_CURRENT; name <= GENERATION_READY; name++)
		if (generation_named(root, name, path, &named, NULL) == LL_OK && named == number)
			return true;
	return false;
}

void adopt_tidy(const struct data *data, enum projection_id id, unsigned kept, unsigned also)
{
	char root[DATA_PATH_MAX];
	unsigned numbers[GENERATIONS_MAX];
	size_t count = 0;
	data_projection_root(data, id, root);
	if (generation_list(root, numbers, &count, NULL) != LL_OK)
		return;
	for (size_t i = 0; i < count; i++)
		if (numbers[i] != kept && numbers[i] != also && !has_name(root, numbers[i]) &&
		    generation_delete(root, numbers[i], NULL) != LL_OK)
			continue; /* the next one will find it */
}

/* ---- answers: a file "CODE sentence" ---- */

static void answer_path(const char *generation, char path[ANSWER_PATH_MAX])
{
	snprintf(path, ANSWER_PATH_MAX, "%s/answer", generation);
}

void adopt_answer(const char *generation, const struct error *error)
{
	char path[ANSWER_PATH_MAX], beside[ANSWER_PATH_MAX + 8];
	answer_path(generation, path);
	snprintf(beside, sizeof beside, "%s.new", path);
	FILE *file = fopen(beside, "we");
	if (!file)
		return;
	bool fine = fprintf(file, "%d %s\n", (int)error->code, error->text) > 0;
	if (fclose(file) != 0 || !fine || rename(beside, path) != 0)
		unlink(beside);
}

bool adopt_answered(const char *generation, struct error *error)
{
	char path[ANSWER_PATH_MAX], line[sizeof error->text + 16] = "", *sentence = NULL;
	answer_path(generation, path);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool read = fgets(line, sizeof line, file) != NULL;
	fclose(file);
	long code = read ? strtol(line, &sentence, 10) : 0;
	if (!sentence || *sentence != ' ')
		return false;
	sentence[strcspn(sentence, "\n")] = 0;
	error_set(error, code == LL_OK ? LL_IO : (enum ll_code)code, "%s", sentence + 1);
	return true;
}
