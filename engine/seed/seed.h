/*
 * Events of a service that kept points before, as commands of this ledger. Pure: lines in, commands out.
 *
 *	{"eventType":"PointCharged","userId":1,"amount":10000,"time":"09:00"}                  points.charge
 *	{"eventType":"PointUsed (payment1)","userId":1,"amount":-3000,"time":"09:30"}          points.use, reference payment1
 *	eventType,userId,amount,time                                                           (a header, and rows under it: the same)
 *	{"paymentId":"pay_1","userId":"u","reservationId":"r","seatId":"s","amount":50000}     points.use, reference pay_1
 *	{"eventId":"...","eventType":"payment.completed","eventTime":"...","payload":{...}}    as its payload
 *	{"topic":"t","partition":0,"offset":7,"key":"u","payload":"{...}"}                     as the text in it (kcat -J)
 *
 * Names may be in snake_case. Members that are not looked at may be there.
 *
 * The id of a command is made of what names the event, in this order, so that the same event is the same command however often and from
 * whichever dump it comes:
 *	seed-payment-ID     of all that a payment used: its row and its message are one use
 *	seed-event-ID       eventId
 *	seed-row-ID         id, the key of a table's row
 *	seed-at-T-P-O       topic, partition and offset
 *	seed-same-HASH-N    the Nth event in this input with exactly this type, user, amount and time: equal rows are as many events
 * An ID that an id of ours cannot hold stands as its hash, behind a colon.
 */
#ifndef LEDGERLINE_SEED_SEED_H
#define LEDGERLINE_SEED_SEED_H

#include "schemas/wire/buffer.h"
#include "schemas/wire/error.h"

struct seed;

struct seed *seed_new(void);
void seed_free(struct seed *seed); /* NULL allowed */

/* The command that a line is, as JSON, good until the next call. LL_END: it is a header, and no event. LL_USAGE: it is nothing that can be
 * imported; *error says why. */
enum ll_code seed_translate(struct seed *seed, struct slice line, struct slice *command,
			    struct error *error) LL_CHECKED;

#endif
