#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {
    [ERROR_NONE] = "no error",
    [ERROR_INVALID] = "invalid",
    [ERROR_NOT_FOUND] = "not found",
    [ERROR_EXISTS] = "already exists",
    [ERROR_NOT_EMPTY] = "not empty",
    [ERROR_IS_DIRECTORY] = "is a directory",
    [ERROR_NOT_DIRECTORY] = "not a directory",
    [ERROR_DENIED] = "permission denied",
    [ERROR_BUSY] = "in use",
    [ERROR_LIMIT] = "limit reached",
    [ERROR_NO_SPACE] = "no space",
    [ERROR_CORRUPT] = "corrupt",
    [ERROR_IO] = "input/output error",
    [ERROR_UNSUPPORTED] = "not supported",
    [ERROR_TIMEOUT] = "timed out",
    [ERROR_CLOSED] = "closed",
    [ERROR_CANCELLED] = "cancelled",
    [ERROR_INTERNAL] = "internal error",
};

const char *error_code_name(enum error_code code) {
    return (size_t)code < sizeof code_names / sizeof code_names[0] ? code_names[code] : "unknown";
}

static void set_message(struct error *error, const char *format, va_list arguments) {
    vsnprintf(error->message, sizeof error->message, format, arguments);
}

bool error_set(struct error *error, enum error_code code, const char *format, ...) {
    if (error == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    error->system = 0;
    set_message(error, format, arguments);
    va_end(arguments);
    return false;
}

static enum error_code code_of_system(int system) {
    switch (system) {
    case ENOENT:
        return ERROR_NOT_FOUND;
    case EEXIST:
        return ERROR_EXISTS;
    case ENOTEMPTY:
        return ERROR_NOT_EMPTY;
    case EISDIR:
        return ERROR_IS_DIRECTORY;
    case ENOTDIR:
        return ERROR_NOT_DIRECTORY;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERROR_DENIED;
    case EBUSY:
    case EADDRINUSE:
    case EWOULDBLOCK:
        return ERROR_BUSY;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: /* a limit on the size of files */
        return ERROR_NO_SPACE;
    case ENAMETOOLONG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return ERROR_LIMIT;
    case EINVAL:
    case EADDRNOTAVAIL:
        return ERROR_INVALID;
    case ETIMEDOUT:
        return ERROR_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ENOTCONN:
        return ERROR_CLOSED;
    case ENOTSUP:
    case ENOSYS:
        return ERROR_UNSUPPORTED;
    default:
        return ERROR_IO;
    }
}

bool error_system(struct error *error, int system, const char *format, ...) {
    if (error == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    error->code = code_of_system(system);
    error->system = system;
    set_message(error, format, arguments);
    va_end(arguments);
    size_t used = strlen(error->message);
    char text[128];
    snprintf(error->message + used, sizeof error->message - used, ": %s", strerror_r(system, text, sizeof text));
    return false;
}

bool error_prefix(struct error *error, const char *format, ...) {
    if (error == NULL)
        return false;
    char old[sizeof error->message];
    memcpy(old, error->message, sizeof old);
    va_list arguments;
    va_start(arguments, format);
    set_message(error, format, arguments);
    va_end(arguments);
    size_t used = strlen(error->message);
    snprintf(error->message + used, sizeof error->message - used, ": %s", old);
    return false;
}
