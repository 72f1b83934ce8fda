/* errors.h: Kafka's error codes, from schema/kafka/errors.def. */
#ifndef KAFKA_ERRORS_H
#define KAFKA_ERRORS_H

#include "base/error.h"
#include "log/log.h"

enum kafka_error {
#define KAFKA_ERROR(name, code, text) KAFKA_##name = code,
#include "kafka/errors.def"
#undef KAFKA_ERROR
};

/* "INVALID_TOPIC_EXCEPTION"; "UNKNOWN" for a code that is not in the table. */
const char *kafka_error_name(int16_t code);
const char *kafka_error_text(int16_t code);
/* What a log/ answer means to a client. */
int16_t kafka_error_from_status(enum log_status status);
/* What our own error means when no better code is known. */
int16_t kafka_error_from_error(const struct error *error);

#endif
