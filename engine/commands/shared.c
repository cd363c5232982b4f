#include "engine/commands/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/access/keys.h"
#include "engine/cli/answer.h"
#include "engine/client/http_client.h"
#include "engine/data/data.h"

int command_failed(const struct options *options, const struct error *error)
{
	return option_complain(options, error->code == LL_USAGE ? EXIT_USAGE : EXIT_FAILED, "%s", error->text);
}

int command_settings(const struct options *options, struct journal_option settings[SETTINGS_MAX], char *room)
{
	size_t count = option_count(options, "kafka"), used = 0;
	if (count > SETTINGS_MAX) {
		option_complain(options, EXIT_USAGE, "more than %d settings in --kafka", SETTINGS_MAX);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		const char *item = option_item(options, "kafka", i);
		const char *equals = strchr(item, '=');
		size_t length = strlen(item) + 1;
		if (!equals || equals == item || used + length > SETTINGS_BYTES_MAX) {
			option_complain(options, EXIT_USAGE, "--kafka takes NAME=VALUE, not %s", item);
			return -1;
		}
		memcpy(room + used, item, length);
		room[used + (size_t)(equals - item)] = 0;
		settings[i] = (struct journal_option){room + used, room + used + (equals - item) + 1};
		used += length;
	}
	return (int)count;
}

int command_open_journal(const struct options *options, const char *url, bool append, bool create,
			 struct journal **journal)
{
	char room[SETTINGS_BYTES_MAX];
	struct journal_option settings[SETTINGS_MAX];
	struct error error;
	int count = command_settings(options, settings, room);
	if (count < 0)
		return EXIT_USAGE;
	struct journal_options journal_options = {
		.settings = settings, .settings_count = (size_t)count, .create = create, .read_only = !append};
	return journal_open(url, &journal_options, journal, &error) == LL_OK ? EXIT_DONE
									     : command_failed(options, &error);
}

int command_journal_url(const struct options *options, char *room)
{
	return command_journal_of(options, option_argument(options, 0), room);
}

int command_journal_of(const struct options *options, const char *url, char *room)
{
	struct data data;
	struct error error;
	const char *directory = option_text(options, "data");
	if (url && directory)
		return option_complain(options, EXIT_USAGE, "give a journal's URL or --data DIR, not both");
	if (!url && !directory)
		return option_complain(options, EXIT_USAGE, "which journal? Give its URL or --data DIR");
	if (url && strlen(url) >= JOURNAL_URL_MAX)
		return option_complain(options, EXIT_USAGE, "the URL is longer than %d characters",
				       JOURNAL_URL_MAX - 1);
	if (!url && data_open(directory, NULL, DATA_READ, &data, &error) != LL_OK)
		return command_failed(options, &error);
	memcpy(room, url ? url : data.url, strlen(url ? url : data.url) + 1);
	if (!url)
		data_close(&data);
	return EXIT_DONE;
}

void command_print(const struct options *options, struct buffer *json)
{
	if (option_flag(options, "json")) {
		buffer_append_byte(json, '\n');
		fwrite(json->at, 1, json->size, stdout);
	} else {
		answer_print(buffer_slice(json), stdout);
	}
	buffer_clear(json);
}

bool command_position(const char *text, uint64_t *seq)
{
	char *end;
	if (strcmp(text, "start") == 0 || strcmp(text, "latest") == 0) {
		*seq = text[0] == 's' ? 0 : UINT64_MAX;
		return true;
	}
	if (strncmp(text, "0:", 2) != 0 || text[2] < '0' || text[2] > '9')
		return false;
	errno = 0;
	*seq = strtoull(text + 2, &end, 10);
	return *end == 0 && errno == 0;
}

enum ll_code command_client(const struct options *options, const char *url, struct http_client **client,
			    struct error *error)
{
	char key[KEY_TEXT_SIZE + 1];
	const char *file = option_text(options, "access-key");
	enum ll_code code = http_client_new(url, option_text(options, "tls-ca"), client, error);
	if (file && code == LL_OK)
		code = key_read_file(file, key, error);
	if (file && code == LL_OK)
		http_client_show_key(*client, key);
	explicit_bzero(key, sizeof key);
	return code;
}
