#include "projections/certify/earlier.h"

#include "projections/certify/rows.h"
#include "projections/views/specs.h"
#include "schemas/wire/ensure.h"

enum { NOT_THERE = UINT8_MAX };

/* Opens it if it is of that version. */
static enum ll_code open_as(struct earlier *earlier, enum projection_id id, uint32_t version, const char *directory,
			    struct error *error)
{
	struct table_spec tables[STORE_TABLES_MAX];
	struct store_spec spec = *projection_spec(id);
	const struct table_spec *today = spec.tables;
	unsigned count = spec.table_count;
	spec.schema_version = version;
	spec.tables = tables;
	spec.table_count = 0;
	for (unsigned i = 0; i < count; i++) {
		bool was_there = !table_is_new(earlier->first_table + i, version);
		earlier->places[i] = was_there ? (uint8_t)spec.table_count : NOT_THERE;
		if (was_there)
			tables[spec.table_count++] = today[i];
	}
	earlier->version = version;
	return snapshot_open(&spec, directory, &earlier->snapshot, error);
}

enum ll_code earlier_open(struct earlier *earlier, enum projection_id id, const char *directory, struct error *error)
{
	const struct projection_layout *layout = &projection_layouts[id];
	*earlier = (struct earlier){.first_table = layout->first_table};
	enum ll_code code = LL_OLDER;
	for (uint32_t version = layout->version; version >= 1 && code == LL_OLDER; version--)
		code = open_as(earlier, id, version, directory, error);
	return code;
}

void earlier_close(struct earlier *earlier)
{
	snapshot_close(earlier->snapshot);
	earlier->snapshot = NULL;
}

unsigned earlier_table(const struct earlier *earlier, enum table_id table)
{
	unsigned place = earlier->places[table - earlier->first_table];
	ENSURE(place != NOT_THERE);
	return place;
}
