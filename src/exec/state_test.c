/* state_test.c: tables of state, and rows in Spark's form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "exec/state_chains.h"

static struct bytes number_key(char *buffer, int number) {
    snprintf(buffer, 32, "key %08d", number);
    return bytes_make(buffer, 12);
}

static void test_table_keeps_what_is_put(void **state) {
    struct state_table table;
    char key[32], value[32];
    state_table_init(&table);
    for (int i = 0; i < 5000; i++) {
        snprintf(value, sizeof value, "%d", i);
        state_table_put(&table, state_table_add(&table, number_key(key, i)), bytes_from_text(value));
    }
    assert_int_equal(table.live_count, 5000);
    assert_int_equal(table.changed.count, 5000);
    state_table_end_batch(&table);
    assert_int_equal(table.changed.count, 0);
    for (int i = 0; i < 5000; i += 2) {
        state_table_remove(&table, state_table_find(&table, number_key(key, i)));
    }
    state_table_end_batch(&table);
    assert_int_equal(table.live_count, 2500);
    for (int i = 0; i < 5000; i++) {
        uint32_t entry = state_table_find(&table, number_key(key, i));
        assert_int_equal(entry == UINT32_MAX, i % 2 == 0);
        if (i % 2 == 1) {
            snprintf(value, sizeof value, "%d", i);
            assert_true(bytes_equal_text(state_entry_value(&table.entries[entry]), value));
        }
    }
    state_table_free(&table);
}

/* Images of one LONG each: first, first + step … */
static void encode_numbers(struct arena *arena, int64_t first, int64_t step, size_t count, struct row_images *images) {
    struct column *column = column_create(arena, type_simple(TYPE_LONG), count);
    for (size_t i = 0; i < count; i++) {
        COLUMN_VALUES(column, int64_t)[i] = first + (int64_t)i * step;
    }
    row_images_encode(arena, &column, 1, count, images);
}

static void test_many_keys_are_found_together(void **state) {
    enum { COUNT = 20000, REMOVED = 100 };
    struct state_table table;
    struct arena arena = {0};
    struct row_images all, some;
    uint32_t *entries = ARENA_ARRAY(&arena, uint32_t, COUNT), *found = ARENA_ARRAY(&arena, uint32_t, COUNT);
    state_table_init(&table);
    encode_numbers(&arena, 0, 1, COUNT, &all);
    state_table_find_all(&table, &all, found);
    assert_int_equal(found[COUNT - 1], UINT32_MAX);
    state_table_add_all(&table, &all, entries);
    for (size_t i = 0; i < COUNT; i++) {
        state_table_put(&table, entries[i], row_images_at(&all, i));
    }
    state_table_end_batch(&table);
    encode_numbers(&arena, 7, 3, REMOVED, &some); /* a few leave their slots one by one */
    state_table_find_all(&table, &some, found);
    for (size_t i = 0; i < REMOVED; i++) {
        assert_int_equal(found[i], entries[7 + i * 3]);
        state_table_remove(&table, found[i]);
    }
    state_table_end_batch(&table);
    state_table_find_all(&table, &all, found);
    for (size_t i = 0; i < COUNT; i++) {
        bool removed = i >= 7 && i < 7 + REMOVED * 3 && (i - 7) % 3 == 0;
        assert_int_equal(found[i], removed ? UINT32_MAX : entries[i]);
    }
    for (size_t i = 1000; i < COUNT; i++) { /* and most at once */
        state_table_remove(&table, entries[i]);
    }
    state_table_end_batch(&table);
    state_table_find_all(&table, &all, found);
    assert_int_equal(found[999], entries[999]);
    assert_int_equal(found[1000], UINT32_MAX);
    assert_int_equal(table.live_count, 1000 - REMOVED);
    state_table_free(&table);
    arena_destroy(&arena);
}

static void test_removed_and_put_again_is_there(void **state) {
    struct state_table table;
    char key[32];
    state_table_init(&table);
    uint32_t entry = state_table_add(&table, number_key(key, 1));
    state_table_put(&table, entry, BYTES("one"));
    state_table_remove(&table, entry);
    assert_int_equal(state_table_add(&table, number_key(key, 1)), entry);
    state_table_put(&table, entry, BYTES("a value that needs more room than the first"));
    state_table_end_batch(&table);
    entry = state_table_find(&table, number_key(key, 1));
    assert_true(
        bytes_equal_text(state_entry_value(&table.entries[entry]), "a value that needs more room than the first"));
    state_table_free(&table);
}

static void test_old_values_do_not_pile_up(void **state) {
    struct state_table table;
    char key[32], value[512] = {0};
    state_table_init(&table);
    for (int batch = 0; batch < 400; batch++) {
        for (int i = 0; i < 100; i++) {
            size_t size = (size_t)(8 + (batch * 8 + i) % 500);
            state_table_put(&table, state_table_add(&table, number_key(key, i)), bytes_make(value, size));
        }
        state_table_end_batch(&table);
    }
    assert_in_range(state_table_memory_size(&table), 1, 400000);
    state_table_free(&table);
}

