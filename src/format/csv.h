/* csv.h: comma-separated values with Spark's options: records to columns, from_csv, to_csv, inference. Options:
 * sep/delimiter, encoding/charset (UTF-8 only), quote, escape, charToEscapeQuoteEscaping, comment, header, inferSchema,
 * preferDate, enforceSchema, ignoreLeadingWhiteSpace, ignoreTrailingWhiteSpace, nullValue, emptyValue, nanValue,
 * positiveInf, negativeInf, dateFormat, timestampFormat, timestampNTZFormat, maxColumns, maxCharsPerColumn,
 * unescapedQuoteHandling, mode, columnNameOfCorruptRecord, multiLine, lineSep, quoteAll, escapeQuotes. */
#ifndef FORMAT_CSV_H
#define FORMAT_CSV_H

#include "format/format.h"

bool csv_option_known(struct bytes name);

struct csv_reader;
/* from_csv and file reading. schema outlives the reader; one user at a time. */
struct csv_reader *csv_reader_create(
    const struct type *schema, const struct format_options *options, const struct timezone *zone, struct error *error);
void csv_reader_destroy(struct csv_reader *reader);
/* from_csv: a STRUCT column; rules as json_reader_parse. */
struct column *csv_reader_parse(struct csv_reader *reader, struct arena *arena, const struct column *texts,
    size_t row_count, struct format_report *report, struct error *error);

struct csv_write_options;
/* In arena. */
const struct csv_write_options *csv_write_options_get(
    struct arena *arena, const struct format_options *options, const struct timezone *zone, struct error *error);
/* to_csv: one struct value as a line without its end. */
void csv_write_row(struct column *const *columns, size_t column_count, size_t row,
    const struct csv_write_options *options, struct buffer *out);

#endif
