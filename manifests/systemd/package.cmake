# SPDX-License-Identifier: Apache-2.0
#
# Read by CPack for each kind of package. A package of Debian has the configuration file as well; a tarball is
# staged without a root of its own, where an absolute path would lead to this machine's /etc.
if(CPACK_GENERATOR STREQUAL "DEB")
    list(GET CPACK_INSTALL_CMAKE_PROJECTS 0 build)
    list(APPEND CPACK_INSTALL_CMAKE_PROJECTS "${build}" podrtt package /)
endif()
