/*
 * A projection in use, read to be compared: through snapshots, while others write it. It may be of an earlier layout than this program's:
 * then its rows are only held against the descriptions (projections/certify), never read as today's.
 */
#ifndef LEDGERLINE_AUDIT_LIVING_H
#define LEDGERLINE_AUDIT_LIVING_H

#include "projections/certify/earlier.h"
#include "projections/fold/fold.h"
#include "projections/views/snapshot_view.h"

struct living {
	struct view view; /* first: of an earlier one, its scans get its address */
	struct snapshot_view *snapshots;
	struct earlier earlier; /* when snapshots is NULL */
	uint32_t version;       /* of its layout */
	struct fold fold;       /* where it stands, while pinned */
};

/* The current generation under `root` (DIR/projections). Errors as of snapshot_view_open, but an older layout is none. */
enum ll_code living_open(struct living **living, const char *root, enum projection_id id,
			 struct error *error) LL_CHECKED;
void living_close(struct living *living); /* NULL allowed; unpins */

/* Stands still at its last flush; called again, at the newest. LL_NOT_FOUND: it was never flushed. */
enum ll_code living_pin(struct living *living, struct error *error) LL_CHECKED;
void living_unpin(struct living *living);

/* While pinned. Of an earlier layout: scans only. */
struct view *living_view(struct living *living);
bool living_is_earlier(const struct living *living);

#endif
