/* parquet_read.c: footers, and rows from column chunks. A batch never spans row groups. Nested columns are put together
 * from the levels of their leaves (Melnik et al., "Dremel", VLDB 2010): the slots of a node are the level entries that
 * start a new element of its innermost repeated ancestor. */
#include "format/parquet_file.h"

#include <stdlib.h>
#include "base/assert.h"

enum { ROW_GROUPS_MAX = 1 << 20 };

/* ---- footer ---- */

static void read_statistics(struct thrift_in *in, struct parquet_chunk_meta *chunk) {
    struct thrift_field field = {0};
    while (thrift_next(in, &field)) {
        if (field.id == 3) {
            chunk->null_count = thrift_read_integer(in, &field);
        } else if (field.id == 5) {
            chunk->maximum = thrift_read_binary(in, &field);
        } else if (field.id == 6) {
            chunk->minimum = thrift_read_binary(in, &field);
        } else {
            thrift_skip(in, &field);
        }
    }
}

static void read_chunk_meta(struct thrift_in *in, struct parquet_chunk_meta *chunk) {
    struct thrift_field field = {0};
    int64_t data_offset = -1, dictionary_offset = -1;
    while (thrift_next(in, &field)) {
        switch (field.id) {
        case 4:
            chunk->codec = (int)thrift_read_integer(in, &field);
            break;
        case 5:
            chunk->value_count = thrift_read_integer(in, &field);
            break;
        case 7:
            chunk->size = thrift_read_integer(in, &field);
            break;
        case 9:
            data_offset = thrift_read_integer(in, &field);
            break;
        case 11:
            dictionary_offset = thrift_read_integer(in, &field);
            break;
        case 12:
            if (field.type == THRIFT_STRUCT) {
                read_statistics(in, chunk);
                break;
            }
            /* fall through */
        default:
            thrift_skip(in, &field);
        }
    }
    /* Some writers put a 0 where there is no dictionary. */
    chunk->start = dictionary_offset > 0 && dictionary_offset < data_offset ? dictionary_offset : data_offset;
}

static void read_chunk(struct thrift_in *in, struct parquet_chunk_meta *chunk) {
    struct thrift_field field = {0};
    *chunk = (struct parquet_chunk_meta){.start = -1, .null_count = -1};
    while (thrift_next(in, &field)) {
        if (field.id == 3 && field.type == THRIFT_STRUCT) {
            read_chunk_meta(in, chunk);
        } else {
            thrift_skip(in, &field);
        }
    }
}

static void read_group(struct thrift_in *in, struct parquet_file *file, struct parquet_group *group) {
    struct thrift_field field = {0};
    while (thrift_next(in, &field)) {
        if (field.id == 1) {
            size_t count = thrift_read_list(in, &field, THRIFT_STRUCT);
            if (in->failed || count != file->schema.leaf_count) {
                in->failed = true;
                return;
            }
            group->chunks = ARENA_ARRAY(&file->arena, struct parquet_chunk_meta, count + 1);
            for (size_t i = 0; i < count; i++) {
                read_chunk(in, &group->chunks[i]);
            }
        } else if (field.id == 3) {
            group->row_count = thrift_read_integer(in, &field);
        } else {
            thrift_skip(in, &field);
        }
    }
    in->failed |= group->chunks == NULL || group->row_count < 0;
    group->start = in->failed || file->schema.leaf_count == 0 ? 0 : group->chunks[0].start;
}

static void read_groups(struct thrift_in *in, const struct thrift_field *field, struct parquet_file *file) {
    size_t count = thrift_read_list(in, field, THRIFT_STRUCT);
    if (in->failed || count > ROW_GROUPS_MAX) {
        in->failed = true;
        return;
    }
    file->groups = ARENA_ARRAY(&file->arena, struct parquet_group, count + 1);
    file->group_count = count;
    for (size_t i = 0; i < count && !in->failed; i++) {
        read_group(in, file, &file->groups[i]);
    }
}

