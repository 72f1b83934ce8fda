/* The generic half of the plan: every operation on nodes reads the field tables that schema/plan.def gives. */
#include "sql/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include "column/text.h"
#include "column/timezone.h"
#include "sql/function.h"

enum field_kind {
    FIELD_EXPRESSION,
    FIELD_RELATION,
    FIELD_NODE,
    FIELD_EXPRESSIONS,
    FIELD_RELATIONS,
    FIELD_BYTES,
    FIELD_NAMES,
    FIELD_OPTIONS,
    FIELD_BOOL,
    FIELD_INT,
    FIELD_LONG,
    FIELD_DOUBLE,
    FIELD_ID,
    FIELD_TYPE,
    FIELD_COLUMN,
    FIELD_BATCHES,
    FIELD_FUNCTION,
    FIELD_POINTER,
    FIELD_ENUM,
};

struct node_field {
    enum field_kind kind;
    const char *name;
    size_t offset;
    const char *const *enum_names;
};
struct node_class {
    enum node_family family;
    const char *name;
    size_t size;
    const struct node_field *fields;
    size_t field_count;
};

static const char *const cast_mode_names[] = {"ansi", "try", "legacy", "unset"};
static const char *const frame_type_names[] = {"none", "rows", "range"};
static const char *const subquery_kind_names[] = {"scalar", "exists", "in", "table"};
static const char *const join_type_names[] = {
    "inner", "left", "right", "full", "cross", "left_semi", "left_anti", "left_single", "existence"};
static const char *const set_kind_names[] = {"union", "intersect", "except"};
static const char *const group_timeout_names[] = {"none", "processing_time", "event_time"};
static const char *const group_type_names[] = {"group_by", "rollup", "cube", "sets", "pivot"};
static const char *const show_kind_names[] = {"tables", "views", "databases", "columns", "functions", "catalogs"};
static const char *const explain_mode_names[] = {"simple", "extended", "formatted", "codegen", "cost"};

#include "plan_tables.inc"

#define FIELD_AT(node, field, type) (*(type *)((char *)(uintptr_t)(node) + (field)->offset))
/* Lists of nodes share one layout. */
struct node_list {
    const struct node **items;
    size_t count;
};

static bool is_child(enum field_kind kind) {
    return kind == FIELD_EXPRESSION || kind == FIELD_RELATION || kind == FIELD_NODE;
}
static bool is_children(enum field_kind kind) {
    return kind == FIELD_EXPRESSIONS || kind == FIELD_RELATIONS;
}

struct node *node_new(struct arena *arena, unsigned tag) {
    ASSERT(tag < NODE_TAG_COUNT);
    struct node *node = arena_allocate_zeroed(arena, node_classes[tag].size);
    node->tag = (uint16_t)tag;
    return node;
}

enum node_family node_family(const struct node *node) {
    return node_classes[node->tag].family;
}

const char *node_name(const struct node *node) {
    return node_classes[node->tag].name;
}

bool node_walk(const struct node *node, enum walk (*enter)(const struct node *node, void *context),
    void (*leave)(const struct node *node, void *context), void *context) {
    enum walk answer = enter(node, context);
    if (answer != WALK_CONTINUE)
        return answer == WALK_PRUNE;
    const struct node_class *class = &node_classes[node->tag];
    for (size_t i = 0; i < class->field_count; i++) {
        const struct node_field *field = &class->fields[i];
        if (is_child(field->kind)) {
            const struct node *child = FIELD_AT(node, field, const struct node *);
            if (child != NULL && !node_walk(child, enter, leave, context))
                return false;
        } else if (is_children(field->kind)) {
            const struct node_list *list = &FIELD_AT(node, field, struct node_list);
            for (size_t j = 0; j < list->count; j++)
                if (!node_walk(list->items[j], enter, leave, context))
                    return false;
        }
    }
    if (leave != NULL)
        leave(node, context);
    return true;
}

struct node *node_clone(struct arena *arena, const struct node *node) {
    struct node *copy = arena_allocate(arena, node_classes[node->tag].size);
    memcpy(copy, node, node_classes[node->tag].size);
    return copy;
}

