/* preload.h: private host names for a program where the kernel allows no mount namespace of its own (Ubuntu 24.04 for
 * ordinary users): the program is started with a small library of ours (resolver.c) that answers them. */
#ifndef CLI_RESOLVER_PRELOAD_H
#define CLI_RESOLVER_PRELOAD_H

#include "base/error.h"

/* Writes the library into the data folder when it is not there yet, and sets this process's environment so that what
 * it starts has the names of `hosts_path`. */
bool preload_set(const char *data, const char *hosts_path, struct error *error);
/* Whether a program's file (found on PATH) asks no C library that could be told: it is statically linked. */
bool preload_is_static(const char *program);

#endif
