/* broker.c: start and stop. */
#include "kafka/broker.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/client_internal.h"
#include "kafka/fetch_session.h"
#include "kafka/groups.h"
#include "kafka/transactions.h"

struct start_call {
    struct broker *broker;
    const struct broker_options *options;
    struct error *error;
    bool ok;
};

/* ---- settings ---- */

/* "PLAINTEXT://kafka:9092,OUTSIDE://localhost:29092" */
static bool parse_advertised(struct broker *broker, const char *text, struct error *error) {
    struct bytes list = bytes_trim(bytes_from_text(text));
    for (size_t at = 0; list.size > 0 && at <= list.size;) {
        size_t comma = bytes_find(list, ',', at), end = comma == SIZE_MAX ? list.size : comma;
        struct bytes item = bytes_trim(bytes_slice(list, at, end - at));
        const char *scheme_end = item.size ? memmem(item.data, item.size, "://", 3) : NULL;
        size_t from = scheme_end ? (size_t)(scheme_end - (const char *)item.data) + 3 : 0;
        size_t colon = item.size;
        while (colon > from && item.data[colon - 1] != ':')
            colon--;
        int64_t port = 0;
        struct bytes host = colon > from ? bytes_slice(item, from, colon - 1 - from) : BYTES_NULL;
        if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
            host = bytes_slice(host, 1, host.size - 2);
        if (!scheme_end || host.size == 0 || !bytes_to_int64(bytes_slice(item, colon, item.size - colon), &port) ||
            port < 1 || port > 65535)
            return error_set(error, ERROR_INVALID,
                "advertised.listeners: %.*s is not of the form PLAINTEXT://host:port", BYTES_ARGS(item));
        VECTOR_PUSH(
            &broker->advertised, ((struct advertised){strndup((const char *)host.data, host.size), (uint16_t)port}));
        at = end + 1;
    }
    return true;
}

/* ---- on the loop ---- */

static void on_advance(void *argument, struct partition_log *log) {
    struct broker *broker = argument;
    client_wake_subscribers(broker->client);
}

/* Recovery points and start offsets are written together. */
static int64_t checkpoint_interval_ms(const struct config *config) {
    int64_t synced_ms = config_integer(config, "log.flush.offset.checkpoint.interval.ms");
    int64_t start_ms = config_integer(config, "log.flush.start.offset.checkpoint.interval.ms");
    int64_t least_ms = synced_ms < start_ms ? synced_ms : start_ms;
    return least_ms > 0 ? least_ms : 1;
}

static bool open_all(struct broker *broker, const struct broker_options *given, struct error *error) {
    struct log_manager_options options = {
        .world = broker->world,
        .loop = broker->loop,
        .disk_pool = broker->disk_pool,
        .directory = broker->directory,
        .node_id = broker->node_id,
        .service_log = broker->service_log,
        .metrics = broker->metrics,
        .producer_expiration_ms = config_integer(&broker->config, "producer.id.expiration.ms"),
        .retention_check_ms = config_integer(&broker->config, "log.retention.check.interval.ms"),
        .cleaner_backoff_ms = config_integer(&broker->config, "log.cleaner.backoff.ms"),
        .stops_at_corruption = given->stops_at_corruption,
        .scrub_bytes_per_s = given->scrub_bytes_per_s,
        .scrub_interval_ms = given->scrub_interval_ms,
        .checkpoint_ms = checkpoint_interval_ms(&broker->config),
    };
    broker->logs = log_manager_open(&options, error);
    if (!broker->logs || !topics_open(broker, error))
        return false;
    log_manager_on_advance(broker->logs, on_advance, broker);
    broker->groups = groups_create(broker);
    broker->sessions =
        fetch_sessions_create((size_t)config_integer(&broker->config, "max.incremental.fetch.session.cache.slots"));
    broker->transactions = transactions_create(broker);
    if (!groups_load(broker->groups, error) || !transactions_load(broker->transactions, error))
        return false;
    transactions_resume(broker->transactions);
    return true;
}

static void open_on_loop(void *argument) {
    struct start_call *call = argument;
    call->ok = open_all(call->broker, call->options, call->error);
}

static void register_on_loop(void *argument) {
    struct start_call *call = argument;
    struct broker *broker = call->broker;
    const char *host =
        broker->advertised.count > 0 ? broker->advertised.items[0].host : broker->endpoints.items[0].address;
    uint16_t port = broker->advertised.count > 0 ? broker->advertised.items[0].port : broker->port;
    call->ok = metadata_register_broker(broker->metadata, host, port, call->error);
}

static void suspend_on_loop(void *argument) {
    struct broker *broker = argument;
    broker->is_suspended = true;
    client_suspend(broker->client);
}

