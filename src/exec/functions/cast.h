/* cast.h: shared by cast*.c. */
#ifndef EXEC_FUNCTIONS_CAST_H
#define EXEC_FUNCTIONS_CAST_H

#include "exec/function.h"

/* Errors of a cast; false for COMPUTE: null when the cast is not ANSI. */
bool cast_invalid(struct evaluation *evaluation, struct bytes text);
bool cast_overflow(struct evaluation *evaluation, const char *value);
bool cast_out_of_range(struct evaluation *evaluation, const char *value);

extern const struct kernel_family kernel_family_cast_number;

#endif
