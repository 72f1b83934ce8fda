/* request_metrics.h: how long requests took, and the request log. Broker's loop. */
#ifndef KAFKA_REQUEST_METRICS_H
#define KAFKA_REQUEST_METRICS_H

#include "kafka/internal.h"

#define REQUEST_TIME_BUCKETS 16
extern const double request_time_bounds[REQUEST_TIME_BUCKETS]; /* seconds */
/* Of one API: from the frame's arrival to the answer. */
struct request_times {
    uint64_t counts[REQUEST_TIME_BUCKETS + 1]; /* the last: above every bound */
    uint64_t count;
    int64_t sum_ns;
};

/* A request is done: "Completed", or what became of it. answer_size: bytes, 0 for none. */
void request_metrics_note(const struct api_request *request, const char *outcome, size_t answer_size);
/* From the buckets, evenly spread within each; 0 without requests. */
double request_times_quantile_ms(const struct request_times *times, double quantile);

#endif
