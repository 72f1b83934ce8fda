/* request_metrics.c: how long requests of each API took, and the request log: one line for each request while the
 * logger kafka.request.logger is at DEBUG or TRACE, in the form of Kafka's own line without the bodies. Broker's loop.
 */
#include "kafka/request_metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

const double request_time_bounds[REQUEST_TIME_BUCKETS] = {
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10};

static void note_time(struct request_times *times, int64_t taken_ns) {
    size_t bucket = 0;
    while (bucket < REQUEST_TIME_BUCKETS && (double)taken_ns > request_time_bounds[bucket] * 1e9)
        bucket++;
    times->counts[bucket]++;
    times->count++;
    times->sum_ns += taken_ns;
}

static void write_line(const struct api_request *request, const char *outcome, size_t size, int64_t taken_ns) {
    const struct connection *connection = request->connection;
    const struct world_address *local = net_local(connection->net), *peer = net_peer(connection->net);
    struct buffer line = {0};
    buffer_printf(&line,
        "{\"requestHeader\":{\"requestApiKey\":%d,\"requestApiVersion\":%d,\"correlationId\":%d,\"clientId\":",
        request->api->key, request->version, request->correlation);
    buffer_append_json_string(&line, bytes_from_text(connection->client_id));
    buffer_printf(&line,
        ",\"requestApiKeyName\":\"%s\"},\"requestSizeBytes\":%zu,\"responseSizeBytes\":%zu,"
        "\"connection\":\"%s:%u-%s:%u-%llu\",\"totalTimeMs\":%.3f,\"securityProtocol\":\"PLAINTEXT\","
        "\"principal\":\"User:ANONYMOUS\",\"clientInformation\":{\"softwareName\":",
        request->api->name, request->frame_size, size, local->text, local->port, peer->text, peer->port,
        (unsigned long long)net_id(connection->net), (double)taken_ns / 1e6);
    buffer_append_json_string(
        &line, bytes_from_text(connection->software_name[0] ? connection->software_name : "unknown"));
    buffer_append_text(&line, ",\"softwareVersion\":");
    buffer_append_json_string(
        &line, bytes_from_text(connection->software_version[0] ? connection->software_version : "unknown"));
    buffer_append_text(&line, "}}");
    service_log_write(
        request->broker->service_log, LOG_INFO, BROKER_REQUEST_LOGGER, "%s request:%s", outcome, buffer_text(&line));
    buffer_free(&line);
}

void request_metrics_note(const struct api_request *request, const char *outcome, size_t answer_size) {
    struct broker *broker = request->broker;
    int64_t taken_ns = world_monotonic_ns(broker->world) - request->received_ns;
    note_time(&broker->request_times[request->api - api_table], taken_ns);
    if (broker->logs_requests)
        write_line(request, outcome, answer_size, taken_ns);
}

double request_times_quantile_ms(const struct request_times *times, double quantile) {
    double wanted = quantile * (double)times->count, below = 0;
    for (size_t i = 0; i < REQUEST_TIME_BUCKETS && times->count > 0; i++) {
        double from = i == 0 ? 0 : request_time_bounds[i - 1], count = (double)times->counts[i];
        if (below + count >= wanted && count > 0)
            return 1e3 * (from + (request_time_bounds[i] - from) * (wanted - below) / count);
        below += count;
    }
    return times->count > 0 ? 1e3 * request_time_bounds[REQUEST_TIME_BUCKETS - 1] : 0;
}