static void read_key_values(struct thrift_in *in, const struct thrift_field *list, struct parquet_file *file) {
    size_t count = thrift_read_list(in, list, THRIFT_STRUCT);
    for (size_t i = 0; i < count && !in->failed; i++) {
        struct bytes key = {0}, value = {0};
        struct thrift_field field = {0};
        while (thrift_next(in, &field)) {
            if (field.id == 1) {
                key = thrift_read_binary(in, &field);
            } else if (field.id == 2) {
                value = thrift_read_binary(in, &field);
            } else {
                thrift_skip(in, &field);
            }
        }
        if (bytes_equal(key, BYTES("org.apache.spark.sql.parquet.row.metadata"))) {
            file->spark_schema = value;
        }
    }
}

static bool read_schema(
    struct thrift_in *in, const struct thrift_field *field, struct parquet_file *file, struct error *error) {
    size_t count = thrift_read_list(in, field, THRIFT_STRUCT);
    struct parquet_element *elements = ARENA_ARRAY(&file->arena, struct parquet_element, count + 1);
    for (size_t i = 0; i < count && !in->failed; i++) {
        parquet_element_read(in, &elements[i]);
    }
    return !in->failed && parquet_schema_from_elements(&file->arena, elements, count, &file->schema, error);
}

/* The schema comes before the row groups in the footer, as its field ids do. */
static bool read_footer(struct parquet_file *file, struct bytes footer, struct error *error) {
    struct thrift_in in = {footer.data, footer.data + footer.size, false, 0};
    struct thrift_field field = {0};
    error_set(error, ERROR_CORRUPT, "the Parquet footer is damaged");
    while (thrift_next(&in, &field)) {
        if (field.id == 2) {
            if (!read_schema(&in, &field, file, error)) {
                return false;
            }
        } else if (field.id == 3) {
            file->row_count = thrift_read_integer(&in, &field);
        } else if (field.id == 4) {
            if (file->schema.root == NULL) {
                return false;
            }
            read_groups(&in, &field, file);
        } else if (field.id == 5) {
            read_key_values(&in, &field, file);
        } else if (field.id == 6) {
            file->created_by = arena_text(&file->arena, thrift_read_binary(&in, &field));
        } else {
            thrift_skip(&in, &field);
        }
    }
    return !in.failed && file->schema.root != NULL;
}

/* Types that Parquet has no name for, from the schema that Spark stored beside. */
static void refine_types(struct parquet_file *file) {
    struct parquet_node *root = file->schema.root;
    const struct type *stored =
        file->spark_schema.data == NULL ? NULL : type_parse_json(&file->arena, file->spark_schema, NULL);
    struct type_field *fields = ARENA_ARRAY(&file->arena, struct type_field, root->child_count + 1);
    for (size_t i = 0; i < root->child_count; i++) {
        struct parquet_node *node = root->children[i];
        fields[i] = (struct type_field){node->element.name, node->type, true, BYTES_NULL};
        int index = stored == NULL || stored->kind != TYPE_STRUCT ? -1 : type_field_index(stored, node->element.name);
        if (index >= 0 && node->type != NULL) {
            const struct type *type = stored->fields[index].type;
            bool same_form = (type->kind == TYPE_YEAR_MONTH_INTERVAL && node->type->kind == TYPE_INTEGER) ||
                             (type->kind == TYPE_DAY_TIME_INTERVAL && node->type->kind == TYPE_LONG);
            fields[i].type = node->type = same_form ? type : node->type;
            fields[i].metadata = stored->fields[index].metadata;
        }
        fields[i].type = fields[i].type != NULL ? fields[i].type : type_simple(TYPE_NULL);
    }
    file->type = root->type = type_struct(&file->arena, fields, root->child_count);
}

