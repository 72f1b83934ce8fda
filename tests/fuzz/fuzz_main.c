/* fuzz_main.c: drives a fuzz target without libFuzzer: files, or mutations of its seeds from a number (the same number
 * gives the same inputs). */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t state;

static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void mutate(struct buffer *input) {
    size_t changes = 1 + next_random() % 6;
    for (size_t i = 0; i < changes && input->size > 0; i++) {
        size_t at = next_random() % input->size, left = input->size - at,
               count = 1 + next_random() % (left < 16 ? left : 16);
        switch (next_random() % 6) {
        case 0:
            input->data[at] ^= (uint8_t)(1u << next_random() % 8);
            break;
        case 1:
            input->data[at] = (uint8_t)next_random();
            break;
        case 2:
            memmove(input->data + at, input->data + at + count, left - count);
            input->size -= count;
            break;
        case 3: {
            uint8_t copy[16];
            memcpy(copy, input->data + at, count);
            buffer_append(input, copy, count);
            break;
        }
        case 4:
            memset(input->data + at, next_random() % 2 ? 0xff : 0, count);
            break;
        default:
            input->size = at;
        }
    }
}

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    struct buffer input = {0};
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t count;
    while ((count = fread(buffer_reserve(&input, 65536), 1, 65536, file)) > 0) {
        input.size += count;
    }
    fclose(file);
    LLVMFuzzerTestOneInput(input.data, input.size);
    buffer_free(&input);
    return 0;
}

int main(int count, char **arguments) {
    int64_t rounds = 0, seed = 1;
    if (count < 2 || !bytes_to_int64(bytes_from_text(arguments[1]), &rounds)) {
        int result = count < 2;
        for (int i = 1; i < count; i++) {
            result |= run_file(arguments[i]);
        }
        return result;
    }
    if (count > 2) {
        (void)bytes_to_int64(bytes_from_text(arguments[2]), &seed);
    }
    state = (uint64_t)seed * 0x9e3779b97f4a7c15u + 1;
    struct buffer seeds[16] = {0}, input = {0};
    size_t seed_count = 0;
    while (seed_count < 16 && fuzz_seed(seed_count, &seeds[seed_count])) {
        seed_count++;
    }
    for (int64_t i = 0; i < rounds; i++) {
        buffer_clear(&input);
        buffer_append_bytes(&input, buffer_view(&seeds[next_random() % seed_count]));
        mutate(&input);
        /* An exact copy, so that a read beyond the end is seen. */
        uint8_t *copy = malloc(input.size + (input.size == 0));
        memcpy(copy, input.data, input.size);
        LLVMFuzzerTestOneInput(copy, input.size);
        free(copy);
    }
    for (size_t i = 0; i < seed_count; i++) {
        buffer_free(&seeds[i]);
    }
    buffer_free(&input);
    return 0;
}
