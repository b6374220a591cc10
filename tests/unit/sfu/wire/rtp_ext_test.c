/* Goal: elements of both forms are found, remapped and written as RFC 8285 draws them; broken blocks drop the packet,
 * elements of a wrong size only themselves. */
#include "sfu/wire/rtp_ext.h"

#include "tests/lib/check.h"

static struct sfu_rtp block_of(uint16_t profile, const void *bytes, size_t size)
{
    return (struct sfu_rtp){
        .extension = nx_bytes_of(bytes, size), .extension_profile = profile, .has_extension = true};
}

static struct sfu_rtp_ext_map browser(void)
{
    struct sfu_rtp_ext_map map;
    sfu_rtp_ext_map_init(&map);
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_AUDIO_LEVEL, 1) == NX_OK, "level");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_ABS_SEND_TIME, 2) == NX_OK, "time");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_TRANSPORT_CC, 3) == NX_OK, "twcc");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_MID, 4) == NX_OK, "mid");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_RID, 10) == NX_OK, "rid");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_DEPENDENCY_DESCRIPTOR, 12) == NX_OK, "dd");
    return map;
}

TEST(rtp_ext, knows_its_uris)
{
    for (unsigned kind = 0; kind < SFU_RTP_EXT_KINDS; kind++) {
        const char *uri = sfu_rtp_ext_uri((enum sfu_rtp_ext_kind)kind);
        CHECK(sfu_rtp_ext_kind_of(nx_bytes_text(uri)) == kind, "%s", uri);
    }
    CHECK(sfu_rtp_ext_kind_of(nx_bytes_text("urn:none")) == SFU_RTP_EXT_NONE, "unknown");
    CHECK(sfu_rtp_ext_kind_of(nx_bytes_of(NULL, 0)) == SFU_RTP_EXT_NONE, "empty");
}

TEST(rtp_ext, maps_an_id_once)
{
    struct sfu_rtp_ext_map map = browser();
    const struct sfu_rtp_ext_map before = map;
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_MID, 4) == NX_OK, "the same again");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_MID, 5) == NX_E_CONFLICT, "a second id");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_TOFFSET, 4) == NX_E_CONFLICT, "a taken id");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_TOFFSET, 0) == NX_E_UNSUPPORTED, "0");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_TOFFSET, 15) == NX_E_UNSUPPORTED, "15");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_TOFFSET, 64) == NX_E_UNSUPPORTED, "64");
    CHECK(memcmp(&map, &before, sizeof(map)) == 0, "untouched");
    CHECK(sfu_rtp_ext_map_add(&map, SFU_RTP_EXT_TOFFSET, 63) == NX_OK, "63");
}

TEST(rtp_ext, finds_one_byte_elements)
{
    const uint8_t bytes[] = {0x10, 0x85, 0x22, 1, 2, 3, 0, 0x31, 0xab, 0xcd, 0x40, '7', 0x51, 9, 9, 0};
    const struct sfu_rtp rtp = block_of(SFU_RTP_PROFILE_ONE_BYTE, bytes, sizeof(bytes));
    const struct sfu_rtp_ext_map map = browser();
    struct sfu_rtp_exts exts;
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_OK, "refused");
    CHECK(exts.ignored_count == 0, "nothing ignored");
    const struct nx_bytes level = sfu_rtp_ext_value(&exts, SFU_RTP_EXT_AUDIO_LEVEL);
    CHECK(sfu_rtp_ext_level(level) == 5 && sfu_rtp_ext_is_voice(level), "level");
    CHECK(sfu_rtp_ext_number(sfu_rtp_ext_value(&exts, SFU_RTP_EXT_ABS_SEND_TIME)) == 0x010203, "time");
    CHECK(sfu_rtp_ext_number(sfu_rtp_ext_value(&exts, SFU_RTP_EXT_TRANSPORT_CC)) == 0xabcd, "twcc");
    CHECK(nx_bytes_is(sfu_rtp_ext_value(&exts, SFU_RTP_EXT_MID), "7"), "mid");
    CHECK(!sfu_rtp_ext_has(&exts, SFU_RTP_EXT_RID), "no rid");
    CHECK(sfu_rtp_ext_value(&exts, SFU_RTP_EXT_RID).size == 0, "no rid");
}

