/* options.h: command line options from a table. `-o V`, `--option V`, `--option=V`; parsing stops at `--` or, when
 * `stop_at_word`, at the first word. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_LIST };

struct option_list {
    const char **items;
    size_t count;
};

struct option_row {
    const char *long_name;  /* "--data" */
    const char *short_name; /* "-d" or NULL */
    enum option_kind kind;
    void *place; /* bool *, const char **, struct option_list * */
};

/* Parses argv[1..argc): fills the places, moves the remaining words to the front of argv and returns their number; -1
 * after printing what is wrong. argv[0] names the command in messages. */
int options_parse(int argc, char **argv, const struct option_row *rows, size_t row_count, bool stop_at_word);

#endif
