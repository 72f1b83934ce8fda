/* metrics.h: counters and gauges by name and labels, shown as Prometheus text (exposition format 0.0.4). Values are
 * atomics. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>
#include "base/bytes.h"

struct metrics;

struct metric {
    _Atomic int64_t value;
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);
/* Finds or makes the series. labels: "topic=\"a\",partition=\"0\"" or "". The pointer lives as long as `metrics`. Any
 * thread. */
struct metric *metrics_get(
    struct metrics *metrics, enum metric_kind kind, const char *name, const char *help, const char *labels);
static inline void metric_add(struct metric *metric, int64_t amount) {
    __atomic_fetch_add((int64_t *)&metric->value, amount, __ATOMIC_RELAXED);
}
static inline void metric_set(struct metric *metric, int64_t value) {
    __atomic_store_n((int64_t *)&metric->value, value, __ATOMIC_RELAXED);
}
static inline int64_t metric_value(const struct metric *metric) {
    return __atomic_load_n((const int64_t *)&metric->value, __ATOMIC_RELAXED);
}
/* Appends all series as Prometheus text. Any thread. */
void metrics_format(struct metrics *metrics, struct buffer *out);

#endif