TEST(rtp_ext, finds_two_byte_elements)
{
    const uint8_t bytes[] = {1, 1, 0x05, 0, 5, 0, 4, 3, 'a', 'b', 'c', 10, 0, 0, 3, 2, 0, 9};
    for (uint16_t profile = 0x1000; profile <= 0x100f; profile++) {
        const struct sfu_rtp rtp = block_of(profile, bytes, sizeof(bytes));
        const struct sfu_rtp_ext_map map = browser();
        struct sfu_rtp_exts exts;
        CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_OK, "refused");
        CHECK(exts.ignored_count == 1, "an empty rid is ignored: %u", exts.ignored_count);
        CHECK(sfu_rtp_ext_level(sfu_rtp_ext_value(&exts, SFU_RTP_EXT_AUDIO_LEVEL)) == 5, "level");
        CHECK(!sfu_rtp_ext_is_voice(sfu_rtp_ext_value(&exts, SFU_RTP_EXT_AUDIO_LEVEL)), "no voice");
        CHECK(nx_bytes_is(sfu_rtp_ext_value(&exts, SFU_RTP_EXT_MID), "abc"), "mid");
        CHECK(sfu_rtp_ext_number(sfu_rtp_ext_value(&exts, SFU_RTP_EXT_TRANSPORT_CC)) == 9, "twcc");
    }
}

TEST(rtp_ext, refuses_an_element_past_the_block_and_stops_at_fifteen)
{
    const struct sfu_rtp_ext_map map = browser();
    struct sfu_rtp_exts exts;
    const uint8_t over[] = {0x10, 5, 0x4f, 'm'};
    struct sfu_rtp rtp = block_of(SFU_RTP_PROFILE_ONE_BYTE, over, sizeof(over));
    memset(&exts, 0xaa, sizeof(exts));
    const struct sfu_rtp_exts untouched = exts;
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_E_MALFORMED, "one byte");
    CHECK(memcmp(&exts, &untouched, sizeof(exts)) == 0, "out touched");
    const uint8_t over2[] = {1, 1, 5, 4};
    rtp = block_of(SFU_RTP_PROFILE_TWO_BYTE, over2, sizeof(over2));
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_E_MALFORMED, "two bytes, no length");
    const uint8_t over3[] = {4, 255, 5, 4};
    rtp = block_of(SFU_RTP_PROFILE_TWO_BYTE, over3, sizeof(over3));
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_E_MALFORMED, "two bytes, long");
    const uint8_t stop[] = {0x10, 5, 0xff, 0x4f};
    rtp = block_of(SFU_RTP_PROFILE_ONE_BYTE, stop, sizeof(stop));
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_OK, "15 ends it");
    CHECK(exts.kinds == 1U << SFU_RTP_EXT_AUDIO_LEVEL, "what was before it counts");
    rtp = block_of(0x1234, over, sizeof(over));
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_OK && exts.kinds == 0, "another profile");
    rtp = (struct sfu_rtp){0};
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_OK && exts.kinds == 0, "no block");
}

TEST(rtp_ext, ignores_wrong_sizes_and_repetitions)
{
    const struct sfu_rtp_ext_map map = browser();
    struct sfu_rtp_exts exts;
    const uint8_t bytes[] = {0x21, 1, 2, 0x30, 1, 0x40, 'a', 0x40, 'b', 0x12, 1, 2, 3, 0, 0, 0};
    const struct sfu_rtp rtp = block_of(SFU_RTP_PROFILE_ONE_BYTE, bytes, sizeof(bytes));
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_OK, "refused");
    CHECK(exts.kinds == 1U << SFU_RTP_EXT_MID, "kinds %x", exts.kinds);
    CHECK(nx_bytes_is(sfu_rtp_ext_value(&exts, SFU_RTP_EXT_MID), "a"), "the first counts");
    CHECK(exts.ignored_count == 4, "ignored %u", exts.ignored_count);
}

TEST(rtp_ext, looks_at_so_many_elements_only)
{
    static uint8_t bytes[60000];
    for (size_t i = 0; i < sizeof(bytes); i += 2) {
        bytes[i] = 0x40;
        bytes[i + 1] = 'x';
    }
    const struct sfu_rtp rtp = block_of(SFU_RTP_PROFILE_ONE_BYTE, bytes, sizeof(bytes));
    const struct sfu_rtp_ext_map map = browser();
    struct sfu_rtp_exts exts;
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_OK, "refused");
    CHECK(exts.ignored_count == 29999, "ignored %u", exts.ignored_count);
}

