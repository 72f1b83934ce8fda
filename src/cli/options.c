#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/messages.h"

static bool matches(const struct option_row *row, const char *word, const char **value) {
    *value = NULL;
    if (row->short_name != NULL && strcmp(word, row->short_name) == 0)
        return true;
    size_t size = strlen(row->long_name);
    if (strncmp(word, row->long_name, size) != 0)
        return false;
    if (word[size] == '=' && row->kind != OPTION_FLAG)
        *value = word + size + 1;
    return word[size] == 0 || *value != NULL;
}

static void add_to_list(struct option_list *list, const char *value) {
    list->items = realloc(list->items, (list->count + 1) * sizeof *list->items);
    ASSERT(list->items != NULL);
    list->items[list->count++] = value;
}

static void store(const struct option_row *row, const char *value) {
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)row->place = true;
        break;
    case OPTION_TEXT:
        *(const char **)row->place = value;
        break;
    case OPTION_LIST:
        add_to_list(row->place, value);
        break;
    }
}

int options_parse(int argc, char **argv, const struct option_row *rows, size_t row_count, bool stop_at_word) {
    const char *command = argv[0];
    int kept = 0, i = 1;
    for (; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (argv[i][0] != '-' || argv[i][1] == 0) {
            if (stop_at_word)
                break;
            argv[kept++] = argv[i];
            continue;
        }
        const struct option_row *row = NULL;
        const char *value = NULL;
        for (size_t r = 0; r < row_count && row == NULL; r++)
            if (matches(&rows[r], argv[i], &value))
                row = &rows[r];
        if (row == NULL) {
            message_error(MESSAGE_UNKNOWN_OPTION, command, argv[i]);
            return -1;
        }
        if (row->kind != OPTION_FLAG && value == NULL) {
            if (i + 1 >= argc) {
                message_error(MESSAGE_OPTION_NEEDS_VALUE, command, argv[i]);
                return -1;
            }
            value = argv[++i];
        }
        store(row, value);
    }
    for (; i < argc; i++)
        argv[kept++] = argv[i];
    argv[kept] = NULL;
    return kept;
}
