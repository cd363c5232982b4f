/*
 * An account while it is changed: its row, and its lots in the order of spending.
 *
 *	row   | lot lot lot lot lot lot lot lot |   up to INLINE_LOTS, to be spent next
 *	lots                                     | lot lot lot ...   a table of its own, all to be spent after those in the row
 *
 * As long as the table has lots of an account, its row has at least one: when the row runs out it is filled again from
 * the table. So the first lot of the row is always the one to be spent next.
 *
 * The order: soonest expiry (never last), then bonus before paid, then oldest. A lot with nothing left is in neither
 * place. For each lot that will expire a row stands in lot_due.
 *
 *	balance   = lots + held - debt
 *	available = lots - debt
 *
 * Debt is there only when no lot is: whatever comes in repays it first.
 */
#ifndef LEDGERLINE_BALANCES_ACCOUNT_H
#define LEDGERLINE_BALANCES_ACCOUNT_H

#include "projections/views/rows.h"

enum { INLINE_LOTS = 8 };

struct account {
	struct view *view;
	struct slice user_id;    /* borrowed from the caller */
	bool known;              /* there was a row */
	struct accounts_row row; /* its lots are inline_lots */
	struct lot inline_lots[INLINE_LOTS + 1];
};

/* Reads it; one that is not there is empty and not known. */
void account_load(struct account *account, struct view *view, struct slice user_id);

/* Writes it. `seq` and `time` are of the entry that changed it. */
void account_save(struct account *account, uint64_t seq, int64_t time);

static inline int64_t account_balance(const struct accounts_row *row)
{
	return row->lots_total + row->held - row->debt;
}

static inline int64_t account_available(const struct accounts_row *row)
{
	return row->lots_total - row->debt;
}

/* Takes `amount` from the lot that is to be spent next. LL_POISON: that lot is another one, or has less. *taken: the
 * lot as it was, with how much was taken. */
LL_CHECKED enum ll_code account_take(struct account *account, uint64_t lot_id, int64_t amount, struct use_lot *taken,
				     struct error *error);

/* As account_take, from wherever the lot stands: what expires need not be the first (a lot that came back only to
 * expire may stand behind others whose time has come). */
LL_CHECKED enum ll_code account_take_expired(struct account *account, uint64_t lot_id, int64_t amount,
					     struct use_lot *taken, struct error *error);

/* Adds lot->remaining >= 1 to the lot of that id; when it is not there (any more) it is opened as given. LL_POISON:
 * it would have more than it was opened with, or the account would leave int64. */
LL_CHECKED enum ll_code account_give(struct account *account, const struct lot *lot, struct error *error);

/* Repays debt with `amount`. LL_POISON: there is not so much. */
LL_CHECKED enum ll_code account_repay(struct account *account, int64_t amount, struct error *error);

#endif
