/* errors.c: names and texts of Kafka's error codes. */
#include "kafka/errors.h"

#include <stddef.h>

#include "base/assert.h"

static const struct error_row {
    int16_t code;
    const char *name, *text;
} rows[] = {
#define KAFKA_ERROR(name, code, text) {code, #name, text},
#include "kafka/errors.def"
#undef KAFKA_ERROR
};

static const struct error_row *find_row(int16_t code) {
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

const char *kafka_error_name(int16_t code) {
    const struct error_row *row = find_row(code);
    return row ? row->name : "UNKNOWN";
}

const char *kafka_error_text(int16_t code) {
    const struct error_row *row = find_row(code);
    return row ? row->text : "";
}

int16_t kafka_error_from_status(enum log_status status) {
    switch (status) {
    case LOG_STATUS_OK:
        return KAFKA_NONE;
    case LOG_STATUS_OFFSET_OUT_OF_RANGE:
        return KAFKA_OFFSET_OUT_OF_RANGE;
    case LOG_STATUS_CORRUPT:
        return KAFKA_CORRUPT_MESSAGE;
    case LOG_STATUS_TOO_LARGE:
        return KAFKA_MESSAGE_TOO_LARGE;
    case LOG_STATUS_INVALID_RECORD:
        return KAFKA_INVALID_RECORD;
    case LOG_STATUS_INVALID_TIMESTAMP:
        return KAFKA_INVALID_TIMESTAMP;
    case LOG_STATUS_OUT_OF_ORDER_SEQUENCE:
        return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case LOG_STATUS_INVALID_PRODUCER_EPOCH:
        return KAFKA_INVALID_PRODUCER_EPOCH;
    case LOG_STATUS_INVALID_TRANSACTION:
        return KAFKA_INVALID_TXN_STATE;
    case LOG_STATUS_STORAGE:
        return KAFKA_KAFKA_STORAGE_ERROR;
    case LOG_STATUS_CLOSED:
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return KAFKA_UNKNOWN_SERVER_ERROR;
}

int16_t kafka_error_from_error(const struct error *error) {
    switch (error->code) {
    case ERROR_NONE:
        return KAFKA_NONE;
    case ERROR_INVALID:
        return KAFKA_INVALID_REQUEST;
    case ERROR_NOT_FOUND:
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    case ERROR_EXISTS:
        return KAFKA_TOPIC_ALREADY_EXISTS;
    case ERROR_CORRUPT:
        return KAFKA_CORRUPT_MESSAGE;
    case ERROR_IO:
    case ERROR_NO_SPACE:
    case ERROR_DENIED: /* a read-only disk */
        return KAFKA_KAFKA_STORAGE_ERROR;
    case ERROR_TIMEOUT:
        return KAFKA_REQUEST_TIMED_OUT;
    default:
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
}
