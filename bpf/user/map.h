// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Pinned BPF maps with the types of their keys and values.
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"

namespace podrtt
{

// Opens a pinned map and checks that keys and values have the sizes expected.
Result<Fd> open_map(const std::string &path, std::uint32_t key_size, std::uint32_t value_size);

// Elements that a map has room for.
std::uint32_t map_capacity(int fd);

// A map of the kernel. Thread-safe, as the kernel's operations are. Every element is
// read and written whole, but not atomically against programs that add to it.
template <typename Key, typename Value>
class Map
{
public:
    static Result<Map> open(const std::string &path)
    {
        auto fd = open_map(path, sizeof(Key), sizeof(Value));
        if (!fd)
            return std::unexpected(fd.error());
        return Map(std::move(*fd), path);
    }

    Result<std::optional<Value>> lookup(const Key &key) const
    {
        Value value;
        if (bpf_map_lookup_elem(fd_.get(), &key, &value) == 0)
            return value;
        if (errno == ENOENT)
            return std::nullopt;
        return failure("read map", path_, errno);
    }

    // `flags` is BPF_ANY, BPF_NOEXIST or BPF_EXIST.
    Result<void> update(const Key &key, const Value &value, std::uint64_t flags = BPF_ANY)
    {
        if (bpf_map_update_elem(fd_.get(), &key, &value, flags) == 0)
            return {};
        if (errno == E2BIG)
            return std::unexpected(Error{"write map", path_, E2BIG, "the map is full"});
        return failure("write map", path_, errno);
    }

    // An element that is not there is not an error.
    Result<void> erase(const Key &key)
    {
        if (bpf_map_delete_elem(fd_.get(), &key) != 0 && errno != ENOENT)
            return failure("delete from map", path_, errno);
        return {};
    }

    // Calls `each` for all elements of a hash map or an array, each once, in the order of the
    // kernel's table; those that come or go meanwhile may be missed. Holds few at a time.
    Result<void> for_each(const std::function<void(const Key &, const Value &)> &each) const
    {
        std::vector<Key> keys(first_batch);
        std::vector<Value> values(first_batch);
        std::uint32_t position = 0; // opaque: the kernel's place in the table
        std::uint32_t *from = nullptr;
        for (;;) {
            auto count = static_cast<std::uint32_t>(keys.size());
            int error = bpf_map_lookup_batch(fd_.get(), from, &position, keys.data(), values.data(), &count,
                                             nullptr);
            if (error != 0 && errno == ENOSPC) { // one slot of the table holds more than the batch
                keys.resize(2 * keys.size());
                values.resize(keys.size());
                continue;
            }
            if (error != 0 && errno != ENOENT)
                return failure("read map", path_, errno);
            const bool last = error != 0;
            for (std::uint32_t i = 0; i < count; i++)
                each(keys[i], values[i]);
            if (last)
                return {};
            from = &position;
        }
    }

    // All elements, as for_each() finds them.
    Result<std::vector<std::pair<Key, Value>>> entries() const
    {
        std::vector<std::pair<Key, Value>> entries;
        auto read = for_each([&](const Key &key, const Value &value) { entries.emplace_back(key, value); });
        if (!read)
            return std::unexpected(read.error());
        return entries;
    }

    // All keys of a map that only the caller changes.
    Result<std::vector<Key>> keys() const
    {
        std::vector<Key> keys;
        Key key;
        const Key *previous = nullptr;
        while (bpf_map_get_next_key(fd_.get(), previous, &key) == 0) {
            keys.push_back(key);
            previous = &keys.back();
        }
        if (errno != ENOENT)
            return failure("list map", path_, errno);
        return keys;
    }

    int fd() const { return fd_.get(); }
    std::uint32_t capacity() const { return map_capacity(fd()); }

private:
    static constexpr std::size_t first_batch = 32;

    Map(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Fd fd_;
    std::string path_;
};

} // namespace podrtt
