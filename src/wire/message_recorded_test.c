/* Requests as real clients sent them to this broker, recorded behind the client id: each is read to its last byte, and
 * written again gives the same bytes. One for each API and version seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "wire/kafka_messages.h"

static const struct recording {
    const char *client;
    const struct wire_message *message;
    int16_t version;
    const char *bytes; /* hexadecimal; a flexible version starts with the tagged fields of the header, which are none */
} recordings[] = {
    {"aiokafka", &kafka_produce_request_message, 7,
        "ffffffff00009c4000000001000961696f2d746f70696300000001000000000000004800000000000000000000003cffffffff02"
        "4d796a0b000000000000000001a20476e69b000001a20476e69b0000000000000001000000000039000000011400000001086c61"
        "737400"},
    {"Java 4.3.1", &kafka_produce_request_message, 13,
        "0000ffff000005dc027da50fae36a641b38adf4c57dcf9ae56020000000156000000000000000000000049ffffffff02a23f5f19"
        "000000000002000001a204a0d0c8000001a204a0d0f40000000000000000000000000000000000030e000000010231000e005802"
        "010232000e00580401023300000000"},
    {"kafka-python", &kafka_fetch_request_message, 4,
        "ffffffff000001f4000000010320000000000000010003667a320000000300000000000000000000000000100000000000010000"
        "0000000000000010000000000002000000000000000000100000"},
    {"aiokafka", &kafka_fetch_request_message, 11,
        "ffffffff000001f400000001032000000000000000ffffffff00000001000961696f2d746f7069630000000300000001ffffffff"
        "0000000000000000ffffffffffffffff0010000000000002ffffffff0000000000000000ffffffffffffffff0010000000000000"
        "ffffffff0000000000000000ffffffffffffffff00100000000000000000"},
    {"kafka-python", &kafka_fetch_request_message, 12,
        "00ffffffff000001f400000001032000000000000000000000000203667a0400000000000000000000000000000000ffffffffff"
        "ffffffffffffff001000000000000001000000000000000000000000ffffffffffffffffffffffff001000000000000002000000"
        "000000000000000000ffffffffffffffffffffffff001000000000010100"},
    {"librdkafka", &kafka_fetch_request_message, 16,
        "00000001f400000001032000000100000000ffffffff02a9802b2be7c240d8894fa8cf7489475602000000020000000000000000"
        "00000000ffffffffffffffffffffffff001000000000010100"},
    {"Java 4.3.1", &kafka_fetch_request_message, 18, "00000001f40000000103200000001c783302ffffffff01010100"},
    {"kafka-python", &kafka_list_offsets_request_message, 1,
        "ffffffff000000010003667a320000000100000000fffffffffffffffe"},
    {"aiokafka", &kafka_list_offsets_request_message, 3,
        "ffffffff0000000001000961696f2d746f7069630000000300000001fffffffffffffffe00000002fffffffffffffffe00000000"
        "fffffffffffffffe"},
    {"librdkafka", &kafka_list_offsets_request_message, 7,
        "00ffffffff000203636b020000000000000000fffffffffffffffd000000"},
    {"kafka-python", &kafka_list_offsets_request_message, 11,
        "00ffffffff000203667a0400000002fffffffffffffffffffffffe0000000000fffffffffffffffffffffffe0000000001ffffff"
        "fffffffffffffffffe00000000000000"},
    {"kafka-python", &kafka_metadata_request_message, 0, "00000000"},
    {"kafka-python", &kafka_metadata_request_message, 1, "ffffffff"},
    {"aiokafka", &kafka_metadata_request_message, 5, "0000000001"},
    {"kafka-python", &kafka_metadata_request_message, 13, "0001010000"},
    {"kafka-python", &kafka_offset_commit_request_message, 2,
        "0005672d667a320000000100376b61666b612d707974686f6e2d322e302e322d31346234653135392d383036612d346230642d38"
        "3263622d306463313634646336366666ffffffffffffffff000000010003667a3200000003000000000000000000000021000000"
        "000001000000000000001e00000000000200000000000000250000"},
    {"aiokafka", &kafka_offset_commit_request_message, 3,
        "000561696f2d6700000001003461696f6b61666b612d302e31342e302d38326166623863322d393362352d343166392d39396433"
        "2d386334336565666263396634ffffffffffffffff00000001000961696f2d746f70696300000003000000010000000000000090"
        "000000000002000000000000008f00000000000000000000000000730000"},
    {"kafka-python", &kafka_offset_commit_request_message, 8,
        "0005672d667a00000001396b61666b612d707974686f6e2d332e302e31322d66383335643861612d323234372d343861332d3866"
        "65332d316633333639356662373838000203667a0400000000000000000000002500000000010000000001000000000000001d00"
        "00000001000000000200000000000000220000000001000000"},
    {"librdkafka", &kafka_offset_commit_request_message, 9,
        "0004636b67000000012d72646b61666b612d34386631363234322d373766302d343837332d396530642d30376530656165636365"
        "3633000203636b040000000000000000000006b80000000001000000000100000000000006680000000001000000000200000000"
        "000006680000000001000000"},
    {"kafka-python", &kafka_offset_fetch_request_message, 1,
        "0005672d667a32000000010003667a3200000003000000000000000100000002"},
    {"aiokafka", &kafka_offset_fetch_request_message, 3,
        "000561696f2d6700000001000961696f2d746f7069630000000100000001"},
    {"kafka-python", &kafka_offset_fetch_request_message, 8, "000205672d667a0203667a020000000200000000"},
    {"Java 4.3.1", &kafka_offset_fetch_request_message, 9, "000203673100ffffffff00000000"},
    {"kafka-python", &kafka_find_coordinator_request_message, 0, "0005672d667a32"},
    {"aiokafka", &kafka_find_coordinator_request_message, 1, "000561696f2d6700"},
    {"librdkafka", &kafka_find_coordinator_request_message, 2, "0003636b6700"},
    {"Java 4.3.1", &kafka_find_coordinator_request_message, 6, "00000203673100"},
    {"kafka-python", &kafka_join_group_request_message, 2,
        "0005672d667a3200002710000493e000000008636f6e73756d657200000002000572616e67650000000f0000000000010003667a"
        "3200000000000a726f756e64726f62696e0000000f0000000000010003667a3200000000"},
    {"aiokafka", &kafka_join_group_request_message, 5,
        "000561696f2d6700002710000027100000ffff0008636f6e73756d657200000001000a726f756e64726f62696e00000015000000"
        "000001000961696f2d746f70696300000000"},
    {"kafka-python", &kafka_join_group_request_message, 7,
        "0005672d667a0000afc8000493e0010009636f6e73756d6572030672616e67650f0000000000010002667a00000000000b726f75"
        "6e64726f62696e0f0000000000010002667a000000000000"},
    {"Java 4.3.1", &kafka_join_group_request_message, 9,
        "000367310000afc8000493e0010009636f6e73756d6572030672616e67651900030000000100026576ffffffff00000000ffffff"
        "ffffff0013636f6f70657261746976652d737469636b791d0003000000010002657600000004ffffffff00000000ffffffffffff"
        "000100"},
    {"librdkafka", &kafka_heartbeat_request_message, 3,
        "0003636b6700000001002c72646b61666b612d34386631363234322d373766302d343837332d396530642d303765306561656363"
        "653633ffff"},
    {"librdkafka", &kafka_leave_group_request_message, 1,
        "0003636b67002c72646b61666b612d34386631363234322d373766302d343837332d396530642d303765306561656363653633"},
    {"kafka-python", &kafka_leave_group_request_message, 5,
        "0005672d667a02396b61666b612d707974686f6e2d332e302e31322d66383335643861612d323234372d343861332d386665332d"
        "31663333363935666237383800000000"},
    {"kafka-python", &kafka_sync_group_request_message, 1,
        "0005672d667a320000000100376b61666b612d707974686f6e2d322e302e322d31346234653135392d383036612d346230642d38"
        "3263622d3064633136346463363666660000000100376b61666b612d707974686f6e2d322e302e322d31346234653135392d3830"
        "36612d346230642d383263622d3064633136346463363666660000001f0000000000010003667a32000000030000000000000001"
        "0000000200000000"},
    {"librdkafka", &kafka_sync_group_request_message, 3,
        "0003636b6700000001002c72646b61666b612d34386631363234322d373766302d343837332d396530642d303765306561656363"
        "653633ffff00000001002c72646b61666b612d34386631363234322d373766302d343837332d396530642d303765306561656363"
        "6536330000001e0000000000010002636b0000000300000000000000010000000200000000"},
    {"Java 4.3.1", &kafka_sync_group_request_message, 5,
        "000367310000000136636f6e736f6c652d636f6e73756d65722d65353432366335382d616664352d343338642d396137642d3539"
        "303934366536333530630009636f6e73756d65720672616e67650236636f6e736f6c652d636f6e73756d65722d65353432366335"
        "382d616664352d343338642d396137642d3539303934366536333530631f00030000000100026576000000030000000000000001"
        "00000002ffffffff0000"},
    {"librdkafka", &kafka_describe_groups_request_message, 5, "000204636b670000"},
    {"Java 4.3.1", &kafka_describe_groups_request_message, 6, "00020367310000"},
    {"aiokafka", &kafka_list_groups_request_message, 1, ""},
    {"librdkafka", &kafka_list_groups_request_message, 5, "00010100"},
    {"kafka-python", &kafka_api_versions_request_message, 0, ""},
    {"librdkafka", &kafka_api_versions_request_message, 3,
        "0017636f6e666c75656e742d6b61666b612d707974686f6e16322e31362e312d72646b61666b612d322e31362e3000"},
    {"kafka-python", &kafka_api_versions_request_message, 4, "000d6b61666b612d707974686f6e07332e302e313200"},
    {"librdkafka", &kafka_create_topics_request_message, 4,
        "000000020002636b0000000300010000000000000001000c726574656e74696f6e2e6d730007313030303030300008626164206e"
        "616d6500000001000100000000000000000000ea6000"},
    {"Java 4.3.1", &kafka_create_topics_request_message, 7,
        "000203657600000002ffff01020d726574656e74696f6e2e6d73073130303030300000000075250000"},
    {"librdkafka", &kafka_delete_topics_request_message, 4, "000203636b0000ea6000"},
    {"Java 4.3.1", &kafka_delete_topics_request_message, 6, "000203657600000000000000000000000000000000000000753000"},
    {"librdkafka", &kafka_delete_records_request_message, 2, "000203636b0200000000000000000000000a00000000ea6000"},
    {"aiokafka", &kafka_init_producer_id_request_message, 0, "ffff7fffffff"},
    {"kafka-python", &kafka_init_producer_id_request_message, 4, "000000000000ffffffffffffffffffff00"},
    {"Java 4.3.1", &kafka_init_producer_id_request_message, 5, "00007fffffffffffffffffffffffffff00"},
    {"librdkafka", &kafka_describe_configs_request_message, 1, "00000001020002636bffffffff01"},
    {"Java 4.3.1", &kafka_describe_configs_request_message, 4, "0002020365760000000000"},
    {"Java 4.3.1", &kafka_describe_log_dirs_request_message, 5, "000000"},
    {"Java 4.3.1", &kafka_create_partitions_request_message, 3, "0002036576000000030000000075300000"},
    {"Java 4.3.1", &kafka_delete_groups_request_message, 2, "000203673100"},
    {"Java 4.3.1", &kafka_incremental_alter_configs_request_message, 1,
        "000202036576020d726574656e74696f6e2e6d730006363030303000000000"},
    {"Java 4.3.1", &kafka_list_partition_reassignments_request_message, 0, "0000007530020365760300000001000000000000"},
    {"Java 4.3.1", &kafka_offset_delete_request_message, 0, "00026731000000010002657600000003000000020000000100000000"},
    {"Java 4.3.1", &kafka_describe_cluster_request_message, 2, "0000010000"},
    {"librdkafka", &kafka_consumer_group_describe_request_message, 0, "000204636b670000"},
    {"Java 4.3.1", &kafka_consumer_group_describe_request_message, 1, "00020367310000"},
    {"Java 4.3.1", &kafka_describe_topic_partitions_request_message, 0, "000203657600000007d0ff00"},
};

