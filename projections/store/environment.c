/*
 * Environments are kept in one list of this process, found by the device and inode of their data.mdb: an open file keeps its
 * inode, while that of a directory that was removed may name a new one, of a newer generation, at once.
 *
 * The gate: LMDB moves its map only while no transaction of this process is open. Each transaction counts itself in; who
 * grows the map (or follows another process that grew it) closes the gate, waits for the count to reach zero, and opens it
 * again. Flags: never MDB_WRITEMAP (a full disk would be SIGBUS, a stray write corruption), never MDB_NOLOCK.
 */
#include "projections/store/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "schemas/wire/ensure.h"

enum { NAME_MAX_BYTES = 64, GATE_WAIT_S = 10, OPEN_TRIES = 20 };

struct environment {
	struct environment *next;
	MDB_env *env;
	char *directory;
	dev_t device;
	ino_t inode;
	pid_t process; /* after fork() a child's list still holds its parent's, which are not for it */
	unsigned openers;
	bool read_only, synced;
	bool map_was_full; /* atomic */
	pthread_mutex_t gate;
	pthread_cond_t gate_changed;
	unsigned active, database_count; /* transactions, under gate; tables */
	bool closed;                     /* the gate, under gate */
	struct {
		char name[NAME_MAX_BYTES];
		MDB_dbi handle;
	} databases[ENVIRONMENT_DATABASES_MAX];
};

struct environment_txn {
	struct environment *environment;
	MDB_txn *txn;
	bool write, reset;
};

