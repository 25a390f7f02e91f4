# shellcheck shell=bash
# The environment of every script here: finds Python, builds the virtual environment from the lock, once.
# Sourced. Afterwards KYZLO_HOME is the checkout and KYZLO_VENV a complete environment for it.
#
# The environment is `.venv` in the checkout or, where this user may not write there, one in the cache directory.
# It is complete only when its stamp says so; the stamp is written last, so whatever a killed installer left
# behind is built anew. Two starts at once: the second waits for the first (a flock, at most 10 minutes).

KYZLO_HOME=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
_kyzlo_lock=$KYZLO_HOME/ops/requirements.lock

_kyzlo_die() {
    printf 'kyzlo: %s\n' "$@" >&2
    exit 1
}

# What an environment was built from. The path is part of it: scripts inside name their interpreter absolutely.
_kyzlo_packages_stamp() {
    { printf '%s\n' "$KYZLO_HOME"; cat "$_kyzlo_lock"; } | sha256sum | cut -d' ' -f1
}

# The project's own metadata (entry points) comes from pyproject.toml: a change there asks for much less.
_kyzlo_stamp() {
    _kyzlo_packages_stamp
    sha256sum <"$KYZLO_HOME/pyproject.toml" | cut -d' ' -f1
}

_kyzlo_ready() { # VENV
    [ -r "$1/.kyzlo-stamp" ] && [ "$(cat "$1/.kyzlo-stamp")" = "$(_kyzlo_stamp)" ] && "$1/bin/python" -I -c '' 2>/dev/null
}

_kyzlo_has_packages() { # VENV
    [ -r "$1/.kyzlo-stamp" ] && [ "$(head -n 1 "$1/.kyzlo-stamp")" = "$(_kyzlo_packages_stamp)" ] &&
        "$1/bin/python" -I -c 'import setuptools' 2>/dev/null
}

# Sets _kyzlo_python. Each candidate is asked, not believed: a shim may exist and run nothing.
_kyzlo_find_python() {
    local candidate found="" without_venv=""
    for candidate in ${KYZLO_PYTHON:+"$KYZLO_PYTHON"} python3.11 python3.12 python3.13 python3 python \
        /usr/bin/python3 /usr/local/bin/python3; do
        candidate=$(command -v "$candidate") || continue
        "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
            found=${found:-$("$candidate" -I -V 2>/dev/null || true)}
            continue
        }
        if command -v uv >/dev/null || "$candidate" -I -c 'import venv, ensurepip' 2>/dev/null; then
            _kyzlo_python=$candidate
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    [ -z "$without_venv" ] || _kyzlo_die "$without_venv cannot make virtual environments (no venv or ensurepip)." \
        "On Debian or Ubuntu: apt-get install python3-venv. Or name another: KYZLO_PYTHON=/path/to/python3.11"
    _kyzlo_die "Python 3.11 or newer is needed${found:+ (found only $found)}." \
        "On Debian or Ubuntu: apt-get install python3 python3-venv. Or name one: KYZLO_PYTHON=/path/to/python3.11"
}

# Sets KYZLO_VENV: where this user's environment is, or will be.
_kyzlo_find_place() {
    local in_checkout=$KYZLO_HOME/.venv cache
    KYZLO_VENV=$in_checkout
    _kyzlo_ready "$in_checkout" && return
    if [ -w "$KYZLO_HOME" ] && { [ ! -e "$in_checkout" ] || [ -w "$in_checkout" ]; }; then return; fi
    cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}
    KYZLO_VENV=$cache/kyzlo/$(printf '%s' "$KYZLO_HOME" | sha256sum | cut -c1-16)/venv
    mkdir -p "$(dirname "$KYZLO_VENV")" 2>/dev/null || _kyzlo_die \
        "$(id -un) may write neither to $KYZLO_HOME nor to $cache; set XDG_CACHE_HOME to a directory of your own."
}

# Runs one step with its output in the build log, and says what is going on once the build has taken 2 s.
_kyzlo_step() { # WHAT COMMAND...
    local what=$1 said="" child
    shift
    # The child keeps the lock's descriptor: if this script is killed, the next one waits for the orphan to end.
    "$@" >>"$_kyzlo_log" 2>&1 </dev/null &
    child=$!
    # A background command ignores ^C, so it is passed on.
    trap 'kill "$child" 2>/dev/null; exit 130' INT TERM HUP
    while kill -0 "$child" 2>/dev/null; do
        if [ -z "$said" ] && [ $((SECONDS - _kyzlo_began)) -ge 2 ]; then
            printf 'kyzlo: first start: %s …\n' "$what" >&2
            said=1
        fi
        sleep 0.1
    done
    trap - INT TERM HUP
    wait "$child"
}

