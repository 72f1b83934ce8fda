#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *file, int line, const char *function, const char *condition) {
    fprintf(stderr, "raudal: internal error at %s:%d in %s: %s\n", file, line, function, condition);
    fflush(stderr);
    abort();
}