static void resume_on_loop(void *argument) {
    struct broker *broker = argument;
    broker->is_suspended = false;
    client_resume(broker->client);
}

static void close_on_loop(void *argument) {
    struct broker *broker = argument;
    resume_on_loop(broker); /* what waits is done before the logs close */
    transactions_destroy(broker->transactions);
    groups_destroy(broker->groups);
    fetch_sessions_destroy(broker->sessions);
    topics_close(broker);
    if (broker->logs)
        log_manager_close(broker->logs);
}

/* ---- start and stop ---- */

static void broker_free(struct broker *broker) {
    if (broker->client)
        client_destroy(broker->client);
    for (size_t i = 0; i < broker->advertised.count; i++)
        free(broker->advertised.items[i].host);
    VECTOR_FREE(&broker->advertised);
    for (size_t i = 0; i < broker->told.count; i++)
        free(broker->told.items[i].as.host);
    for (size_t i = 0; i < broker->own_names.count; i++)
        free(broker->own_names.items[i]);
    VECTOR_FREE(&broker->told);
    VECTOR_FREE(&broker->own_names);
    VECTOR_FREE(&broker->address_limits);
    VECTOR_FREE(&broker->endpoints);
    free(broker->request_counts);
    free(broker->request_times);
    free(broker->directory);
    config_free(&broker->config);
    world_mutex_destroy(&broker->topics_mutex);
    free(broker);
}

static char *copy_text(const char *text) {
    char *copy = strdup(text);
    ASSERT(copy);
    return copy;
}

static void copy_addresses(struct broker *broker, const struct broker_options *options) {
    for (size_t i = 0; i < options->address_count; i++)
        VECTOR_PUSH(&broker->endpoints, net_endpoint_parse(options->addresses[i], options->port));
    for (size_t i = 0; i < options->told_count; i++) {
        const struct broker_told *told = &options->told[i];
        struct told copy = {net_endpoint_parse(told->address, told->port), {copy_text(told->host), told->host_port}};
        VECTOR_PUSH(&broker->told, copy);
    }
    for (size_t i = 0; i < options->own_name_count; i++)
        VECTOR_PUSH(&broker->own_names, copy_text(options->own_names[i]));
}

/* broker.id is its older name. */
static int32_t given_node_id(const struct config *config) {
    bool older = !config_given(config, "node.id") && config_integer(config, "broker.id") >= 0;
    return (int32_t)config_integer(config, older ? "broker.id" : "node.id");
}

/* Facts of this process that clients see as its settings. */
static void give_facts(struct broker *broker) {
    struct buffer listeners = {0};
    char id[16];
    snprintf(id, sizeof id, "%d", broker->node_id);
    for (size_t i = 0; i < broker->endpoints.count; i++) {
        const struct net_endpoint *at = &broker->endpoints.items[i];
        bool is_six = strchr(at->address, ':') != NULL;
        buffer_printf(&listeners, "%sPLAINTEXT://%s%s%s:%u", i ? "," : "", is_six ? "[" : "", at->address,
            is_six ? "]" : "", at->port);
    }
    config_give(&broker->config, "node.id", id);
    config_give(&broker->config, "broker.id", id);
    config_give(&broker->config, "log.dirs", broker->directory);
    config_give(&broker->config, "listeners", buffer_text(&listeners));
    buffer_free(&listeners);
}

static struct broker *broker_make(const struct broker_options *options, struct error *error) {
    struct config config;
    if (!config_load(&config, options->setting, options->setting_context, error))
        return NULL;
    struct broker *broker = calloc(1, sizeof *broker);
    ASSERT(broker && options->address_count > 0);
    broker->config = config;
    broker->world = options->world;
    broker->loop = options->loop;
    broker->disk_pool = options->disk_pool;
    broker->service_log = options->service_log;
    broker->metrics = options->metrics;
    broker->node_id = options->node_id ? options->node_id : given_node_id(&broker->config);
    broker->directory = strdup(options->directory);
    broker->port = options->port;
    copy_addresses(broker, options);
    give_facts(broker);
    list_init(&broker->ready_requests);
    broker->topics_version = 1;
    world_mutex_init(&broker->topics_mutex);
    broker->client = client_create(broker);
    api_make_metrics(broker);
    broker->fetch_size_max = config_integer(&broker->config, "fetch.max.bytes");
    const char *advertised = config_text(&broker->config, "advertised.listeners");
    if (advertised && !parse_advertised(broker, advertised, error)) {
        broker_free(broker);
        return NULL;
    }
    return broker;
}

