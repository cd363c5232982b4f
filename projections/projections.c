/* All projections: a new one is added here, in schemas/tables.toml and in a folder of its own. */
#include "projections/projection.h"

const struct projection *const projections[PROJECTIONS_COUNT] = {
	[PROJECTION_BALANCES] = &projection_balances, [PROJECTION_SEATS] = &projection_seats,
	[PROJECTION_QUEUE] = &projection_queue,       [PROJECTION_RECEIPTS] = &projection_receipts,
	[PROJECTION_RANKINGS] = &projection_rankings, [PROJECTION_HISTORY] = &projection_history,
};
