/* parquet_schema.c: Spark types to Parquet's and back (LogicalTypes.md; the choices are those of Spark's
 * ParquetSchemaConverter in its standard, not legacy, mode: three-level lists, key_value maps, decimals as INT32, INT64
 * or FIXED by precision). */
#include "format/parquet_schema.h"

#include "base/assert.h"

enum { SCHEMA_DEPTH_MAX = 100 };

/* ---- from a type ---- */

struct maker {
    struct arena *arena;
    enum parquet_timestamp timestamp;
    struct parquet_schema *schema;
    size_t element_capacity, leaf_capacity;
    struct error *error;
};

static int decimal_size(int precision) {
    /* Bytes that hold 10^precision - 1 and a sign: Spark's computeMinBytesForPrecision. */
    static const uint8_t sizes[] = {1, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 8, 9, 9, 9, 10, 10, 11, 11,
        11, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16};
    return sizes[precision];
}

static struct parquet_element *add_element(struct maker *maker, const struct parquet_element *element) {
    struct parquet_schema *schema = maker->schema;
    if (schema->element_count == maker->element_capacity) {
        size_t capacity = maker->element_capacity == 0 ? 32 : maker->element_capacity * 2;
        struct parquet_element *grown = ARENA_ARRAY(maker->arena, struct parquet_element, capacity);
        if (schema->element_count > 0) {
            memcpy(grown, schema->elements, schema->element_count * sizeof *grown);
        }
        schema->elements = grown;
        maker->element_capacity = capacity;
    }
    schema->elements[schema->element_count] = *element;
    return &schema->elements[schema->element_count++];
}

static void add_leaf(struct maker *maker, struct parquet_node *node) {
    struct parquet_schema *schema = maker->schema;
    if (schema->leaf_count == maker->leaf_capacity) {
        size_t capacity = maker->leaf_capacity == 0 ? 32 : maker->leaf_capacity * 2;
        struct parquet_node **grown = ARENA_ARRAY(maker->arena, struct parquet_node *, capacity);
        if (schema->leaf_count > 0) {
            memcpy(grown, schema->leaves, schema->leaf_count * sizeof *grown);
        }
        schema->leaves = grown;
        maker->leaf_capacity = capacity;
    }
    schema->leaves[schema->leaf_count++] = node;
}

static void describe_decimal(struct parquet_element *element, const struct type *type) {
    element->converted = PARQUET_DECIMAL;
    element->logical = PARQUET_LOGICAL_DECIMAL;
    element->precision = type->precision;
    element->scale = type->scale;
    element->physical = type->precision <= 9 ? PARQUET_INT32 : type->precision <= 18 ? PARQUET_INT64 : PARQUET_FIXED;
    element->type_length = element->physical == PARQUET_FIXED ? decimal_size(type->precision) : 0;
}

static void describe_timestamp(struct parquet_element *element, bool utc, enum parquet_timestamp form) {
    if (form == PARQUET_TIMESTAMP_INT96 && utc) {
        element->physical = PARQUET_INT96;
        return;
    }
    bool millis = form == PARQUET_TIMESTAMP_MILLIS && utc;
    element->physical = PARQUET_INT64;
    element->logical = PARQUET_LOGICAL_TIMESTAMP;
    element->utc = utc;
    element->unit = millis ? PARQUET_MILLIS : PARQUET_MICROS;
    if (utc) {
        element->converted = millis ? PARQUET_CONVERTED_TIMESTAMP_MILLIS : PARQUET_CONVERTED_TIMESTAMP_MICROS;
    }
}