static bool listen_and_register(struct broker *broker, const struct broker_options *options, struct error *error) {
    struct net_server_options server = {
        .loop = broker->loop,
        .addresses = options->addresses,
        .address_count = options->address_count,
        .port = options->port,
        .protocol = &kafka_protocol,
        .context = broker,
        .limits = broker_net_limits(broker),
        .peer_rule = options->peer_rule,
        .log = broker->service_log,
        .metrics = broker->metrics,
    };
    broker->server = net_server_start(&server, error);
    if (!broker->server)
        return false;
    broker->port = net_server_port(broker->server);
    for (size_t i = 0; i < broker->endpoints.count; i++)
        if (broker->endpoints.items[i].port == 0)
            broker->endpoints.items[i].port = broker->port;
    struct start_call call = {.broker = broker, .error = error};
    world_loop_call(broker->loop, register_on_loop, &call);
    return call.ok;
}

static void log_started(struct broker *broker) {
    for (size_t i = 0; i < broker->endpoints.count; i++)
        service_log_write(broker->service_log, LOG_INFO, "kafka.network.DataPlaneAcceptor",
            "Awaiting socket connections on %s:%u.", broker->endpoints.items[i].address,
            broker->endpoints.items[i].port);
    service_log_write(broker->service_log, LOG_INFO, "kafka.network.SocketServer",
        "[SocketServer listenerType=BROKER, nodeId=%d] Enabling request processing.", broker->node_id);
    service_log_write(broker->service_log, LOG_INFO, "kafka.server.BrokerServer",
        "[BrokerServer id=%d] Transition from STARTING to STARTED", broker->node_id);
    service_log_write(broker->service_log, LOG_INFO, "kafka.server.KafkaRaftServer",
        "[KafkaRaftServer nodeId=%d] Kafka Server started", broker->node_id);
}

struct broker *broker_start(const struct broker_options *options, struct error *error) {
    struct error ignored;
    struct broker *broker = broker_make(options, error ? error : &ignored);
    if (!broker)
        return NULL;
    service_log_write(broker->service_log, LOG_INFO, "kafka.server.BrokerServer",
        "[BrokerServer id=%d] Transition from SHUTDOWN to STARTING", broker->node_id);
    struct start_call call = {.broker = broker, .options = options, .error = error ? error : &ignored};
    world_loop_call(broker->loop, open_on_loop, &call);
    if (!call.ok || !listen_and_register(broker, options, call.error)) {
        service_log_write(broker->service_log, LOG_ERROR, "kafka.server.BrokerServer",
            "[BrokerServer id=%d] Fatal error during broker startup. Prepare to shutdown: %s", broker->node_id,
            call.error->message);
        broker_stop(broker);
        return NULL;
    }
    log_started(broker);
    return broker;
}

void broker_stop(struct broker *broker) {
    if (!broker)
        return;
    service_log_write(broker->service_log, LOG_INFO, "kafka.server.BrokerServer",
        "[BrokerServer id=%d] Transition from STARTED to SHUTTING_DOWN", broker->node_id);
    if (broker->server)
        net_server_stop(broker->server);
    world_loop_call(broker->loop, close_on_loop, broker);
    service_log_write(broker->service_log, LOG_INFO, "kafka.server.BrokerServer",
        "[BrokerServer id=%d] shut down completed", broker->node_id);
    broker_free(broker);
}

void broker_suspend(struct broker *broker) {
    service_log_write(broker->service_log, LOG_INFO, "kafka.server.BrokerServer",
        "[BrokerServer id=%d] Transition from STARTED to SHUTTING_DOWN", broker->node_id);
    net_server_suspend(broker->server);
    world_loop_call(broker->loop, suspend_on_loop, broker);
    service_log_write(broker->service_log, LOG_INFO, "kafka.server.BrokerServer",
        "[BrokerServer id=%d] shut down completed", broker->node_id);
}

bool broker_resume(struct broker *broker, struct error *error) {
    service_log_write(broker->service_log, LOG_INFO, "kafka.server.BrokerServer",
        "[BrokerServer id=%d] Transition from SHUTDOWN to STARTING", broker->node_id);
    if (!net_server_resume(broker->server, error))
        return false;
    world_loop_call(broker->loop, resume_on_loop, broker);
    log_started(broker);
    return true;
}

uint16_t broker_port(const struct broker *broker) {
    return broker->port;
}

const char *broker_cluster_id(const struct broker *broker) {
    return log_manager_cluster_id(broker->logs);
}

struct kafka_client *broker_client(struct broker *broker) {
    return broker->client;
}

size_t broker_connection_count(const struct broker *broker) {
    return net_server_connection_count(broker->server);
}
