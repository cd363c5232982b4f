/*
 * Weak stand-ins for the rules of seats and queues, so that tests of points link without them. Where the real ones are
 * linked, those are used.
 */
#ifndef LEDGERLINE_TESTS_RULES_ELSEWHERE_H
#define LEDGERLINE_TESTS_RULES_ELSEWHERE_H

#include "engine/decide/rules.h"
#include "engine/reply/reply.h"
#include "schemas/wire/ensure.h"

#define ELSEWHERE(name)                                                                                                 \
	__attribute__((weak)) void decide_##name(struct decide_context *context, const struct name *command,            \
						 struct decision *decision)                                            \
	{                                                                                                               \
		(void)context, (void)command, (void)decision;                                                           \
		UNREACHABLE();                                                                                          \
	}
ELSEWHERE(concert_create)
ELSEWHERE(schedule_create)
ELSEWHERE(schedule_add_seats)
ELSEWHERE(schedule_update)
ELSEWHERE(schedule_cancel)
ELSEWHERE(reservation_create)
ELSEWHERE(reservation_cancel)
ELSEWHERE(payment_create)
ELSEWHERE(payment_cancel)
ELSEWHERE(queue_enter)
ELSEWHERE(queue_leave)
#undef ELSEWHERE

#define ELSEWHERE(room)                                                                                                 \
	__attribute__((weak)) bool due_##room##_for_command(struct decide_context *context,                             \
							    const struct command *command, struct decision *decision)   \
	{                                                                                                               \
		(void)context, (void)command, (void)decision;                                                           \
		return false;                                                                                           \
	}                                                                                                               \
	__attribute__((weak)) bool due_##room##_next(struct decide_context *context, struct decision *decision)         \
	{                                                                                                               \
		(void)context, (void)decision;                                                                          \
		return false;                                                                                           \
	}                                                                                                               \
	__attribute__((weak)) int64_t due_##room##_when(struct view *view, int64_t now)                                 \
	{                                                                                                               \
		(void)view, (void)now;                                                                                  \
		return 0;                                                                                               \
	}                                                                                                               \
	__attribute__((weak)) bool command_of_##room(const struct entry *entry, struct arena *arena,                    \
						     struct command *command)                                           \
	{                                                                                                               \
		(void)entry, (void)arena, (void)command;                                                                \
		return false;                                                                                           \
	}                                                                                                               \
	__attribute__((weak)) bool reply_##room(const struct entry *entry, struct json_writer *writer, int *status)     \
	{                                                                                                               \
		(void)entry, (void)writer, (void)status;                                                                \
		return false;                                                                                           \
	}
ELSEWHERE(seats)
ELSEWHERE(queue)
#undef ELSEWHERE

#endif
