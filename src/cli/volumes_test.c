/* Which folders of the machine programs know under a container's path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/volumes.h"

static const char *lines(const char *setting, const char *data) {
    static char text[VOLUMES_TEXT_SIZE];
    struct error error;
    if (!volumes_from_setting(setting, data, false, text, &error))
        fail_msg("%s", error.message);
    return text;
}

static void sessions_and_datasets_are_there_without_a_setting(void **state) {
    assert_string_equal(
        lines("", "/data"), "/home/jovyan/sessions=/data/sessions\n/home/jovyan/datasets=/data/datasets\n");
}

static void a_project_has_them_beside_its_data_folder(void **state) {
    assert_string_equal(lines("", "/srv/curso/.raudal"),
        "/home/jovyan/sessions=/srv/curso/sessions\n/home/jovyan/datasets=/srv/curso/datasets\n");
}

static void a_setting_replaces_them_and_relative_folders_are_the_projects(void **state) {
    assert_string_equal(lines("/apuntes/=./notebooks , /home/jovyan/d=/srv/d", "/srv/curso/.raudal"),
        "/apuntes=/srv/curso/notebooks\n"
        "/home/jovyan/d=/srv/d\n");
}

static void the_home_folder_is_kept_in_the_data_folder_unless_it_is_a_volume(void **state) {
    char text[VOLUMES_TEXT_SIZE];
    assert_true(volumes_from_setting("/apuntes=/srv", "/data", true, text, NULL));
    assert_string_equal(text, "/apuntes=/srv\n/home/jovyan=/data/home\n");
    assert_true(volumes_from_setting("/home/jovyan=/srv", "/data", true, text, NULL));
    assert_string_equal(text, "/home/jovyan=/srv\n");
}

static void what_is_no_pair_of_folders_is_refused_by_name(void **state) {
    static const char *const wrong[] = {"datasets", "datasets=/srv", "/a=", "=/srv", "/a=/b,,"};
    char text[VOLUMES_TEXT_SIZE];
    struct error error;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(volumes_from_setting(wrong[i], "/data", false, text, &error));
        assert_non_null(strstr(error.message, "raudal.volumes"));
    }
}

static void the_lines_are_found_again(void **state) {
    struct store_volume volumes[VOLUME_COUNT_MAX];
    char *copy, folder[64];
    assert_int_equal(volumes_parse(lines("", "/data"), volumes, &copy), 2);
    assert_string_equal(volumes[1].container_path, "/home/jovyan/datasets");
    assert_string_equal(volumes[1].machine_path, "/data/datasets");
    free(copy);
    assert_true(volumes_find(lines("", "/data"), "/home/jovyan/sessions", folder, sizeof folder));
    assert_string_equal(folder, "/data/sessions");
    assert_false(volumes_find(lines("", "/data"), "/home/jovyan", folder, sizeof folder));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_and_datasets_are_there_without_a_setting),
        cmocka_unit_test(a_project_has_them_beside_its_data_folder),
        cmocka_unit_test(a_setting_replaces_them_and_relative_folders_are_the_projects),
        cmocka_unit_test(the_home_folder_is_kept_in_the_data_folder_unless_it_is_a_volume),
        cmocka_unit_test(what_is_no_pair_of_folders_is_refused_by_name),
        cmocka_unit_test(the_lines_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
