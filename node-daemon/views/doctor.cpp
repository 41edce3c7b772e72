// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/doctor.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <fmt/ostream.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>

#include "bpf/user/fd.h"
#include "bpf/user/json_text.h"
#include "bpf/user/kernel.h"
#include "node-daemon/counts/bpffs.h"
#include "node-daemon/counts/upgrade.h"
#include "node-daemon/views/status.h"

namespace podrtt
{
namespace
{

constexpr double nearly_full = 0.8;

// The findings, printed as they come or as JSON at the end.
class Report
{
public:
    Report(std::ostream &out, bool json) : out_(out), json_(json) {}

    ~Report()
    {
        if (json_)
            out_ << to_text(findings_, 2) << '\n';
    }
    Report(const Report &) = delete;
    Report &operator=(const Report &) = delete;

    void ok(const std::string &what) { add("ok", what, ""); }

    // podrtt works, with less than it could.
    void warn(const std::string &what, const std::string &advice) { add("warn", what, advice); }

    // Something is not measured, or not seen.
    void fail(const std::string &what, const std::string &advice)
    {
        add("fail", what, advice);
        failures_++;
    }

    unsigned failures() const { return failures_; }

private:
    void add(const std::string &level, const std::string &what, const std::string &advice)
    {
        if (json_)
            findings_.push_back({{"level", level}, {"what", what}, {"advice", advice}});
        else
            fmt::print(out_, "{:<5} {}\n", level == "fail" ? "FAIL" : level, what);
        if (!json_ && !advice.empty())
            fmt::print(out_, "      -> {}\n", advice);
    }

