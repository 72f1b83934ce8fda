/* fuzz_kafka.c: a fuzz target: the bytes are requests to a broker in a simulated world, of every API and version that
 * it serves. Each frame begins with three bytes: the API (a place in the table), the version (within what is served and
 * a little beyond), flags (1: the body is made from a default message whose fields the bytes set, so that decoding
 * succeeds and the handler runs; 0: the body is the bytes themselves). The broker must answer or close, free everything
 * it took (the sanitizers watch), and serve the next client. See fuzz.h. */
#include "fuzz.h"

#include <stdlib.h>

#include "base/assert.h"
#include "kafka/broker.h"
#include "kafka/internal.h"
#include "net/server.h"
#include "wire/record_batch.h"
#include "world/sim/sim.h"

enum { FRAMES_MAX = 8, ELEMENTS_MAX = 2, DEPTH_MAX = 4 };

struct machine {
    struct world *world;
    struct world_loop *loop, *clients;
    struct world_pool *pool;
    struct broker *broker;
};

/* ---- a client that sends frames and reads whatever comes ---- */

struct client {
    struct machine *machine;
    struct net_connection *net;
    struct buffer frames;
    bool closed;
    int answers;
};

static void on_frame(struct net_connection *net, struct bytes frame) {
    ((struct client *)net_state(net))->answers++;
}
static bool on_open(struct net_connection *net, void *context) {
    net_set_state(net, context);
    return true;
}
static void on_closed(struct net_connection *net, const struct error *reason) {
    ((struct client *)net_state(net))->closed = true;
    net_release(net);
}
static const struct net_protocol protocol = {.name = "fuzz", .open = on_open, .frame = on_frame, .closed = on_closed};

static void send_frames(void *argument) {
    struct client *client = argument;
    struct error error = {0};
    client->net = net_connect(client->machine->clients, "127.0.0.1", 9092, &protocol, client, NULL, &error);
    ASSERT(client->net);
    net_retain(client->net);
    net_send_copy(client->net, buffer_view(&client->frames));
}
static void end_client(void *argument) {
    struct client *client = argument;
    if (!client->closed)
        net_abort(client->net, NULL);
}

static void run_client(struct machine *machine, struct client *client) {
    client->machine = machine;
    world_loop_post(machine->clients, send_frames, client);
    sim_run_for(machine->world, 50);
    world_loop_post(machine->clients, end_client, client);
    sim_run_for(machine->world, 50);
    ASSERT(client->closed);
    buffer_free(&client->frames);
}

/* ---- bodies ---- */

struct source {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct source *source) {
    if (source->size == 0)
        return 0;
    source->size--;
    return *source->data++;
}

/* Values that mean something here, or odd ones. */
static struct bytes take_text(struct source *source, enum wire_type type, struct arena *arena) {
    static const char *const texts[] = {"t", "__consumer_offsets", "g", "consumer", "range", "retention.ms", "x", ""};
    uint8_t choice = take(source);
    if (type == WIRE_RECORDS) {
        struct buffer out = {0};
        struct record_builder builder;
        record_builder_begin(&builder, &out, 0, (int16_t)(take(source) & 0x77));
        for (int i = 0; i < choice % 4; i++)
            record_builder_add(&builder, i, 1000, BYTES("k"), BYTES("v"), BYTES_NULL, 0);
        record_builder_end(&builder, choice & 16 ? 0 : -1, choice & 16 ? 0 : -1, choice & 16 ? 0 : -1, -1);
        struct bytes records = arena_copy(arena, buffer_view(&out));
        buffer_free(&out);
        if (choice & 64 && records.size > 0)
            ((uint8_t *)(uintptr_t)records.data)[take(source) % records.size] = take(source);
        return records;
    }
    if (choice < 160)
        return bytes_from_text(texts[choice % 8]);
    size_t size = source->size < choice % 32 ? source->size : choice % 32;
    struct bytes text = arena_copy(arena, bytes_make(source->data, size));
    source->data += size;
    source->size -= size;
    return text;
}

static int64_t take_number(struct source *source) {
    static const int64_t numbers[] = {0, 1, -1, 2, 100, 6000, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, -2, 5};
    return numbers[take(source) % ARRAY_COUNT(numbers)];
}

static void fill(struct source *source, const struct wire_struct *of, uint8_t *value, struct arena *arena, int depth);

static void fill_one(
    struct source *source, const struct wire_field *field, uint8_t *at, struct arena *arena, int depth) {
    int64_t number;
    switch ((enum wire_type)field->type) {
    case WIRE_STRING:
    case WIRE_BYTES:
    case WIRE_RECORDS:
        *(struct bytes *)at = take_text(source, (enum wire_type)field->type, arena);
        break;
    case WIRE_STRUCT:
        if (depth < DEPTH_MAX)
            fill(source, field->of, at, arena, depth + 1);
        break;
    case WIRE_UUID:
        at[15] = take(source);
        break;
    default:
        number = take_number(source);
        memcpy(at, &number, field->size < sizeof number ? field->size : sizeof number);
        if (field->type == WIRE_BOOL)
            *at &= 1;
    }
}

struct any_array {
    uint8_t *items;
    int32_t count;
};

