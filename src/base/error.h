/* error.h: what went wrong, for everything that can happen. A function that can fail returns bool (or NULL) and fills
 * the caller's `struct error` once, at the place that knows the context. Vocabularies of clients (Kafka error codes,
 * Spark error classes, Hadoop exception classes) are chosen by the layer that talks to that client. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

enum error_code {
    ERROR_NONE = 0,
    ERROR_INVALID, /* the caller's input is wrong */
    ERROR_NOT_FOUND,
    ERROR_EXISTS,
    ERROR_NOT_EMPTY,
    ERROR_IS_DIRECTORY,
    ERROR_NOT_DIRECTORY,
    ERROR_DENIED, /* not permitted */
    ERROR_BUSY,   /* in use by another */
    ERROR_LIMIT,  /* a bound was reached: size, count, memory, quota */
    ERROR_NO_SPACE,
    ERROR_CORRUPT,     /* bytes do not have the form they must have */
    ERROR_IO,          /* the operating system refused */
    ERROR_UNSUPPORTED, /* understood and not done by this program */
    ERROR_TIMEOUT,
    ERROR_CLOSED, /* the peer or the owner went away */
    ERROR_CANCELLED,
    ERROR_INTERNAL,
};

struct error {
    enum error_code code;
    int system; /* errno when code came from the operating system, else 0 */
    char message[1024];
};

/* Sets code and a printf-formatted message; always returns false so that `return error_set(…)` reads well. error may be
 * NULL. */
bool error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the code that errno number `system` stands for and its text appended. */
bool error_system(struct error *error, int system, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Puts "text: " before the message that error already holds. */
bool error_prefix(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A short lower-case English name, e.g. "not found". */
const char *error_code_name(enum error_code code);

#endif