struct parquet_file *parquet_file_open(const struct format_source *source, struct error *error) {
    struct bytes data = source->data;
    uint32_t size = 0;
    if (data.size < 12 || memcmp(data.data + data.size - 4, "PAR1", 4) != 0) {
        bool encrypted = data.size >= 12 && memcmp(data.data + data.size - 4, "PARE", 4) == 0;
        error_set(error, encrypted ? ERROR_UNSUPPORTED : ERROR_CORRUPT,
            encrypted ? "the Parquet file is encrypted" : "it is not a Parquet file: its last bytes are not PAR1");
        return NULL;
    }
    memcpy(&size, data.data + data.size - 8, 4);
    if (size > data.size - 12) {
        error_set(error, ERROR_CORRUPT, "the Parquet footer is longer than the file");
        return NULL;
    }
    struct parquet_file *file = calloc(1, sizeof *file);
    ASSERT(file != NULL);
    file->source = *source;
    file->created_by = "";
    if (!read_footer(file, bytes_slice(data, data.size - 8 - size, size), error)) {
        parquet_file_close(file);
        return NULL;
    }
    refine_types(file);
    return file;
}

void parquet_file_close(struct parquet_file *file) {
    if (file != NULL) {
        arena_destroy(&file->arena);
        free(file);
    }
}

const struct type *parquet_file_schema(const struct parquet_file *file) {
    return file->type;
}
int64_t parquet_file_row_count(const struct parquet_file *file) {
    return file->row_count;
}
size_t parquet_file_row_group_count(const struct parquet_file *file) {
    return file->group_count;
}
const char *parquet_file_created_by(const struct parquet_file *file) {
    return file->created_by;
}

/* ---- putting columns together ---- */

struct assembly {
    struct batch *batch;
    struct parquet_slice *slices; /* per leaf of the file; only those wanted are filled */
};

/* Where the slots of a node are found: entries with repetition at most `repetition` and definition at least
 * `definition`. */
struct place {
    int repetition, definition;
};

static bool is_slot(const struct parquet_slice *slice, size_t entry, struct place place) {
    return slice->definitions[entry] >= place.definition &&
           (slice->repetitions == NULL ? 0 : slice->repetitions[entry]) <= place.repetition;
}

static struct column *new_column(struct assembly *assembly, const struct type *type, size_t row_count) {
    struct column *column = ARENA_NEW(&assembly->batch->arena, struct column);
    column->type = type;
    column->row_count = row_count;
    return column;
}

static struct column *assemble_leaf(struct assembly *assembly, const struct parquet_node *node, struct place place) {
    const struct parquet_slice *slice = &assembly->slices[node->leaf_index];
    struct arena *arena = &assembly->batch->arena;
    size_t size = type_value_size(node->type);
    if (slice->value_count == slice->level_count) { /* nothing absent: every entry is a slot */
        struct column *column = new_column(assembly, node->type, slice->level_count);
        column->values = slice->values;
        return column;
    }
    struct column *column = new_column(assembly, node->type, slice->level_count);
    uint8_t *values = arena_allocate_zeroed(arena, slice->level_count * size + 16),
            *validity = column_make_nullable(arena, column);
    size_t row = 0, value = 0;
    for (size_t i = 0; i < slice->level_count; i++) {
        bool present = slice->definitions[i] == node->definition;
        if (is_slot(slice, i, place)) {
            if (present) {
                memcpy(values + row * size, slice->values + value * size, size);
            } else {
                bit_clear(validity, row);
            }
            row++;
        }
        value += present;
    }
    column->values = values;
    column->row_count = row;
    return column;
}

static struct column *assemble(struct assembly *assembly, const struct parquet_node *node, struct place place);

/* Slots of a group, with those that are null marked. */
static struct column *group_slots(struct assembly *assembly, const struct parquet_node *node, struct place place) {
    const struct parquet_slice *slice = &assembly->slices[node->leaf_index];
    struct column *column = new_column(assembly, node->type, slice->level_count);
    uint8_t *validity = node->optional ? column_make_nullable(&assembly->batch->arena, column) : NULL;
    size_t row = 0;
    for (size_t i = 0; i < slice->level_count; i++) {
        if (is_slot(slice, i, place)) {
            if (validity != NULL && slice->definitions[i] < node->definition) {
                bit_clear(validity, row);
            }
            row++;
        }
    }
    column->row_count = row;
    column->child_count = node->child_count;
    column->children = ARENA_ARRAY(&assembly->batch->arena, struct column *, node->child_count + 1);
    return column;
}

