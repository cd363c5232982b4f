/* The files themselves, put here by the assembler. Paths are from the root of the tree, where make compiles. */
#include "engine/console/console.h"

#include <string.h>

#define EMBED(symbol, file)                                                                                            \
	__asm__(".pushsection .rodata\n" #symbol "_begin:\n\t.incbin \"engine/console/" file "\"\n" #symbol            \
		"_end:\n\t.byte 0\n\t.popsection\n");                                                                  \
	extern const uint8_t symbol##_begin[] __attribute__((visibility("hidden")));                                   \
	extern const uint8_t symbol##_end[] __attribute__((visibility("hidden")))

EMBED(console_page, "console.html");
EMBED(console_style, "console.css");
EMBED(console_icon, "icon.svg");
EMBED(console_main, "console.js");
EMBED(console_ask, "ask.js");
EMBED(console_draw, "draw.js");
EMBED(console_panels, "panels.js");
EMBED(console_words, "words.js");

#define SCRIPT "text/javascript; charset=utf-8"

static const struct console_file files[] = {
	{CONSOLE_PAGE, "text/html; charset=utf-8", console_page_begin, console_page_end},
	{"console.css", "text/css; charset=utf-8", console_style_begin, console_style_end},
	{"icon.svg", "image/svg+xml", console_icon_begin, console_icon_end},
	{"console.js", SCRIPT, console_main_begin, console_main_end},
	{"ask.js", SCRIPT, console_ask_begin, console_ask_end},
	{"draw.js", SCRIPT, console_draw_begin, console_draw_end},
	{"panels.js", SCRIPT, console_panels_begin, console_panels_end},
	{"words.js", SCRIPT, console_words_begin, console_words_end},
};

const struct console_file *console_file(struct slice name)
{
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (slice_equal(slice_text(files[i].name), name))
			return &files[i];
	return NULL;
}
