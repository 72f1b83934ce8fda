/* op_python.c: calls of the program's Python functions. Each batch's arguments leave as an Arrow stream; the worker
 * sleeps until the answer is there and adds its columns to the batch. */
#include <stdlib.h>

#include "base/assert.h"
#include "column/ipc.h"
#include "exec/external.h"
#include "exec/operator.h"

struct python_eval {
    struct operator base;
    const struct relation_python_eval *node;
    struct program *program;      /* the arguments of all functions */
    const struct type *arguments; /* their columns as a STRUCT */
    size_t input_count, function_count;
};

/* A batch on its way. Owned by the operator and by whoever evaluates: the last one frees it. */
struct evaluation_call {
    int references; /* atomic */
    struct exec_run *exec;
    struct exec_waker waker;
    int is_done; /* atomic; then: */
    struct buffer output;
    char *failure;
};

struct python_local {
    struct batch *in; /* what is evaluated */
    struct evaluation_call *call;
};

static void release_call(struct evaluation_call *call) {
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
    release_call(call);
    waker.wake(waker.argument); /* the run is held: its worker is still there */
    exec_run_release(exec);
}

static enum op_result send(struct op_run *run, struct batch *in) {
    const struct python_eval *eval = (const struct python_eval *)run->operator;
    const struct exec_externals *externals = run->operator->settings->externals;
    struct python_local *local = run->local;
    struct error error = {0};
    struct buffer input = {0};
    struct batch *arguments = op_run_program(run, eval->program, eval->arguments, in);
    if (arguments == NULL) {
        return OP_FAILED;
    }
    for (size_t i = 0; i < arguments->column_count; i++) {
        arguments->columns[i] = column_flatten(&arguments->arena, arguments->columns[i], arguments->row_count);
    }
    bool written = ipc_write_stream(eval->arguments, &arguments, 1, "UTC", &input, &error);
    batch_release(arguments);
    if (!written) {
        buffer_free(&input);
        sql_error_from(run->error, &error);
        return OP_FAILED;
    }
    struct evaluation_call *call = calloc(1, sizeof *call);
    ASSERT(call != NULL);
    *call = (struct evaluation_call){.references = 2, .exec = run->exec, .waker = run->waker};
    local->call = call;
    local->in = batch_retain(in);
    exec_run_hold(run->exec);
    externals->evaluate(externals->context, eval->node, &input, evaluated, call);
    return OP_BLOCKED;
}

static void free_output(void *argument) {
    buffer_free(argument);
    free(argument);
}

/* The input's columns and the answer's, which stays where it is in memory. */
static struct batch *receive(struct op_run *run, struct batch *in, struct evaluation_call *call) {
    const struct python_eval *eval = (const struct python_eval *)run->operator;
    struct error error = {0};
    struct ipc_stream stream;
    struct batch *out = batch_create(run->operator->schema);
    struct buffer *kept = calloc(1, sizeof *kept);
    ASSERT(kept != NULL);
    *kept = call->output;
    call->output = (struct buffer){0};
    arena_on_destroy(&out->arena, free_output, kept);
    out->row_count = in->row_count;
    batch_keep(out, in);
    for (size_t i = 0; i < eval->input_count; i++) {
        out->columns[i] = in->columns[i];
    }
    bool good = ipc_read_stream(&out->arena, buffer_view(kept), &stream, &error);
    if (good && (stream.batch_count != 1 || stream.batches[0]->row_count != in->row_count ||
                    stream.batches[0]->column_count != eval->function_count)) {
        good = error_set(&error, ERROR_CORRUPT, "the Python worker answered with other rows than it was asked for");
    }
    for (size_t i = 0; good && i < eval->function_count; i++) {
        const struct type *wanted = eval->node->functions.items[i]->type;
        struct column *column = stream.batches[0]->columns[i];
        if (!type_equal_ignoring_nullability(column->type, wanted)) {
            good = error_set(&error, ERROR_CORRUPT, "the Python worker answered with a column of another type");
        } else {
            column->type = wanted;
            out->columns[eval->input_count + i] = column;
        }
    }
    for (size_t i = 0; i < stream.batch_count && (good || stream.batches != NULL); i++) {
        batch_keep(out, stream.batches[i]);
        batch_release(stream.batches[i]);
    }
    if (!good) {
        sql_error_from(run->error, &error);
        batch_release(out);
        return NULL;
    }
    return out;
}

