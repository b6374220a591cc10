/* Properties: whatever the arguments, the options that are taken are in range and borrow from the arguments; whatever is refused is
 * explained in one line and writes nothing; the same arguments give the same twice. Input: the mode, then arguments separated by
 * NUL. */
#include "loadtest/options.h"
#include "tests/fuzz/fuzz.h"

enum { ARGUMENTS_MAX = 24 };

static struct load_options one;
static struct load_options two;

static bool is_argument(const char *text, char *const *argv, int argc)
{
    bool is_there = text == NULL;
    for (int i = 0; i < argc; i++) {
        is_there |= text == argv[i];
    }
    return is_there;
}

static void check_taken(const struct load_options *o, char *const *argv, int argc)
{
    static const char *const paths[] = {"/?room=", "/gateway?v=1&encoding=json"};
    if (o->is_help) {
        return;
    }
    fuzz_check(o->sessions <= LOAD_SESSIONS_MAX && o->publishers <= LOAD_STREAMS_MAX &&
                   o->channels <= LOAD_STREAMS_MAX && o->rooms <= LOAD_STREAMS_MAX,
               "counts");
    fuzz_check(o->size >= LOAD_SIZE_MIN && o->size <= LOAD_SIZE_MAX, "size");
    fuzz_check(o->duration_ms != 0 && o->rate <= 10000000 && (o->rate == 0 || o->closed == 0), "rate");
    fuzz_check(o->pids_count <= LOAD_PIDS_MAX && o->parents_count <= LOAD_PIDS_MAX, "pids");
    fuzz_check(o->mode == LOAD_OPTIONS_WS || (o->rooms != 0 && o->rooms <= o->sessions), "rooms");
    fuzz_check(o->server.family != NX_ADDR_FAMILY_NONE && o->server.port != 0, "server");
    fuzz_check(o->host[0] != '\0' && memchr(o->host, '\0', sizeof(o->host)) != NULL, "host");
    fuzz_check(is_argument(o->seed, argv, argc) && is_argument(o->json, argv, argc) &&
                   is_argument(o->bus, argv, argc) && is_argument(o->probe_seed, argv, argc),
               "texts are borrowed");
    fuzz_check(is_argument(o->path, argv, argc) || strcmp(o->path, paths[o->mode != LOAD_OPTIONS_RAW]) == 0,
               "path");
    for (uint32_t i = 0; i < o->pids_count; i++) {
        fuzz_check(o->pids[i] != 0, "pid");
    }
}

static enum nx_err parse(enum load_options_mode mode, int argc, char *const *argv, struct load_options *out)
{
    char why[LOAD_OPTIONS_WHY_SIZE];
    memset(why, 'w', sizeof(why));
    memset(out, 0, sizeof(*out));
    const enum nx_err err = load_options_parse(mode, argc, argv, out, why);
    if (err != NX_OK) {
        static const struct load_options none;
        fuzz_check(memchr(why, '\0', sizeof(why)) != NULL && why[0] != '\0', "a reason");
        fuzz_check(memcmp(out, &none, sizeof(none)) == 0, "nothing is written");
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    const enum load_options_mode mode = fuzz_u8(&input) % 4;
    char *argv[ARGUMENTS_MAX];
    int argc = 0;
    while (input.size != 0 && argc < ARGUMENTS_MAX) {
        argv[argc++] = fuzz_text(fuzz_until(&input, '\0'));
    }
    fuzz_check(strstr(load_options_help(mode), "usage: nexus load") != NULL, "help");
    const enum nx_err err = parse(mode, argc, argv, &one);
    if (err == NX_OK) {
        check_taken(&one, argv, argc);
    }
    fuzz_check(parse(mode, argc, argv, &two) == err && memcmp(&one, &two, sizeof(one)) == 0,
               "the same twice");
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    return 0;
}
