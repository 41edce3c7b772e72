// SPDX-License-Identifier: Apache-2.0
//
// The map of histograms: user space and programs find, take and free the same places.
#include "bpf/user/histogram_table.h"

#include "bpf/histogram_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <bit>
#include <cerrno>
#include <set>
#include <thread>

#include "bpf/user/histogram.h"
#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

constexpr std::uint32_t few = PODRTT_HISTOGRAM_TRIES; // so that a key may have any place

podrtt_histogram_key key(std::uint32_t pod, podrtt_kind kind = PODRTT_KIND_DATA)
{
    return {.pod = pod, .leg = PODRTT_LEG_NETWORK, .kind = static_cast<__u8>(kind), .peer = 0, .pad = 0};
}

podrtt_histogram counts(std::uint64_t number)
{
    return {.sum = 1000 * number, .bucket = {number}};
}

std::uint32_t home(const podrtt_histogram_key &of, std::uint32_t places)
{
    return podrtt_histogram_index(std::bit_cast<__u64>(of), 0, places);
}

// A table of `few` places, or however many, that no program knows.
class HistogramTableTest : public testing::Test
{
protected:
    HistogramTableTest() : table_(HistogramTable::of(places(), "test").value()) {}

    static Fd make_map(std::uint32_t places)
    {
        LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
        return Fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "test", sizeof(std::uint32_t),
                                 sizeof(podrtt_histogram_place), places, &options));
    }
    HistogramTable::Places places()
    {
        return HistogramTable::Places::of(Fd(dup(map_.get())), "test").value();
    }

    std::uint64_t count(std::uint32_t pod)
    {
        auto found = table_.lookup(key(pod));
        return found && *found ? sample_count(**found) : 0;
    }

    Fd map_ = make_map(few);
    HistogramTable table_;
};

TEST_F(HistogramTableTest, GivesBackWhatWasWritten)
{
    ASSERT_TRUE(table_.update(key(1), counts(3)));
    ASSERT_TRUE(table_.update(key(2), counts(4)));
    ASSERT_TRUE(table_.update(key(1), counts(5)));
    EXPECT_EQ(count(1), 5u);
    EXPECT_EQ((*table_.lookup(key(1)))->sum, 5000u);
    EXPECT_EQ(count(2), 4u);
    EXPECT_FALSE(*table_.lookup(key(3)));
    EXPECT_EQ(table_.entries()->size(), 2u);
}

TEST_F(HistogramTableTest, KeepsWhatIsThereIfOnlyANewOneIsWanted)
{
    ASSERT_TRUE(table_.update(key(1), counts(3), BPF_NOEXIST));
    auto again = table_.update(key(1), counts(4), BPF_NOEXIST);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST);
    EXPECT_EQ(count(1), 3u);
}

TEST_F(HistogramTableTest, HasRoomForAsManyAsThereArePlaces)
{
    for (std::uint32_t pod = 1; pod <= few; pod++)
        ASSERT_TRUE(table_.update(key(pod), counts(pod))) << pod;
    auto one_more = table_.update(key(few + 1), counts(1));
    ASSERT_FALSE(one_more);
    EXPECT_EQ(one_more.error().code, E2BIG);

    std::set<std::uint32_t> pods;
    ASSERT_TRUE(table_.for_each([&](const auto &found, const auto &histogram) {
        EXPECT_EQ(sample_count(histogram), found.pod);
        EXPECT_TRUE(pods.insert(found.pod).second) << found.pod << " comes twice";
    }));
    EXPECT_EQ(pods.size(), few);
}

TEST_F(HistogramTableTest, ErasesOneAndNoOther)
{
    for (std::uint32_t pod = 1; pod <= few; pod++)
        ASSERT_TRUE(table_.update(key(pod), counts(pod)));
    ASSERT_TRUE(table_.erase(key(7)));
    ASSERT_TRUE(table_.erase(key(7)));
    for (std::uint32_t pod = 1; pod <= few; pod++)
        EXPECT_EQ(count(pod), pod == 7 ? 0 : pod);

    // Who takes the place begins at 0.
    ASSERT_TRUE(table_.update(key(few + 1), {}, BPF_NOEXIST));
    EXPECT_EQ((*table_.lookup(key(few + 1)))->sum, 0u);
    EXPECT_EQ(count(few + 1), 0u);
}

