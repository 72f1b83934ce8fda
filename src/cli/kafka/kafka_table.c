/* kafka_table.c: tables and words of command lines. */
#include "cli/kafka/kafka_table.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

void tool_table_add(struct tool_table *table, const char *format, ...) {
    struct buffer text = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&text, format, arguments);
    va_end(arguments);
    VECTOR_PUSH(&table->cells, strdup(buffer_text(&text)));
    buffer_free(&text);
}

void tool_table_print(struct tool_table *table) {
    size_t *widths = calloc(table->column_count + 1, sizeof *widths);
    ASSERT(widths);
    for (size_t i = 0; i < table->cells.count; i++)
        if (strlen(table->cells.items[i]) > widths[i % table->column_count])
            widths[i % table->column_count] = strlen(table->cells.items[i]);
    for (size_t i = 0; i < table->cells.count; i++) {
        printf("%-*s\t", (int)widths[i % table->column_count], table->cells.items[i]);
        if (i % table->column_count == table->column_count - 1)
            printf("\n");
    }
    free(widths);
    tool_texts_free(&table->cells);
}

const char *tool_take_word(int *argc, char **argv, const char *const *words, size_t word_count) {
    for (int i = 1; i < *argc; i++) {
        /* What follows an option that is not written --a=b may be its value. */
        bool is_value = i > 1 && argv[i - 1][0] == '-' && strchr(argv[i - 1], '=') == NULL;
        for (size_t j = 0; j < word_count && !is_value; j++) {
            if (strcmp(argv[i], words[j]) != 0)
                continue;
            for (int k = i; k < *argc; k++)
                argv[k] = argv[k + 1]; /* with the NULL at the end */
            (*argc)--;
            return words[j];
        }
    }
    return NULL;
}
