/*
 * Engines beside one another: who leads, standing by, taking over, handing over.
 *
 *	standby                                leader
 *	   ── GET /api/leader, Ledger-Standby ──>   answers that it leads; notes who stands by
 *	   <──────────────────────────────────
 *	   ... no answer, no block (lookout.h): claims
 *
 *	hand-over                              it sends no further block, waits for the one in flight, then
 *	   <── POST /api/admin/lead ────────────
 *	   claims ─> journal ─────────────────>    folds the claim and follows; what waited is forwarded
 *
 * An engine that only follows asks as a standby does, without saying that it stands by: so it knows whether the leader lives.
 *
 * Claims alone decide who leads. All else here is only about when to claim.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/log/log.h"
#include "engine/serve/internal.h"
#include "schemas/wire/ensure.h"
#include "schemas/wire/json.h"

enum {
	LOOK_EVERY_MS = 50,
	STANDBY_SEEN_MS = 5000, /* longer ago, and it is no standby any more */
	HAND_OVER_MS = 3000,    /* by then somebody else leads, or this engine goes on */
};

static int64_t monotonic(struct engine *engine)
{
	return engine_host_monotonic(&engine->host) / 1000;
}

static const struct fold *fold_of(const struct engine *engine)
{
	return ledger_fold_state(engine->ledger);
}

/* ---- who leads ---- */

bool engine_follows(const struct engine *engine)
{
	return engine->writer && writer_state(engine->writer) == WRITER_FOLLOWING;
}

const char *engine_leader_address(const struct engine *engine)
{
	const char *address = fold_of(engine)->claim_address;
	return *address && strcmp(address, engine->address) != 0 ? address : NULL;
}

static bool leads(const struct engine *engine)
{
	return engine->writer && writer_state(engine->writer) == WRITER_LEADING;
}

bool engine_knows_leader(const struct engine *engine)
{
	if (!engine_follows(engine))
		return leads(engine);
	if (!engine->peers.watches)
		return fold_of(engine)->epoch > 0;
	return lookout_knows_leader(&engine->peers.lookout);
}

bool engine_has_its_place(const struct engine *engine)
{
	if (engine->role == ENGINE_FOLLOWS)
		return engine_follows(engine) && fold_of(engine)->epoch > 0;
	return engine_knows_leader(engine);
}

/* ---- probing the leader ---- */

static enum lookout_probe judge_leader(struct engine *engine, const struct json_reader *reader,
				       const struct json_node *root)
{
	char uuid[UUID_TEXT_SIZE];
	const struct json_node *ledger = json_member(reader, root, SLICE("ledger"));
	const struct json_node *leader = json_member(reader, root, SLICE("leader"));
	uuid_text(uuid, fold_of(engine)->ledger);
	if (!ledger || !json_is_text(ledger, slice_text(uuid)) || !leader || leader->type != JSON_OBJECT)
		return PROBE_DENIES;
	const struct json_node *self = json_member(reader, leader, SLICE("self"));
	const struct json_node *epoch = json_member(reader, leader, SLICE("epoch"));
	const struct json_node *state = json_member(reader, leader, SLICE("state"));
	if (!self || !epoch || epoch->type != JSON_NUMBER || !epoch->is_integer || !state)
		return PROBE_DENIES;
	uint64_t at = (uint64_t)epoch->integer, ours = engine->peers.lookout.epoch;
	if (at > ours) /* a claim that is still to be folded here: somebody leads */
		return PROBE_LEADS;
	if (at < ours)
		return PROBE_DENIES;
	if (self->type == JSON_BOOL && self->yes)
		return PROBE_LEADS;
	bool tries = json_is_text(state, SLICE("waiting")) || json_is_text(state, SLICE("opening")) ||
		     json_is_text(state, SLICE("claiming"));
	return tries ? PROBE_BUSY : PROBE_DENIES;
}

/* It lives, and does not know this engine's key: that is no reason to take over, nor a sign that it leads. */
static enum lookout_probe denied(struct engine *engine, int status)
{
	if (!engine->peers.denied)
		log_error("peer.denied", LOG_TEXT("leader", fold_of(engine)->claim_address),
			  LOG_NUMBER("status", status),
			  LOG_TEXT("message", "it does not take this engine's --peer-key: all engines want one of "
					      "role operator that is in the file of keys of each"));
	engine->peers.denied = true;
	return PROBE_BUSY;
}

