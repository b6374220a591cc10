/* assert.h - always-on checks of our own mistakes; never of bytes that came from outside.
 *
 * Layer:   engine/base
 * Threads: any
 * Idiom:   NX_ASSERT(condition) stays in release builds. The hook decides what "die" means: the node installs
 *          one that writes a crash report, the default is __builtin_trap().
 */
#ifndef NX_BASE_ASSERT_H
#define NX_BASE_ASSERT_H

/** Called once with the place and the text of a failed check; if it returns, the program traps. */
typedef void nx_assert_hook(const char *file, int line, const char *condition);

/** Installs `hook` for the whole process; NULL restores the default. Call before threads start. */
void nx_assert_hook_set(nx_assert_hook *hook);

/** Reports and traps; use the macros below. */
_Noreturn void nx_assert_failed(const char *file, int line, const char *condition);

#define NX_ASSERT(condition) ((condition) ? (void)0 : nx_assert_failed(__FILE__, __LINE__, #condition))
#define NX_UNREACHABLE()     nx_assert_failed(__FILE__, __LINE__, "unreachable")

#endif
