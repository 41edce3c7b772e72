// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace podrtt
{

// Whether a pod is measured: the form of its attachment ("clsact", "tcx", "pod"), or why
// it is not ("failed", "one_direction").
struct Attachment {
    bool attached;
    std::string reason;

    bool operator==(const Attachment &) const = default;
};

// How each pod is attached, by pod id. Written by the reconciler, read at scrapes.
class Attachments
{
public:
    void set(std::uint32_t id, Attachment attachment)
    {
        const std::lock_guard lock(mutex_);
        by_pod_[id] = std::move(attachment);
    }

    void erase(std::uint32_t id)
    {
        const std::lock_guard lock(mutex_);
        by_pod_.erase(id);
    }

    std::map<std::uint32_t, Attachment> all() const
    {
        const std::lock_guard lock(mutex_);
        return by_pod_;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::uint32_t, Attachment> by_pod_;
};

} // namespace podrtt