static bool describe_leaf(struct maker *maker, const struct type *type, struct parquet_element *element) {
    element->is_leaf = true;
    switch (type->kind) {
    case TYPE_BOOLEAN:
        element->physical = PARQUET_BOOLEAN;
        return true;
    case TYPE_BYTE:
    case TYPE_SHORT:
        element->physical = PARQUET_INT32;
        element->converted = type->kind == TYPE_BYTE ? PARQUET_INT_8 : PARQUET_INT_16;
        element->logical = PARQUET_LOGICAL_INTEGER;
        element->bits = type->kind == TYPE_BYTE ? 8 : 16;
        element->is_signed = true;
        return true;
    case TYPE_INTEGER:
    case TYPE_YEAR_MONTH_INTERVAL:
        element->physical = PARQUET_INT32;
        return true;
    case TYPE_LONG:
    case TYPE_DAY_TIME_INTERVAL:
        element->physical = PARQUET_INT64;
        return true;
    case TYPE_FLOAT:
        element->physical = PARQUET_FLOAT;
        return true;
    case TYPE_DOUBLE:
        element->physical = PARQUET_DOUBLE;
        return true;
    case TYPE_DECIMAL:
        describe_decimal(element, type);
        return true;
    case TYPE_STRING:
        element->physical = PARQUET_BYTE_ARRAY;
        element->converted = PARQUET_UTF8;
        element->logical = PARQUET_LOGICAL_STRING;
        return true;
    case TYPE_BINARY:
        element->physical = PARQUET_BYTE_ARRAY;
        return true;
    case TYPE_DATE:
        element->physical = PARQUET_INT32;
        element->converted = PARQUET_DATE;
        element->logical = PARQUET_LOGICAL_DATE;
        return true;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        describe_timestamp(element, type->kind == TYPE_TIMESTAMP, maker->timestamp);
        return true;
    default: {
        struct buffer text = {0};
        type_format_sql(type, &text);
        error_set(maker->error, ERROR_UNSUPPORTED, "The Parquet datasource doesn't support the type \"%.*s\".",
            BYTES_ARGS(buffer_view(&text)));
        buffer_free(&text);
        return false;
    }
    }
}

static struct parquet_node *make_node(struct maker *maker, struct bytes name, const struct type *type, bool optional,
    int definition, int repetition, int depth);

static void add_group(struct maker *maker, const char *name, int child_count) {
    add_element(maker, &(struct parquet_element){.name = bytes_from_text(name),
                           .repetition = PARQUET_REPEATED,
                           .child_count = child_count,
                           .converted = PARQUET_CONVERTED_NONE});
}

static bool make_children(struct maker *maker, struct parquet_node *node, int depth) {
    const struct type *type = node->type;
    bool nested = type->kind != TYPE_STRUCT;
    node->child_count = type->kind == TYPE_STRUCT ? type->field_count : type->kind == TYPE_MAP ? 2 : 1;
    node->children = ARENA_ARRAY(maker->arena, struct parquet_node *, node->child_count);
    node->repeated_definition = node->definition + 1;
    if (nested) {
        add_group(maker, type->kind == TYPE_MAP ? "key_value" : "list", type->kind == TYPE_MAP ? 2 : 1);
    }
    for (size_t i = 0; i < node->child_count; i++) {
        const struct type *child = type->kind == TYPE_STRUCT          ? type->fields[i].type
                                   : type->kind == TYPE_MAP && i == 0 ? type->key
                                                                      : type->element;
        struct bytes name = type->kind == TYPE_STRUCT ? type->fields[i].name
                            : type->kind == TYPE_MAP  ? (i == 0 ? BYTES("key") : BYTES("value"))
                                                      : BYTES("element");
        bool optional = type->kind == TYPE_STRUCT          ? type->fields[i].nullable
                        : type->kind == TYPE_MAP && i == 0 ? false
                                                           : type->contains_null;
        node->children[i] = make_node(maker, name, child, optional,
            nested ? node->repeated_definition : node->definition, node->repetition + nested, depth + 1);
        if (node->children[i] == NULL) {
            return false;
        }
        node->leaf_count += node->children[i]->leaf_count;
    }
    return true;
}

