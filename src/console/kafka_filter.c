/* kafka_filter.c: parses by recursive descent (bounded depth) into an array of nodes, evaluated by walking it. */
#include "console/kafka_filter.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/calendar.h"
#include "format/json.h"

enum { TESTS_MAX = 64, DEPTH_MAX = 16, TEXT_MAX = 2000 };

enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_TEST };
enum operator{
    OPERATOR_EXISTS,
    OPERATOR_EQUAL,
    OPERATOR_UNEQUAL,
    OPERATOR_LESS,
    OPERATOR_AT_MOST,
    OPERATOR_MORE,
    OPERATOR_AT_LEAST,
    OPERATOR_CONTAINS,
    OPERATOR_STARTS,
    OPERATOR_ENDS
};
static const struct {
    const char *text;
    enum operator operator;
} operators[] = {/* longer ones first */
    {"==", OPERATOR_EQUAL}, {"!=", OPERATOR_UNEQUAL}, {"<>", OPERATOR_UNEQUAL}, {"<=", OPERATOR_AT_MOST},
    {">=", OPERATOR_AT_LEAST}, {"=", OPERATOR_EQUAL}, {"<", OPERATOR_LESS}, {">", OPERATOR_MORE},
    {"contains", OPERATOR_CONTAINS}, {"startsWith", OPERATOR_STARTS}, {"endsWith", OPERATOR_ENDS}};

enum thing { THING_KEY, THING_VALUE, THING_OFFSET, THING_PARTITION, THING_TIMESTAMP, THING_SIZE, THING_HEADER };
static const char *const things[] = {"key", "value", "offset", "partition", "timestamp", "size", "headers"};

struct literal {
    bool is_null, is_number;
    double number;
    struct bytes text;
};
struct node {
    enum node_kind kind;
    int left, right;
    enum thing thing;
    const struct json_path *path; /* into key or value; NULL: the whole */
    struct bytes header;
    enum operator operator;
    struct literal literal;
};
struct filter {
    struct arena arena;
    struct bytes text; /* own copy, NUL follows */
    size_t at;
    int depth, test_count, node_count, root;
    struct node nodes[TESTS_MAX * 3];
    struct buffer scratch;
    struct error *error;
};

/* ---- parsing ---- */

static int fail(struct filter *filter, const char *what) {
    if (filter->error->code == ERROR_NONE)
        error_set(filter->error, ERROR_INVALID, "Filter, at character %zu: %s", filter->at + 1, what);
    return -1;
}

static int add(struct filter *filter, struct node node) {
    if (filter->node_count == (int)ARRAY_COUNT(filter->nodes))
        return fail(filter, "too many tests");
    filter->nodes[filter->node_count] = node;
    return filter->node_count++;
}

static void skip_space(struct filter *filter) {
    while (filter->at < filter->text.size && isspace(filter->text.data[filter->at]))
        filter->at++;
}

static bool is_word(uint8_t byte) {
    return isalnum(byte) || byte == '_' || byte == '-' || byte >= 0x80;
}

/* Takes a symbol, or a word that is not part of a longer one; letters without regard to case. */
static bool take(struct filter *filter, const char *wanted) {
    skip_space(filter);
    size_t size = strlen(wanted);
    if (filter->text.size - filter->at < size ||
        !bytes_equal_ignore_case(bytes_slice(filter->text, filter->at, size), bytes_from_text(wanted)))
        return false;
    size_t end = filter->at + size;
    if (isalpha((uint8_t)wanted[0]) && end < filter->text.size && is_word(filter->text.data[end]))
        return false;
    filter->at = end;
    return true;
}

