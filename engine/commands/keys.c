/* `ledgerline keys add|list|revoke`: the file of access keys (engine/access/keys.h). */
#include <sodium.h>
#include <string.h>

#include "engine/access/keys.h"
#include "engine/commands/commands.h"
#include "schemas/wire/json.h"

#define OPTION_KEYS                                                                                                    \
	{                                                                                                              \
		.name = "keys", .kind = OPTION_TEXT, .value = "FILE", .help = "the file of keys", .required = true     \
	}

/* Errors of one who asked for what is not so: the answer is no. */
static int failed(const struct options *options, const struct error *error)
{
	bool no = error->code == LL_EXISTS || error->code == LL_NOT_FOUND || error->code == LL_FULL;
	return no ? option_complain(options, EXIT_NO, "%s", error->text) : command_failed(options, error);
}

static void write_key(const struct access_key *key, struct json_writer *writer)
{
	json_member_text(writer, "name", key->name);
	json_member_text(writer, "role", key_role_text(key->role));
	json_key(writer, "limit");
	if (key->limit)
		json_uint64(writer, key->limit);
	else
		json_null(writer);
}

/* ---- add ---- */

static int take_added(const struct options *options, struct access_key *key)
{
	const char *name = option_argument(options, 0), *second = option_argument(options, 1);
	const char *role = option_text(options, "role");
	if (second && role)
		return option_complain(options, EXIT_USAGE, "the role is given twice, as %s and as --role %s", second,
				       role);
	role = second ? second : role;
	if (!key_name_is_fine(name))
		return option_complain(options, EXIT_USAGE,
				       "a name has 1 to 64 characters of A-Z a-z 0-9 . _ : -, not %s", name);
	if (!role)
		return option_complain(options, EXIT_USAGE, "say the role: client, admin, auditor or operator");
	if (!key_role_parse(role, &key->role))
		return option_complain(options, EXIT_USAGE, "there is no role %s: client, admin, auditor, operator",
				       role);
	snprintf(key->name, sizeof key->name, "%s", name);
	key->limit = (unsigned)option_integer(options, "limit");
	return EXIT_DONE;
}

static int add(const struct options *options, void *context)
{
	struct access_key key = {.limit = 0};
	char text[KEY_TEXT_SIZE + 1];
	struct error error;
	(void)context;
	int status = take_added(options, &key);
	if (status != EXIT_DONE)
		return status;
	enum ll_code code = key_make(&key, text, &error);
	if (code == LL_OK)
		code = keys_add(option_text(options, "keys"), &key, &error);
	if (code != LL_OK)
		status = failed(options, &error);
	else
		printf("%s\n", text);
	sodium_memzero(text, sizeof text);
	if (code == LL_OK)
		fprintf(stderr, "this is the key of %s, role %s: it is not shown again\n", key.name,
			key_role_text(key.role));
	return status;
}

static const struct option add_options[] = {
	OPTION_KEYS,
	{.name = "role", .kind = OPTION_TEXT, .value = "ROLE", .help = "client, admin, auditor or operator"},
	{.name = "limit",
	 .kind = OPTION_INTEGER,
	 .value = "N",
	 .standard = "0",
	 .min = 0,
	 .max = KEY_LIMIT_MAX,
	 .help = "at most so many commands a second with this key; 0: as many as the engine takes"},
	OPTION_CONFIG,
	{0},
};

const struct cli_command command_keys_add = {
	.name = "keys add",
	.arguments = "NAME [ROLE]",
	.summary = "make an access key and show it, once",
	.description =
		"Prints the key alone on standard output. FILE, made when it is not there, gets a line with its hash. An engine that\n"
		"serves with FILE knows the key within two seconds.\n"
		"client: commands that are no administrator's, and reads. admin: everything. auditor: reads, the audit's too. operator: the\n"
		"engine itself: status, metrics, the lead; engines among themselves have one of these.",
	.options = add_options,
	.arguments_min = 1,
	.arguments_max = 2,
	.exits = "1: the name is taken, or the file is full",
	.run = add,
};

/* ---- list ---- */

static int list(const struct options *options, void *context)
{
	struct keys keys;
	struct error error;
	struct buffer buffer = {0};
	struct json_writer writer;
	(void)context;
	if (keys_read(option_text(options, "keys"), &keys, &error) != LL_OK)
		return command_failed(options, &error);
	json_writer_init(&writer, &buffer, false);
	json_object_begin(&writer);
	json_key(&writer, "keys");
	json_array_begin(&writer);
	for (size_t i = 0; i < keys.count; i++) {
		json_object_begin(&writer);
		write_key(&keys.at[i], &writer);
		json_object_end(&writer);
	}
	json_array_end(&writer);
	json_object_end(&writer);
	command_print(options, &buffer);
	buffer_release(&buffer);
	keys_release(&keys);
	return EXIT_DONE;
}

static const struct option list_options[] = {OPTION_KEYS, OPTION_CONFIG, OPTION_JSON, {0}};

const struct cli_command command_keys_list = {
	.name = "keys list",
	.summary = "who has an access key",
	.description = "Names, roles and limits. Neither keys nor hashes are shown.",
	.options = list_options,
	.run = list,
};

/* ---- revoke ---- */

static int revoke(const struct options *options, void *context)
{
	struct error error;
	(void)context;
	if (keys_revoke(option_text(options, "keys"), option_argument(options, 0), &error) != LL_OK)
		return failed(options, &error);
	printf("revoked %s\n", option_argument(options, 0));
	return EXIT_DONE;
}

static const struct option revoke_options[] = {OPTION_KEYS, OPTION_CONFIG, {0}};

const struct cli_command command_keys_revoke = {
	.name = "keys revoke",
	.arguments = "NAME",
	.summary = "take an access key back",
	.description =
		"Takes its line out of FILE. An engine that serves with FILE refuses the key within two seconds.",
	.options = revoke_options,
	.arguments_min = 1,
	.arguments_max = 1,
	.exits = "1: there is no such key",
	.run = revoke,
};