struct environment_cursor {
	struct environment *environment;
	MDB_cursor *cursor;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct environment *list;

/* The call, unless a test wants it to fail. */
#define TRY(call, expression) (fault_injected(call) ? fault_taken : (expression))
static __thread int fault_taken;

static inline bool fault_injected(const char *call)
{
	if (__builtin_expect(!environment_faults, 1))
		return false;
	fault_taken = environment_fault(call);
	return fault_taken != 0;
}

static enum ll_code code_of(int rc)
{
	switch (rc) {
	case MDB_MAP_FULL:
	case MDB_READERS_FULL:
	case MDB_DBS_FULL:
	case MDB_TXN_FULL: return LL_FULL;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PAGE_FULL:
	case MDB_CURSOR_FULL:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE: return LL_CORRUPT;
	case MDB_VERSION_MISMATCH: return LL_NEWER;
	case MDB_NOTFOUND: return LL_NOT_FOUND;
	case MDB_KEYEXIST: return LL_EXISTS;
	case MDB_BAD_VALSIZE: return LL_TOO_LARGE;
	case ETIMEDOUT: return LL_TIMEOUT; /* of the gate */
	default: return environment_code(rc);
	}
}

static const char *advice(int rc)
{
	switch (rc) {
	case MDB_READERS_FULL: return "; too many readers: end some, or find the dead ones";
	case MDB_MAP_FULL: return "; the map must grow";
	case ENOSPC:
	case EDQUOT: return "; make room on the disk";
	case EIO: return "; the disk fails";
	case ETIMEDOUT: return ": the map has grown, and a reader of this process that stays pinned keeps it as it was";
	case MDB_VERSION_MISMATCH: return "; another LMDB made it, or has it open now in some program: end that one";
	case EACCES:
	case EPERM:
	case EROFS: return "; data.mdb and lock.mdb must be writable for this user, and the file system too";
	default: return "";
	}
}

__attribute__((cold)) static enum ll_code fail(struct environment *environment, int rc, const char *what,
					       struct error *error)
{
	if (rc == MDB_MAP_FULL)
		__atomic_store_n(&environment->map_was_full, true, __ATOMIC_RELAXED);
	return error_set(error, code_of(rc), "%s: cannot %s: %s%s", environment->directory, what, mdb_strerror(rc),
			 advice(rc));
}

static enum ll_code fail_path(const char *path, int number, const char *what, struct error *error)
{
	return error_set(error, code_of(number), "%s: cannot %s: %s%s", path, what, strerror(number), advice(number));
}

/* ---- the gate ---- */

static void gate_enter(struct environment *environment)
{
	pthread_mutex_lock(&environment->gate);
	while (environment->closed)
		pthread_cond_wait(&environment->gate_changed, &environment->gate);
	environment->active++;
	pthread_mutex_unlock(&environment->gate);
}

static void gate_leave(struct environment *environment)
{
	pthread_mutex_lock(&environment->gate);
	ENSURE(environment->active);
	if (--environment->active == 0 && environment->closed)
		pthread_cond_broadcast(&environment->gate_changed);
	pthread_mutex_unlock(&environment->gate);
}

/* Changes the map's size (0: to what another process made it) while no transaction is open. */
static int resize(struct environment *environment, size_t bytes)
{
	struct timespec until;
	int rc = 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += GATE_WAIT_S;
	pthread_mutex_lock(&environment->gate);
	while (environment->closed)
		pthread_cond_wait(&environment->gate_changed, &environment->gate);
	environment->closed = true;
	while (environment->active && rc == 0)
		rc = pthread_cond_timedwait(&environment->gate_changed, &environment->gate, &until);
	if (environment->active == 0)
		rc = TRY("mdb_env_set_mapsize", mdb_env_set_mapsize(environment->env, bytes));
	environment->closed = false;
	pthread_cond_broadcast(&environment->gate_changed);
	pthread_mutex_unlock(&environment->gate);
	return rc;
}

enum ll_code environment_grow(struct environment *environment, struct error *error)
{
	if (!__atomic_exchange_n(&environment->map_was_full, false, __ATOMIC_RELAXED))
		return error_set(error, LL_FULL, "%s: no room left on the disk; make room and start again",
				 environment->directory);
	MDB_envinfo info;
	mdb_env_info(environment->env, &info);
	int rc = resize(environment, info.me_mapsize * 2);
	if (rc == 0)
		return LL_OK;
	if (rc == ETIMEDOUT)
		return error_set(error, LL_FULL,
				 "%s: the map of %zu bytes is full and a reader in this process did not end "
				 "within %d s, so it cannot grow",
				 environment->directory, info.me_mapsize, GATE_WAIT_S);
	return error_set(error, LL_FULL, "%s: the map of %zu bytes is full and cannot grow: %s", environment->directory,
			 info.me_mapsize, mdb_strerror(rc));
}

/* ---- opening and closing ---- */

static void destroy(struct environment *environment)
{
	if (!environment)
		return;
	if (environment->env)
		mdb_env_close(environment->env);
	pthread_cond_destroy(&environment->gate_changed);
	pthread_mutex_destroy(&environment->gate);
	free(environment->directory);
	free(environment);
}

static struct environment *make(const struct environment_options *options)
{
	struct environment *environment = calloc(1, sizeof *environment);
	ENSURE(environment);
	environment->directory = strdup(options->directory);
	ENSURE(environment->directory);
	environment->process = getpid();
	environment->openers = 1;
	environment->read_only = options->read_only;
	environment->synced = options->synced;
	pthread_mutex_init(&environment->gate, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&environment->gate_changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return environment;
}

static int no_locks(const char *line, void *context)
{
	if (strstr(line, "no reader locks"))
		*(bool *)context = true;
	return 0;
}

/* Remembers which file was opened. */
static int note_file(struct environment *environment)
{
	struct stat status;
	int descriptor, rc = mdb_env_get_fd(environment->env, &descriptor);
	if (rc || fstat(descriptor, &status) != 0)
		return rc ? rc : errno;
	environment->device = status.st_dev;
	environment->inode = status.st_ino;
	return 0;
}

/* Who may read the data (the group does) must be able to announce itself, whatever this process's umask is. Rights that
 * somebody gave are not taken away. The file of another owner has been opened, so it is well as it is. */
static void give_group_the_lock(const char *directory)
{
	enum { READ_AND_WRITE = S_IRGRP | S_IWGRP };
	char path[4096];
	struct stat status;
	snprintf(path, sizeof path, "%s/lock.mdb", directory);
	if (stat(path, &status) == 0 && (status.st_mode & READ_AND_WRITE) != READ_AND_WRITE)
		(void)!chmod(path, (status.st_mode & 07777) | READ_AND_WRITE);
}

/* Opening can race with the last close of another process: then LMDB says EAGAIN for a moment. */
static int open_once(struct environment *environment, const struct environment_options *options)
{
	unsigned flags = MDB_NOTLS | (options->read_only ? MDB_RDONLY : 0) | (options->synced ? 0 : MDB_NOSYNC);
	size_t map_bytes = options->map_bytes ? options->map_bytes : ENVIRONMENT_MAP_BYTES_DEFAULT;
	int rc = TRY("mdb_env_create", mdb_env_create(&environment->env));
	if (rc)
		return rc;
	mdb_env_set_maxdbs(environment->env, ENVIRONMENT_DATABASES_MAX);
	mdb_env_set_maxreaders(environment->env, ENVIRONMENT_READERS_MAX);
	if (!options->read_only)
		mdb_env_set_mapsize(environment->env, map_bytes);
	rc = TRY("mdb_env_open", mdb_env_open(environment->env, options->directory, flags, 0660));
	if (rc) {
		mdb_env_close(environment->env);
		environment->env = NULL;
	}
	return rc;
}

static enum ll_code open_new(struct environment *environment, const struct environment_options *options,
			     struct error *error)
{
	int rc = 0;
	for (int try = 0; try < OPEN_TRIES; try++) {
		rc = open_once(environment, options);
		if (rc != EAGAIN && rc != EBUSY)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
	if (rc)
		return fail(environment, rc, "open the LMDB environment", error);
	bool lockless = false;
	mdb_reader_list(environment->env, no_locks, &lockless);
	if (lockless)
		return error_set(error, LL_DENIED,
				 "%s: lock.mdb cannot be written (a read-only mount?), and without a slot "
				 "there a reader gets garbage; mount it writable",
				 options->directory);
	if (!options->read_only)
		give_group_the_lock(options->directory);
	rc = note_file(environment);
	if (rc)
		return fail(environment, rc, "look at the LMDB file", error);
	rc = TRY("mdb_reader_check", mdb_reader_check(environment->env, NULL));
	return rc ? fail(environment, rc, "look for dead readers", error) : LL_OK;
}

/* *data: the file as it is; st_ino is 0 when there is none yet. */
static enum ll_code prepare_directory(const struct environment_options *options, struct stat *data, struct error *error)
{
	char path[4096];
	struct stat status;
	if (options->create && mkdir(options->directory, 0770) != 0 && errno != EEXIST)
		return fail_path(options->directory, errno, "make the directory", error);
	if (stat(options->directory, &status) != 0)
		return fail_path(options->directory, errno, "open the directory", error);
	if ((size_t)snprintf(path, sizeof path, "%s/data.mdb", options->directory) >= sizeof path)
		return error_set(error, LL_USAGE, "%s: the path is too long", options->directory);
	bool is_there = stat(path, data) == 0;
	if (is_there && (data->st_size > 0 || !options->read_only)) /* empty: killed before LMDB began it */
		return LL_OK;
	*data = (struct stat){0};
	if (!options->create || options->read_only)
		return fail_path(path, is_there ? ENOENT : errno, "find the LMDB file", error);
	return LL_OK;
}

static struct environment *find(const struct stat *data)
{
	struct environment *environment = data->st_ino ? list : NULL;
	while (environment && (environment->process != getpid() || environment->device != data->st_dev ||
			       environment->inode != data->st_ino))
		environment = environment->next;
	return environment;
}

/* With the list's lock. */
static enum ll_code open_listed(const struct environment_options *options, struct environment **result,
				struct error *error)
{
	struct stat data;
	enum ll_code code = prepare_directory(options, &data, error);
	if (code != LL_OK)
		return code;
	struct environment *environment = find(&data);
	if (environment && environment->read_only && !options->read_only)
		return error_set(error, LL_BUSY,
				 "%s: is open for reading in this process, so it cannot be opened for writing; "
				 "close the readers first",
				 options->directory);
	if (environment) {
		environment->openers++;
		*result = environment;
		return LL_OK;
	}
	environment = make(options);
	code = open_new(environment, options, error);
	if (code != LL_OK) {
		destroy(environment);
		return code;
	}
	environment->next = list;
	list = *result = environment;
	return LL_OK;
}

enum ll_code environment_open(const struct environment_options *options, struct environment **result,
			      struct error *error)
{
	*result = NULL;
	pthread_mutex_lock(&list_lock);
	enum ll_code code = open_listed(options, result, error);
	pthread_mutex_unlock(&list_lock);
	return code;
}

void environment_close(struct environment *environment)
{
	if (!environment)
		return;
	pthread_mutex_lock(&list_lock);
	if (--environment->openers == 0) {
		struct environment **at = &list;
		while (*at != environment)
			at = &(*at)->next;
		*at = environment->next;
		ENSURE(environment->active == 0);
		destroy(environment);
	}
	pthread_mutex_unlock(&list_lock);
}

const char *environment_directory(const struct environment *environment)
{
	return environment->directory;
}

bool environment_is_in(const struct environment *environment, const char *directory)
{
	char path[4096];
	struct stat status;
	if ((size_t)snprintf(path, sizeof path, "%s/data.mdb", directory) >= sizeof path || stat(path, &status) != 0)
		return false;
	return status.st_dev == environment->device && status.st_ino == environment->inode;
}

static enum ll_code database_new(struct environment *environment, const char *name, bool create, MDB_dbi *handle,
				 struct error *error)
{
	struct environment_txn *txn = NULL;
	enum ll_code code = environment_txn_begin(environment, create, &txn, error);
	if (code != LL_OK)
		return code;
	int rc = TRY("mdb_dbi_open", mdb_dbi_open(txn->txn, name, create ? MDB_CREATE : 0, handle));
	if (rc == 0)
		return environment_txn_commit(txn, error);
	environment_txn_abort(txn);
	return error_set(error, code_of(rc), "%s: cannot open the table %s: %s%s", environment->directory, name,
			 mdb_strerror(rc), advice(rc));
}

enum ll_code environment_database(struct environment *environment, const char *name, bool create, unsigned *database,
				  struct error *error)
{
	enum ll_code code = LL_OK;
	ENSURE(strlen(name) < NAME_MAX_BYTES);
	pthread_mutex_lock(&list_lock);
	unsigned count = environment->database_count, i = 0;
	while (i < count && strcmp(environment->databases[i].name, name) != 0)
		i++;
	if (i == count) {
		ENSURE(count < ENVIRONMENT_DATABASES_MAX);
		code = database_new(environment, name, create && !environment->read_only,
				    &environment->databases[i].handle, error);
		if (code == LL_OK) {
			memcpy(environment->databases[i].name, name, strlen(name) + 1);
			environment->database_count = count + 1;
		}
	}
	if (code == LL_OK)
		*database = environment->databases[i].handle;
	pthread_mutex_unlock(&list_lock);
	return code;
}

/* ---- transactions ---- */

enum ll_code environment_txn_begin(struct environment *environment, bool write, struct environment_txn **result,
				   struct error *error)
{
	struct environment_txn *txn = calloc(1, sizeof *txn);
	ENSURE(txn);
	ENSURE(!write || !environment->read_only);
	*result = NULL;
	txn->environment = environment;
	txn->write = write;
	int rc = 0;
	for (int try = 0; try < 3; try++) {
		gate_enter(environment);
		rc = TRY("mdb_txn_begin", mdb_txn_begin(environment->env, NULL, write ? 0 : MDB_RDONLY, &txn->txn));
		if (rc == 0) {
			*result = txn;
			return LL_OK;
		}
		gate_leave(environment);
		if (rc != MDB_MAP_RESIZED)
			break;
		int resized = resize(environment, 0);
		if (resized) {
			rc = resized;
			break;
		}
	}
	free(txn);
	return fail(environment, rc, write ? "begin to write" : "begin to read", error);
}

/* LMDB says EIO when a write was cut short, which is how a disk that fills looks. Nothing was committed then: the page that
 * would make it so is written last. */
static bool disk_is_full(const struct environment *environment)
{
	enum { ROOM_BYTES_MIN = 64 * 1024 };
	struct statvfs disk;
	return statvfs(environment->directory, &disk) == 0 && disk.f_bavail * disk.f_frsize < ROOM_BYTES_MIN;
}

enum ll_code environment_txn_commit(struct environment_txn *txn, struct error *error)
{
	struct environment *environment = txn->environment;
	ENSURE(!txn->reset);
	int rc = TRY("mdb_txn_commit", 0);
	if (rc)
		mdb_txn_abort(txn->txn);
	else
		rc = mdb_txn_commit(txn->txn);
	if (rc == EIO && disk_is_full(environment))
		rc = ENOSPC;
	gate_leave(environment);
	free(txn);
	return rc ? fail(environment, rc, "commit", error) : LL_OK;
}

void environment_txn_abort(struct environment_txn *txn)
{
	if (!txn)
		return;
	mdb_txn_abort(txn->txn);
	if (!txn->reset)
		gate_leave(txn->environment);
	free(txn);
}

void environment_txn_reset(struct environment_txn *txn)
{
	ENSURE(!txn->write);
	if (txn->reset)
		return;
	mdb_txn_reset(txn->txn);
	gate_leave(txn->environment);
	txn->reset = true;
}

enum ll_code environment_txn_renew(struct environment_txn *txn, struct error *error)
{
	int rc = 0;
	environment_txn_reset(txn);
	for (int try = 0; try < 3; try++) {
		gate_enter(txn->environment);
		rc = TRY("mdb_txn_renew", mdb_txn_renew(txn->txn));
		if (rc == 0) {
			txn->reset = false;
			return LL_OK;
		}
		gate_leave(txn->environment);
		if (rc != MDB_MAP_RESIZED)
			break;
		mdb_txn_reset(txn->txn);
		rc = resize(txn->environment, 0);
		if (rc)
			break;
	}
	return fail(txn->environment, rc, "begin to read anew", error);
}

uint64_t environment_txn_number(const struct environment_txn *txn)
{
	return mdb_txn_id(txn->txn);
}

/* ---- rows ---- */

static inline MDB_val val_of(struct slice slice)
{
	return (MDB_val){slice.size, (void *)slice.at};
}

static inline struct slice slice_of_val(MDB_val val)
{
	return (struct slice){val.mv_data, val.mv_size};
}

enum ll_code environment_get(struct environment_txn *txn, unsigned database, struct slice key, struct slice *value,
			     struct error *error)
{
	MDB_val k = val_of(key), v;
	int rc = TRY("mdb_get", mdb_get(txn->txn, database, &k, &v));
	if (rc == MDB_NOTFOUND)
		return LL_NOT_FOUND;
	if (rc)
		return fail(txn->environment, rc, "read a row", error);
	*value = slice_of_val(v);
	return LL_OK;
}

enum ll_code environment_put(struct environment_txn *txn, unsigned database, struct slice key, struct slice value,
			     bool append, struct error *error)
{
	MDB_val k = val_of(key), v = val_of(value);
	int rc = TRY("mdb_put", mdb_put(txn->txn, database, &k, &v, append ? MDB_APPEND : 0));
	return rc ? fail(txn->environment, rc, "write a row", error) : LL_OK;
}

enum ll_code environment_delete(struct environment_txn *txn, unsigned database, struct slice key, struct error *error)
{
	MDB_val k = val_of(key);
	int rc = TRY("mdb_del", mdb_del(txn->txn, database, &k, NULL));
	if (rc == MDB_NOTFOUND)
		return LL_NOT_FOUND;
	return rc ? fail(txn->environment, rc, "remove a row", error) : LL_OK;
}

enum ll_code environment_cursor_open(struct environment_txn *txn, unsigned database, struct environment_cursor **result,
				     struct error *error)
{
	struct environment_cursor *cursor = calloc(1, sizeof *cursor);
	ENSURE(cursor);
	*result = NULL;
	cursor->environment = txn->environment;
	int rc = TRY("mdb_cursor_open", mdb_cursor_open(txn->txn, database, &cursor->cursor));
	if (rc) {
		free(cursor);
		return fail(txn->environment, rc, "open a cursor", error);
	}
	*result = cursor;
	return LL_OK;
}

void environment_cursor_close(struct environment_cursor *cursor)
{
	if (!cursor)
		return;
	mdb_cursor_close(cursor->cursor);
	free(cursor);
}

enum ll_code environment_cursor_renew(struct environment_cursor *cursor, struct environment_txn *txn,
				      struct error *error)
{
	int rc = TRY("mdb_cursor_renew", mdb_cursor_renew(txn->txn, cursor->cursor));
	return rc ? fail(txn->environment, rc, "renew a cursor", error) : LL_OK;
}

enum ll_code environment_cursor_move(struct environment_cursor *cursor, enum environment_move move, struct slice *key,
				     struct slice *value, struct error *error)
{
	static const MDB_cursor_op operations[] = {
		[MOVE_FIRST] = MDB_FIRST,   [MOVE_LAST] = MDB_LAST,  [MOVE_NEXT] = MDB_NEXT,
		[MOVE_PREVIOUS] = MDB_PREV, [MOVE_TO] = MDB_SET_KEY, [MOVE_TO_OR_AFTER] = MDB_SET_RANGE,
	};
	MDB_val k = val_of(*key), v;
	int rc = TRY("mdb_cursor_get", mdb_cursor_get(cursor->cursor, &k, &v, operations[move]));
	if (rc == MDB_NOTFOUND)
		return LL_NOT_FOUND;
	if (rc)
		return fail(cursor->environment, rc, "read a row", error);
	*key = slice_of_val(k);
	if (value)
		*value = slice_of_val(v);
	return LL_OK;
}

enum ll_code environment_cursor_put(struct environment_cursor *cursor, struct slice key, struct slice value,
				    bool append, struct error *error)
{
	MDB_val k = val_of(key), v = val_of(value);
	int rc = TRY("mdb_cursor_put", mdb_cursor_put(cursor->cursor, &k, &v, append ? MDB_APPEND : 0));
	return rc ? fail(cursor->environment, rc, "write a row", error) : LL_OK;
}

enum ll_code environment_cursor_replace(struct environment_cursor *cursor, struct slice key, struct slice value,
					struct error *error)
{
	MDB_val k = val_of(key), v = val_of(value);
	int rc = TRY("mdb_cursor_put", mdb_cursor_put(cursor->cursor, &k, &v, MDB_CURRENT));
	return rc ? fail(cursor->environment, rc, "write a row", error) : LL_OK;
}

enum ll_code environment_cursor_delete(struct environment_cursor *cursor, struct error *error)
{
	int rc = TRY("mdb_cursor_del", mdb_cursor_del(cursor->cursor, 0));
	return rc ? fail(cursor->environment, rc, "remove a row", error) : LL_OK;
}

/* ---- upkeep ---- */

enum ll_code environment_database_size(struct environment_txn *txn, unsigned database,
				       struct environment_database_size *size, struct error *error)
{
	MDB_stat stat;
	int rc = TRY("mdb_stat", mdb_stat(txn->txn, database, &stat));
	if (rc)
		return fail(txn->environment, rc, "read a table's size", error);
	*size = (struct environment_database_size){.rows = stat.ms_entries,
						   .leaf_pages = stat.ms_leaf_pages,
						   .branch_pages = stat.ms_branch_pages,
						   .overflow_pages = stat.ms_overflow_pages,
						   .depth = stat.ms_depth};
	return LL_OK;
}

static int count_reader(const char *line, void *context)
{
	(void)line;
	++*(unsigned *)context;
	return 0;
}

void environment_usage(struct environment *environment, struct environment_usage *usage)
{
	MDB_envinfo info;
	MDB_stat stat;
	unsigned lines = 0; /* a heading, then one line a reader; or one line saying that there are none */
	mdb_env_info(environment->env, &info);
	mdb_env_stat(environment->env, &stat);
	mdb_reader_list(environment->env, count_reader, &lines);
	*usage = (struct environment_usage){.databases = stat.ms_entries,
					    .map_bytes = info.me_mapsize,
					    .used_bytes = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize,
					    .last_txn = info.me_last_txnid,
					    .readers = lines > 1 ? lines - 1 : 0,
					    .readers_max = info.me_maxreaders};
}

enum ll_code environment_readers_check(struct environment *environment, unsigned *dead, struct error *error)
{
	int count = 0;
	int rc = TRY("mdb_reader_check", mdb_reader_check(environment->env, &count));
	if (rc)
		return fail(environment, rc, "look for dead readers", error);
	if (dead)
		*dead = (unsigned)count;
	return LL_OK;
}

struct listing {
	struct environment_reader *readers;
	unsigned room, count;
};

/* A line of mdb_reader_list: process, thread in hexadecimal, commit or "-"; the heading begins with neither. */
static int list_reader(const char *line, void *context)
{
	struct listing *listing = context;
	struct environment_reader reader = {.process = 0};
	int found = sscanf(line, "%d %zx %zu", &reader.process, &reader.thread, &reader.commit);
	if (found >= 2 && listing->count < listing->room)
		listing->readers[listing->count++] = reader;
	return 0;
}

unsigned environment_readers(struct environment *environment, struct environment_reader *readers, unsigned room)
{
	struct listing listing = {readers, room, 0};
	mdb_reader_list(environment->env, list_reader, &listing);
	return listing.count;
}

enum ll_code environment_sync(struct environment *environment, struct error *error)
{
	int rc = TRY("mdb_env_sync", mdb_env_sync(environment->env, 1));
	return rc ? fail(environment, rc, "put it on the disk", error) : LL_OK;
}

void environment_writeback(struct environment *environment)
{
	int descriptor;
	if (mdb_env_get_fd(environment->env, &descriptor) == 0)
		(void)sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
}

enum ll_code environment_copy(struct environment *environment, const char *directory, struct error *error)
{
	char path[4096];
	if ((size_t)snprintf(path, sizeof path, "%s/data.mdb", directory) >= sizeof path)
		return error_set(error, LL_USAGE, "%s: the path is too long", directory);
	int rc = TRY("mdb_env_copy2", mdb_env_copy2(environment->env, directory, MDB_CP_COMPACT));
	if (rc)
		return fail_path(directory, rc, "copy the environment to it", error);
	enum ll_code code = environment_sync_file(path, error);
	return code == LL_OK ? environment_sync_directory(directory, error) : code;
}
