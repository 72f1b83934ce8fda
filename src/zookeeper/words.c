/* words.c: the four-letter words that health checks and operators send instead of a session. Their four letters come
 * where a frame's length would be. Texts have the form of ZooKeeper 3.9. */
#include "zookeeper/server.h"

#include <stdio.h>

#define VERSION_LINE "Zookeeper version: " ZK_VERSION "-raudal, built on 2026-01-01 00:00 UTC\n"

static void for_each_connection(
    struct zookeeper *zookeeper, void (*visit)(void *argument, struct net_connection *connection), void *argument) {
    net_server_each(zookeeper->net, visit, argument);
}

static void write_ruok(struct zookeeper *zookeeper, struct buffer *out) {
    buffer_append_text(out, "imok");
}

static double average(int64_t sum, int64_t count) {
    return count == 0 ? 0.0 : (double)sum / (double)count;
}

static void write_state(struct zookeeper *zookeeper, struct buffer *out) {
    buffer_printf(out, "Latency min/avg/max: %lld/%.4g/%lld\n", (long long)zookeeper->latency_min_ms,
        average(zookeeper->latency_sum_ms, zookeeper->latency_count), (long long)zookeeper->latency_max_ms);
    buffer_printf(out,
        "Received: %lld\nSent: %lld\nConnections: %zu\nOutstanding: %zu\nZxid: 0x%llx\nMode: standalone\nNode count: "
        "%zu\n",
        (long long)zookeeper->received_count, (long long)zookeeper->sent_count,
        net_server_connection_count(zookeeper->net), zookeeper->outgoing.count,
        (unsigned long long)zookeeper->tree.last_zxid, zookeeper->tree.nodes.count);
}

static void write_srvr(struct zookeeper *zookeeper, struct buffer *out) {
    buffer_append_text(out, VERSION_LINE);
    write_state(zookeeper, out);
}

struct writing {
    struct zookeeper *zookeeper;
    struct buffer *out;
    bool full;
};

static void write_connection(void *argument, struct net_connection *net) {
    struct writing *writing = argument;
    struct zk_connection *connection = net_state(net);
    const struct world_address *peer = net_peer(net);
    bool has_session = connection->session != NULL;
    buffer_printf(writing->out, " /%s:%u[%d](queued=0,recved=%lld,sent=%lld", peer->text, peer->port,
        has_session ? 1 : 0, (long long)connection->received_count, (long long)connection->sent_count);
    if (writing->full && has_session) {
        buffer_printf(writing->out, ",sid=0x%llx,lop=%s,est=%lld,to=%d", (unsigned long long)connection->session->id,
            connection->last_operation, (long long)connection->opened_wall_ms, connection->session->timeout_ms);
        if (connection->last_response_ms > 0)
            buffer_printf(writing->out,
                ",lcxid=0x%x,lzxid=0x%llx,lresp=%lld,llat=%lld,minlat=%lld,avglat=%lld,maxlat=%lld",
                (unsigned int)connection->last_cxid, (unsigned long long)connection->last_zxid,
                (long long)connection->last_response_ms, (long long)connection->last_latency_ms,
                (long long)connection->latency_min_ms,
                (long long)(connection->latency_sum_ms /
                            (connection->received_count > 0 ? connection->received_count : 1)),
                (long long)connection->latency_max_ms);
    }
    buffer_append_text(writing->out, ")\n");
}

static void write_stat(struct zookeeper *zookeeper, struct buffer *out) {
    buffer_append_text(out, VERSION_LINE "Clients:\n");
    for_each_connection(zookeeper, write_connection, &(struct writing){zookeeper, out, false});
    buffer_append_byte(out, '\n');
    write_state(zookeeper, out);
}

static void write_cons(struct zookeeper *zookeeper, struct buffer *out) {
    for_each_connection(zookeeper, write_connection, &(struct writing){zookeeper, out, true});
    buffer_append_byte(out, '\n');
}

static void write_mntr(struct zookeeper *zookeeper, struct buffer *out) {
    int64_t ephemeral_count = 0;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&zookeeper->tree.owners, &cursor)) != NULL;)
        ephemeral_count += (int64_t)((struct map *)entry->value)->count;
    const struct {
        const char *name;
        int64_t value;
    } lines[] = {
        {"zk_max_latency", zookeeper->latency_max_ms},
        {"zk_min_latency", zookeeper->latency_min_ms},
        {"zk_packets_received", zookeeper->received_count},
        {"zk_packets_sent", zookeeper->sent_count},
        {"zk_num_alive_connections", (int64_t)net_server_connection_count(zookeeper->net)},
        {"zk_outstanding_requests", (int64_t)zookeeper->outgoing.count},
        {"zk_znode_count", (int64_t)zookeeper->tree.nodes.count},
        {"zk_watch_count", (int64_t)zookeeper->watch_count},
        {"zk_ephemerals_count", ephemeral_count},
        {"zk_approximate_data_size", zookeeper->tree.data_size},
        {"zk_global_sessions", (int64_t)zookeeper->sessions.count},
        {"zk_uptime", world_wall_ms(zookeeper->options.world) - zookeeper->started_ms},
    };
    buffer_append_text(
        out, "zk_version\t" ZK_VERSION "-raudal, built on 2026-01-01 00:00 UTC\nzk_server_state\tstandalone\n");
    buffer_printf(out, "zk_avg_latency\t%.4f\n", average(zookeeper->latency_sum_ms, zookeeper->latency_count));
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
        buffer_printf(out, "%s\t%lld\n", lines[i].name, (long long)lines[i].value);
}

