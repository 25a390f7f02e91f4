#!/bin/bash
# Runs as PID 1 of fresh namespaces: lays out a throw-away root over "/", then becomes systemd.
#
# Environment: BOX (scratch directory, empty), BOX_CGROUPS (hybrid|unified),
#              BOX_BINDS ("source:destination" a line; read-only in the box), BOX_KEEP (path that must be visible).
# Everything mounted here belongs to this mount namespace and dies with it.
set -eu

layout_root() { # an overlay over / : every write goes to memory
    local scratch=$BOX/scratch
    mkdir -p "$scratch"
    mount -t tmpfs -o mode=755,size=1g box "$scratch"
    mkdir "$scratch"/{upper,work,root}
    mount -t overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" box-root "$scratch/root"
    root=$scratch/root
}

mount_kernel_files() {
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount -t sysfs -o nosuid,nodev,noexec,ro sysfs "$root/sys"
    mount -t tmpfs -o nosuid,mode=755,size=64m tmpfs "$root/dev"
    local node
    for node in null zero full random urandom tty; do
        touch "$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir -p "$root"/dev/{pts,shm,mqueue}
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t mqueue mqueue "$root/dev/mqueue"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    for node in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${node%%:*}" "$root/dev/${node#*:}"; done
    touch "$root/dev/console"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mkdir -p "$root/run/lock"
}

mount_binds() {
    local line source destination
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        source=${line%%:*} destination=${line#*:}
        mkdir -p "$root$destination"
        mount --bind "$source" "$root$destination"
        mount -o remount,bind,ro "$root$destination"
    done <<<"$BOX_BINDS"
    # A checkout under /tmp, or on a disk of its own, is not in the overlay.
    if [ ! -e "$root$BOX_KEEP" ] || [ -z "$(ls -A "$root$BOX_KEEP")" ]; then
        mkdir -p "$root$BOX_KEEP" "$BOX/scratch/keep-upper" "$BOX/scratch/keep-work"
        mount -t overlay \
            -o "lowerdir=$BOX_KEEP,upperdir=$BOX/scratch/keep-upper,workdir=$BOX/scratch/keep-work" \
            box-checkout "$root$BOX_KEEP"
    fi
}

mount_cgroups() {
    local base=$root/sys/fs/cgroup controller
    if [ "$BOX_CGROUPS" = unified ]; then
        mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$base"
        return
    fi
    mount -t tmpfs -o mode=755 tmpfs "$base"
    while IFS= read -r controller; do
        mkdir -p "$base/$controller"
        mount -t cgroup -o "nosuid,nodev,noexec,$controller" cgroup "$base/$controller" || rmdir "$base/$controller"
    done < <(awk -F: '$2 != "" && $2 !~ /name=/ { print $2 }' /proc/self/cgroup)
    mkdir -p "$base/systemd" "$base/unified"
    mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup "$base/systemd"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$base/unified"
}

strip_machine() { # keep only what a test needs: a manager, a journal, a bus
    local units=$root/etc/systemd/system unit
    mkdir -p "$units"
    rm -rf "$units/default.target" "$units"/*.wants "$root/var/log/journal"
    cat >"$units/box.target" <<'UNIT'
[Unit]
Description=Minimal test machine
Requires=basic.target
Wants=dbus.socket
After=basic.target
AllowIsolate=yes
UNIT
    ln -s box.target "$units/default.target"
    for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket \
        systemd-udevd-kernel.socket systemd-remount-fs.service systemd-modules-load.service systemd-sysctl.service \
        systemd-random-seed.service systemd-timesyncd.service systemd-networkd.service systemd-resolved.service \
        systemd-firstboot.service systemd-sysusers.service systemd-hwdb-update.service \
        systemd-journal-flush.service systemd-update-utmp.service systemd-pstore.service dev-hugepages.mount \
        sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
        proc-sys-fs-binfmt_misc.automount systemd-binfmt.service getty.target kmod-static-nodes.service \
        systemd-tmpfiles-setup-dev.service systemd-machine-id-commit.service ldconfig.service; do
        ln -sf /dev/null "$units/$unit"
    done
    : >"$root/etc/fstab"
    echo box >"$root/etc/hostname"
    hostname box
    [ -s "$root/etc/machine-id" ] || tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
}

enter() {
    cd "$root"
    mkdir -p .old
    pivot_root . .old
    umount -l /.old
    # LoadCredential= and PrivateTmp= are silently empty without propagation, and systemd leaves it out in containers.
    mount --make-rshared /
    local systemd=/lib/systemd/systemd
    [ -x "$systemd" ] || systemd=/usr/lib/systemd/systemd
    exec env -i container=kyzlo-box PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$systemd" --system \
        --log-target=console --log-level=info --show-status=0 --default-standard-output=journal
}

layout_root
mount_kernel_files
mount_binds
mount_cgroups
strip_machine
enter
