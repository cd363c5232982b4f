#include "engine/serve/lookout.h"

void lookout_init(struct lookout *lookout, int64_t patience_ms)
{
	*lookout = (struct lookout){.patience_ms = patience_ms ? patience_ms : LOOKOUT_PATIENCE_MS};
}

void lookout_watch(struct lookout *lookout, uint64_t epoch, enum lookout_why why, int64_t now)
{
	lookout->newest = PROBE_SILENT;
	if (why == LOOKOUT_DEPOSED && !lookout->was_seen && lookout->doublings < LOOKOUT_DOUBLINGS_MAX)
		lookout->doublings++;
	lookout->epoch = epoch;
	lookout->alive_ms = why == LOOKOUT_STARTS ? now - lookout->patience_ms / LOOKOUT_GONE : now;
	lookout->bad_probes = 0;
	lookout->was_seen = lookout->was_alive = false;
	lookout->claim_at_ms = 0;
}

void lookout_saw_block(struct lookout *lookout, int64_t now)
{
	lookout->was_alive = true;
	lookout->alive_ms = now;
	lookout->bad_probes = 0;
	lookout->claim_at_ms = 0;
}

void lookout_saw_probe(struct lookout *lookout, enum lookout_probe probe, int64_t now)
{
	lookout->newest = probe;
	if (probe == PROBE_LEADS) {
		lookout_saw_block(lookout, now);
		lookout->was_seen = true;
		lookout->doublings = 0;
		return;
	}
	lookout->bad_probes++;
}

/* How long without a sign of life is long enough. */
static int64_t wait_of(const struct lookout *lookout)
{
	int64_t wait = lookout->patience_ms << lookout->doublings;
	switch (lookout->newest) {
	case PROBE_REFUSED:
	case PROBE_DENIES: return wait / LOOKOUT_GONE;
	case PROBE_BUSY: return wait * LOOKOUT_BUSY;
	case PROBE_LEADS:
	case PROBE_SILENT: break;
	}
	return wait;
}

bool lookout_says_claim(struct lookout *lookout, int64_t now, uint32_t random)
{
	if (lookout->bad_probes < LOOKOUT_BAD_PROBES_MIN)
		return false;
	if (now - lookout->alive_ms < wait_of(lookout)) {
		lookout->claim_at_ms = 0;
		return false;
	}
	if (!lookout->claim_at_ms)
		lookout->claim_at_ms = now + (int64_t)(random % (uint32_t)(lookout->patience_ms / LOOKOUT_SPREAD + 1));
	return now >= lookout->claim_at_ms;
}

bool lookout_knows_leader(const struct lookout *lookout)
{
	return lookout->was_alive && lookout->bad_probes < LOOKOUT_BAD_PROBES_MIN;
}

int64_t lookout_probe_every(const struct lookout *lookout)
{
	return lookout->patience_ms / 10 + 1;
}

int64_t lookout_probe_timeout(const struct lookout *lookout)
{
	return lookout->patience_ms / 3 + 1;
}
