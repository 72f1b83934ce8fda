/* format.h: how docker's commands print rows: columns three blanks apart, JSON, or the user's --format template. */
#ifndef CLI_DOCKER_FORMAT_H
#define CLI_DOCKER_FORMAT_H

#include <jansson.h>
#include <stdbool.h>

struct docker_column {
    const char *field;    /* of the rows' objects */
    const char *headline; /* "CONTAINER ID" */
};

/* Prints rows (an array of objects of texts). format NULL or "table": the columns; "json": an object a line; "table
 * {{.Names}}\t{{.Status}}": those columns; else the template for each row. false after an error that was printed. */
bool docker_print_rows(
    const json_t *rows, const struct docker_column *columns, size_t column_count, const char *format);
/* A template on one object: {{.State.Status}}, {{json .State}}, text around. */
bool docker_print_template(const json_t *object, const char *format);

#endif
