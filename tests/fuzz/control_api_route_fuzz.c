/* Properties: the route found is the one that a matcher of its own finds, with the same ids and text; every route is found by a
 * path made from its template; a numeric query parameter is taken exactly when another reader takes it. The first byte chooses:
 * a target as it comes, a route by its number with ids, or a query. */
#include "control/api/limits.h"
#include "control/api/route.h"
#include "engine/base/id.h"
#include "engine/wire/url.h"
#include "tests/fuzz/fuzz.h"

enum { PARTS_MAX = 40, ROOM = 8192 };

static uint8_t arena[API_ARENA_SIZE];

/* Cuts a template at its slashes; returns how many parts. */
static size_t cut(const char *path, struct nx_bytes parts[PARTS_MAX])
{
    size_t count = 0;
    struct nx_bytes rest = nx_bytes_text(path + 1);
    while (rest.size != 0 && count < PARTS_MAX) {
        parts[count++] = fuzz_until(&rest, '/');
    }
    return count;
}

static bool is_place(struct nx_bytes part)
{
    return part.size > 2 && part.at[0] == '{' && part.at[part.size - 1] == '}';
}

static bool is_id(struct nx_bytes part)
{
    return part.size > 5 && memcmp(part.at + part.size - 4, "_id}", 4) == 0;
}

struct match {
    const struct api_route *route;
    uint64_t ids[API_IDS_MAX];
    struct nx_bytes text;
    bool has_path;
};

/* The longest run of literal parts from the left decides between templates, as templates differ in one part at most. */
static struct match reference(enum nx_bus_method method, const struct nx_bytes *segments, size_t count)
{
    struct match best = {.route = NULL};
    size_t best_literals = 0;
    for (size_t r = 0; r < api_route_count; r++) {
        struct nx_bytes parts[PARTS_MAX];
        struct match one = {.route = &api_route_table[r]};
        size_t ids = 0;
        size_t literals = 0;
        bool fits = cut(api_route_table[r].path, parts) == count;
        for (size_t i = 0; fits && i < count; i++) {
            if (!is_place(parts[i])) {
                fits = nx_bytes_equal(parts[i], segments[i]);
                literals++;
            } else if (is_id(parts[i])) {
                fuzz_check(ids < API_IDS_MAX, "a template has no more ids than there is room for");
                if (nx_id_parse(segments[i], &one.ids[ids]) != NX_OK) {
                    one.ids[ids] = 0;
                }
                ids++;
            } else {
                one.text = segments[i];
            }
        }
        best.has_path |= fits;
        if (fits && api_route_table[r].method == method && (best.route == NULL || literals > best_literals)) {
            one.has_path = true;
            best = one;
            best_literals = literals;
        }
    }
    return best;
}

static const struct api_route *find(enum nx_bus_method method, struct nx_bytes target, struct api_request *r)
{
    static uint8_t room[ROOM];
    struct nx_url url;
    struct nx_url_path path;
    struct nx_writer scratch = nx_writer_init(room, sizeof(room));
    bool has_path = false;
    *r = (struct api_request){.method = method};
    if (nx_url_split(target, &url) != NX_OK || nx_url_path_decode(url.path, &scratch, &path) != NX_OK) {
        return NULL;
    }
    const struct api_route *route = api_route_find(r, path.segments, path.count, &has_path);
    const struct match wanted = reference(method, path.segments, path.count);
    fuzz_check(route == wanted.route && has_path == wanted.has_path, "the route");
    if (route != NULL) {
        fuzz_check(memcmp(r->ids, wanted.ids, sizeof(r->ids)) == 0, "its ids");
        fuzz_check(nx_bytes_equal(r->text, wanted.text), "its text");
    }
    return route;
}

/* A path made from a template leads to it, unless a more literal one of the same method fits too. */
static void check_template(struct nx_bytes input)
{
    const struct api_route *route = &api_route_table[fuzz_u8(&input) % api_route_count];
    struct nx_bytes parts[PARTS_MAX];
    uint64_t ids[API_IDS_MAX] = {0};
    size_t ids_count = 0;
    uint8_t target[ROOM];
    struct nx_writer w = nx_writer_init(target, sizeof(target));
    const size_t count = cut(route->path, parts);
    const struct nx_bytes text = nx_bytes_slice(fuzz_until(&input, '\n'), 0, 200);
    for (size_t i = 0; i < count; i++) {
        nx_writer_u8(&w, '/');
        if (!is_place(parts[i])) {
            nx_writer_bytes_put(&w, parts[i]);
        } else if (is_id(parts[i])) {
            const uint64_t id = (fuzz_number(&input, 8) & INT64_MAX) | 1;
            nx_writer_decimal(&w, id);
            ids[ids_count++] = id;
        } else {
            nx_url_encode(&w, text);
        }
    }
    struct api_request r;
    const struct api_route *found = find(route->method, nx_writer_bytes(&w), &r);
    if (found == route) {
        fuzz_check(memcmp(r.ids, ids, sizeof(ids)) == 0, "ids come back");
        fuzz_check(r.text.size == 0 || nx_bytes_equal(r.text, text), "text comes back");
    } else {
        bool has_text = false;
        for (size_t i = 0; i < count; i++) {
            has_text |= is_place(parts[i]) && !is_id(parts[i]);
        }
        fuzz_check(has_text, "only a text can be mistaken");
    }
}

