/* When a member of a group takes its brokers for gone: by what the client counts, cut down to what is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "engine/sink/brokers.h"

/* A connection: its name, state, answers that it waits for, and ms since something came. */
struct connection {
	const char *name, *state;
	int waits, idle_ms;
};

static const char *told(struct brokers *brokers, const struct connection *connections, size_t count,
			const char *join_state)
{
	struct buffer text = {0};
	buffer_printf(&text, "{\"name\":\"rdkafka#consumer-1\",\"brokers\":{");
	for (size_t i = 0; i < count; i++)
		buffer_printf(
			&text,
			"%s\"%s\":{\"name\":\"%s\",\"state\":\"%s\",\"waitresp_cnt\":%d,\"rxidle\":%lld,\"rtt\":{\"p99\":0}}",
			i ? "," : "", connections[i].name, connections[i].name, connections[i].state,
			connections[i].waits, connections[i].idle_ms * 1000LL);
	buffer_printf(&text, "},\"topics\":{},\"cgrp\":{\"state\":\"up\",\"join_state\":\"%s\"}}", join_state);
	const char *why = brokers_away(brokers, buffer_slice(&text));
	buffer_release(&text);
	return why;
}

#define BROKER "b:9092/1"
#define COORDINATOR "GroupCoordinator"
enum { FRESH = 100, OLD = BROKERS_SILENT_MS + 1 };

/* Each row is told again and again; `away`: what is said from the BROKERS_AWAY_AFTER-th time on. */
static void each_way_to_be_away(void **state)
{
	(void)state;
	static const struct {
		struct connection broker, coordinator;
		const char *join_state, *away;
	} rows[] = {
		{{BROKER, "UP", 1, FRESH}, {COORDINATOR, "UP", 1, FRESH}, "steady", NULL},
		/* Nothing is asked, so nothing is waited for. */
		{{BROKER, "UP", 0, OLD}, {COORDINATOR, "UP", 0, FRESH}, "steady", NULL},
		/* A join waits for the other members. */
		{{BROKER, "UP", 0, OLD}, {COORDINATOR, "UP", 1, OLD}, "wait-join", NULL},
		{{BROKER, "DOWN", 0, OLD}, {COORDINATOR, "CONNECT", 0, OLD}, "steady", "none is connected"},
		{{BROKER, "UP", 1, OLD}, {COORDINATOR, "UP", 1, OLD}, "wait-join", "they keep silent"},
		{{BROKER, "UP", 1, OLD}, {COORDINATOR, "DOWN", 0, OLD}, "init", "they keep silent"},
		{{BROKER, "UP", 0, OLD}, {COORDINATOR, "UP", 1, OLD}, "steady", "the group's coordinator keeps silent"},
		{{BROKER, "UP", 1, FRESH},
		 {COORDINATOR, "DOWN", 0, OLD},
		 "steady",
		 "the group's coordinator is not connected"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct brokers brokers = {.bad = 0};
		const struct connection both[] = {rows[i].broker, rows[i].coordinator};
		for (unsigned times = 1; times < 2 * BROKERS_AWAY_AFTER; times++) {
			const char *why = told(&brokers, both, 2, rows[i].join_state);
			if (!rows[i].away || times < BROKERS_AWAY_AFTER)
				assert_null(why);
			else
				assert_string_equal(why, rows[i].away);
		}
		brokers_release(&brokers);
	}
}

/* Once well, all is well; what cannot be read, or has no brokers, is no sign of anything. */
static void well_again(void **state)
{
	(void)state;
	struct brokers brokers = {.bad = 0};
	const struct connection gone = {BROKER, "DOWN", 0, OLD}, back = {BROKER, "UP", 0, FRESH};
	for (int i = 0; i < BROKERS_AWAY_AFTER; i++)
		(void)told(&brokers, &gone, 1, "steady");
	assert_non_null(brokers_away(&brokers, SLICE("{\"brokers\":")));
	assert_null(told(&brokers, &back, 1, "steady"));
	for (int i = 1; i < BROKERS_AWAY_AFTER; i++)
		assert_null(told(&brokers, &gone, 1, "steady"));
	assert_null(brokers_away(&brokers, SLICE("{}")));
	assert_null(told(&brokers, &gone, 1, "steady"));
	brokers_release(&brokers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_to_be_away),
		cmocka_unit_test(well_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
