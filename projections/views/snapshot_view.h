/*
 * A view over snapshots: what the last flushes left, of several projections at one position.
 *
 * Every projection is an environment of its own, and all of them are frozen at the same blocks: pinning takes them one after
 * another, and takes those that lag again until all stand at the same entry, which while an engine writes is a matter of
 * milliseconds. Then every read of the view is of that one state, until it is unpinned.
 *
 * Pin for as long as an answer takes, not longer: pinned pages are not used again, and the files grow. Used by one thread;
 * any number of snapshot views may be open in a process, also of the same directory.
 */
#ifndef LEDGERLINE_SNAPSHOT_VIEW_H
#define LEDGERLINE_SNAPSHOT_VIEW_H

#include "projections/fold/fold.h"
#include "projections/views/view.h"

struct snapshot_view;

/* Where the environments are: one of the two. */
struct snapshot_places {
	const char *root; /* of projections/<name>/current; pinning follows it to another generation */
	const char *directories[PROJECTIONS_COUNT]; /* else: one each; NULL: not opened */
	unsigned which;     /* with root: a bit for each enum projection_id; reading a table of another one is a bug */
	bool tell_failures; /* a page that cannot be read makes the view fail; else it aborts */
};

/* Opens without pinning. LL_NOT_FOUND: a projection is not there. Else snapshot_open's errors; the text names the projection. */
enum ll_code snapshot_view_open(const struct snapshot_places *places, struct snapshot_view **snapshots,
				struct error *error) LL_CHECKED;
void snapshot_view_close(struct snapshot_view *snapshots); /* NULL allowed */

/* Pins all at one position, anew if they were pinned. LL_TIMEOUT: they did not meet within wait_ms: one of them is being
 * built, or has stopped (the text says which lags). LL_NOT_FOUND: nothing was ever flushed. LL_DIVERGED: they are of
 * different ledgers. After an error nothing is pinned. */
enum ll_code snapshot_view_pin(struct snapshot_view *snapshots, unsigned wait_ms, struct error *error) LL_CHECKED;
void snapshot_view_unpin(struct snapshot_view *snapshots);

/* The view, and where it stands: only while pinned. Lists of rows lie in an arena of its own, which pinning resets and
 * snapshot_view_reset too. */
struct view *snapshot_view_view(struct snapshot_view *snapshots);
const struct fold *snapshot_view_fold(const struct snapshot_view *snapshots);
void snapshot_view_reset(struct snapshot_view *snapshots);

#endif
