/*
 * What the files of the API share. Seen by engine/api/ only.
 */
#ifndef LEDGERLINE_API_INTERNAL_H
#define LEDGERLINE_API_INTERNAL_H

#include "engine/api/api.h"
#include "engine/api/command_json.h"
#include "engine/reply/reply.h"
#include "schemas/wire/buffer.h"

enum {
	CODES_MAX = 256,
	RANDOM_POOL_BYTES = 1024,
	STATUS_COUNT = 600,
	BUCKETS = 12,
	COMMANDS_BYTES_MAX = 8 << 20, /* bodies of /api/commands and of seat lists */
	RETRY_AFTER_SECONDS = 1,
};

/* How a command ended, for the metrics. */
enum ended { ENDED_ACCEPTED, ENDED_REFUSED, ENDED_REJECTED, ENDED_READ, ENDED_REPEATED, ENDED_KINDS };

struct counts {
	uint64_t commands[ENDED_KINDS][CODES_MAX]; /* by code; 0: none */
	uint64_t (*answers)[STATUS_COUNT];         /* by route and status */
	uint64_t durations[BUCKETS + 1];           /* requests by how long they took; the last: longer than all */
	uint64_t duration_us_sum;
	uint64_t denied[CODES_MAX]; /* requests, by why */
};

struct command_route;
struct read_route;

/* What a handler is given as its context. */
struct route_context {
	struct api *api;
	const struct command_route *command;
	const struct read_route *read;
	size_t index; /* of the route; of several with one pattern, the first */
};

struct api {
	struct engine *engine;
	struct http_server *server; /* NULL: not told */
	struct access *access;      /* NULL: everybody is admin */
	struct relay_beside *relay; /* NULL: none */
	struct http_route *routes;
	struct route_context *contexts;
	size_t route_count;
	struct json_reader reader;
	struct buffer body;    /* of the answer that is being made */
	struct buffer scratch; /* of pieces of it */
	struct token_secret secret;
	bool doors_closed;
	struct counts counts;
	uint8_t random[RANDOM_POOL_BYTES];
	size_t random_left;
};

/* ---- answering (answer.c) ---- */

enum { POSITION_TEXT_MAX = 32, FIELDS_MAX = 5 };
#define NO_POSITION (UINT64_MAX - 1) /* nothing was read or written */
#define AT_START UINT64_MAX          /* before the first entry: next_seq - 1 of an empty ledger */

/* Headers of an answer, gathered one by one. */
struct answer_fields {
	struct http_field at[FIELDS_MAX];
	size_t count;
	char position[POSITION_TEXT_MAX];
};
void fields_position(struct answer_fields *fields, uint64_t seq);
void fields_add(struct answer_fields *fields, const char *name, struct slice value);

/* The number of the last entry that was folded; AT_START: there is none. */
uint64_t position_now(struct api *api);
size_t position_text(char text[POSITION_TEXT_MAX], uint64_t seq);
void json_member_position(struct json_writer *writer, const char *key, uint64_t seq);

/* Sends api->body, which must not have been touched by anybody else meanwhile. */
void answer_body(struct api *api, struct http_request *request, int status, struct answer_fields *fields);

/* Ends the request with a code. field and reason: both or none. */
void answer_code(struct api *api, struct http_request *request, uint16_t code, const char *field, const char *reason,
		 struct answer_fields *fields);
/* As reply_error, with what only the engine knows put in (who leads). */
int write_code(struct api *api, uint16_t code, const struct fact_list *facts, const char *field, const char *reason,
	       struct json_writer *writer);
bool code_is_unavailable(uint16_t code); /* 429, 503: Retry-After stands with it */

/* ---- commands ---- */

/* Where a command of a route of its own gets the fields that are not in the body. */
struct given_field {
	const char *field;
	enum { FROM_PATH, FROM_QUERY, FROM_BEARER, FROM_BEARER_NEEDED } source;
};
struct command_route {
	enum http_verb verb;
	const char *pattern;
	const char *query;
	uint16_t type;
	bool admin;
	struct given_field given[2];
	size_t body_bytes_max;
};
http_handler_fn handle_command, handle_batch;

/* The context in which commands of requests are read. */
struct resolve_context api_resolve(struct api *api);
/* Fresh, 36 characters and a zero. */
void api_make_key(struct api *api, char key[37]);
/* The value behind "Bearer "; empty: none was sent. */
struct slice bearer_token(const struct http_request *request);