static bool take_quoted(struct filter *filter, struct bytes *text) {
    skip_space(filter);
    if (filter->at == filter->text.size ||
        (filter->text.data[filter->at] != '"' && filter->text.data[filter->at] != '\''))
        return false;
    uint8_t quote = filter->text.data[filter->at];
    size_t end = bytes_find(filter->text, quote, filter->at + 1);
    if (end == SIZE_MAX) {
        fail(filter, "the quotation mark is not closed");
        return false;
    }
    *text = bytes_slice(filter->text, filter->at + 1, end - filter->at - 1);
    filter->at = end + 1;
    return true;
}

static struct bytes take_word(struct filter *filter) {
    skip_space(filter);
    size_t start = filter->at;
    while (filter->at < filter->text.size &&
           (is_word(filter->text.data[filter->at]) || filter->text.data[filter->at] == '.' ||
               filter->text.data[filter->at] == '+'))
        filter->at++;
    return bytes_slice(filter->text, start, filter->at - start);
}

/* "2026-11-22", "2026-11-22T20:31", "2026-11-22 20:31:05": UTC milliseconds. */
static bool parse_time(struct bytes text, double *ms) {
    int year, month, day, hour = 0, minute = 0, second = 0;
    char copy[32];
    if (text.size < 10 || text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    int count = sscanf(copy, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second);
    if (count < 3 || !calendar_is_valid(year, month, day))
        return false;
    *ms = ((double)calendar_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000;
    return true;
}

static bool take_literal(struct filter *filter, enum thing thing, struct literal *literal) {
    *literal = (struct literal){0};
    bool quoted = take_quoted(filter, &literal->text);
    if (!quoted && filter->error->code == ERROR_NONE)
        literal->text = take_word(filter);
    bool is_reserved = bytes_equal_ignore_case(literal->text, BYTES("and")) ||
                       bytes_equal_ignore_case(literal->text, BYTES("or")) ||
                       bytes_equal_ignore_case(literal->text, BYTES("not"));
    if (!quoted && (literal->text.size == 0 || is_reserved))
        return fail(filter, "here a text in quotation marks or a number is wanted") >= 0;
    literal->is_null = !quoted && bytes_equal_text(literal->text, "null");
    literal->is_number = bytes_to_double(literal->text, &literal->number) ||
                         (thing == THING_TIMESTAMP && parse_time(literal->text, &literal->number));
    return true;
}

/* The rest of value.a.b[0] as a path for format/json. */
static bool take_path(struct filter *filter, struct node *node) {
    size_t start = filter->at;
    while (filter->at < filter->text.size) {
        uint8_t byte = filter->text.data[filter->at];
        if (byte == '.') {
            filter->at++;
            while (filter->at < filter->text.size &&
                   (is_word(filter->text.data[filter->at]) || filter->text.data[filter->at] == '*'))
                filter->at++;
        } else if (byte == '[') {
            size_t end = bytes_find(filter->text, ']', filter->at);
            if (end == SIZE_MAX)
                return fail(filter, "] is missing") >= 0;
            filter->at = end + 1;
        } else {
            break;
        }
    }
    if (filter->at == start)
        return true;
    struct buffer path = {0};
    buffer_append_text(&path, "$");
    buffer_append_bytes(&path, bytes_slice(filter->text, start, filter->at - start));
    node->path = json_path_parse(&filter->arena, arena_copy(&filter->arena, buffer_view(&path)));
    buffer_free(&path);
    return node->path != NULL || fail(filter, "this is not a path such as value.a.b[0]") >= 0;
}

static bool take_thing(struct filter *filter, struct node *node) {
    skip_space(filter);
    if (filter->at < filter->text.size && filter->text.data[filter->at] == '$') {
        filter->at++;
        node->thing = THING_VALUE;
        return take_path(filter, node);
    }
    for (size_t i = 0; i < ARRAY_COUNT(things); i++) {
        if (!take(filter, things[i]))
            continue;
        node->thing = (enum thing)i;
        if (i == THING_KEY || i == THING_VALUE)
            return take_path(filter, node);
        if (i == THING_HEADER) {
            if (filter->at == filter->text.size || filter->text.data[filter->at++] != '.')
                return fail(filter, "headers are written headers.NAME") >= 0;
            node->header = take_word(filter);
        }
        return true;
    }
    return fail(filter, "here key, value, offset, partition, timestamp, size or headers.NAME is wanted") >= 0;
}

static int parse_any(struct filter *filter);

static int parse_test(struct filter *filter) {
    struct node node = {.kind = NODE_TEST};
    if (++filter->test_count > TESTS_MAX)
        return fail(filter, "a filter has at most 64 tests");
    if (!take_thing(filter, &node))
        return -1;
    for (size_t i = 0; i < ARRAY_COUNT(operators); i++) {
        if (!take(filter, operators[i].text))
            continue;
        node.operator= operators[i].operator;
        if (!take_literal(filter, node.thing, &node.literal))
            return -1;
        break;
    }
    return add(filter, node);
}

static int parse_one(struct filter *filter) {
    int inner;
    if (++filter->depth > DEPTH_MAX)
        return fail(filter, "brackets nest at most 16 deep");
    if (take(filter, "not") || take(filter, "!")) {
        inner = parse_one(filter);
        inner = inner < 0 ? -1 : add(filter, (struct node){.kind = NODE_NOT, .left = inner});
    } else if (take(filter, "(")) {
        inner = parse_any(filter);
        if (inner >= 0 && !take(filter, ")"))
            inner = fail(filter, ") is missing");
    } else {
        inner = parse_test(filter);
    }
    filter->depth--;
    return inner;
}

static int parse_all(struct filter *filter) {
    int left = parse_one(filter);
    while (left >= 0 && (take(filter, "and") || take(filter, "&&"))) {
        int right = parse_one(filter);
        left = right < 0 ? -1 : add(filter, (struct node){.kind = NODE_AND, .left = left, .right = right});
    }
    return left;
}

static int parse_any(struct filter *filter) {
    int left = parse_all(filter);
    while (left >= 0 && (take(filter, "or") || take(filter, "||"))) {
        int right = parse_all(filter);
        left = right < 0 ? -1 : add(filter, (struct node){.kind = NODE_OR, .left = left, .right = right});
    }
    return left;
}

struct filter *filter_parse(struct bytes text, struct error *error) {
    if (text.size > TEXT_MAX) {
        error_set(error, ERROR_LIMIT, "A filter has at most %d characters", TEXT_MAX);
        return NULL;
    }
    struct filter *filter = calloc(1, sizeof *filter);
    ASSERT(filter != NULL);
    filter->error = error;
    filter->text = arena_copy(&filter->arena, text);
    filter->root = parse_any(filter);
    skip_space(filter);
    if (filter->root >= 0 && filter->at < filter->text.size)
        filter->root = fail(filter, "here and, or, or an operator such as = is wanted");
    if (filter->root < 0) {
        filter_free(filter);
        return NULL;
    }
    filter->error = NULL;
    return filter;
}

void filter_free(struct filter *filter) {
    if (filter == NULL)
        return;
    arena_destroy(&filter->arena);
    buffer_free(&filter->scratch);
    free(filter);
}

/* ---- evaluating ---- */

static bool same_letters(const uint8_t *left, const uint8_t *right, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (tolower(left[i]) != tolower(right[i]))
            return false;
    return true;
}

bool filter_contains(struct bytes text, struct bytes part) {
    if (part.size == 0)
        return true;
    uint8_t low = (uint8_t)tolower(part.data[0]), high = (uint8_t)toupper(part.data[0]);
    for (size_t i = 0; i + part.size <= text.size; i++)
        if ((text.data[i] == low || text.data[i] == high) && same_letters(text.data + i, part.data, part.size))
            return true;
    return false;
}

static struct bytes find_header(const struct record *record, struct bytes name) {
    struct bytes rest = record->headers;
    struct record_header header;
    for (int32_t i = 0; i < record->header_count && record_header_next(&rest, &header); i++)
        if (bytes_equal(header.key, name))
            return header.value;
    return BYTES_NULL;
}

static struct bytes number_text(struct filter *filter, int64_t number) {
    buffer_clear(&filter->scratch);
    buffer_printf(&filter->scratch, "%lld", (long long)number);
    return buffer_view(&filter->scratch);
}

/* What a test looks at, as text; BYTES_NULL when it is not there. */
static struct bytes look(
    struct filter *filter, const struct node *node, int32_t partition, const struct record *record) {
    switch (node->thing) {
    case THING_OFFSET:
        return number_text(filter, record->offset);
    case THING_PARTITION:
        return number_text(filter, partition);
    case THING_TIMESTAMP:
        return number_text(filter, record->timestamp);
    case THING_SIZE:
        return number_text(filter, (int64_t)record->value.size);
    case THING_HEADER:
        return find_header(record, node->header);
    case THING_KEY:
    case THING_VALUE:
        break;
    }
    struct bytes whole = node->thing == THING_KEY ? record->key : record->value;
    if (node->path == NULL || whole.data == NULL)
        return whole;
    buffer_clear(&filter->scratch);
    if (!json_path_get(node->path, whole, &filter->scratch))
        return BYTES_NULL;
    return filter->scratch.size == 0 ? BYTES("") : buffer_view(&filter->scratch);
}

static int compare(struct bytes found, const struct literal *literal) {
    double number;
    if (literal->is_number && bytes_to_double(found, &number))
        return number < literal->number ? -1 : number > literal->number;
    return bytes_compare(found, literal->text);
}

static bool test(struct filter *filter, const struct node *node, int32_t partition, const struct record *record) {
    struct bytes found = look(filter, node, partition, record);
    const struct literal *literal = &node->literal;
    if (node->operator== OPERATOR_EXISTS)
        return found.data != NULL && !bytes_equal_text(found, "null") && !bytes_equal_text(found, "false");
    if (literal->is_null && node->operator<= OPERATOR_UNEQUAL)
        return (found.data == NULL) == (node->operator== OPERATOR_EQUAL);
    if (found.data == NULL)
        return node->operator== OPERATOR_UNEQUAL;
    size_t size = literal->text.size;
    switch (node->operator) {
    case OPERATOR_EXISTS:
        break;
    case OPERATOR_EQUAL:
        return compare(found, literal) == 0;
    case OPERATOR_UNEQUAL:
        return compare(found, literal) != 0;
    case OPERATOR_LESS:
        return compare(found, literal) < 0;
    case OPERATOR_AT_MOST:
        return compare(found, literal) <= 0;
    case OPERATOR_MORE:
        return compare(found, literal) > 0;
    case OPERATOR_AT_LEAST:
        return compare(found, literal) >= 0;
    case OPERATOR_CONTAINS:
        return filter_contains(found, literal->text);
    case OPERATOR_STARTS:
        return found.size >= size && same_letters(found.data, literal->text.data, size);
    case OPERATOR_ENDS:
        return found.size >= size && same_letters(found.data + found.size - size, literal->text.data, size);
    }
    return false;
}

/* The depth is bounded by the parser: brackets by DEPTH_MAX, chains of `and` by TESTS_MAX. */
static bool evaluate(struct filter *filter, int index, int32_t partition, const struct record *record) {
    const struct node *node = &filter->nodes[index];
    switch (node->kind) {
    case NODE_AND:
        return evaluate(filter, node->left, partition, record) && evaluate(filter, node->right, partition, record);
    case NODE_OR:
        return evaluate(filter, node->left, partition, record) || evaluate(filter, node->right, partition, record);
    case NODE_NOT:
        return !evaluate(filter, node->left, partition, record);
    case NODE_TEST:
        return test(filter, node, partition, record);
    }
    return false;
}

bool filter_matches(struct filter *filter, int32_t partition, const struct record *record) {
    return evaluate(filter, filter->root, partition, record);
}
