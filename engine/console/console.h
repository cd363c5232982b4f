/*
 * The console: the page for people that `serve` offers at /console, as bytes. Its files stand in this folder as they are served (.html, .css,
 * .js, .svg), and files.c puts them into the program; nothing is made of them, and nothing else is fetched by them.
 *
 *	/console            console.html
 *	/console/NAME       the file of that name
 *
 * What the page does is told in docs/console.md; how its modules are cut, at the top of each. Sending them: engine/api/console.c.
 */
#ifndef LEDGERLINE_CONSOLE_CONSOLE_H
#define LEDGERLINE_CONSOLE_CONSOLE_H

#include "schemas/wire/slice.h"

#define CONSOLE_PAGE "console.html"

struct console_file {
	const char *name;
	const char *type; /* for Content-Type */
	const uint8_t *begin, *end;
};

/* NULL: there is none of that name. Belongs to the program. */
const struct console_file *console_file(struct slice name);

#endif
