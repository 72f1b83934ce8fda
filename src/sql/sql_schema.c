/* Prints the schema of each query on standard input, one per line: for comparisons with other implementations and for
 * fuzzing the parser. */
#include <stdio.h>
#include <stdlib.h>

#include "sql/sql.h"

static void print_schema(struct sql_session *session, struct bytes text) {
    struct arena arena = {0};
    struct sql_error error = {.arena = &arena};
    struct buffer out = {0};
    const struct node *statement = sql_parse_statement(&arena, text, &error);
    const struct relation *relation = NULL;
    if (statement != NULL && node_family(statement) == NODE_COMMAND)
        relation = sql_run_command(session, &arena, (const struct command *)statement, &error);
    else if (statement != NULL)
        relation = sql_analyze(session, &arena, (const struct relation *)statement, &error);
    if (relation != NULL)
        relation = sql_optimize(session, &arena, relation, &error);
    if (relation != NULL)
        type_format_json(relation_schema(&arena, relation), &out);
    else
        buffer_append_text(&out, sql_error_message(&error));
    for (size_t i = 0; i < out.size; i++)
        out.data[i] = out.data[i] == '\n' ? ' ' : out.data[i];
    printf("%s\n", buffer_text(&out));
    buffer_free(&out);
    arena_destroy(&arena);
}

int main(void) {
    struct sql_environment environment = {0};
    struct sql_session *session = sql_session_create(&environment);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        size -= line[size - 1] == '\n';
        print_schema(session, bytes_make(line, (size_t)size));
    }
    free(line);
    sql_session_destroy(session);
    return 0;
}
