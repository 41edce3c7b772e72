// SPDX-License-Identifier: Apache-2.0
//
// main of the tests that work on the real kernel: gives them a mount and a network
// namespace of their own, with a bpffs on /sys/fs/bpf.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace
{

// The machine's own, which a test that unmounts its own would see.
bool unmount_bpffs()
{
    while (umount2("/sys/fs/bpf", MNT_DETACH) == 0)
        ;
    return errno == EINVAL;
}

} // namespace

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    // PODRTT_TEST_HERE: a test has run this again, for a part of its own work.
    if (testing::GTEST_FLAG(list_tests) || std::getenv("PODRTT_TEST_HERE"))
        return RUN_ALL_TESTS();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || !unmount_bpffs() ||
        mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr) != 0 || std::system("ip link set lo up") != 0) {
        std::perror("these tests need root and a kernel with namespaces and bpffs");
        return 1;
    }
    return RUN_ALL_TESTS();
}
