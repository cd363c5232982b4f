/* The change of a policy that changes nothing yet: every rule is absent. */
#ifndef LEDGERLINE_TESTS_POLICY_NO_CHANGE_H
#define LEDGERLINE_TESTS_POLICY_NO_CHANGE_H

#include "schemas/commands.h"

static inline struct policy_change policy_no_change(void)
{
	return (struct policy_change){
		.hold_seconds = NONE_U32,
		.charge_min = NONE_I64,
		.charge_max = NONE_I64,
		.balance_max = NONE_I64,
		.seats_per_reservation = NONE_U32,
		.bonus_expires_seconds = NONE_U64,
		.paid_expires_seconds = NONE_U64,
		.regrant_expires_seconds = NONE_U64,
		.seats_per_user_per_schedule = NONE_U32,
		.point_hold_seconds = NONE_U32,
		.queue_required = -1,
		.queue_active_max = NONE_U32,
		.queue_wait_seconds = NONE_U32,
		.queue_active_seconds = NONE_U32,
		.refund_full_within_seconds = NONE_U32,
		.registration_required = -1,
	};
}

#endif
