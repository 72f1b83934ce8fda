/* console_test.c: the filter language and the decoders of the page on 8080. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"
#include "console/kafka_filter.h"
#include "console/kafka_messages.h"

static struct record sample(struct buffer *headers) {
    varlong_append(headers, 6);
    buffer_append_text(headers, "source");
    varlong_append(headers, 3);
    buffer_append_text(headers, "web");
    return (struct record){.offset = 42,
        .timestamp = 1795381206000,
        .key = BYTES("user-7"),
        .value =
            BYTES("{\"id\": 12, \"price\": 9.5, \"ok\": false, \"user\": {\"name\": \"Ana\"}, \"items\": [{\"n\": 5}], "
                  "\"none\": null}"),
        .header_count = 1,
        .headers = buffer_view(headers)};
}

static void filters_choose_what_they_say(void **state) {
    static const struct {
        const char *text;
        bool matches;
    } cases[] = {{"key = 'user-7'", true}, {"key = \"user-8\"", false}, {"KEY == user-7", true}, {"offset = 42", true},
        {"offset >= 43", false}, {"partition <> 3", false}, {"value.id > 9", true}, {"value.id > 100", false},
        {"value.price = 9.50", true}, {"value.user.name = Ana", true}, {"value.user.name contains \"na\"", true},
        {"value.user.name startsWith aN", true}, {"value.user.name endsWith n", false}, {"value.items[0].n = 5", true},
        {"$.id = 12", true}, {"value['id'] = 12", true}, {"value.ok", false}, {"value.id", true}, {"value.gone", false},
        {"value.gone = null", true}, {"value.id != null", true}, {"value.gone != 3", true},
        {"headers.source = web", true}, {"headers.other = web", false}, {"headers.source", true},
        {"not (partition = 3 and offset < 10)", true}, {"value.id = 1 or value.id = 2 or value.id = 12", true},
        {"value.id = 12 and not value.ok", true},
        {"timestamp >= \"2026-11-22\" and timestamp < '2026-11-23T00:00:00'", true},
        {"timestamp < \"2020-01-01\"", false}, {"size < 200", true}, {"value contains ANA", true},
        {"!(key = a || key = b)", true}};
    struct buffer headers = {0};
    struct record record = sample(&headers);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct error error = {0};
        struct filter *filter = filter_parse(bytes_from_text(cases[i].text), &error);
        if (filter == NULL)
            fail_msg("%s: %s", cases[i].text, error.message);
        if (filter_matches(filter, 3, &record) != cases[i].matches)
            fail_msg("%s should %smatch", cases[i].text, cases[i].matches ? "" : "not ");
        filter_free(filter);
    }
    buffer_free(&headers);
}

static void filters_that_cannot_be_read_say_where(void **state) {
    static const char *const texts[] = {"", "price > 3", "value.id >", "value.id >= and", "(key = a", "key = 'a",
        "key = a b", "not", "key = a and", "headers = 3", "value[ = 3", "value.id > 3 4", "and", "key ~ a"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct error error = {0};
        assert_null(filter_parse(bytes_from_text(texts[i]), &error));
        assert_int_equal(error.code, ERROR_INVALID);
        assert_non_null(strstr(error.message, "Filter, at character"));
    }
}

static void filters_are_bounded(void **state) {
    struct buffer deep = {0}, many = {0}, large = {0};
    for (int i = 0; i < 100; i++) {
        buffer_append_text(&deep, "(");
        buffer_append_text(&many, i == 0 ? "key=a" : " or key=a");
        buffer_append_text(&large, "key = 0123456789012345678901234567890");
    }
    struct buffer *texts[] = {&deep, &many, &large};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct error error = {0};
        assert_null(filter_parse(buffer_view(texts[i]), &error));
        assert_int_not_equal(error.code, ERROR_NONE);
        buffer_free(texts[i]);
    }
}

static void check_decoded(struct bytes data, enum message_format format, const char *type, const char *text) {
    json_t *decoded = message_decode("t", data, BYTES_NULL, false, format);
    assert_string_equal(page_text(decoded, "type"), type);
    assert_string_equal(page_text(decoded, "text"), text);
    json_decref(decoded);
}

static void decoders_show_what_is_there(void **state) {
    check_decoded(BYTES("hola"), FORMAT_AUTO, "string", "hola");
    check_decoded(BYTES("{\"a\": 12345678901234567890}"), FORMAT_AUTO, "json", "{\"a\": 12345678901234567890}");
    check_decoded(BYTES("\0\377\020"), FORMAT_AUTO, "hex", "00 ff 10");
    check_decoded(BYTES("\0\0\0\0\0\0\0\7"), FORMAT_INT64, "int64", "7");
    check_decoded(BYTES("\377\377\377\376"), FORMAT_INT32, "int32", "-2");
    check_decoded(BYTES("\100\011\041\373\124\104\055\030"), FORMAT_DOUBLE, "double", "3.1415926535897931");
    check_decoded(BYTES("hola"), FORMAT_INT64, "string", "hola"); /* not eight bytes */
    check_decoded(BYTES("hola"), FORMAT_BASE64, "base64", "aG9sYQ==");
    check_decoded(BYTES_NULL, FORMAT_AUTO, "null", "");
    check_decoded(BYTES(""), FORMAT_AUTO, "string", "");
}

static void what_is_typed_becomes_bytes(void **state) {
    static const struct {
        const char *text;
        enum message_format format;
        const char *bytes;
        size_t size;
    } cases[] = {{"7", FORMAT_INT32, "\0\0\0\7", 4}, {"00 fF", FORMAT_HEX, "\0\377", 2},
        {"aG9sYQ==", FORMAT_BASE64, "hola", 4}, {"{\"a\": 1}", FORMAT_JSON, "{\"a\": 1}", 8},
        {"x", FORMAT_STRING, "x", 1}};
    static const struct {
        const char *text;
        enum message_format format;
    } wrong[] = {{"x", FORMAT_INT32}, {"3000000000", FORMAT_INT32}, {"0", FORMAT_HEX}, {"{", FORMAT_JSON},
        {"**", FORMAT_BASE64}};
    struct buffer out = {0};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct error error = {0};
        buffer_clear(&out);
        assert_true(message_encode(bytes_from_text(cases[i].text), cases[i].format, &out, &error));
        assert_int_equal(out.size, cases[i].size);
        assert_memory_equal(out.data, cases[i].bytes, out.size);
    }
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct error error = {0};
        assert_false(message_encode(bytes_from_text(wrong[i].text), wrong[i].format, &out, &error));
        assert_int_equal(error.code, ERROR_INVALID);
    }
    buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_choose_what_they_say),
        cmocka_unit_test(filters_that_cannot_be_read_say_where),
        cmocka_unit_test(filters_are_bounded),
        cmocka_unit_test(decoders_show_what_is_there),
        cmocka_unit_test(what_is_typed_becomes_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
