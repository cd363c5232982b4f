/*
 * Bugs: assertions that stay on in release builds. NDEBUG does not remove them.
 */
#ifndef LEDGERLINE_WIRE_ENSURE_H
#define LEDGERLINE_WIRE_ENSURE_H

/* Prints where and what, then aborts. Never returns. */
__attribute__((noreturn, cold)) void ensure_failed(const char *file, int line, const char *what);

#define ENSURE(condition) (__builtin_expect(!!(condition), 1) ? (void)0 : ensure_failed(__FILE__, __LINE__, #condition))

#define UNREACHABLE() ensure_failed(__FILE__, __LINE__, "unreachable")

#endif