static struct parquet_node *make_node(struct maker *maker, struct bytes name, const struct type *type, bool optional,
    int definition, int repetition, int depth) {
    if (depth > SCHEMA_DEPTH_MAX) {
        error_set(maker->error, ERROR_LIMIT, "a schema nested more than %d deep cannot be written", SCHEMA_DEPTH_MAX);
        return NULL;
    }
    struct parquet_node *node = ARENA_NEW(maker->arena, struct parquet_node);
    node->type = type;
    node->optional = optional;
    node->definition = definition + optional;
    node->repetition = repetition;
    node->leaf_index = maker->schema->leaf_count;
    struct parquet_element *element = &node->element;
    *element = (struct parquet_element){.name = name,
        .repetition = optional ? PARQUET_OPTIONAL : PARQUET_REQUIRED,
        .converted = PARQUET_CONVERTED_NONE};
    bool group = type->kind == TYPE_STRUCT || type->kind == TYPE_ARRAY || type->kind == TYPE_MAP;
    if (group) {
        element->child_count = type->kind == TYPE_STRUCT ? (int32_t)type->field_count : 1;
        element->converted = type->kind == TYPE_ARRAY ? PARQUET_LIST
                             : type->kind == TYPE_MAP ? PARQUET_MAP
                                                      : PARQUET_CONVERTED_NONE;
        element->logical = type->kind == TYPE_ARRAY ? PARQUET_LOGICAL_LIST
                           : type->kind == TYPE_MAP ? PARQUET_LOGICAL_MAP
                                                    : PARQUET_LOGICAL_NONE;
        add_element(maker, element);
        return make_children(maker, node, depth) ? node : NULL;
    }
    if (!describe_leaf(maker, type, element)) {
        return NULL;
    }
    node->leaf_count = 1;
    add_element(maker, element);
    add_leaf(maker, node);
    return node;
}

bool parquet_schema_from_type(struct arena *arena, const struct type *type, enum parquet_timestamp timestamp,
    struct parquet_schema *schema, struct error *error) {
    ASSERT(type->kind == TYPE_STRUCT);
    *schema = (struct parquet_schema){0};
    struct maker maker = {.arena = arena, .timestamp = timestamp, .schema = schema, .error = error};
    schema->root = make_node(&maker, BYTES("spark_schema"), type, false, 0, 0, 0);
    return schema->root != NULL;
}

/* ---- from a footer ---- */

struct walker {
    struct arena *arena;
    struct parquet_element *elements;
    size_t count, next;
    struct maker maker;
    struct error *error;
};

static const struct type *integer_type(const struct parquet_element *element, struct arena *arena) {
    int bits = element->logical == PARQUET_LOGICAL_INTEGER ? element->bits : 0;
    bool is_signed = element->logical == PARQUET_LOGICAL_INTEGER ? element->is_signed : true;
    if (element->logical != PARQUET_LOGICAL_INTEGER && element->converted >= PARQUET_UINT_8 &&
        element->converted <= PARQUET_INT_64) {
        bits = 8 << ((element->converted - PARQUET_UINT_8) & 3);
        is_signed = element->converted >= PARQUET_INT_8;
    }
    bits = bits != 0 ? bits : element->physical == PARQUET_INT32 ? 32 : 64;
    if (is_signed) {
        return type_simple(bits == 8 ? TYPE_BYTE : bits == 16 ? TYPE_SHORT : bits == 32 ? TYPE_INTEGER : TYPE_LONG);
    }
    return bits == 64 ? type_decimal(arena, 20, 0)
                      : type_simple(bits == 8    ? TYPE_SHORT
                                    : bits == 16 ? TYPE_INTEGER
                                                 : TYPE_LONG);
}