static struct column *assemble_repeated(
    struct assembly *assembly, const struct parquet_node *node, struct place place) {
    const struct parquet_slice *slice = &assembly->slices[node->leaf_index];
    struct column *column = group_slots(assembly, node, place);
    int32_t *offsets = arena_allocate(&assembly->batch->arena, (column->row_count + 1) * sizeof *offsets);
    struct place inner = {node->repetition + 1, node->repeated_definition};
    int32_t elements = 0;
    size_t row = 0;
    for (size_t i = 0; i < slice->level_count; i++) {
        if (is_slot(slice, i, place)) {
            offsets[row++] = elements;
        }
        elements += is_slot(slice, i, inner);
    }
    offsets[row] = elements;
    column->offsets = offsets;
    for (size_t i = 0; i < node->child_count; i++) {
        column->children[i] = assemble(assembly, node->children[i], inner);
        if (column->children[i]->row_count != (size_t)elements) {
            /* Leaves of one group that disagree: a damaged file; the caller sees the count. */
            column->children[i] =
                column_create_nulls(&assembly->batch->arena, column->children[i]->type, (size_t)elements);
        }
    }
    return column;
}

static struct column *assemble(struct assembly *assembly, const struct parquet_node *node, struct place place) {
    if (node->child_count == 0 && node->element.is_leaf) {
        return assemble_leaf(assembly, node, place);
    }
    if (node->type->kind != TYPE_STRUCT) {
        return assemble_repeated(assembly, node, place);
    }
    struct column *column = group_slots(assembly, node, place);
    for (size_t i = 0; i < node->child_count; i++) {
        column->children[i] = assemble(assembly, node->children[i], place);
        if (column->children[i]->row_count != column->row_count) {
            column->children[i] =
                column_create_nulls(&assembly->batch->arena, column->children[i]->type, column->row_count);
        }
    }
    return column;
}

/* ---- fitting a file's column to the type that is asked for ---- */

static bool widen(struct column *from, const struct type *to, struct arena *arena, struct column **result) {
    if (!type_is_integral(from->type) && from->type->kind != TYPE_FLOAT) {
        return false;
    }
    size_t size = type_value_size(to);
    struct column *column = ARENA_NEW(arena, struct column);
    *column = *from;
    column->type = to;
    uint8_t *out = column->values = arena_allocate_zeroed(arena, from->row_count * size + 16);
    for (size_t i = 0; i < from->row_count; i++) {
        int64_t value = from->type->kind == TYPE_BYTE      ? COLUMN_VALUES(from, int8_t)[i]
                        : from->type->kind == TYPE_SHORT   ? COLUMN_VALUES(from, int16_t)[i]
                        : from->type->kind == TYPE_INTEGER ? COLUMN_VALUES(from, int32_t)[i]
                        : from->type->kind == TYPE_LONG    ? COLUMN_VALUES(from, int64_t)[i]
                                                           : 0;
        double real = from->type->kind == TYPE_FLOAT ? (double)COLUMN_VALUES(from, float)[i] : (double)value;
        int32_t narrow = (int32_t)value;
        int16_t half = (int16_t)value;
        switch (to->kind) {
        case TYPE_SHORT:
            memcpy(out + i * 2, &half, 2);
            break;
        case TYPE_INTEGER:
            memcpy(out + i * 4, &narrow, 4);
            break;
        case TYPE_LONG:
            memcpy(out + i * 8, &value, 8);
            break;
        case TYPE_DOUBLE:
            memcpy(out + i * 8, &real, 8);
            break;
        default:
            return false;
        }
    }
    *result = column;
    return type_is_integral(from->type)
               ? to->kind == TYPE_DOUBLE ? from->type->kind != TYPE_LONG : to->kind > from->type->kind
               : to->kind == TYPE_DOUBLE;
}