static enum op_result python_step(struct op_run *run, struct batch *in, struct batch **out) {
    struct python_local *local = run->local;
    if (in != NULL) {
        return send(run, in);
    }
    struct evaluation_call *call = local->call;
    if (!__atomic_load_n(&call->is_done, __ATOMIC_ACQUIRE)) {
        return OP_BLOCKED;
    }
    if (call->failure != NULL) {
        raise_python_function_failed(run->error, call->failure);
    } else {
        *out = receive(run, local->in, call);
    }
    release_call(call);
    batch_release(local->in);
    *local = (struct python_local){0};
    return *out == NULL ? OP_FAILED : OP_NEED_INPUT;
}

/* The run may end while a batch is on its way. */
static void python_local_end(struct op_run *run) {
    const struct exec_externals *externals = run->operator->settings->externals;
    struct python_local *local = run->local;
    if (local->call != NULL) {
        if (!__atomic_load_n(&local->call->is_done, __ATOMIC_ACQUIRE)) {
            externals->cancel(externals->context, local->call);
        }
        release_call(local->call);
    }
    batch_release(local->in);
}

static void python_explain(const struct operator* operator, struct buffer * out) {
    const struct python_eval *eval = (const struct python_eval *)operator;
    for (size_t i = 0; i < eval->function_count; i++) {
        buffer_printf(out, "%s%.*s", i == 0 ? "" : ", ",
            BYTES_ARGS(expression_python_udf_of(eval->node->functions.items[i])->name));
    }
}

static const struct operator_class op_python_class = {
    .name = "ArrowEvalPython",
    .local_size = sizeof(struct python_local),
    .step = python_step,
    .local_end = python_local_end,
    .explain = python_explain,
};

static const struct expression *argument_value(const struct expression *argument) {
    return argument->node.tag == EXPRESSION_NAMED_ARGUMENT ? expression_named_argument_of(argument)->value : argument;
}

struct operator* op_python_create(struct compile *compile, const struct relation *relation) {
    const struct relation_python_eval *node = relation_python_eval_of(relation);
    if (compile->settings->externals == NULL) {
        raise_unsupported_feature_not_in_this_program(
            compile->error, "A Python function here", "It runs in the sessions of programs.");
        return NULL;
    }
    size_t count = 0;
    for (size_t i = 0; i < node->functions.count; i++) {
        count += expression_python_udf_of(node->functions.items[i])->arguments.count;
    }
    const struct expression **items = arena_allocate(compile->arena, count * sizeof *items);
    struct type_field *fields = ARENA_ARRAY(compile->arena, struct type_field, count);
    count = 0;
    for (size_t i = 0; i < node->functions.count; i++) {
        const struct expression_python_udf *function = expression_python_udf_of(node->functions.items[i]);
        for (size_t j = 0; j < function->arguments.count; j++, count++) {
            items[count] = argument_value(function->arguments.items[j]);
            fields[count] = (struct type_field){.name = bytes_from_text(arena_printf(compile->arena, "_%zu", count)),
                .type = items[count]->type,
                .nullable = true};
        }
    }
    struct python_eval *eval = ARENA_NEW(compile->arena, struct python_eval);
    eval->node = node;
    eval->input_count = node->input->output_count;
    eval->function_count = node->functions.count;
    eval->arguments = type_struct(compile->arena, fields, count);
    eval->program =
        program_compile(compile->arena, compile->settings, items, count, node->input->output_count, compile->error);
    return eval->program == NULL ? NULL : operator_init(compile, &eval->base, &op_python_class, relation);
}
