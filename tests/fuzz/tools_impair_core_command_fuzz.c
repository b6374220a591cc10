/* Properties: a script gives the same commands as its lines one by one; a parsed command is in its ranges; whatever is
 * set, a lane and a pipe decide about packets without harm: nothing is due before it came, a stream stays in order. */
#include "tools/impair/core/command.h"
#include "tools/impair/core/lane.h"
#include "tools/impair/core/limits.h"
#include "tools/impair/core/pipe.h"

#include <stdlib.h>
#include <string.h>

enum { PACKETS = 24, PACKET_SIZE = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void expect(bool condition)
{
    if (!condition) {
        abort();
    }
}

static bool is_duration(int64_t ns)
{
    return ns >= 0 && ns <= (int64_t)IMPAIR_DURATION_S_MAX * NX_TIME_NS_PER_S;
}

static void check_ranges(const struct impair_command *c)
{
    const struct impair_setting *s = &c->setting;
    expect(is_duration(c->at_ns) && is_duration(c->every_ns) && is_duration(c->duration_ns));
    expect(c->every_ns == 0 || (c->has_time && c->every_ns >= IMPAIR_EVERY_NS_MIN));
    expect(c->protocols >= 1 && c->protocols <= 3 && c->directions >= 1 && c->directions <= 3);
    if (c->verb != IMPAIR_COMMAND_SET) {
        expect(c->mask == 0);
        return;
    }
    expect(c->mask != 0 && c->mask >> IMPAIR_SETTING_KEYS == 0);
    expect(s->loss <= IMPAIR_DICE_CERTAIN && s->burst.enter <= IMPAIR_DICE_CERTAIN &&
           s->flip <= IMPAIR_DICE_CERTAIN);
    expect(is_duration(s->delay_ns) && is_duration(s->jitter_ns) && is_duration(s->hold_ns) &&
           is_duration(s->pause_ns));
    expect(s->bits >= 1 && s->bits <= IMPAIR_BITS_MAX && s->gap >= 1 && s->gap <= IMPAIR_GAP_MAX);
    expect(s->chunk.min <= s->chunk.max && (s->chunk.min > 0 || s->chunk.max == 0));
}

static void drive_lane(const struct impair_setting *setting)
{
    struct impair_item *room[2 * PACKETS];
    struct impair_parcel parcels[2 * PACKETS] = {0};
    struct impair_agenda agenda;
    struct impair_lane lane;
    struct impair_item *item;
    size_t used = 0;
    impair_agenda_init(&agenda, room, 2 * PACKETS);
    impair_lane_init(&lane, 1);
    for (int64_t i = 0; i < PACKETS; i++) {
        struct impair_lane_fate fate;
        uint8_t packet[PACKET_SIZE] = {0};
        const nx_time now = {i * NX_TIME_NS_PER_MS};
        impair_lane_decide(&lane, setting, now, PACKET_SIZE, &fate);
        expect(fate.copies <= IMPAIR_LANE_COPIES_MAX && !nx_time_before(fate.due, now));
        expect((fate.copies != 0) == (fate.end == IMPAIR_LANE_PASSES));
        for (uint32_t copy = 0; copy < fate.copies; copy++) {
            expect(impair_lane_flip(&fate, copy, packet, PACKET_SIZE) <= IMPAIR_BITS_MAX);
            impair_lane_schedule(&lane, &agenda, &fate, copy + 1 == fate.copies, &parcels[used++]);
        }
    }
    while ((item = impair_agenda_pop(&agenda, NX_TIME_NEVER)) != NULL) {
        (void)impair_lane_sent(&lane, NX_LIST_ITEM(item, struct impair_parcel, item));
    }
    expect(nx_list_is_empty(&lane.held));
}

static void drive_pipe(const struct impair_setting *setting)
{
    struct impair_pipe pipe;
    nx_time last = {0};
    impair_pipe_init(&pipe, 1);
    for (int64_t i = 0; i < PACKETS; i++) {
        struct impair_pipe_fate fate;
        uint8_t run[PACKET_SIZE] = {0};
        const nx_time now = {i * NX_TIME_NS_PER_MS};
        nx_time not_before = now;
        impair_pipe_take(&pipe, setting, now, run, PACKET_SIZE, &fate);
        expect(fate.size <= PACKET_SIZE && !nx_time_before(fate.due, now) && !nx_time_before(fate.due, last));
        expect(fate.size == PACKET_SIZE || fate.is_reset);
        last = fate.due;
        const size_t piece = impair_pipe_piece(&pipe, setting, now, PACKET_SIZE, &not_before);
        expect(piece <= PACKET_SIZE && (piece != 0 || nx_time_before(now, not_before)));
        if (piece != 0) {
            impair_pipe_given(&pipe, setting, now, piece);
        }
    }
    expect(!nx_time_before(impair_pipe_end(&pipe, setting, (nx_time){0}), last));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct impair_command_script script;
    struct impair_command command;
    struct impair_setting setting;
    uint32_t line = 0;
    size_t at = 0;
    impair_setting_init(&setting);
    impair_command_script_init(&script, nx_bytes_of(bytes, size));
    while (impair_command_script_next(&script, &command)) {
        struct impair_command alone = {0};
        const char *why = NULL;
        expect(script.line > line && command.verb != IMPAIR_COMMAND_NOTHING);
        for (; line + 1 < script.line; line++) {
            const uint8_t *feed = memchr(bytes + at, '\n', size - at);
            expect(feed != NULL);
            at = (size_t)(feed - bytes) + 1;
        }
        const uint8_t *feed = memchr(bytes + at, '\n', size - at);
        const size_t end = feed != NULL ? (size_t)(feed - bytes) : size;
        expect(impair_command_parse(nx_bytes_of(bytes + at, end - at), &alone, &why) == NX_OK);
        expect(alone.verb == command.verb && alone.mask == command.mask && alone.at_ns == command.at_ns);
        check_ranges(&command);
        impair_command_apply(&command, &setting, (nx_time){0});
        if (script.line % 8 == 1) {
            drive_lane(&setting);
            drive_pipe(&setting);
        }
        line = script.line;
        at = end + (feed != NULL);
    }
    expect(script.why != NULL || script.rest.size == 0);
    drive_lane(&setting);
    drive_pipe(&setting);
    return 0;
}
