/* Properties: a number is found exactly where a plain search finds the key first, unless the hint points at it; the hint stays inside
 * the text; a content ends before its quote. Input: a hint, then the text of a dispatch. */
#include "loadtest/dispatch.h"
#include "tests/fuzz/fuzz.h"

static const char *const keys[] = {"\"id\":\"", "\"channel_id\":\"", "\"seq\":"};

static bool begins_at(struct nx_bytes text, size_t at, const char *key)
{
    return at <= text.size && strlen(key) <= text.size - at && memcmp(text.at + at, key, strlen(key)) == 0;
}

static bool reference(struct nx_bytes text, const char *key, size_t *hint, uint64_t *out)
{
    size_t at = *hint;
    if (!begins_at(text, at, key)) {
        for (at = 0; at < text.size && !begins_at(text, at, key);) {
            at++;
        }
    }
    if (at >= text.size) {
        return false;
    }
    *hint = at;
    uint64_t value = 0;
    size_t digits = 0;
    for (at += strlen(key);
         at < text.size && strchr("0123456789", text.at[at]) != NULL && text.at[at] != '\0'; at++) {
        value = value * 10 + text.at[at] - '0';
        digits++;
    }
    *out = digits != 0 ? value : *out;
    return digits != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    const size_t first_hint = (size_t)fuzz_number(&input, 2);
    uint8_t *copy = fuzz_copy(input);
    const struct nx_bytes text = nx_bytes_of(copy, input.size);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t hint = first_hint;
        size_t wanted_hint = first_hint;
        uint64_t number = 77;
        uint64_t wanted = 77;
        const bool is_found = load_dispatch_number(text, keys[i], &hint, &number);
        fuzz_check(is_found == reference(text, keys[i], &wanted_hint, &wanted), "whether it is there");
        fuzz_check(hint == wanted_hint && number == wanted, "where, and what it says");
    }
    struct load_dispatch_hints hints = {first_hint, first_hint, first_hint};
    const struct load_history_record one = load_dispatch_message(&hints, (enum load_history_kind)0, text);
    const struct load_history_record two = load_dispatch_message(&hints, (enum load_history_kind)0, text);
    fuzz_check(first_hint < text.size ||
                   (one.id == two.id && one.channel == two.channel && one.seq == two.seq),
               "the hint changes nothing");
    const size_t at = text.size != 0 ? first_hint % text.size : 0;
    if (text.size != 0) {
        size_t end = at;
        while (end < text.size && text.at[end] != '"') {
            end++;
        }
        fuzz_check(load_dispatch_content_hash(text, at) ==
                           load_history_hash(nx_bytes_slice(text, at, end - at)) ||
                       end == at,
                   "a content ends before the quote");
    }
    free(copy);
    return 0;
}
