// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/datapath.h"

#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "bpf/flow.h"
#include "bpf/user/handle.h"
#include "bpf/user/kernel.h"
#include "podrtt.skel.h"

namespace podrtt
{
namespace
{

// One sample of bulk says no more than a hundred.
constexpr std::chrono::milliseconds bulk_interval{10};
constexpr std::chrono::seconds multiplexed_for{16};

using Skeleton = Handle<podrtt_bpf, podrtt_bpf__destroy>;

// libbpf's and the verifier's words, kept for the error.
std::string libbpf_log;

int keep_log(libbpf_print_level level, const char *format, va_list arguments)
{
    if (level != LIBBPF_WARN)
        return 0;
    char line[1024];
    int length = vsnprintf(line, sizeof(line), format, arguments);
    libbpf_log += line;
    return length;
}

// The line of libbpf's that names a pinned map which is not what the programs take it for; empty if there
// is none.
std::string named_map()
{
    const auto found = libbpf_log.find("pinned map");
    if (found == std::string::npos)
        return "";
    constexpr std::string_view prefix = "libbpf: ";
    std::size_t begin = libbpf_log.rfind('\n', found) + 1; // 0 if it is the first
    if (libbpf_log.compare(begin, prefix.size(), prefix) == 0)
        begin += prefix.size();
    return libbpf_log.substr(begin, libbpf_log.find('\n', begin) - begin);
}

std::unexpected<Error> libbpf_failure(std::string operation, std::string object, int error)
{
    std::string reason = std::strerror(error);
    if (const auto map = named_map(); !map.empty())
        reason += ", " + map;
    return std::unexpected(
        Error{std::move(operation), std::move(object), error, std::move(reason), libbpf_log});
}

Result<void> make_directory(const std::filesystem::path &path)
{
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return failure("create directory", path, errno);
    return {};
}

// What bpf_obj_get_info_by_fd says of a pinned map, if there is one.
std::optional<bpf_map_info> pinned_map_info(const std::string &path)
{
    Fd fd(bpf_obj_get(path.c_str()));
    bpf_map_info info = {};
    std::uint32_t length = sizeof(info);
    if (!fd || bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0)
        return std::nullopt;
    return info;
}

// A new name first, then a rename: the pin always leads to the old program or the new one.
Result<void> pin_program(bpf_program *program, const std::string &path)
{
    const std::string temporary = path + "_new"; // a bpffs allows no dots
    unlink(temporary.c_str());
    if (bpf_program__pin(program, temporary.c_str()) != 0)
        return libbpf_failure("pin program", temporary, errno);
    if (rename(temporary.c_str(), path.c_str()) != 0)
        return failure("pin program", path, errno);
    return {};
}

void size_map(bpf_map *map, const std::string &path, std::uint32_t entries)
{
    // libbpf refuses a pinned map that differs from the program's idea of it.
    auto pinned = pinned_map_info(path);
    bpf_map__set_max_entries(map, pinned ? pinned->max_entries : entries);
}

// A setting that a loader makes once, by chance, and that is kept as long as the maps are.
Result<std::uint64_t> kept_setting(const Pins &pins, podrtt_setting setting, std::uint64_t otherwise)
{
    auto settings = pins.settings();
    if (!settings && settings.error().code == ENOENT)
        return otherwise;
    auto kept = settings ? settings->lookup(setting) : std::unexpected(settings.error());
    if (!kept)
        return std::unexpected(kept.error());
    return kept->value_or(0) ? **kept : otherwise;
}

} // namespace

std::uint16_t to_jiffies(std::chrono::nanoseconds interval, std::chrono::nanoseconds jiffy)
{
    return static_cast<std::uint16_t>((interval + jiffy - std::chrono::nanoseconds(1)) / jiffy);
}

Result<void> load_datapath(const Pins &pins, const DatapathOptions &wanted)
{
    for (const auto &directory : {pins.directory().parent_path(), pins.directory()})
        if (auto made = make_directory(directory); !made)
            return made;

    libbpf_log.clear();
    libbpf_set_print(keep_log);
    const std::string directory = pins.directory();
    LIBBPF_OPTS(bpf_object_open_opts, options, .pin_root_path = directory.c_str());
    Skeleton skeleton(podrtt_bpf__open_opts(&options));
    if (!skeleton)
        return libbpf_failure("open", "BPF object", errno);

    const std::uint32_t sets = (wanted.flows + PODRTT_FLOW_WAYS - 1) / PODRTT_FLOW_WAYS;
    auto flows = pinned_map_info(pins.path(PODRTT_MAP_FLOWS));
    if (flows && flows->max_entries != sets && unlink(pins.path(PODRTT_MAP_FLOWS).c_str()) != 0)
        return failure("unpin map", pins.path(PODRTT_MAP_FLOWS), errno);
    size_map(skeleton->maps.flows, pins.path(PODRTT_MAP_FLOWS), sets);
    size_map(skeleton->maps.histograms, pins.path(PODRTT_MAP_HISTOGRAMS), wanted.histograms);
    size_map(skeleton->maps.pods, pins.path(PODRTT_MAP_PODS), wanted.pods);
    size_map(skeleton->maps.tcx_pods, pins.path(PODRTT_MAP_TCX_PODS), wanted.pods);
    std::random_device dice;
    // Of the flow table's hash, which the pinned table was filled by.
    auto seed =
        kept_setting(pins, PODRTT_SETTING_SEED, static_cast<std::uint64_t>(dice()) << 32 | dice() | 1);
    if (!seed)
        return std::unexpected(seed.error());
    auto owner = kept_setting(pins, PODRTT_SETTING_OWNER, dice() % 0xffff + 1);
    if (!owner)
        return std::unexpected(owner.error());
    std::mt19937_64 random(*seed);
    for (auto &word : skeleton->rodata->flow_hash_key)
        word = static_cast<std::uint32_t>(random());
    skeleton->rodata->flow_sets = sets;
    skeleton->rodata->histogram_places = bpf_map__max_entries(skeleton->maps.histograms);
    skeleton->rodata->sample_interval = to_jiffies(wanted.sample_interval, jiffy());
    skeleton->rodata->jiffy_time =
        static_cast<std::uint32_t>(jiffy() / std::chrono::nanoseconds(PODRTT_TIME_UNIT_NS));
    skeleton->rodata->multiplexed_for = to_jiffies(multiplexed_for, jiffy());
    skeleton->rodata->bulk_interval = to_jiffies(bulk_interval, jiffy());

    if (int error = podrtt_bpf__load(skeleton.get()); error != 0) {
        auto failed = libbpf_failure("load BPF object, pinned below", directory, -error);
        if (const auto missing = missing_from(Kernel::running()); !missing.empty())
            failed.error().reason = missing + "; " + failed.error().reason;
        return failed;
    }

    auto settings = pins.settings();
    if (!settings)
        return std::unexpected(settings.error());
    for (const auto &[setting, value] :
         {std::pair(PODRTT_SETTING_SEED, *seed), std::pair(PODRTT_SETTING_OWNER, *owner)})
        if (auto kept = settings->update(setting, value); !kept)
            return kept;
    bpf_program *program;
    bpf_object__for_each_program(program, skeleton->obj)
    {
        if (auto pinned = pin_program(program, pins.path(bpf_program__name(program))); !pinned)
            return pinned;
    }
    return {};
}

} // namespace podrtt
