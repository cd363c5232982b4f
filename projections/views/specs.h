/*
 * Projections as stores: what store_open and snapshot_open want to know, from schemas/tables.toml.
 */
#ifndef LEDGERLINE_SPECS_H
#define LEDGERLINE_SPECS_H

#include "projections/store/store.h"
#include "schemas/tables.h"

/* Constant, good for ever. */
const struct store_spec *projection_spec(enum projection_id id);

/* The projection of a name; PROJECTIONS_COUNT: there is none. */
enum projection_id projection_named(struct slice name);

#endif
