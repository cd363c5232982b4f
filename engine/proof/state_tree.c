#include "engine/proof/state_tree.h"

#include <limits.h>
#include <stdio.h>

#include "schemas/wire/record.h"

#define LINE_BEGIN "{\"type\":\""

/* In the order of the export. */
static const struct state_kind kinds[] = {
	{.name = "policy"},
	{.name = "user", .member = "userId"},
	{.name = "account", .member = "userId"},
	{.name = "use", .member = "useId", .reference = "use"},
	{.name = "hold", .member = "holdId", .reference = "hold"},
	{.name = "concert", .member = "concertId"},
	{.name = "schedule", .member = "scheduleId"},
	{.name = "seat", .member = "scheduleId", .second = "seatNo"},
	{.name = "reservation", .member = "reservationId", .reference = "reservation"},
	{.name = "payment", .member = "paymentId", .reference = "payment"},
	{.name = "token"},
	{.name = "popular"},
	{.name = "sold-out"},
};

static const struct state_kind *any_kind(struct slice name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (slice_equal(name, slice_text(kinds[i].name)))
			return &kinds[i];
	return NULL;
}

const struct state_kind *state_kind(struct slice name)
{
	const struct state_kind *kind = any_kind(name);
	return kind && kind->member ? kind : NULL;
}

static bool read_number(struct slice text, uint64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t)(text.at[i] - '0');
	}
	return text.size > 0 && text.size < 19;
}

bool state_subject_read(const struct state_kind *kind, struct slice id, struct slice second,
			struct state_subject *subject)
{
	*subject = (struct state_subject){.kind = slice_text(kind->name)};
	if (kind->reference)
		return reference_parse(id, kind->reference, &subject->number);
	subject->id = id;
	return id.size > 0 && (!kind->second || read_number(second, &subject->number));
}

/* ---- lines ---- */

static bool take(struct slice *rest, const char *text)
{
	if (!slice_begins(*rest, slice_text(text)))
		return false;
	*rest = slice_of(rest->at + strlen(text), rest->size - strlen(text));
	return true;
}

/* Up to a quote; ids have none, and nothing that JSON would escape. */
static bool take_quoted(struct slice *rest, struct slice *text)
{
	const uint8_t *end = rest->size ? memchr(rest->at, '"', rest->size) : NULL;
	if (!end)
		return false;
	*text = slice_of(rest->at, (size_t)(end - rest->at));
	*rest = slice_of(end + 1, rest->size - text->size - 1);
	return true;
}

static bool take_member(struct slice *rest, const char *name)
{
	return take(rest, ",\"") && take(rest, name) && take(rest, "\":");
}

static bool take_number(struct slice *rest, uint64_t *number)
{
	size_t digits = 0;
	while (digits < rest->size && rest->at[digits] >= '0' && rest->at[digits] <= '9')
		digits++;
	struct slice text = slice_of(rest->at, digits);
	*rest = slice_of(rest->at + digits, rest->size - digits);
	return read_number(text, number);
}

static bool read_line(struct slice rest, const struct state_kind **kind, struct state_subject *of)
{
	struct slice name, id;
	if (!take(&rest, LINE_BEGIN) || !take_quoted(&rest, &name))
		return false;
	*kind = any_kind(name);
	if (!*kind)
		return false;
	if (!(*kind)->member)
		return true;
	if (!take_member(&rest, (*kind)->member) || !take(&rest, "\"") || !take_quoted(&rest, &id))
		return false;
	*of = (struct state_subject){.kind = name};
	if ((*kind)->reference)
		return reference_parse(id, (*kind)->reference, &of->number);
	of->id = id;
	return !(*kind)->second || (take_member(&rest, (*kind)->second) && take_number(&rest, &of->number));
}

int state_line_order(struct slice line, const struct state_subject *subject)
{
	const struct state_kind *kind, *wanted = any_kind(subject->kind);
	struct state_subject of;
	if (!read_line(line, &kind, &of))
		return INT_MAX;
	if (kind != wanted)
		return kind < wanted ? -1 : 1;
	int order = slice_compare(of.id, subject->id);
	if (order)
		return order;
	return of.number < subject->number ? -1 : of.number > subject->number;
}

/* ---- the tree ---- */

static void keep(struct state_tree *made, uint64_t index, struct slice bytes)
{
	merkle_keep(made->tree, index);
	made->lines[made->line_count].index = index;
	buffer_append_slice(&made->lines[made->line_count++].bytes, bytes);
}

static void look_at(struct state_tree *made, struct slice line)
{
	uint64_t index = merkle_size(made->tree);
	int order = state_line_order(line, made->subject);
	if (order < 0) {
		buffer_clear(&made->before);
		buffer_append_slice(&made->before, line);
		return;
	}
	made->behind = true;
	made->found = order == 0;
	if (!made->found && index > 0)
		keep(made, index - 1, buffer_slice(&made->before));
	keep(made, index, line);
}

static bool on_lines(void *context, struct slice lines)
{
	struct state_tree *made = context;
	while (lines.size) {
		const uint8_t *end = memchr(lines.at, '\n', lines.size);
		struct slice line = slice_of(lines.at, (size_t)(end - lines.at));
		if (made->subject && !made->behind)
			look_at(made, line);
		merkle_add(made->tree, line);
		lines = slice_of(end + 1, lines.size - line.size - 1);
	}
	return true;
}

enum ll_code state_tree_make(struct state_tree *made, struct error *error)
{
	made->tree = merkle_new();
	made->found = made->behind = false;
	made->line_count = 0;
	made->before = made->lines[0].bytes = made->lines[1].bytes = (struct buffer){0};
	enum ll_code code = export_state(made->view, on_lines, made, error);
	if (code == LL_OK && made->subject && !made->behind && merkle_size(made->tree) > 0)
		keep(made, merkle_size(made->tree) - 1, buffer_slice(&made->before));
	return code;
}

void state_tree_release(struct state_tree *made)
{
	merkle_free(made->tree);
	buffer_release(&made->before);
	buffer_release(&made->lines[0].bytes);
	buffer_release(&made->lines[1].bytes);
	made->tree = NULL;
}
