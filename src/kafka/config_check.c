/* config_check.c: whether a value fits a setting: its type and rule in Kafka's words, then whether this broker serves
 * it. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/assert.h"
#include "kafka/config.h"

static bool refused(const struct config_row *row, struct bytes value, struct error *error, const char *why) {
    if (row->type == CONFIG_PASSWORD)
        value = BYTES("[hidden]");
    return error_set(
        error, ERROR_INVALID, "Invalid value %.*s for configuration %s: %s", BYTES_ARGS(value), row->name, why);
}

/* Calls `visit` for each item of a list, without spaces around it; stops at false. */
static bool each_item(struct bytes list, bool (*visit)(void *context, struct bytes item), void *context) {
    for (size_t at = 0; at <= list.size && bytes_trim(list).size > 0;) {
        size_t comma = bytes_find(list, ',', at);
        size_t end = comma == SIZE_MAX ? list.size : comma;
        if (!visit(context, bytes_trim(bytes_slice(list, at, end - at))))
            return false;
        at = end + 1;
    }
    return true;
}

struct search {
    struct bytes wanted;
    bool any_case;
    size_t found;
};

static bool count_item(void *context, struct bytes item) {
    struct search *search = context;
    if (item.size == search->wanted.size &&
        (search->any_case ? strncasecmp((const char *)item.data, (const char *)search->wanted.data, item.size) == 0
                          : bytes_equal(item, search->wanted)))
        search->found++;
    return true;
}

static size_t count_in(struct bytes list, struct bytes wanted, bool any_case) {
    struct search search = {wanted, any_case, 0};
    each_item(list, count_item, &search);
    return search.found;
}

struct list_check {
    const struct config_row *row;
    struct bytes value;
    struct error *error;
};

static bool check_word(void *context, struct bytes word) {
    const struct list_check *check = context;
    const struct config_row *row = check->row;
    bool any_case = row->rule.kind == CONFIG_RULE_WORDS_ANY_CASE;
    char why[300];
    if (count_in(bytes_from_text(row->rule.words), word, any_case) > 0)
        return true;
    snprintf(why, sizeof why, "String must be one of%s: %s", any_case ? " (case insensitive)" : "", row->rule.words);
    return refused(row, word, check->error, why);
}

static bool check_distinct(void *context, struct bytes item) {
    const struct list_check *check = context;
    if (count_in(check->value, item, false) <= 1)
        return true;
    return error_set(
        check->error, ERROR_INVALID, "Configuration '%s' values must not be duplicated.", check->row->name);
}

