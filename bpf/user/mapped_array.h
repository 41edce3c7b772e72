// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Array maps in this process's memory, where it counts and reads beside programs.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"
#include "bpf/user/map.h"

namespace podrtt
{

// An array map (BPF_F_MMAPABLE), its size a multiple of 8 bytes. What is shared with programs
// must be read and written atomically (std::atomic_ref).
template <typename Value>
class MappedArray
{
public:
    static Result<MappedArray> open(const std::string &path)
    {
        auto fd = open_map(path, sizeof(std::uint32_t), sizeof(Value));
        if (!fd)
            return std::unexpected(fd.error());
        return of(std::move(*fd), path);
    }

    // Of a map that is open and has values of that size; `name` is for messages.
    static Result<MappedArray> of(Fd fd, const std::string &name)
    {
        static_assert(sizeof(Value) % 8 == 0);
        const std::size_t count = map_capacity(fd.get());
        const std::size_t size = count * sizeof(Value);
        void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        if (memory == MAP_FAILED)
            return failure("map into memory", name, errno);
        return MappedArray(std::move(fd), static_cast<Value *>(memory), count);
    }

    std::span<Value> values() const { return {memory_.get(), count_}; }
    int fd() const { return fd_.get(); }

private:
    struct Unmap {
        std::size_t size;
        void operator()(Value *memory) const { munmap(memory, size); }
    };

    MappedArray(Fd fd, Value *memory, std::size_t count)
        : fd_(std::move(fd)), memory_(memory, Unmap{count * sizeof(Value)}), count_(count)
    {
    }

    Fd fd_;
    std::unique_ptr<Value, Unmap> memory_;
    std::size_t count_;
};

} // namespace podrtt
