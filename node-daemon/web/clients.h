// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "node-daemon/web/answer.h"

namespace podrtt
{

// The connections of all clients, and how long each may take. Who is too slow, or in the way of others, is
// cut: his socket is shut down, upon which the library that serves it lets it go. Thread-safe.
class Clients
{
public:
    using Clock = std::chrono::steady_clock;

    // For a request, from the connection's start or the last answer on, and for an answer.
    static constexpr std::chrono::seconds patience{10};
    // Beyond so many the address that has most of them loses its oldest: a new client always gets in.
    static constexpr std::size_t most = 400;
    // Different answers that are being read, of one address and in all: each is some MiB. Beyond that
    // whoever reads the oldest is cut.
    static constexpr std::size_t most_answers_of_one = 2;
    static constexpr std::size_t most_answers = 4;

    void add(int fd, std::string address, Clock::time_point now);
    void remove(int fd); // before it is closed

    // The request is there, and the client waits; then he reads the answer, if it is a large one; and has
    // got all of it.
    void begin_answer(int fd, Clock::time_point now);
    void begin_reading(int fd, std::shared_ptr<const Answer> answer);
    void end_answer(int fd, Clock::time_point now);

    void cut_late(Clock::time_point now);

    // Cuts all of them, now and later, once those that are being answered have got it, or after some
    // seconds. Waits until they are gone.
    void end();

private:
    struct Client {
        std::string address;
        Clock::time_point until;
        bool is_answered = false; // at the moment
        bool is_cut = false;
        std::shared_ptr<const Answer> answer = nullptr;
    };

    static void cut(int fd, Client &client);
    void make_room();
    void cut_readers(const std::string *address, std::size_t most_of_them);

    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<int, Client> clients_; // by socket
    bool ending_ = false;
};

} // namespace podrtt
