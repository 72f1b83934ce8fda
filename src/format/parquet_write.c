/* parquet_write.c: Parquet files (parquet-format's README.md and parquet.thrift): "PAR1", row groups of column chunks,
 * the footer with the schema, the footer's length, "PAR1". A row group is kept in memory, encoded, until it is large
 * enough. */
#include "format/parquet.h"

#include <stdlib.h>
#include "base/assert.h"
#include "base/vector.h"
#include "format/parquet_page.h"

#define PARQUET_CREATED_BY "raudal version 0.1.0 (build 0)"
/* The version of Spark whose conventions the files follow; readers look only at its form. */
#define PARQUET_SPARK_VERSION "4.0.0"

struct chunk_place {
    int64_t dictionary_offset, data_offset, compressed_size, uncompressed_size, value_count;
    uint32_t encodings;
    struct buffer statistics; /* thrift */
};

struct row_group {
    struct chunk_place *places;
    int64_t row_count, size, compressed_size, offset;
};

struct parquet_writer {
    struct arena arena;
    struct parquet_write_options options;
    struct parquet_schema schema;
    struct parquet_chunk *chunks;
    struct format_output output;
    int64_t position;
    int64_t group_rows, total_rows;
    VECTOR(struct row_group) groups;
    const struct type *type;
};

static bool put(struct parquet_writer *writer, struct bytes data, struct error *error) {
    writer->position += (int64_t)data.size;
    return data.size == 0 || writer->output.write(writer->output.context, data.data, data.size, error);
}

struct parquet_writer *parquet_writer_create(const struct type *schema, const struct parquet_write_options *options,
    struct format_output output, struct error *error) {
    struct parquet_writer *writer = calloc(1, sizeof *writer);
    ASSERT(writer != NULL);
    writer->options = *options;
    writer->options.row_group_size = options->row_group_size != 0 ? options->row_group_size : (size_t)128 << 20;
    writer->options.page_size = options->page_size != 0 ? options->page_size : (size_t)1 << 20;
    writer->output = output;
    writer->type = schema;
    if (schema->field_count == 0) {
        error_set(error, ERROR_INVALID, "a Parquet file needs at least one column");
    }
    if (schema->field_count == 0 ||
        !parquet_schema_from_type(&writer->arena, schema, options->timestamp, &writer->schema, error)) {
        parquet_writer_abort(writer);
        return NULL;
    }
    writer->chunks = ARENA_ARRAY(&writer->arena, struct parquet_chunk, writer->schema.leaf_count);
    for (size_t i = 0; i < writer->schema.leaf_count; i++) {
        parquet_chunk_init(&writer->chunks[i], writer->schema.leaves[i], &writer->options);
    }
    if (!put(writer, BYTES("PAR1"), error)) {
        parquet_writer_abort(writer);
        return NULL;
    }
    return writer;
}

void parquet_writer_abort(struct parquet_writer *writer) {
    if (writer == NULL) {
        return;
    }
    for (size_t i = 0; writer->chunks != NULL && i < writer->schema.leaf_count; i++) {
        parquet_chunk_free(&writer->chunks[i]);
    }
    for (size_t i = 0; i < writer->groups.count; i++) {
        for (size_t j = 0; j < writer->schema.leaf_count; j++) {
            buffer_free(&writer->groups.items[i].places[j].statistics);
        }
    }
    VECTOR_FREE(&writer->groups);
    arena_destroy(&writer->arena);
    free(writer);
}

/* ---- nested values: levels by walking the tree for each row ---- */

static void walk_nulls(struct parquet_writer *writer, const struct parquet_node *node, int repetition, int definition) {
    for (size_t i = 0; i < node->leaf_count; i++) {
        parquet_chunk_append_one(&writer->chunks[node->leaf_index + i], NULL, 0, repetition, definition);
    }
}

static void walk_value(struct parquet_writer *writer, const struct parquet_node *node, const struct column *column,
    size_t row, int repetition) {
    row = column->constant ? 0 : row;
    /* A null where the schema says there is none is written as the level above, as far as that can be said. */
    if (column->type->kind == TYPE_NULL || column_is_null(column, row)) {
        walk_nulls(writer, node, repetition,
            node->optional         ? node->definition - 1
            : node->definition > 0 ? node->definition - 1
                                   : 0);
        return;
    }
    if (node->child_count == 0) {
        parquet_chunk_append_one(&writer->chunks[node->leaf_index], column, row, repetition, node->definition);
        return;
    }
    if (node->type->kind == TYPE_STRUCT) {
        for (size_t i = 0; i < node->child_count; i++) {
            walk_value(writer, node->children[i], column->children[i], row, repetition);
        }
        return;
    }
    int32_t start = column->offsets[row], end = column->offsets[row + 1];
    if (start == end) {
        walk_nulls(writer, node, repetition, node->definition);
        return;
    }
    for (int32_t i = start; i < end; i++) {
        for (size_t child = 0; child < node->child_count; child++) {
            walk_value(writer, node->children[child], column->children[child], (size_t)i,
                i == start ? repetition : node->repetition + 1);
        }
    }
}

