/*
 * Reads: from the committed state, at once or when a position is reached.
 *
 *	Ledger-Min-Position: 0:1842    wait until that entry is folded ("start": nothing to wait for)
 *	Ledger-Wait-Seconds: 5         for so long; then 504
 */
#include "engine/api/internal.h"
#include "engine/read/read.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/time.h"

enum {
	WAIT_SECONDS = 5,
	WAIT_SECONDS_MAX = 60,
	RANKING_LIMIT = 10,
	RANKING_LIMIT_MAX = 100,
	HISTORY_LIMIT = 50,
	HISTORY_LIMIT_MAX = 1000,
};

/* ---- parameters ---- */

int read_invalid(struct read_call *call, const char *field, const char *reason)
{
	call->field = field;
	call->reason = reason;
	return CODE_VALIDATION_ERROR;
}

static bool parse_number(struct slice text, uint64_t max, uint64_t *number)
{
	*number = 0;
	if (text.size < 1 || text.size > 19 || (text.size > 1 && text.at[0] == '0'))
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t)(text.at[i] - '0');
	}
	return *number <= max;
}

/* "0:1842" */
static bool parse_position(struct slice text, uint64_t *seq)
{
	return slice_begins(text, SLICE("0:")) && parse_number(slice_of(text.at + 2, text.size - 2), INT64_MAX, seq);
}

static int take_id(struct read_call *call, const char *name, struct slice *id)
{
	if (!http_query(call->request, name, id))
		return read_invalid(call, name, "is missing");
	return id_is_fine(*id) ? 0 : read_invalid(call, name, "must have 1 to 64 characters of A-Z a-z 0-9 . _ : -");
}

static int path_id(struct read_call *call, const char *name, struct slice *id)
{
	*id = http_param(call->request, name);
	return id_is_fine(*id) ? 0 : read_invalid(call, name, "must have 1 to 64 characters of A-Z a-z 0-9 . _ : -");
}

int read_limit(struct read_call *call, unsigned usual, unsigned max, unsigned *limit)
{
	struct slice text;
	uint64_t number;
	*limit = usual;
	if (!http_query(call->request, "limit", &text))
		return 0;
	if (!parse_number(text, max, &number) || number == 0)
		return read_invalid(call, "limit",
				    max == RANKING_LIMIT_MAX ? "must be an integer from 1 to 100"
							     : "must be an integer from 1 to 1000");
	*limit = (unsigned)number;
	return 0;
}

int read_enum(struct read_call *call, const char *name, const struct enumeration *enumeration, const char *reason,
	      uint8_t *value)
{
	struct slice text;
	*value = 1; /* the first one is the usual one */
	if (!http_query(call->request, name, &text))
		return 0;
	*value = enumeration_value(enumeration, text);
	return *value ? 0 : read_invalid(call, name, reason);
}

static const struct zone *zone_now(struct read_call *call)
{
	const struct zone *zone = NULL;
	return engine_policy(call->api->engine, &zone) ? zone : NULL;
}

/* scheduleId, or concertId and date. */
static int take_schedule(struct read_call *call, struct view *view, struct slice *schedule_id)
{
	struct slice concert_id, date;
	int32_t day;
	bool by_id = http_query(call->request, "scheduleId", schedule_id);
	bool has_concert = http_query(call->request, "concertId", &concert_id);
	bool has_date = http_query(call->request, "date", &date);
	bool by_day = has_concert || has_date;
	if (by_id && by_day)
		return read_invalid(call, "scheduleId",
				    "stands beside concertId or date: one way of naming the schedule is wanted");
	if (!by_day)
		return take_id(call, "scheduleId", schedule_id);
	int code = take_id(call, "concertId", &concert_id);
	if (code)
		return code;
	if (!http_query(call->request, "date", &date))
		return read_invalid(call, "date", "is missing");
	if (day_parse(date, &day, NULL) != LL_OK)
		return read_invalid(call, "date", "must be a day YYYY-MM-DD");
	const struct zone *zone = zone_now(call);
	return zone ? read_schedule_of_day(view, concert_id, day, zone, schedule_id) : CODE_INTERNAL;
}

/* ---- each read ---- */

static int balance(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice user_id;
	int code = take_id(call, "userId", &user_id);
	return code ? code : read_balance(view, user_id, writer);
}