static void fill(struct source *source, const struct wire_struct *of, uint8_t *value, struct arena *arena, int depth) {
    for (size_t i = 0; i < of->field_count; i++) {
        const struct wire_field *field = &of->fields[i];
        uint8_t *at = value + field->offset;
        if (field->array) {
            struct any_array *array = (struct any_array *)at;
            int32_t count = take(source) % (ELEMENTS_MAX + 1);
            array->count = count;
            array->items = arena_allocate(arena, (size_t)(count + 1) * field->size);
            memset(array->items, 0, (size_t)(count + 1) * field->size);
            for (int32_t k = 0; k < count; k++) {
                if (field->type == WIRE_STRUCT)
                    wire_set_defaults(field->of, array->items + (size_t)k * field->size);
                fill_one(source, field, array->items + (size_t)k * field->size, arena, depth);
            }
        } else if (field->type == WIRE_STRUCT && field->nullable <= field->last) {
            continue; /* a pointer: left null */
        } else if (take(source) & 3) {
            fill_one(source, field, at, arena, depth);
        }
    }
}

static void append_frame(struct source *source, struct buffer *out) {
    const struct api *api = &api_table[take(source) % api_count];
    uint8_t choice = take(source), flags = take(source);
    int16_t version = (int16_t)(api->version_min + choice % (api->version_max - api->version_min + 2));
    size_t start = out->size;
    buffer_extend(out, 4);
    store_be16(buffer_extend(out, 2), (uint16_t)api->key);
    store_be16(buffer_extend(out, 2), (uint16_t)version);
    store_be32(buffer_extend(out, 4), choice);
    store_be16(buffer_extend(out, 2), 4);
    buffer_append_text(out, "fuzz");
    if (version >= api->request->flexible)
        buffer_append_byte(out, 0);
    size_t body = out->size;
    if (flags & 1 && version >= api->request->version_min && version <= api->request->version_max) {
        struct arena arena = {0};
        struct error error = {0};
        uint8_t *value = arena_allocate(&arena, api->request->body->size);
        wire_set_defaults(api->request->body, value);
        fill(source, api->request->body, value, &arena, 0);
        if (!wire_encode(api->request, version, value, out, NULL, &error))
            out->size = body;
        arena_destroy(&arena);
    }
    if (!(flags & 1) || flags & 2) {
        size_t size = take(source), left = source->size < size ? source->size : size;
        buffer_append(out, source->data, left);
        source->data += left;
        source->size -= left;
    }
    store_be32(out->data + start, (uint32_t)(out->size - start - 4));
}

/* ---- the target ---- */

static const char *setting(void *context, const char *name) {
    static const char *const settings[][2] = {{"offsets.topic.num.partitions", "1"},
        {"transaction.state.log.num.partitions", "1"}, {"group.initial.rebalance.delay.ms", "0"},
        {"log.segment.bytes", "1048576"}};
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++)
        if (strcmp(name, settings[i][0]) == 0)
            return settings[i][1];
    return NULL;
}

static void start(struct machine *machine) {
    static const char *const addresses[] = {"127.0.0.1"};
    struct error error = {0};
    machine->world = world_sim_create(1);
    machine->loop = world_loop_create(machine->world, "kafka", &error);
    machine->clients = world_loop_create(machine->world, "clients", &error);
    machine->pool = world_pool_create(machine->world, "disk", 2, WORLD_POOL_NORMAL, &error);
    struct broker_options options = {.world = machine->world,
        .loop = machine->loop,
        .disk_pool = machine->pool,
        .directory = "/kafka",
        .addresses = addresses,
        .address_count = 1,
        .port = 9092,
        .setting = setting};
    machine->broker = broker_start(&options, &error);
    ASSERT(machine->broker);
}

static void stop(struct machine *machine) {
    broker_stop(machine->broker);
    sim_run_for(machine->world, 100);
    world_pool_destroy(machine->pool);
    world_loop_destroy(machine->loop);
    world_loop_destroy(machine->clients);
    world_destroy(machine->world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct machine machine;
    struct client client = {0}, after = {0};
    struct source source = {data, size};
    start(&machine);
    for (int i = 0; i < FRAMES_MAX && source.size > 0; i++)
        append_frame(&source, &client.frames);
    if (client.frames.size > 0)
        run_client(&machine, &client);
    static const uint8_t versions[] = {0, 0, 0, 14, 0, 18, 0, 0, 0, 0, 0, 1, 0, 4, 'l', 'a', 's', 't'};
    buffer_append(&after.frames, versions, sizeof versions);
    run_client(&machine, &after);
    ASSERT(after.answers == 1);
    stop(&machine);
    buffer_free(&client.frames);
    return 0;
}

/* One seed per API: a frame of it, made from bytes that count up, before it a topic that the others can name. */
bool fuzz_seed(size_t index, struct buffer *out) {
    if (index >= 16)
        return false;
    for (size_t k = 0; k < 6; k++) {
        buffer_append_byte(out, (uint8_t)(index * 6 + k));
        buffer_append_byte(out, (uint8_t)(k * 37 + index));
        buffer_append_byte(out, 1);
        for (int i = 0; i < 24; i++)
            buffer_append_byte(out, (uint8_t)(i * 7 + (int)index));
    }
    return true;
}
