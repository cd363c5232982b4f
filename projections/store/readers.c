#include "projections/store/readers.h"

#include <stdlib.h>

#include "schemas/wire/ensure.h"

void reader_watch_release(struct reader_watch *watch)
{
	free(watch->watched);
	*watch = (struct reader_watch){.count = 0};
}

static const struct watched *find(const struct reader_watch *watch, const struct environment_reader *reader)
{
	for (unsigned i = 0; i < watch->count; i++) {
		const struct environment_reader *known = &watch->watched[i].reader;
		if (known->process == reader->process && known->thread == reader->thread &&
		    known->commit == reader->commit)
			return &watch->watched[i];
	}
	return NULL;
}

static struct watched watch_one(const struct environment_reader *reader, const struct watched *before,
				uint64_t last_commit, int64_t now_ms)
{
	struct watched watched = {.reader = *reader, .since_ms = before ? before->since_ms : now_ms};
	watched.commits_behind = last_commit - reader->commit;
	watched.held_ms = (uint64_t)(now_ms - watched.since_ms);
	watched.is_long = watched.held_ms >= STORE_READER_LONG_MS;
	watched.is_new = watched.is_long && !(before && before->is_long);
	return watched;
}

enum ll_code reader_watch_look(struct reader_watch *watch, struct environment *environment, int64_t now_ms,
			       struct error *error)
{
	struct environment_reader readers[ENVIRONMENT_READERS_MAX];
	struct environment_usage usage;
	unsigned dead = 0, count = 0;
	enum ll_code code = environment_readers_check(environment, &dead, error);
	if (code != LL_OK)
		return code;
	watch->cleared += dead;
	environment_usage(environment, &usage);
	unsigned found = environment_readers(environment, readers, ENVIRONMENT_READERS_MAX);
	struct watched *watched = calloc(ENVIRONMENT_READERS_MAX, sizeof *watched);
	ENSURE(watched);
	for (unsigned i = 0; i < found; i++) {
		if (!readers[i].commit || readers[i].commit >= usage.last_txn)
			continue;
		watched[count++] = watch_one(&readers[i], find(watch, &readers[i]), usage.last_txn, now_ms);
	}
	free(watch->watched);
	watch->watched = watched;
	watch->count = count;
	return LL_OK;
}

unsigned reader_watch_long(const struct reader_watch *watch, struct store_reader *readers, unsigned room)
{
	unsigned count = 0;
	for (unsigned i = 0; i < watch->count; i++) {
		const struct watched *watched = &watch->watched[i];
		if (!watched->is_long)
			continue;
		if (count < room)
			readers[count] = (struct store_reader){.process = watched->reader.process,
							       .commits_behind = watched->commits_behind,
							       .held_ms = watched->held_ms,
							       .is_new = watched->is_new};
		count++;
	}
	return count;
}
