#include "engine/commands/outside.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/journal/kafka.h"
#include "engine/log/log.h"

static atomic_bool stopping;

static void on_signal(int number)
{
	(void)number;
	atomic_store(&stopping, true);
}

atomic_bool *stop_at_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* nobody asks what became of an alert's command */
	return &stopping;
}

bool is_topic_name(const char *name)
{
	size_t size = strlen(name);
	return size > 0 && size <= TOPIC_NAME_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == size;
}

int read_kafka_url(const struct options *options, const char *name, char brokers[JOURNAL_URL_MAX], char *topic)
{
	const char *url = option_text(options, name), *scheme = "kafka://";
	size_t skip = strlen(scheme), size = strlen(url);
	const char *slash = strncmp(url, scheme, skip) == 0 ? strchr(url + skip, '/') : NULL;
	size_t brokers_size = (slash ? (size_t)(slash - url) : size) - (size < skip ? size : skip);
	bool good = size < JOURNAL_URL_MAX && strncmp(url, scheme, skip) == 0 &&
		    kafka_are_brokers(url + skip, brokers_size);
	if (topic)
		good = good && slash && is_topic_name(slash + 1);
	else
		good = good && (!slash || !slash[1]);
	if (!good)
		return option_complain(options, EXIT_USAGE, "--%s takes kafka://HOST:PORT,HOST:PORT%s, not %s", name,
				       topic ? "/TOPIC" : "", url);
	memcpy(brokers, url + skip, brokers_size);
	brokers[brokers_size] = 0;
	if (topic)
		memcpy(topic, slash + 1, strlen(slash + 1) + 1);
	return EXIT_DONE;
}

int read_topics(const struct options *options, const char *dash, const char **topics, char rooms[][TOPIC_NAME_MAX + 1])
{
	char prefixed[32], mapped[32];
	snprintf(prefixed, sizeof prefixed, "%sprefix", dash);
	snprintf(mapped, sizeof mapped, "%smap", dash);
	const char *prefix = option_text(options, prefixed);
	for (unsigned i = 0; i < PUBLIC_TYPES_COUNT; i++) {
		int size = snprintf(rooms[i], TOPIC_NAME_MAX + 1, "%s%s", prefix, public_types[i]);
		if (size > TOPIC_NAME_MAX || !is_topic_name(rooms[i]))
			return option_complain(options, EXIT_USAGE,
					       "--%s: %s%s is no name of a topic: letters, digits, dots, dashes and "
					       "underlines, at most %d",
					       prefixed, prefix, public_types[i], TOPIC_NAME_MAX);
		topics[i] = rooms[i];
	}
	for (size_t n = 0; n < option_count(options, mapped); n++) {
		const char *item = option_item(options, mapped, n), *equals = strchr(item, '=');
		unsigned i = 0;
		if (!equals || !is_topic_name(equals + 1))
			return option_complain(options, EXIT_USAGE, "--%s takes TYPE=TOPIC, not %s", mapped, item);
		while (i < PUBLIC_TYPES_COUNT &&
		       (strncmp(public_types[i], item, (size_t)(equals - item)) != 0 || public_types[i][equals - item]))
			i++;
		if (i == PUBLIC_TYPES_COUNT)
			return option_complain(options, EXIT_USAGE, "--%s: %.*s is no type of a public event", mapped,
					       (int)(equals - item), item);
		topics[i] = equals + 1;
	}
	return EXIT_DONE;
}

int start_watch(const struct options *options, const struct watch_options *watched, struct watch **watch)
{
	struct http_address address;
	struct error error;
	uint16_t port;
	const char *text = option_text(options, "metrics");
	*watch = NULL;
	if (!text)
		return EXIT_DONE;
	enum ll_code code = http_address_resolve(text, &address, &error);
	if (code == LL_OK)
		code = watch_start(&address, watched, watch, &port, &error);
	if (code != LL_OK)
		return command_failed(options, &error);
	log_info("metrics.listening", LOG_TEXT("host", address.host), LOG_NUMBER("port", port));
	return EXIT_DONE;
}

int64_t wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show_member(void *context, struct buffer *out)
{
	member_board_write(context, wall_ms(), out);
}

static const char *member_illness(void *context)
{
	static char reason[BOARD_REASON_MAX]; /* the watching thread's */
	return member_board_is_ill(context, reason) ? reason : NULL;
}

int watch_member(const struct options *options, struct member_board *board, struct watch **watch)
{
	return start_watch(options, &(struct watch_options){show_member, member_illness, board}, watch);
}
