#include "engine/sink/alert.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log/log.h"

enum { WORD_MAX = 512, VARIABLES_MAX = 512 };

void alert_run(const char *command, const char *what, const char *reason)
{
	char kind[WORD_MAX], why[WORD_MAX];
	char *variables[VARIABLES_MAX + 3];
	size_t count = 0;
	pid_t child;
	if (!command)
		return;
	snprintf(kind, sizeof kind, "LEDGERLINE_ALERT=%s", what);
	snprintf(why, sizeof why, "LEDGERLINE_REASON=%s", reason);
	variables[count++] = kind;
	variables[count++] = why;
	for (char **at = environ; *at && count < VARIABLES_MAX; at++)
		variables[count++] = *at;
	variables[count] = NULL;
	char *const words[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
	posix_spawnattr_t attributes;
	sigset_t ignored_here;
	sigemptyset(&ignored_here);
	sigaddset(&ignored_here, SIGPIPE);
	sigaddset(&ignored_here, SIGCHLD);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &ignored_here);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	int failed = posix_spawn(&child, "/bin/sh", NULL, &attributes, words, variables);
	posix_spawnattr_destroy(&attributes);
	if (failed)
		log_error("sink.alert.failed", LOG_TEXT("command", command), LOG_TEXT("reason", strerror(failed)));
}
