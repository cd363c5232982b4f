#include "engine/commands/audit_place.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/audit/guarded.h"
#include "engine/cli/zoned.h"
#include "schemas/codes.h"

/* ---- cuts ---- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_progress(void *context, const struct fold *fold, uint64_t end)
{
	struct audit_place *place = context;
	place->progress.total = end;
	progress_update(&place->progress, fold->next_offset);
}

int audit_place_cut(struct audit_place *place, const struct cut_point *point, const char *text, unsigned mask,
		    struct cut **cut)
{
	struct error error;
	int refused = 0;
	place->source.mask = mask;
	progress_begin(&place->progress, stderr, "folding", "blocks", 0);
	enum ll_code code = cut_open(&place->source, point, now_ms(), cut, &refused, &error);
	progress_end(&place->progress);
	if (code != LL_OK)
		return command_failed(place->options, &error);
	if (!refused)
		return EXIT_DONE;
	const struct code_info *info = code_info((uint16_t)refused);
	return option_complain(place->options, EXIT_NO, "%s: %s (%s)", info->name, info->message, text);
}

int audit_take_cut(const struct options *options, const char *name, struct cut_point *point)
{
	const char *text = option_text(options, name);
	if (cut_parse(slice_text(text), point))
		return EXIT_DONE;
	return option_complain(
		options, EXIT_USAGE,
		"--%s takes latest, start, a position like 0:1842, or a time like 2026-03-01T09:00:00Z, not %s", name,
		text);
}

/* ---- time zones ---- */

int audit_check_zone(const struct options *options)
{
	struct zone *zone = NULL;
	struct error error;
	if (zone_load(slice_text(option_text(options, "tz")), &zone, &error) != LL_OK)
		return option_complain(options, EXIT_USAGE, "--tz: %s", error.text);
	zone_free(zone);
	return EXIT_DONE;
}

void audit_print(const struct options *options, struct buffer *json)
{
	struct zone *zone = NULL;
	struct buffer zoned = {0};
	if (!option_given(options, "tz") || zone_load(slice_text(option_text(options, "tz")), &zone, NULL) != LL_OK) {
		command_print(options, json);
		return;
	}
	zoned_times(buffer_slice(json), zone, &zoned);
	zone_free(zone);
	command_print(options, &zoned);
	buffer_release(&zoned);
	buffer_clear(json);
}

/* ---- the child ---- */

struct child {
	struct audit_place *place;
	audit_work_fn *work;
	void *context;
};

static int in_child(void *context, char *at)
{
	const struct child *child = context;
	struct audit_place *place = child->place;
	place->reading = at;
	snprintf(at, GUARDED_PLACE_MAX, "a snapshot in %s", place->snapshots);
	int status = command_open_journal(place->options, place->url, false, false, &place->journal);
	if (status != EXIT_DONE)
		return status;
	place->source.journal = place->journal;
	status = child->work(place, child->context);
	journal_close(place->journal);
	return status;
}

int audit_place_find(struct audit_place *place, const struct options *options)
{
	const char *directory = option_text(options, "data"), *url = option_text(options, "journal");
	const char *temporary = getenv("TMPDIR");
	struct error error;
	*place = (struct audit_place){.options = options};
	if (!directory && !url)
		return option_complain(options, EXIT_USAGE,
				       "which ledger? Give --data DIR, or --journal URL for a journal alone");
	if (url && strlen(url) >= sizeof place->url)
		return option_complain(options, EXIT_USAGE, "the URL is longer than %d characters",
				       JOURNAL_URL_MAX - 1);
	if (directory && data_open(directory, url, DATA_READ, &place->data, &error) != LL_OK)
		return command_failed(options, &error);
	place->has_data = directory != NULL;
	snprintf(place->url, sizeof place->url, "%s", directory ? place->data.url : url);
	if (directory)
		snprintf(place->snapshots, sizeof place->snapshots, "%s/snapshots", place->data.path);
	bool writable = directory && access(place->data.path, W_OK) == 0;
	snprintf(place->scratch, sizeof place->scratch, "%s",
		 writable                  ? place->data.path
		 : temporary && *temporary ? temporary
					   : "/var/tmp");
	place->source = (struct cut_source){.snapshots = directory ? place->snapshots : NULL,
					    .scratch = place->scratch,
					    .progress = on_progress,
					    .context = place};
	return EXIT_DONE;
}

void audit_place_leave(struct audit_place *place)
{
	if (place->has_data)
		data_close(&place->data);
}

int audit_place_run(struct audit_place *place, const struct options *options, audit_work_fn *work, void *context)
{
	char at[GUARDED_PLACE_MAX];
	bool interrupted = false;
	struct child child = {place, work, context};
	int status = audit_place_find(place, options);
	if (status != EXIT_DONE)
		return status;
	status = guarded_run(in_child, &child, at, &interrupted);
	audit_place_leave(place);
	if (status >= 0)
		return status;
	return interrupted ? option_complain(options, EXIT_FAILED, "it was interrupted")
			   : option_complain(options, EXIT_FAILED,
					     "%s cannot be read: its file is damaged; delete or rebuild it", at);
}
