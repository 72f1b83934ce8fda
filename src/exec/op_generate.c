/* op_generate.c: functions that give several rows per input row: explode, posexplode, inline, stack, json_tuple. The
 * output is the input's columns and then the generator's; with `outer` a row without results comes once with nulls. */
#include "exec/operator.h"
#include "exec/value.h"
#include "format/json.h"
#include "sql/function.h"

struct generate;
typedef size_t generate_function(struct op_run *run, const struct generate *generate, struct batch *out,
    struct column *const *arguments, size_t row_count, uint32_t **parents, struct column **columns);

struct generate {
    struct operator base;
    struct program *program; /* the generator's arguments */
    generate_function *function;
    bool outer;
    size_t input_count, column_count;
};

/* The list rows as (parent row, position of the element); position UINT32_MAX: a row of nulls. */
static size_t list_rows(const struct generate *generate, struct arena *arena, const struct column *list,
    size_t row_count, uint32_t **parents, uint32_t **elements, int32_t **positions) {
    size_t total = 0;
    for (size_t i = 0; i < row_count; i++) {
        size_t length = column_is_null(list, i) ? 0 : (size_t)(list->offsets[i + 1] - list->offsets[i]);
        total += length == 0 && generate->outer ? 1 : length;
    }
    *parents = ARENA_ARRAY(arena, uint32_t, total);
    *elements = ARENA_ARRAY(arena, uint32_t, total);
    *positions = ARENA_ARRAY(arena, int32_t, total);
    size_t at = 0;
    for (size_t i = 0; i < row_count; i++) {
        int32_t length = column_is_null(list, i) ? 0 : list->offsets[i + 1] - list->offsets[i];
        for (int32_t j = 0; j < length; j++, at++) {
            (*parents)[at] = (uint32_t)i;
            (*elements)[at] = (uint32_t)(list->offsets[i] + j);
            (*positions)[at] = j;
        }
        if (length == 0 && generate->outer) {
            (*parents)[at] = (uint32_t)i;
            (*elements)[at++] = UINT32_MAX;
        }
    }
    return total;
}

static size_t generate_list(struct op_run *run, const struct generate *generate, struct batch *out,
    struct column *const *arguments, size_t row_count, uint32_t **parents, struct column **columns, bool position) {
    struct arena *arena = &out->arena;
    struct column *list = column_flatten(arena, arguments[0], row_count);
    uint32_t *elements;
    int32_t *positions;
    if (list->type->kind == TYPE_NULL) {
        list = column_create_nulls(arena, type_array(arena, type_simple(TYPE_NULL), true), row_count);
    }
    size_t count = list_rows(generate, arena, list, row_count, parents, &elements, &positions);
    size_t next = 0;
    if (position) {
        columns[next] = column_create(arena, type_simple(TYPE_INTEGER), count);
        for (size_t i = 0; i < count; i++) {
            COLUMN_VALUES(columns[next], int32_t)[i] = positions[i];
            if (elements[i] == UINT32_MAX) {
                bit_clear(column_make_nullable(arena, columns[next]), i);
            }
        }
        next++;
    }
    for (size_t i = 0; i < list->child_count; i++) {
        columns[next++] = column_take(arena, list->children[i], elements, count);
    }
    return count;
}

static size_t generate_explode(struct op_run *run, const struct generate *generate, struct batch *out,
    struct column *const *arguments, size_t row_count, uint32_t **parents, struct column **columns) {
    return generate_list(run, generate, out, arguments, row_count, parents, columns, false);
}

static size_t generate_posexplode(struct op_run *run, const struct generate *generate, struct batch *out,
    struct column *const *arguments, size_t row_count, uint32_t **parents, struct column **columns) {
    return generate_list(run, generate, out, arguments, row_count, parents, columns, true);
}

/* Array of structs: the fields; a null struct gives nulls. */
static size_t generate_inline(struct op_run *run, const struct generate *generate, struct batch *out,
    struct column *const *arguments, size_t row_count, uint32_t **parents, struct column **columns) {
    struct arena *arena = &out->arena;
    struct column *list = column_flatten(arena, arguments[0], row_count);
    uint32_t *elements;
    int32_t *positions;
    size_t count = list_rows(generate, arena, list, row_count, parents, &elements, &positions);
    const struct column *structs = list->children[0];
    for (size_t i = 0; i < count; i++) {
        if (elements[i] != UINT32_MAX && column_is_null(structs, elements[i])) {
            elements[i] = UINT32_MAX;
        }
    }
    for (size_t i = 0; i < structs->child_count; i++) {
        columns[i] = column_take(arena, structs->children[i], elements, count);
    }
    return count;
}

