// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The map `events` as one of several readers has it. A BPF ring buffer (Documentation/bpf/ringbuf.rst of
// the kernel) knows one reader, whose position frees what is before it. Here each has a position of its
// own, and the first to take an event frees it: the programs never wait for who is slow, and who is slow
// loses only for himself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bpf/podrtt.h"
#include "bpf/user/error.h"
#include "bpf/user/fd.h"

namespace podrtt
{

class EventRing
{
public:
    // Begins with the next event.
    static Result<EventRing> open(const std::string &path);

    // `name` is for messages.
    static Result<EventRing> of(Fd fd, const std::string &name);

    // Nothing, if there is none yet. Frees those that were taken before.
    std::optional<podrtt_event> next();

    // How many others have freed, and programs have overwritten, before this reader took them.
    std::uint64_t lost() const { return lost_; }

    // Whether something has been reported since the last event that was taken, or is being reported.
    bool has_more() const { return position_ != produced(); }

    // Readable as soon as there is one that nobody has taken.
    int fd() const { return fd_.get(); }

private:
    struct Unmap {
        std::size_t size;
        void operator()(std::byte *memory) const;
    };
    using Memory = std::unique_ptr<std::byte, Unmap>;

    EventRing(Fd fd, Memory consumer, Memory producer, std::size_t page, std::size_t size);

    std::uint64_t produced() const;
    std::uint64_t consumed() const;
    bool is_overwritten() const;
    void free_taken();
    void skip_overwritten();

    Fd fd_;
    Memory consumer_; // a page that begins with the position from which on nothing is free
    Memory producer_; // the same of the position where the next event will be, and the events, twice
    const std::byte *events_;
    std::size_t size_; // of the ring, bytes
    std::uint64_t position_;
    std::uint64_t lost_ = 0;
};

} // namespace podrtt
