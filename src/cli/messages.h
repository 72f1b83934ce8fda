/* messages.h: our own sentences in the reader's language: LC_ALL, LC_MESSAGES, LANG beginning with "es" give Spanish,
 * all else English. The table is schema/messages.def. */
#ifndef CLI_MESSAGES_H
#define CLI_MESSAGES_H

#include <stdbool.h>

enum message {
#define MESSAGE(name, english, spanish) MESSAGE_##name,
#include "messages.def"
#undef MESSAGE
    MESSAGE_COUNT,
};

/* The reader's language. */
bool message_language_is_spanish(void);
/* The printf format. */
const char *message_text(enum message message);
/* Prints to standard error / output. */
void message_error(enum message message, ...);
void message_print(enum message message, ...);

#endif