// As may be left behind by two CPUs that meet while a place becomes free.
TEST_F(HistogramTableTest, TakesTwoPlacesOfAKeyForOne)
{
    const auto word = std::bit_cast<__u64>(key(5));
    auto memory = places();
    for (std::uint32_t attempt : {3u, 8u}) {
        auto &place = memory.values()[podrtt_histogram_index(word, attempt, few)];
        place.key = word;
        place.histogram = counts(attempt);
    }
    EXPECT_EQ(count(5), 11u);
    const auto entries = table_.entries().value();
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(sample_count(entries[0].second), 11u);

    ASSERT_TRUE(table_.update(key(5), counts(2)));
    EXPECT_EQ(count(5), 2u);
    ASSERT_TRUE(table_.erase(key(5)));
    EXPECT_TRUE(table_.entries()->empty());
}

TEST_F(HistogramTableTest, AddsOnceHoweverOftenItIsTried)
{
    const podrtt_histogram more = {.sum = 70, .bucket = {0, 5, 2}}, begun = {.sum = 70, .bucket = {0, 5}};
    ASSERT_TRUE(table_.reserve(key(1)));
    ASSERT_TRUE(table_.count(key(1), 1, 10)); // as a program
    table_.add_once(key(1), begun);           // and died
    ASSERT_TRUE(table_.count(key(1), 1, 10));
    table_.add_once(key(1), more);
    table_.add_once(key(1), more);
    table_.settle(key(1));
    table_.settle(key(1));
    ASSERT_TRUE(table_.count(key(1), 2, 10));
    const auto found = **table_.lookup(key(1));
    EXPECT_EQ(found.sum, 100u);
    EXPECT_EQ(found.bucket[1], 7u);
    EXPECT_EQ(found.bucket[2], 3u);
    table_.add_once(key(1), more); // another move
    table_.settle(key(1));
    EXPECT_EQ(count(1), 17u);
    EXPECT_EQ(table_.entries()->size(), 1u);
}

TEST_F(HistogramTableTest, ReadersDoNotSeeThatSomethingIsBeingAdded)
{
    ASSERT_TRUE(table_.update(key(1), counts(3)));
    table_.add_once(key(1), counts(4));
    EXPECT_EQ(count(1), 7u);
    EXPECT_EQ(table_.entries()->front().second.sum, 7000u);
}

TEST_F(HistogramTableTest, ReservingKeepsWhatIsThere)
{
    ASSERT_TRUE(table_.update(key(1), counts(3)));
    ASSERT_TRUE(table_.reserve(key(1)));
    EXPECT_EQ(count(1), 3u);
    for (std::uint32_t pod = 2; pod <= few; pod++)
        ASSERT_TRUE(table_.reserve(key(pod)));
    EXPECT_EQ(table_.reserve(key(few + 1)).error().code, E2BIG);
}

// A reader does not keep the daemon from freeing a place, nor a program from taking it.
TEST_F(HistogramTableTest, NoKeyHasTheCountsOfTheNextOneInItsPlace)
{
    ASSERT_TRUE(table_.update(key(1), counts(1)));
    ASSERT_TRUE(table_.update(key(2), counts(2)));
    std::uint32_t next = 3;
    while (home(key(next), few) != home(key(2), few))
        next++;
    ASSERT_TRUE(table_.for_each([&](const auto &found, const auto &histogram) {
        EXPECT_EQ(found.pod, 1u);
        EXPECT_EQ(sample_count(histogram), 1u);
        EXPECT_TRUE(table_.erase(key(2)));
        EXPECT_TRUE(table_.update(key(next), counts(7)));
    }));
}

TEST_F(HistogramTableTest, OfASizeThatProgramsCannotHaveIsRefused)
{
    for (std::uint32_t size : {few / 2, few + 1}) {
        const Fd map = make_map(size);
        auto table =
            HistogramTable::of(HistogramTable::Places::of(Fd(dup(map.get())), "test").value(), "test");
        ASSERT_FALSE(table);
        EXPECT_NE(table.error().message().find("another version"), std::string::npos);
    }
}