/* "partition:broker" */
static bool check_throttled(void *context, struct bytes item) {
    const struct list_check *check = context;
    size_t colon = bytes_find(item, ':', 0);
    int64_t partition, broker;
    if (bytes_equal_text(item, "*") ||
        (colon != SIZE_MAX && bytes_to_int64(bytes_slice(item, 0, colon), &partition) && partition >= 0 &&
            bytes_to_int64(bytes_slice(item, colon + 1, item.size - colon - 1), &broker) && broker >= 0))
        return true;
    return error_set(check->error, ERROR_INVALID,
        "Invalid value [%.*s] for configuration %s: %s must be the literal '*' or a list of replicas in the following "
        "format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        BYTES_ARGS(check->value), check->row->name, check->row->name);
}

/* "address:number", the address in digits. */
static bool check_address(void *context, struct bytes item) {
    const struct list_check *check = context;
    size_t colon = item.size;
    int64_t count;
    while (colon > 0 && item.data[colon - 1] != ':')
        colon--;
    bool good = colon > 1 && bytes_to_int64(bytes_slice(item, colon, item.size - colon), &count) && count >= 0;
    for (size_t i = 0; good && i + 1 < colon; i++)
        good = strchr("0123456789abcdefABCDEF.:[]", item.data[i]) != NULL;
    return good ||
           refused(check->row, item, check->error, "Each item must be an address in digits, a colon and a number");
}

static bool check_text(const struct config_row *row, struct bytes value, struct error *error) {
    struct list_check check = {row, value, error};
    switch (row->rule.kind) {
    case CONFIG_RULE_WORDS:
    case CONFIG_RULE_WORDS_ANY_CASE:
        if (row->type != CONFIG_LIST)
            return check_word(&check, value);
        return each_item(value, check_word, &check);
    case CONFIG_RULE_NON_EMPTY:
        return value.size > 0 || refused(row, value, error, "String must be non-empty");
    case CONFIG_RULE_DISTINCT:
        return each_item(value, check_distinct, &check);
    case CONFIG_RULE_THROTTLED:
        return each_item(value, check_throttled, &check);
    case CONFIG_RULE_ADDRESSES:
        return each_item(value, check_address, &check);
    default:
        return true;
    }
}

static bool check_integer(const struct config_row *row, struct bytes value, struct error *error) {
    static const char *const names[] = {[CONFIG_INT] = "INT", [CONFIG_SHORT] = "SHORT", [CONFIG_LONG] = "LONG"};
    char why[100];
    int64_t integer;
    bool fits = bytes_to_int64(value, &integer) && (row->type != CONFIG_INT || integer == (int32_t)integer) &&
                (row->type != CONFIG_SHORT || integer == (int16_t)integer);
    if (!fits) {
        snprintf(why, sizeof why, "Not a number of type %s", names[row->type]);
        return refused(row, value, error, why);
    }
    if (row->rule.kind == CONFIG_RULE_RANGE_OR_MINUS_1) {
        snprintf(why, sizeof why, "Value must be between %lld and %lld or equal to -1", (long long)row->rule.least,
            (long long)row->rule.most);
        return integer == -1 || (integer >= row->rule.least && integer <= row->rule.most) ||
               refused(row, value, error, why);
    }
    if (row->rule.kind != CONFIG_RULE_RANGE || (integer >= row->rule.least && integer <= row->rule.most))
        return true;
    if (integer < row->rule.least)
        snprintf(why, sizeof why, "Value must be at least %lld", (long long)row->rule.least);
    else
        snprintf(why, sizeof why, "Value must be no more than %lld", (long long)row->rule.most);
    return refused(row, value, error, why);
}

static bool check_double(const struct config_row *row, struct bytes value, struct error *error) {
    char why[100];
    double number;
    if (!bytes_to_double(value, &number))
        return refused(row, value, error, "Not a number of type DOUBLE");
    if (row->rule.kind != CONFIG_RULE_REAL || (number >= row->rule.least_real && number <= row->rule.most_real))
        return true;
    if (number > row->rule.most_real)
        snprintf(why, sizeof why, "Value must be no more than %g", row->rule.most_real);
    else
        snprintf(why, sizeof why, "Value must be at least %g", row->rule.least_real);
    return refused(row, value, error, why);
}

static bool fits_type(const struct config_row *row, struct bytes value, struct error *error) {
    switch (row->type) {
    case CONFIG_BOOLEAN:
        return (value.size == 4 && strncasecmp((const char *)value.data, "true", 4) == 0) ||
               (value.size == 5 && strncasecmp((const char *)value.data, "false", 5) == 0) ||
               refused(row, value, error, "Expected value to be either true or false");
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG:
        return check_integer(row, value, error);
    case CONFIG_DOUBLE:
        return check_double(row, value, error);
    default:
        return check_text(row, value, error);
    }
}

static bool is_default(const struct config_row *row, struct bytes value) {
    double number, standard;
    if (!row->standard)
        return value.size == 0;
    if (row->type == CONFIG_DOUBLE && bytes_to_double(value, &number) &&
        bytes_to_double(bytes_from_text(row->standard), &standard))
        return number == standard;
    return value.size == strlen(row->standard) && strncasecmp((const char *)value.data, row->standard, value.size) == 0;
}

bool config_check(const struct config_row *row, struct bytes value, struct error *error) {
    struct bytes trimmed = bytes_trim(value);
    if (!fits_type(row, trimmed, error))
        return false;
    if (row->effect != CONFIG_REFUSED || is_default(row, trimmed))
        return true;
    return error_set(error, ERROR_UNSUPPORTED,
        "Invalid value %.*s for configuration %s: this broker serves only its default, %s. (%s)",
        BYTES_ARGS(row->type == CONFIG_PASSWORD ? BYTES("[hidden]") : trimmed), row->name,
        !row->standard || !row->standard[0] ? "not set" : row->standard, row->documentation);
}

bool config_check_together(const struct config *config, const struct map *set, struct error *error) {
    int64_t least = 0, most = INT64_MAX;
    const char *least_text = config_topic_value(config, set, "min.compaction.lag.ms");
    const char *most_text = config_topic_value(config, set, "max.compaction.lag.ms");
    bytes_to_int64(bytes_from_text(least_text), &least);
    bytes_to_int64(bytes_from_text(most_text), &most);
    return least <= most ||
           error_set(error, ERROR_INVALID,
               "conflict topic config setting min.compaction.lag.ms (%lld) > max.compaction.lag.ms (%lld)",
               (long long)least, (long long)most);
}
