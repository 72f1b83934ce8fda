/* topic_pattern_test.c: what RE2 accepts, refuses and matches. */
#include "kafka/topic_pattern.h"

#include "base/bytes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static bool matches(const char *pattern, const char *name) {
    struct error error = {0};
    struct topic_pattern *compiled = topic_pattern_compile(bytes_from_text(pattern), &error);
    if (!compiled)
        fail_msg("%s: %s", pattern, error.message);
    bool result = topic_pattern_matches(compiled, bytes_from_text(name));
    topic_pattern_free(compiled);
    return result;
}

static void the_whole_name_must_match(void **state) {
    assert_true(matches("events", "events"));
    assert_false(matches("event", "events"));
    assert_false(matches("vents", "events"));
    assert_true(matches("a|ab|abc", "abc"));
    assert_true(matches("", ""));
    assert_false(matches("", "a"));
    assert_true(matches("^orders[._-]\\d{2,3}$", "orders.042"));
    assert_false(matches("^orders[._-]\\d{2,3}$", "orders.0421"));
    assert_true(matches("(?i)EVENTS", "events"));
    assert_true(matches("(?P<kind>raw|clean)\\.(?:a|b)+?", "raw.abab"));
    assert_true(matches("\\Qa.b\\E[[:digit:]]+", "a.b12"));
    assert_false(matches("\\Qa.b\\E[[:digit:]]+", "axb12"));
    assert_true(matches("x{,3}", "x{,3}"));
    assert_true(matches("[]a-]+", "-a"));
    assert_true(matches("\\x61\\x{62}\\143", "abc"));
    assert_true(matches("\\p{L}\\pN", "a1"));
    assert_true(matches("[a[]+\\.*?", "aa."));
}

static void what_re2_refuses_is_refused(void **state) {
    static const struct {
        const char *pattern, *message;
    } cases[] = {
        {"(", "missing closing ): `(`"},
        {"a)", "unexpected ): `a)`"},
        {"[a", "missing closing ]: `[a`"},
        {"*a", "missing argument to repetition operator: `*`"},
        {"(*UTF)a", "missing argument to repetition operator: `*`"},
        {"a**", "invalid nested repetition operator: `*`"},
        {"a++", "invalid nested repetition operator: `+`"},
        {"a{2}{3}", "invalid nested repetition operator: `{3}`"},
        {"a{1001}", "invalid repeat count: `{1001}`"},
        {"a{3,2}", "invalid repeat count: `{3,2}`"},
        {"((a{100}){100}){100}", "invalid repeat count: `{100}`"},
        {"(?=a)b", "invalid or unsupported Perl syntax: `(?=`"},
        {"(?!a)b", "invalid or unsupported Perl syntax: `(?!`"},
        {"(?<=a)b", "invalid or unsupported Perl syntax: `(?<`"},
        {"(?<!a)b", "invalid or unsupported Perl syntax: `(?<`"},
        {"(?>a)b", "invalid or unsupported Perl syntax: `(?>`"},
        {"(?#a)b", "invalid or unsupported Perl syntax: `(?#`"},
        {"(?R)", "invalid or unsupported Perl syntax: `(?R`"},
        {"(a)\\1", "invalid escape sequence: `\\1`"},
        {"\\k<a>", "invalid escape sequence: `\\k`"},
        {"\\Za", "invalid escape sequence: `\\Z`"},
        {"\\Ca", "invalid escape sequence: `\\C`"},
        {"[\\b]", "invalid escape sequence: `\\b`"},
        {"[[:nothing:]]", "invalid character class range: `[:nothing:]`"},
        {"(?P<a", "invalid named capture: `(?P<a`"},
        {"a\\", "trailing backslash at end of expression: ``"},
        {"\xff", "invalid UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        struct topic_pattern *compiled = topic_pattern_compile(bytes_from_text(cases[i].pattern), &error);
        if (compiled)
            fail_msg("%s was accepted", cases[i].pattern);
        assert_string_equal(error.message, cases[i].message);
    }
}

static void no_expression_takes_long(void **state) {
    char name[250];
    memset(name, 'a', sizeof name);
    name[248] = 'b';
    name[249] = 0;
    assert_false(matches("(a+)+c", name));
    assert_false(matches("(a|aa|a?)*c", name));
    assert_true(matches("(a|aa|a?)*b", name));
    assert_true(matches("(?:(?:(?:a{0,9}){0,9}){0,9})*b", name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_name_must_match),
        cmocka_unit_test(what_re2_refuses_is_refused),
        cmocka_unit_test(no_expression_takes_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
