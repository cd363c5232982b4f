/*
 * A recorder of what a program does to the files below one directory, in order: names made, moved and removed, bytes written, lengths
 * changed, and what was asked to be on the disk.
 *
 * How: this file's object defines open, write, fsync, rename and their like, and so stands before the C library's for the program and its
 * shared libraries, LMDB among them. What stdio writes inside the C library is not seen as it is written; a file opened by fopen
 * is read in whole when it is synced or renamed instead. Memory maps that are written are not seen: only LMDB's lock files are, which mean
 * nothing after the machine stopped.
 *
 * While it records, and after `recorder_reboot`, nothing is really synced: the twin of the disk decides what stays.
 */
#ifndef LEDGERLINE_POWERCUTS_RECORDER_H
#define LEDGERLINE_POWERCUTS_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum operation_kind {
	OPERATION_MAKE,   /* a node, under a name */
	OPERATION_WRITE,  /* bytes into a file */
	OPERATION_RESIZE, /* a file */
	OPERATION_SYNC,   /* a file: its bytes and length; a directory: the names in it */
	OPERATION_RENAME,
	OPERATION_REMOVE, /* a name */
	OPERATION_MARK,   /* the program's own: what it was promised */
};

enum node_kind { NODE_DIRECTORY, NODE_FILE, NODE_LINK };

/* The directory that is recorded. */
enum { ROOT_NODE = 0 };

struct operation {
	enum operation_kind kind;
	unsigned node;
	unsigned directory, from_directory; /* MAKE, RENAME, REMOVE; RENAME */
	char *name, *from_name;
	uint64_t offset, size; /* WRITE, RESIZE; MARK: size is the value */
	uint8_t *bytes;
	bool synced;   /* WRITE: it was on the disk when it returned (O_DSYNC) */
	unsigned mark; /* MARK */
};

struct node {
	enum node_kind kind;
	char *target; /* of a link */
	uint64_t inode;
	bool gone;     /* nothing has its inode any more */
	bool by_stdio; /* what is written to it is not seen */
};

struct recording {
	struct operation *operations;
	size_t count, room;
	struct node *nodes;
	unsigned node_count, node_room;
};

/* Begins to record below `root`, an empty directory. */
void recorder_begin(const char *root);
void recorder_mark(unsigned mark, uint64_t value);

/* Ends it; the caller frees it with recording_free. */
struct recording *recorder_end(void);
void recording_free(struct recording *recording);

/* From now on this process lives in another run of the machine: `boot_file` is what it reads as /proc/sys/kernel/random/boot_id. NULL: in
 * the same one, but nothing is synced either. */
void recorder_reboot(const char *boot_file);

#endif