static int points_history(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice user_id, text;
	unsigned limit;
	uint64_t before = NONE_U64;
	int code = take_id(call, "userId", &user_id);
	if (!code)
		code = read_limit(call, HISTORY_LIMIT, HISTORY_LIMIT_MAX, &limit);
	if (!code && http_query(call->request, "before", &text) && !parse_position(text, &before))
		code = read_invalid(call, "before", "must be a position like 0:1842");
	return code ? code : read_points_history(view, user_id, limit, before, writer);
}

static int concerts(struct read_call *call, struct view *view, struct json_writer *writer)
{
	(void)call;
	return read_concerts(view, writer);
}

static int schedule(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice schedule_id;
	int code = path_id(call, "scheduleId", &schedule_id);
	return code ? code : read_schedule(view, schedule_id, writer);
}

static int dates(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice concert_id;
	int code = take_id(call, "concertId", &concert_id);
	return code ? code : read_dates(view, concert_id, writer);
}

static int seats(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice schedule_id;
	int code = take_schedule(call, view, &schedule_id);
	return code ? code : read_seats(view, schedule_id, writer);
}

static int reservation(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice id;
	int code = path_id(call, "reservationId", &id);
	return code ? code : read_reservation(view, reference_or_nowhere(id, "reservation"), writer);
}

static int payment(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice id;
	int code = path_id(call, "paymentId", &id);
	return code ? code : read_payment(view, reference_or_nowhere(id, "payment"), writer);
}

static int queue_status(struct read_call *call, struct view *view, struct json_writer *writer)
{
	uint64_t token_id;
	struct slice token = bearer_token(call->request);
	if (token.size == 0)
		return CODE_TOKEN_REQUIRED;
	if (!token_check(&call->api->secret, token, &token_id))
		return CODE_TOKEN_INVALID;
	return read_queue_status(view, token_id, writer);
}

/* The window is the one of today, even when nothing has happened today. */
static int popular(struct read_call *call, struct view *view, struct json_writer *writer)
{
	unsigned limit;
	uint8_t window;
	int64_t now = engine_now(call->api->engine), entry_time = view->time;
	int code = read_limit(call, RANKING_LIMIT, RANKING_LIMIT_MAX, &limit);
	if (!code)
		code = read_enum(call, "window", &window_enumeration, "must be all, day, week or month", &window);
	if (code)
		return code;
	const struct zone *zone = zone_now(call);
	if (!zone)
		return CODE_INTERNAL;
	view->time = now > entry_time ? now : entry_time;
	code = read_popular(view, (enum window)window, zone, limit, writer);
	view->time = entry_time;
	return code;
}

static int sold_out(struct read_call *call, struct view *view, struct json_writer *writer)
{
	unsigned limit;
	uint8_t origin;
	int code = read_limit(call, RANKING_LIMIT, RANKING_LIMIT_MAX, &limit);
	if (!code)
		code = read_enum(call, "from", &origin_enumeration, "must be opening or first", &origin);
	return code ? code : read_sold_out(view, (enum origin)origin, limit, writer);
}

static int account_story(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice id;
	int code = path_id(call, "userId", &id);
	return code ? code : read_account_story(view, id, writer);
}

static int reservation_story(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice id;
	int code = path_id(call, "reservationId", &id);
	return code ? code : read_reservation_story(view, reference_or_nowhere(id, "reservation"), writer);
}

static int seat_story(struct read_call *call, struct view *view, struct json_writer *writer)
{
	struct slice id;
	uint64_t seat_no;
	int code = path_id(call, "scheduleId", &id);
	if (code)
		return code;
	if (!parse_number(http_param(call->request, "seatNo"), 1000000, &seat_no) || seat_no == 0)
		return read_invalid(call, "seatNo", "must be an integer from 1 to 1000000");
	return read_seat_story(view, id, (uint32_t)seat_no, writer);
}

