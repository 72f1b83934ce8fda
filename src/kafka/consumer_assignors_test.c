/* consumer_assignors_test.c: every partition has one reader, loads are even, little moves, ranges are neighbours. */
#include "kafka/consumer_assignors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define MEMBER_MAX 8
#define TOPIC_MAX 4

struct fixture {
    struct assignor_topic topics[TOPIC_MAX];
    size_t topic_count, member_count;
    uint32_t subscribed[MEMBER_MAX][TOPIC_MAX];
    size_t subscribed_count[MEMBER_MAX];
    struct partition_list former[MEMBER_MAX];
};

static const char *const ids[MEMBER_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static void add_topic(struct fixture *f, int32_t partition_count) {
    struct uuid id = {{(uint8_t)(f->topic_count + 1)}};
    f->topics[f->topic_count++] = (struct assignor_topic){id, partition_count};
}

static void subscribe(struct fixture *f, size_t member, uint32_t topic) {
    f->subscribed[member][f->subscribed_count[member]++] = topic;
    if (member >= f->member_count)
        f->member_count = member + 1;
}

/* Assigns, checks that each partition with a subscriber has one reader who subscribes to it, and keeps the result as
 * the former target. Gives how many partitions changed their reader. */
static size_t assign(struct fixture *f, const char *assignor) {
    struct arena arena = {0};
    struct assignor_member members[MEMBER_MAX] = {{0}};
    size_t moved = 0, assigned = 0, wanted = 0;
    for (size_t i = 0; i < f->member_count; i++)
        members[i] = (struct assignor_member){
            .id = ids[i], .topics = f->subscribed[i], .topic_count = f->subscribed_count[i], .former = &f->former[i]};
    assignor_find(bytes_from_text(assignor))->assign(&arena, f->topics, f->topic_count, members, f->member_count);
    for (size_t t = 0; t < f->topic_count; t++) {
        bool read = false;
        for (size_t i = 0; i < f->member_count; i++)
            for (size_t j = 0; j < f->subscribed_count[i]; j++)
                read = read || f->subscribed[i][j] == t;
        wanted += read ? (size_t)f->topics[t].partition_count : 0;
        for (int32_t p = 0; p < f->topics[t].partition_count; p++) {
            size_t readers = 0;
            for (size_t i = 0; i < f->member_count; i++)
                readers += partition_list_find(&members[i].target, f->topics[t].id, p) != SIZE_MAX;
            assert_int_equal(readers, read ? 1 : 0);
        }
    }
    for (size_t i = 0; i < f->member_count; i++) {
        assigned += members[i].target.count;
        for (size_t j = 0; j < f->former[i].count; j++)
            moved += partition_list_find(
                         &members[i].target, f->former[i].items[j].topic, f->former[i].items[j].partition) == SIZE_MAX;
        VECTOR_FREE(&f->former[i]);
        f->former[i] = members[i].target;
    }
    assert_int_equal(assigned, wanted);
    arena_destroy(&arena);
    return moved;
}

static void release(struct fixture *f) {
    for (size_t i = 0; i < MEMBER_MAX; i++)
        VECTOR_FREE(&f->former[i]);
}

static void uniform_is_even_and_moves_little(void **state) {
    struct fixture f = {0};
    add_topic(&f, 5);
    add_topic(&f, 2);
    for (size_t i = 0; i < 2; i++) {
        subscribe(&f, i, 0);
        subscribe(&f, i, 1);
    }
    assert_int_equal(assign(&f, "uniform"), 0);
    assert_int_equal(f.former[0].count, 4);
    assert_int_equal(f.former[1].count, 3);
    assert_int_equal(assign(&f, "uniform"), 0);
    subscribe(&f, 2, 0);
    subscribe(&f, 2, 1);
    assert_int_equal(assign(&f, "uniform"), 2); /* the new one's share */
    assert_int_equal(f.former[2].count, 2);
    f.topics[0].partition_count = 8;
    assert_int_equal(assign(&f, "uniform"), 0);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(f.former[i].count, 3, 4);
    f.topics[0].partition_count = 1; /* deleted and made again, smaller */
    assign(&f, "uniform");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(f.former[i].count, 1);
    release(&f);
}

static void members_may_subscribe_to_different_topics(void **state) {
    struct fixture f = {0};
    add_topic(&f, 6);
    add_topic(&f, 6);
    add_topic(&f, 3); /* nobody reads it */
    subscribe(&f, 0, 0);
    subscribe(&f, 1, 0);
    subscribe(&f, 1, 1);
    subscribe(&f, 2, 1);
    assign(&f, "uniform");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(f.former[i].count, 4);
    assert_int_equal(assign(&f, "uniform"), 0);
    subscribe(&f, 3, 1);
    assign(&f, "uniform");
    for (size_t i = 0; i < 4; i++)
        assert_in_range(f.former[i].count, 2, 4);
    release(&f);
}

static void range_gives_neighbours(void **state) {
    struct fixture f = {0};
    add_topic(&f, 7);
    add_topic(&f, 1);
    for (size_t i = 0; i < 3; i++) {
        subscribe(&f, i, 0);
        subscribe(&f, i, 1);
    }
    assign(&f, "range");
    assert_int_equal(f.former[0].count, 4); /* 0, 1, 2 and the other topic's only one */
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(f.former[0].items[i].partition, i);
    assert_int_equal(f.former[1].items[0].partition, 3);
    assert_int_equal(f.former[2].items[0].partition, 5);
    release(&f);
}

static void many_members_share_whatever_comes(void **state) {
    srand(4711);
    for (int round = 0; round < 300; round++) {
        struct fixture f = {0};
        int topics = 1 + rand() % TOPIC_MAX;
        for (int i = 0; i < topics; i++)
            add_topic(&f, 1 + rand() % 9);
        for (size_t i = 0; i < MEMBER_MAX; i++)
            for (int j = 0; j < topics; j++)
                if (rand() % 2)
                    subscribe(&f, i, (uint32_t)j);
        if (f.member_count == 0)
            continue;
        assign(&f, rand() % 2 ? "uniform" : "range");
        assert_true(assign(&f, "uniform") < 40);
        assert_int_equal(assign(&f, "uniform"), 0);
        release(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_is_even_and_moves_little),
        cmocka_unit_test(members_may_subscribe_to_different_topics),
        cmocka_unit_test(range_gives_neighbours),
        cmocka_unit_test(many_members_share_whatever_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
