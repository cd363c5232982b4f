/* What the fuzzers found (tests/fuzz/), each as a test of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/reply/reply.h"

/* fuzz_block: an accepted entry whose events do not answer its command ended the process when its receipt was asked for. */
static void test_entry_that_answers_nothing(void **state)
{
	(void)state;
	struct event tick = {.type = EVENT_TICK, .version = 1};
	struct buffer out = {0};
	for (uint16_t command = 1; command < 64; command++) {
		struct entry entry = {.head = {.outcome = OUTCOME_ACCEPTED, .command = command}};
		struct json_writer writer;
		if (!command_info(command) || command == COMMAND_QUEUE_LEAVE)
			continue; /* that one's answer is empty */
		for (uint32_t count = 0; count < 2; count++) {
			entry.events = &tick;
			entry.event_count = count;
			buffer_clear(&out);
			json_writer_init(&writer, &out, false);
			assert_int_equal(reply_render(&entry, &writer), 500);
			assert_non_null(strstr(buffer_text(&out), "\"INTERNAL"));
		}
	}
	buffer_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry_that_answers_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
