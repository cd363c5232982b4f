/*
 * The rules: one function a type of command, and what they share with the dispatchers.
 *
 * Every decide_X fills the decision (decide.h) and nothing else. Who calls them (decide.c) has cleared it: an outcome
 * is set by decision_add, decision_refuse, decision_reject and decision_invalid (points.h), or by hand for
 * DECIDED_READ.
 */
#ifndef LEDGERLINE_DECIDE_RULES_H
#define LEDGERLINE_DECIDE_RULES_H

#include "engine/decide/decide.h"

/* users.c, policies.c */
void decide_user_register(struct decide_context *, const struct user_register *, struct decision *);
void decide_policy_set(struct decide_context *, const struct policy_set *, struct decision *);

/* points.c, holds.c, adjust.c */
void decide_points_charge(struct decide_context *, const struct points_charge *, struct decision *);
void decide_points_use(struct decide_context *, const struct points_use *, struct decision *);
void decide_points_refund(struct decide_context *, const struct points_refund *, struct decision *);
void decide_points_hold(struct decide_context *, const struct points_hold *, struct decision *);
void decide_points_capture(struct decide_context *, const struct points_capture *, struct decision *);
void decide_points_release(struct decide_context *, const struct points_release *, struct decision *);
void decide_points_adjust(struct decide_context *, const struct points_adjust *, struct decision *);

/* concerts.c */
void decide_concert_create(struct decide_context *, const struct concert_create *, struct decision *);
void decide_schedule_create(struct decide_context *, const struct schedule_create *, struct decision *);
void decide_schedule_add_seats(struct decide_context *, const struct schedule_add_seats *, struct decision *);
void decide_schedule_update(struct decide_context *, const struct schedule_update *, struct decision *);
void decide_schedule_cancel(struct decide_context *, const struct schedule_cancel *, struct decision *);

/* reservations.c, payments.c */
void decide_reservation_create(struct decide_context *, const struct reservation_create *, struct decision *);
void decide_reservation_cancel(struct decide_context *, const struct reservation_cancel *, struct decision *);
void decide_payment_create(struct decide_context *, const struct payment_create *, struct decision *);
void decide_payment_cancel(struct decide_context *, const struct payment_cancel *, struct decision *);

/* queue.c */
void decide_queue_enter(struct decide_context *, const struct queue_enter *, struct decision *);
void decide_queue_leave(struct decide_context *, const struct queue_leave *, struct decision *);

/*
 * What is due (due.h), by the projection that holds the rows.
 *
 * for_command: the events of the next system entry that the command has to wait for. Each looks at the command's type
 * itself; false: nothing of these rows is due. Due means expires_at <= now.
 * next: the events of the next system entry at all; false: nothing is due.
 * when: the time at which the first of these rows is due, 0 when there is none. `now` or earlier: something is due.
 */
bool due_points_for_command(struct decide_context *, const struct command *, struct decision *);
bool due_points_next(struct decide_context *, struct decision *);
int64_t due_points_when(struct view *, int64_t now);

bool due_seats_for_command(struct decide_context *, const struct command *, struct decision *);
bool due_seats_next(struct decide_context *, struct decision *);
int64_t due_seats_when(struct view *, int64_t now);

bool due_queue_for_command(struct decide_context *, const struct command *, struct decision *);
bool due_queue_next(struct decide_context *, struct decision *);
int64_t due_queue_when(struct view *, int64_t now);

/* An account's lots and point holds: for commands whose account only their rows name (a payment that is cancelled).
 * points.* and payment.create are looked after by due_points_for_command. */
bool due_points_for_account(struct decide_context *, struct slice user_id, struct decision *);

/* For due_again: one reservation's hold; what a waiting room's entry named first. */
bool due_hold(struct decide_context *, uint64_t reservation_id, struct decision *);
bool due_queue_again(struct decide_context *, const struct entry *entry, struct decision *);

/* The command of an accepted entry, made again from its events. command->type is set; false: not one of these types,
 * or the events are not those that it makes. */
bool command_of_points(const struct entry *entry, struct arena *arena, struct command *command);
bool command_of_seats(const struct entry *entry, struct arena *arena, struct command *command);
bool command_of_queue(const struct entry *entry, struct arena *arena, struct command *command);

/* The event that tells what a command about points, users or policies did; NULL: the entry is not of such a command. */
const struct event *event_of_points(const struct entry *entry);

#endif