static const struct type *int_type(struct walker *walker, const struct parquet_element *element) {
    int converted = element->converted;
    if (element->logical == PARQUET_LOGICAL_DECIMAL || converted == PARQUET_DECIMAL) {
        int limit = element->physical == PARQUET_INT32 ? 9 : 18;
        return element->precision < 1 || element->precision > limit || element->scale < 0 ||
                       element->scale > element->precision
                   ? NULL
                   : type_decimal(walker->arena, element->precision, element->scale);
    }
    if (element->physical == PARQUET_INT32) {
        return element->logical == PARQUET_LOGICAL_DATE || converted == PARQUET_DATE ? type_simple(TYPE_DATE)
               : element->logical == PARQUET_LOGICAL_TIME || converted == PARQUET_TIME_MILLIS
                   ? NULL
                   : integer_type(element, walker->arena);
    }
    if (element->logical == PARQUET_LOGICAL_TIMESTAMP) {
        return type_simple(element->utc ? TYPE_TIMESTAMP : TYPE_TIMESTAMP_NTZ);
    }
    if (converted == PARQUET_CONVERTED_TIMESTAMP_MICROS || converted == PARQUET_CONVERTED_TIMESTAMP_MILLIS) {
        return type_simple(TYPE_TIMESTAMP);
    }
    return element->logical == PARQUET_LOGICAL_TIME || converted == PARQUET_TIME_MICROS
               ? NULL
               : integer_type(element, walker->arena);
}

static const struct type *leaf_type(struct walker *walker, const struct parquet_element *element) {
    switch (element->physical) {
    case PARQUET_BOOLEAN:
        return type_simple(TYPE_BOOLEAN);
    case PARQUET_INT32:
    case PARQUET_INT64:
        return int_type(walker, element);
    case PARQUET_INT96:
        return type_simple(TYPE_TIMESTAMP);
    case PARQUET_FLOAT:
        return type_simple(TYPE_FLOAT);
    case PARQUET_DOUBLE:
        return type_simple(TYPE_DOUBLE);
    case PARQUET_BYTE_ARRAY:
    case PARQUET_FIXED:
        break;
    }
    if (element->logical == PARQUET_LOGICAL_DECIMAL || element->converted == PARQUET_DECIMAL) {
        bool fits = element->precision >= 1 && element->precision <= 38 && element->scale >= 0 &&
                    element->scale <= element->precision &&
                    (element->physical == PARQUET_BYTE_ARRAY || element->type_length <= 16);
        return fits ? type_decimal(walker->arena, element->precision, element->scale) : NULL;
    }
    if (element->physical == PARQUET_FIXED) {
        return element->converted == PARQUET_INTERVAL || element->logical == PARQUET_LOGICAL_FLOAT16
                   ? NULL
                   : type_simple(TYPE_BINARY);
    }
    bool text = element->converted == PARQUET_UTF8 || element->converted == PARQUET_ENUM ||
                element->converted == PARQUET_JSON || element->logical == PARQUET_LOGICAL_STRING ||
                element->logical == PARQUET_LOGICAL_ENUM || element->logical == PARQUET_LOGICAL_JSON;
    return type_simple(text ? TYPE_STRING : TYPE_BINARY);
}

static struct parquet_node *walk(struct walker *walker, int definition, int repetition, int depth, bool strip_repeated);

static struct parquet_element *peek(struct walker *walker, size_t ahead) {
    return walker->next + ahead < walker->count ? &walker->elements[walker->next + ahead] : NULL;
}

/* Children of a group as fields of a STRUCT. */
static bool walk_fields(struct walker *walker, struct parquet_node *node, int depth) {
    size_t count = (size_t)node->element.child_count;
    struct type_field *fields = ARENA_ARRAY(walker->arena, struct type_field, count + 1);
    node->children = ARENA_ARRAY(walker->arena, struct parquet_node *, count + 1);
    node->child_count = count;
    for (size_t i = 0; i < count; i++) {
        struct parquet_node *child = walk(walker, node->definition, node->repetition, depth + 1, false);
        if (child == NULL) {
            return false;
        }
        node->children[i] = child;
        node->leaf_count += child->leaf_count;
        fields[i] = (struct type_field){
            child->element.name, child->type != NULL ? child->type : type_simple(TYPE_NULL), true, BYTES_NULL};
    }
    node->type = type_struct(walker->arena, fields, count);
    return true;
}

/* The element of a list: `node` is at the level of the list. Rules of LogicalTypes.md for files of old writers
 * included. */
