/* Goal: every bus message survives encode and decode, a cut one is refused, and an older sender's shorter one reads as
 * zeros. Method: the definition file itself drives a generic check over all messages; a few are spelled out. */
#include "engine/wire/bus.h"
#include "tests/lib/check.h"

#include <stdio.h>

/* Fills a message with recognisable values, encodes, takes the frame off, decodes and compares the encodings. */
#define NX_BUS(NAME, name, number, link, text)                                                               \
    static void check_##name(void)                                                                           \
    {                                                                                                        \
        struct nx_bus_##name in = {0};                                                                       \
        uint64_t fill = 0x1122334455667788;                                                                  \
        (void)fill;
#define NX_BUS_U8(name, field)    in.field = (uint8_t)(fill += 3);
#define NX_BUS_U16(name, field)   in.field = (uint16_t)(fill += 5);
#define NX_BUS_U32(name, field)   in.field = (uint32_t)(fill += 7);
#define NX_BUS_U64(name, field)   in.field = (fill += 11);
#define NX_BUS_BYTES(name, field) in.field = nx_bytes_text("body of " #field);
#define NX_BUS_END(name)                                                                                     \
    uint8_t first[512], second[512];                                                                         \
    struct nx_writer w = nx_writer_init(first, sizeof(first));                                               \
    nx_bus_##name##_put(&w, &in);                                                                            \
    CHECK(nx_writer_ok(&w) && w.size == nx_bus_##name##_size(&in), #name ": size");                          \
    struct nx_bus_frame frame;                                                                               \
    CHECK(nx_bus_frame_take(nx_writer_bytes(&w), &frame) == NX_OK, #name ": frame");                         \
    CHECK(frame.size == w.size, #name ": frame size");                                                       \
    struct nx_bus_##name out;                                                                                \
    CHECK(nx_bus_##name##_get(frame.payload, &out) == NX_OK, #name ": decode");                              \
    struct nx_writer again = nx_writer_init(second, sizeof(second));                                         \
    nx_bus_##name##_put(&again, &out);                                                                       \
    CHECK(nx_bytes_equal(nx_writer_bytes(&w), nx_writer_bytes(&again)), #name ": changed on the way");       \
    for (size_t size = 0; size < w.size; size++) {                                                           \
        struct nx_writer small = nx_writer_init(second, size);                                               \
        nx_bus_##name##_put(&small, &in);                                                                    \
        CHECK(!nx_writer_ok(&small) && small.size == 0, #name ": half a frame written into %zu bytes",       \
              size);                                                                                         \
        CHECK(nx_bus_frame_take(nx_bytes_of(first, size), &frame) == NX_E_TRUNCATED, #name ": cut at %zu",   \
              size);                                                                                         \
    }                                                                                                        \
    }
#include "engine/wire/bus_msg.def"
#undef NX_BUS
#undef NX_BUS_U8
#undef NX_BUS_U16
#undef NX_BUS_U32
#undef NX_BUS_U64
#undef NX_BUS_BYTES
#undef NX_BUS_END

TEST(nx_bus, carries_every_message_unchanged)
{
#define NX_BUS(NAME, name, number, link, text) check_##name();
#define NX_BUS_U8(name, field)
#define NX_BUS_U16(name, field)
#define NX_BUS_U32(name, field)
#define NX_BUS_U64(name, field)
#define NX_BUS_BYTES(name, field)
#define NX_BUS_END(name)
#include "engine/wire/bus_msg.def"
#undef NX_BUS
}

TEST(nx_bus, gives_every_message_its_own_number_and_link)
{
    static const uint16_t numbers[] = {
#define NX_BUS(NAME, name, number, link, text) NX_BUS_MSG_##NAME,
#include "engine/wire/bus_msg.def"
#undef NX_BUS
    };
    const size_t count = sizeof(numbers) / sizeof(numbers[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            CHECK(numbers[i] != numbers[j], "number %u is used twice", numbers[i]);
        }
    }
    CHECK(nx_bus_msg_link(NX_BUS_MSG_EVENT) == NX_BUS_LINK_RT, "events are realtime");
    CHECK(nx_bus_msg_link(NX_BUS_MSG_REST_RESPONSE) == NX_BUS_LINK_BULK, "answers are bulk");
    CHECK(strcmp(nx_bus_msg_name(NX_BUS_MSG_EVENT), "EVENT") == 0, "name");
    CHECK(strcmp(nx_bus_msg_name(9999), "unknown") == 0, "unknown name");
}

TEST(nx_bus_event_get, reads_fields_that_an_older_sender_does_not_know_as_empty)
{
    const uint8_t payload[16] = {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2};
    struct nx_bus_event event;
    CHECK(nx_bus_event_get(nx_bytes_of(payload, sizeof(payload)), &event) == NX_OK, "verdict");
    CHECK(event.guild_id == 1 && event.channel_id == 2, "fields");
    CHECK(event.key == 0 && event.tail.size == 0, "missing fields are not empty");
    CHECK(nx_bus_event_get(nx_bytes_of(payload, 12), &event) == NX_E_TRUNCATED, "a field cut in the middle");
}

TEST(nx_bus_frame_take, refuses_a_frame_over_the_cap)
{
    const uint8_t huge[8] = {0x00, 0x10, 0x00, 0x00, 0, 1, 0, 0};
    struct nx_bus_frame frame;
    CHECK(nx_bus_frame_take(nx_bytes_of(huge, sizeof(huge)), &frame) == NX_E_MALFORMED, "verdict");
}