static void write_envi(struct zookeeper *zookeeper, struct buffer *out) {
    buffer_append_text(out, "Environment:\nzookeeper.version=" ZK_VERSION "-raudal, built on 2026-01-01 00:00 UTC\n");
    buffer_printf(out, "user.dir=%s\n", zookeeper->data_directory);
}

static void write_conf(struct zookeeper *zookeeper, struct buffer *out) {
    long long tick_time_ms = zookeeper->options.tick_time_ms;
    buffer_printf(out,
        "clientPort=%u\nsecureClientPort=-1\ndataDir=%s/version-2\ndataDirSize=%lld\ndataLogDir=%s/"
        "version-2\ndataLogSize=%lld\n",
        net_server_port(zookeeper->net), zookeeper->data_directory, (long long)zookeeper->persist.log_size,
        zookeeper->data_directory, (long long)zookeeper->persist.log_size);
    buffer_printf(out,
        "tickTime=%lld\nmaxClientCnxns=%zu\nminSessionTimeout=%lld\nmaxSessionTimeout=%lld\nclientPortListenBacklog=-"
        "1\nserverId=0\n",
        tick_time_ms, zookeeper->options.limits.connection_per_address_max, tick_time_ms * 2, tick_time_ms * 20);
}

static void write_dump(struct zookeeper *zookeeper, struct buffer *out) {
    buffer_printf(out, "SessionTracker dump:\nSession Sets (1)/(%zu):\n%zu expire:\n", zookeeper->sessions.count,
        zookeeper->sessions.count);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&zookeeper->sessions, &cursor)) != NULL;)
        buffer_printf(out, "\t0x%llx\t%dms\n", (unsigned long long)((struct zk_session *)entry->value)->id,
            ((struct zk_session *)entry->value)->timeout_ms);
    buffer_printf(out, "ephemeral nodes dump:\nSessions with Ephemerals (%zu):\n", zookeeper->tree.owners.count);
    cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&zookeeper->tree.owners, &cursor)) != NULL;) {
        int64_t id;
        memcpy(&id, entry->key.data, sizeof id);
        buffer_printf(out, "0x%llx:\n", (unsigned long long)id);
        size_t inner = 0;
        for (struct map_entry *owned; (owned = map_next(entry->value, &inner)) != NULL;)
            buffer_printf(out, "\t%.*s\n", BYTES_ARGS(owned->key));
    }
    buffer_printf(out, "Connections dump:\nConnections Sets (0)/(0):\n");
}

static void write_dirs(struct zookeeper *zookeeper, struct buffer *out) {
    buffer_printf(out, "datadir_size: %lld\nlogdir_size: %lld\n", (long long)zookeeper->persist.log_size,
        (long long)zookeeper->persist.log_size);
}

static void write_wchs(struct zookeeper *zookeeper, struct buffer *out) {
    buffer_printf(out, "%zu connections watching %zu paths\nTotal watches:%zu",
        net_server_connection_count(zookeeper->net), zookeeper->watches.count, zookeeper->watch_count);
}

static void write_isro(struct zookeeper *zookeeper, struct buffer *out) {
    buffer_append_text(out, "rw");
}

static const struct {
    const char *word;
    void (*write)(struct zookeeper *zookeeper, struct buffer *out);
} words[] = {
    {"ruok", write_ruok},
    {"srvr", write_srvr},
    {"stat", write_stat},
    {"cons", write_cons},
    {"mntr", write_mntr},
    {"envi", write_envi},
    {"conf", write_conf},
    {"dump", write_dump},
    {"dirs", write_dirs},
    {"wchs", write_wchs},
    {"isro", write_isro},
};

static bool is_listed(const char *list, const char *word) {
    if (strchr(list, '*') != NULL)
        return true;
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += 4)
        if ((at == list || strchr(", ", at[-1]) != NULL) && (at[4] == '\0' || strchr(", ", at[4]) != NULL))
            return true;
    return false;
}

bool zk_word(struct zk_connection *connection, int32_t size) {
    char word[5] = {0};
    store_be32(word, (uint32_t)size);
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcmp(words[i].word, word) != 0)
            continue;
        struct buffer out = {0};
        if (is_listed(connection->zookeeper->four_letter_words, word))
            words[i].write(connection->zookeeper, &out);
        else
            buffer_printf(&out, "%s is not executed because it is not in the whitelist.\n", word);
        net_send_buffer(connection->net, &out);
        return true;
    }
    return false;
}
