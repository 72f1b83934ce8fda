/* show.c: see show.h. Widths count characters of East Asian scripts twice, as Spark does; lengths for cutting count
 * UTF-16 units. */
#include "exec/show.h"

#include <stdlib.h>
#include "column/text.h"

enum { WIDTH_MIN = 3 };

struct cell {
    size_t offset, size; /* in the text of all cells */
    size_t width;
};

struct table {
    struct buffer text;
    struct cell *cells; /* the header, then row after row */
    size_t column_count, row_count;
    bool more;
};

/* The next character and its bytes; a stray byte counts as a character. */
static uint32_t next_character(struct bytes text, size_t *size) {
    uint8_t first = text.data[0];
    size_t count = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    count = count > text.size ? 1 : count;
    uint32_t character = count == 1 ? first : first & (0x7fu >> count);
    for (size_t i = 1; i < count; i++) {
        character = character << 6 | (text.data[i] & 0x3fu);
    }
    *size = count;
    return character;
}

static bool is_wide(uint32_t c) {
    static const uint32_t ranges[][2] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
        {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}};
    for (size_t i = 0; i < ARRAY_COUNT(ranges); i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1]) {
            return true;
        }
    }
    return false;
}

/* UTF-16 units of the text, and in *cut the bytes of its first `keep` units. */
static size_t text_length(struct bytes text, size_t keep, size_t *cut) {
    size_t units = 0;
    *cut = 0;
    for (size_t i = 0, size; i < text.size; i += size) {
        uint32_t character = next_character(bytes_slice(text, i, text.size - i), &size);
        units += character >= 0x10000 ? 2 : 1;
        if (units <= keep) {
            *cut = i + size;
        }
    }
    return units;
}

static size_t text_width(struct bytes text) {
    size_t width = 0;
    for (size_t i = 0, size; i < text.size; i += size) {
        uint32_t character = next_character(bytes_slice(text, i, text.size - i), &size);
        width += is_wide(character) || character >= 0x10000 ? 2 : 1;
    }
    return width;
}

static void append_escaped(struct buffer *out, struct bytes text) {
    static const char from[] = "\n\r\t\f\b\v\a", to[] = "nrtfbva";
    for (size_t i = 0; i < text.size; i++) {
        const char *found = text.data[i] == 0 ? NULL : memchr(from, text.data[i], sizeof from - 1);
        if (found != NULL) {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, (uint8_t)to[found - from]);
        } else {
            buffer_append_byte(out, text.data[i]);
        }
    }
}

/* The cell's text lies in table->text from `start` on: it is cut and measured. */
static struct cell end_cell(struct table *table, size_t start, int truncate) {
    struct bytes text = bytes_slice(buffer_view(&table->text), start, table->text.size - start);
    size_t keep = truncate < 4 ? (size_t)truncate : (size_t)truncate - 3, cut;
    if (truncate > 0 && text_length(text, keep, &cut) > (size_t)truncate) {
        table->text.size = start + cut;
        buffer_append_text(&table->text, truncate < 4 ? "" : "...");
    }
    text = bytes_slice(buffer_view(&table->text), start, table->text.size - start);
    return (struct cell){start, text.size, text_width(text)};
}

static void add_row(struct table *table, const struct batch *batch, size_t row, int truncate,
    const struct text_style *style, struct buffer *scratch) {
    struct cell *cells = table->cells + (table->row_count + 1) * table->column_count;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column *column = batch->columns[i];
        size_t start = table->text.size;
        buffer_clear(scratch);
        if (column_is_null(column, row)) {
            buffer_append_text(scratch, "NULL");
        } else {
            value_format_styled(column, row, style, scratch);
        }
        append_escaped(&table->text, buffer_view(scratch));
        cells[i] = end_cell(table, start, truncate);
    }
    table->row_count++;
}

