/* options.h: the options of functions like from_json: a constant map argument. */
#ifndef EXEC_FUNCTIONS_OPTIONS_H
#define EXEC_FUNCTIONS_OPTIONS_H

#include "exec/function.h"
#include "format/format.h"

/* The entries of the call's last constant MAP<STRING, STRING> argument, none when there is not one. In arena. */
struct format_options options_of_call(const struct kernel_call *call, struct arena *arena);

#endif
