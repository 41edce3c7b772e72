// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/event_ring.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "bpf/user/map.h"

namespace podrtt
{
namespace
{

constexpr std::size_t header_size = BPF_RINGBUF_HDR_SZ;

// Of an event with its header.
constexpr std::uint64_t record_size(std::size_t length)
{
    return (header_size + length + 7) / 8 * 8;
}

std::uint64_t &word_at(std::byte *memory)
{
    return *reinterpret_cast<std::uint64_t *>(memory);
}

} // namespace

void EventRing::Unmap::operator()(std::byte *memory) const
{
    munmap(memory, size);
}

EventRing::EventRing(Fd fd, Memory consumer, Memory producer, std::size_t page, std::size_t size)
    : fd_(std::move(fd)), consumer_(std::move(consumer)), producer_(std::move(producer)),
      events_(producer_.get() + page), size_(size), position_(produced())
{
}

Result<EventRing> EventRing::open(const std::string &path)
{
    Fd fd(bpf_obj_get(path.c_str()));
    if (!fd)
        return failure("open pinned map", path, errno);
    return of(std::move(fd), path);
}

Result<EventRing> EventRing::of(Fd fd, const std::string &name)
{
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t size = map_capacity(fd.get());
    const auto map = [&fd](std::size_t length, int protection, std::size_t offset) {
        void *memory = mmap(nullptr, length, protection, MAP_SHARED, fd.get(), static_cast<off_t>(offset));
        return Memory(memory == MAP_FAILED ? nullptr : static_cast<std::byte *>(memory), Unmap{length});
    };
    auto consumer = map(page, PROT_READ | PROT_WRITE, 0);
    auto producer = map(page + 2 * size, PROT_READ, page);
    if (!consumer || !producer)
        return failure("map into memory", name, errno);
    return EventRing(std::move(fd), std::move(consumer), std::move(producer), page, size);
}

std::uint64_t EventRing::produced() const
{
    return std::atomic_ref(word_at(producer_.get())).load(std::memory_order_acquire);
}

// By the reader that is furthest.
std::uint64_t EventRing::consumed() const
{
    return std::atomic_ref(word_at(consumer_.get())).load();
}

// Or may be, or is about to be: a program moves its position before it writes an event, and on some
// processors what it writes is seen before that (kernel/bpf/ringbuf.c). What the furthest reader has not
// taken never is.
bool EventRing::is_overwritten() const
{
    constexpr std::uint64_t being_written = 64 * record_size(sizeof(podrtt_event));
    return position_ != consumed() && produced() - position_ >= size_ - being_written;
}

// Unless another reader is further.
void EventRing::free_taken()
{
    std::atomic_ref consumed(word_at(consumer_.get()));
    std::uint64_t known = consumed.load();
    while (known < position_ && !consumed.compare_exchange_weak(known, position_))
        ;
}

// To the oldest that is left. All records have the same size.
void EventRing::skip_overwritten()
{
    const std::uint64_t oldest = consumed();
    lost_ += (oldest - position_) / record_size(sizeof(podrtt_event));
    position_ = oldest;
}

std::optional<podrtt_event> EventRing::next()
{
    free_taken();
    while (position_ != produced()) {
        if (is_overwritten()) {
            skip_overwritten();
            continue;
        }
        const std::byte *record = events_ + position_ % size_;
        std::uint32_t header = 0;
        podrtt_event event;
        std::memcpy(&header, record, sizeof(header));
        std::atomic_thread_fence(std::memory_order_acquire);
        std::memcpy(&event, record + header_size, sizeof(event));
        std::atomic_thread_fence(std::memory_order_acquire);
        if (is_overwritten()) // while it was being read
            continue;
        if (header & BPF_RINGBUF_BUSY_BIT)
            break;
        const std::size_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        position_ += record_size(length);
        if (length == sizeof(event) && !(header & BPF_RINGBUF_DISCARD_BIT))
            return event;
    }
    return std::nullopt;
}

} // namespace podrtt