_kyzlo_packages_with_uv() {
    rm -rf "$KYZLO_VENV"
    _kyzlo_step "making $KYZLO_VENV" uv venv --quiet --python "$_kyzlo_python" "$KYZLO_VENV" &&
        _kyzlo_step "installing packages (about a minute)" "${_kyzlo_uv[@]}" --require-hashes -r "$_kyzlo_lock"
}

_kyzlo_packages_with_pip() {
    rm -rf "$KYZLO_VENV"
    _kyzlo_step "making $KYZLO_VENV" "$_kyzlo_python" -I -m venv "$KYZLO_VENV" &&
        _kyzlo_step "installing packages (about a minute)" "${_kyzlo_pip[@]}" --require-hashes -r "$_kyzlo_lock"
}

# A configured pip may know a mirror that uv does not: where uv fails, pip gets its turn.
_kyzlo_packages() {
    _kyzlo_find_python
    { command -v uv >/dev/null && _kyzlo_packages_with_uv; } ||
        { "$_kyzlo_python" -I -c 'import venv, ensurepip' 2>>"$_kyzlo_log" && _kyzlo_packages_with_pip; }
}

# setuptools is among the packages, so the project itself is installed without fetching anything.
_kyzlo_project() {
    local installer=("${_kyzlo_pip[@]}")
    "$KYZLO_VENV/bin/python" -I -c 'import pip' 2>/dev/null || installer=("${_kyzlo_uv[@]}")
    _kyzlo_step "installing kyzlo" "${installer[@]}" --no-deps --no-build-isolation --editable "$KYZLO_HOME"
}

_kyzlo_build() {
    _kyzlo_began=$SECONDS
    _kyzlo_log=$(mktemp)
    _kyzlo_uv=(uv pip install --quiet --python "$KYZLO_VENV/bin/python")
    _kyzlo_pip=(env PIP_USER=0 "$KYZLO_VENV/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-input)
    if { _kyzlo_has_packages "$KYZLO_VENV" && _kyzlo_project; } || { _kyzlo_packages && _kyzlo_project; }; then
        _kyzlo_stamp >"$KYZLO_VENV/.kyzlo-stamp.new"
        mv "$KYZLO_VENV/.kyzlo-stamp.new" "$KYZLO_VENV/.kyzlo-stamp"
        rm -f "$_kyzlo_log"
        [ $((SECONDS - _kyzlo_began)) -lt 2 ] || printf 'kyzlo: ready after %s s\n' $((SECONDS - _kyzlo_began)) >&2
    else
        tail -n 25 "$_kyzlo_log" >&2
        _kyzlo_die "the environment could not be built; the whole log is $_kyzlo_log"
    fi
}

kyzlo_environment() {
    _kyzlo_find_place
    _kyzlo_ready "$KYZLO_VENV" && return
    command -v flock >/dev/null || _kyzlo_die "the command flock is missing (package util-linux)"
    local lock_fd
    # The directory itself is locked, so no lock file is left behind.
    exec {lock_fd}<"$(dirname "$KYZLO_VENV")"
    if ! flock -n "$lock_fd"; then
        printf 'kyzlo: another start is building the environment; waiting for it …\n' >&2
        flock -w 600 "$lock_fd" || _kyzlo_die "it is still being built after 10 minutes; giving up"
    fi
    _kyzlo_ready "$KYZLO_VENV" || _kyzlo_build
    exec {lock_fd}<&-
}

kyzlo_environment
# Tools keep their caches beside the environment where the checkout is not this user's to write to.
if [ ! -w "$KYZLO_HOME" ]; then
    export RUFF_CACHE_DIR=${KYZLO_VENV%/*}/ruff MYPY_CACHE_DIR=${KYZLO_VENV%/*}/mypy
    export HYPOTHESIS_STORAGE_DIRECTORY=${KYZLO_VENV%/*}/hypothesis
    export PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} -o cache_dir=${KYZLO_VENV%/*}/pytest"
fi