const struct node *node_map(struct arena *arena, const struct node *node,
    const struct node *(*map)(struct arena *arena, const struct node *child, void *context), void *context) {
    const struct node_class *class = &node_classes[node->tag];
    struct node *copy = NULL;
    for (size_t i = 0; i < class->field_count; i++) {
        const struct node_field *field = &class->fields[i];
        if (is_child(field->kind)) {
            const struct node *child = FIELD_AT(node, field, const struct node *);
            const struct node *mapped = child == NULL ? NULL : map(arena, child, context);
            if (child != NULL && mapped == NULL)
                return NULL;
            if (mapped != child) {
                copy = copy != NULL ? copy : node_clone(arena, node);
                FIELD_AT(copy, field, const struct node *) = mapped;
            }
        } else if (is_children(field->kind)) {
            const struct node_list *list = &FIELD_AT(node, field, struct node_list);
            const struct node **items = NULL;
            for (size_t j = 0; j < list->count; j++) {
                const struct node *mapped = map(arena, list->items[j], context);
                if (mapped == NULL)
                    return NULL;
                if (mapped != list->items[j] && items == NULL) {
                    items = arena_allocate(arena, list->count * sizeof *items);
                    memcpy(items, list->items, list->count * sizeof *items);
                }
                if (items != NULL)
                    items[j] = mapped;
            }
            if (items != NULL) {
                copy = copy != NULL ? copy : node_clone(arena, node);
                FIELD_AT(copy, field, struct node_list).items = items;
            }
        }
    }
    return copy != NULL ? copy : node;
}

static struct bytes_list copy_names(struct arena *arena, struct bytes_list list) {
    struct bytes *items = ARENA_ARRAY(arena, struct bytes, list.count);
    for (size_t i = 0; i < list.count; i++)
        items[i] = arena_copy(arena, list.items[i]);
    return (struct bytes_list){items, list.count};
}

static struct option_list copy_options(struct arena *arena, struct option_list list) {
    struct option *items = ARENA_ARRAY(arena, struct option, list.count);
    for (size_t i = 0; i < list.count; i++)
        items[i] = (struct option){arena_copy(arena, list.items[i].name), arena_copy(arena, list.items[i].value)};
    return (struct option_list){items, list.count};
}

static const struct node *copy_child(struct arena *arena, const struct node *child, void *context) {
    (void)context;
    return node_copy(arena, child);
}

static void copy_header(struct arena *arena, struct node *copy) {
    if (node_classes[copy->tag].family == NODE_EXPRESSION) {
        struct expression *expression = (struct expression *)copy;
        if (expression->type != NULL)
            expression->type = type_copy(arena, expression->type);
    } else if (node_classes[copy->tag].family == NODE_RELATION) {
        struct relation *relation = (struct relation *)copy;
        struct attribute *output = ARENA_ARRAY(arena, struct attribute, relation->output_count);
        for (size_t i = 0; i < relation->output_count; i++) {
            output[i] = relation->output[i];
            output[i].name = arena_copy(arena, output[i].name);
            output[i].metadata = arena_copy(arena, output[i].metadata);
            output[i].type = type_copy(arena, output[i].type);
            output[i].qualifier =
                copy_names(arena, (struct bytes_list){output[i].qualifier, output[i].qualifier_count}).items;
        }
        relation->output = output;
    }
    copy->origin.text = NULL;
}

const struct node *node_copy(struct arena *arena, const struct node *node) {
    struct node *copy = node_clone(arena, node_map(arena, node, copy_child, NULL));
    const struct node_class *class = &node_classes[node->tag];
    copy_header(arena, copy);
    for (size_t i = 0; i < class->field_count; i++) {
        const struct node_field *field = &class->fields[i];
        switch (field->kind) {
        case FIELD_BYTES:
            FIELD_AT(copy, field, struct bytes) = arena_copy(arena, FIELD_AT(node, field, struct bytes));
            break;
        case FIELD_NAMES:
            FIELD_AT(copy, field, struct bytes_list) = copy_names(arena, FIELD_AT(node, field, struct bytes_list));
            break;
        case FIELD_OPTIONS:
            FIELD_AT(copy, field, struct option_list) = copy_options(arena, FIELD_AT(node, field, struct option_list));
            break;
        case FIELD_TYPE:
            if (FIELD_AT(node, field, const struct type *) != NULL)
                FIELD_AT(copy, field, const struct type *) =
                    type_copy(arena, FIELD_AT(node, field, const struct type *));
            break;
        case FIELD_COLUMN: {
            struct column *column = column_copy(arena, FIELD_AT(node, field, const struct column *));
            column->type = type_copy(arena, column->type);
            FIELD_AT(copy, field, const struct column *) = column;
            break;
        }
        case FIELD_BATCHES: {
            struct batch_list list = FIELD_AT(node, field, struct batch_list);
            FIELD_AT(copy, field, struct batch_list) = plan_batches(arena, list.items, list.count);
            break;
        }
        default:
            break;
        }
    }
    return copy;
}

