/* external.h: functions that run outside the engine, in processes of the user's Python: who evaluates them is told to a
 * query by its settings. */
#ifndef EXEC_EXTERNAL_H
#define EXEC_EXTERNAL_H

#include "base/bytes.h"
#include "sql/plan.h"

/* Takes the answer: an Arrow stream (*output is moved from), or why there is none. Called
 * once per evaluation, on any thread. */
typedef void external_done(void *argument, struct buffer *output, const char *failure);

struct exec_externals {
    void *context;
    /* Evaluates the functions (python_udf) of a python_eval `relation` over the columns of an Arrow stream: one for
     * each argument of each function, one function after the other; the answer has one column per function. Or the
     * function of a python_map over the stream's rows, which are a whole partition; the answer is the function's rows.
     * Or the function of groups_with_state over groups (op_state_python.c says what is sent and answered).
     * Takes the input's memory; returns at once. Any thread. The relation lives until done. */
    void (*evaluate)(
        void *context, const struct relation *relation, struct buffer *input, external_done *done, void *argument);
    /* The evaluation with that argument is not wanted any more: done is called soon, with a failure. Any thread. */
    void (*cancel)(void *context, void *argument);
};

#endif
