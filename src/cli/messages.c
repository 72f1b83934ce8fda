#include "cli/messages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const texts[][2] = {
#define MESSAGE(name, english, spanish) [MESSAGE_##name] = {english, spanish},
#include "messages.def"
#undef MESSAGE
};

bool message_language_is_spanish(void) {
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != 0)
            return strncmp(value, "es", 2) == 0 && (value[2] == 0 || strchr("_.@", value[2]) != NULL);
    }
    return false;
}

const char *message_text(enum message message) {
    return texts[message][message_language_is_spanish()];
}

void message_error(enum message message, ...) {
    va_list arguments;
    va_start(arguments, message);
    fflush(stdout);
    vfprintf(stderr, message_text(message), arguments);
    va_end(arguments);
}

void message_print(enum message message, ...) {
    va_list arguments;
    va_start(arguments, message);
    vprintf(message_text(message), arguments);
    fflush(stdout);
    va_end(arguments);
}
