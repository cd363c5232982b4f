/*
 * The alert hook: a command of the operator's, run by the shell with LEDGERLINE_ALERT (endpoint.down, endpoint.up, dead-letter) and
 * LEDGERLINE_REASON in its environment. Nobody waits for it; a command that cannot be run is logged.
 */
#ifndef LEDGERLINE_SINK_ALERT_H
#define LEDGERLINE_SINK_ALERT_H

/* `command` may be NULL: nothing happens. */
void alert_run(const char *command, const char *what, const char *reason);

#endif
