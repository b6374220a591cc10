#include "sfu/wire/rtcp_twcc.h"

#include "engine/base/assert.h"

enum {
    FORMAT_TWCC = 15,
    HEAD_SIZE = 20,   /* bytes before the chunks, RTCP header included */
    STATUS_LOST = 0,  /* packet status symbols, section 3.1.1 */
    STATUS_SMALL = 1, /* with a delta of one byte */
    STATUS_LARGE = 2, /* with a delta of two, signed */
    STATUS_RESERVED = 3,
    RUN_MAX = 8191,     /* 13 bits, section 3.1.3 */
    ONE_BIT_COUNT = 14, /* section 3.1.4 */
    TWO_BIT_COUNT = 7,
    CHUNK_VECTOR = 0x8000,
    CHUNK_TWO_BIT = 0x4000
};

/* Reads the next symbol; the walk's counters say that there is one. Reading past the chunks gives symbol 0 of an empty
 * run and fails the reader. */
static unsigned next_symbol(struct sfu_rtcp_twcc_walk *walk)
{
    while (walk->chunk_left == 0 && nx_reader_ok(&walk->chunks)) {
        walk->chunk = nx_reader_u16(&walk->chunks);
        walk->chunk_left = (uint16_t)((walk->chunk & CHUNK_VECTOR) == 0    ? walk->chunk & RUN_MAX
                                      : (walk->chunk & CHUNK_TWO_BIT) == 0 ? ONE_BIT_COUNT
                                                                           : TWO_BIT_COUNT);
    }
    if (!nx_reader_ok(&walk->chunks)) {
        return STATUS_LOST;
    }
    walk->chunk_left--;
    if ((walk->chunk & CHUNK_VECTOR) == 0) {
        return walk->chunk >> 13 & 3;
    }
    return (walk->chunk & CHUNK_TWO_BIT) == 0 ? walk->chunk >> walk->chunk_left & 1
                                              : walk->chunk >> 2 * walk->chunk_left & 3;
}

/* How many bytes of chunks and deltas the report has, found by walking over its symbols. */
static enum nx_err measure(struct nx_bytes body, unsigned count, size_t *chunks_size, size_t *deltas_size)
{
    struct sfu_rtcp_twcc_walk walk = {.chunks = nx_reader_init(body.at, body.size)};
    size_t deltas = 0;
    for (unsigned i = 0; i < count; i++) {
        const unsigned symbol = next_symbol(&walk);
        if (!nx_reader_ok(&walk.chunks)) {
            return NX_E_TRUNCATED;
        }
        if (symbol == STATUS_RESERVED) {
            return NX_E_MALFORMED;
        }
        deltas += symbol;
    }
    *chunks_size = body.size - nx_reader_left(&walk.chunks);
    *deltas_size = deltas;
    return NX_OK;
}

enum nx_err sfu_rtcp_twcc_parse(const struct sfu_rtcp_feedback *feedback, struct sfu_rtcp_twcc *out)
{
    if (feedback->kind != SFU_RTCP_FEEDBACK_TWCC) {
        return NX_E_MALFORMED;
    }
    struct nx_reader in = nx_reader_init(feedback->entries.at, feedback->entries.size);
    struct sfu_rtcp_twcc report = {.sequence_first = nx_reader_u16(&in)};
    report.count = nx_reader_u16(&in);
    const uint32_t word = nx_reader_u32(&in);
    if (!nx_reader_ok(&in)) {
        return NX_E_TRUNCATED;
    }
    if (report.count == 0 || report.count > SFU_RTCP_TWCC_MAX) {
        return NX_E_MALFORMED;
    }
    report.feedback_count = (uint8_t)word;
    const int32_t low = (int32_t)(word >> 8 & 0x7fffff);
    report.reference = word >> 31 != 0 ? low - 0x800000 : low;
    const struct nx_bytes body = nx_reader_bytes(&in, nx_reader_left(&in));
    size_t chunks_size;
    size_t deltas_size;
    const enum nx_err err = measure(body, report.count, &chunks_size, &deltas_size);
    if (err != NX_OK) {
        return err;
    }
    if (body.size - chunks_size < deltas_size) {
        return NX_E_TRUNCATED;
    }
    report.chunks = nx_bytes_slice(body, 0, chunks_size);
    report.deltas = nx_bytes_slice(body, chunks_size, deltas_size);
    *out = report;
    return NX_OK;
}

