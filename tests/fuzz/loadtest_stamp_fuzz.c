/* Properties: the mark that is found is the first one that a plain search finds, whatever the hint says, unless another stands
 * where the hint points; what is put is found. Input: a hint, then the text; a "?" of the first byte's choice becomes a mark. */
#include "loadtest/stamp.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_MAX = 2048 };

static bool is_same(const struct load_stamp *a, const struct load_stamp *b)
{
    return a->run == b->run && a->stream == b->stream && a->number == b->number && a->ns == b->ns;
}

/* A mark stands at `at` when putting what its digits say gives the same 40 characters. */
static bool stands_at(struct nx_bytes text, size_t at, struct load_stamp *out)
{
    char digits[LOAD_STAMP_SIZE + 1];
    uint8_t again[LOAD_STAMP_SIZE];
    unsigned run;
    unsigned stream;
    unsigned number;
    unsigned long long ns;
    if (at + LOAD_STAMP_SIZE > text.size) {
        return false;
    }
    memcpy(digits, text.at + at, LOAD_STAMP_SIZE);
    digits[LOAD_STAMP_SIZE] = '\0';
    if (strspn(digits + 2, "0123456789abcdef") != LOAD_STAMP_SIZE - 2 ||
        sscanf(digits, "~~%4x%6x%8x%16llx", &run, &stream, &number, &ns) != 4 || ns > INT64_MAX) {
        return false;
    }
    *out = (struct load_stamp){.run = (uint16_t)run, .stream = stream, .number = number, .ns = (int64_t)ns};
    load_stamp_put(again, out);
    return memcmp(again, digits, LOAD_STAMP_SIZE) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    const uint8_t choice = fuzz_u8(&input);
    const size_t hint = fuzz_u8(&input) * 8U;
    const struct load_stamp put = {.run = (uint16_t)(choice * 257U),
                                   .stream = (uint32_t)fuzz_number(&input, 3),
                                   .number = (uint32_t)fuzz_number(&input, 4),
                                   .ns = (int64_t)(fuzz_number(&input, 8) >> 1)};
    uint8_t *text = malloc(TEXT_MAX + LOAD_STAMP_SIZE);
    size_t used = 0;
    for (size_t i = 0; i < input.size && used < TEXT_MAX; i++) {
        if (input.at[i] == '?' && (choice & 1) != 0) {
            load_stamp_put(text + used, &put);
            used += LOAD_STAMP_SIZE;
        } else {
            text[used++] = input.at[i];
        }
    }
    uint8_t *exact = fuzz_copy(nx_bytes_of(text, used));
    const struct nx_bytes whole = nx_bytes_of(exact, used);
    struct load_stamp wanted;
    size_t at = hint;
    bool is_wanted = stands_at(whole, hint, &wanted);
    for (size_t i = 0; i < used && !is_wanted; i++) {
        at = i;
        is_wanted = stands_at(whole, i, &wanted);
    }
    size_t where = hint;
    struct load_stamp found;
    const bool is_found = load_stamp_find(whole, &where, &found);
    fuzz_check(is_found == is_wanted, "whether there is a mark");
    fuzz_check(where == (is_found ? at : hint), "where it is");
    fuzz_check(!is_found || is_same(&found, &wanted), "what it says");
    free(exact);
    free(text);
    return 0;
}