static unsigned digit(char c) {
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void check(const struct recording *recording) {
    struct arena arena = {0};
    struct buffer bytes = {0}, again = {0};
    struct error error = {0};
    for (const char *at = recording->bytes; *at; at += 2)
        buffer_append_byte(&bytes, (uint8_t)(digit(at[0]) << 4 | digit(at[1])));
    struct bytes rest = buffer_view(&bytes);
    if (recording->version >= recording->message->flexible) {
        assert_int_equal(rest.data[0], 0);
        rest = bytes_slice(rest, 1, rest.size - 1);
    }
    struct bytes body = rest;
    void *value = arena_allocate(&arena, recording->message->body->size);
    if (!wire_decode(recording->message, recording->version, &rest, &arena, value, &error))
        fail_msg("%s of %s: %s", recording->message->name, recording->client, error.message);
    assert_int_equal(rest.size, 0);
    assert_true(wire_encode(recording->message, recording->version, value, &again, NULL, &error));
    assert_int_equal(again.size, body.size);
    if (body.size > 0)
        assert_memory_equal(again.data, body.data, body.size);
    buffer_free(&again);
    buffer_free(&bytes);
    arena_destroy(&arena);
}

static void test_recorded_requests(void **state) {
    for (size_t i = 0; i < sizeof recordings / sizeof *recordings; i++)
        check(&recordings[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recorded_requests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
