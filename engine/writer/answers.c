/* Answers: each pending command gets one, once. */
#include "engine/writer/internal.h"

void writer_answer_code(struct pending *pending, enum code code)
{
	struct answer answer = {.kind = ANSWER_REJECTED, .code = code};
	if (pending->chain && !pending->chain->broken_at)
		pending->chain->broken_at = pending->order;
	pending->answer(pending, &answer);
}

void writer_answer_all(struct pending_queue *queue, enum code code)
{
	struct pending *pending;
	while ((pending = pending_pop(queue)))
		writer_answer_code(pending, code);
}

void writer_answer_held(struct writer *writer)
{
	struct pending *pending;
	while ((pending = pending_pop(&writer->held))) {
		struct answer answer = pending->held;
		writer->statistics.rejected += answer.kind == ANSWER_REJECTED;
		pending->answer(pending, &answer);
	}
}

/* ---- repeated commands ---- */

static void read_hits(struct writer *writer)
{
	struct pending *pending = hits_to_read(&writer->hits);
	if (pending)
		writer->host->read_hit(writer->host, pending->hit_offset);
}

void writer_answer_hit(struct writer *writer, struct pending *pending)
{
	writer->statistics.repeated++;
	if (!hits_take(&writer->hits, pending))
		read_hits(writer);
}

void writer_answer_hits(struct writer *writer, struct slice bytes)
{
	hits_read(&writer->hits, bytes);
	read_hits(writer);
}