static bool names_equal(struct bytes_list left, struct bytes_list right) {
    if (left.count != right.count)
        return false;
    for (size_t i = 0; i < left.count; i++)
        if (!bytes_equal(left.items[i], right.items[i]))
            return false;
    return true;
}

static bool options_equal(struct option_list left, struct option_list right) {
    if (left.count != right.count)
        return false;
    for (size_t i = 0; i < left.count; i++)
        if (!bytes_equal(left.items[i].name, right.items[i].name) ||
            !bytes_equal(left.items[i].value, right.items[i].value))
            return false;
    return true;
}

static bool children_equal(const struct node_list *left, const struct node_list *right) {
    if (left->count != right->count)
        return false;
    for (size_t i = 0; i < left->count; i++)
        if (!node_equal(left->items[i], right->items[i]))
            return false;
    return true;
}

static bool values_equal(const struct column *left, const struct column *right) {
    if (!type_equal(left->type, right->type) || column_is_null(left, 0) != column_is_null(right, 0))
        return false;
    if (column_is_null(left, 0))
        return true;
    size_t size = type_value_size(left->type);
    if (left->type->kind != TYPE_STRING && left->type->kind != TYPE_BINARY && size > 0)
        return memcmp(left->values, right->values, size) == 0;
    struct buffer texts[2] = {{0}, {0}};
    value_format(left, 0, timezone_utc(), &texts[0]);
    value_format(right, 0, timezone_utc(), &texts[1]);
    bool equal = bytes_equal(buffer_view(&texts[0]), buffer_view(&texts[1]));
    buffer_free(&texts[0]);
    buffer_free(&texts[1]);
    return equal;
}

static bool field_equal(const struct node_field *field, const struct node *left, const struct node *right) {
    switch (field->kind) {
    case FIELD_EXPRESSION:
    case FIELD_RELATION:
    case FIELD_NODE: {
        const struct node *a = FIELD_AT(left, field, const struct node *);
        const struct node *b = FIELD_AT(right, field, const struct node *);
        return a == b || (a != NULL && b != NULL && node_equal(a, b));
    }
    case FIELD_EXPRESSIONS:
    case FIELD_RELATIONS:
        return children_equal(&FIELD_AT(left, field, struct node_list), &FIELD_AT(right, field, struct node_list));
    case FIELD_BYTES:
        return bytes_equal(FIELD_AT(left, field, struct bytes), FIELD_AT(right, field, struct bytes));
    case FIELD_NAMES:
        return names_equal(FIELD_AT(left, field, struct bytes_list), FIELD_AT(right, field, struct bytes_list));
    case FIELD_OPTIONS:
        return options_equal(FIELD_AT(left, field, struct option_list), FIELD_AT(right, field, struct option_list));
    case FIELD_BOOL:
        return FIELD_AT(left, field, bool) == FIELD_AT(right, field, bool);
    case FIELD_INT:
    case FIELD_ID:
    case FIELD_ENUM:
        return FIELD_AT(left, field, int32_t) == FIELD_AT(right, field, int32_t);
    case FIELD_LONG:
        return FIELD_AT(left, field, int64_t) == FIELD_AT(right, field, int64_t);
    case FIELD_DOUBLE:
        return FIELD_AT(left, field, double) == FIELD_AT(right, field, double);
    case FIELD_TYPE: {
        const struct type *a = FIELD_AT(left, field, const struct type *);
        const struct type *b = FIELD_AT(right, field, const struct type *);
        return a == b || (a != NULL && b != NULL && type_equal(a, b));
    }
    case FIELD_COLUMN:
        return values_equal(
            FIELD_AT(left, field, const struct column *), FIELD_AT(right, field, const struct column *));
    case FIELD_BATCHES: {
        struct batch_list a = FIELD_AT(left, field, struct batch_list), b = FIELD_AT(right, field, struct batch_list);
        return a.count == b.count && (a.count == 0 || memcmp(a.items, b.items, a.count * sizeof *a.items) == 0);
    }
    case FIELD_FUNCTION:
        return FIELD_AT(left, field, const void *) == FIELD_AT(right, field, const void *);
    case FIELD_POINTER:
        return true;
    }
    UNREACHABLE();
}

bool node_equal(const struct node *left, const struct node *right) {
    if (left == right)
        return true;
    if (left->tag != right->tag)
        return false;
    const struct node_class *class = &node_classes[left->tag];
    for (size_t i = 0; i < class->field_count; i++)
        if (!field_equal(&class->fields[i], left, right))
            return false;
    return true;
}

static void print_level(const struct node *node, int level, struct buffer *out);