const struct read_route read_routes[] = {
	{"/api/points/balance", "userId", balance},
	{"/api/points/history", "userId limit before", points_history},
	{"/api/queue/status", NULL, queue_status},
	{"/api/concerts", NULL, concerts},
	{"/api/concerts/dates", "concertId", dates},
	{"/api/concerts/seats", "scheduleId concertId date", seats},
	{"/api/schedules/{scheduleId}", NULL, schedule},
	{"/api/reservations/{reservationId}", NULL, reservation},
	{"/api/payments/{paymentId}", NULL, payment},
	{"/api/rankings/popular", "limit window", popular},
	{"/api/rankings/sold-out", "limit from", sold_out},
	{"/api/receipts/{commandId}", NULL, read_receipt},
	{"/api/audit/accounts/{userId}", "at", audit_account},
	{"/api/audit/schedules/{scheduleId}", "at", audit_schedule},
	{"/api/audit/reservations/{reservationId}", "at", audit_reservation},
	{"/api/audit/rankings/popular", "at limit window", audit_popular},
	{"/api/audit/rankings/sold-out", "at limit from", audit_sold_out},
	{"/api/audit/totals", "at", audit_totals},
	{"/api/audit/diff", "from to", audit_diff_of},
	{"/api/audit/explain/{commandId}", NULL, audit_explain},
	{"/api/audit/history/account/{userId}", NULL, account_story},
	{"/api/audit/history/reservation/{reservationId}", NULL, reservation_story},
	{"/api/audit/history/seat/{scheduleId}/{seatNo}", NULL, seat_story},
};
const size_t read_route_count = sizeof read_routes / sizeof *read_routes;

/* ---- doing one ---- */

static void do_read(struct read_call *call)
{
	struct api *api = call->api;
	struct ledger *ledger = engine_ledger(api->engine);
	struct view *view = ledger_view(ledger);
	struct json_writer writer;
	buffer_clear(&api->body);
	json_writer_init(&writer, &api->body, false);
	fields_position(&call->fields, position_now(api));
	int code = call->route->read(call, view, &writer);
	if (code == READ_LATER)
		return;
	if (view->failure.code != LL_OK)
		code = CODE_INTERNAL;
	ledger_view_reset(ledger);
	if (code)
		answer_code(api, call->request, (uint16_t)code, call->field, call->reason, &call->fields);
	else
		answer_body(api, call->request, 200, &call->fields);
}

static void position_reached(struct engine_wait *wait, bool in_time)
{
	struct read_call *call = wait->context;
	if (in_time) {
		do_read(call);
		return;
	}
	fields_position(&call->fields, position_now(call->api));
	answer_code(call->api, call->request, CODE_POSITION_NOT_REACHED, NULL, NULL, &call->fields);
}

/* A header that is given twice asks for two things. true: answered. */
static bool refuse_twice(struct read_call *call, const char *name)
{
	if (http_header_count(call->request, name) < 2)
		return false;
	answer_code(call->api, call->request, CODE_VALIDATION_ERROR, name, "is given twice", NULL);
	return true;
}

/* What the headers ask for. *seq: NONE_U64: nothing. false: answered. */
static bool take_wait(struct read_call *call, uint64_t *seq, int64_t *wait_ms)
{
	struct slice text;
	uint64_t seconds = WAIT_SECONDS;
	*seq = NONE_U64;
	if (refuse_twice(call, "Ledger-Wait-Seconds") || refuse_twice(call, "Ledger-Min-Position"))
		return false;
	if (http_header(call->request, "Ledger-Wait-Seconds", &text) &&
	    !parse_number(text, WAIT_SECONDS_MAX, &seconds)) {
		answer_code(call->api, call->request, CODE_VALIDATION_ERROR, "Ledger-Wait-Seconds",
			    "must be an integer from 0 to 60", NULL);
		return false;
	}
	*wait_ms = (int64_t)seconds * 1000;
	if (!http_header(call->request, "Ledger-Min-Position", &text) || slice_equal(text, SLICE("start")))
		return true;
	if (parse_position(text, seq))
		return true;
	answer_code(call->api, call->request, CODE_VALIDATION_ERROR, "Ledger-Min-Position",
		    "must be a position like 0:1842", NULL);
	return false;
}

void handle_read(struct http_request *request, void *context)
{
	const struct route_context *at = context;
	uint64_t seq;
	int64_t wait_ms;
	if (http_refuse_query(request))
		return;
	struct read_call *call = arena_alloc(http_arena(request), sizeof *call);
	*call = (struct read_call){.api = at->api, .request = request, .route = at->read, .context = context};
	call->wait.reached = position_reached;
	call->wait.context = call;
	if (!take_wait(call, &seq, &wait_ms))
		return;
	if (seq == NONE_U64 || at->api->doors_closed)
		do_read(call);
	else
		engine_wait_for(at->api->engine, &call->wait, seq, wait_ms);
}