/* A nested column with the fields that are asked for, by name. */
static bool fit(struct column *from, const struct type *to, struct arena *arena, struct column **result,
    struct bytes name, struct error *error) {
    if (from->type->kind != to->kind) {
        bool instants = (from->type->kind == TYPE_TIMESTAMP || from->type->kind == TYPE_TIMESTAMP_NTZ) &&
                        (to->kind == TYPE_TIMESTAMP || to->kind == TYPE_TIMESTAMP_NTZ);
        bool bytes = (from->type->kind == TYPE_STRING || from->type->kind == TYPE_BINARY) &&
                     (to->kind == TYPE_STRING || to->kind == TYPE_BINARY);
        if (instants || bytes) {
            *result = ARENA_NEW(arena, struct column);
            **result = *from;
            (*result)->type = to;
            return true;
        }
        if (widen(from, to, arena, result)) {
            return true;
        }
        struct buffer text = {0};
        type_format_simple(to, &text);
        buffer_append_text(&text, ", the file has ");
        type_format_simple(from->type, &text);
        error_set(error, ERROR_INVALID,
            "Data type mismatches when reading Parquet column [%.*s]. Expected Spark type %.*s", BYTES_ARGS(name),
            BYTES_ARGS(buffer_view(&text)));
        buffer_free(&text);
        return false;
    }
    struct column *column = ARENA_NEW(arena, struct column);
    *column = *from;
    column->type = to;
    *result = column;
    if (to->kind == TYPE_DECIMAL && (to->scale != from->type->scale || to->precision < from->type->precision)) {
        return error_set(error, ERROR_INVALID,
            "Data type mismatches when reading Parquet column [%.*s]: decimals of another precision or scale",
            BYTES_ARGS(name));
    }
    if (to->kind == TYPE_STRUCT) {
        column->child_count = to->field_count;
        column->children = ARENA_ARRAY(arena, struct column *, to->field_count + 1);
        for (size_t i = 0; i < to->field_count; i++) {
            int index = type_field_index(from->type, to->fields[i].name);
            if (index < 0) {
                column->children[i] = column_create_nulls(arena, to->fields[i].type, from->row_count);
            } else if (!fit(from->children[index], to->fields[i].type, arena, &column->children[i], to->fields[i].name,
                           error)) {
                return false;
            }
        }
        return true;
    }
    if (to->kind == TYPE_ARRAY || to->kind == TYPE_MAP) {
        column->children = ARENA_ARRAY(arena, struct column *, 2);
        bool map = to->kind == TYPE_MAP;
        return (!map || fit(from->children[0], to->key, arena, &column->children[0], name, error)) &&
               fit(from->children[map], to->element, arena, &column->children[map], name, error);
    }
    return true;
}

/* ---- reader ---- */

struct parquet_rows {
    struct parquet_file *file;
    const struct type *schema;
    int *columns; /* per wanted field its node below the root, or -1 */
    struct parquet_leaf_reader *leaves;
    bool *leaf_wanted;
    struct parquet_slice *slices;
    size_t group, batch_rows;
    int64_t rows_left; /* in the row group at hand */
    int64_t range_start, range_end;
    const struct format_filter *filters;
    size_t filter_count;
};

static void close_leaves(struct parquet_rows *rows) {
    for (size_t i = 0; i < rows->file->schema.leaf_count; i++) {
        if (rows->leaf_wanted[i]) {
            parquet_leaf_close(&rows->leaves[i]);
        }
    }
}

static bool has_type(const struct parquet_node *node) {
    bool good = node->type != NULL;
    for (size_t i = 0; i < node->child_count && good; i++) {
        good = has_type(node->children[i]);
    }
    return good;
}

