#include "engine/rebuild/successors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/data/adopt.h"

enum { POLL_MS = 20, TELL_AFTER_MS = 1000, END_WAIT_MS = 10000, DELETE_WAIT_MS = 5000 };

static bool is_chosen(const struct successors *successors, unsigned id)
{
	return successors->mask >> id & 1;
}

static void pause_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

void successors_init(struct successors *successors, struct data *data, unsigned mask)
{
	*successors = (struct successors){.data = data, .mask = mask};
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		successors->of[id].lock = -1;
}

void successors_release(struct successors *successors)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (successors->of[id].lock >= 0)
			close(successors->of[id].lock);
	successors_init(successors, successors->data, successors->mask);
}

/* ---- locks ---- */

static enum ll_code make_root(const struct successors *successors, enum projection_id id, char root[DATA_PATH_MAX],
			      struct error *error)
{
	char folder[DATA_PATH_MAX];
	snprintf(folder, sizeof folder, "%s/projections", successors->data->path);
	data_projection_root(successors->data, id, root);
	if ((mkdir(folder, 0775) == 0 || errno == EEXIST) && (mkdir(root, 0770) == 0 || errno == EEXIST))
		return LL_OK;
	return error_set(error, errno == EACCES || errno == EROFS ? LL_DENIED : LL_IO, "cannot make %s: %s", root,
			 strerror(errno));
}

static int open_lock(const struct successors *successors, enum projection_id id)
{
	char root[DATA_PATH_MAX], path[DATA_PATH_MAX + 16];
	data_projection_root(successors->data, id, root);
	snprintf(path, sizeof path, "%s/rebuild.lock", root);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
}

static int pid_in(int lock)
{
	char text[32] = "";
	return pread(lock, text, sizeof text - 1, 0) > 0 ? (int)strtol(text, NULL, 10) : 0;
}

/* The process that rebuilds it; 0: none. */
static int rebuilder(const struct successors *successors, enum projection_id id)
{
	int pid = 0, lock = open_lock(successors, id);
	if (lock < 0)
		return 0;
	if (flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		pid = pid_in(lock);
	close(lock);
	return pid;
}

static enum ll_code lock_one(struct successors *successors, enum projection_id id, struct error *error)
{
	char root[DATA_PATH_MAX], pid[32];
	const char *name = projection_layouts[id].name;
	enum ll_code code = make_root(successors, id, root, error);
	if (code != LL_OK)
		return code;
	int lock = open_lock(successors, id);
	if (lock < 0)
		return error_set(error, errno == EACCES || errno == EROFS ? LL_DENIED : LL_IO,
				 "cannot open %s/rebuild.lock: %s", root, strerror(errno));
	successors->of[id].lock = lock;
	if (flock(lock, LOCK_EX | LOCK_NB) != 0)
		return error_set(error, LL_BUSY,
				 "projection %s is being rebuilt by process %d: wait for it, or end it with "
				 "`ledgerline rebuild --cancel`",
				 name, pid_in(lock));
	int size = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(lock, 0) != 0 || pwrite(lock, pid, (size_t)size, 0) != size)
		return error_set(error, LL_IO, "cannot write %s/rebuild.lock: %s", root, strerror(errno));
	return LL_OK;
}

enum ll_code successors_lock(struct successors *successors, struct error *error)
{
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (is_chosen(successors, id))
			code = lock_one(successors, id, error);
	if (code != LL_OK)
		successors_release(successors);
	return code;
}

/* ---- making ---- */

/* Takes the name away, then deletes what had it; an engine may be about to let go of it. */
static void drop(const char *root, enum generation_name name)
{
	char path[GENERATION_PATH_MAX];
	unsigned number = 0, current = 0;
	if (generation_named(root, name, path, &number, NULL) != LL_OK)
		return;
	if (generation_take_name(root, name, NULL) != LL_OK ||
	    (generation_current(root, path, &current, NULL) == LL_OK && current == number))
		return;
	for (int waited = 0; generation_delete(root, number, NULL) == LL_BUSY && waited < DELETE_WAIT_MS;
	     waited += POLL_MS)
		pause_ms(POLL_MS);
}

