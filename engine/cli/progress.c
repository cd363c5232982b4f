#include "engine/cli/progress.h"

#include <time.h>
#include <unistd.h>

#include "engine/cli/listing.h"

#define SHOW_EVERY_NS UINT64_C(100000000)
#define NS_PER_SECOND UINT64_C(1000000000)

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

void progress_begin(struct progress *progress, FILE *out, const char *what, const char *unit, uint64_t total)
{
	*progress = (struct progress){.what = what, .unit = unit, .total = total};
	if (!isatty(fileno(out)))
		return;
	progress->terminal = out;
	progress->began_ns = progress->shown_ns = now_ns();
}

static void put_duration(struct buffer *out, uint64_t seconds)
{
	if (seconds >= 3600)
		buffer_printf(out, "%llu h %llu min", (unsigned long long)(seconds / 3600),
			      (unsigned long long)(seconds / 60 % 60));
	else if (seconds >= 60)
		buffer_printf(out, "%llu min %llu s", (unsigned long long)(seconds / 60),
			      (unsigned long long)(seconds % 60));
	else
		buffer_printf(out, "%llu s", (unsigned long long)seconds);
}

void progress_render(const struct progress *progress, uint64_t done, uint64_t elapsed_ns, struct buffer *out)
{
	double seconds = (double)elapsed_ns / (double)NS_PER_SECOND;
	double rate = seconds > 0 ? (double)done / seconds : 0;
	buffer_append_text(out, progress->what);
	buffer_append_text(out, "  ");
	listing_amount(out, (int64_t)done);
	if (progress->total) {
		buffer_append_text(out, " of ");
		listing_amount(out, (int64_t)progress->total);
	}
	buffer_printf(out, " %s  ", progress->unit);
	listing_amount(out, (int64_t)rate);
	buffer_append_text(out, "/s");
	if (progress->total > done && rate >= 1) {
		buffer_append_text(out, "  ");
		put_duration(out, (uint64_t)((double)(progress->total - done) / rate + 0.5));
		buffer_append_text(out, " left");
	}
}

void progress_update(struct progress *progress, uint64_t done)
{
	if (!progress->terminal)
		return;
	uint64_t now = now_ns();
	if (now - progress->shown_ns < SHOW_EVERY_NS)
		return;
	struct buffer line = {0};
	progress_render(progress, done, now - progress->began_ns, &line);
	fprintf(progress->terminal, "\r\033[K%s", buffer_text(&line));
	fflush(progress->terminal);
	buffer_release(&line);
	progress->shown_ns = now;
	progress->is_shown = true;
}

void progress_end(struct progress *progress)
{
	if (progress->is_shown) {
		fputs("\r\033[K", progress->terminal);
		fflush(progress->terminal);
	}
	progress->terminal = NULL;
	progress->is_shown = false;
}
