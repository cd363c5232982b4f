/* Which room renders which reply, and the pieces that all of them use. */
#include "engine/reply/reply.h"

#include "schemas/wire/ensure.h"
#include "schemas/wire/record_json.h"

void json_member_time(struct json_writer *writer, const char *key, int64_t ms)
{
	json_key(writer, key);
	json_time(writer, ms);
}

void json_member_ref(struct json_writer *writer, const char *key, const char *kind, uint64_t id)
{
	json_key(writer, key);
	json_reference(writer, kind, id);
}

static const char *reference_kind(uint8_t name)
{
	switch (name) {
	case FACT_NAME_RESERVATIONID: return "reservation";
	case FACT_NAME_PAYMENTID: return "payment";
	case FACT_NAME_USEID: return "use";
	case FACT_NAME_HOLDID: return "hold";
	default: return NULL;
	}
}

static bool is_time(uint8_t name)
{
	return name == FACT_NAME_BOOKINGOPENSAT || name == FACT_NAME_BOOKINGCLOSESAT || name == FACT_NAME_EXPIRESAT ||
	       name == FACT_NAME_CONCERTDATE;
}

static void numbers(struct json_writer *writer, const struct u32_list *list)
{
	json_array_begin(writer);
	for (uint32_t i = 0; i < list->count; i++)
		json_uint64(writer, list->at[i]);
	json_array_end(writer);
}

void json_member_fact(struct json_writer *writer, const char *key, const struct fact *fact)
{
	const char *kind = reference_kind(fact->name);
	if (fact->number == NONE_I64) {
		json_key(writer, key);
		if (fact->text.size)
			json_string(writer, fact->text);
		else
			numbers(writer, &fact->numbers);
	} else if (kind) {
		json_member_ref(writer, key, kind, (uint64_t)fact->number);
	} else if (is_time(fact->name)) {
		json_member_time(writer, key, fact->number);
	} else {
		json_member_int64(writer, key, fact->number);
	}
}

int reply_error(uint16_t code, const struct fact_list *facts, const char *field, const char *reason,
		struct json_writer *writer)
{
	const struct code_info *info = code_info(code);
	ENSURE(info);
	json_object_begin(writer);
	json_member_text(writer, "code", info->name);
	if (field)
		json_key(writer, "message"), json_textf(writer, "%s %s %s.", info->message, field, reason);
	else
		json_member_text(writer, "message", info->message);
	json_key(writer, "details");
	json_object_begin(writer);
	for (uint32_t i = 0; facts && i < facts->count; i++)
		json_member_fact(writer, enumeration_text(&fact_name_enumeration, facts->at[i].name), &facts->at[i]);
	if (field) {
		json_member_text(writer, "field", field);
		json_member_text(writer, "reason", reason);
	}
	json_object_end(writer);
	json_object_end(writer);
	return info->status;
}

int reply_render(const struct entry *entry, struct json_writer *writer)
{
	int status = 0;
	if (entry->head.outcome == OUTCOME_REFUSED)
		return reply_error(entry->code, &entry->facts, NULL, NULL, writer);
	ENSURE(entry->head.outcome == OUTCOME_ACCEPTED);
	bool rendered = reply_points(entry, writer, &status) || reply_seats(entry, writer, &status) ||
			reply_queue(entry, writer, &status);
	return rendered ? status : reply_error(CODE_INTERNAL, NULL, NULL, NULL, writer);
}