static enum lookout_probe judge(struct engine *engine, enum http_call_end end, const struct http_call_answer *answer)
{
	const struct json_node *root;
	if (end == HTTP_CALL_UNTRUSTED) /* somebody lives there: as when it is denied */
		return PROBE_BUSY;
	if (end != HTTP_CALL_ANSWERED)
		return end == HTTP_CALL_REFUSED ? PROBE_REFUSED : PROBE_SILENT;
	if (answer->status == 401 || answer->status == 403)
		return denied(engine, answer->status);
	engine->peers.denied = false;
	if (answer->status != 200 || json_read(&engine->peers.reader, answer->body, &root, NULL) != LL_OK ||
	    root->type != JSON_OBJECT)
		return PROBE_DENIES;
	return judge_leader(engine, &engine->peers.reader, root);
}

static void probed(void *context, enum http_call_end end, const struct http_call_answer *answer)
{
	struct engine *engine = context;
	struct peers *peers = &engine->peers;
	peers->probing = false;
	peers->probed_ms = monotonic(engine);
	if (engine->stopping || peers->probed_epoch != peers->lookout.epoch)
		return;
	lookout_saw_probe(&peers->lookout, judge(engine, end, answer), peers->probed_ms);
	engine->pump_again = true;
}

void engine_set_peer_key(struct engine *engine, const char *key)
{
	snprintf(engine->peers.key, sizeof engine->peers.key, "%s", key ? key : "");
}

void engine_set_peer_tls(struct engine *engine, struct tls_context *tls)
{
	engine->caller_options.tls = tls;
}

/* How many fields that makes: none without a key. */
static size_t show_key(const struct engine *engine, struct http_call_field *field)
{
	*field = (struct http_call_field){SLICE("X-Api-Key"), slice_text(engine->peers.key)};
	return *engine->peers.key != 0;
}

static void probe(struct engine *engine)
{
	struct peers *peers = &engine->peers;
	const char *address = engine_leader_address(engine);
	int64_t now = monotonic(engine);
	if (peers->probing || now - peers->probed_ms < lookout_probe_every(&peers->lookout))
		return;
	if (!address) { /* it listens nowhere: its blocks are all that shows it alive */
		peers->probed_ms = now;
		lookout_saw_probe(&peers->lookout, PROBE_SILENT, now);
		return;
	}
	struct http_call_field fields[2];
	size_t count = 0;
	if (peers->stands_by && *engine->address)
		fields[count++] = (struct http_call_field){SLICE("Ledger-Standby"), slice_text(engine->address)};
	count += show_key(engine, &fields[count]);
	const struct http_call call = {
		.url = address,
		.method = "GET",
		.target = SLICE("/api/leader"),
		.fields = fields,
		.field_count = count,
		.timeout_ms = (unsigned)lookout_probe_timeout(&peers->lookout),
		.done = probed,
		.context = engine,
	};
	peers->probing = true;
	peers->probed_epoch = peers->lookout.epoch;
	http_caller_ask(peers->caller, &call);
}

/* ---- taking over ---- */

static void take_over(struct engine *engine, bool asked)
{
	struct peers *peers = &engine->peers;
	static const char *const seen[] = {[PROBE_LEADS] = "leads",
					   [PROBE_BUSY] = "has lost the journal",
					   [PROBE_DENIES] = "does not lead",
					   [PROBE_REFUSED] = "does not listen",
					   [PROBE_SILENT] = "is silent"};
	peers->taking_over = true;
	peers->asked_to_lead = asked;
	peers->seen_next_seq = fold_of(engine)->next_seq;
	if (fold_of(engine)->epoch)
		log_info("standby.claims", LOG_TEXT("leader", fold_of(engine)->claim_address),
			 LOG_TEXT("because", asked ? "it was told to" : seen[peers->lookout.newest]),
			 LOG_NUMBER("epoch", fold_of(engine)->epoch));
	writer_lead(engine->writer);
}

enum ll_code engine_take_over(struct engine *engine)
{
	if (leads(engine))
		return LL_OK;
	if (!engine->working || engine->stopping || !engine->peers.stands_by)
		return LL_DENIED;
	if (engine_follows(engine))
		take_over(engine, true);
	else
		engine->peers.asked_to_lead = true;
	return LL_OK;
}

static bool is_new_leader(const struct engine *engine)
{
	return engine->peers.lookout.epoch != fold_of(engine)->epoch;
}

/* Signs of life in the journal, whoever leads. */
static bool sees_blocks(struct engine *engine)
{
	uint64_t next_seq = fold_of(engine)->next_seq;
	bool more = next_seq != engine->peers.seen_next_seq;
	engine->peers.seen_next_seq = next_seq;
	return more;
}

