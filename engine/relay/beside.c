#include "engine/relay/beside.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/log/log.h"
#include "schemas/wire/ensure.h"

enum { AGAIN_SECONDS = 30 };

struct relay_beside {
	struct relay_beside_options options;
	struct relay_board board;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool leads, ending; /* guarded by lock */
	atomic_bool stop;   /* of the run under way */
};

static enum ll_code run_once(struct relay_beside *beside, struct error *error)
{
	const struct relay_beside_options *options = &beside->options;
	const struct journal_options journal_options = {
		.settings = options->settings, .settings_count = options->settings_count, .read_only = true};
	struct journal *journal = NULL;
	struct relay *relay = calloc(1, sizeof *relay);
	ENSURE(relay);
	enum ll_code code = journal_open(options->journal, &journal_options, &journal, error);
	if (code == LL_OK) {
		relay->journal = journal;
		relay->prefix = options->prefix;
		relay->from.after = INT64_MIN;
		relay->stop = &beside->stop;
		relay->board = &beside->board;
		relay->target.brokers = options->brokers;
		relay->target.settings = options->settings;
		relay->target.settings_count = options->settings_count;
		relay->target.replication = options->replication;
		memcpy(relay->target.topics, options->topics, sizeof relay->target.topics);
		code = relay_run(relay, error);
		journal_close(journal);
	} else {
		board_fail(&beside->board, error, RELAY_STOPPED);
	}
	free(relay);
	return code;
}

/* Waits until the engine leads. Held: the lock. false: it is to end. */
static bool wait_for_lead(struct relay_beside *beside)
{
	while (!beside->leads && !beside->ending)
		pthread_cond_wait(&beside->changed, &beside->lock);
	atomic_store(&beside->stop, beside->ending);
	return !beside->ending;
}

/* After a failure that the relay itself does not try to pass. Held: the lock. */
static void wait_a_while(struct relay_beside *beside)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += AGAIN_SECONDS;
	while (beside->leads && !beside->ending)
		if (pthread_cond_timedwait(&beside->changed, &beside->lock, &until))
			return;
}

static void *work(void *context)
{
	struct relay_beside *beside = context;
	struct error error;
	pthread_mutex_lock(&beside->lock);
	while (wait_for_lead(beside)) {
		pthread_mutex_unlock(&beside->lock);
		enum ll_code code = run_once(beside, &error);
		bool failed = code != LL_OK && !atomic_load(&beside->stop);
		if (failed)
			log_error("relay.failed", LOG_TEXT("reason", error.text),
				  LOG_NUMBER("againInSeconds", AGAIN_SECONDS));
		pthread_mutex_lock(&beside->lock);
		if (failed)
			wait_a_while(beside);
	}
	pthread_mutex_unlock(&beside->lock);
	return NULL;
}

struct relay_beside *relay_beside_start(const struct relay_beside_options *options)
{
	struct relay_beside *beside = calloc(1, sizeof *beside);
	pthread_condattr_t monotonic;
	ENSURE(beside);
	beside->options = *options;
	board_init(&beside->board);
	pthread_mutex_init(&beside->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&beside->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	ENSURE(pthread_create(&beside->thread, NULL, work, beside) == 0);
	return beside;
}

void relay_beside_lead(struct relay_beside *beside, bool leads)
{
	pthread_mutex_lock(&beside->lock);
	if (beside->leads != leads) {
		beside->leads = leads;
		if (!leads)
			atomic_store(&beside->stop, true);
		pthread_cond_signal(&beside->changed);
	}
	pthread_mutex_unlock(&beside->lock);
}

void relay_beside_status(struct relay_beside *beside, struct relay_status *status)
{
	board_read(&beside->board, status);
}

void relay_beside_stop(struct relay_beside *beside)
{
	if (!beside)
		return;
	pthread_mutex_lock(&beside->lock);
	beside->ending = true;
	atomic_store(&beside->stop, true);
	pthread_cond_signal(&beside->changed);
	pthread_mutex_unlock(&beside->lock);
	pthread_join(beside->thread, NULL);
	pthread_cond_destroy(&beside->changed);
	pthread_mutex_destroy(&beside->lock);
	board_release(&beside->board);
	free(beside);
}