static bool choose_columns(struct parquet_rows *rows, struct error *error) {
    struct parquet_file *file = rows->file;
    rows->columns = ARENA_ARRAY(&file->arena, int, rows->schema->field_count + 1);
    rows->leaf_wanted = ARENA_ARRAY(&file->arena, bool, file->schema.leaf_count + 1);
    rows->leaves = ARENA_ARRAY(&file->arena, struct parquet_leaf_reader, file->schema.leaf_count + 1);
    rows->slices = ARENA_ARRAY(&file->arena, struct parquet_slice, file->schema.leaf_count + 1);
    for (size_t i = 0; i < rows->schema->field_count; i++) {
        rows->columns[i] = type_field_index(file->type, rows->schema->fields[i].name);
        if (rows->columns[i] < 0) {
            continue;
        }
        struct parquet_node *node = file->schema.root->children[rows->columns[i]];
        if (!has_type(node)) {
            return error_set(error, ERROR_UNSUPPORTED,
                "column %.*s has a Parquet type that cannot be read (TIME, INTERVAL, FLOAT16 or a decimal over "
                "38 digits)",
                BYTES_ARGS(node->element.name));
        }
        for (size_t leaf = 0; leaf < node->leaf_count; leaf++) {
            rows->leaf_wanted[node->leaf_index + leaf] = true;
        }
    }
    return true;
}

static struct format_reader *open_rows(
    const struct format_source *source, const struct format_read_request *request, struct error *error) {
    struct parquet_file *file = parquet_file_open(source, error);
    if (file == NULL) {
        return NULL;
    }
    struct parquet_rows *rows = ARENA_NEW(&file->arena, struct parquet_rows);
    *rows = (struct parquet_rows){.file = file,
        .schema = request->schema,
        .batch_rows = request->batch_rows,
        .range_start = request->range_start,
        .range_end = request->range_end,
        .filters = request->filters,
        .filter_count = request->filter_count};
    rows->batch_rows = rows->batch_rows != 0 ? rows->batch_rows : BATCH_ROWS_TARGET;
    rows->range_end = rows->range_end != 0 ? rows->range_end : INT64_MAX;
    if (!choose_columns(rows, error)) {
        parquet_file_close(file);
        return NULL;
    }
    return (struct format_reader *)rows;
}

static void close_rows(struct format_reader *reader) {
    struct parquet_rows *rows = (struct parquet_rows *)reader;
    if (rows != NULL) {
        close_leaves(rows);
        parquet_file_close(rows->file);
    }
}

/* Sign of value - bound for types whose order is plain; 2 when it cannot be told. */
static int compare_bound(const struct column *value, const struct parquet_node *node, struct bytes bound) {
    int64_t left = 0, right = 0;
    enum type_kind kind = node->type->kind;
    if (bound.data == NULL || value->type->kind != kind || column_is_null(value, 0)) {
        return 2;
    }
    if ((kind == TYPE_INTEGER || kind == TYPE_DATE) && bound.size == 4 && node->element.physical == PARQUET_INT32) {
        int32_t narrow;
        memcpy(&narrow, bound.data, 4);
        right = narrow;
        left = COLUMN_VALUES(value, int32_t)[0];
    } else if ((kind == TYPE_LONG || kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_NTZ) && bound.size == 8 &&
               node->element.physical == PARQUET_INT64 && node->element.unit != PARQUET_MILLIS &&
               node->element.unit != PARQUET_NANOS && node->element.converted != PARQUET_CONVERTED_TIMESTAMP_MILLIS) {
        memcpy(&right, bound.data, 8);
        left = COLUMN_VALUES(value, int64_t)[0];
    } else if (kind == TYPE_STRING) {
        struct string_view view = COLUMN_VALUES(value, struct string_view)[0];
        int order = bytes_compare(bytes_make(view.data, view.size), bound);
        return order < 0 ? -1 : order > 0;
    } else {
        return 2;
    }
    return left < right ? -1 : left > right;
}

