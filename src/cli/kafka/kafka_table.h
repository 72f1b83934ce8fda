/* kafka_table.h: what newer tools of Kafka print: a table whose columns are as wide as their widest cell, each followed
 * by a tab. And words before, behind or between options. */
#ifndef CLI_KAFKA_TABLE_H
#define CLI_KAFKA_TABLE_H

#include "cli/kafka/kafka_tool.h"

struct tool_table {
    size_t column_count;
    struct tool_texts cells; /* row by row; the first row is the head */
};
void tool_table_add(struct tool_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints on standard output and frees the cells. */
void tool_table_print(struct tool_table *table);

/* Takes the first argument that is one of the words (and no option's value) out of argv; NULL when there is none. */
const char *tool_take_word(int *argc, char **argv, const char *const *words, size_t word_count);

#endif
