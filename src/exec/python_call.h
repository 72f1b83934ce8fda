/* python_call.h: a request to the program's Python functions on its way, for the operators that call them. Internal to
 * exec/. */
#ifndef EXEC_PYTHON_CALL_H
#define EXEC_PYTHON_CALL_H

#include "column/ipc.h"
#include "exec/external.h"
#include "exec/operator.h"

/* Owned by the operator and by whoever evaluates: the last one frees it. */
struct evaluation_call {
    int references; /* atomic */
    struct exec_run *exec;
    struct exec_waker waker;
    int is_done; /* atomic; then: */
    struct buffer output;
    char *failure; /* NULL: none */
};

/* false, with an error, where no program's functions can run. */
bool python_is_there(struct compile *compile);
/* Sends the batches to the function of the operator's relation; the run's waker is called when the answer is there.
 * NULL with the run's error. */
struct evaluation_call *python_call_begin(
    struct op_run *run, const struct type *schema, struct batch *const *batches, size_t batch_count);
static inline bool python_call_is_done(const struct evaluation_call *call) {
    return __atomic_load_n(&call->is_done, __ATOMIC_ACQUIRE);
}
/* Takes the answer's bytes, which then live as long as the arena. */
struct bytes python_call_take_output(struct evaluation_call *call, struct arena *arena);
/* The answer's batches, which stay where they are in memory; their columns must have the types of `wanted` and get its
 * names. false with the run's error. */
bool python_call_receive(
    struct op_run *run, const struct type *wanted, struct evaluation_call *call, struct ipc_stream *answer);
void python_call_release(struct evaluation_call *call);
/* The run may end while a request is on its way: it is cancelled. NULL is fine. */
void python_call_end(struct op_run *run, struct evaluation_call *call);

#endif