/* The body of the answer to a command, with its waiting-room credential signed; returns the status. (outcome.c) */
int write_outcome(struct api *api, const struct answer *answer, struct json_writer *writer);
/* The whole receipt of a decided entry. */
void write_receipt(struct api *api, const struct entry *entry, bool hit, struct json_writer *writer);
/* The receipt of an element that has none: rejected, or a read. */
void write_unreceipted(struct api *api, const struct pending *pending, const struct answer *answer,
		       struct json_writer *writer);
/* One that was not even taken: code, or VALIDATION_ERROR with field and reason. id may be empty. */
void write_rejected(struct api *api, struct slice id, uint16_t code, const char *field, const char *reason,
		    struct json_writer *writer);
uint64_t answer_position(struct api *api, const struct answer *answer);
void count_answer(struct api *api, const struct answer *answer);
void count_rejected(struct api *api, uint16_t code);

/* ---- access (admit.c) ---- */

/* http_route.access: the roles that may ask. */
#define MAY(role) (1u << (role))
#define MAY_ANYBODY (1u << ROLES)      /* without a key */
#define MAY_BEARER (1u << (ROLES + 1)) /* the key may stand in Authorization */

/* Takes commands out of the key's bucket. false: 429. Without keys: always true. */
bool admitted_commands(struct http_request *request, unsigned count);
/* The actor that the request's key makes. false: there are no keys. */
bool admitted_actor(struct http_request *request, uint8_t *type, struct slice *id);
/* The actor of a JSON command, as it was given (type 0: not); set from the key when it was not. false: the key may not send this command, or not in
 * that name. */
bool admitted_as(struct http_request *request, bool is_admins, uint8_t *type, struct slice *id);
/* Whether a command is an administrator's. (routes.c) */
bool command_is_admins(uint16_t type);

/* ---- commands for another engine (forward.c) ---- */

/* Whether the request may be sent to the engine that leads: this one follows, and nobody has sent it on yet. */
bool forward_may(struct api *api, struct http_request *request);
/* Sends it there, and relays the answer. When this engine leads by then, `handler` is called with it again. `key`: as it was sent or
 * made for it; empty: the request as a whole has none. `may_repeat`: sent twice it counts once. */
void forward_request(struct api *api, struct http_request *request, http_handler_fn *handler, void *context,
		     struct slice key, bool may_repeat);
/* For a question that only the leader can answer; `otherwise` is the code when it does not. */
void forward_question(struct api *api, struct http_request *request, http_handler_fn *handler, void *context,
		      uint16_t otherwise);
/* For a command with a route of its own. false: it is to be handled here. */
bool forward_command(struct api *api, struct http_request *request, http_handler_fn *handler, void *context);
/* The key that was made when it was sent on before. false: it was not, or came with one. */
bool forward_made_key(struct http_request *request, struct slice *key);
/* The code that is true: one that says "not taken" is not, when another engine may have taken it before. */
uint16_t forward_truth(struct http_request *request, uint16_t code);

/* ---- reads (reads.c) ---- */

enum { READ_LATER = -1 /* the read answers by itself */ };

struct read_call {
	struct engine_wait wait;
	struct api *api;
	struct http_request *request;
	const struct read_route *route;
	void *context;              /* handle_read's */
	const char *field, *reason; /* with CODE_VALIDATION_ERROR */
	struct answer_fields fields;
};

/* Writes the body and returns 0, or returns a code, having written nothing. */
typedef int read_fn(struct read_call *call, struct view *view, struct json_writer *writer);
struct read_route {
	const char *pattern;
	const char *query;
	read_fn *read;
};
http_handler_fn handle_read;

extern const struct read_route read_routes[];
extern const size_t read_route_count;
read_fn read_receipt; /* receipts.c */
read_fn audit_account, audit_schedule, audit_reservation, audit_popular, audit_sold_out, audit_totals, audit_diff_of,
	audit_explain; /* audit.c */

/* Parameters of queries: 0, or CODE_VALIDATION_ERROR with the call's field and reason set. */
int read_invalid(struct read_call *call, const char *field, const char *reason); /* the code */
int read_limit(struct read_call *call, unsigned usual, unsigned max, unsigned *limit);
int read_enum(struct read_call *call, const char *name, const struct enumeration *enumeration, const char *reason,
	      uint8_t *value); /* the first one is the usual one */

http_handler_fn handle_status, handle_metrics, handle_health, handle_ready;
http_handler_fn handle_console, handle_console_file;         /* console.c */
http_handler_fn handle_leader, handle_lead, handle_handover; /* peers.c */
http_handler_fn handle_close_period;                         /* periods.c */

/* The member "leader" of what is asked. (status.c) */
void write_leader(struct api *api, struct json_writer *writer);

#endif
