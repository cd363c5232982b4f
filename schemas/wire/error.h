/*
 * Errors: the world failed.
 *
 * Three things are kept apart everywhere. A refusal (the ledger's rules say no) is an outcome and part of history. An
 * error (this file) is a result that the caller must look at. A bug is a broken ENSURE (ensure.h).
 *
 * A function that can fail returns an enum ll_code and fills the struct error that it was given, if any, with one
 * sentence for a person: what happened, where (offset, key, file), what to do. On LL_OK the struct is left alone.
 */
#ifndef LEDGERLINE_WIRE_ERROR_H
#define LEDGERLINE_WIRE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

/* One line a code: name, its text for logs and metrics, what it means. */
#define LL_CODES(X)                                                                                                    \
	X(OK, "ok", "done")                                                                                            \
	X(END, "end", "nothing more for now: the reader stands at the end")                                            \
	X(TIMEOUT, "timeout", "nothing came within the time that was given")                                           \
	X(USAGE, "usage", "the caller asked for something that makes no sense")                                        \
	X(NOT_FOUND, "not_found", "what was named is not there")                                                       \
	X(EXISTS, "exists", "what was to be made is there already")                                                    \
	X(BUSY, "busy", "somebody else holds it, or it is still at work")                                              \
	X(NO_MEMORY, "no_memory", "memory is used up")                                                                 \
	X(IO, "io", "the disk or the system failed")                                                                   \
	X(FULL, "full", "the disk, the map or a limit is full")                                                        \
	X(DENIED, "denied", "no right to do this")                                                                     \
	X(CORRUPT, "corrupt", "bytes that are not what was written")                                                   \
	X(FOREIGN, "foreign", "it belongs to another ledger, or is no journal at all")                                 \
	X(NEWER, "newer", "made by a newer version of this program")                                                   \
	X(OLDER, "older", "made by another layout version: it must be rebuilt")                                        \
	X(DIVERGED, "diverged", "this log is not the one that was folded before")                                      \
	X(POISON, "poison", "a valid block that contradicts the state or cannot be decoded")                           \
	X(UNTRUSTED, "untrusted", "not synced before the machine stopped: it must be rebuilt")                         \
	X(UNAVAILABLE, "unavailable", "not reachable for now; trying again may help")                                  \
	X(TOO_LARGE, "too_large", "over a size limit; trying again does not help")                                     \
	X(SETTINGS, "settings", "a setting is wrong; the message names the cure")

enum ll_code {
#define X(name, text, meaning) LL_##name,
	LL_CODES(X)
#undef X
};

#define LL_CHECKED __attribute__((warn_unused_result))

enum { LL_ERROR_TEXT_MAX = 768 };

struct error {
	enum ll_code code;
	char text[LL_ERROR_TEXT_MAX]; /* one sentence, never empty once an error was set; cut off at the limit */
};

/* Sets code and text and returns the code, so that a failing function can end with `return error_set(...)`.
 * `error` may be NULL: then only the code is returned. Setting LL_OK is a bug. */
enum ll_code error_set(struct error *error, enum ll_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there already. Keeps the code; returns it. */
enum ll_code error_prefix(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The code's short text ("not_found") and its meaning, for logs and metrics. Never NULL. */
const char *error_code_text(enum ll_code code);
const char *error_code_meaning(enum ll_code code);

#endif
