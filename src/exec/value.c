/* value.c: see value.h. */
#include "exec/value.h"

#define COMPARE(c_type)                                                                                                \
    do {                                                                                                               \
        c_type a = COLUMN_VALUES(left, c_type)[left_row], b = COLUMN_VALUES(right, c_type)[right_row];                 \
        return (a > b) - (a < b);                                                                                      \
    } while (0)

static int compare_doubles(double a, double b) {
    if (a != a || b != b) {
        return (a != a) - (b != b);
    }
    return (a > b) - (a < b);
}

static int compare_lists(const struct column *left, size_t left_row, const struct column *right, size_t right_row) {
    int32_t left_count = left->offsets[left_row + 1] - left->offsets[left_row];
    int32_t right_count = right->offsets[right_row + 1] - right->offsets[right_row];
    for (int32_t i = 0; i < left_count && i < right_count; i++) {
        for (size_t c = 0; c < left->child_count; c++) {
            int order = value_compare(left->children[c], (size_t)(left->offsets[left_row] + i), right->children[c],
                (size_t)(right->offsets[right_row] + i));
            if (order != 0) {
                return order;
            }
        }
    }
    return (left_count > right_count) - (left_count < right_count);
}

int value_compare(const struct column *left, size_t left_row, const struct column *right, size_t right_row) {
    left_row = left->constant ? 0 : left_row;
    right_row = right->constant ? 0 : right_row;
    bool left_null = column_is_null(left, left_row), right_null = column_is_null(right, right_row);
    if (left_null || right_null) {
        return right_null - left_null;
    }
    switch (left->type->kind) {
    case TYPE_NULL:
        return 0;
    case TYPE_BOOLEAN:
        COMPARE(uint8_t);
    case TYPE_BYTE:
        COMPARE(int8_t);
    case TYPE_SHORT:
        COMPARE(int16_t);
    case TYPE_INTEGER:
    case TYPE_DATE:
    case TYPE_YEAR_MONTH_INTERVAL:
        COMPARE(int32_t);
    case TYPE_LONG:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_DAY_TIME_INTERVAL:
        COMPARE(int64_t);
    case TYPE_FLOAT:
        return compare_doubles(
            (double)COLUMN_VALUES(left, float)[left_row], (double)COLUMN_VALUES(right, float)[right_row]);
    case TYPE_DOUBLE:
        return compare_doubles(COLUMN_VALUES(left, double)[left_row], COLUMN_VALUES(right, double)[right_row]);
    case TYPE_DECIMAL:
        COMPARE(__int128);
    case TYPE_STRING:
    case TYPE_BINARY:
        return string_view_compare(
            COLUMN_VALUES(left, struct string_view)[left_row], COLUMN_VALUES(right, struct string_view)[right_row]);
    case TYPE_CALENDAR_INTERVAL:
        return memcmp(&COLUMN_VALUES(left, struct calendar_interval)[left_row],
            &COLUMN_VALUES(right, struct calendar_interval)[right_row], sizeof(struct calendar_interval));
    case TYPE_ARRAY:
    case TYPE_MAP:
        return compare_lists(left, left_row, right, right_row);
    case TYPE_STRUCT:
        for (size_t i = 0; i < left->child_count; i++) {
            int order = value_compare(left->children[i], left_row, right->children[i], right_row);
            if (order != 0) {
                return order;
            }
        }
        return 0;
    default:
        UNREACHABLE();
    }
}

bool value_equal(const struct column *left, size_t left_row, const struct column *right, size_t right_row) {
    return value_compare(left, left_row, right, right_row) == 0;
}