TEST(rtp_ext, merges_maps_and_forgets_what_is_said_twice)
{
    struct sfu_rtp_ext_map audio;
    struct sfu_rtp_ext_map video;
    struct sfu_rtp_ext_map all;
    sfu_rtp_ext_map_init(&audio);
    sfu_rtp_ext_map_init(&video);
    sfu_rtp_ext_map_init(&all);
    CHECK(sfu_rtp_ext_map_add(&audio, SFU_RTP_EXT_MID, 1) == NX_OK, "mid");
    CHECK(sfu_rtp_ext_map_add(&audio, SFU_RTP_EXT_AUDIO_LEVEL, 2) == NX_OK, "level");
    CHECK(sfu_rtp_ext_map_add(&video, SFU_RTP_EXT_MID, 1) == NX_OK, "mid");
    CHECK(sfu_rtp_ext_map_add(&video, SFU_RTP_EXT_ABS_SEND_TIME, 2) == NX_OK, "time");
    CHECK(sfu_rtp_ext_map_add(&video, SFU_RTP_EXT_RID, 3) == NX_OK, "rid");
    for (int round = 0; round < 2; round++) {
        sfu_rtp_ext_map_merge(&all, &audio);
        sfu_rtp_ext_map_merge(&all, &video);
        CHECK(all.kind_of_id[1] == SFU_RTP_EXT_MID && all.id_of_kind[SFU_RTP_EXT_MID] == 1, "mid stays");
        CHECK(all.kind_of_id[2] == SFU_RTP_EXT_AMBIGUOUS, "2 is ambiguous");
        CHECK(all.id_of_kind[SFU_RTP_EXT_AUDIO_LEVEL] == 0, "and not written");
        CHECK(all.kind_of_id[3] == SFU_RTP_EXT_RID, "rid");
    }
    const uint8_t bytes[] = {0x10, '0', 0x20, 5};
    const struct sfu_rtp rtp = block_of(SFU_RTP_PROFILE_ONE_BYTE, bytes, sizeof(bytes));
    struct sfu_rtp_exts exts;
    CHECK(sfu_rtp_ext_parse(&rtp, &all, &exts) == NX_OK && exts.kinds == 1U << SFU_RTP_EXT_MID,
          "mid tells the m-line");
    CHECK(sfu_rtp_ext_parse(&rtp, &audio, &exts) == NX_OK && sfu_rtp_ext_has(&exts, SFU_RTP_EXT_AUDIO_LEVEL),
          "then its own map is read");
}

static struct nx_bytes number(uint8_t *room, size_t size, uint32_t value)
{
    for (size_t i = 0; i < size; i++) {
        room[size - 1 - i] = (uint8_t)(value >> 8 * i);
    }
    return nx_bytes_of(room, size);
}

TEST(rtp_ext, writes_a_block_that_reads_back_under_other_ids)
{
    uint8_t rooms[3][4];
    struct sfu_rtp_ext_set set = {0};
    sfu_rtp_ext_put(&set, SFU_RTP_EXT_MID, nx_bytes_text("v0"));
    sfu_rtp_ext_put(&set, SFU_RTP_EXT_TRANSPORT_CC, number(rooms[0], 2, 0x1234));
    sfu_rtp_ext_put(&set, SFU_RTP_EXT_TOFFSET, number(rooms[1], 3, 0x70809));
    const struct sfu_rtp_ext_map map = browser();
    CHECK(sfu_rtp_ext_size(&map, &set) == 12, "size %zu", sfu_rtp_ext_size(&map, &set));
    uint8_t room[64];
    struct sfu_rtp_ext_place places[SFU_RTP_EXT_KINDS];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtp_ext_write(&map, &set, &w, places);
    const uint8_t wanted[] = {0xbe, 0xde, 0, 2, 0x41, 'v', '0', 0x31, 0x12, 0x34, 0, 0};
    CHECK(nx_bytes_equal(nx_writer_bytes(&w), nx_bytes_of(wanted, sizeof(wanted))), "the bytes");
    CHECK(places[SFU_RTP_EXT_TRANSPORT_CC].at == 8 && places[SFU_RTP_EXT_TRANSPORT_CC].size == 2,
          "place of twcc");
    CHECK(places[SFU_RTP_EXT_MID].at == 5 && places[SFU_RTP_EXT_TOFFSET].at == 0, "other places");
    for (size_t space = 0; space < sizeof(wanted); space++) {
        w = nx_writer_init(room, space);
        sfu_rtp_ext_write(&map, &set, &w, NULL);
        CHECK(!nx_writer_ok(&w), "room of %zu", space);
    }
    set.kinds = 1U << SFU_RTP_EXT_TOFFSET;
    w = nx_writer_init(room, sizeof(room));
    sfu_rtp_ext_write(&map, &set, &w, places);
    CHECK(sfu_rtp_ext_size(&map, &set) == 0 && w.size == 0, "nothing negotiated");
}

