// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The map `histograms`, in which programs count.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bpf/podrtt.h"
#include "bpf/user/error.h"
#include "bpf/user/mapped_array.h"

namespace podrtt
{

// Has the operations of a Map. Thread-safe to read, while programs count and another
// writes; only one may write at a time.
class HistogramTable
{
public:
    using Places = MappedArray<podrtt_histogram_place>;

    static Result<HistogramTable> open(const std::string &path);

    // `name` is for messages.
    static Result<HistogramTable> of(Places places, std::string name);

    Result<std::optional<podrtt_histogram>> lookup(const podrtt_histogram_key &key) const;

    // `flags` is BPF_ANY or BPF_NOEXIST. What programs count meanwhile is lost.
    Result<void> update(const podrtt_histogram_key &key, const podrtt_histogram &histogram,
                        std::uint64_t flags = BPF_ANY);

    // Takes a place for the key, if it has none.
    Result<void> reserve(const podrtt_histogram_key &key);

    // Adds to a key that has a place, beside programs that count there. Repeated before settle(), for
    // whoever may have died in between, it adds nothing more; settle() may be repeated, too.
    void add_once(const podrtt_histogram_key &key, const podrtt_histogram &more);
    void settle(const podrtt_histogram_key &key);

    // Counts one sample, beside programs that do the same. False if there is no room.
    bool count(const podrtt_histogram_key &key, std::uint32_t bucket, std::uint64_t ns);

    // A key that is not there is not an error. No program may count there any more: the place is another's
    // then.
    Result<void> erase(const podrtt_histogram_key &key);

    // Calls `each` for all keys, each once.
    Result<void>
    for_each(const std::function<void(const podrtt_histogram_key &, const podrtt_histogram &)> &each) const;

    // All, as for_each() finds them.
    Result<std::vector<std::pair<podrtt_histogram_key, podrtt_histogram>>> entries() const;

    int fd() const { return places_.fd(); }
    std::uint32_t capacity() const { return static_cast<std::uint32_t>(places_.values().size()); }

private:
    HistogramTable(Places places, std::string name) : places_(std::move(places)), name_(std::move(name)) {}

    // A key is known by its bytes, a place by its number.
    std::uint32_t number(__u64 word, std::uint32_t attempt) const;
    std::vector<std::uint32_t> find(__u64 word) const; // nearly always one place
    Result<std::uint32_t> claim(__u64 word);
    std::optional<podrtt_histogram> sum(__u64 word, std::span<const std::uint32_t> numbers) const;

    Places places_;
    std::string name_;
};

} // namespace podrtt