static bool walk_list(struct walker *walker, struct parquet_node *node, int depth) {
    struct parquet_element *repeated = peek(walker, 0);
    if (repeated == NULL || repeated->repetition != PARQUET_REPEATED) {
        return error_set(
            walker->error, ERROR_CORRUPT, "the list %.*s has no repeated group", BYTES_ARGS(node->element.name));
    }
    struct buffer tuple = {0};
    buffer_append_bytes(&tuple, node->element.name);
    buffer_append_text(&tuple, "_tuple");
    bool is_element = repeated->is_leaf || repeated->child_count != 1 || bytes_equal_text(repeated->name, "array") ||
                      bytes_equal(repeated->name, buffer_view(&tuple));
    buffer_free(&tuple);
    node->children = ARENA_ARRAY(walker->arena, struct parquet_node *, 1);
    node->child_count = 1;
    node->repeated_definition = node->definition + 1;
    if (!is_element) {
        walker->next++;
    }
    node->children[0] = walk(walker, node->repeated_definition, node->repetition + 1, depth + 1, is_element);
    if (node->children[0] == NULL) {
        return false;
    }
    node->leaf_count = node->children[0]->leaf_count;
    const struct type *element = node->children[0]->type;
    node->type = element == NULL ? NULL : type_array(walker->arena, element, true);
    return true;
}

static bool walk_map(struct walker *walker, struct parquet_node *node, int depth) {
    struct parquet_element *repeated = peek(walker, 0);
    if (repeated == NULL || repeated->repetition != PARQUET_REPEATED || repeated->is_leaf ||
        repeated->child_count != 2) {
        return error_set(walker->error, ERROR_CORRUPT, "the map %.*s has no group of keys and values",
            BYTES_ARGS(node->element.name));
    }
    walker->next++;
    node->children = ARENA_ARRAY(walker->arena, struct parquet_node *, 2);
    node->child_count = 2;
    node->repeated_definition = node->definition + 1;
    for (size_t i = 0; i < 2; i++) {
        node->children[i] = walk(walker, node->repeated_definition, node->repetition + 1, depth + 1, false);
        if (node->children[i] == NULL) {
            return false;
        }
        node->leaf_count += node->children[i]->leaf_count;
    }
    const struct type *key = node->children[0]->type, *value = node->children[1]->type;
    node->type = key == NULL || value == NULL ? NULL : type_map(walker->arena, key, value, true);
    return true;
}

/* A repeated field outside of a list group is a list of itself. */
static struct parquet_node *walk_bare_repeated(struct walker *walker, int definition, int repetition, int depth) {
    struct parquet_node *node = ARENA_NEW(walker->arena, struct parquet_node);
    node->element.name = peek(walker, 0)->name;
    node->definition = definition;
    node->repeated_definition = definition + 1;
    node->repetition = repetition;
    node->leaf_index = walker->maker.schema->leaf_count;
    node->children = ARENA_ARRAY(walker->arena, struct parquet_node *, 1);
    node->child_count = 1;
    node->children[0] = walk(walker, definition + 1, repetition + 1, depth + 1, true);
    if (node->children[0] == NULL) {
        return NULL;
    }
    node->leaf_count = node->children[0]->leaf_count;
    node->type = node->children[0]->type == NULL ? NULL : type_array(walker->arena, node->children[0]->type, false);
    return node;
}

static struct parquet_node *walk(
    struct walker *walker, int definition, int repetition, int depth, bool strip_repeated) {
    struct parquet_element *element = peek(walker, 0);
    if (element == NULL || depth > SCHEMA_DEPTH_MAX) {
        error_set(walker->error, ERROR_CORRUPT, "the schema in the footer is cut short or nested too deep");
        return NULL;
    }
    if (element->repetition == PARQUET_REPEATED && !strip_repeated && depth > 0) {
        return walk_bare_repeated(walker, definition, repetition, depth);
    }
    walker->next++;
    struct parquet_node *node = ARENA_NEW(walker->arena, struct parquet_node);
    node->element = *element;
    node->optional = element->repetition == PARQUET_OPTIONAL;
    node->definition = definition + node->optional;
    node->repetition = repetition;
    node->leaf_index = walker->maker.schema->leaf_count;
    if (element->is_leaf) {
        node->leaf_count = 1;
        node->type = leaf_type(walker, element);
        add_leaf(&walker->maker, node);
        return node;
    }
    if (element->child_count < 0 || (size_t)element->child_count > walker->count - walker->next) {
        error_set(walker->error, ERROR_CORRUPT, "the schema in the footer is cut short");
        return NULL;
    }
    bool list = element->converted == PARQUET_LIST || element->logical == PARQUET_LOGICAL_LIST;
    bool map = element->converted == PARQUET_MAP || element->converted == PARQUET_MAP_KEY_VALUE ||
               element->logical == PARQUET_LOGICAL_MAP;
    bool good = list && element->child_count == 1  ? walk_list(walker, node, depth)
                : map && element->child_count == 1 ? walk_map(walker, node, depth)
                                                   : walk_fields(walker, node, depth);
    return good ? node : NULL;
}

