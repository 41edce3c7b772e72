// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/clients.h"

#include <sys/socket.h>

#include <algorithm>
#include <ranges>
#include <set>
#include <utility>

namespace podrtt
{
namespace
{

constexpr std::chrono::seconds answers_end{8}; // of those in flight when the server ends
constexpr std::chrono::seconds clients_end{2};

} // namespace

void Clients::add(int fd, std::string address, Clock::time_point now)
{
    const std::lock_guard lock(mutex_);
    make_room();
    Client &client = clients_[fd] = {.address = std::move(address), .until = now + patience};
    if (ending_)
        cut(fd, client);
}

void Clients::remove(int fd)
{
    const std::lock_guard lock(mutex_);
    clients_.erase(fd);
    changed_.notify_all();
}

void Clients::begin_answer(int fd, Clock::time_point now)
{
    const std::lock_guard lock(mutex_);
    if (const auto found = clients_.find(fd); found != clients_.end()) {
        found->second.is_answered = true;
        found->second.until = now + patience;
    }
}

void Clients::begin_reading(int fd, std::shared_ptr<const Answer> answer)
{
    const std::lock_guard lock(mutex_);
    const auto found = clients_.find(fd);
    if (found == clients_.end() || !answer->is_large())
        return;
    found->second.answer = std::move(answer);
    cut_readers(&found->second.address, most_answers_of_one);
    cut_readers(nullptr, most_answers);
}

void Clients::end_answer(int fd, Clock::time_point now)
{
    const std::lock_guard lock(mutex_);
    if (const auto found = clients_.find(fd); found != clients_.end()) {
        Client &client = found->second;
        client.is_answered = false;
        client.answer.reset();
        client.until = now + patience;
        if (ending_)
            cut(fd, client);
    }
    changed_.notify_all();
}

void Clients::cut_late(Clock::time_point now)
{
    const std::lock_guard lock(mutex_);
    for (auto &[fd, client] : clients_)
        if (now >= client.until)
            cut(fd, client);
}

void Clients::end()
{
    std::unique_lock lock(mutex_);
    ending_ = true;
    for (auto &[fd, client] : clients_)
        if (!client.is_answered)
            cut(fd, client);
    changed_.wait_for(lock, answers_end, [this] {
        return std::ranges::none_of(clients_ | std::views::values, [](const Client &client) {
            return client.is_answered && !client.is_cut;
        });
    });
    for (auto &[fd, client] : clients_)
        cut(fd, client);
    changed_.wait_for(lock, clients_end, [this] { return clients_.empty(); });
}

void Clients::cut(int fd, Client &client)
{
    if (!std::exchange(client.is_cut, true))
        shutdown(fd, SHUT_RDWR);
}

void Clients::make_room()
{
    std::map<std::string, std::size_t> of_address;
    std::size_t connected = 0;
    for (const auto &client : clients_ | std::views::values)
        if (!client.is_cut) {
            connected++;
            of_address[client.address]++;
        }
    if (connected < most)
        return;
    const auto &greediest =
        std::ranges::max_element(of_address, {}, [](const auto &row) { return row.second; })->first;
    auto oldest = clients_.end();
    for (auto at = clients_.begin(); at != clients_.end(); ++at)
        if (!at->second.is_cut && at->second.address == greediest &&
            (oldest == clients_.end() || at->second.until < oldest->second.until))
            oldest = at;
    cut(oldest->first, oldest->second);
}

// Of those at one address, or of all.
void Clients::cut_readers(const std::string *address, std::size_t most_of_them)
{
    const auto reads = [address](const Client &client) {
        return client.answer && !client.is_cut && (!address || client.address == *address);
    };
    std::set<std::pair<Clock::time_point, const Answer *>> being_read; // the oldest first
    for (const auto &client : clients_ | std::views::values)
        if (reads(client))
            being_read.emplace(client.answer->made, client.answer.get());
    for (; being_read.size() > most_of_them; being_read.erase(being_read.begin()))
        for (auto &[fd, client] : clients_)
            if (reads(client) && client.answer.get() == being_read.begin()->second)
                cut(fd, client);
}

} // namespace podrtt