static void collect(struct table *table, const struct type *schema, struct batch *const *batches, size_t batch_count,
    size_t row_count_max, int truncate, const struct timezone *zone) {
    struct text_style style = {zone, true};
    struct buffer scratch = {0};
    size_t available = 0;
    for (size_t i = 0; i < batch_count; i++) {
        available += batches[i]->row_count;
    }
    size_t rows = available < row_count_max ? available : row_count_max;
    table->more = table->more || available > rows;
    table->column_count = schema->field_count;
    table->cells = calloc((rows + 1) * schema->field_count + 1, sizeof *table->cells);
    ASSERT(table->cells != NULL);
    for (size_t i = 0; i < schema->field_count; i++) {
        size_t start = table->text.size;
        append_escaped(&table->text, schema->fields[i].name);
        table->cells[i] = end_cell(table, start, 0);
    }
    for (size_t i = 0; i < batch_count && table->row_count < rows; i++) {
        for (size_t row = 0; row < batches[i]->row_count && table->row_count < rows; row++) {
            add_row(table, batches[i], row, truncate, &style, &scratch);
        }
    }
    buffer_free(&scratch);
}

static void append_many(struct buffer *out, char byte, size_t count) {
    memset(buffer_extend(out, count), byte, count);
}

static void append_cell(
    const struct table *table, const struct cell *cell, size_t width, bool right, struct buffer *out) {
    append_many(out, ' ', right ? width - cell->width : 0);
    buffer_append(out, table->text.data + cell->offset, cell->size);
    append_many(out, ' ', right ? 0 : width - cell->width);
}

static void append_line(const size_t *widths, size_t count, struct buffer *out) {
    for (size_t i = 0; i < count; i++) {
        buffer_append_byte(out, '+');
        append_many(out, '-', widths[i]);
    }
    buffer_append_text(out, count == 0 ? "++\n" : "+\n");
}

static void show_horizontal(const struct table *table, bool right, struct buffer *out) {
    size_t count = table->column_count;
    size_t *widths = calloc(count + 1, sizeof *widths);
    ASSERT(widths != NULL);
    for (size_t i = 0; i < count; i++) {
        widths[i] = WIDTH_MIN;
        for (size_t row = 0; row <= table->row_count; row++) {
            size_t width = table->cells[row * count + i].width;
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    append_line(widths, count, out);
    for (size_t row = 0; row <= table->row_count; row++) {
        for (size_t i = 0; i < count; i++) {
            buffer_append_byte(out, '|');
            append_cell(table, &table->cells[row * count + i], widths[i], right, out);
        }
        buffer_append_text(out, count == 0 ? "||\n" : "|\n");
        if (row == 0) {
            append_line(widths, count, out);
        }
    }
    append_line(widths, count, out);
    free(widths);
}

static void show_vertical(const struct table *table, struct buffer *out) {
    size_t count = table->column_count, name_width = WIDTH_MIN, data_width = WIDTH_MIN;
    for (size_t i = 0; i < count; i++) {
        name_width = table->cells[i].width > name_width ? table->cells[i].width : name_width;
    }
    for (size_t i = count; i < count * (table->row_count + 1); i++) {
        data_width = table->cells[i].width > data_width ? table->cells[i].width : data_width;
    }
    for (size_t row = 0; row < table->row_count; row++) {
        size_t start = out->size;
        buffer_printf(out, "-RECORD %zu", row);
        size_t used = out->size - start, wanted = name_width + data_width + 5;
        append_many(out, '-', wanted > used ? wanted - used : 0);
        buffer_append_byte(out, '\n');
        for (size_t i = 0; i < count; i++) {
            buffer_append_byte(out, ' ');
            append_cell(table, &table->cells[i], name_width, false, out);
            buffer_append_text(out, " | ");
            append_cell(table, &table->cells[(row + 1) * count + i], data_width, false, out);
            buffer_append_text(out, " \n");
        }
    }
}

void show_string(const struct type *schema, struct batch *const *batches, size_t batch_count, size_t row_count_max,
    bool more, int truncate, bool vertical, const struct timezone *zone, struct buffer *out) {
    struct table table = {.more = more};
    collect(&table, schema, batches, batch_count, row_count_max, truncate, zone);
    if (vertical) {
        show_vertical(&table, out);
    } else {
        show_horizontal(&table, truncate > 0, out);
    }
    if (vertical && table.row_count == 0) {
        buffer_append_text(out, "(0 rows)");
    } else if (table.more) {
        buffer_printf(out, "only showing top %zu %s", row_count_max, row_count_max == 1 ? "row" : "rows");
    }
    free(table.cells);
    buffer_free(&table.text);
}