/* Whether the statistics say that no row of the group passes the filter. */
static bool is_ruled_out(
    const struct parquet_rows *rows, const struct parquet_group *group, const struct format_filter *filter) {
    int index = type_field_index(rows->file->type, filter->column);
    const struct parquet_node *node = index < 0 ? NULL : rows->file->schema.root->children[index];
    if (node == NULL || node->child_count > 0 || node->type == NULL) {
        return false;
    }
    const struct parquet_chunk_meta *chunk = &group->chunks[node->leaf_index];
    if (filter->compare == FORMAT_NOT_NULL) {
        return chunk->null_count == group->row_count && group->row_count > 0;
    }
    int low = compare_bound(filter->value, node, chunk->minimum),
        high = compare_bound(filter->value, node, chunk->maximum);
    if (low == 2 || high == 2) {
        return false;
    }
    switch (filter->compare) {
    case FORMAT_EQUAL:
        return low < 0 || high > 0;
    case FORMAT_LESS:
        return low <= 0;
    case FORMAT_LESS_EQUAL:
        return low < 0;
    case FORMAT_GREATER:
        return high >= 0;
    case FORMAT_GREATER_EQUAL:
        return high > 0;
    case FORMAT_NOT_NULL:
        break;
    }
    return false;
}

static bool is_wanted(const struct parquet_rows *rows, const struct parquet_group *group) {
    if (group->row_count == 0 || group->start < rows->range_start || group->start >= rows->range_end) {
        return false;
    }
    for (size_t i = 0; i < rows->filter_count; i++) {
        if (is_ruled_out(rows, group, &rows->filters[i])) {
            return false;
        }
    }
    return true;
}

/* Opens the leaves of the next wanted row group. */
static enum format_next next_group(struct parquet_rows *rows, struct error *error) {
    struct parquet_file *file = rows->file;
    close_leaves(rows);
    while (rows->group < file->group_count && !is_wanted(rows, &file->groups[rows->group])) {
        rows->group++;
    }
    if (rows->group == file->group_count) {
        return FORMAT_NEXT_END;
    }
    struct parquet_group *group = &file->groups[rows->group++];
    for (size_t i = 0; i < file->schema.leaf_count; i++) {
        if (rows->leaf_wanted[i] &&
            !parquet_leaf_open(&rows->leaves[i], file->schema.leaves[i], &file->source, &group->chunks[i], error)) {
            return FORMAT_NEXT_ERROR;
        }
    }
    rows->rows_left = group->row_count;
    return FORMAT_NEXT_BATCH;
}

static bool fill(struct parquet_rows *rows, struct batch *batch, size_t count, struct error *error) {
    struct parquet_file *file = rows->file;
    for (size_t i = 0; i < file->schema.leaf_count; i++) {
        if (rows->leaf_wanted[i] && !parquet_leaf_read(&rows->leaves[i], count, batch, &rows->slices[i], error)) {
            return false;
        }
    }
    struct assembly assembly = {batch, rows->slices};
    for (size_t i = 0; i < rows->schema->field_count; i++) {
        const struct type *type = rows->schema->fields[i].type;
        if (rows->columns[i] < 0) {
            batch->columns[i] = column_create_nulls(&batch->arena, type, count);
            continue;
        }
        struct column *column =
            assemble(&assembly, file->schema.root->children[rows->columns[i]], (struct place){0, 0});
        if (column->row_count != count) {
            return error_set(error, ERROR_CORRUPT, "column %.*s has another number of rows than its row group",
                BYTES_ARGS(rows->schema->fields[i].name));
        }
        if (!fit(column, type, &batch->arena, &batch->columns[i], rows->schema->fields[i].name, error)) {
            return false;
        }
    }
    return true;
}

