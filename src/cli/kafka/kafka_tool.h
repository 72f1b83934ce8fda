/* kafka_tool.h: what Kafka's command line tools have in common: options as joptsimple reads them, the instance to speak
 * to, log lines. */
#ifndef CLI_KAFKA_TOOL_H
#define CLI_KAFKA_TOOL_H

#include "base/vector.h"
#include "cli/kafka/kafka_client.h"

enum tool_option_kind {
    TOOL_FLAG,
    TOOL_VALUE,    /* needs one */
    TOOL_OPTIONAL, /* may have one */
    TOOL_IGNORED,  /* needs a value that changes nothing here; named once on standard error */
};
struct tool_option {
    const char *name; /* without -- */
    enum tool_option_kind kind;
    const char *description;
};
struct tool_given {
    const struct tool_option *option;
    const char *value; /* NULL when none was given */
};
struct tool {
    const char *purpose; /* first line of the help */
    const struct tool_option *options;
    size_t option_count;
    VECTOR(struct tool_given) given;
    struct remote *remote;
};

/* Parses; options may be shortened as long as they are clear and written --a=b. Prints what is wrong and returns false
 * with *status set (also for
 * --help and --version). */
bool tool_parse(struct tool *tool, int argc, char **argv, int *status);
bool tool_has(const struct tool *tool, const char *name);
const char *tool_value(const struct tool *tool, const char *name); /* the last one given, or NULL */
/* Values of an option given several times: next at or after *cursor, NULL at the end. */
const char *tool_next(const struct tool *tool, const char *name, size_t *cursor);
bool tool_integer(
    const struct tool *tool, const char *name, int64_t standard, int64_t *value); /* prints what is wrong */
void tool_free(struct tool *tool);
/* The first line of a usage error, then exit status 1. */
int tool_usage_error(const struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line on standard error, behind all that was printed so far, then exit status 1. */
int tool_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Connects tool->remote to --bootstrap-server (or --zookeeper's instance, or in a raudal shell that instance).
 * Otherwise prints why and gives false. */
bool tool_connect(struct tool *tool, const char *client_id);
/* For a topic that was missing: what may have been meant, and how to create it. On standard error. */
void tool_explain_topic(struct tool *tool, const char *topic);
/* Before a topic is used that the broker would make on the way: says when it is new and one of a similar name exists.
 */
void tool_note_new_topic(struct tool *tool, const char *topic);
/* "[2026-11-22 15:10:47,662] ERROR text (logger)" on standard error. */
void tool_log_error(const char *logger, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What a property of the command line or of a file does to the tool; value is "" behind a name without '='. */
typedef void tool_property(void *context, const char *name, const char *value);
/* An option that gives properties: NAME=VALUE, or the path of a file with such lines. */
struct tool_property_option {
    const char *name;
    bool is_file;
    const char *instead; /* the option is an old name of that one, and it is said once; or NULL */
    tool_property *add;
};
/* Applies the properties that were given, in the order of the table. False after a file that cannot be read was named.
 */
bool tool_take_properties(
    const struct tool *tool, const struct tool_property_option *options, size_t count, void *context);
bool tool_read_properties(const char *path, tool_property *add, void *context);
/* Splits "a=b" in place; false without '='. */
bool tool_split_property(char *text, char **name, char **value);
/* Frees *place and makes it a copy of value. */
void tool_replace(char **place, const char *value);

struct tool_texts { /* growable list of heap texts */
    char **items;
    size_t count, capacity;
};
void tool_texts_free(struct tool_texts *texts);
/* The parts of a list separated by a character, trimmed, empty ones left out. */
void tool_split(const char *text, char separator, struct tool_texts *out);
char *tool_text(struct bytes text); /* heap copy */

#endif
