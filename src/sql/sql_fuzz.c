/* Broken SQL through lexer, parser, analyzer and optimizer: the published examples with pieces cut out, doubled,
 * swapped and replaced. Whatever comes of it must be a plan or an error. sql_fuzz [SEED [ROUNDS]]; a failure is
 * repeated with the seed that was printed. */
#include <stdio.h>
#include <stdlib.h>

#include "sql/function.h"
#include "sql/sql.h"

static uint64_t state;

static uint64_t draw(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static const char *example(void) {
    for (;;) {
        const struct function *function = &function_table[draw(FUNCTION_COUNT_OF_ALL)];
        if (function->example[0] != '\0')
            return function->example;
    }
}

static struct bytes piece_of(const char *text) {
    size_t size = strlen(text), from = draw(size), count = 1 + draw(size - from);
    return bytes_make(text + from, count);
}

static void mutate(struct buffer *text) {
    static const char *const words[] = {"SELECT ", " FROM ", " WHERE ", " GROUP BY ALL ", "(", ")", ",", "*", "NULL",
        "'", "`", "/*", "--", "CASE WHEN ", " OVER (", " -> ", "::INT", "[0]", ".x", " UNION SELECT ", " IN (SELECT 1)",
        " LATERAL VIEW explode(", "INTERVAL 1 ", "1e999", "\xff", ":p", "?",
        "99999999999999999999999999999999999999999", " ORDER BY 1", " LIMIT ALL", "struct(", "x -> x", " JOIN ",
        "VALUES (1)"};
    size_t at = text->size == 0 ? 0 : draw(text->size);
    struct bytes insert = draw(3) == 0 ? piece_of(example()) : bytes_from_text(words[draw(ARRAY_COUNT(words))]);
    size_t cut = draw(2) == 0 ? 0 : draw(text->size - at + 1);
    struct buffer result = {0};
    buffer_append(&result, text->data, at);
    if (draw(3) > 0)
        buffer_append_bytes(&result, insert);
    buffer_append(&result, text->data + at + cut, text->size - at - cut);
    buffer_free(text);
    *text = result;
}

static void run(struct sql_session *session, struct bytes text) {
    struct arena arena = {0};
    struct sql_error error = {.arena = &arena};
    const struct node *statement = sql_parse_statement(&arena, text, &error);
    const struct relation *relation = NULL;
    if (statement != NULL && node_family(statement) == NODE_RELATION)
        relation = sql_analyze(session, &arena, (const struct relation *)statement, &error);
    if (relation != NULL)
        relation = sql_optimize(session, &arena, relation, &error);
    if (relation == NULL && (statement == NULL || node_family(statement) == NODE_RELATION)) {
        ASSERT(error.condition != 0);
        ASSERT(error.condition != CONDITION_INTERNAL_ERROR);
        ASSERT(sql_error_message(&error)[0] != '\0');
    }
    arena_destroy(&arena);
}

int main(int argument_count, char **arguments) {
    uint64_t seed = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    uint64_t rounds = argument_count > 2 ? strtoull(arguments[2], NULL, 10) : 20000;
    struct sql_environment environment = {0};
    struct sql_session *session = sql_session_create(&environment);
    for (uint64_t round = 0; round < rounds; round++) {
        state = (seed + round) * 0x9E3779B97F4A7C15u | 1;
        struct buffer text = {0};
        buffer_append_text(&text, example());
        for (uint64_t i = 0, count = 1 + draw(4); i < count; i++)
            mutate(&text);
        if (getenv("SQL_FUZZ_SHOW") != NULL)
            fprintf(stderr, "seed %llu: %s\n", (unsigned long long)(seed + round), buffer_text(&text));
        run(session, buffer_view(&text));
        buffer_free(&text);
    }
    sql_session_destroy(session);
    printf("%llu rounds from seed %llu\n", (unsigned long long)rounds, (unsigned long long)seed);
    return 0;
}