static enum format_next next_rows(struct format_reader *reader, struct batch **out, struct error *error) {
    struct parquet_rows *rows = (struct parquet_rows *)reader;
    if (rows->rows_left == 0) {
        enum format_next next = next_group(rows, error);
        if (next != FORMAT_NEXT_BATCH) {
            return next;
        }
    }
    size_t count = rows->rows_left < (int64_t)rows->batch_rows ? (size_t)rows->rows_left : rows->batch_rows;
    struct batch *batch = batch_create(rows->schema);
    batch->row_count = count;
    format_source_keep(&rows->file->source, batch);
    if (!fill(rows, batch, count, error)) {
        batch_release(batch);
        return FORMAT_NEXT_ERROR;
    }
    rows->rows_left -= (int64_t)count;
    *out = batch;
    return FORMAT_NEXT_BATCH;
}

static bool infer(struct arena *arena, const struct format_source *source, const struct format_options *options,
    const struct timezone *zone, const struct type **schema, struct error *error) {
    struct parquet_file *file = parquet_file_open(source, error);
    if (file == NULL) {
        return false;
    }
    for (size_t i = 0; i < file->schema.root->child_count; i++) {
        if (!has_type(file->schema.root->children[i])) {
            struct bytes name = file->schema.root->children[i]->element.name;
            error_set(error, ERROR_UNSUPPORTED,
                "Illegal Parquet type of column %.*s (TIME, INTERVAL, FLOAT16 or a decimal over 38 digits)",
                BYTES_ARGS(name));
            parquet_file_close(file);
            return false;
        }
    }
    *schema = type_copy(arena, file->type);
    parquet_file_close(file);
    return true;
}

/* ---- writing through the table ---- */

static bool get_write_options(
    const struct format_options *options, struct parquet_write_options *result, struct error *error) {
    int64_t block = 0, page = 0;
    bool dictionary = true, delta = true;
    struct bytes form = format_option_get(options, "outputTimestampType");
    *result = (struct parquet_write_options){0};
    if (!format_codec_get(&format_parquet, options, &result->codec, error) ||
        !format_option_int64(options, "parquet.block.size", &block, error) ||
        !format_option_int64(options, "parquet.page.size", &page, error) ||
        !format_option_boolean(options, "parquet.enable.dictionary", &dictionary, error) ||
        !format_option_boolean(options, "parquet.enable.delta", &delta, error)) {
        return false;
    }
    if (bytes_equal_ignore_case(form, BYTES("INT96"))) {
        result->timestamp = PARQUET_TIMESTAMP_INT96;
    } else if (bytes_equal_ignore_case(form, BYTES("TIMESTAMP_MILLIS"))) {
        result->timestamp = PARQUET_TIMESTAMP_MILLIS;
    }
    if (block < 0 || page < 0) {
        return error_set(error, ERROR_INVALID, "parquet.block.size and parquet.page.size are not negative");
    }
    result->row_group_size = (size_t)block;
    result->page_size = (size_t)page;
    result->no_dictionary = !dictionary;
    result->no_delta = !delta;
    return true;
}

static struct format_writer *create(const struct type *schema, const struct format_options *options,
    const struct timezone *zone, struct format_output output, struct error *error) {
    struct parquet_write_options write_options;
    return get_write_options(options, &write_options, error)
               ? (struct format_writer *)parquet_writer_create(schema, &write_options, output, error)
               : NULL;
}
static bool write_batch(struct format_writer *writer, const struct batch *batch, struct error *error) {
    return parquet_writer_write((struct parquet_writer *)writer, batch, error);
}
static bool finish(struct format_writer *writer, struct error *error) {
    return parquet_writer_finish((struct parquet_writer *)writer, error);
}
static void abort_writer(struct format_writer *writer) {
    parquet_writer_abort((struct parquet_writer *)writer);
}

const struct format_class format_parquet = {.name = "parquet",
    .extension = "parquet",
    .splittable = true,
    .infer = infer,
    .open = open_rows,
    .next = next_rows,
    .close = close_rows,
    .codec = FORMAT_CODEC_SNAPPY,
    .create = create,
    .write = write_batch,
    .finish = finish,
    .abort = abort_writer};
