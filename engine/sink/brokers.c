#include "engine/sink/brokers.h"

static int64_t number_of(const struct json_reader *reader, const struct json_node *node, struct slice name)
{
	const struct json_node *number = json_member(reader, node, name);
	return number && number->is_integer ? number->integer : 0;
}

static bool is(const struct json_reader *reader, const struct json_node *node, struct slice name, struct slice value)
{
	const struct json_node *text = json_member(reader, node, name);
	return text && json_is_text(text, value);
}

static bool is_up(const struct json_reader *reader, const struct json_node *connection)
{
	return is(reader, connection, SLICE("state"), SLICE("UP"));
}

static bool is_silent(const struct json_reader *reader, const struct json_node *connection)
{
	return number_of(reader, connection, SLICE("waitresp_cnt")) > 0 &&
	       number_of(reader, connection, SLICE("rxidle")) > (int64_t)BROKERS_SILENT_MS * 1000;
}

/* NULL: all is well. */
static const char *judge(const struct json_reader *reader, const struct json_node *root)
{
	const struct json_node *all = json_member(reader, root, SLICE("brokers"));
	const struct json_node *group = json_member(reader, root, SLICE("cgrp"));
	bool is_in_peace = group && is(reader, group, SLICE("join_state"), SLICE("steady"));
	unsigned up = 0, well = 0;
	const char *coordinator = NULL;
	if (!all || all->type != JSON_OBJECT)
		return NULL;
	for (const struct json_node *one = json_first(reader, all); one; one = json_next(reader, one)) {
		bool silent = is_silent(reader, one);
		up += is_up(reader, one);
		well += is_up(reader, one) && !silent;
		if (is(reader, one, SLICE("name"), SLICE("GroupCoordinator")))
			coordinator = !is_up(reader, one) ? "the group's coordinator is not connected"
				      : silent            ? "the group's coordinator keeps silent"
							  : NULL;
	}
	if (!well)
		return up ? "they keep silent" : "none is connected";
	return is_in_peace ? coordinator : NULL;
}

const char *brokers_away(struct brokers *brokers, struct slice statistics)
{
	const struct json_node *root;
	if (json_read(&brokers->reader, statistics, &root, NULL) == LL_OK) {
		brokers->why = judge(&brokers->reader, root);
		brokers->bad = brokers->why ? brokers->bad + 1 : 0;
	}
	return brokers->bad >= BROKERS_AWAY_AFTER ? brokers->why : NULL;
}

void brokers_release(struct brokers *brokers)
{
	json_reader_release(&brokers->reader);
}
