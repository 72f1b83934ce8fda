/* ipc_echo.c: reads an Arrow IPC stream from standard input and writes what was understood to standard output. With an
 * argument, prints the schema and the rows as text instead. Also the body of the fuzz target: built with
 * -fsanitize=fuzzer it reads what libFuzzer makes. */
#include <stdio.h>
#include "column/ipc.h"
#include "column/text.h"
#include "column/timezone.h"

static void print_rows(const struct ipc_stream *stream, struct buffer *out) {
    type_format_tree(stream->schema, 0, out);
    struct text_style style = {timezone_utc(), true};
    for (size_t i = 0; i < stream->batch_count; i++) {
        const struct batch *batch = stream->batches[i];
        for (size_t row = 0; row < batch->row_count; row++) {
            for (size_t c = 0; c < batch->column_count; c++) {
                buffer_append_text(out, c > 0 ? "|" : "");
                if (column_is_null(batch->columns[c], row)) {
                    buffer_append_text(out, "NULL");
                } else {
                    value_format_styled(batch->columns[c], row, &style, out);
                }
            }
            buffer_append_byte(out, '\n');
        }
    }
}

static bool echo(struct bytes input, bool text, struct buffer *out, struct error *error) {
    struct arena arena = {0};
    struct ipc_stream stream;
    bool read = ipc_read_stream(&arena, input, &stream, error);
    if (read) {
        if (text) {
            print_rows(&stream, out);
        } else {
            read = ipc_write_stream(stream.schema, stream.batches, stream.batch_count, "UTC", out, error);
        }
        for (size_t i = 0; i < stream.batch_count; i++) {
            batch_release(stream.batches[i]);
        }
    }
    arena_destroy(&arena);
    return read;
}

#ifdef FUZZ
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buffer out = {0};
    struct error error;
    echo(bytes_make(data, size), true, &out, &error);
    buffer_clear(&out);
    echo(bytes_make(data, size), false, &out, &error);
    buffer_free(&out);
    return 0;
}
#else
int main(int argument_count, char **arguments) {
    struct buffer input = {0}, out = {0};
    struct error error = {0};
    size_t count;
    do {
        count = fread(buffer_reserve(&input, 65536), 1, 65536, stdin);
        input.size += count;
    } while (count > 0);
    (void)arguments;
    bool done = echo(buffer_view(&input), argument_count > 1, &out, &error);
    if (done) {
        fwrite(out.data, 1, out.size, stdout);
    } else {
        fprintf(stderr, "%s\n", error.message);
    }
    buffer_free(&input);
    buffer_free(&out);
    return done ? 0 : 1;
}
#endif
