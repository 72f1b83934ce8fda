/* python_call.c: see python_call.h. */
#include "exec/python_call.h"

#include <stdlib.h>

#include "base/assert.h"

bool python_is_there(struct compile *compile) {
    return compile->settings->externals != NULL ||
           raise_unsupported_feature_not_in_this_program(
               compile->error, "A Python function here", "It runs in the sessions of programs.");
}

void python_call_release(struct evaluation_call *call) {
    if (__atomic_sub_fetch(&call->references, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    buffer_free(&call->output);
    free(call->failure);
    free(call);
}

static void evaluated(void *argument, struct buffer *output, const char *failure) {
    struct evaluation_call *call = argument;
    struct exec_run *exec = call->exec;
    struct exec_waker waker = call->waker;
    if (failure != NULL) {
        call->failure = strdup(failure);
    } else {
        call->output = *output;
        *output = (struct buffer){0};
    }
    __atomic_store_n(&call->is_done, 1, __ATOMIC_RELEASE);
    python_call_release(call);
    waker.wake(waker.argument); /* the run is held: its worker is still there */
    exec_run_release(exec);
}

struct evaluation_call *python_call_begin(
    struct op_run *run, const struct type *schema, struct batch *const *batches, size_t batch_count) {
    const struct exec_externals *externals = run->operator->settings->externals;
    struct error error = {0};
    struct buffer input = {0};
    if (!ipc_write_stream(schema, batches, batch_count, "UTC", &input, &error)) {
        buffer_free(&input);
        sql_error_from(run->error, &error);
        return NULL;
    }
    struct evaluation_call *call = calloc(1, sizeof *call);
    ASSERT(call != NULL);
    *call = (struct evaluation_call){.references = 2, .exec = run->exec, .waker = run->waker};
    exec_run_hold(run->exec);
    externals->evaluate(externals->context, run->operator->relation, &input, evaluated, call);
    return call;
}

void python_call_end(struct op_run *run, struct evaluation_call *call) {
    const struct exec_externals *externals = run->operator->settings->externals;
    if (call == NULL) {
        return;
    }
    if (!python_call_is_done(call)) {
        externals->cancel(externals->context, call);
    }
    python_call_release(call);
}

static void free_output(void *argument) {
    buffer_free(argument);
    free(argument);
}

struct bytes python_call_take_output(struct evaluation_call *call, struct arena *arena) {
    struct buffer *kept = calloc(1, sizeof *kept);
    ASSERT(kept != NULL);
    *kept = call->output;
    call->output = (struct buffer){0};
    arena_on_destroy(arena, free_output, kept);
    return buffer_view(kept);
}

bool python_call_receive(
    struct op_run *run, const struct type *wanted, struct evaluation_call *call, struct ipc_stream *answer) {
    struct error error = {0};
    static const struct type no_columns = {.kind = TYPE_STRUCT};
    struct batch *carrier = batch_create(&no_columns);
    bool good = ipc_read_stream(&carrier->arena, python_call_take_output(call, &carrier->arena), answer, &error);
    bool same = good && answer->schema->field_count == wanted->field_count;
    for (size_t i = 0; same && i < wanted->field_count; i++) {
        same = type_equal_ignoring_nullability(answer->schema->fields[i].type, wanted->fields[i].type);
    }
    for (size_t i = 0; good && i < answer->batch_count; i++) {
        struct batch *batch = answer->batches[i];
        batch_keep(batch, carrier);
        for (size_t j = 0; same && j < wanted->field_count; j++) {
            batch->columns[j]->type = wanted->fields[j].type;
        }
    }
    if (good && !same) {
        for (size_t i = 0; i < answer->batch_count; i++) {
            batch_release(answer->batches[i]);
        }
        good = error_set(&error, ERROR_CORRUPT, "the Python worker answered with columns of other types");
    }
    if (!good) {
        *answer = (struct ipc_stream){0};
        sql_error_from(run->error, &error);
    }
    batch_release(carrier);
    return good;
}
