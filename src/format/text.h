/* text.h: text files: one row per line in a STRING column `value` (option wholetext: one row per file; lineSep: another
 * line end than \n, \r\n, \r). Writing takes exactly one STRING column. Everything is reached through format_text
 * (format.h); the line splitter is shared with JSON lines and CSV. */
#ifndef FORMAT_TEXT_H
#define FORMAT_TEXT_H

#include "format/format.h"

struct text_lines {
    struct bytes data;
    size_t position, end;   /* lines that start in [position, end) are given */
    struct bytes separator; /* BYTES_NULL: \n, \r\n or \r */
};
/* range_start and range_end as in format_read_request; a line that begins before range_start is not given. */
void text_lines_init(
    struct text_lines *lines, struct bytes data, int64_t range_start, int64_t range_end, struct bytes separator);
/* The next line without its end. */
bool text_lines_next(struct text_lines *lines, struct bytes *line);

#endif
