/* fuzz_parquet.c: the input as a Parquet file: schema and all rows. */
#include "fuzz.h"

#include "base/assert.h"
#include "format/json.h"
#include "format/parquet.h"

static const struct type *schema_of_seed(struct arena *arena) {
    struct error error;
    return type_parse_ddl(arena,
        BYTES("i INT, l BIGINT, x STRING, d DOUBLE, b BOOLEAN, ts TIMESTAMP, w DECIMAL(30,4), a ARRAY<STRUCT<p: INT, "
              "q: STRING>>, "
              "m MAP<STRING, INT>"),
        &error);
}

bool fuzz_seed(size_t index, struct buffer *out) {
    static const struct parquet_write_options variants[] = {{.codec = FORMAT_CODEC_SNAPPY},
        {.codec = FORMAT_CODEC_NONE, .no_dictionary = true},
        {.codec = FORMAT_CODEC_NONE, .no_delta = true, .timestamp = PARQUET_TIMESTAMP_INT96},
        {.codec = FORMAT_CODEC_ZSTD, .page_size = 64}, {.codec = FORMAT_CODEC_GZIP, .row_group_size = 300},
        {.codec = FORMAT_CODEC_LZ4}};
    if (index >= ARRAY_COUNT(variants)) {
        return false;
    }
    struct arena arena = {0};
    struct error error;
    const struct type *schema = schema_of_seed(&arena);
    struct parquet_writer *writer = parquet_writer_create(schema, &variants[index], format_output_buffer(out), &error);
    struct json_reader *reader = json_reader_create(schema, NULL, timezone_utc(), &error);
    struct batch *batch = batch_create(schema);
    struct string_view views[60];
    for (size_t i = 0; i < ARRAY_COUNT(views); i++) {
        char *text =
            i % 7 == 0
                ? "{}"
                : arena_printf(&arena,
                      "{\"i\":%zu,\"l\":%zu,\"x\":\"t%zu\",\"d\":%zu.5,\"b\":true,\"ts\":\"2026-03-01T08:00:%02zu\","
                      "\"w\":%zu.25,\"a\":[{\"p\":1},{\"q\":\"z\"}],\"m\":{\"k\":%zu}}",
                      i % 5, i * 1000003, i % 3, i, i % 60, i, i);
        views[i] = (struct string_view){(const uint8_t *)text, (uint32_t)strlen(text), 0};
    }
    struct column texts = {.type = type_simple(TYPE_STRING), .row_count = ARRAY_COUNT(views), .values = views};
    struct column *rows = json_reader_parse(reader, &batch->arena, &texts, ARRAY_COUNT(views), NULL, &error);
    memcpy(batch->columns, rows->children, batch->column_count * sizeof *rows->children);
    batch->row_count = ARRAY_COUNT(views);
    bool good = parquet_writer_write(writer, batch, &error) && parquet_writer_finish(writer, &error);
    ASSERT(good);
    batch_release(batch);
    json_reader_destroy(reader);
    arena_destroy(&arena);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena = {0};
    struct error error = {0};
    struct format_source source = {.data = bytes_make(data, size)};
    const struct type *schema = NULL;
    if (format_parquet.infer(&arena, &source, NULL, timezone_utc(), &schema, &error)) {
        struct format_read_request request = {.schema = schema, .batch_rows = 16};
        struct format_reader *reader = format_parquet.open(&source, &request, &error);
        struct batch *batch;
        struct buffer text = {0};
        for (int batches = 0;
             reader != NULL && batches < 64 && format_parquet.next(reader, &batch, &error) == FORMAT_NEXT_BATCH;
             batches++) {
            struct column rows = {.type = schema,
                .row_count = batch->row_count,
                .children = batch->columns,
                .child_count = batch->column_count};
            for (size_t i = 0; i < batch->row_count; i++) {
                buffer_clear(&text);
                json_write_value(&rows, i, &(struct json_write_options){0}, &text);
            }
            batch_release(batch);
        }
        buffer_free(&text);
        format_parquet.close(reader);
    }
    arena_destroy(&arena);
    return 0;
}