static void print_children(const struct node_field *field, const struct node *node, int level, struct buffer *out) {
    if (is_child(field->kind)) {
        const struct node *child = FIELD_AT(node, field, const struct node *);
        if (child == NULL)
            return;
        buffer_printf(out, "%*s%s:\n", level * 2 + 2, "", field->name);
        print_level(child, level + 2, out);
    } else if (is_children(field->kind)) {
        const struct node_list *list = &FIELD_AT(node, field, struct node_list);
        if (list->count > 0)
            buffer_printf(out, "%*s%s:\n", level * 2 + 2, "", field->name);
        for (size_t i = 0; i < list->count; i++)
            print_level(list->items[i], level + 2, out);
    }
}

static void print_names(const char *name, struct bytes_list list, struct buffer *out) {
    if (list.count == 0)
        return;
    buffer_printf(out, " %s=[", name);
    for (size_t i = 0; i < list.count; i++)
        buffer_printf(out, "%s%.*s", i > 0 ? ", " : "", BYTES_ARGS(list.items[i]));
    buffer_append_byte(out, ']');
}

static void print_value(const struct node_field *field, const struct node *node, struct buffer *out) {
    switch (field->kind) {
    case FIELD_BYTES: {
        struct bytes value = FIELD_AT(node, field, struct bytes);
        if (value.data != NULL)
            buffer_printf(out, " %s=%.*s", field->name, BYTES_ARGS(value));
        break;
    }
    case FIELD_NAMES:
        print_names(field->name, FIELD_AT(node, field, struct bytes_list), out);
        break;
    case FIELD_OPTIONS: {
        struct option_list list = FIELD_AT(node, field, struct option_list);
        for (size_t i = 0; i < list.count; i++)
            buffer_printf(out, " %.*s=%.*s", BYTES_ARGS(list.items[i].name), BYTES_ARGS(list.items[i].value));
        break;
    }
    case FIELD_BOOL:
        if (FIELD_AT(node, field, bool))
            buffer_printf(out, " %s", field->name);
        break;
    case FIELD_INT:
    case FIELD_ID:
        buffer_printf(out, " %s=%d", field->name, FIELD_AT(node, field, int32_t));
        break;
    case FIELD_LONG:
        buffer_printf(out, " %s=%lld", field->name, (long long)FIELD_AT(node, field, int64_t));
        break;
    case FIELD_DOUBLE:
        buffer_printf(out, " %s=%g", field->name, FIELD_AT(node, field, double));
        break;
    case FIELD_ENUM:
        buffer_printf(out, " %s=%s", field->name, field->enum_names[FIELD_AT(node, field, int)]);
        break;
    case FIELD_TYPE:
        if (FIELD_AT(node, field, const struct type *) != NULL) {
            buffer_printf(out, " %s=", field->name);
            type_format_simple(FIELD_AT(node, field, const struct type *), out);
        }
        break;
    case FIELD_COLUMN: {
        const struct column *column = FIELD_AT(node, field, const struct column *);
        buffer_append_byte(out, ' ');
        if (column_is_null(column, 0))
            buffer_append_text(out, "NULL");
        else
            value_format(column, 0, timezone_utc(), out);
        break;
    }
    case FIELD_BATCHES:
        buffer_printf(out, " batches=%zu", FIELD_AT(node, field, struct batch_list).count);
        break;
    case FIELD_FUNCTION:
        buffer_printf(out, " %s", FIELD_AT(node, field, const struct function *)->name);
        break;
    default:
        break;
    }
}

static void print_level(const struct node *node, int level, struct buffer *out) {
    const struct node_class *class = &node_classes[node->tag];
    buffer_printf(out, "%*s%s", level * 2, "", class->name);
    for (size_t i = 0; i < class->field_count; i++)
        print_value(&class->fields[i], node, out);
    if (class->family == NODE_EXPRESSION && ((const struct expression *)node)->type != NULL) {
        buffer_append_text(out, " : ");
        type_format_simple(((const struct expression *)node)->type, out);
        if (!((const struct expression *)node)->nullable)
            buffer_append_text(out, " not null");
    }
    if (class->family == NODE_RELATION && ((const struct relation *)node)->analyzed) {
        const struct relation *relation = (const struct relation *)node;
        buffer_append_text(out, " -> [");
        for (size_t i = 0; i < relation->output_count; i++)
            buffer_printf(
                out, "%s%.*s#%u", i > 0 ? ", " : "", BYTES_ARGS(relation->output[i].name), relation->output[i].id);
        buffer_append_byte(out, ']');
    }
    buffer_append_byte(out, '\n');
    for (size_t i = 0; i < class->field_count; i++)
        print_children(&class->fields[i], node, level, out);
}

void node_print(const struct node *node, struct buffer *out) {
    print_level(node, 0, out);
}
