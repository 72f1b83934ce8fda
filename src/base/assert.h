/* assert.h: checks of our own correctness, always compiled in. ASSERT is for states that only a bug of ours can
 * produce; everything that input, disk or network can cause is a `struct error`. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(__FILE__, __LINE__, __func__, #condition))
#define UNREACHABLE() assert_failed(__FILE__, __LINE__, __func__, "unreachable")
#define STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Prints place and condition on standard error and aborts. Any thread. */
_Noreturn void assert_failed(const char *file, int line, const char *function, const char *condition);

#endif
