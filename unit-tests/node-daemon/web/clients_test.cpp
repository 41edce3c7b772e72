// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/clients.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <deque>
#include <thread>

#include "bpf/user/fd.h"

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;
using testing::IsEmpty;

class Connections : public testing::Test
{
protected:
    // Returns the number of the connection.
    std::size_t add(const std::string &address, Clients::Clock::time_point now)
    {
        int ends[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        servers_.emplace_back(ends[0]);
        others_.emplace_back(ends[1]);
        clients_.add(ends[0], address, now);
        return servers_.size() - 1;
    }

    int fd(std::size_t number) const { return servers_[number].get(); }

    bool is_cut(std::size_t number) const
    {
        char byte = 0;
        return recv(others_[number].get(), &byte, 1, MSG_DONTWAIT) == 0;
    }

    std::vector<std::size_t> cut() const
    {
        std::vector<std::size_t> found;
        for (std::size_t i = 0; i < servers_.size(); i++)
            if (is_cut(i))
                found.push_back(i);
        return found;
    }

    static std::shared_ptr<const Answer> answer()
    {
        return std::make_shared<const Answer>("text/plain",
                                              std::vector<std::string>{std::string(100000, 'x')});
    }

    std::deque<Fd> servers_, others_;
    const Clients::Clock::time_point start_ = Clients::Clock::now();
    Clients clients_;
};

// Bytes that come now and then count for nothing.
TEST_F(Connections, HaveTenSecondsForARequestAndTenForTheAnswer)
{
    const auto client = add("a", start_);
    clients_.cut_late(start_ + 9s);
    EXPECT_FALSE(is_cut(client));
    clients_.begin_answer(fd(client), start_ + 9s);
    clients_.cut_late(start_ + 18s);
    clients_.end_answer(fd(client), start_ + 18s);
    clients_.cut_late(start_ + 27s);
    EXPECT_FALSE(is_cut(client));
    clients_.cut_late(start_ + 28s);
    EXPECT_TRUE(is_cut(client));
}

TEST_F(Connections, ThatAreTooManyMakeRoomWhereMostAre)
{
    add("probe", start_ - 1s);
    for (std::size_t i = 1; i < Clients::most; i++)
        add(i % 3 ? "greedy" : "other", start_ + std::chrono::milliseconds(i));
    EXPECT_THAT(cut(), IsEmpty());
    add("new", start_ + 1s);
    EXPECT_EQ(cut(), std::vector<std::size_t>{1});
    add("new", start_ + 1s);
    EXPECT_EQ(cut(), (std::vector<std::size_t>{1, 2}));
}

TEST_F(Connections, OfOneAddressReadTwoAnswers)
{
    const auto shared = answer();
    for (int i = 0; i < 3; i++) // one that all of them share
        clients_.begin_reading(fd(add("slow", start_)), shared);
    clients_.begin_reading(fd(add("slow", start_)), answer());
    const auto other = add("other", start_);
    clients_.begin_reading(fd(other), shared);
    EXPECT_THAT(cut(), IsEmpty());
    clients_.begin_reading(fd(add("slow", start_)), answer());
    EXPECT_EQ(cut(), (std::vector<std::size_t>{0, 1, 2}));
}

TEST_F(Connections, ReadFourAnswersInAll)
{
    for (const char *address : {"a", "b", "c", "d"})
        clients_.begin_reading(fd(add(address, start_)), answer());
    clients_.end_answer(fd(0), start_); // is done with it
    clients_.begin_reading(fd(add("e", start_)), answer());
    EXPECT_THAT(cut(), IsEmpty());
    clients_.begin_reading(fd(add("f", start_)), answer());
    EXPECT_EQ(cut(), std::vector<std::size_t>{1});
}

TEST_F(Connections, ThatAreBeingAnsweredMayEnd)
{
    const auto idle = add("a", start_), answered = add("a", start_);
    clients_.begin_answer(fd(answered), start_);
    std::jthread ending([this] { clients_.end(); });
    while (!is_cut(idle))
        std::this_thread::yield();
    EXPECT_FALSE(is_cut(answered));
    const auto late = add("a", start_);
    while (!is_cut(late))
        std::this_thread::yield();
    clients_.end_answer(fd(answered), start_);
    EXPECT_TRUE(is_cut(answered));
    for (const auto number : {idle, answered, late})
        clients_.remove(fd(number));
}

} // namespace
} // namespace podrtt
