/*
 * Descriptions of records at run time: what JSON is rendered from and parsed with.
 *
 * The generator writes one `struct record` for each record, event, command, row and policy in schemas/ (*.toml), beside
 * the C struct that it describes.
 */
#ifndef LEDGERLINE_WIRE_RECORD_H
#define LEDGERLINE_WIRE_RECORD_H

#include "schemas/wire/slice.h"

enum field_kind {
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_I64,
	FIELD_AMOUNT, /* int64_t, whole won, never negative */
	FIELD_BOOL,   /* bool; when optional int8_t with -1 for absent */
	FIELD_TIME,   /* int64_t ms; 0 absent */
	FIELD_WHEN,   /* int64_t: >= 0 a time in ms, < 0 a calendar day: -(days since 1970) - 1; NONE_I64 absent */
	FIELD_DAY,    /* int32_t days since 1970; NONE_DAY absent */
	FIELD_ID,     /* struct slice; empty absent */
	FIELD_TEXT,   /* struct slice; empty absent */
	FIELD_BYTES,  /* struct slice of fixed size (max): hex in JSON; empty absent */
	FIELD_ENUM,   /* uint8_t; 0 absent */
	FIELD_REF, /* uint64_t number of the entry that made it (of a lot: shifted by 16, plus its index); NONE_U64 absent */
	FIELD_RECORD, /* the struct itself */
	FIELD_LIST,   /* struct { T *at; uint32_t count; } of records */
	FIELD_U32S,   /* struct u32_list */
};

struct enumeration {
	const char *name;
	const char *const *texts; /* by value; NULL where there is none */
	uint8_t count;            /* largest value + 1 */
};

struct record;

struct field {
	const char *name; /* snake_case, as in schemas/ */
	const char *json; /* camelCase */
	enum field_kind kind;
	bool optional;
	bool self; /* not on the wire: the entry's own number */
	bool flat; /* a record whose fields stand in the object that holds it */
	uint16_t offset;
	uint16_t since;          /* the first version of its event or projection that has it; 0: every one */
	int64_t min, max;        /* numbers and counts of lists; both 0: no bounds of its own */
	int64_t preset;          /* ENUM: value when absent in JSON; 0: none */
	const char *preset_text; /* ID: value when absent in JSON; NULL: none */
	const char *reference;   /* REF: "use", "lot", ...: the text before the dash */
	const char *format;      /* TEXT: "zone", or NULL */
	const struct enumeration *enumeration;
	const struct record *record;
};

struct record {
	const char *name;
	const struct field *fields;
	uint16_t count;
	uint16_t size; /* of the C struct */
};

struct u32_list {
	uint32_t *at;
	uint32_t count;
};

/* Text of an enumeration's value; "?" for a value that it does not have. */
static inline const char *enumeration_text(const struct enumeration *e, uint8_t value)
{
	return value < e->count && e->texts[value] ? e->texts[value] : "?";
}

/* The value of a text; 0: it has none such. */
uint8_t enumeration_value(const struct enumeration *e, struct slice text);

/* Ids that the ledger makes: "use-1842"; a lot's is "lot-1842", or "lot-1842-3" for the fourth of one entry. */
enum { REFERENCE_TEXT_MAX = 48 };
#define LOT_ID(seq, index) (((uint64_t)(seq) << 16) | (uint64_t)(index))
size_t reference_text(char text[REFERENCE_TEXT_MAX], const char *kind, uint64_t id);
/* false: not such an id. "use-01" and "use-1" are not the same text: only the canonical one is taken. */
bool reference_parse(struct slice text, const char *kind, uint64_t *id);

#endif
