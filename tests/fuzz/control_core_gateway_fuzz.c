/* control_core_gateway_fuzz.c - any run of bus messages from two shards, with answers in any order the input wants.
 *
 * Input: per message a kind, a session, a size and that many bytes.
 * Properties: every tail is JSON; sessions counted in guilds are those that are there; memory comes back.
 */
#include "tests/fuzz/control_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nx_bytes piece(void)
{
    const size_t size = fz_byte();
    const struct nx_bytes part = nx_bytes_slice(fz.input, 0, size);
    fz.input = nx_bytes_slice(fz.input, size, fz.input.size);
    return part;
}

static nx_time now;

static void answer_one(void)
{
    if (fz.ops_count == 0) {
        return;
    }
    struct ctl_op *op = fz.ops[0];
    struct ctl_answer answer;
    memmove(fz.ops, fz.ops + 1, --fz.ops_count * sizeof(*fz.ops));
    fz_answer(&op->question, &answer);
    ctl_gateway_answered(&fz.gateway, op, &answer, WALL_MS, now);
}

static void check_counts(void)
{
    for (uint32_t g = 0; g < fz.world.directory.guilds.count; g++) {
        const struct ctl_guild *guild = fz.world.directory.guilds.entries[g].item;
        uint32_t sessions[2] = {0, 0};
        uint32_t online = 0;
        for (uint32_t m = 0; m < guild->members.count; m++) {
            const struct ctl_member *member = guild->members.entries[m].item;
            online += member->user->status != NX_BUS_STATUS_OFFLINE;
            for (const struct ctl_session *s = member->user->sessions; s != NULL; s = s->next) {
                sessions[s->link]++;
            }
        }
        for (uint32_t link = 0; link < 2; link++) {
            fz_check(guild->link_sessions[link] == sessions[link], "sessions of a guild");
            fz_check((guild->links >> link & 1) == (sessions[link] != 0), "links of a guild");
        }
        fz_check(guild->online_count == online, "who is online");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fz_open(nx_bytes_of(data, size));
    now = (nx_time){NX_TIME_NS_PER_S};
    while (fz.input.size != 0) {
        const uint8_t kind = fz_byte();
        const uint32_t link = kind >> 7;
        const uint64_t session = fz_byte() % 8;
        switch (kind % 10) {
        case 0:
        case 1: {
            const struct nx_bus_session_open m = {.session = session,
                                                  .reason = fz_byte() % 4,
                                                  .old_session = fz_byte() % 8,
                                                  .old_shard = fz_byte() % 3,
                                                  .user_id = 10u + fz_byte() % 4,
                                                  .sid = 4u + fz_byte() % 3,
                                                  .intents = fz_byte() * 257u,
                                                  .status = fz_byte()};
            ctl_gateway_session_open(&fz.gateway, link, &m, WALL_MS);
            break;
        }
        case 2:
            ctl_gateway_session_close(&fz.gateway, link, &(struct nx_bus_session_close){.session = session});
            break;
        case 3:
            ctl_gateway_session_status(
                &fz.gateway, link, &(struct nx_bus_session_status){.session = session, .status = fz_byte()});
            break;
        case 4: {
            const struct nx_bus_message_send m = {.session = session,
                                                  .channel_id = fz_byte() & 1 ? PLACE + 2 : OTHER + 2,
                                                  .nonce = piece(),
                                                  .content = piece()};
            ctl_gateway_message_send(&fz.gateway, link, &m, WALL_MS, now);
            break;
        }
        case 5: {
            const struct nx_bus_members_request m = {.session = session,
                                                     .guild_id = fz_byte() & 1 ? PLACE : OTHER,
                                                     .query = piece(),
                                                     .user_ids = piece(),
                                                     .limit = fz_byte(),
                                                     .nonce = piece(),
                                                     .presences = fz_byte()};
            ctl_gateway_members_request(&fz.gateway, link, &m, WALL_MS);
            break;
        }
        case 6:
            answer_one();
            break;
        case 7:
            now = nx_time_add_ms(now, fz_byte() * 50);
            ctl_gateway_tick(&fz.gateway, WALL_MS, now);
            break;
        case 8:
            ctl_gateway_hold(&fz.gateway, (session & 1) != 0, WALL_MS);
            break;
        default:
            ctl_gateway_link_closed(&fz.gateway, link);
            ctl_gateway_link_open(&fz.gateway, link, 0, (uint16_t)link, WALL_MS);
            break;
        }
        check_counts();
    }
    fz_close();
    return 0;
}
