/* fuzz_json.c: the input's lines as JSON records, twice over (the second time with what was learned), into a schema of
 * every kind; also inference, paths and the writer. What is read of a line must not depend on the lines before it. */
#include "fuzz.h"

#include "base/assert.h"
#include "format/json.h"
#include "format/text.h"

static const char *const seeds[] = {"{\"timestamp\": \"2026-03-01T08:00:00.123456\", \"value\": 57}\n{\"timestamp\": "
                                    "\"2026-03-01T08:01:00.123456\", \"value\": -7}\n",
    "{\"s\":\"a\\u00e9\\n\",\"d\":1.5e3,\"b\":true,\"a\":[1,null],\"st\":{\"x\":1},\"m\":{\"k\":\"v\"}}\n{\"s\":\"b\","
    "\"d\":0.1,\"b\":false}\n",
    "{\"s\":\"x\",\"d\":-12.25,\"l\":123456789012345678}\n{\"s\":\"y\",\"d\":12.25,\"l\":9223372036854775807}\n{'s':'q'"
    ",'l':NaN}\n[{\"s\":1}]\n",
    "{\"value\":12,\"z\":{\"q\":[[[]]]},\"dt\":\"2026-03-01\",\"n\":12.34}\n\xff\xfe{\"value\":1}\n"};

bool fuzz_seed(size_t index, struct buffer *out) {
    if (index >= sizeof seeds / sizeof *seeds) {
        return false;
    }
    buffer_append_text(out, seeds[index]);
    return true;
}

static void write_rows(const struct column *rows, size_t count, struct buffer *out) {
    struct json_write_options options = {.keep_null_fields = true};
    for (size_t i = 0; i < count; i++) {
        json_write_value(rows, i, &options, out);
        buffer_append_byte(out, '\n');
    }
}

static void parse(
    const struct type *schema, const struct string_view *views, size_t count, bool one_by_one, struct buffer *out) {
    struct arena arena = {0};
    struct error error;
    struct json_reader *reader = NULL;
    for (size_t i = 0; i < count; i += one_by_one ? 1 : count) {
        if (reader == NULL || one_by_one) {
            json_reader_destroy(reader);
            reader = json_reader_create(schema, NULL, timezone_utc(), &error);
            ASSERT(reader != NULL);
        }
        size_t rows = one_by_one ? 1 : count;
        struct column texts = {
            .type = type_simple(TYPE_STRING), .row_count = rows, .values = (void *)(uintptr_t)(views + i)};
        for (int round = 0; round < (one_by_one ? 1 : 2); round++) {
            struct column *result = json_reader_parse(reader, &arena, &texts, rows, NULL, &error);
            ASSERT(result != NULL);
            if (one_by_one || round == 1) {
                write_rows(result, rows, out);
            }
        }
    }
    json_reader_destroy(reader);
    arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena = {0};
    struct error error;
    const struct type *schema = type_parse_ddl(&arena,
        BYTES("timestamp TIMESTAMP, value INT, s STRING, d DOUBLE, b BOOLEAN, l BIGINT, a ARRAY<INT>, "
              "st STRUCT<x: INT, y: STRING>, m MAP<STRING, STRING>, dt DATE, n DECIMAL(10,2)"),
        &error);
    const struct type *flat = type_parse_ddl(
        &arena, BYTES("timestamp TIMESTAMP, value INT, s STRING, d DOUBLE, b BOOLEAN, l BIGINT"), &error);
    struct string_view views[64];
    struct text_lines lines;
    struct bytes line;
    size_t count = 0;
    text_lines_init(&lines, bytes_make(data, size), 0, 0, BYTES("\n"));
    struct json_inference *inference = json_inference_create(NULL, timezone_utc(), &error);
    const struct json_path *path = json_path_parse(&arena, BYTES("$.st.x[*]['k']"));
    struct buffer together = {0}, alone = {0};
    while (count < 64 && text_lines_next(&lines, &line)) {
        views[count++] = (struct string_view){line.data, (uint32_t)line.size, 0};
        (void)json_inference_add(inference, line);
        (void)json_path_get(path, line, &together);
        (void)json_schema_of(&arena, line, NULL, &error);
    }
    (void)json_inference_result(inference, &arena);
    json_inference_destroy(inference);
    buffer_clear(&together);
    if (count > 0) {
        parse(schema, views, count, false, &together);
        buffer_clear(&together);
        parse(flat, views, count, false, &together);
        parse(flat, views, count, true, &alone);
        ASSERT(bytes_equal(buffer_view(&together), buffer_view(&alone)));
    }
    buffer_free(&together);
    buffer_free(&alone);
    arena_destroy(&arena);
    return 0;
}