bool parquet_schema_from_elements(struct arena *arena, struct parquet_element *elements, size_t count,
    struct parquet_schema *schema, struct error *error) {
    *schema = (struct parquet_schema){.elements = elements, .element_count = count};
    struct walker walker = {.arena = arena, .elements = elements, .count = count, .error = error};
    walker.maker = (struct maker){.arena = arena, .schema = schema, .error = error};
    if (count == 0 || elements[0].is_leaf) {
        return error_set(error, ERROR_CORRUPT, "the footer has no schema");
    }
    elements[0].converted = PARQUET_CONVERTED_NONE;
    elements[0].logical = PARQUET_LOGICAL_NONE;
    elements[0].repetition = PARQUET_REQUIRED;
    schema->root = walk(&walker, 0, 0, 0, false);
    if (schema->root != NULL && walker.next != count) {
        return error_set(error, ERROR_CORRUPT, "the schema in the footer has elements that belong nowhere");
    }
    return schema->root != NULL;
}

/* ---- thrift ---- */

static void write_logical(const struct parquet_element *element, struct thrift_out *out) {
    thrift_write_begin(out, 10);
    thrift_write_begin(out, (int16_t)element->logical);
    if (element->logical == PARQUET_LOGICAL_DECIMAL) {
        thrift_write_i32(out, 1, element->scale);
        thrift_write_i32(out, 2, element->precision);
    } else if (element->logical == PARQUET_LOGICAL_TIMESTAMP) {
        thrift_write_boolean(out, 1, element->utc);
        thrift_write_begin(out, 2);
        thrift_write_begin(out, (int16_t)element->unit);
        thrift_write_end(out);
        thrift_write_end(out);
    } else if (element->logical == PARQUET_LOGICAL_INTEGER) {
        thrift_write_byte(out, 1, (int8_t)element->bits);
        thrift_write_boolean(out, 2, element->is_signed);
    }
    thrift_write_end(out);
    thrift_write_end(out);
}

void parquet_element_write(const struct parquet_element *element, struct thrift_out *out) {
    thrift_write_begin(out, 0);
    if (element->is_leaf) {
        thrift_write_i32(out, 1, element->physical);
        if (element->physical == PARQUET_FIXED) {
            thrift_write_i32(out, 2, element->type_length);
        }
    }
    thrift_write_i32(out, 3, element->repetition);
    thrift_write_binary(out, 4, element->name);
    if (!element->is_leaf) {
        thrift_write_i32(out, 5, element->child_count);
    }
    if (element->converted != PARQUET_CONVERTED_NONE) {
        thrift_write_i32(out, 6, element->converted);
    }
    if (element->logical == PARQUET_LOGICAL_DECIMAL) {
        thrift_write_i32(out, 7, element->scale);
        thrift_write_i32(out, 8, element->precision);
    }
    if (element->logical != PARQUET_LOGICAL_NONE) {
        write_logical(element, out);
    }
    thrift_write_end(out);
}

static void read_unit(struct thrift_in *in, struct parquet_element *element) {
    struct thrift_field field = {0};
    while (thrift_next(in, &field)) {
        element->unit = field.id <= PARQUET_NANOS ? (enum parquet_unit)field.id : PARQUET_MICROS;
        thrift_skip(in, &field);
    }
}