/* (5L, null, "abc", struct(7)) as Spark's UnsafeRow. */
static void test_row_is_spark_s(void **state) {
    static const uint8_t expected[] = {2, 0, 0, 0, 0, 0, 0, 0,                   /* the second is null */
        5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 40, 0, 0, 0, /* 3 bytes at 40 */
        16, 0, 0, 0, 48, 0, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0};
    struct arena arena = {0};
    const struct type_field inner = {BYTES("x"), type_simple(TYPE_INTEGER), true, BYTES_NULL};
    const struct type *nested = type_struct(&arena, &inner, 1);
    struct column *columns[4] = {column_create(&arena, type_simple(TYPE_LONG), 1),
        column_create_nulls(&arena, type_simple(TYPE_INTEGER), 1), column_create(&arena, type_simple(TYPE_STRING), 1),
        column_create(&arena, nested, 1)};
    COLUMN_VALUES(columns[0], int64_t)[0] = 5;
    COLUMN_VALUES(columns[2], struct string_view)[0] = (struct string_view){(const uint8_t *)"abc", 3, 0};
    COLUMN_VALUES(columns[3]->children[0], int32_t)[0] = 7;
    struct row_images images;
    row_images_encode(&arena, columns, 4, 1, &images);
    struct bytes image = row_images_at(&images, 0);
    assert_int_equal(image.size, sizeof expected);
    assert_memory_equal(image.data, expected, sizeof expected);
    struct type_field fields[4];
    for (size_t i = 0; i < 4; i++) {
        fields[i] = (struct type_field){BYTES("f"), columns[i]->type, true, BYTES_NULL};
    }
    struct column *back[4];
    assert_true(row_images_decode(&arena, type_struct(&arena, fields, 4), &image, 1, back));
    assert_int_equal(COLUMN_VALUES(back[0], int64_t)[0], 5);
    assert_true(column_is_null(back[1], 0));
    assert_int_equal(COLUMN_VALUES(back[2], struct string_view)[0].size, 3);
    assert_int_equal(COLUMN_VALUES(back[3]->children[0], int32_t)[0], 7);
    image.size = 20; /* a row that ends early is noticed */
    assert_false(row_images_decode(&arena, type_struct(&arena, fields, 4), &image, 1, back));
    arena_destroy(&arena);
}

/* Keys of two words: which, when. */
static struct bytes pair_key(uint64_t words[2], uint64_t which, uint64_t when) {
    words[0] = which;
    words[1] = when;
    return bytes_make(words, 16);
}

static size_t chain_length(struct state_chains *chains, uint64_t which) {
    uint64_t words[2];
    size_t length = 0;
    uint32_t entry = state_chains_first(chains, pair_key(words, which, 0));
    for (; entry != STATE_CHAIN_END; entry = state_chains_next(chains, entry)) {
        length++;
    }
    return length;
}

static void test_entries_of_a_key_are_chained(void **state) {
    struct state_table table;
    uint64_t words[2];
    state_table_init(&table);
    for (uint64_t i = 0; i < 300; i++) {
        state_table_put(&table, state_table_add(&table, pair_key(words, i % 100, i)), BYTES("some"));
    }
    state_table_end_batch(&table);
    struct state_chains *chains = state_chains_create(&table, 8);
    for (uint64_t i = 0; i < 300; i += 3) { /* 0, 3 … of all; another one for 0 … 99 */
        uint32_t entry = state_table_find(&table, pair_key(words, i % 100, i));
        state_chains_remove(chains, &table, entry);
        state_table_remove(&table, entry);
        entry = state_table_add(&table, pair_key(words, i % 100, 1000 + i));
        state_table_put(&table, entry, BYTES("other"));
        state_chains_add(chains, &table, entry);
    }
    state_table_end_batch(&table);
    state_chains_end_batch(chains);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(chain_length(chains, i), 3);
    }
    assert_int_equal(chain_length(chains, 100), 0);
    for (uint32_t i = 0; i < table.entry_count; i++) {
        if (table.entries[i].data != NULL) {
            state_chains_remove(chains, &table, i);
            state_table_remove(&table, i);
        }
    }
    state_table_end_batch(&table);
    state_chains_end_batch(chains);
    assert_int_equal(chain_length(chains, 7), 0);
    assert_int_equal(chains->heads.live_count, 0);
    state_chains_free(chains);
    state_table_free(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_keeps_what_is_put),
        cmocka_unit_test(test_many_keys_are_found_together),
        cmocka_unit_test(test_removed_and_put_again_is_there),
        cmocka_unit_test(test_old_values_do_not_pile_up),
        cmocka_unit_test(test_row_is_spark_s),
        cmocka_unit_test(test_entries_of_a_key_are_chained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
