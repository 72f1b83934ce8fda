/* lambda.c: higher-order functions: their lambdas run over flattened elements. */
#include "exec/program_internal.h"

lambda_function *lambda_find(const char *kernel) {
    return NULL;
}
