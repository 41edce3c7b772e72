// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <memory>

namespace podrtt
{

template <auto release>
struct Release {
    template <typename T>
    void operator()(T *object) const
    {
        release(object);
    }
};

// Owns an object of a C library and gives it back with the library's own function.
template <typename T, auto release>
using Handle = std::unique_ptr<T, Release<release>>;

} // namespace podrtt