struct sfu_rtcp_twcc_walk sfu_rtcp_twcc_walk(const struct sfu_rtcp_twcc *report)
{
    return (struct sfu_rtcp_twcc_walk){.chunks = nx_reader_init(report->chunks.at, report->chunks.size),
                                       .deltas = nx_reader_init(report->deltas.at, report->deltas.size),
                                       .arrival_us = (int64_t)report->reference * SFU_RTCP_TWCC_REFERENCE_US,
                                       .sequence = report->sequence_first,
                                       .left = report->count};
}

bool sfu_rtcp_twcc_next(struct sfu_rtcp_twcc_walk *walk, struct sfu_rtcp_twcc_status *out)
{
    if (walk->left == 0) {
        return false;
    }
    walk->left--;
    out->sequence = walk->sequence++;
    out->arrival_us = SFU_RTCP_TWCC_LOST;
    const unsigned symbol = next_symbol(walk);
    if (symbol == STATUS_SMALL) {
        walk->arrival_us += (int64_t)nx_reader_u8(&walk->deltas) * SFU_RTCP_TWCC_TICK_US;
        out->arrival_us = walk->arrival_us;
    } else if (symbol == STATUS_LARGE) {
        walk->arrival_us += (int64_t)(int16_t)nx_reader_u16(&walk->deltas) * SFU_RTCP_TWCC_TICK_US;
        out->arrival_us = walk->arrival_us;
    }
    return true;
}

/* The report being written: symbols and deltas are worked out from the arrivals as often as they are needed, because
 * keeping them would need memory of the report's size. */
struct draft {
    const int64_t *arrivals_us;
    unsigned count; /* packets that fit */
    int64_t reference;
};

/* Gives the symbol and the delta, in ticks, of packet `index`; `tick` is the last arrival's and moves on. */
static unsigned symbol_of(const struct draft *draft, unsigned index, int64_t *tick, int64_t *delta)
{
    const int64_t arrival_us = draft->arrivals_us[index];
    if (arrival_us == SFU_RTCP_TWCC_LOST) {
        return STATUS_LOST;
    }
    /* Differences of rounded times, not rounded differences: errors do not add up. */
    *delta = arrival_us / SFU_RTCP_TWCC_TICK_US - *tick;
    *tick += *delta;
    return *delta >= 0 && *delta <= UINT8_MAX ? STATUS_SMALL : STATUS_LARGE;
}

static int64_t first_tick(const struct draft *draft)
{
    return draft->reference * (SFU_RTCP_TWCC_REFERENCE_US / SFU_RTCP_TWCC_TICK_US);
}

/* Cuts the report where the room or the range of a delta ends. Every chunk but the last covers at least 7 packets. */
static void cut(struct draft *draft, size_t room)
{
    int64_t tick = first_tick(draft);
    size_t deltas_size = 0;
    for (unsigned i = 0; i < draft->count; i++) {
        int64_t delta = 0;
        deltas_size += symbol_of(draft, i, &tick, &delta);
        const size_t chunks_size = ((size_t)i / TWO_BIT_COUNT + 1) * 2;
        if (delta < INT16_MIN || delta > INT16_MAX ||
            HEAD_SIZE + ((chunks_size + deltas_size + 3) & ~(size_t)3) > room) {
            draft->count = i;
            return;
        }
    }
}

/* The next symbols from `index` on, as the writer of chunks looks at them. */
struct ahead {
    unsigned run;   /* equal to the first one */
    unsigned count; /* of symbols */
    bool has_large; /* in symbols */
    uint8_t symbols[ONE_BIT_COUNT];
};