// The programs' side.
class ProgramsHistograms : public testing::Test
{
protected:
    void syn(std::uint64_t at, std::uint16_t port)
    {
        traffic_.pass(at, {.way = out, .flags = SYN, .seq = 999, .pod_port = port});
    }
    void syn_ack(std::uint64_t at, std::uint16_t port)
    {
        traffic_.pass(at, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .pod_port = port});
    }

    void reset(std::uint64_t at, std::uint16_t port)
    {
        traffic_.pass(at, {.way = out, .flags = RST, .seq = 1000, .pod_port = port});
    }

    // A sample of each leg, and the connection itself.
    void open(std::uint64_t at, std::uint16_t port)
    {
        syn(at, port);
        syn_ack(at + 8 * ms, port);
        traffic_.pass(at + 8 * ms + 64 * us, {.way = out, .seq = 1000, .ack = 5000, .pod_port = port});
    }

    std::uint64_t handshakes()
    {
        return traffic_.samples()[{PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE}].count;
    }

    // The key of the network leg's handshakes, whatever pod the test's packets come from.
    podrtt_histogram_key handshake_key()
    {
        for (const auto &[found, histogram] : traffic_.histograms())
            if (found.leg == PODRTT_LEG_NETWORK && found.kind == PODRTT_KIND_HANDSHAKE)
                return found;
        ADD_FAILURE() << "no handshakes";
        return {};
    }

    Traffic traffic_;
    HistogramTable table_ = traffic_.histogram_table();
    HistogramTable::Places places_ = traffic_.histogram_places();
};

TEST_F(ProgramsHistograms, AreWhereUserSpaceLooksForThem)
{
    open(1 * ms, 1);
    auto found = table_.lookup(handshake_key());
    ASSERT_TRUE(found && *found);
    EXPECT_EQ(sample_count(**found), 1u);
    EXPECT_EQ((*found)->sum, 8 * ms);
}

TEST_F(ProgramsHistograms, GoOnInWhatUserSpaceHasWritten)
{
    open(1 * ms, 1);
    ASSERT_TRUE(table_.update(handshake_key(), counts(100)));
    open(100 * ms, 2);
    EXPECT_EQ(handshakes(), 101u);
}

TEST_F(ProgramsHistograms, FindAPlaceBeyondThoseOfOthersAndStayThere)
{
    open(1 * ms, 1);
    const auto own = handshake_key();
    for (auto &place : places_.values())
        place = {};
    auto &first = places_.values()[home(own, table_.capacity())];
    first.key = std::bit_cast<__u64>(key(4711));

    open(100 * ms, 2);
    EXPECT_EQ(handshakes(), 1u);
    EXPECT_EQ(sample_count(first.histogram), 0u);

    first.key = 0; // the other one is gone
    open(200 * ms, 3);
    EXPECT_EQ(handshakes(), 2u);
    EXPECT_EQ(first.key, 0u);
}

TEST_F(ProgramsHistograms, WithoutRoomSamplesAreCountedAsDropped)
{
    std::uint32_t pod = 1000;
    for (auto &place : places_.values())
        place.key = std::bit_cast<__u64>(key(pod++));
    open(1 * ms, 1);
    EXPECT_EQ(handshakes(), 0u);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_HISTOGRAMS_FULL),
              6u); // with the connection, and what became of it
    for (const auto &place : places_.values())
        ASSERT_EQ(sample_count(place.histogram), 0u);
}

TEST_F(ProgramsHistograms, TwoCpusTakeOnePlaceForOneKey)
{
    constexpr std::uint16_t rounds = 1000;
    std::barrier meet(2);
    auto answer_at_once = [&](std::uint16_t round, std::uint16_t port) {
        meet.arrive_and_wait();
        syn_ack(100 * ms * round + 8 * ms, port);
        meet.arrive_and_wait();
    };
    std::thread other([&] {
        for (std::uint16_t i = 1; i <= rounds; i++)
            answer_at_once(i, 1);
    });
    for (std::uint16_t i = 1; i <= rounds; i++) {
        syn(100 * ms * i, 1);
        syn(100 * ms * i, 2);
        answer_at_once(i, 2);
        reset(100 * ms * i + 9 * ms, 1);
        reset(100 * ms * i + 9 * ms, 2);
        EXPECT_EQ(handshakes(), 2u);
        const auto entries = traffic_.histograms();
        EXPECT_EQ(std::ranges::count_if(places_.values(), [](const auto &place) { return place.key != 0; }),
                  static_cast<std::ptrdiff_t>(entries.size()));
        for (const auto &[found, histogram] : entries)
            EXPECT_TRUE(table_.erase(found));
    }
    other.join();
}

} // namespace
} // namespace podrtt
