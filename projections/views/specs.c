#include "projections/views/specs.h"

#include <pthread.h>

#include "schemas/wire/ensure.h"

static struct table_spec tables[TABLES_COUNT];
static struct store_spec specs[PROJECTIONS_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void)
{
	static const unsigned flags[] = {[ORDER_POINT] = TABLE_POINT,
					 [ORDER_ORDERED] = TABLE_ORDERED,
					 [ORDER_APPEND] = TABLE_APPEND,
					 [ORDER_SCATTERED] = TABLE_ORDERED | TABLE_LAZY | TABLE_SPILL,
					 [ORDER_HASHED] = TABLE_POINT | TABLE_SPILL};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct projection_layout *layout = &projection_layouts[id];
		for (unsigned i = 0; i < layout->table_count; i++)
			tables[layout->first_table + i] =
				(struct table_spec){layout->tables[i].name, flags[layout->tables[i].order]};
		specs[id] = (struct store_spec){layout->name, layout->version, &tables[layout->first_table],
						layout->table_count};
	}
}

const struct store_spec *projection_spec(enum projection_id id)
{
	ENSURE(id < PROJECTIONS_COUNT);
	pthread_once(&once, fill);
	return &specs[id];
}

enum projection_id projection_named(struct slice name)
{
	unsigned id = 0;
	while (id < PROJECTIONS_COUNT && !slice_equal(slice_text(projection_layouts[id].name), name))
		id++;
	return id;
}