static void watch(struct engine *engine, int64_t now)
{
	struct peers *peers = &engine->peers;
	if (is_new_leader(engine)) {
		bool starts = peers->lookout.epoch == UINT64_MAX;
		lookout_watch(&peers->lookout, fold_of(engine)->epoch,
			      starts       ? LOOKOUT_STARTS
			      : peers->led ? LOOKOUT_DEPOSED
					   : LOOKOUT_CHANGES,
			      now);
		peers->led = false;
		peers->probed_ms = 0;
	}
	if (sees_blocks(engine))
		lookout_saw_block(&peers->lookout, now);
}

static void stand_by(struct engine *engine)
{
	struct peers *peers = &engine->peers;
	const struct fold *fold = fold_of(engine);
	int64_t now = monotonic(engine);
	uint32_t random;
	watch(engine, now);
	if (!peers->stands_by) {
		probe(engine);
		return;
	}
	/* Nobody has ever led, or it was this engine, before it was started anew or under a claim that it had given up. */
	bool nobody_leads = fold->epoch == 0 || (*engine->address && strcmp(fold->claim_address, engine->address) == 0);
	engine_random(engine, (uint8_t *)&random, sizeof random);
	if (nobody_leads || lookout_says_claim(&peers->lookout, now, random))
		take_over(engine, false);
	else
		probe(engine);
}

/* An attempt that waits for the journal, while the leader turns out to live: blocks of its, or an answer. */
static void reconsider(struct engine *engine)
{
	struct peers *peers = &engine->peers;
	if (!peers->taking_over || peers->asked_to_lead || is_new_leader(engine))
		return;
	if (fold_of(engine)->epoch == 0 || !engine_leader_address(engine))
		return;
	probe(engine);
	if (!sees_blocks(engine) && peers->lookout.bad_probes > 0)
		return;
	log_info("standby.stays", LOG_TEXT("leader", fold_of(engine)->claim_address));
	lookout_saw_block(&peers->lookout, monotonic(engine));
	writer_withdraw(engine->writer);
}

void engine_peers_state(struct engine *engine, enum writer_state state)
{
	struct peers *peers = &engine->peers;
	if (state == WRITER_LEADING) {
		peers->takeovers += peers->taking_over && fold_of(engine)->epoch > 1;
		peers->taking_over = peers->asked_to_lead = false;
		peers->led = true;
		lookout_watch(&peers->lookout, fold_of(engine)->epoch, LOOKOUT_CHANGES, monotonic(engine));
	} else if (state == WRITER_FOLLOWING) {
		peers->taking_over = peers->asked_to_lead = false;
	}
}

/* ---- those that stand by ---- */

void engine_note_standby(struct engine *engine, struct slice address)
{
	struct peers *peers = &engine->peers;
	struct standby *place = &peers->standbys[0];
	if (address.size == 0 || address.size > WRITER_ADDRESS_MAX)
		return;
	for (unsigned i = 0; i < STANDBYS_MAX; i++) {
		struct standby *one = &peers->standbys[i];
		if (slice_equal(slice_text(one->address), address)) {
			place = one;
			break;
		}
		if (one->seen_ms < place->seen_ms)
			place = one;
	}
	memcpy(place->address, address.at, address.size);
	place->address[address.size] = 0;
	place->seen_ms = monotonic(engine);
}

static int newest_first(const void *a, const void *b)
{
	const struct standby *one = a, *other = b;
	return (one->seen_ms < other->seen_ms) - (one->seen_ms > other->seen_ms);
}

unsigned engine_standbys(struct engine *engine, const char *addresses[STANDBYS_MAX])
{
	struct standby *standbys = engine->peers.standbys;
	unsigned count = 0;
	int64_t now = monotonic(engine);
	qsort(standbys, STANDBYS_MAX, sizeof *standbys, newest_first);
	for (unsigned i = 0; i < STANDBYS_MAX && leads(engine); i++)
		if (standbys[i].address[0] && now - standbys[i].seen_ms < STANDBY_SEEN_MS)
			addresses[count++] = standbys[i].address;
	return count;
}

/* ---- handing over ---- */

static void hand_over_end(struct engine *engine, bool done)
{
	struct hand_over *hand_over = &engine->peers.hand_over;
	if (!hand_over->under_way)
		return;
	hand_over->under_way = false;
	writer_yield(engine->writer, false);
	engine->peers.handovers += done;
	if (done)
		log_info("handover.done", LOG_TEXT("to", fold_of(engine)->claim_address),
			 LOG_NUMBER("ms", (uint64_t)(monotonic(engine) - hand_over->began_ms)));
	else
		log_warn("handover.failed", LOG_TEXT("to", hand_over->to));
	engine->pump_again = true;
	if (hand_over->done)
		hand_over->done(hand_over->context, done);
}