/* stack(n, v1, v2, …): the values in n rows. */
static size_t generate_stack(struct op_run *run, const struct generate *generate, struct batch *out,
    struct column *const *arguments, size_t row_count, uint32_t **parents, struct column **columns) {
    struct arena *arena = &out->arena;
    size_t lines = (size_t)COLUMN_AT(arguments[0], int32_t, 0), width = generate->column_count;
    size_t values = program_output_count(generate->program) - 1, count = lines * row_count;
    *parents = ARENA_ARRAY(arena, uint32_t, count);
    uint32_t *places = ARENA_ARRAY(arena, uint32_t, count);
    for (size_t i = 0; i < count; i++) {
        (*parents)[i] = (uint32_t)(i / lines);
        places[i] = (uint32_t)(i % lines * row_count + i / lines);
    }
    struct column **parts = ARENA_ARRAY(arena, struct column *, lines);
    size_t *rows = ARENA_ARRAY(arena, size_t, lines);
    for (size_t c = 0; c < width; c++) {
        const struct type *type = out->schema->fields[generate->input_count + c].type;
        for (size_t line = 0; line < lines; line++) {
            size_t index = line * width + c;
            parts[line] = index < values ? column_flatten(arena, arguments[1 + index], row_count)
                                         : column_create_nulls(arena, type, row_count);
            rows[line] = row_count;
        }
        columns[c] = column_take(arena, column_concat(arena, parts, rows, lines), places, count);
    }
    return count;
}

static size_t generate_json_tuple(struct op_run *run, const struct generate *generate, struct batch *out,
    struct column *const *arguments, size_t row_count, uint32_t **parents, struct column **columns) {
    struct arena *arena = &out->arena;
    size_t width = generate->column_count;
    struct bytes *names = ARENA_ARRAY(arena, struct bytes, width), *values = ARENA_ARRAY(arena, struct bytes, width);
    *parents = ARENA_ARRAY(arena, uint32_t, row_count);
    for (size_t c = 0; c < width; c++) {
        columns[c] = column_create(arena, type_simple(TYPE_STRING), row_count);
    }
    for (size_t i = 0; i < row_count; i++) {
        (*parents)[i] = (uint32_t)i;
        memset(values, 0, width * sizeof *values);
        for (size_t c = 0; c < width; c++) {
            names[c] = column_is_null(arguments[1 + c], i)
                           ? BYTES_NULL
                           : string_view_bytes(COLUMN_AT(arguments[1 + c], struct string_view, i));
        }
        if (!column_is_null(arguments[0], i)) {
            json_tuple(arena, string_view_bytes(COLUMN_AT(arguments[0], struct string_view, i)), names, width, values);
        }
        for (size_t c = 0; c < width; c++) {
            if (values[c].data == NULL) {
                bit_clear(column_make_nullable(arena, columns[c]), i);
            } else {
                COLUMN_VALUES(columns[c], struct string_view)
                [i] = (struct string_view){values[c].data, (uint32_t)values[c].size, 0};
            }
        }
    }
    return row_count;
}

static enum op_result generate_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct generate *generate = (const struct generate *)run->operator;
    struct batch *batch = batch_create(run->operator->schema);
    struct column **arguments = ARENA_ARRAY(&batch->arena, struct column *, program_output_count(generate->program));
    batch_keep(batch, in);
    if (!op_run_columns(run, generate->program, in, &batch->arena, arguments)) {
        batch_release(batch);
        return OP_FAILED;
    }
    uint32_t *parents;
    batch->row_count = generate->function(
        run, generate, batch, arguments, in->row_count, &parents, batch->columns + generate->input_count);
    for (size_t i = 0; i < generate->input_count; i++) {
        batch->columns[i] = column_take(&batch->arena, in->columns[i], parents, batch->row_count);
    }
    *out = batch;
    return OP_NEED_INPUT;
}

static void generate_explain(const struct operator* operator, struct buffer * out) {
    type_format_ddl(operator->schema, out);
}

static const struct operator_class op_generate_class = {
    .name = "Generate",
    .step = generate_step,
    .explain = generate_explain,
};

static const struct {
    const char *kernel;
    generate_function *function;
} generators[] = {{"explode", generate_explode}, {"posexplode", generate_posexplode}, {"inline", generate_inline},
    {"stack", generate_stack}, {"json_tuple", generate_json_tuple}};

struct operator* op_generate_create(struct compile *compile, const struct relation *relation) {
    const struct relation_generate *node = relation_generate_of(relation);
    const struct expression_call *call = expression_call_of(expression_strip(node->generator));
    struct generate *generate = ARENA_NEW(compile->arena, struct generate);
    for (size_t i = 0; i < ARRAY_COUNT(generators); i++) {
        if (strcmp(call->function->kernel, generators[i].kernel) == 0) {
            generate->function = generators[i].function;
        }
    }
    if (generate->function == NULL) {
        raise_unsupported_feature_not_in_this_program(compile->error, call->function->name, "");
        return NULL;
    }
    generate->outer = node->outer;
    generate->input_count = node->input == NULL ? 0 : node->input->output_count;
    generate->column_count = relation->output_count - generate->input_count;
    generate->program = program_compile(compile->arena, compile->settings, call->arguments.items, call->arguments.count,
        generate->input_count, compile->error);
    if (generate->program == NULL) {
        return NULL;
    }
    return operator_init(compile, &generate->base, &op_generate_class, relation);
}