static enum ll_code make_one(struct successors *successors, enum projection_id id, struct error *error)
{
	char root[DATA_PATH_MAX];
	struct successor *successor = &successors->of[id];
	data_projection_root(successors->data, id, root);
	successor->resumed = false;
	enum ll_code code = generation_make(root, successor->path, &successor->made, error);
	return code == LL_OK ? generation_give_name(root, GENERATION_BUILDING, successor->made, error) : code;
}

static enum ll_code begin_one(struct successors *successors, enum projection_id id, struct error *error)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	struct successor *successor = &successors->of[id];
	data_projection_root(successors->data, id, root);
	drop(root, GENERATION_READY);
	if (generation_current(root, path, &successor->before, NULL) != LL_OK)
		successor->before = 0;
	successor->resumed =
		generation_named(root, GENERATION_BUILDING, successor->path, &successor->made, NULL) == LL_OK;
	return successor->resumed ? LL_OK : make_one(successors, id, error);
}

enum ll_code successors_begin(struct successors *successors, struct error *error)
{
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++)
		if (is_chosen(successors, id))
			code = begin_one(successors, id, error);
	return code;
}

bool successors_are_resumed(const struct successors *successors)
{
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++)
		if (is_chosen(successors, id) && successors->of[id].resumed)
			return true;
	return false;
}

enum ll_code successors_begin_anew(struct successors *successors, struct error *error)
{
	char root[DATA_PATH_MAX];
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		if (!is_chosen(successors, id))
			continue;
		data_projection_root(successors->data, id, root);
		drop(root, GENERATION_BUILDING);
		code = make_one(successors, id, error);
	}
	return code;
}

enum ll_code successors_ready(struct successors *successors, struct error *error)
{
	char root[DATA_PATH_MAX];
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		if (!is_chosen(successors, id))
			continue;
		data_projection_root(successors->data, id, root);
		code = generation_make_ready(root, error);
	}
	return code;
}

/* ---- going back ---- */

/* The newest generation before the current one that is not being built; 0: none. */
static unsigned generation_before(const char *root, unsigned current)
{
	unsigned numbers[GENERATIONS_MAX], found = 0;
	size_t count = 0;
	if (generation_list(root, numbers, &count, NULL) != LL_OK)
		return 0;
	for (size_t i = 0; i < count; i++)
		found = numbers[i] < current ? numbers[i] : found;
	return found;
}

enum ll_code successors_go_back(struct successors *successors, struct error *error)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		struct successor *successor = &successors->of[id];
		if (!is_chosen(successors, id))
			continue;
		data_projection_root(successors->data, id, root);
		code = generation_current(root, path, &successor->before, error);
		if (code != LL_OK)
			break;
		successor->made = generation_before(root, successor->before);
		if (!successor->made)
			code = error_set(error, LL_NOT_FOUND,
					 "projection %s has no earlier generation to go back to; nothing was changed",
					 projection_layouts[id].name);
		else
			snprintf(successor->path, sizeof successor->path, "%s/gen-%06u", root, successor->made);
	}
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		if (!is_chosen(successors, id))
			continue;
		data_projection_root(successors->data, id, root);
		code = generation_give_name(root, GENERATION_READY, successors->of[id].made, error);
	}
	return code;
}

/* ---- handing over ---- */

static bool is_taken(const struct successors *successors, unsigned id)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	unsigned current = 0;
	data_projection_root(successors->data, id, root);
	return generation_current(root, path, &current, NULL) == LL_OK && current == successors->of[id].made;
}

/* LL_BUSY: not all are in use yet. */
static enum ll_code look(struct successors *successors, struct error *error)
{
	bool all = true;
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		struct successor *successor = &successors->of[id];
		if (!is_chosen(successors, id) || successor->taken)
			continue;
		successor->taken = is_taken(successors, id);
		all = all && successor->taken;
		if (!successor->taken && adopt_answered(successor->path, error))
			return error_prefix(error, "projection %s: process %d does not take the new generation",
					    projection_layouts[id].name, data_holder(successors->data->path));
	}
	return all ? LL_OK : error_set(error, LL_BUSY, "they are not all in use yet");
}