    std::ostream &out_;
    bool json_;
    nlohmann::ordered_json findings_ = nlohmann::ordered_json::array();
    unsigned failures_ = 0;
};

void check_kernel(Report &report)
{
    const Kernel kernel = Kernel::running();
    if (const auto missing = missing_from(kernel); missing.empty())
        report.ok("Linux " + kernel.release + " on " + kernel.machine);
    else
        report.fail("Linux " + kernel.release + " on " + kernel.machine, missing);

    unsigned jit = 0;
    if (std::ifstream("/proc/sys/net/core/bpf_jit_enable") >> jit && jit == 0)
        report.warn("BPF programs are interpreted, at several times the cost",
                    "sysctl net.core.bpf_jit_enable=1");
}

// Those of this process, which are the daemon's if it was started the same way.
void check_capabilities(Report &report)
{
    const std::string missing = missing_capabilities();
    if (!missing.empty())
        return report.fail("missing capabilities: " + missing,
                           "run podrttd as root, or with --cap-add of each");
    if (!has_capability(CAP_SYS_ADMIN))
        return report.warn(
            "no CAP_SYS_ADMIN: podrttd cannot look into pods",
            "without it, pods that exist already are found by routes alone, and programs are "
            "attached to host veths only");
    report.ok("capabilities");
    if (const auto profile = apparmor_profile(); !profile.empty())
        report.warn("AppArmor confines podrttd by the profile " + profile,
                    "containerd's own denies /sys/fs/bpf: run podrttd unconfined, as manifests/base does");
}

// A program with what podrtt's need of the kernel beside types: an atomic compare-and-swap.
void try_program(Report &report)
{
    const bpf_insn program[] = {
        {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},               // r0 = 0
        {BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1},               // r1 = 1
        {BPF_STX | BPF_MEM | BPF_DW, 10, 0, -8, 0},              // *(u64 *)(r10 - 8) = r0
        {BPF_STX | BPF_ATOMIC | BPF_DW, 10, 1, -8, BPF_CMPXCHG}, // if it is r0, it becomes r1
        {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, -1},              // TC_ACT_UNSPEC
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    const Fd loaded(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "podrtt_doctor", "GPL", program,
                                  std::size(program), nullptr));
    if (loaded)
        return report.ok("the kernel takes BPF programs");
    const int code = errno;
    report.fail(
        std::string("the kernel takes no BPF program: ") + std::strerror(code),
        code == EPERM || code == EACCES
            ? "run podrttd as root, unconfined by AppArmor and seccomp"
            : "it lacks what podrtt needs: on arm64 Linux 5.18, elsewhere 5.15, with CONFIG_BPF_JIT");
}

bool check_pins(Report &report, const Pins &pins)
{
    const std::string directory = pins.directory();
    if (!is_on_bpffs(pins.directory())) {
        report.fail(directory + " is on no bpffs", "podrttd run mounts one; on the node: mount -t bpf bpf "
                                                   "/sys/fs/bpf; a container needs the node's, as "
                                                   "manifests/base has it");
        return false;
    }
    for (const auto &layout : other_layouts(pins))
        report.warn("pins of another version are left in " + pins.of_layout(layout).string(),
                    "podrttd takes them over at its start, or says in its log why not");
    std::error_code error; // what cannot be seen counts as missing
    if (std::filesystem::exists(pins.directory() / PODRTT_MAP_PODS, error))
        return true;
    report.fail("nothing is pinned in " + directory,
                "start podrttd run; if it runs with another --pin-path, use the same here");
    return false;
}

void check_runtime(Report &report, const DoctorOptions &options)
{
    if (access(options.cni_cache.c_str(), R_OK | X_OK) == 0)
        report.ok("libcni's cache, " + options.cni_cache.string());
    else
        report.warn("no libcni cache in " + options.cni_cache.string(),
                    "pods that no plugin has reported are not found; --cni-cache-dir says where it is");
    auto conflist = find_conflist(options.installation.entry.conf_dir);
    if (!conflist)
        return report.warn(conflist.error().message(),
                           "is --cni-conf-dir right? Without a list there is no plugin");
    report.ok("the runtime's list is " + conflist->string());
}

void check_plugin(Report &report, const InstallationState &plugin)
{
    if (plugin.missing.empty())
        return report.ok("the plugin is installed, and answers");
    if (plugin.breaks_pods)
        return report.fail("the plugin has an entry, but does not work: " + plugin.missing,
                           "no pod can start: mend it, or take the entry away by podrttd uninstall");
    report.warn(
        "the plugin is not installed: " + plugin.missing,
        "podrttd install --dry-run shows what is missing; without the plugin, pods are found up to 30 s "
        "after their start");
}

void check_pods(Report &report, const std::vector<PodStatus> &pods)
{
    for (const auto &pod : pods) {
        const std::string name = pod.name_space + "/" + pod.pod + " (" + pod.host_interface + ")";
        if (!pod.attached)
            report.fail(name + " is not measured: " + pod.reason,
                        "podrttd tries every few seconds, and its log says what is in the way");
        else if (pod.one_way)
            report.warn(
                name + ": of some connections only one direction was seen",
                "where the other passes the veth by, podrttd moves its programs into the pod; that needs "
                "CAP_SYS_ADMIN and /var/run/netns");
    }
    const auto attached = std::ranges::count_if(pods, &PodStatus::attached);
    if (pods.empty())
        report.warn("no pod is known",
                    "start one, or wait 30 s for those that exist; pods on the host network "
                    "are not measured");
    else if (attached == std::ssize(pods))
        report.ok(fmt::format("all {} pods are measured", attached));
}

void check_counts(Report &report, const Status &status)
{
    for (const auto &map : status.maps)
        if (map.share() > nearly_full)
            report.warn(
                fmt::format("the map {} holds {} of {}", map.name, map.entries, map.capacity),
                "when it is full, samples or pods are left out: name fewer peer classes with --peer");
    for (const auto &[drop, count] : status.left_out)
        if (count && drop->harms)
            report.warn(fmt::format("{} {}", count, drop->what),
                        fmt::format("see {}{{reason=\"{}\"}} in docs/troubleshooting.md",
                                    drop->family->metric, drop->reason));
    if (status.samples > 0)
        report.ok(fmt::format("{} samples", status.samples));
    else if (!status.pods.empty())
        report.warn("no sample yet", "samples come with TCP connections of pods");
}

} // namespace

Result<void> doctor(const Pins &pins, const DoctorOptions &options, std::ostream &out)
{
    Report report(out, options.json);
    check_kernel(report);
    check_capabilities(report);
    try_program(report);
    check_runtime(report, options);
    if (check_pins(report, pins)) {
        auto status = Status::take(pins, options.installation);
        if (status) {
            status->daemon_runs
                ? report.ok("podrttd runs")
                : report.fail("podrttd does not run",
                              "pods are still measured, but nothing serves the metrics: start podrttd run");
            check_plugin(report, status->plugin);
            check_pods(report, status->pods);
            check_counts(report, *status);
        } else {
            report.fail(status.error().message(), "is podrttd of this version?");
        }
    }
    if (report.failures() == 0)
        return {};
    return failure("check", "this node", fmt::format("{} of the checks failed", report.failures()));
}

} // namespace podrtt
