/* op_scan.c: reads a source (source.h): the plan's own, or for a stream the one bound for this run. */
#include "exec/query.h"
#include "sql/function.h"

struct scan {
    struct operator base;
    struct source *source; /* NULL: a stream */
    size_t stream;         /* SIZE_MAX: not one */
    size_t *columns;
    struct source_projection projection;
};

struct scan_shared {
    struct source_scan *scan;
};

struct scan_local {
    struct source_partition *partition;
    int64_t rows_left; /* of the partition, when the plan has a limit */
};

static bool scan_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    const struct scan *scan = (const struct scan *)operator;
    struct scan_shared *shared = state;
    struct source *source = scan->stream == SIZE_MAX ? scan->source : exec_run_stream(exec, scan->stream);
    if (source == NULL) {
        return raise_internal_error(error, "no input was bound to a streaming scan");
    }
    shared->scan = source->class->scan_begin(source, &scan->projection, error);
    return shared->scan != NULL;
}

static void scan_end(const struct operator* operator, void * state) {
    struct scan_shared *shared = state;
    if (shared->scan != NULL) {
        shared->scan->source->class->scan_end(shared->scan);
    }
}

static size_t scan_partition_count(const struct operator* operator, void * state) {
    return ((struct scan_shared *)state)->scan->partition_count;
}

static void scan_end_partition(struct op_run *run) {
    struct scan_local *local = run->local;
    if (local->partition != NULL) {
        local->partition->scan->source->class->partition_close(local->partition);
        local->partition = NULL;
    }
}

static bool scan_begin_partition(struct op_run *run) {
    const struct scan *scan = (const struct scan *)run->operator;
    struct scan_shared *shared = run->shared;
    struct scan_local *local = run->local;
    local->rows_left = scan->projection.row_limit < 0 ? INT64_MAX : scan->projection.row_limit;
    local->partition = shared->scan->source->class->partition_open(shared->scan, run->source_partition, run->error);
    return local->partition != NULL;
}

static enum op_result scan_read(struct op_run *run, struct batch **out) {
    const struct scan *scan = (const struct scan *)run->operator;
    struct scan_shared *shared = run->shared;
    struct scan_local *local = run->local;
    if (local->rows_left <= 0) {
        return OP_NEED_INPUT;
    }
    int64_t bytes = __atomic_load_n(&shared->scan->bytes_read, __ATOMIC_RELAXED);
    switch (shared->scan->source->class->partition_next(local->partition, run->waker, out, run->error)) {
    case SOURCE_BATCH:
        bytes = __atomic_load_n(&shared->scan->bytes_read, __ATOMIC_RELAXED) - bytes;
        exec_run_count_input(run->exec, scan->stream, (int64_t)(*out)->row_count, bytes);
        local->rows_left -= (int64_t)(*out)->row_count;
        return OP_HAVE_OUTPUT;
    case SOURCE_END:
        return OP_NEED_INPUT;
    case SOURCE_BLOCKED:
        return OP_BLOCKED;
    default:
        return OP_FAILED;
    }
}

static void scan_local_end(struct op_run *run) {
    scan_end_partition(run);
}

static void scan_explain(const struct operator* operator, struct buffer * out) {
    const struct scan *scan = (const struct scan *)operator;
    buffer_append_bytes(out, relation_scan_of(operator->relation)->format);
    buffer_append_text(out, " [");
    type_format_ddl(operator->schema, out);
    buffer_append_byte(out, ']');
    if (scan->source != NULL && scan->source->class->explain != NULL) {
        buffer_append_byte(out, ' ');
        scan->source->class->explain(scan->source, out);
    }
}

static const struct operator_class op_scan_class = {
    .name = "Scan",
    .shared_size = sizeof(struct scan_shared),
    .local_size = sizeof(struct scan_local),
    .begin = scan_begin,
    .end = scan_end,
    .local_end = scan_local_end,
    .partition_count = scan_partition_count,
    .begin_partition = scan_begin_partition,
    .read = scan_read,
    .end_partition = scan_end_partition,
    .explain = scan_explain,
};

/* `column comparison literal` in either order. */
static bool as_filter(const struct scan *scan, const struct relation_scan *node, const struct expression *expression,
    struct source_filter *filter) {
    static const struct {
        const char *kernel;
        enum source_comparison comparison, turned;
    } comparisons[] = {{"equal", SOURCE_EQUAL, SOURCE_EQUAL}, {"less", SOURCE_LESS, SOURCE_GREATER},
        {"less_or_equal", SOURCE_LESS_EQUAL, SOURCE_GREATER_EQUAL}, {"greater", SOURCE_GREATER, SOURCE_LESS},
        {"greater_or_equal", SOURCE_GREATER_EQUAL, SOURCE_LESS_EQUAL}, {"isnull", SOURCE_IS_NULL, SOURCE_IS_NULL},
        {"isnotnull", SOURCE_IS_NOT_NULL, SOURCE_IS_NOT_NULL}};
    if (expression->node.tag != EXPRESSION_CALL) {
        return false;
    }
    const struct expression_call *call = expression_call_of(expression);
    const struct expression *left = call->arguments.count > 0 ? call->arguments.items[0] : NULL;
    const struct expression *right = call->arguments.count > 1 ? call->arguments.items[1] : NULL;
    bool turned = left != NULL && expression_is_literal(left);
    if (turned) {
        const struct expression *other = left;
        left = right;
        right = other;
    }
    if (left == NULL || left->node.tag != EXPRESSION_COLUMN || call->arguments.count > 2 ||
        (right != NULL && !expression_is_literal(right))) {
        return false;
    }
    int32_t ordinal = expression_column_of(left)->ordinal;
    for (size_t i = 0; i < ARRAY_COUNT(comparisons); i++) {
        if (strcmp(call->function->kernel, comparisons[i].kernel) == 0 && ordinal >= 0 &&
            (size_t)ordinal < scan->projection.column_count) {
            *filter = (struct source_filter){scan->columns[ordinal],
                turned ? comparisons[i].turned : comparisons[i].comparison,
                right == NULL ? NULL : expression_literal_of(right)->value};
            return right == NULL || !column_is_null(filter->value, 0);
        }
    }
    return false;
}

struct operator* op_scan_create(struct compile *compile, const struct relation *relation) {
    const struct relation_scan *node = relation_scan_of(relation);
    struct scan *scan = ARENA_NEW(compile->arena, struct scan);
    size_t count = relation->output_count;
    scan->stream = node->streaming ? query_add_stream(compile->query, relation) : SIZE_MAX;
    scan->source = node->streaming ? NULL : (struct source *)node->source;
    scan->columns = ARENA_ARRAY(compile->arena, size_t, count);
    for (size_t i = 0; i < count; i++) {
        struct bytes name = node->columns.count > 0 ? node->columns.items[i] : relation->output[i].name;
        int index = type_field_index(node->schema, name);
        if (index < 0) {
            raise_internal_error(compile->error, "a scan wants a column that its source does not have");
            return NULL;
        }
        scan->columns[i] = (size_t)index;
    }
    struct source_filter *filters = ARENA_ARRAY(compile->arena, struct source_filter, node->filters.count);
    scan->projection = (struct source_projection){
        scan->columns, count, relation_output_type(compile->arena, relation), filters, 0, node->limit};
    for (size_t i = 0; i < node->filters.count; i++) {
        if (as_filter(scan, node, node->filters.items[i], &filters[scan->projection.filter_count])) {
            scan->projection.filter_count++;
        }
    }
    return operator_init(compile, &scan->base, &op_scan_class, relation);
}
