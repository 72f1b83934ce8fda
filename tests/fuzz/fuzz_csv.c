/* fuzz_csv.c: the input as a CSV file, with a header and inference, with a schema, and with records over several lines.
 */
#include "fuzz.h"

#include "base/assert.h"
#include "format/csv.h"

static const char *const seeds[] = {"id,name,when\n1,\"a, b\",2026-03-01\n2,\"c \\\"d\\\"\",2026-03-02T08:00:00\n,,\n",
    "a;b\r\n1.5;x\r\n\"y\nz\";NaN\r\n", "# note\n1,2,3,4\n\"unclosed,1\n"};

bool fuzz_seed(size_t index, struct buffer *out) {
    if (index >= ARRAY_COUNT(seeds)) {
        return false;
    }
    buffer_append_text(out, seeds[index]);
    return true;
}

static void read_all(struct bytes data, const struct type *schema, const struct format_options *options) {
    struct arena arena = {0};
    struct error error;
    struct format_source source = {.data = data};
    if (schema == NULL && !format_csv.infer(&arena, &source, options, timezone_utc(), &schema, &error)) {
        arena_destroy(&arena);
        return;
    }
    struct format_read_request request = {
        .schema = schema, .options = options, .zone = timezone_utc(), .batch_rows = 8};
    struct format_reader *reader = format_csv.open(&source, &request, &error);
    struct batch *batch;
    while (reader != NULL && format_csv.next(reader, &batch, &error) == FORMAT_NEXT_BATCH) {
        batch_release(batch);
    }
    format_csv.close(reader);
    arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct format_option inferred[] = {
        {BYTES("header"), BYTES("true")}, {BYTES("inferSchema"), BYTES("true")}};
    static const struct format_option lines[] = {{BYTES("multiLine"), BYTES("true")}, {BYTES("sep"), BYTES(";")},
        {BYTES("comment"), BYTES("#")}, {BYTES("escape"), BYTES("\"")},
        {BYTES("ignoreLeadingWhiteSpace"), BYTES("true")}};
    struct arena arena = {0};
    struct error error;
    const struct type *schema =
        type_parse_ddl(&arena, BYTES("a INT, b STRING, c TIMESTAMP, _corrupt_record STRING"), &error);
    struct bytes input = bytes_make(data, size);
    read_all(input, NULL, &(struct format_options){inferred, 2});
    read_all(input, schema, NULL);
    read_all(input, NULL, &(struct format_options){lines, 5});
    arena_destroy(&arena);
    return 0;
}