static bool write_nested(struct parquet_writer *writer, const struct parquet_node *node, const struct column *column,
    size_t row_count, struct error *error) {
    for (size_t row = 0; row < row_count; row++) {
        walk_value(writer, node, column, row, 0);
        for (size_t i = 0; i < node->leaf_count; i++) {
            if (!parquet_chunk_row_end(&writer->chunks[node->leaf_index + i], error)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- row groups ---- */

static bool put_chunk(
    struct parquet_writer *writer, struct parquet_chunk *chunk, struct chunk_place *place, struct error *error) {
    if (!parquet_chunk_finish(chunk, error)) {
        return false;
    }
    int64_t start = writer->position;
    place->dictionary_offset = chunk->dictionary_page.size > 0 ? start : -1;
    place->data_offset = start + (int64_t)chunk->dictionary_page.size;
    place->compressed_size = (int64_t)(chunk->dictionary_page.size + chunk->pages.size);
    place->uncompressed_size = chunk->uncompressed_size;
    place->value_count = chunk->total_values;
    place->encodings = chunk->encodings;
    struct thrift_out thrift = {.buffer = &place->statistics};
    parquet_statistics_write(chunk, &thrift);
    bool good =
        put(writer, buffer_view(&chunk->dictionary_page), error) && put(writer, buffer_view(&chunk->pages), error);
    parquet_chunk_reset(chunk);
    return good;
}

static bool end_group(struct parquet_writer *writer, struct error *error) {
    if (writer->group_rows == 0) {
        return true;
    }
    struct row_group group = {.row_count = writer->group_rows, .offset = writer->position};
    group.places = ARENA_ARRAY(&writer->arena, struct chunk_place, writer->schema.leaf_count);
    VECTOR_PUSH(&writer->groups, group);
    for (size_t i = 0; i < writer->schema.leaf_count; i++) {
        if (!put_chunk(writer, &writer->chunks[i], &group.places[i], error)) {
            return false;
        }
        writer->groups.items[writer->groups.count - 1].size += group.places[i].uncompressed_size;
        writer->groups.items[writer->groups.count - 1].compressed_size += group.places[i].compressed_size;
    }
    writer->group_rows = 0;
    return true;
}

static size_t group_memory(const struct parquet_writer *writer) {
    size_t size = 0;
    for (size_t i = 0; i < writer->schema.leaf_count; i++) {
        size += parquet_chunk_memory(&writer->chunks[i]);
    }
    return size;
}

bool parquet_writer_write(struct parquet_writer *writer, const struct batch *batch, struct error *error) {
    ASSERT(batch->column_count == writer->schema.root->child_count);
    if (batch->row_count == 0) {
        return true;
    }
    for (size_t i = 0; i < batch->column_count; i++) {
        const struct parquet_node *node = writer->schema.root->children[i];
        const struct column *column = batch->columns[i];
        /* Nulls in a column that the schema says has none take the careful way, too. */
        bool flat = node->child_count == 0 && node->type->kind == column->type->kind &&
                    (node->optional || column->validity == NULL);
        bool good = flat ? parquet_chunk_append(&writer->chunks[node->leaf_index], column, 0, batch->row_count, error)
                         : write_nested(writer, node, column, batch->row_count, error);
        if (!good) {
            return false;
        }
    }
    writer->group_rows += (int64_t)batch->row_count;
    writer->total_rows += (int64_t)batch->row_count;
    return group_memory(writer) < writer->options.row_group_size || end_group(writer, error);
}

/* ---- footer ---- */

static void put_chunk_meta(
    struct parquet_writer *writer, size_t leaf, struct chunk_place *place, struct thrift_out *out) {
    static const uint8_t codecs[] = {0, 1, 2, 7, 6}; /* CompressionCodec by enum format_codec */
    struct bytes path[128];
    size_t path_count = parquet_leaf_path(&writer->schema, leaf, path, ARRAY_COUNT(path));
    thrift_write_begin(out, 0);
    thrift_write_i64(out, 2, place->dictionary_offset >= 0 ? place->dictionary_offset : place->data_offset);
    thrift_write_begin(out, 3);
    thrift_write_i32(out, 1, writer->schema.leaves[leaf]->element.physical);
    thrift_write_list(out, 2, THRIFT_I32, (size_t)__builtin_popcount(place->encodings));
    for (int encoding = 0; encoding < 32; encoding++) {
        if (place->encodings >> encoding & 1) {
            thrift_element_i32(out, encoding);
        }
    }
    thrift_write_list(out, 3, THRIFT_BINARY, path_count);
    for (size_t i = 0; i < path_count; i++) {
        thrift_element_binary(out, path[i]);
    }
    thrift_write_i32(out, 4, codecs[writer->options.codec]);
    thrift_write_i64(out, 5, place->value_count);
    thrift_write_i64(out, 6, place->uncompressed_size);
    thrift_write_i64(out, 7, place->compressed_size);
    thrift_write_i64(out, 9, place->data_offset);
    if (place->dictionary_offset >= 0) {
        thrift_write_i64(out, 11, place->dictionary_offset);
    }
    thrift_write_struct(out, 12, buffer_view(&place->statistics));
    thrift_write_end(out);
    thrift_write_end(out);
}

static void put_group_meta(struct parquet_writer *writer, size_t index, struct thrift_out *out) {
    struct row_group *group = &writer->groups.items[index];
    thrift_write_begin(out, 0);
    thrift_write_list(out, 1, THRIFT_STRUCT, writer->schema.leaf_count);
    for (size_t i = 0; i < writer->schema.leaf_count; i++) {
        put_chunk_meta(writer, i, &group->places[i], out);
    }
    thrift_write_i64(out, 2, group->size);
    thrift_write_i64(out, 3, group->row_count);
    thrift_write_i64(out, 5, group->offset);
    thrift_write_i64(out, 6, group->compressed_size);
    thrift_write_end(out);
}

static void put_key_value(struct thrift_out *out, const char *key, struct bytes value) {
    thrift_write_begin(out, 0);
    thrift_write_binary(out, 1, bytes_from_text(key));
    thrift_write_binary(out, 2, value);
    thrift_write_end(out);
}

static void put_footer(struct parquet_writer *writer, struct buffer *footer) {
    struct thrift_out out = {.buffer = footer};
    thrift_write_i32(&out, 1, 1);
    thrift_write_list(&out, 2, THRIFT_STRUCT, writer->schema.element_count);
    for (size_t i = 0; i < writer->schema.element_count; i++) {
        struct parquet_element element = writer->schema.elements[i];
        parquet_element_write(&element, &out);
    }
    thrift_write_i64(&out, 3, writer->total_rows);
    thrift_write_list(&out, 4, THRIFT_STRUCT, writer->groups.count);
    for (size_t i = 0; i < writer->groups.count; i++) {
        put_group_meta(writer, i, &out);
    }
    struct buffer json = {0};
    type_format_json(writer->type, &json);
    thrift_write_list(&out, 5, THRIFT_STRUCT, 2);
    put_key_value(&out, "org.apache.spark.version", BYTES(PARQUET_SPARK_VERSION));
    put_key_value(&out, "org.apache.spark.sql.parquet.row.metadata", buffer_view(&json));
    buffer_free(&json);
    thrift_write_binary(&out, 6, BYTES(PARQUET_CREATED_BY));
    thrift_write_list(&out, 7, THRIFT_STRUCT, writer->schema.leaf_count); /* column orders: by type */
    for (size_t i = 0; i < writer->schema.leaf_count; i++) {
        thrift_write_begin(&out, 0);
        thrift_write_begin(&out, 1);
        thrift_write_end(&out);
        thrift_write_end(&out);
    }
    buffer_append_byte(footer, THRIFT_STOP);
}

bool parquet_writer_finish(struct parquet_writer *writer, struct error *error) {
    bool good = end_group(writer, error);
    if (good) {
        struct buffer footer = {0};
        put_footer(writer, &footer);
        uint32_t size = (uint32_t)footer.size;
        buffer_append(&footer, &size, 4);
        buffer_append_text(&footer, "PAR1");
        good = put(writer, buffer_view(&footer), error);
        buffer_free(&footer);
    }
    parquet_writer_abort(writer);
    return good;
}
