/*
 * The balances of a fold, as its peers tell theirs:
 *
 *	folded DIRECTORY        the balances that `ledgerline bench fold --to` has kept there
 *
 * Opened anew, so what is told is what is on disk.
 */
#include <stdio.h>

#include "bench/peers/tally.h"
#include "projections/ledger/ledger.h"
#include "projections/views/rows.h"
#include "schemas/wire/ensure.h"

struct reading {
	struct tally tally;
	struct view *view;
	struct ledger *ledger;
	bool failed;
};

static bool on_account(void *context, struct slice key, struct slice value)
{
	struct reading *reading = context;
	struct accounts_key account;
	struct accounts_row row;
	uint64_t number;
	if (!accounts_key_read(key, &account) || !tally_account_number(account.user_id, &number) ||
	    !accounts_read(reading->view, key, value, &row)) {
		reading->failed = true;
		return false;
	}
	struct tally_account *place = tally_place(&reading->tally, number);
	place->balance = row.lots_total + row.held - row.debt;
	place->named = true;
	ledger_view_reset(reading->ledger);
	return true;
}

int main(int count, char **arguments)
{
	char path[4096];
	struct reading reading = {0};
	struct totals_row totals;
	struct error error;
	if (count != 2) {
		fprintf(stderr, "usage: folded DIRECTORY\n");
		return 2;
	}
	snprintf(path, sizeof path, "%s/%s", arguments[1], projection_layouts[PROJECTION_BALANCES].name);
	struct ledger_options options = {.directories = {[PROJECTION_BALANCES] = path}};
	if (ledger_open(&options, &reading.ledger, NULL, &error) != LL_OK) {
		fprintf(stderr, "folded: %s\n", error.text);
		return 1;
	}
	reading.view = ledger_view(reading.ledger);
	view_scan(reading.view, BALANCES_ACCOUNTS, SLICE_EMPTY, SLICE_EMPTY, false, on_account, &reading);
	bool fine = !reading.failed && totals_get(reading.view, totals_key(0), &totals);
	if (fine) {
		reading.tally.events = totals.accepted;
		reading.tally.charged = totals.charged;
		reading.tally.used = totals.used;
		tally_print(&reading.tally, NULL);
	} else {
		fprintf(stderr, "folded: a row of %s cannot be read\n", path);
	}
	tally_release(&reading.tally);
	if (ledger_close(reading.ledger, &error) != LL_OK) {
		fprintf(stderr, "folded: %s\n", error.text);
		fine = false;
	}
	return fine ? 0 : 1;
}
