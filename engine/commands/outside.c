#include "engine/commands/outside.h"

#include <signal.h>
#include <string.h>

#include "engine/journal/kafka.h"

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
