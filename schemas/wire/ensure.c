#include "schemas/wire/ensure.h"

#include <stdio.h>
#include <stdlib.h>

void ensure_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "ledgerline: bug at %s:%d: %s\n", file, line, what);
	abort();
}
