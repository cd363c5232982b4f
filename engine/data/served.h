/*
 * DIR/engine.url: where the engine that holds DIR serves HTTP. There while one serves, and for a while longer after one was
 * killed: worth something only when somebody holds the directory (data_holder).
 */
#ifndef LEDGERLINE_SERVED_H
#define LEDGERLINE_SERVED_H

#include <stdbool.h>

enum { SERVED_URL_MAX = 512 };

/* What the file says. false: nothing. */
bool served_url(const char *directory, char url[SERVED_URL_MAX]);

/* Written by who holds the directory. A failure is nobody's loss but of who looks for it. */
void served_tell(const char *directory, const char *url);
void served_forget(const char *directory);

#endif