static void told_to_lead(void *context, enum http_call_end end, const struct http_call_answer *answer)
{
	struct engine *engine = context;
	/* What was sent may have been heard, whatever came back: then the claim tells, or the time runs out. */
	if (end == HTTP_CALL_REFUSED || end == HTTP_CALL_NOT_SENT || end == HTTP_CALL_UNTRUSTED ||
	    (end == HTTP_CALL_ANSWERED && answer->status != 200))
		hand_over_end(engine, false);
}

static void tell_to_lead(struct engine *engine)
{
	struct hand_over *hand_over = &engine->peers.hand_over;
	struct http_call_field key;
	size_t count = show_key(engine, &key);
	const struct http_call call = {
		.url = hand_over->to,
		.method = "POST",
		.target = SLICE("/api/admin/lead"),
		.fields = &key,
		.field_count = count,
		.timeout_ms = HAND_OVER_MS,
		.done = told_to_lead,
		.context = engine,
	};
	hand_over->told = true;
	http_caller_ask(engine->peers.caller, &call);
}

static void hand_over_turn(struct engine *engine)
{
	struct hand_over *hand_over = &engine->peers.hand_over;
	if (!hand_over->under_way)
		return;
	if (engine_follows(engine))
		hand_over_end(engine, true);
	else if (!leads(engine) || monotonic(engine) - hand_over->began_ms >= HAND_OVER_MS)
		hand_over_end(engine, false);
	else if (!hand_over->told && !writer_sends(engine->writer))
		tell_to_lead(engine);
}

bool engine_hand_over(struct engine *engine, struct slice to, void (*done)(void *, bool), void *context)
{
	const char *standbys[STANDBYS_MAX];
	unsigned count = engine_standbys(engine, standbys), chosen = 0;
	struct hand_over *hand_over = &engine->peers.hand_over;
	while (chosen < count && to.size && !slice_equal(slice_text(standbys[chosen]), to))
		chosen++;
	if (!engine->peers.caller || hand_over->under_way || engine->stopping || chosen == count)
		return false;
	*hand_over =
		(struct hand_over){.under_way = true, .began_ms = monotonic(engine), .done = done, .context = context};
	snprintf(hand_over->to, sizeof hand_over->to, "%s", standbys[chosen]);
	log_info("handover.begins", LOG_TEXT("to", hand_over->to));
	writer_yield(engine->writer, true);
	engine->pump_again = true;
	uv_idle_start(&engine->again, engine_on_again);
	return true;
}

/* ---- life ---- */

static void on_timer(uv_timer_t *timer)
{
	struct engine *engine = timer->data;
	engine->pump_again = true;
	uv_idle_start(&engine->again, engine_on_again);
}

/* Only a journal that others can reach has others beside it: a local one is its engine's own. */
bool engine_is_shared(const struct engine *engine)
{
	return strcmp(engine->identity.kind, "local") != 0;
}

void engine_peers_start(struct engine *engine)
{
	struct peers *peers = &engine->peers;
	if (engine_is_shared(engine) && engine->role != ENGINE_CLAIMS) {
		peers->caller = http_caller_new(engine->loop, &engine->caller_options);
		engine->handles++;
		uv_timer_start(&peers->timer, on_timer, LOOK_EVERY_MS, LOOK_EVERY_MS);
	}
	peers->watches = peers->caller != NULL;
	peers->stands_by = peers->watches && engine->role == ENGINE_STANDS_BY;
	lookout_init(&peers->lookout, engine->patience_ms);
	peers->lookout.epoch = UINT64_MAX; /* so that whoever leads is new */
	peers->seen_next_seq = fold_of(engine)->next_seq;
	if (!peers->stands_by && engine->role != ENGINE_FOLLOWS)
		writer_lead(engine->writer);
}

void engine_peers_turn(struct engine *engine)
{
	struct peers *peers = &engine->peers;
	if (engine->stopping)
		return;
	hand_over_turn(engine);
	engine_forward_turn(engine);
	if (!peers->watches)
		return;
	if (engine_follows(engine))
		stand_by(engine);
	else
		reconsider(engine);
}

static void caller_freed(void *context)
{
	struct engine *engine = context;
	engine->handles--;
}

void engine_peers_stop(struct engine *engine)
{
	struct peers *peers = &engine->peers;
	hand_over_end(engine, false);
	engine_forward_stop(engine);
	uv_timer_stop(&peers->timer);
	http_caller_free(peers->caller, caller_freed, engine);
	peers->caller = NULL;
}

void engine_peers_release(struct engine *engine)
{
	json_reader_release(&engine->peers.reader);
}
