/* op_python.c: calls of the program's Python functions. Each batch's arguments leave as an Arrow stream; the worker
 * sleeps until the answer is there and adds its columns to the batch. Functions over rows get a whole partition at
 * once; the answer's batches go on in its place. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/vector.h"
#include "exec/python_call.h"

struct python_eval {
    struct operator base;
    const struct relation_python_eval *node;
    struct program *program;      /* the arguments of all functions */
    const struct type *arguments; /* their columns as a STRUCT */
    size_t input_count, function_count;
};

struct python_local {
    struct batch *in; /* what is evaluated */
    struct evaluation_call *call;
};

struct python_map {
    struct operator base;
    const struct relation_python_map *node;
    struct program *program;
    const struct type *arguments;
};

struct python_map_local {
    VECTOR(struct batch *) gathered; /* arguments of the partition so far */
    int64_t counted;                 /* bytes that the budget knows of */
    struct evaluation_call *call;
    struct ipc_stream answer;
    size_t next; /* batch of the answer */
};

static struct batch *take_arguments(
    struct op_run *run, const struct program *program, const struct type *schema, struct batch *in) {
    struct batch *arguments = op_run_program(run, program, schema, in);
    for (size_t i = 0; arguments != NULL && i < arguments->column_count; i++) {
        arguments->columns[i] = column_flatten(&arguments->arena, arguments->columns[i], arguments->row_count);
    }
    return arguments;
}

/* ---- functions over columns ---- */

static enum op_result send(struct op_run *run, struct batch *in) {
    const struct python_eval *eval = (const struct python_eval *)run->operator;
    struct python_local *local = run->local;
    struct batch *arguments = take_arguments(run, eval->program, eval->arguments, in);
    if (arguments == NULL) {
        return OP_FAILED;
    }
    local->call = python_call_begin(run, eval->arguments, &arguments, 1);
    batch_release(arguments);
    if (local->call == NULL) {
        return OP_FAILED;
    }
    local->in = batch_retain(in);
    return OP_BLOCKED;
}

/* The input's columns and the answer's, which stays where it is in memory. */
static struct batch *receive(struct op_run *run, struct batch *in, struct evaluation_call *call) {
    const struct python_eval *eval = (const struct python_eval *)run->operator;
    struct error error = {0};
    struct ipc_stream stream;
    struct batch *out = batch_create(run->operator->schema);
    out->row_count = in->row_count;
    batch_keep(out, in);
    for (size_t i = 0; i < eval->input_count; i++) {
        out->columns[i] = in->columns[i];
    }
    bool good = ipc_read_stream(&out->arena, python_call_take_output(call, &out->arena), &stream, &error);
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
    if (!python_call_is_done(call)) {
        return OP_BLOCKED;
    }
    if (call->failure != NULL) {
        raise_python_function_failed(run->error, call->failure);
    } else {
        *out = receive(run, local->in, call);
    }
    python_call_release(call);
    batch_release(local->in);
    *local = (struct python_local){0};
    return *out == NULL ? OP_FAILED : OP_NEED_INPUT;
}

static void python_local_end(struct op_run *run) {
    struct python_local *local = run->local;
    python_call_end(run, local->call);
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
    .waits = true,
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
    if (!python_is_there(compile)) {
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

/* ---- functions over rows ---- */

static void map_reset(struct op_run *run) {
    struct python_map_local *local = run->local;
    for (size_t i = 0; i < local->gathered.count; i++) {
        batch_release(local->gathered.items[i]);
    }
    VECTOR_FREE(&local->gathered);
    exec_memory_add(run, -local->counted, NULL);
    for (size_t i = local->next; i < local->answer.batch_count; i++) {
        batch_release(local->answer.batches[i]);
    }
    python_call_end(run, local->call);
    *local = (struct python_map_local){0};
}

static bool map_begin_partition(struct op_run *run) {
    map_reset(run);
    return true;
}

static enum op_result map_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct python_map *map = (const struct python_map *)run->operator;
    struct python_map_local *local = run->local;
    struct batch *arguments = take_arguments(run, map->program, map->arguments, in);
    if (arguments == NULL) {
        return OP_FAILED;
    }
    int64_t size = (int64_t)batch_memory_size(arguments);
    VECTOR_PUSH(&local->gathered, arguments);
    local->counted += size;
    return exec_memory_add(run, size, run->error) ? OP_NEED_INPUT : OP_FAILED;
}

static enum op_result map_begin_call(struct op_run *run) {
    const struct python_map *map = (const struct python_map *)run->operator;
    struct python_map_local *local = run->local;
    if (map->node->key_count > 0 && local->gathered.count == 0) {
        return OP_NEED_INPUT; /* no groups */
    }
    local->call = python_call_begin(run, map->arguments, local->gathered.items, local->gathered.count);
    return local->call == NULL ? OP_FAILED : OP_BLOCKED;
}

static enum op_result map_drain(struct op_run *run, struct batch **out) {
    struct python_map_local *local = run->local;
    if (local->call == NULL) {
        return map_begin_call(run);
    }
    if (!python_call_is_done(local->call)) {
        return OP_BLOCKED;
    }
    if (local->call->failure != NULL) {
        raise_python_function_failed(run->error, local->call->failure);
        return OP_FAILED;
    }
    if (local->answer.schema == NULL && !python_call_receive(run, run->operator->schema, local->call, &local->answer)) {
        return OP_FAILED;
    }
    if (local->next == local->answer.batch_count) {
        return OP_NEED_INPUT;
    }
    *out = local->answer.batches[local->next++];
    return OP_HAVE_OUTPUT;
}

static void map_explain(const struct operator* operator, struct buffer * out) {
    const struct python_map *map = (const struct python_map *)operator;
    buffer_printf(out, "%.*s", BYTES_ARGS(expression_python_udf_of(map->node->function)->name));
}

static const struct operator_class op_python_map_class = {
    .waits = true,
    .name = "PythonMap",
    .local_size = sizeof(struct python_map_local),
    .local_end = map_reset,
    .begin_partition = map_begin_partition,
    .step = map_step,
    .drain = map_drain,
    .explain = map_explain,
};

struct operator* op_python_map_create(struct compile *compile, const struct relation *relation) {
    struct python_map *map = ARENA_NEW(compile->arena, struct python_map);
    if (!python_is_there(compile)) {
        return NULL;
    }
    map->node = relation_python_map_of(relation);
    const struct expression_list list = expression_python_udf_of(map->node->function)->arguments;
    struct type_field *fields = ARENA_ARRAY(compile->arena, struct type_field, list.count);
    for (size_t i = 0; i < list.count; i++) {
        fields[i] = (struct type_field){
            .name = expression_column_of(list.items[i])->name, .type = list.items[i]->type, .nullable = true};
    }
    map->arguments = type_struct(compile->arena, fields, list.count);
    map->program = program_compile(
        compile->arena, compile->settings, list.items, list.count, map->node->input->output_count, compile->error);
    return map->program == NULL ? NULL : operator_init(compile, &map->base, &op_python_map_class, relation);
}
