/*
 * A generation of the newest version or an earlier one, opened read-only to be compared. Everywhere else an older one is refused
 * (LL_OLDER): its rows are not what today's code reads. Here they are only taken apart by the layout that they had (rows.h).
 *
 *	struct earlier old;
 *	if (earlier_open(&old, PROJECTION_SEATS, directory, &error) == LL_OK) ...
 *	snapshot_pin(old.snapshot, &error)
 *	for each table of the projection that is not new since old.version (table_is_new):
 *		snapshot_scan(old.snapshot, earlier_table(&old, table), ...)
 *			row_equal_but_declared(table, old.version, old_row, new_row, ...)
 *
 * Tables that are gone are not looked at.
 */
#ifndef LEDGERLINE_CERTIFY_EARLIER_H
#define LEDGERLINE_CERTIFY_EARLIER_H

#include "projections/store/snapshot.h"
#include "schemas/tables.h"

struct earlier {
	struct snapshot *snapshot; /* owned; pinned by whoever reads */
	uint32_t version;
	enum table_id first_table;        /* of the projection */
	uint8_t places[STORE_TABLES_MAX]; /* of each table of the projection, in the snapshot */
};

/* snapshot_open's errors; LL_NEWER: a version that this program does not know. After an error nothing is open. */
enum ll_code earlier_open(struct earlier *earlier, enum projection_id id, const char *directory,
			  struct error *error) LL_CHECKED;
void earlier_close(struct earlier *earlier); /* also after a failed opening */

/* The table's number in the snapshot. Asking for one that is new since that version is a bug. */
unsigned earlier_table(const struct earlier *earlier, enum table_id table);

#endif