/* Decodes %XX and '+' of a part; false when it is no text. */
static bool decode(struct nx_bytes raw, char out[ROOM])
{
    size_t size = 0;
    for (size_t i = 0; i < raw.size; i++) {
        if (raw.at[i] == '%') {
            char digits[3] = {0};
            if (raw.size - i < 3) {
                return false;
            }
            memcpy(digits, raw.at + i + 1, 2);
            if (strspn(digits, "0123456789abcdefABCDEF") != 2) {
                return false;
            }
            out[size++] = (char)strtoul(digits, NULL, 16);
            i += 2;
        } else {
            out[size++] = raw.at[i] == '+' ? ' ' : (char)raw.at[i];
        }
    }
    out[size] = '\0';
    return strlen(out) == size;
}

/* 1 with a value, 0 without, -1 when it is refused, -2 when this reader cannot tell. */
static int reference_query(struct nx_bytes query, const char *name, uint64_t *value)
{
    int found = 0;
    size_t pairs = 0;
    while (query.size != 0) {
        static char key[ROOM];
        static char text[ROOM];
        struct nx_bytes pair = fuzz_until(&query, '&');
        if (pair.size == 0) {
            continue;
        }
        const struct nx_bytes raw = fuzz_until(&pair, '=');
        if (!decode(raw, key) || !decode(pair, text) || ++pairs > NX_URL_PAIRS_MAX) {
            return -1;
        }
        for (size_t i = 0; key[i] != '\0' || text[i] != '\0'; i++) {
            if ((signed char)key[i] < 0 || (signed char)text[i] < 0) {
                return -2; /* UTF-8 or not is not judged here */
            }
            if (key[i] == '\0' || text[i] == '\0') {
                const char *rest = key[i] == '\0' ? text + i : key + i;
                for (; *rest != '\0'; rest++) {
                    if ((signed char)*rest < 0) {
                        return -2;
                    }
                }
                break;
            }
        }
        if (strcmp(key, name) != 0) {
            continue;
        }
        if (found != 0) {
            return -1;
        }
        const size_t size = strlen(text);
        if (size == 0 || size > 20 || strspn(text, "0123456789") != size ||
            (size == 20 && strcmp(text, "18446744073709551615") > 0)) {
            found = -1;
            continue;
        }
        found = 1;
        *value = strtoull(text, NULL, 10);
    }
    return found;
}

static void check_query(struct nx_bytes input)
{
    static const char *const names[] = {"limit", "before", "after", "around", "after_seq"};
    static struct api_request r;
    const char *name = names[fuzz_u8(&input) % 5];
    const uint64_t min = fuzz_u8(&input) % 4;
    const uint64_t max = min == 3 ? UINT64_MAX : 100;
    struct nx_url url;
    uint8_t target[ROOM];
    struct nx_writer w = nx_writer_init(target, sizeof(target));
    nx_writer_text(&w, "/?");
    nx_writer_bytes_put(&w, input);
    if (!nx_writer_ok(&w) || nx_url_split(nx_writer_bytes(&w), &url) != NX_OK) {
        return;
    }
    r = (struct api_request){.query = url.query};
    nx_arena_init(&r.arena, arena, sizeof(arena));
    uint8_t headers[API_HEADERS_SIZE_MAX];
    r.response.headers = nx_writer_init(headers, sizeof(headers));
    uint64_t value = 7777;
    uint64_t wanted = 7777;
    bool has = false;
    const int verdict = reference_query(url.query, name, &wanted);
    const bool is_taken = api_request_query_u64(&r, name, min, max, &value, &has);
    if (verdict == -2) {
        fuzz_check(!is_taken || !has || (value >= min && value <= max), "in range");
        return;
    }
    const bool is_wanted = verdict == 0 || (verdict == 1 && wanted >= min && wanted <= max);
    fuzz_check(is_taken == is_wanted, "verdict");
    if (is_taken) {
        fuzz_check(has == (verdict == 1) && value == wanted, "value");
    } else {
        fuzz_check(r.response.status == 400 && value == 7777, "the error is answered, nothing is written");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nx_bytes input = nx_bytes_of(bytes, size);
    struct api_request r;
    if (size > ROOM / 4) {
        return 0;
    }
    switch (fuzz_u8(&input) % 3) {
    case 0: {
        const enum nx_bus_method method = (enum nx_bus_method)(fuzz_u8(&input) % 7);
        (void)find(method, input, &r);
        break;
    }
    case 1:
        check_template(input);
        break;
    default:
        check_query(input);
        break;
    }
    return 0;
}