static struct ahead look_ahead(const struct draft *draft, unsigned index, int64_t tick)
{
    struct ahead ahead = {0};
    bool is_run = true;
    for (unsigned i = index;
         i < draft->count && (ahead.count < ONE_BIT_COUNT || (is_run && ahead.run < RUN_MAX)); i++) {
        int64_t delta = 0;
        const unsigned symbol = symbol_of(draft, i, &tick, &delta);
        if (ahead.count < ONE_BIT_COUNT) {
            ahead.symbols[ahead.count++] = (uint8_t)symbol;
            ahead.has_large = ahead.has_large || symbol == STATUS_LARGE;
        }
        is_run = is_run && symbol == ahead.symbols[0];
        ahead.run += is_run ? 1 : 0;
    }
    return ahead;
}

/* Writes one chunk and returns how many packets it covers. */
static unsigned write_chunk(const struct ahead *ahead, unsigned left, struct nx_writer *out)
{
    if (ahead->run >= ONE_BIT_COUNT || ahead->run == left ||
        (ahead->has_large && ahead->run >= TWO_BIT_COUNT)) {
        nx_writer_u16(out, (uint16_t)((uint32_t)ahead->symbols[0] << 13 | ahead->run));
        return ahead->run;
    }
    const unsigned bits = ahead->has_large ? 2 : 1;
    const unsigned room = ahead->has_large ? TWO_BIT_COUNT : ONE_BIT_COUNT;
    const unsigned count = ahead->count < room ? ahead->count : room;
    uint32_t chunk = ahead->has_large ? CHUNK_VECTOR | CHUNK_TWO_BIT : CHUNK_VECTOR;
    for (unsigned i = 0; i < count; i++) {
        chunk |= (uint32_t)ahead->symbols[i] << bits * (room - 1 - i);
    }
    nx_writer_u16(out, (uint16_t)chunk);
    return count;
}

static void write_chunks(const struct draft *draft, struct nx_writer *out)
{
    int64_t tick = first_tick(draft);
    for (unsigned index = 0; index < draft->count;) {
        const struct ahead ahead = look_ahead(draft, index, tick);
        const unsigned covered = write_chunk(&ahead, draft->count - index, out);
        for (unsigned i = 0; i < covered; i++) {
            int64_t delta;
            (void)symbol_of(draft, index++, &tick, &delta);
        }
    }
}

static void write_deltas(const struct draft *draft, struct nx_writer *out)
{
    int64_t tick = first_tick(draft);
    for (unsigned i = 0; i < draft->count; i++) {
        int64_t delta = 0;
        const unsigned symbol = symbol_of(draft, i, &tick, &delta);
        if (symbol == STATUS_SMALL) {
            nx_writer_u8(out, (uint8_t)delta);
        } else if (symbol == STATUS_LARGE) {
            nx_writer_u16(out, (uint16_t)delta);
        }
    }
}

unsigned sfu_rtcp_twcc_write(const struct sfu_rtcp_twcc_head *head, const int64_t *arrivals_us,
                             unsigned count, struct nx_writer *out)
{
    unsigned first = 0;
    while (first < count && arrivals_us[first] == SFU_RTCP_TWCC_LOST) {
        first++;
    }
    if (first == count || !nx_writer_ok(out)) {
        return 0;
    }
    struct draft draft = {.arrivals_us = arrivals_us,
                          .count = count < SFU_RTCP_TWCC_MAX ? count : SFU_RTCP_TWCC_MAX,
                          .reference = arrivals_us[first] / SFU_RTCP_TWCC_REFERENCE_US};
    cut(&draft, out->room - out->size);
    if (draft.count == 0) {
        return 0;
    }
    const size_t start = sfu_rtcp_begin(out, SFU_RTCP_RTPFB, FORMAT_TWCC);
    nx_writer_u32(out, head->sender_ssrc);
    nx_writer_u32(out, head->media_ssrc);
    nx_writer_u16(out, head->sequence_first);
    nx_writer_u16(out, (uint16_t)draft.count);
    nx_writer_u32(out, (uint32_t)((uint64_t)draft.reference << 8) | head->feedback_count);
    write_chunks(&draft, out);
    write_deltas(&draft, out);
    sfu_rtcp_end(out, start);
    return draft.count;
}
