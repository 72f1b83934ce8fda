/* The stack's file: what is written is read again, and a foreign file is refused. */
#include "cli/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64];

static int make_folder(void **state) {
    char path[128];
    snprintf(folder, sizeof folder, "/tmp/raudal-stack-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/run", folder);
    return mkdir(path, 0755);
}

static int remove_folder(void **state) {
    static const char *const names[] = {"/run/stack.json", "/run", ""};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", folder, names[i]);
        remove(path);
    }
    return 0;
}

static void defaults_are_the_courses_names(void **state) {
    struct settings settings;
    struct stack stack = {0}, again;
    struct error error;
    bool all[SERVICE_COUNT];
    memset(all, 1, sizeof all);
    settings_init(&settings);
    stack_make_default(&stack, "127.0.0.1", &settings, all);
    assert_int_equal(stack.services.count, 9); /* jupyter included */
    assert_true(stack_write(&stack, folder, &error));
    assert_true(stack_read(&again, folder, &error));
    assert_null(again.source);
    assert_int_equal(again.services.count, 9);
    const struct stack_service *namenode = stack_find(&again, "namenode");
    assert_int_equal(namenode->kind, STACK_NAMENODE);
    assert_string_equal(namenode->container, "namenode");
    assert_int_equal(namenode->ports.items[0].published, 9000);
    assert_int_equal(namenode->ports.items[1].service, SERVICE_NAMENODE_UI);
    assert_true(stack_serves(namenode, SERVICE_NAMENODE));
    stack_free(&again);
    stack_free(&stack);
    all[SERVICE_SPARK_WORKER] = all[SERVICE_KAFKA] = false;
    stack_make_default(&stack, "127.0.0.1", &settings, all);
    assert_null(stack_find(&stack, "spark-worker-2"));
    assert_null(stack_find(&stack, "kafka"));
    stack_free(&stack);
    settings_free(&settings);
}

static void a_service_comes_back_whole(void **state) {
    struct stack stack = {0}, again;
    struct error error;
    stack.source = strdup("/srv/docker-compose.yml");
    struct stack_service *service = stack_add(&stack, "kafka", "curso-kafka", STACK_KAFKA, "127.1.100.2");
    stack_add_name(service, "broker");
    stack_add_name(service, "broker");
    VECTOR_PUSH(&service->ports, ((struct stack_port){0, 29092, SERVICE_KAFKA, NULL, 0}));
    stack_set_told(service, "kafka", 29092);
    VECTOR_PUSH(&service->ports, ((struct stack_port){9999, 9999, SERVICE_COUNT, NULL, 0}));
    assert_true(stack_write(&stack, folder, &error));
    assert_true(stack_read(&again, folder, &error));
    assert_string_equal(again.source, "/srv/docker-compose.yml");
    const struct stack_service *found = stack_find(&again, "curso-kafka");
    assert_string_equal(found->name, "kafka");
    assert_string_equal(found->address, "127.1.100.2");
    assert_int_equal(found->names.count, 3);
    assert_string_equal(found->names.items[2], "broker");
    assert_int_equal(found->ports.items[0].container, 29092);
    assert_string_equal(found->ports.items[0].told, "kafka");
    assert_int_equal(found->ports.items[0].told_port, 29092);
    assert_null(found->ports.items[1].told);
    assert_int_equal(found->ports.items[1].service, SERVICE_COUNT);
    stack_free(&again);
    stack_free(&stack);
}

static void what_is_no_stack_is_refused(void **state) {
    struct stack stack;
    struct error error;
    char path[128];
    assert_false(stack_read(&stack, folder, &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    snprintf(path, sizeof path, "%s/run/stack.json", folder);
    FILE *file = fopen(path, "we");
    fputs("{\"services\": 3}", file);
    fclose(file);
    assert_false(stack_read(&stack, folder, &error));
    assert_int_equal(error.code, ERROR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_are_the_courses_names, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_service_comes_back_whole, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_no_stack_is_refused, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