TEST(rtp_ext, takes_the_two_byte_form_only_when_it_must_and_may)
{
    uint8_t long_one[40] = {0xc0, 1, 2};
    struct sfu_rtp_ext_set set = {0};
    sfu_rtp_ext_put(&set, SFU_RTP_EXT_DEPENDENCY_DESCRIPTOR, nx_bytes_of(long_one, sizeof(long_one)));
    sfu_rtp_ext_put(&set, SFU_RTP_EXT_MID, nx_bytes_text("1"));
    struct sfu_rtp_ext_map map = browser();
    CHECK(sfu_rtp_ext_size(&map, &set) == 8, "left out");
    map.allows_mixed = true;
    CHECK(sfu_rtp_ext_size(&map, &set) == 4 + 48, "size %zu", sfu_rtp_ext_size(&map, &set));
    uint8_t room[64];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    sfu_rtp_ext_write(&map, &set, &w, NULL);
    CHECK(nx_writer_ok(&w) && room[0] == 0x10 && room[1] == 0x00 && room[3] == 12, "header");
    const struct sfu_rtp rtp = block_of(SFU_RTP_PROFILE_TWO_BYTE, room + 4, w.size - 4);
    struct sfu_rtp_exts exts;
    struct sfu_rtp_ext_dd dd;
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_OK, "refused");
    const struct nx_bytes value = sfu_rtp_ext_value(&exts, SFU_RTP_EXT_DEPENDENCY_DESCRIPTOR);
    CHECK(value.size == 40 && sfu_rtp_ext_dd_parse(value, &dd) == NX_OK, "descriptor");
    CHECK(dd.is_frame_start && dd.is_frame_end && dd.template_id == 0 && dd.frame_number == 0x0102,
          "descriptor's head");
    CHECK(dd.rest.size == 37, "descriptor's rest");
    CHECK(sfu_rtp_ext_dd_parse(nx_bytes_slice(value, 0, 2), &dd) == NX_E_TRUNCATED, "two bytes");
    set.values[SFU_RTP_EXT_DEPENDENCY_DESCRIPTOR].size = 16;
    CHECK(sfu_rtp_ext_size(&map, &set) == 4 + 20, "16 bytes fit the one-byte form");
}

TEST(rtp_ext, takes_over_what_is_wanted)
{
    const uint8_t bytes[] = {0x10, 5, 0x31, 0, 1, 0x40, 'a', 0};
    const struct sfu_rtp rtp = block_of(SFU_RTP_PROFILE_ONE_BYTE, bytes, sizeof(bytes));
    const struct sfu_rtp_ext_map map = browser();
    struct sfu_rtp_exts exts;
    CHECK(sfu_rtp_ext_parse(&rtp, &map, &exts) == NX_OK, "refused");
    struct sfu_rtp_ext_set set = {0};
    sfu_rtp_ext_take(&set, &exts, 1U << SFU_RTP_EXT_AUDIO_LEVEL | 1U << SFU_RTP_EXT_RID);
    CHECK(set.kinds == 1U << SFU_RTP_EXT_AUDIO_LEVEL, "kinds");
    CHECK(set.values[SFU_RTP_EXT_AUDIO_LEVEL].at == bytes + 1, "borrowed");
}

TEST(rtp_ext, counts_send_time_in_24_bits_of_64_seconds)
{
    CHECK(sfu_rtp_ext_send_time(0) == 0, "0");
    CHECK(sfu_rtp_ext_send_time(1000000000) == 1 << 18, "1 s");
    CHECK(sfu_rtp_ext_send_time(63999999999) == 0xffffff, "the last");
    CHECK(sfu_rtp_ext_send_time(64000000000) == 0, "wraps");
    CHECK(sfu_rtp_ext_send_time(64500000000) == 1 << 17, "half a second on");
    CHECK(sfu_rtp_ext_number(nx_bytes_of("abcde", 5)) == 0, "5 bytes are no number");
}