static void read_logical_parameters(struct thrift_in *in, struct parquet_element *element) {
    struct thrift_field field = {0};
    while (thrift_next(in, &field)) {
        bool time = element->logical == PARQUET_LOGICAL_TIMESTAMP || element->logical == PARQUET_LOGICAL_TIME;
        if (element->logical == PARQUET_LOGICAL_DECIMAL && field.id == 1) {
            element->scale = (int32_t)thrift_read_integer(in, &field);
        } else if (element->logical == PARQUET_LOGICAL_DECIMAL && field.id == 2) {
            element->precision = (int32_t)thrift_read_integer(in, &field);
        } else if (time && field.id == 1) {
            element->utc = thrift_read_boolean(in, &field);
        } else if (time && field.id == 2 && field.type == THRIFT_STRUCT) {
            read_unit(in, element);
        } else if (element->logical == PARQUET_LOGICAL_INTEGER && field.id == 1) {
            element->bits = (int)thrift_read_integer(in, &field);
        } else if (element->logical == PARQUET_LOGICAL_INTEGER && field.id == 2) {
            element->is_signed = thrift_read_boolean(in, &field);
        } else {
            thrift_skip(in, &field);
        }
    }
}

static void read_logical(struct thrift_in *in, struct parquet_element *element) {
    struct thrift_field field = {0};
    while (thrift_next(in, &field)) {
        if (field.type != THRIFT_STRUCT) {
            thrift_skip(in, &field);
            continue;
        }
        element->logical = (enum parquet_logical)field.id;
        read_logical_parameters(in, element);
    }
}

bool parquet_element_read(struct thrift_in *in, struct parquet_element *element) {
    struct thrift_field field = {0};
    *element = (struct parquet_element){.converted = PARQUET_CONVERTED_NONE};
    while (thrift_next(in, &field)) {
        switch (field.id) {
        case 1: {
            int64_t physical = thrift_read_integer(in, &field);
            in->failed |= physical < 0 || physical > PARQUET_FIXED;
            element->physical = (enum parquet_physical)(physical & 7);
            element->is_leaf = true;
            break;
        }
        case 2:
            element->type_length = (int32_t)thrift_read_integer(in, &field);
            in->failed |= element->type_length < 0;
            break;
        case 3: {
            int64_t repetition = thrift_read_integer(in, &field);
            in->failed |= repetition < 0 || repetition > PARQUET_REPEATED;
            element->repetition = (enum parquet_repetition)(repetition & 3);
            break;
        }
        case 4:
            element->name = thrift_read_binary(in, &field);
            break;
        case 5:
            element->child_count = (int32_t)thrift_read_integer(in, &field);
            break;
        case 6:
            element->converted = (int)thrift_read_integer(in, &field);
            break;
        case 7:
            element->scale = (int32_t)thrift_read_integer(in, &field);
            break;
        case 8:
            element->precision = (int32_t)thrift_read_integer(in, &field);
            break;
        case 10:
            if (field.type == THRIFT_STRUCT) {
                read_logical(in, element);
                break;
            }
            /* fall through */
        default:
            thrift_skip(in, &field);
        }
    }
    return !in->failed;
}

size_t parquet_leaf_path(const struct parquet_schema *schema, size_t leaf, struct bytes *path, size_t path_max) {
    /* The flattened elements in order, with a stack of children still to come. */
    int32_t left[SCHEMA_DEPTH_MAX * 2 + 2];
    size_t depth = 0, seen = 0;
    left[0] = schema->elements[0].child_count;
    for (size_t i = 1; i < schema->element_count; i++) {
        const struct parquet_element *element = &schema->elements[i];
        while (left[depth] == 0) {
            depth--;
        }
        left[depth]--;
        ASSERT(depth < path_max && depth + 1 < ARRAY_COUNT(left));
        path[depth] = element->name;
        if (element->is_leaf) {
            if (seen++ == leaf) {
                return depth + 1;
            }
        } else {
            left[++depth] = element->child_count;
        }
    }
    return 0;
}
