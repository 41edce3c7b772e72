// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/uninstall.h"

#include <thread>

namespace podrtt
{

Result<void> uninstall(const InstallOptions &options, std::ostream &out)
{
    auto plan = plan_uninstall(options);
    if (!plan)
        return std::unexpected(plan.error());
    if (options.dry_run) {
        print_diff(plan->entries, out);
        print_diff(plan->plugin, out);
        return {};
    }
    if (auto applied = apply_changes(plan->entries, out); !applied)
        return applied;
    if (auto woken = wake_runtime(options, plan->entries); !woken)
        return woken;
    if (!plan->entries.empty() && options.wait.count() > 0) {
        out << "waiting " << options.wait.count() << " s for pods that are being created or deleted\n"
            << std::flush;
        std::this_thread::sleep_for(options.wait);
    }
    return apply_changes(plan->plugin, out);
}

} // namespace podrtt
