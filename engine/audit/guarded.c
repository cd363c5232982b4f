#include "engine/audit/guarded.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schemas/wire/ensure.h"

static volatile sig_atomic_t child_to_end;
static volatile sig_atomic_t was_interrupted;

static void pass_on(int number)
{
	was_interrupted = 1;
	if (child_to_end > 0)
		kill((pid_t)child_to_end, number);
}

__attribute__((noreturn)) static void be_child(pid_t parent, guarded_fn *work, void *context, char *place)
{
	struct rlimit none = {0, 0};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	if (getppid() != parent)
		_exit(EXIT_FAILURE); /* it died before it could be watched */
	exit(work(context, place));
}

static int wait_for(pid_t child)
{
	int status = 0;
	while (waitpid(child, &status, 0) < 0)
		ENSURE(errno == EINTR);
	return status;
}

int guarded_run(guarded_fn *work, void *context, char place[GUARDED_PLACE_MAX], bool *interrupted)
{
	struct sigaction passing = {.sa_handler = pass_on}, before_interrupt, before_terminate;
	pid_t parent = getpid();
	char *shared = mmap(NULL, GUARDED_PLACE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ENSURE(shared != MAP_FAILED);
	fflush(NULL);
	pid_t child = fork();
	ENSURE(child >= 0);
	if (child == 0)
		be_child(parent, work, context, shared);
	was_interrupted = 0;
	child_to_end = child;
	sigaction(SIGINT, &passing, &before_interrupt);
	sigaction(SIGTERM, &passing, &before_terminate);
	int status = wait_for(child);
	child_to_end = 0;
	sigaction(SIGINT, &before_interrupt, NULL);
	sigaction(SIGTERM, &before_terminate, NULL);
	memcpy(place, shared, GUARDED_PLACE_MAX);
	place[GUARDED_PLACE_MAX - 1] = 0;
	munmap(shared, GUARDED_PLACE_MAX);
	*interrupted = was_interrupted;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