static enum ll_code take_all(struct successors *successors, struct error *error)
{
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		if (!is_chosen(successors, id) || successors->of[id].taken)
			continue;
		code = adopt_take(successors->data, id, successors->of[id].made, error);
		successors->of[id].taken = successors->of[id].taken_here = code == LL_OK;
	}
	return code;
}

enum ll_code successors_hand_over(struct successors *successors, void (*waiting)(int pid), struct error *error)
{
	for (int waited = 0;; waited += POLL_MS) {
		enum ll_code code = look(successors, error);
		if (code != LL_BUSY) {
			successors->by_engine = code == LL_OK && waited;
			return code;
		}
		code = data_lock(successors->data, false, error);
		if (code == LL_OK) {
			code = take_all(successors, error);
			data_unlock(successors->data);
			return code;
		}
		if (code != LL_BUSY)
			return code;
		if (waited == TELL_AFTER_MS && waiting)
			waiting(data_holder(successors->data->path));
		pause_ms(POLL_MS);
	}
}

/* ---- tidying ---- */

/* An engine takes the name away only after it has swapped. */
static void take_ready_name(const char *root, unsigned number)
{
	char path[GENERATION_PATH_MAX];
	unsigned ready = 0;
	if (generation_named(root, GENERATION_READY, path, &ready, NULL) == LL_OK && ready == number &&
	    generation_take_name(root, GENERATION_READY, NULL) != LL_OK)
		return; /* what is current already waits for nothing */
}

void successors_tidy(const struct successors *successors, bool keep_replaced)
{
	char root[DATA_PATH_MAX];
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		const struct successor *successor = &successors->of[id];
		if (!is_chosen(successors, id) || !successor->taken)
			continue;
		data_projection_root(successors->data, id, root);
		take_ready_name(root, successor->made);
		adopt_tidy(successors->data, id, successor->made, keep_replaced ? successor->before : 0);
	}
}

void successors_give_up(struct successors *successors, bool keep_building)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	for (unsigned id = 0; id < PROJECTIONS_COUNT; id++) {
		unsigned ready = 0;
		if (!is_chosen(successors, id) || !successors->of[id].made || keep_building)
			continue;
		data_projection_root(successors->data, id, root);
		drop(root, GENERATION_BUILDING);
		if (generation_named(root, GENERATION_READY, path, &ready, NULL) == LL_OK &&
		    ready == successors->of[id].made)
			continue;
		if (generation_delete(root, successors->of[id].made, NULL) != LL_OK)
			continue; /* gone, or somebody still holds it: a later rebuild tidies */
	}
}

/* ---- cancelling ---- */

static enum ll_code end_process(const struct successors *successors, enum projection_id id, int pid,
				struct error *error)
{
	if (kill(pid, SIGTERM) != 0 && errno != ESRCH)
		return error_set(error, LL_DENIED, "cannot end process %d, which rebuilds %s: %s", pid,
				 projection_layouts[id].name, strerror(errno));
	for (int waited = 0; rebuilder(successors, id) == pid; waited += POLL_MS) {
		if (waited > END_WAIT_MS)
			return error_set(error, LL_BUSY, "process %d, which rebuilds %s, does not end", pid,
					 projection_layouts[id].name);
		pause_ms(POLL_MS);
	}
	return LL_OK;
}

enum ll_code successors_cancel(struct successors *successors,
			       void (*told)(enum projection_id id, unsigned generation, int pid), struct error *error)
{
	char root[DATA_PATH_MAX], path[GENERATION_PATH_MAX];
	enum ll_code code = LL_OK;
	for (unsigned id = 0; id < PROJECTIONS_COUNT && code == LL_OK; id++) {
		unsigned number = 0;
		if (!is_chosen(successors, id))
			continue;
		data_projection_root(successors->data, id, root);
		int pid = access(root, F_OK) == 0 ? rebuilder(successors, id) : 0;
		if (pid)
			code = end_process(successors, id, pid, error);
		if (code != LL_OK)
			break; /* it may still be writing */
		bool found = generation_named(root, GENERATION_BUILDING, path, &number, NULL) == LL_OK ||
			     adopt_waiting(successors->data, id, path, &number, NULL) == LL_OK;
		drop(root, GENERATION_BUILDING);
		drop(root, GENERATION_READY);
		if (found || pid)
			told(id, number, pid);
	}
	return code;
}
